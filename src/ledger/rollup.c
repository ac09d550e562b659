/* The folding of messages into what is known of each client. */
#include "rollup.h"

#include "ledger_private.h"
#include <errno.h>

/* The writer lets so many messages lie before it folds, since a page of a table
 * is written once a step however many clients of it are in it; for a reader
 * they are the work of some milliseconds.  While nobody comes its steps grow,
 * as far as one who then does may be kept waiting. */
#define LAG_MESSAGES 1000
#define BUSY_STEP_MESSAGES 40
#define STEP_MESSAGES 100
#define LONGEST_STEP_MESSAGES 400

#define STATES_OF_M LEDGER_STATES("m.seq", "m.seq")
#define TOLD                                                                                                 \
        "coalesce((SELECT max(coalesce(s.message_time_ms, m.received_ms)) FROM main.state s"                 \
        " WHERE s.id " STATES_OF_M "), m.received_ms)"
#define MESSAGES " FROM main.message m WHERE m.seq > ?1 AND m.seq <= ?2 AND " ROLLUP_KEY " IS NOT NULL"

/* Of two tellings the later one counts, but what it leaves out stays known. */
#define NAMED(column)                                                                                        \
        column " = CASE WHEN excluded.told_ms >= told_ms THEN coalesce(excluded." column ", " column ")"     \
               " ELSE coalesce(" column ", excluded." column ") END"

#define LINK(schema)                                                                                         \
        "INSERT OR IGNORE INTO " schema "client_message(seq, previous)"                                      \
        " SELECT m.seq, coalesce(lag(m.seq) OVER (PARTITION BY " ROLLUP_KEY " ORDER BY m.seq),"              \
        " (SELECT c.last_seq FROM " schema "client c WHERE c.key = " ROLLUP_KEY "))" MESSAGES
#define NAME(schema)                                                                                         \
        "INSERT INTO " schema "client"                                                                       \
        " SELECT m.seq, " ROLLUP_KEY ", nullif(m.client_id, ''), m.netbios_name, m.client_version, " TOLD    \
        ","                                                                                                  \
        " m.received_ms, m.received_ms, m.seq" MESSAGES " ORDER BY " ROLLUP_KEY ", m.seq"                    \
        " ON CONFLICT(key) DO UPDATE SET " NAMED("netbios_name") ", " NAMED(                                 \
                "client_version") ","                                                                        \
                                  " told_ms = max(told_ms, excluded.told_ms),"                               \
                                  " first_seen_ms = min(first_seen_ms, excluded.first_seen_ms),"             \
                                  " last_seen_ms = max(last_seen_ms, excluded.last_seen_ms),"                \
                                  " last_seq = max(last_seq, excluded.last_seq)"
/* The rules in the order of enum rollup_slot: topic, first and last state. */
#define STATE(schema)                                                                                        \
        "WITH state_text(received_ms, client, id, topic_type, state_id, message_time_ms, params, details)"   \
        " AS MATERIALIZED (SELECT m.received_ms, " ROLLUP_KEY ", s.id, s.topic_type, s.state_id,"            \
        " s.message_time_ms, " LEDGER_PARAMS ", " LEDGER_DETAILS                                             \
        " FROM main.message m CROSS JOIN main.state s WHERE m.seq > ?1 AND m.seq <= ?2"                      \
        " AND s.id " STATES_OF_M " AND s.topic_type IN (800, 1000, 1001)),"                                  \
        " rule(slot, topic, low, high) AS (VALUES"                                                           \
        " (0, 800, 0, 1e18), (1, 800, 0, 499), (2, 800, 500, 1e18), (3, 1000, 0, 1e18), (4, 1001, 0, 1e18)," \
        " (5, 800, 100, 100), (6, 800, 400, 401), (7, 800, 500, 500), (8, 800, 700, 700))"                   \
        " INSERT INTO " schema "client_state"                                                                \
        " SELECT r.slot, c.number, t.topic_type, t.state_id, coalesce(t.message_time_ms, t.received_ms),"    \
        " t.id, t.received_ms, state_error(t.params, t.details), state_param(t.params)"                      \
        " FROM state_text t CROSS JOIN rule r CROSS JOIN " schema "client c"                                 \
        " WHERE r.topic = t.topic_type AND t.state_id BETWEEN r.low AND r.high AND c.key = t.client"         \
        " ORDER BY 1, 2 ON CONFLICT(slot, client) DO UPDATE SET"                                             \
        " topic_type = excluded.topic_type, state_id = excluded.state_id, time_ms = excluded.time_ms,"       \
        " id = excluded.id, received_ms = excluded.received_ms, error = excluded.error,"                     \
        " param = excluded.param"                                                                            \
        " WHERE (excluded.time_ms, excluded.id) > (time_ms, id)"

