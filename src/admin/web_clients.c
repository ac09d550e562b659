/* The list of clients, also that of a report. */
#include "admin/web_site.h"

#include "admin/web_html.h"
#include "admin/web_parts.h"
#include "admin/web_viewer.h"
#include "fsp/clock.h"
#include "fsp/errors.h"
#include <inttypes.h>
#include <string.h>

struct clients {
        FILE *out;
        int64_t now_ms;
        uint64_t count;
        struct viewer_filter last; /* where the list goes on */
};

static int put_client(void *arg, const struct viewer_client *client)
{
        static const struct html_column columns[] = { { "Client", NULL },    { "State", NULL },
                                                      { "Class", NULL },     { "Error", "wide" },
                                                      { "Version", "wide" }, { "Last seen", NULL } };
        struct clients *clients = arg;
        FILE *out = clients->out;
        if (clients->count++ == 0)
                html_table(out, "Clients", columns, sizeof(columns) / sizeof(columns[0]));
        html(out, "<tr><td><a href=\"/clients/%d\">%s</a></td><td>", client->number,
             parts_client_name(client));
        if (client->state.known)
                parts_state(out, client->state.topic_type, client->state.state_id);
        else
                html(out, "–");
        html(out, "</td><td>");
        parts_state_badge(out, &client->state);
        html(out, "</td><td class=\"wide\">");
        parts_error(out, client->state.known ? client->state.error : ERRORS_NONE);
        html(out, "</td><td class=\"wide\">%s</td><td>", client->client_version);
        html_time(out, client->last_seen_ms, clients->now_ms);
        html(out, "</td></tr>\n");
        web_viewer_after(&clients->last, client);
        return 0;
}

/* "MS.NUMBER.TOPIC", where the page before ended. */
static void take_after(const struct web_request *request, struct viewer_filter *filter)
{
        const char *before = web_parameter(request, "before");
        int64_t ms, number, topic;
        if (before && sscanf(before, "%" SCNd64 ".%" SCNd64 ".%" SCNd64, &ms, &number, &topic) == 3) {
                filter->after_ms = ms;
                filter->after_number = number;
                filter->after_topic = topic;
        }
}

static void put_further(FILE *out, const struct web_request *request, const struct viewer_filter *last)
{
        char before[80];
        (void)snprintf(before, sizeof(before), "%" PRId64 ".%" PRId64 ".%" PRId64, last->after_ms,
                       last->after_number, last->after_topic); /* it fits */
        html_further(out, request, before, "Further clients");
}

static void put_search(FILE *out, const struct web_request *request)
{
        static const char *const classes[] = { "deploy-failed",   "assign-failed", "in-progress", "deployed",
                                               "deployed-reboot", "assigning",     "assigned",    "unknown" };
        const char *client = web_parameter(request, "client"), *chosen = web_parameter(request, "class");
        html(out,
             "<form class=\"search\" role=\"search\" action=\"/clients\"><label>Name or ID, <code>*</code> "
             "is any text"
             "<input type=\"search\" name=\"client\" value=\"%s\" autocomplete=\"off\" "
             "spellcheck=\"false\"></label>"
             "<label>Class<br><select name=\"class\"><option value=\"\">any</option>\n",
             client ? client : "");
        for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
                html(out,
                     chosen && strcmp(chosen, classes[i]) == 0 ? "<option selected>%s</option>\n"
                                                               : "<option>%s</option>\n",
                     classes[i]);
        html(out, "</select></label><button>Search</button></form>\n");
}

int web_viewer_clients(struct site *site, FILE *out, const struct web_request *request,
                       struct web_viewer_filter *filter, enum viewer_report report)
{
        struct clients clients = { .out = out, .now_ms = clock_wall_ms() };
        const struct viewer_filter *wanted = web_viewer_filter(filter);
        if (filter->filter.limit == 0 || filter->filter.limit > MESSAGE_FILTER_LIMIT)
                filter->filter.limit = MESSAGE_FILTER_LIMIT;
        take_after(request, &filter->filter);
        html(out, "<div id=\"list\" data-live>\n");
        int r = report == VIEWER_REPORT_COUNT
                        ? viewer_clients(site->query, wanted, put_client, &clients)
                        : viewer_report_clients(site->query, report, wanted, put_client, &clients);
        if (clients.count > 0)
                html_table_end(out);
        else
                html(out,
                     "<div class=\"sheet empty\"><p><strong>No client matches.</strong></p><p>A client is "
                     "listed when a message of its has come.</p></div>\n");
        parts_left_out(out, site->query);
        if (clients.count == wanted->limit)
                put_further(out, request, &clients.last);
        html(out, "</div>\n");
        return r;
}

int web_clients(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct web_viewer_filter filter;
        int r = web_viewer_read(request, answer, &filter);
        if (r < 0)
                return r;
        html_begin(answer, "Clients", "Clients");
        html(answer->out, "<h1>Clients</h1>\n");
        put_search(answer->out, request);
        r = web_viewer_clients(arg, answer->out, request, &filter, VIEWER_REPORT_COUNT);
        html_links(answer->out, "/api/v1/clients", request);
        html_end(answer);
        return r;
}
