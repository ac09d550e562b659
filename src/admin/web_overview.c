/* The first view: how the daemon is, what came and went, what is wrong now. */
#include "admin/web_site.h"

#include "admin/web_html.h"
#include "admin/web_parts.h"
#include "fsp/clock.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PROBLEMS 10
#define NEWEST 8

struct tiles {
        FILE *out;
        const struct status_facts *facts;
};

/* mood: good, warn, bad; the word stands for those who see no colours. */
static void begin_tile(FILE *out, const char *mood, const char *title)
{
        html(out, "<li class=\"tile %s\"><h2>%s</h2>", mood, title);
}

static void state_tile(const struct tiles *tiles)
{
        static const char *const moods[] = { "good", "warn", "bad" };
        json_t *reasons = json_array();
        enum availability availability = status_judge(tiles->facts, reasons);
        begin_tile(tiles->out, moods[availability], "State");
        html(tiles->out, "<p class=\"figure\">%s</p>", availability_name(availability));
        for (size_t i = 0; i < json_array_size(reasons); i++)
                html(tiles->out, "<p>%s</p>", json_string_value(json_array_get(reasons, i)));
        if (json_array_size(reasons) == 0)
                html(tiles->out, "<p>Messages are taken and forwarded</p>");
        html(tiles->out, "</li>\n");
        json_decref(reasons);
}

static void listener_tile(const struct tiles *tiles)
{
        const struct listener_view *view = &tiles->facts->listener;
        begin_tile(tiles->out, "good", "Listener");
        html(tiles->out, "<p class=\"figure\">%d received</p><p>since ",
             (int64_t)view->verdicts[VERDICT_ACCEPTED]);
        html_time(tiles->out, tiles->facts->started_ms, tiles->facts->now_ms);
        html(tiles->out, ", %d connected</p><p>%s</p></li>\n", (int64_t)view->connections,
             tiles->facts->listen);
}

static void staged_tile(const struct tiles *tiles)
{
        const struct status_facts *facts = tiles->facts;
        int64_t staged = (int64_t)(facts->totals.received + facts->totals.staged + facts->totals.copied);
        begin_tile(tiles->out, facts->quota.fullness > STATUS_FULLNESS ? "warn" : "good", "Staged");
        html(tiles->out, "<p class=\"figure\">%d waiting</p>", staged);
        if (facts->oldest_ms == CLOCK_UNKNOWN) {
                html(tiles->out, "<p>nothing waits</p></li>\n");
                return;
        }
        html(tiles->out, "<p>the oldest came ");
        html_time(tiles->out, facts->oldest_ms, facts->now_ms);
        (void)fprintf(tiles->out, "</p><p>%.0f %% of the room</p></li>\n", facts->quota.fullness * 100);
}

static void inbox_tile(const struct tiles *tiles)
{
        const struct forwarder_view *view = &tiles->facts->forwarder;
        bool reached = view->last.fault == 0;
        begin_tile(tiles->out, reached ? "good" : "bad", "Inbox");
        html(tiles->out, "<p class=\"figure\">%s</p>",
             view->last.number == 0 ? "not tried yet"
             : reached              ? "in reach"
                                    : "out of reach");
        if (!reached)
                html(tiles->out, "<p>%s</p>", view->last.why);
        html(tiles->out, "<p>last reached ");
        html_time(tiles->out, view->success_ms, tiles->facts->now_ms);
        html(tiles->out, "</p><p>%d forwarded since the start</p></li>\n", (int64_t)view->forwarded);
}

static void quarantine_tile(const struct tiles *tiles)
{
        uint64_t count = tiles->facts->totals.quarantined;
        begin_tile(tiles->out, count > 0 ? "warn" : "good", "Quarantine");
        html(tiles->out, "<p class=\"figure\">%d</p>", (int64_t)count);
        html(tiles->out, count > 0 ? "<p><a href=\"/messages?q=delivery%%3Aquarantined\">Look at them</a>; "
                                     "<code>fspctl requeue</code> sends them again</p></li>\n"
                                   : "<p>nothing waits for a person</p></li>\n");
}

