/* The SQL of the writing connection, one text a statement. */
#include "ledger_private.h"
#include "rollup.h"

#include <assert.h>
#include <errno.h>

/* Each change of state is sealed anew. */
#define SEAL(delivery, inbox) "seal = seal(seq, name_ms, node, " delivery ", size, " inbox ", digest)"

/* Of the client whose newest message ?1 is. */
#define IS_LAST_OF_CLIENT " last_seq = ?1 AND key = (SELECT " ROLLUP_KEY " FROM message m WHERE m.seq = ?1)"

static const char *const statement_text[STATEMENT_COUNT] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",
        [STATEMENT_DUPLICATE] =
                "SELECT seq, name_ms, node FROM message WHERE seq = ?1 AND digest = ?2 AND size = ?3"
                " AND received_ms > ?4",
        /* Not IN (?1, ?1 - 1): SQLite makes a table of such a list each time. */
        [STATEMENT_SEEN_LOOK] = "SELECT seq FROM seen WHERE generation = ?1 AND key = ?2 UNION ALL"
                                " SELECT seq FROM seen WHERE generation = ?1 - 1 AND key = ?2",
        [STATEMENT_SEEN_ADD] = "INSERT OR REPLACE INTO seen(generation, key, seq) VALUES(?1, ?2, ?3)",
        [STATEMENT_SEEN_PROGRESS] = "INSERT OR REPLACE INTO meta(key, value)"
                                    " VALUES('seen_seq', ?1), ('seen_generation', ?2), ('seen_began_ms', ?3)",
        [STATEMENT_SEEN_PROGRESS_LOOK] =
                "SELECT coalesce((SELECT value FROM meta WHERE key = 'seen_seq'), 0),"
                " coalesce((SELECT value FROM meta WHERE key = 'seen_generation'), 0),"
                " coalesce((SELECT value FROM meta WHERE key = 'seen_began_ms'), ?1)",
        [STATEMENT_SEEN_ROWS] = "SELECT seq, digest FROM message WHERE seq > ?1 AND received_ms > ?2"
                                " ORDER BY seq",
        [STATEMENT_SEEN_FORGET] =
                "DELETE FROM seen WHERE (generation, key) IN"
                " (SELECT generation, key FROM seen WHERE generation < ?1 ORDER BY generation, key LIMIT ?2)",
        [STATEMENT_INSERT_MESSAGE] =
                "INSERT INTO message(seq, name_ms, node, received_ms, delivery, digest, size, client_address,"
                " client_id, netbios_name, client_version, staged_ms, quarantined_ms, reason, seal)"
                " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        /* A salvaged ledger may have them of a message whose row was damaged and whose file makes it anew. */
        [STATEMENT_INSERT_STATE] =
                "INSERT OR REPLACE INTO state(id, topic_type, topic_id, state_id, message_time_ms,"
                " serial_number, params, details) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        [STATEMENT_INSERT_BODY] = "INSERT OR REPLACE INTO body(seq, data) VALUES(?1, ?2)",
        /* What RETURNING gives, SQLite puts into a table made for it: so the row is looked at first. */
        [STATEMENT_MARK_LOOK] = "SELECT size, delivery FROM message WHERE seq = ?1",
        [STATEMENT_MARK_STAGED] =
                "UPDATE message SET delivery = 1, staged_ms = ?2, " SEAL("1", "inbox") " WHERE seq = ?1",
        [STATEMENT_MARK_COPIED] = "UPDATE message SET delivery = 2, copied_ms = ?2, inbox = ?3, " SEAL(
                "2", "?3") " WHERE seq = ?1",
        [STATEMENT_MARK_FORWARDED] =
                "UPDATE message SET delivery = 3, forwarded_ms = ?2, " SEAL("3", "inbox") " WHERE seq = ?1",
        [STATEMENT_MARK_QUARANTINED] = "UPDATE message SET delivery = 4, quarantined_ms = ?2, reason = "
                                       "?3, " SEAL("4", "inbox") " WHERE seq = ?1",
        [STATEMENT_REQUEUE_LOOK] =
                "SELECT m.delivery, m.size, EXISTS(SELECT 1 FROM body b WHERE b.seq = m.seq)"
                " FROM message m WHERE m.seq = ?1",
        [STATEMENT_REQUEUE] = "UPDATE message SET delivery = 0, staged_ms = NULL, copied_ms = NULL,"
                              " forwarded_ms = NULL, quarantined_ms = NULL, inbox = 0, reason = NULL, " SEAL(
                                      "0", "0") " WHERE seq = ?1",
        [STATEMENT_REQUEUE_SINCE] = "SELECT m.seq FROM message m WHERE m.seq > ?1 AND m.received_ms >= ?2"
                                    " AND m.delivery = 3 AND EXISTS(SELECT 1 FROM body b WHERE b.seq = m.seq)"
                                    " ORDER BY m.seq LIMIT ?3",
        [STATEMENT_OLDEST] = "SELECT received_ms FROM message INDEXED BY message_open"
                             " WHERE delivery = ?1 AND delivery <> 3 ORDER BY seq LIMIT 1",
        /* Those kept behind the body, see texts.h. */
        [STATEMENT_KEEP_TEXTS] =
                "UPDATE state AS s SET params = (SELECT packed_alone(s.params, m.size, b.data)"
                " FROM message m CROSS JOIN body b WHERE m.seq = ?1 AND b.seq = ?1)"
                " WHERE s.id " LEDGER_STATES(
                        "?1", "?1") " AND typeof(s.params) = 'blob' AND substr(s.params, 1, 1) = x'01'",
        [STATEMENT_DELETE_BODY] = "DELETE FROM body WHERE seq = ?1",
        [STATEMENT_FIND_INBOX] = "SELECT id FROM inbox WHERE identity = ?1",
        [STATEMENT_INSERT_INBOX] = /* Never the number of one that is lost while a copied row still names it.
                                    */
        "INSERT INTO inbox(id, identity, place) SELECT 1 + max(coalesce((SELECT max(id) FROM inbox), 0),"
        " coalesce((SELECT max(inbox) FROM message WHERE delivery = 2), 0)), ?1, ?2",
        [STATEMENT_INSERT_SHIPMENT] = "INSERT INTO shipment(at_ms, files) VALUES(?1, ?2)",
        [STATEMENT_GROW_SHIPMENT] =
                "UPDATE shipment SET id = id + 1, at_ms = ?2, files = files + ?3 WHERE id = ?1",
        [STATEMENT_SHIPMENT_DONE] = "UPDATE shipment SET at_ms = ?2 WHERE id = ?1",
        /* The newest stays so that numbers go on: see witness.h. */
        [STATEMENT_DELETE_SHIPMENTS] =
                "DELETE FROM shipment WHERE at_ms < ?1 AND id < (SELECT max(id) FROM shipment)",
        [STATEMENT_RESUME_SHIPMENTS] = "INSERT OR IGNORE INTO shipment(id, at_ms, files) VALUES(?1, ?2, 0)",
        [STATEMENT_PROBE] = "INSERT INTO meta(key, value) VALUES('last_fault_over', ?1)"
                            " ON CONFLICT(key) DO UPDATE SET value = excluded.value",
        [STATEMENT_COUNT_HOUR] =
                "INSERT INTO hour(start_ms, accepted, forwarded) VALUES(?1, ?2, ?3)"
                " ON CONFLICT(start_ms) DO UPDATE SET accepted = accepted + excluded.accepted,"
                " forwarded = forwarded + excluded.forwarded",
        [STATEMENT_DELETE_HOURS] = "DELETE FROM hour WHERE start_ms < ?1",
        /* By seq, oldest first; the newest row stays so that seq never repeats. */
        [STATEMENT_EXPIRED] = "SELECT seq, delivery, forwarded_ms, received_ms FROM message"
                              " WHERE seq > ?1 AND seq < (SELECT max(seq) FROM message)"
                              " ORDER BY seq LIMIT ?2",
        /* From ?1 up to where no row was received before ?2; the blocks are known up to ?3. */
        [STATEMENT_NEXT_EXPIRED] =
                "SELECT max(?1, coalesce((SELECT block * " ROLLUP_SPAN_TEXT " - 1 FROM span"
                " WHERE block >= ?1 / " ROLLUP_SPAN_TEXT " AND min_ms < ?2 ORDER BY block LIMIT 1), ?3))",
        [STATEMENT_DELETE_MESSAGE] = "DELETE FROM message WHERE seq = ?1",
        [STATEMENT_DELETE_STATES] = "DELETE FROM state WHERE id " LEDGER_STATES("?1", "?1"),
        [STATEMENT_ARCHIVED] =
                "SELECT b.seq, m.delivery FROM body b CROSS JOIN message m ON m.seq = b.seq WHERE b.seq > ?1"
                " AND b.seq <= ?3 ORDER BY b.seq LIMIT ?2",
        /* Few, since each that is moved has several others written, beside files that may be on their way. */
        [STATEMENT_VACUUM] = "PRAGMA incremental_vacuum(32)",
        [STATEMENT_ROLLED] = "INSERT INTO meta(key, value) VALUES('rolled_seq', ?1)"
                             " ON CONFLICT(key) DO UPDATE SET value = excluded.value",
        [STATEMENT_LOOK_LINK] = "SELECT l.previous, EXISTS(SELECT 1 FROM message m WHERE m.seq = l.previous)"
                                " FROM client_message l WHERE l.seq = ?1",
        [STATEMENT_KEEP_LINK] = "UPDATE client_message SET previous = ?2 WHERE seq = ?1",
        [STATEMENT_STEP_BACK] = "UPDATE client SET last_seq = ?2 WHERE" IS_LAST_OF_CLIENT,
        [STATEMENT_FORGET_LINK] = "DELETE FROM client_message WHERE seq = ?1",
        [STATEMENT_FORGET_CLIENT] = "DELETE FROM client WHERE" IS_LAST_OF_CLIENT " RETURNING number",
        [STATEMENT_FORGET_STATES] =
                "DELETE FROM client_state WHERE slot IN (" ROLLUP_SLOTS ") AND client = ?1",
        [STATEMENT_FORGET_NAMES] = "DELETE FROM name_seen WHERE client = ?1",
        [STATEMENT_FORGET_KINDS] = "DELETE FROM state_kind WHERE (topic_type, state_id, id) IN (SELECT "
                                   "s.topic_type, s.state_id, s.id"
                                   " FROM state s WHERE s.id " LEDGER_STATES("?1", "?1") ")",
        [STATEMENT_FORGET_SPANS] = "DELETE FROM span WHERE block < ?1 AND NOT EXISTS"
                                   " (SELECT 1 FROM message m WHERE m.seq < ?1 * " ROLLUP_SPAN_TEXT ")",
};

