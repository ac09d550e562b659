/* What is old goes, in steps so small that intake does not notice. */
#include "ledger_private.h"

#include "fsp/clock.h"
#include "recent.h"
#include "rollup.h"
#include <errno.h>

/* Looked at in a step, and removed. */
#define LOOK_ROWS 1000
#define STEP_ROWS 200

struct step {
        int64_t seqs[STEP_ROWS];
        size_t count;
        bool more;
};

/* A clock that was ahead may have left any number of rows that are too young
 * before others that are old: the sweep goes on where these are known to be. */
static int pass_over(struct ledger *ledger, int64_t before_ms)
{
        sqlite3_stmt *statement = LEDGER_BOUND(ledger, STATEMENT_NEXT_EXPIRED, ledger->expired_seq, before_ms,
                                               ledger->rolled_seq);
        return statement ? ledger_step_number(statement, &ledger->expired_seq) : -ENOMEM;
}

/* A sweep goes from the oldest row to the newest, one step after another, past
 * those that are still on their way, and over those that are too young. */
static int find_expired(struct ledger *ledger, int64_t before_ms, struct step *step)
{
        sqlite3_stmt *statement = LEDGER_BOUND(ledger, STATEMENT_EXPIRED, ledger->expired_seq, LOOK_ROWS);
        if (!statement)
                return -ENOMEM;
        int result = SQLITE_DONE, looked = 0;
        bool any = false;
        while (step->count < STEP_ROWS && (result = sqlite3_step(statement)) == SQLITE_ROW) {
                looked++;
                ledger->expired_seq = sqlite3_column_int64(statement, 0);
                if (sqlite3_column_int64(statement, 3) >= before_ms)
                        continue;
                any = true;
                if (sqlite3_column_int(statement, 1) == DELIVERY_FORWARDED &&
                    sqlite3_column_int64(statement, 2) < before_ms)
                        step->seqs[step->count++] = ledger->expired_seq;
        }
        (void)sqlite3_reset(statement); /* repeats the result of step */
        step->more = any || looked == LOOK_ROWS;
        if (!step->more)
                ledger->expired_seq = 0;
        int r = ledger_errno(result);
        return r == 0 && step->more && !any ? pass_over(ledger, before_ms) : r;
}

static int is_over_archive(struct ledger *ledger, bool *ret_over)
{
        int64_t size;
        int r = ledger_read_number(ledger->db,
                                   "SELECT (page_count - freelist_count) * page_size"
                                   " FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
                                   &size);
        if (r == 0)
                *ret_over = (uint64_t)size > ledger->batch_config->ledger.archive_size;
        return r;
}

static void begin_sweep(struct ledger *ledger)
{
        ledger->archived_to = ledger->forwarded_seq;
        ledger->forwarded_seq = 0;
}

/* What it has not come to is left to the next one. */
static void end_sweep(struct ledger *ledger)
{
        if (ledger->archived_seq != 0 && ledger->archived_to > ledger->forwarded_seq)
                ledger->forwarded_seq = ledger->archived_to;
        ledger->archived_seq = 0;
}

/* The oldest forwarded bodies, while the ledger is larger than the archive may
 * be: a sweep of the same kind, up to the newest that was forwarded, since any
 * number may be staged behind it.  None while nothing new was forwarded. */
static int find_archived(struct ledger *ledger, struct step *step)
{
        bool over = false;
        if (ledger->archived_seq == 0 && ledger->forwarded_seq == 0)
                return 0;
        int r = is_over_archive(ledger, &over);
        if (!over)
                end_sweep(ledger);
        if (r < 0 || !over)
                return r;
        if (ledger->archived_seq == 0)
                begin_sweep(ledger);
        sqlite3_stmt *statement = LEDGER_BOUND(ledger, STATEMENT_ARCHIVED, ledger->archived_seq, LOOK_ROWS,
                                               ledger->archived_to);
        if (!statement)
                return -ENOMEM;
        int result = SQLITE_DONE;
        while (step->count < STEP_ROWS && (result = sqlite3_step(statement)) == SQLITE_ROW) {
                step->more = true;
                ledger->archived_seq = sqlite3_column_int64(statement, 0);
                if (sqlite3_column_int(statement, 1) == DELIVERY_FORWARDED)
                        step->seqs[step->count++] = ledger->archived_seq;
        }
        (void)sqlite3_reset(statement); /* as above */
        if (!step->more)
                ledger->archived_seq = 0;
        return ledger_errno(result);
}