static void disk_tile(const struct tiles *tiles)
{
        const struct quota_view *quota = &tiles->facts->quota;
        begin_tile(tiles->out, quota->verdict == VERDICT_DISK_LOW ? "bad" : "good", "Disk");
        html(tiles->out, "<p class=\"figure\">%d %% free</p><p>%d %% of the inodes</p></li>\n",
             (int64_t)quota->free_bytes_percent, (int64_t)quota->free_inodes_percent);
}

static void run_tiles(const struct tiles *tiles)
{
        const struct forwarder_view *view = &tiles->facts->forwarder;
        const struct forwarder_run *last = &view->last;
        begin_tile(tiles->out, last->copied < last->tried ? "warn" : "good", "Last run");
        if (last->number == 0)
                html(tiles->out, "<p class=\"figure\">none yet</p></li>\n");
        else {
                html(tiles->out, "<p class=\"figure\">%d of %d</p><p>copied ", (int64_t)last->copied,
                     (int64_t)last->tried);
                html_time(tiles->out, last->started_ms, tiles->facts->now_ms);
                (void)fprintf(tiles->out, " in %.1f s</p></li>\n", (double)last->duration_ms / 1000);
        }
        bool late = view->late_ms > STATUS_LATE_MS;
        begin_tile(tiles->out, late ? "bad" : "good", "Next run");
        html(tiles->out, "<p class=\"figure\">");
        if (view->running)
                html(tiles->out, "running");
        else
                html_time(tiles->out, view->next_run_ms, tiles->facts->now_ms);
        html(tiles->out, "</p>");
        if (late) {
                html(tiles->out, "<p><strong>Late</strong> by ");
                html_age(tiles->out, view->late_ms);
                html(tiles->out, "</p>");
        }
        html(tiles->out, "</li>\n");
}

static void put_tiles(FILE *out, const struct status_facts *facts)
{
        struct tiles tiles = { .out = out, .facts = facts };
        html(out, "<ul class=\"tiles\" id=\"tiles\" data-live>\n");
        state_tile(&tiles);
        listener_tile(&tiles);
        staged_tile(&tiles);
        inbox_tile(&tiles);
        quarantine_tile(&tiles);
        disk_tile(&tiles);
        run_tiles(&tiles);
        html(out, "</ul>\n");
}

static int put_problems(struct site *site, FILE *out)
{
        struct viewer_filter filter = VIEWER_ALL;
        uint64_t more;
        filter.limit = PROBLEMS;
        html(out, "<section id=\"problems\" data-live aria-labelledby=\"problems-title\">"
                  "<h2 id=\"problems-title\">Problems now</h2>\n");
        int r = parts_problems(site->query, out, &filter, 0, &more);
        if (more > 0)
                html(out, "<p><a href=\"/reports/problems-summary\">and %d more</a></p>", (int64_t)more);
        html(out, "</section>\n");
        return r;
}

static int put_newest(struct site *site, FILE *out, const struct status_facts *facts)
{
        struct message_filter filter;
        struct parts_rows rows = { .out = out, .now_ms = facts->now_ms };
        message_filter_init(&filter);
        filter.filter.limit = NEWEST;
        html(out, "<section id=\"newest\" data-live aria-labelledby=\"newest-title\">"
                  "<h2 id=\"newest-title\">Newest messages</h2>\n");
        int r = parts_messages(site->query, &filter.filter, &rows);
        if (r == 0 && rows.count == 0)
                html(out,
                     "<div class=\"sheet empty\"><p><strong>No state message has come yet.</strong></p>"
                     "<p>Point a client here: <code>CCMSetup.exe /mp:… FSP=THIS-HOST</code>,<br>or try it:"
                     " <code>fspctl send %s --topic 800 --state 100 --name PC-1</code></p></div>",
                     facts->listen);
        else if (r == 0)
                html(out, "<p><a href=\"/messages\">All messages</a></p>");
        html(out, "</section>\n");
        return r;
}

int web_overview(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct site *site = arg;
        struct status_facts facts;
        FILE *out = answer->out;
        status_gather(&site->parts, site->started_ms, &facts);
        html_begin(answer, "Overview", "Overview");
        html(out, "<h1>Site %s</h1>\n", facts.site_code);
        put_tiles(out, &facts);
        int r = parts_chart(site->query, out, web_parameter(request, "range"), facts.now_ms);
        if (r == 0)
                r = put_problems(site, out);
        if (r == 0)
                r = put_newest(site, out, &facts);
        html_end(answer);
        return r;
}
