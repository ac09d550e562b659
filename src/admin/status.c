#include "admin/status.h"
#include "admin/format.h"
#include "fsp/clock.h"
#include "fsp/log.h"
#include "fsp/text.h"
#include <stdarg.h>
#include <string.h>

const char *availability_name(enum availability availability)
{
        static const char *const names[] = { "online", "warning", "offline" };

        return names[availability];
}

void status_gather(const struct control_parts *parts, int64_t started_ms, struct status_facts *ret_facts)
{
        struct status_facts facts = {
                .now_ms = clock_wall_ms(),
                .started_ms = started_ms,
                .site_code = parts->site_code,
                .admin = parts->admin_url,
                .totals = ledger_totals(parts->ledger),
                .oldest_ms = ledger_oldest_ms(parts->ledger),
                .quota = quota_look(parts->quota),
                .draining = quota_closed(parts->quota),
                .listener = listener_view(parts->listener),
                .forwarder = forwarder_view(parts->forwarder),
                .stager_fault = stager_fault(parts->stager),
        };

        (void)listener_url(parts->listener, facts.listen); /* the buffer itself */
        *ret_facts = facts;
}

/* A reason that finds no memory is left out; the availability stands. */
static void __attribute__((format(printf, 2, 3))) add_reason(json_t *reasons, const char *format, ...)
{
        va_list arguments;

        if (!reasons)
                return;
        va_start(arguments, format);
        (void)json_array_append_new(reasons, json_vsprintf(format, arguments)); /* see above */
        va_end(arguments);
}

static bool is_offline(const struct status_facts *facts, json_t *reasons)
{
        bool offline = false;

        if (!facts->totals.online) {
                offline = true;
                add_reason(reasons, "the ledger cannot be written: %s", strerror(-facts->totals.fault));
        }
        if (facts->draining) {
                offline = true;
                add_reason(reasons, "draining: new messages are refused by order");
        } else if (facts->quota.verdict != VERDICT_ACCEPTED) {
                offline = true;
                add_reason(reasons, "messages are refused: %s", verdict_info(facts->quota.verdict)->text);
        }
        return offline;
}

static bool has_warning(const struct status_facts *facts, json_t *reasons)
{
        const struct forwarder_view *forwarder = &facts->forwarder;
        char late[TEXT_UNIT_SIZE];
        bool warning = false;

        if (forwarder->last.fault != 0) {
                warning = true;
                add_reason(reasons, "the inbox was out of reach at the last run: %s", forwarder->last.why);
        }
        if (forwarder->late_ms > STATUS_LATE_MS) {
                int64_t seconds = forwarder->late_ms / 1000;

                warning = true;
                add_reason(reasons, "%s for %s",
                           forwarder->running ? "a forwarding run has not come to an end"
                                              : "a forwarding run has been due",
                           text_format_duration(seconds * 1000, late));
        }
        if (facts->stager_fault < 0) {
                warning = true;
                add_reason(reasons, "received messages cannot be written to staging: %s",
                           strerror(-facts->stager_fault));
        }
        if (facts->quota.fullness > STATUS_FULLNESS) {
                warning = true;
                add_reason(reasons, "staging is %.0f %% full", facts->quota.fullness * 100);
        }
        if (facts->totals.quarantined > 0) {
                warning = true;
                add_reason(reasons, "%ju quarantined", (uintmax_t)facts->totals.quarantined);
        }
        return warning;
}

enum availability status_judge(const struct status_facts *facts, json_t *reasons)
{
        bool offline = is_offline(facts, reasons);
        bool warning = has_warning(facts, reasons);

        if (offline)
                return AVAILABILITY_OFFLINE;
        return warning ? AVAILABILITY_WARNING : AVAILABILITY_ONLINE;
}

static json_int_t count_refused(const struct listener_view *listener)
{
        uint64_t refused = 0;
        unsigned verdict;

        for (verdict = 0; verdict < VERDICT_COUNT; verdict++)
                if (verdict_info((enum verdict)verdict)->status != 200 && verdict != VERDICT_PATH)
                        refused += listener->verdicts[verdict];
        return (json_int_t)refused;
}

static json_t *verdicts_object(const struct listener_view *listener)
{
        json_t *object = json_object();
        unsigned verdict;

        for (verdict = 0; object && verdict < VERDICT_COUNT; verdict++)
                if (json_object_set_new(object, verdict_info((enum verdict)verdict)->name,
                                        json_integer((json_int_t)listener->verdicts[verdict])) < 0) {
                        json_decref(object);
                        return NULL;
                }
        return object;
}

static json_t *last_run_object(const struct forwarder_run *run)
{
        if (run->number == 0)
                return json_null();
        return json_pack("{s:o, s:I, s:I, s:f}", "started", format_time(run->started_ms), "tried",
                         (json_int_t)run->tried, "copied", (json_int_t)run->copied, "seconds",
                         (double)run->duration_ms / 1000);
}

static json_t *oldest_seconds(const struct status_facts *facts)
{
        if (facts->oldest_ms == CLOCK_UNKNOWN)
                return json_null();
        /* the wall clock may have been set back since */
        return json_integer(facts->now_ms > facts->oldest_ms ? (facts->now_ms - facts->oldest_ms) / 1000 : 0);
}

/* Beyond what the contract names. */
static json_t *details_object(const struct status_facts *facts)
{
        const struct ledger_totals *totals = &facts->totals;

        return json_pack("{s:b, s:I, s:o, s:{s:I, s:I, s:I}, s:I, s:f, s:I, s:I, s:b, s:I, s:o}", "draining",
                         facts->draining, "connections", (json_int_t)facts->listener.connections, "started",
                         format_time(facts->started_ms), "pending", "received", (json_int_t)totals->received,
                         "staged", (json_int_t)totals->staged, "copied", (json_int_t)totals->copied, "bytes",
                         (json_int_t)totals->bytes, "fullness", facts->quota.fullness, "free_bytes_percent",
                         (json_int_t)facts->quota.free_bytes_percent, "free_inodes_percent",
                         (json_int_t)facts->quota.free_inodes_percent, "running", facts->forwarder.running,
                         "log_lines_suppressed", (json_int_t)log_suppressed(), "verdicts",
                         verdicts_object(&facts->listener));
}

json_t *status_object(const struct status_facts *facts)
{
        const struct ledger_totals *totals = &facts->totals;
        const uint64_t *verdicts = facts->listener.verdicts;
        json_t *reasons = json_array();
        json_t *object, *details;
        enum availability availability;

        if (!reasons)
                return NULL;
        availability = status_judge(facts, reasons);
        object = json_pack(
                "{s:s, s:s, s:s, s:s, s:o, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "availability",
                availability_name(availability), "site_code", facts->site_code, "version", FSP_VERSION,
                "listen", facts->listen, "admin", format_text(facts->admin), "staged",
                (json_int_t)(totals->received + totals->staged + totals->copied), "oldest_staged_seconds",
                oldest_seconds(facts), "quarantined", (json_int_t)totals->quarantined, "received",
                (json_int_t)verdicts[VERDICT_ACCEPTED], "forwarded", (json_int_t)facts->forwarder.forwarded,
                "duplicates", (json_int_t)verdicts[VERDICT_DUPLICATE], "refused",
                count_refused(&facts->listener), "last_run", last_run_object(&facts->forwarder.last),
                "next_run", format_time(facts->forwarder.next_run_ms), "reasons", reasons);
        details = details_object(facts);
        if (object && details && json_object_update_missing(object, details) == 0) {
                json_decref(details);
                return object;
        }
        json_decref(object);
        json_decref(details);
        return NULL;
}