int ledger_forget_body(struct ledger *ledger, int64_t seq)
{
        int r = LEDGER_RUN(ledger, STATEMENT_KEEP_TEXTS, seq);
        return r == 0 ? LEDGER_RUN(ledger, STATEMENT_DELETE_BODY, seq) : r;
}

static int delete_step(struct ledger *ledger, const struct step *expired, const struct step *archived)
{
        int r = ledger_run_simple(ledger, STATEMENT_BEGIN);
        for (size_t i = 0; r == 0 && i < expired->count; i++) {
                r = rollup_forget(ledger, expired->seqs[i]);
                if (r == 0)
                        r = LEDGER_RUN(ledger, STATEMENT_DELETE_BODY, expired->seqs[i]);
                if (r == 0)
                        r = LEDGER_RUN(ledger, STATEMENT_DELETE_STATES, expired->seqs[i]);
                if (r == 0)
                        r = LEDGER_RUN(ledger, STATEMENT_DELETE_MESSAGE, expired->seqs[i]);
        }
        for (size_t i = 0; r == 0 && i < archived->count; i++)
                r = ledger_forget_body(ledger, archived->seqs[i]);
        return r == 0 ? ledger_run_simple(ledger, STATEMENT_COMMIT) : r;
}

static int count_free(struct ledger *ledger, int64_t *ret_pages)
{
        return ledger_read_number(ledger->db, "PRAGMA freelist_count", ret_pages);
}

/* 1 when there is more to give back, 0, -errno.  To give a page back another one is
 * moved into its place, and who comes soon would have taken it: not while busy. */
static int shrink(struct ledger *ledger, bool busy)
{
        int64_t before, after = 0;
        int r = count_free(ledger, &before);
        if (r < 0 || before == 0)
                return r;
        if (busy)
                return 1;
        r = ledger_run_simple(ledger, STATEMENT_VACUUM);
        if (r == 0)
                r = count_free(ledger, &after);
        /* A file that others made may not be of the kind that shrinks. */
        return r < 0 ? r : after > 0 && after < before;
}

int ledger_tidy(struct ledger *ledger, bool busy)
{
        /* What a message told is known before it goes, and who goes with his last one has no newer one. */
        bool behind = rollup_is_behind(ledger);
        struct step expired = { .more = behind }, archived = { .more = false };
        int64_t now_ms = clock_wall_ms();
        /* What tells duplicates is kept as long as they are to be told. */
        int64_t keep_ms = ledger->batch_config->ledger.retention_ms;
        if (keep_ms < ledger->batch_config->policy.deduplicate_ms)
                keep_ms = ledger->batch_config->policy.deduplicate_ms;
        int r = behind ? 0 : find_expired(ledger, now_ms - keep_ms, &expired);
        if (r == 0 && expired.count > 0)
                r = rollup_finish(ledger);
        if (r == 0)
                r = find_archived(ledger, &archived);
        if (r == 0 && expired.count + archived.count > 0)
                r = delete_step(ledger, &expired, &archived);
        if (r == 0)
                r = LEDGER_RUN(ledger, STATEMENT_DELETE_SHIPMENTS,
                               now_ms - ledger->batch_config->forwarder.throttle_interval_ms);
        if (r == 0)
                r = ledger_forget_hours(ledger);
        int forgotten = r == 0 ? recent_tidy(ledger) : r;
        int shrunk = forgotten < 0 ? forgotten : shrink(ledger, busy);
        if (shrunk < 0)
                return shrunk;
        return forgotten > 0 || shrunk > 0 || expired.more || archived.more;
}
