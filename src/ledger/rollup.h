/* rollup: what is known of each client, made from the messages.
 *
 * The tables hold, of all messages up to the cursor, the latest of each kind.
 * The writer moves the cursor on in small steps, well after the answers; a
 * reader has tables of the same form in its own temporary schema, where it
 * adds what lies behind the cursor.  Folding a message twice changes nothing.
 *
 * With the same cursor go the ledger's indexes of messages (query_index.h):
 * made here, many messages a transaction, they cost the way in nothing. */
#ifndef LEDGER_ROLLUP_H
#define LEDGER_ROLLUP_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* What a client_state row is the latest of. */
enum rollup_slot {
        ROLLUP_LAST,       /* topic 800 */
        ROLLUP_DEPLOYMENT, /* of it, below 500 */
        ROLLUP_ASSIGNMENT, /* of it, from 500 on */
        ROLLUP_COMMUNICATION,
        ROLLUP_CERTIFICATE,
        /* of these only the time matters */
        ROLLUP_DEPLOYMENT_BEGIN,
        ROLLUP_DEPLOYMENT_END,
        ROLLUP_ASSIGNMENT_BEGIN,
        ROLLUP_ASSIGNMENT_END,
        ROLLUP_SLOT_COUNT
};
#define ROLLUP_SLOTS "0, 1, 2, 3, 4, 5, 6, 7, 8"

/* The client of message m; NULL: it names none. */
#define ROLLUP_KEY "coalesce('I' || nullif(m.client_id, ''), 'N' || nullif(m.netbios_name, ''))"

/* number is the seq of a message of that client; key tells both kinds of
 * client apart.  told_ms: of the message that named it last.  previous links
 * the messages of one client, from client.last_seq back; one that is gone keeps
 * its link while an older one of its client stays.
 * No secondary indexes of all rows: each would double what a step writes. */
#define ROLLUP_TABLES(schema)                                                                                \
        "CREATE TABLE " schema "client("                                                                     \
        " number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, client_id TEXT, netbios_name TEXT,"          \
        " client_version TEXT, told_ms INTEGER NOT NULL, first_seen_ms INTEGER NOT NULL,"                    \
        " last_seen_ms INTEGER NOT NULL, last_seq INTEGER NOT NULL);"                                        \
        "CREATE TABLE " schema "client_message(seq INTEGER PRIMARY KEY, previous INTEGER);"                  \
        "CREATE TABLE " schema "client_state("                                                               \
        " slot INTEGER NOT NULL, client INTEGER NOT NULL, topic_type INTEGER NOT NULL,"                      \
        " state_id INTEGER NOT NULL, time_ms INTEGER NOT NULL, id INTEGER NOT NULL,"                         \
        " received_ms INTEGER NOT NULL, error INTEGER NOT NULL, param TEXT,"                                 \
        " PRIMARY KEY(slot, client)) WITHOUT ROWID;"

/* name_seen: every ClientID and NetBIOS name under which a client ever came.
 * state_kind: the StateMessages of each kind in order of arrival.
 * client_problem: the client states that are problems.
 * span: the times of receipt among the ROLLUP_SPAN messages from block * ROLLUP_SPAN on. */
#define ROLLUP_SPAN 1024
#define ROLLUP_SPAN_TEXT LEDGER_TEXT(ROLLUP_SPAN)
#define ROLLUP_PROBLEMS "0, 3, 4" /* the slots */
#define ROLLUP_IS_PROBLEM "CASE slot WHEN 0 THEN state_id / 100 IN (3, 6) ELSE state_id = 2 END"
#define ROLLUP_INDEXES                                                                                       \
        "CREATE TABLE name_seen(name TEXT NOT NULL COLLATE NOCASE, client INTEGER NOT NULL,"                 \
        " PRIMARY KEY(name, client)) WITHOUT ROWID;"                                                         \
        "CREATE INDEX name_seen_client ON name_seen(client);"                                                \
        "CREATE INDEX client_problem ON client_state(topic_type, state_id, error, received_ms)"              \
        " WHERE slot IN (" ROLLUP_PROBLEMS ") AND " ROLLUP_IS_PROBLEM ";"                                    \
        "CREATE TABLE state_kind(topic_type INTEGER NOT NULL, state_id INTEGER NOT NULL, id INTEGER NOT "    \
        "NULL, PRIMARY KEY(topic_type, state_id, id)) WITHOUT ROWID;"                                        \
        "CREATE TABLE span(block INTEGER PRIMARY KEY, min_ms INTEGER NOT NULL, max_ms INTEGER NOT NULL);"

/* Up to which seq the ledger's own tables go. */
int rollup_cursor(sqlite3 *db, int64_t *ret_seq);
/* Folds the messages after < seq <= to into the connection's temporary tables. */
int rollup_fold_temporary(sqlite3 *db, int64_t after, int64_t to);

/* The writer's part. */
struct ledger;
bool rollup_is_behind(const struct ledger *ledger);
/* One step in a transaction of its own, a small one while others are waiting:
 * 1, 0 when it is not behind, -errno. */
int rollup_step(struct ledger *ledger, bool busy);
/* When it is not behind: all the rest, in a transaction of its own, before messages go. */
int rollup_finish(struct ledger *ledger);
/* In the open transaction: begin anew, a message has come in behind the cursor. */
int rollup_reset(struct ledger *ledger);
/* In the open transaction, before that message goes: a client goes with the
 * last of its messages; until then all that it ever told stays known. */
int rollup_forget(struct ledger *ledger, int64_t seq);

#endif
