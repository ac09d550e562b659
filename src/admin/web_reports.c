/* The reports of the original. */
#include "admin/web_site.h"

#include "admin/web_html.h"
#include "admin/web_parts.h"
#include "admin/web_viewer.h"
#include "fsp/catalog.h"
#include "fsp/text.h"
#include <errno.h>
#include <inttypes.h>

struct page {
        FILE *out;
        uint64_t count;
};

static int put_count(void *arg, const struct viewer_count *count)
{
        static const struct html_column columns[] = { { "Clients", "number" },
                                                      { "State", NULL },
                                                      { "Class", NULL } };
        struct page *page = arg;
        FILE *out = page->out;
        if (page->count++ == 0)
                html_table(out, "Clients by state", columns, sizeof(columns) / sizeof(columns[0]));
        const char *class = catalog_class(count->topic_type, count->state_id);
        html(out, "<tr><td class=\"number\">%d</td><td>", count->clients);
        parts_state(out, count->topic_type, count->state_id);
        html(out, "</td><td><a href=\"/clients?class=%u\">", class);
        parts_badge(out, class);
        html(out, "</a></td></tr>\n");
        return 0;
}

static int put_counts(struct site *site, FILE *out, enum viewer_report report,
                      const struct viewer_filter *filter)
{
        struct page page = { .out = out };
        int r = viewer_counts(site->query, report, filter, put_count, &page);
        if (page.count > 0)
                html_table_end(out);
        else
                html(out, "<p class=\"sheet\">No client has told anything yet.</p>\n");
        parts_left_out(out, site->query);
        return r;
}

/* A page begins at the place "before", from 0; anything else is the first page. */
static int put_problems(struct site *site, FILE *out, const struct web_request *request,
                        struct viewer_filter *filter)
{
        const char *before = web_parameter(request, "before");
        char further[24], label[48];
        uint64_t from = 0, more;
        if (filter->limit == 0 || filter->limit > MESSAGE_FILTER_LIMIT)
                filter->limit = MESSAGE_FILTER_LIMIT;
        if (before && (text_parse_u64(before, &from) < 0 || from > INT64_MAX))
                from = 0;
        html(out, "<div id=\"list\" data-live>\n");
        int r = parts_problems(site->query, out, filter, from, &more);
        if (more > 0) {
                (void)snprintf(further, sizeof(further), "%" PRIu64, from + filter->limit); /* they fit */
                (void)snprintf(label, sizeof(label), "and %" PRIu64 " more", more);
                html_further(out, request, further, label);
        }
        html(out, "</div>\n");
        return r;
}

int web_report(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct site *site = arg;
        struct web_viewer_filter filter;
        enum viewer_report report;
        char path[96];
        if (viewer_report_parse(request->item, &report) < 0) {
                (void)fputs("There is no such report\n", answer->out); /* a memory stream: its end tells */
                return -ENOENT;
        }
        int r = web_viewer_read(request, answer, &filter);
        if (r < 0)
                return r;
        const struct viewer_report_info *info = viewer_report_info(report);
        (void)snprintf(path, sizeof(path), "/api/v1/reports/%s", info->name); /* fits: names of ours */
        html_begin(answer, info->title, "Reports");
        html(answer->out, "<h1>%s</h1>\n", info->title);
        if (report == VIEWER_PROBLEMS_SUMMARY)
                r = put_problems(site, answer->out, request, &filter.filter);
        else if (report == VIEWER_DEPLOYMENT_STATUS || report == VIEWER_ASSIGNMENT_STATUS)
                r = put_counts(site, answer->out, report, web_viewer_filter(&filter));
        else
                r = web_viewer_clients(site, answer->out, request, &filter, report);
        html_links(answer->out, path, request);
        html_end(answer);
        return r;
}

int web_reports(void *arg, const struct web_request *request, struct web_answer *answer)
{
        (void)arg;
        html_begin(answer, "Reports", "Reports");
        html(answer->out, "<h1>Reports</h1>\n<ul class=\"sheet\">\n");
        for (unsigned i = 0; i < VIEWER_REPORT_COUNT; i++) {
                const struct viewer_report_info *info = viewer_report_info((enum viewer_report)i);
                html(answer->out, "<li><a href=\"/reports/%u\">%s</a></li>\n", info->name, info->title);
        }
        html(answer->out, "</ul>\n");
        html_links(answer->out, "/api/v1/reports", request);
        html_end(answer);
        return 0;
}
