/* The tables, how a connection is set up, and what is read at the start. */
#include "ledger_private.h"

#include "fsp/clock.h"
#include "fsp/log.h"
#include "recent.h"
#include "rollup.h"
#include "wal_file.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define APPLICATION_ID 0x46535031 /* "FSP1" */
#define FILE_ROOM LEDGER_TEXT(LEDGER_FILE_ROOM(size))

/* Append only: a ledger of version N is brought to N+1 by migrations[N]. */
static const char *const migrations[] = {
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
        /* Where files were put; identity is equal exactly when it is the same place. */
        "CREATE TABLE inbox(id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, place TEXT NOT NULL);"
        /* One row a message; small, since each of its states rewrites it. */
        "CREATE TABLE message("
        " seq INTEGER PRIMARY KEY, name_ms INTEGER NOT NULL, node INTEGER NOT NULL,"
        " received_ms INTEGER NOT NULL, delivery INTEGER NOT NULL, digest BLOB NOT NULL, size INTEGER NOT "
        "NULL,"
        " client_address TEXT NOT NULL, client_id TEXT, netbios_name TEXT, client_version TEXT,"
        " staged_ms INTEGER, copied_ms INTEGER, forwarded_ms INTEGER, quarantined_ms INTEGER,"
        " inbox INTEGER NOT NULL DEFAULT 0, reason TEXT, seal INTEGER NOT NULL);"
        /* What is still on its way: short, however long the history is. */
        "CREATE INDEX message_open ON message(delivery, seq, size) WHERE delivery <> 3;"
        "CREATE INDEX message_digest ON message(digest);"
        /* One row a StateMessage; id is seq * LEDGER_PARTS + part. */
        "CREATE TABLE state("
        " id INTEGER PRIMARY KEY, topic_type INTEGER NOT NULL, topic_id TEXT, state_id INTEGER NOT NULL,"
        " message_time_ms INTEGER, serial_number TEXT, params TEXT, details TEXT);"
        /* The bytes as received, in one of the forms of body.h. */
        "CREATE TABLE body(seq INTEGER PRIMARY KEY, data BLOB NOT NULL);"
        /* The throttle's memory: so many files went out at that time. */
        "CREATE TABLE shipment(id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, files INTEGER NOT NULL);"
        /* How many messages came and went in each hour, for the page: no row is counted for it. */
        "CREATE TABLE hour(start_ms INTEGER PRIMARY KEY, accepted INTEGER NOT NULL, forwarded INTEGER NOT "
        "NULL);"
        /* What is known of each client, made from the above. */
        ROLLUP_TABLES(""),
        /* Digests fall anywhere in an index of their own: see recent.h. */
        "DROP INDEX message_digest;"
        "CREATE TABLE seen(generation INTEGER, key INTEGER, seq INTEGER NOT NULL,"
        " PRIMARY KEY(generation, key)) WITHOUT ROWID;",
        /* What finds messages by other than their number; all is folded anew, since it is kept with it. */
        ROLLUP_INDEXES "DELETE FROM client; DELETE FROM client_message; DELETE FROM client_state;"
                       "DELETE FROM meta WHERE key = 'rolled_seq';",
        /* Bodies are packed with words, which former ones cannot unpack: see body.h. */
        "",
        /* Digests of UTF-16 leave the NULs out: see ledger_digest. */
        ("INSERT OR REPLACE INTO meta(key, value)"
         " SELECT 'former_digests_ms', received_ms FROM message ORDER BY seq DESC LIMIT 1;"),
        /* What a state says is packed, which former ones cannot unpack: see texts.h. */
        "",
};
#define VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

int ledger_errno(int result)
{
        switch (result & 0xFF) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_FORMAT:
                return -EUCLEAN;
        case SQLITE_INTERRUPT:
                return -ETIMEDOUT; /* query_within */
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -EACCES;
        case SQLITE_IOERR:
                return result == SQLITE_IOERR_NOMEM ? -ENOMEM : -EIO;
        case SQLITE_TOOBIG:
                return -EFBIG;
        default: /* a foreign list, which may grow */
                return -EIO;
        }
}