sqlite3_stmt *ledger_statement(struct ledger *ledger, enum statement which)
{
        sqlite3_stmt **statement = &ledger->statements[which];
        if (!*statement && sqlite3_prepare_v3(ledger->db, statement_text[which], -1,
                                              SQLITE_PREPARE_PERSISTENT, statement, NULL))
                return NULL;
        return *statement;
}

sqlite3_stmt *ledger_bind(struct ledger *ledger, enum statement which, const int64_t *numbers, int count)
{
        sqlite3_stmt *statement = ledger_statement(ledger, which);
        for (int i = 0; statement && i < count; i++)
                (void)sqlite3_bind_int64(statement, i + 1, numbers[i]); /* cannot fail once prepared */
        return statement;
}

int ledger_run(struct ledger *ledger, sqlite3_stmt *statement)
{
        int result = statement ? sqlite3_step(statement) : sqlite3_errcode(ledger->db);
        while (result == SQLITE_ROW)
                result = sqlite3_step(statement);
        if (statement)
                (void)sqlite3_reset(statement); /* repeats the result of step */
        return ledger_errno(result);
}

int ledger_run_simple(struct ledger *ledger, enum statement which)
{
        return ledger_run(ledger, ledger_statement(ledger, which));
}

int ledger_step_number(sqlite3_stmt *statement, int64_t *ret_number)
{
        int result = sqlite3_step(statement);
        bool found = result == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL;
        int64_t number = found ? sqlite3_column_int64(statement, 0) : 0;
        (void)sqlite3_reset(statement); /* repeats the result of step */
        if (found)
                *ret_number = number;
        int r = ledger_errno(result);
        return r == 0 && !found ? -ENOENT : r;
}

int ledger_read_number(sqlite3 *db, const char *sql, int64_t *ret_number)
{
        sqlite3_stmt *statement = NULL;
        int r = ledger_errno(sqlite3_prepare_v2(db, sql, -1, &statement, NULL));
        if (r == 0)
                r = ledger_step_number(statement, ret_number);
        (void)sqlite3_finalize(statement); /* likewise */
        return r;
}

void ledger_finalize(struct ledger *ledger)
{
        for (int i = 0; i < STATEMENT_COUNT; i++) {
                (void)sqlite3_finalize(ledger->statements[i]); /* repeats the last step's result */
                ledger->statements[i] = NULL;
        }
}
