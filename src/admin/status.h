/* status: how the daemon is doing, judged in one place for the tool, the
 * page and the monitors.
 *
 * Owns      nothing.  Threads: pure functions, but for status_gather, which
 *           asks the parts and may run in any thread. */
#ifndef ADMIN_STATUS_H
#define ADMIN_STATUS_H

#include "admin/format.h"
#include "fsp/control.h"
#include <jansson.h>

/* Where a good state ends. */
#define STATUS_LATE_MS (10 * 60 * 1000)
#define STATUS_FULLNESS 0.8

enum availability { AVAILABILITY_ONLINE, AVAILABILITY_WARNING, AVAILABILITY_OFFLINE };
const char *availability_name(enum availability availability);

/* What is known at one moment. */
struct status_facts {
        int64_t now_ms, started_ms;    /* wall */
        const char *site_code, *admin; /* admin: the page's address, NULL: none */
        char listen[LISTENER_URL_SIZE];
        struct ledger_totals totals;
        int64_t oldest_ms; /* receipt of the oldest message not forwarded */
        struct quota_view quota;
        bool draining;
        struct listener_view listener;
        struct forwarder_view forwarder;
        int stager_fault; /* as stager_fault */
};
void status_gather(const struct control_parts *parts, int64_t started_ms, struct status_facts *ret_facts);

/* online: takes messages and nothing is wrong; warning: takes messages, but
 * something wants looking at; offline: takes none.  reasons (may be NULL), an
 * array, gets a line for each cause. */
enum availability status_judge(const struct status_facts *facts, json_t *reasons);

/* The object of `fspctl status --json`; NULL when memory is short. */
json_t *status_object(const struct status_facts *facts);

/* The object as one row: all that is flat in it, and last_run spread to
 * last_run_started and so on by status_spread (0 or -ENOMEM). */
extern const struct format_column status_columns[];
extern const size_t status_column_count;
int status_spread(json_t *object);

#endif