static int migrate(sqlite3 *db, int64_t version)
{
        char sql[96];
        (void)snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                       APPLICATION_ID, VERSION);
        int result = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        for (int64_t i = version; result == SQLITE_OK && i < VERSION; i++)
                result = sqlite3_exec(db, migrations[i], NULL, NULL, NULL);
        if (result == SQLITE_OK)
                result = sqlite3_exec(db, sql, NULL, NULL, NULL);
        int r = ledger_errno(result);
        if (r == 0)
                r = ledger_seal_schema(db);
        return r < 0 ? r : ledger_errno(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
}

static int check_version(sqlite3 *db, bool create)
{
        int64_t application, version, tables;
        int r = ledger_read_number(db, "PRAGMA application_id", &application);
        if (r == 0)
                r = ledger_read_number(db, "PRAGMA user_version", &version);
        if (r == 0)
                r = ledger_read_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
        if (r < 0)
                return r;
        if (version < 0 || (application != APPLICATION_ID && (application != 0 || tables > 0 || !create)))
                return -EUCLEAN;
        if (version > VERSION)
                return -EPROTONOSUPPORT; /* of a later fspd: not damaged, not ours to touch */
        if (version == VERSION)
                return 0;
        return create ? migrate(db, version) : -EUCLEAN;
}

/* Nobody asks how much memory SQLite has, and to count it all threads would take one lock at
 * each allocation.  Where another has set SQLite up before, it counts. */
static void stop_counting_memory(void)
{
        (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int ledger_connect(const char *path, bool create, sqlite3 **ret_db)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        /* The size of the WAL is bounded by checkpoints of the writer's own
         * making, after the answers are out; never inside a commit. */
        static const char first[] = "PRAGMA page_size = 8192;"
                                    "PRAGMA auto_vacuum = INCREMENTAL;";
        static const char setup[] = "PRAGMA journal_mode = WAL;"
                                    "PRAGMA synchronous = FULL;" /* no less: see wal_file.h */
                                    "PRAGMA wal_autocheckpoint = 0;"
                                    "PRAGMA journal_size_limit = 67108864;"
                                    "PRAGMA mmap_size = 0;"
                                    "PRAGMA trusted_schema = OFF;"
                                    "PRAGMA cell_size_check = ON;"
                                    "PRAGMA temp_store = MEMORY;"
                                    "PRAGMA cache_size = -4096;";
        (void)pthread_once(&once, stop_counting_memory); /* cannot fail */
        sqlite3 *db = NULL;
        struct stat st;
        bool is_new = stat(path, &st) < 0 || st.st_size == 0;
        int flags = create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
        int result = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, create ? wal_file_vfs() : NULL);
        if (result == SQLITE_OK)
                result = sqlite3_extended_result_codes(db, 1);
        if (result == SQLITE_OK)
                result = sqlite3_busy_timeout(db, 5000);
        if (result == SQLITE_OK)
                result = sqlite3_exec(db, create && is_new ? first : "", NULL, NULL, NULL);
        if (result == SQLITE_OK)
                result = sqlite3_exec(db,
                                      create ? setup : "PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF;",
                                      NULL, NULL, NULL);
        int r = ledger_errno(result);
        if (r == 0)
                r = ledger_add_functions(db);
        if (r == 0)
                r = check_version(db, create);
        if (r < 0) {
                (void)sqlite3_close(db); /* no statement is open */
                return r;
        }
        *ret_db = db;
        return 0;
}

