/* /metrics: the text format of Prometheus, version 0.0.4. */
#include "admin/web_site.h"

#include "fsp/clock.h"
#include <inttypes.h>

/* The stream is one of memory: what it cannot take is told at its end. */
static void head(FILE *out, const char *name, const char *type, const char *help)
{
        (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(FILE *out, const char *name, const char *help, double value)
{
        head(out, name, "gauge", help);
        (void)fprintf(out, "%s %.15g\n", name, value);
}

static void counter(FILE *out, const char *name, const char *help, uint64_t value)
{
        head(out, name, "counter", help);
        (void)fprintf(out, "%s %" PRIu64 "\n", name, value);
}

/* scale: of the histogram's unit to the metric's. */
static void histogram(FILE *out, const char *name, const char *help, struct histogram_view view, double scale)
{
        head(out, name, "histogram", help);
        for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++)
                (void)fprintf(out, "%s_bucket{le=\"%.15g\"} %" PRIu64 "\n", name,
                              (double)view.bounds[i] * scale, view.at_most[i]);
        (void)fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.15g\n%s_count %" PRIu64 "\n", name,
                      view.count, name, (double)view.sum * scale, name, view.count);
}

static void listener_metrics(FILE *out, const struct listener_view *view)
{
        static const char *const topics[LISTENER_TOPICS] = {
                [TOPIC_DEPLOYMENT] = "deployment",
                [TOPIC_COMMUNICATION] = "communication",
                [TOPIC_CERTIFICATE] = "certificate",
                [TOPIC_OTHER] = "other",
        };
        head(out, "fspd_requests_total", "counter", "Requests of clients by what was said of them.");
        for (unsigned i = 0; i < VERDICT_COUNT; i++)
                (void)fprintf(out, "fspd_requests_total{verdict=\"%s\"} %" PRIu64 "\n",
                              verdict_info((enum verdict)i)->name, view->verdicts[i]);
        head(out, "fspd_received_total", "counter", "Messages taken, by the topic of their first part.");
        for (unsigned i = 0; i < LISTENER_TOPICS; i++)
                (void)fprintf(out, "fspd_received_total{topic=\"%s\"} %" PRIu64 "\n", topics[i],
                              view->topics[i]);
        gauge(out, "fspd_connections", "Connections of clients that are open.", view->connections);
}

static void store_metrics(FILE *out, const struct status_facts *facts)
{
        const struct ledger_totals *totals = &facts->totals;
        int64_t age_ms = facts->oldest_ms == CLOCK_UNKNOWN ? 0 : facts->now_ms - facts->oldest_ms;
        gauge(out, "fspd_staged_messages", "Messages that wait to be forwarded.",
              (double)(totals->received + totals->staged + totals->copied));
        gauge(out, "fspd_oldest_staged_seconds", "Age of the oldest of them; 0 when there is none.",
              age_ms > 0 ? (double)age_ms / 1000 : 0);
        gauge(out, "fspd_quarantined_messages", "Messages that wait for a person to decide.",
              (double)totals->quarantined);
        gauge(out, "fspd_staging_fullness_ratio", "How full staging is, of its bounds.",
              facts->quota.fullness);
        head(out, "fspd_free_space_percent", "gauge",
             "Free on the file systems of staging and ledger, the scarcer one.");
        (void)fprintf(out,
                      "fspd_free_space_percent{of=\"bytes\"} %" PRIu64
                      "\nfspd_free_space_percent{of=\"inodes\"} %" PRIu64 "\n",
                      facts->quota.free_bytes_percent, facts->quota.free_inodes_percent);
}

static void forwarder_metrics(FILE *out, const struct forwarder_view *view)
{
        counter(out, "fspd_forwarded_total", "Messages that arrived in the inbox.", view->forwarded);
        gauge(out, "fspd_inbox_reachable", "1 while the last run reached the inbox.", view->last.fault == 0);
        gauge(out, "fspd_forward_late_seconds", "How long a run is overdue or goes on without an end.",
              (double)view->late_ms / 1000);
        gauge(out, "fspd_last_success_timestamp_seconds",
              "End of the last run that reached the inbox; 0 when there was none since the start.",
              view->success_ms == CLOCK_UNKNOWN ? 0 : (double)view->success_ms / 1000);
}

static void availability_metrics(FILE *out, enum availability availability)
{
        head(out, "fspd_availability", "gauge", "1 for the state that holds.");
        for (unsigned i = AVAILABILITY_ONLINE; i <= AVAILABILITY_OFFLINE; i++)
                (void)fprintf(out, "fspd_availability{state=\"%s\"} %d\n",
                              availability_name((enum availability)i), i == (unsigned)availability);
}

int web_metrics(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct site *site = arg;
        FILE *out = answer->out;
        struct status_facts facts;
        (void)request;
        status_gather(&site->parts, site->started_ms, &facts);
        answer->type = "text/plain; version=0.0.4; charset=utf-8";
        head(out, "fspd_build_info", "gauge", "Always 1; the label tells the version.");
        (void)fputs("fspd_build_info{version=\"" FSP_VERSION "\"} 1\n", out);
        gauge(out, "fspd_start_timestamp_seconds", "When fspd was started.", (double)facts.started_ms / 1000);
        availability_metrics(out, status_judge(&facts, NULL));
        listener_metrics(out, &facts.listener);
        store_metrics(out, &facts);
        forwarder_metrics(out, &facts.forwarder);
        counter(out, "fspd_commits_total", "Transactions of the ledger.", ledger_commits(site->parts.ledger));
        histogram(out, "fspd_request_duration_seconds", "From a request's head to its answer.",
                  listener_request_us(site->parts.listener), 1e-6);
        histogram(out, "fspd_commit_batch_size", "Jobs in one transaction of the ledger.",
                  ledger_batches(site->parts.ledger), 1);
        histogram(out, "fspd_forward_duration_seconds", "What a forwarding run took.",
                  forwarder_run_ms(site->parts.forwarder), 1e-3);
        return 0;
}