static const char *const fold_ledger[] = {
        LINK("main."),
        NAME("main."),
        STATE("main."),
        "INSERT OR IGNORE INTO main.name_seen"
        " SELECT m.client_id, c.number FROM main.message m CROSS JOIN main.client c ON c.key = " ROLLUP_KEY
        " WHERE m.seq > ?1 AND m.seq <= ?2 AND m.client_id <> ''",
        "INSERT OR IGNORE INTO main.name_seen"
        " SELECT m.netbios_name, c.number FROM main.message m CROSS JOIN main.client c ON c.key = " ROLLUP_KEY
        " WHERE m.seq > ?1 AND m.seq <= ?2 AND m.netbios_name <> ''",
        "INSERT OR IGNORE INTO main.state_kind SELECT s.topic_type, s.state_id, s.id FROM main.state s"
        " WHERE s.id " LEDGER_STATES("(?1 + 1)", "?2") " ORDER BY 1, 2, 3",
        "INSERT INTO main.span SELECT m.seq / " ROLLUP_SPAN_TEXT ", min(m.received_ms), max(m.received_ms)"
        " FROM main.message m WHERE m.seq > ?1 AND m.seq <= ?2 GROUP BY 1 ON CONFLICT(block) DO UPDATE SET"
        " min_ms = min(min_ms, excluded.min_ms), max_ms = max(max_ms, excluded.max_ms)",
};
static const char *const fold_temporary[] = {
        /* What the ledger knows already of those clients. */
        "INSERT OR IGNORE INTO temp.client SELECT c.* FROM main.client c WHERE c.key IN"
        " (SELECT " ROLLUP_KEY MESSAGES ")",
        "INSERT OR IGNORE INTO temp.client_state SELECT s.* FROM temp.client c CROSS JOIN main.client_state s"
        " WHERE s.client = c.number AND s.slot IN (" ROLLUP_SLOTS
        ") AND c.key IN (SELECT " ROLLUP_KEY MESSAGES ")",
        LINK("temp."),
        NAME("temp."),
        STATE("temp."),
};
_Static_assert(ROLLUP_SLOT_COUNT == 9, "as the texts above have it");

int rollup_cursor(sqlite3 *db, int64_t *ret_seq)
{
        int r = ledger_read_number(db, "SELECT value FROM main.meta WHERE key = 'rolled_seq'", ret_seq);

        if (r != -ENOENT)
                return r;
        *ret_seq = 0;
        return 0;
}

static int run(sqlite3 *db, const char *sql, int64_t after, int64_t to)
{
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

        if (result == SQLITE_OK) {
                (void)sqlite3_bind_int64(statement, 1, after); /* cannot fail on a prepared parameter */
                (void)sqlite3_bind_int64(statement, 2, to);
                result = sqlite3_step(statement);
        }
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        return ledger_errno(result);
}

static int fold(sqlite3 *db, const char *const *texts, size_t count, int64_t after, int64_t to)
{
        int r = 0;
        size_t i;

        for (i = 0; r == 0 && i < count; i++)
                r = run(db, texts[i], after, to);
        return r;
}

static int rollup_fold(sqlite3 *db, int64_t after, int64_t to)
{
        return fold(db, fold_ledger, sizeof(fold_ledger) / sizeof(fold_ledger[0]), after, to);
}

int rollup_fold_temporary(sqlite3 *db, int64_t after, int64_t to)
{
        return fold(db, fold_temporary, sizeof(fold_temporary) / sizeof(fold_temporary[0]), after, to);
}

/* One step, in a transaction of its own.  1 when it did something. */
static int fold_step(struct ledger *ledger, int64_t messages)
{
        int64_t to = ledger->rolled_seq + messages;
        int r = ledger_run_simple(ledger, STATEMENT_BEGIN);

        if (to > ledger->last_seq)
                to = ledger->last_seq;
        if (r == 0)
                r = rollup_fold(ledger->db, ledger->rolled_seq, to);
        if (r == 0)
                r = LEDGER_RUN(ledger, STATEMENT_ROLLED, to);
        if (r == 0)
                r = ledger_run_simple(ledger, STATEMENT_COMMIT);
        if (r == 0)
                ledger->rolled_seq = to;
        return r < 0 ? r : 1;
}

bool rollup_is_behind(const struct ledger *ledger)
{
        return ledger->last_seq - ledger->rolled_seq >= LAG_MESSAGES;
}

