/* What came and went in each hour: counted as it happens, in the transaction
 * that makes it true, so that no page ever counts messages. */
#include "ledger_private.h"
#include "query_private.h"

#include "fsp/clock.h"
#include "fsp/query.h"

#define HOUR_MS INT64_C(3600000)
#define KEPT_MS (31 * 24 * HOUR_MS)

int ledger_count_hour(struct ledger *ledger)
{
        if (ledger->accepted == 0 && ledger->forwarded == 0)
                return 0;
        return LEDGER_RUN(ledger, STATEMENT_COUNT_HOUR, clock_wall_ms() / HOUR_MS * HOUR_MS, ledger->accepted,
                          ledger->forwarded);
}

int ledger_forget_hours(struct ledger *ledger)
{
        return LEDGER_RUN(ledger, STATEMENT_DELETE_HOURS, clock_wall_ms() - KEPT_MS);
}

int query_hours(struct query *query, int64_t since_ms,
                void (*visit)(void *arg, const struct query_hour *hour), void *arg)
{
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(query_db(query),
                                        "SELECT start_ms, accepted, forwarded FROM hour WHERE start_ms >= ?1"
                                        " ORDER BY start_ms",
                                        -1, &statement, NULL);
        if (result == SQLITE_OK)
                result = sqlite3_bind_int64(statement, 1, since_ms);
        while (result == SQLITE_OK || result == SQLITE_ROW) {
                result = sqlite3_step(statement);
                if (result != SQLITE_ROW)
                        break;
                struct query_hour hour = { .start_ms = sqlite3_column_int64(statement, 0),
                                           .accepted = (uint64_t)sqlite3_column_int64(statement, 1),
                                           .forwarded = (uint64_t)sqlite3_column_int64(statement, 2) };
                visit(arg, &hour);
        }
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        return ledger_errno(result);
}