static int load_node(struct ledger *ledger)
{
        int64_t node;
        int r = ledger_read_number(ledger->db, "SELECT value FROM meta WHERE key = 'node'", &node);
        if (r == -ENOENT) {
                char sql[80];
                node = randombytes_uniform(0x10000);
                (void)snprintf(sql, sizeof(sql), "INSERT INTO meta(key, value) VALUES('node', %d)",
                               (int)node);
                r = ledger_errno(sqlite3_exec(ledger->db, sql, NULL, NULL, NULL));
        }
        if (r == 0)
                ledger->node = (unsigned)node & 0xFFFF;
        return r;
}

/* Seen by ledger_verify at the next start. */
static int mark_running(struct ledger *ledger)
{
        int r = ledger_errno(sqlite3_exec(ledger->db,
                                          "INSERT OR REPLACE INTO meta(key, value) VALUES('running', 1)",
                                          NULL, NULL, NULL));
        /* Into the ledger's own file, so that it is known even if the WAL is
         * lost; without truncating the WAL, which is never empty from here on. */
        int result = r == 0 ? sqlite3_wal_checkpoint_v2(ledger->db, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL)
                            : SQLITE_OK;
        return r < 0 ? r : (result & 0xFF) == SQLITE_BUSY ? 0 : ledger_errno(result);
}

void ledger_mark_stopped(struct ledger *ledger)
{
        if (sqlite3_exec(ledger->db, "DELETE FROM meta WHERE key = 'running'", NULL, NULL, NULL) !=
                    SQLITE_OK ||
            sqlite3_db_config(ledger->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL) != SQLITE_OK)
                log_mgr(LOG_WARNING, "The ledger %s is left as after a crash", ledger->path);
}

static int load_totals(struct ledger *ledger)
{
        sqlite3_stmt *statement = NULL;
        static const char sql[] = "SELECT delivery, count(*), sum(size), sum(" FILE_ROOM ")"
                                  " FROM message WHERE delivery <> 3 GROUP BY delivery";
        int result = sqlite3_prepare_v2(ledger->db, sql, -1, &statement, NULL);
        while (result == SQLITE_OK || result == SQLITE_ROW) {
                result = sqlite3_step(statement);
                if (result != SQLITE_ROW)
                        break;
                int delivery = sqlite3_column_int(statement, 0);
                if (delivery < 0 || delivery >= DELIVERY_COUNT) {
                        result = SQLITE_CORRUPT;
                        break;
                }
                ledger->totals[delivery] = sqlite3_column_int64(statement, 1);
                ledger->bytes += sqlite3_column_int64(statement, 2);
                if (delivery == DELIVERY_RECEIVED)
                        ledger->received_room = sqlite3_column_int64(statement, 3);
        }
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        return ledger_errno(result);
}

int ledger_load(struct ledger *ledger)
{
        int r = ledger_verify(ledger->path, ledger->db, ledger->wal_has_lost, &ledger->suspect);
        if (r == 0)
                r = load_node(ledger);
        if (r == 0)
                r = rollup_cursor(ledger->db, &ledger->rolled_seq);
        if (r == 0)
                r = mark_running(ledger);
        if (r == 0)
                r = ledger_read_number(ledger->db, "SELECT coalesce(max(seq), 0) FROM message",
                                       &ledger->last_seq);
        ledger->forwarded_seq = ledger->last_seq; /* as far as is known */
        if (r == 0)
                r = recent_load(ledger);
        if (r == 0)
                r = ledger_read_number(
                        ledger->db,
                        "SELECT coalesce((SELECT value FROM meta WHERE key = 'former_digests_ms'), 0)",
                        &ledger->former_digests_ms);
        if (r == 0)
                r = ledger_read_number(ledger->db,
                                       "SELECT coalesce(max(name_ms), 0) FROM (SELECT name_ms FROM message"
                                       " ORDER BY seq DESC LIMIT 1)",
                                       &ledger->last_name_ms);
        const struct message_name last = { ledger->last_name_ms, ledger->node, ledger->last_seq };
        if (r == 0 && !name_is_sound(&last))
                r = -EUCLEAN; /* names would go on from there */
        return r == 0 ? load_totals(ledger) : r;
}
