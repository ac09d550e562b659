/* What is old goes, in steps so small that intake does not notice. */
#include "ledger_private.h"

#include "fsp/clock.h"
#include "rollup.h"
#include <errno.h>

#define STEP_ROWS 200

struct step {
        int64_t seqs[STEP_ROWS];
        size_t count;
};

static int delete_row(struct ledger *ledger, enum statement which, int64_t seq)
{
        sqlite3_stmt *statement = ledger_statement(ledger, which);
        if (!statement)
                return -ENOMEM;
        (void)sqlite3_bind_int64(statement, 1, seq); /* cannot fail on a prepared parameter */
        return ledger_run(ledger, statement);
}

/* The oldest rows that are forwarded and past their time. */
static int find_expired(struct ledger *ledger, int64_t before_ms, struct step *step)
{
        sqlite3_stmt *statement = ledger_statement(ledger, STATEMENT_EXPIRED);
        if (!statement)
                return -ENOMEM;
        (void)sqlite3_bind_int(statement, 1, STEP_ROWS); /* as above */
        int result;
        while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
                if (sqlite3_column_int(statement, 1) == DELIVERY_FORWARDED &&
                    sqlite3_column_int64(statement, 2) < before_ms)
                        step->seqs[step->count++] = sqlite3_column_int64(statement, 0);
        }
        (void)sqlite3_reset(statement); /* repeats the result of step */
        return ledger_errno(result);
}

/* The oldest forwarded bodies, while the ledger is larger than the archive may be. */
static int find_archived(struct ledger *ledger, struct step *step)
{
        uint64_t limit = ledger->batch_config->ledger.archive_size;
        sqlite3_stmt *size = NULL;
        int result = sqlite3_prepare_v2(ledger->db,
                                        "SELECT (page_count - freelist_count) * page_size"
                                        " FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
                                        -1, &size, NULL);
        if (result == SQLITE_OK)
                result = sqlite3_step(size);
        bool over = result == SQLITE_ROW && (uint64_t)sqlite3_column_int64(size, 0) > limit;
        (void)sqlite3_finalize(size); /* repeats the result of step */
        if (!over)
                return ledger_errno(result);
        sqlite3_stmt *statement = ledger_statement(ledger, STATEMENT_ARCHIVED);
        if (!statement)
                return -ENOMEM;
        (void)sqlite3_bind_int(statement, 1, STEP_ROWS); /* as above */
        while ((result = sqlite3_step(statement)) == SQLITE_ROW)
                step->seqs[step->count++] = sqlite3_column_int64(statement, 0);
        (void)sqlite3_reset(statement); /* as above */
        return ledger_errno(result);
}

static int delete_step(struct ledger *ledger, const struct step *expired, const struct step *archived)
{
        int r = ledger_run_simple(ledger, STATEMENT_BEGIN);
        for (size_t i = 0; r == 0 && i < expired->count; i++) {
                r = rollup_forget(ledger, expired->seqs[i]);
                if (r == 0)
                        r = delete_row(ledger, STATEMENT_DELETE_BODY, expired->seqs[i]);
                if (r == 0)
                        r = delete_row(ledger, STATEMENT_DELETE_STATES, expired->seqs[i]);
                if (r == 0)
                        r = delete_row(ledger, STATEMENT_DELETE_MESSAGE, expired->seqs[i]);
        }
        for (size_t i = 0; r == 0 && i < archived->count; i++)
                r = delete_row(ledger, STATEMENT_DELETE_BODY, archived->seqs[i]);
        if (r == 0)
                r = ledger_run_simple(ledger, STATEMENT_COMMIT);
        if (r == 0)
                r = ledger_run_simple(ledger, STATEMENT_VACUUM);
        return r;
}

static int forget_shipments(struct ledger *ledger, int64_t now_ms)
{
        sqlite3_stmt *statement = ledger_statement(ledger, STATEMENT_DELETE_SHIPMENTS);
        if (!statement)
                return -ENOMEM;
        (void)sqlite3_bind_int64(statement, 1, /* as above */
                                 now_ms - ledger->batch_config->forwarder.throttle_interval_ms);
        return ledger_run(ledger, statement);
}

int ledger_tidy(struct ledger *ledger)
{
        struct step expired = { .count = 0 }, archived = { .count = 0 };
        int64_t now_ms = clock_wall_ms();
        /* What tells duplicates is kept as long as they are to be told. */
        int64_t keep_ms = ledger->batch_config->ledger.retention_ms;
        if (keep_ms < ledger->batch_config->policy.deduplicate_ms)
                keep_ms = ledger->batch_config->policy.deduplicate_ms;
        int r = find_expired(ledger, now_ms - keep_ms, &expired);
        if (r == 0)
                r = find_archived(ledger, &archived);
        if (r == 0 && expired.count + archived.count > 0)
                r = delete_step(ledger, &expired, &archived);
        if (r == 0)
                r = forget_shipments(ledger, now_ms);
        if (r == 0)
                r = ledger_forget_hours(ledger);
        return r < 0 ? r : expired.count == STEP_ROWS || archived.count == STEP_ROWS;
}