int rollup_step(struct ledger *ledger, bool busy)
{
        if (!rollup_is_behind(ledger))
                return 0;
        if (busy)
                ledger->roll_messages = BUSY_STEP_MESSAGES;
        else if (ledger->roll_messages < STEP_MESSAGES)
                ledger->roll_messages = STEP_MESSAGES;
        else if (ledger->roll_messages < LONGEST_STEP_MESSAGES)
                ledger->roll_messages *= 2;
        return fold_step(ledger, ledger->roll_messages);
}

int rollup_finish(struct ledger *ledger)
{
        if (ledger->rolled_seq == ledger->last_seq)
                return 0;
        int r = fold_step(ledger, LAG_MESSAGES);
        return r < 0 ? r : 0;
}

int rollup_reset(struct ledger *ledger)
{
        int r = LEDGER_RUN(ledger, STATEMENT_ROLLED, 0);

        ledger->rolled_seq = 0;
        return r < 0 ? r
                     : ledger_errno(sqlite3_exec(ledger->db,
                                                 "DELETE FROM client; DELETE FROM client_message;"
                                                 "DELETE FROM client_state; DELETE FROM name_seen;"
                                                 "DELETE FROM state_kind; DELETE FROM span;",
                                                 NULL, NULL, NULL));
}

static int look_link(struct ledger *ledger, int64_t seq, int64_t *ret_previous, bool *ret_there)
{
        sqlite3_stmt *statement = LEDGER_BOUND(ledger, STATEMENT_LOOK_LINK, seq);

        if (!statement)
                return -ENOMEM;
        int result = sqlite3_step(statement);
        bool found = result == SQLITE_ROW;
        *ret_previous = found ? sqlite3_column_int64(statement, 0) : 0; /* 0 for null */
        *ret_there = found && sqlite3_column_int(statement, 1);
        (void)sqlite3_reset(statement); /* repeats the result of step */
        return ledger_errno(result);
}

/* The client's message before this one, 0: none.  The links of those that went
 * from between the two go now. */
static int find_older(struct ledger *ledger, int64_t seq, int64_t *ret_older)
{
        int64_t older = 0;
        bool there = false;
        int r = look_link(ledger, seq, &older, &there);

        while (r == 0 && older != 0 && !there) {
                int64_t gone = older;

                r = look_link(ledger, gone, &older, &there);
                if (r == 0)
                        r = LEDGER_RUN(ledger, STATEMENT_FORGET_LINK, gone);
        }
        if (r == 0)
                *ret_older = older;
        return r;
}

/* An older message of the client stays, still on its way or quarantined: what
 * comes after this one must lead to it. */
static int forget_between(struct ledger *ledger, int64_t seq, int64_t older)
{
        int r = LEDGER_RUN(ledger, STATEMENT_STEP_BACK, seq, older);

        if (r < 0)
                return r;
        return sqlite3_changes(ledger->db) > 0 ? LEDGER_RUN(ledger, STATEMENT_FORGET_LINK, seq)
                                               : LEDGER_RUN(ledger, STATEMENT_KEEP_LINK, seq, older);
}

static int forget_oldest(struct ledger *ledger, int64_t seq)
{
        sqlite3_stmt *client = LEDGER_BOUND(ledger, STATEMENT_FORGET_CLIENT, seq);
        int r = client ? LEDGER_RUN(ledger, STATEMENT_FORGET_LINK, seq) : -ENOMEM;

        if (r < 0)
                return r;
        int result = sqlite3_step(client);
        if (result == SQLITE_ROW) {
                int64_t number = sqlite3_column_int64(client, 0);

                result = sqlite3_step(client);
                r = LEDGER_RUN(ledger, STATEMENT_FORGET_STATES, number);
                if (r == 0)
                        r = LEDGER_RUN(ledger, STATEMENT_FORGET_NAMES, number);
        }
        (void)sqlite3_reset(client); /* repeats the result of step */
        return r < 0 ? r : ledger_errno(result);
}

int rollup_forget(struct ledger *ledger, int64_t seq)
{
        int64_t older = 0;
        int r = LEDGER_RUN(ledger, STATEMENT_FORGET_KINDS, seq);

        /* The blocks before this one: the oldest rows go first. */
        if (r == 0)
                r = LEDGER_RUN(ledger, STATEMENT_FORGET_SPANS, seq / ROLLUP_SPAN);
        if (r == 0)
                r = find_older(ledger, seq, &older);
        if (r < 0)
                return r;
        return older != 0 ? forget_between(ledger, seq, older) : forget_oldest(ledger, seq);
}
