/* What can still be read of a damaged ledger is taken over into the new one:
 * rows whose seal fits, with their state.  Ranges of rows are copied whole; one
 * that cannot be read is halved until only the damaged rows are left out. */
#include "ledger_private.h"

#include "fsp/clock.h"
#include "fsp/log.h"
#include "rollup.h"
#include <errno.h>
#include <sys/stat.h>

/* Beyond every seq that was ever given. */
#define LAST_SEQ (INT64_C(1) << 48)
/* Rows of one table that the others may not know. */
#define SLACK 100000

#define MESSAGE_COLUMNS                                                                                      \
        "seq, name_ms, node, received_ms, delivery, digest, size, client_address, client_id, netbios_name,"  \
        " client_version, staged_ms, copied_ms, forwarded_ms, quarantined_ms, inbox, reason, seal"

/* What lies behind the last row of a range, damaged, is not looked at. */
#define LAST_ONE " LIMIT ?2 - ?1 + 1"
#define PLAUSIBLE                                                                                            \
        " AND name_ms BETWEEN 0 AND 253402300799999 AND node BETWEEN 0 AND 65535"                            \
        " AND size BETWEEN 1 AND 2147483647 AND length(digest) = 16" LAST_ONE

#define STATES LEDGER_STATES("?1", "?2")
#define SEQ LEDGER_SEQ("id")

/* The first of them go by seq.  Rows whose seal does not fit, but which can
 * still be given a name, wait in a table of their own, until the staged files
 * have been looked at: a sound file tells more than a broken row. */
#define MESSAGE_TABLES 5
static const char *const copies[] = {
        "INSERT OR IGNORE INTO main.message SELECT * FROM damaged.message NOT INDEXED WHERE seq BETWEEN ?1 "
        "AND ?2"
        " AND seal IS seal(seq, name_ms, node, delivery, size, inbox, digest)" LAST_ONE,
        "INSERT OR IGNORE INTO main.broken SELECT * FROM damaged.message NOT INDEXED WHERE seq BETWEEN ?1 "
        "AND ?2"
        " AND seal IS NOT seal(seq, name_ms, node, delivery, size, inbox, digest) AND delivery <> "
        "3" PLAUSIBLE,
        /* A row whose end cannot be read may still say what its bytes are. */
        "INSERT OR IGNORE INTO main.broken(seq, name_ms, node, received_ms, delivery, digest, size, "
        "client_address)"
        " SELECT seq, name_ms, node, received_ms, delivery, digest, size, '' FROM damaged.message NOT INDEXED"
        " WHERE seq BETWEEN ?1 AND ?2 AND delivery <> 3"
        " AND NOT EXISTS(SELECT 1 FROM main.message m WHERE m.seq = damaged.message.seq)" PLAUSIBLE,
        "INSERT OR IGNORE INTO main.body SELECT b.* FROM damaged.body b WHERE b.seq BETWEEN ?1 AND ?2"
        " AND (EXISTS(SELECT 1 FROM main.message m WHERE m.seq = b.seq)"
        " OR EXISTS(SELECT 1 FROM main.broken m WHERE m.seq = b.seq))" LAST_ONE,
        "INSERT OR IGNORE INTO main.state SELECT s.* FROM damaged.state s WHERE s.id " STATES
        " AND EXISTS(SELECT 1 FROM main.message m WHERE m.seq = " LEDGER_SEQ("s.id") ")",
        "INSERT OR IGNORE INTO main.inbox SELECT * FROM damaged.inbox WHERE id BETWEEN ?1 AND ?2",
        "INSERT OR IGNORE INTO main.shipment SELECT * FROM damaged.shipment WHERE id BETWEEN ?1 AND ?2",
};
#define COPY_COUNT (sizeof(copies) / sizeof(copies[0]))
#define STEPS (COPY_COUNT + 1) /* the last one is copy_missed */

/* One range of a table may be found broken for so many bytes of the file, then its
 * rest is given up: behind a damaged last page every range is broken, up to the end
 * of all numbers.  A damaged page of 8 KiB breaks far fewer. */
#define BROKEN_BYTES 128
#define BROKEN_MIN 1000
#define BROKEN_MAX 1000000

static unsigned broken_limit(const char *damaged)
{
        struct stat st;
        if (stat(damaged, &st) < 0)
                return BROKEN_MIN;
        int64_t limit = BROKEN_MIN + st.st_size / BROKEN_BYTES;
        return limit < BROKEN_MAX ? (unsigned)limit : BROKEN_MAX;
}

/* Of SQLite's between two looks at the clock: some milliseconds. */
#define INSTRUCTIONS 100000
/* Whoever waits for the start is told so often, the log so often. */
#define TELL_MS 1000
#define SAY_MS 15000

struct salvage {
        sqlite3 *db;
        const struct ledger_damaged *damaged;
        int64_t began_ms, told_ms, said_ms; /* monotonic */
        size_t step;
        bool left; /* it is to be done another time */
};

static int tell(struct salvage *salvage)
{
        int64_t now_ms = clock_monotonic_ms();
        salvage->told_ms = now_ms;
        if (now_ms - salvage->said_ms >= SAY_MS) {
                salvage->said_ms = now_ms;
                log_mgr(LOG_INFO, "The damaged ledger is being read for %lld s now, step %zu of %zu",
                        (long long)(now_ms - salvage->began_ms) / 1000, salvage->step, STEPS);
        }
        if (!salvage->damaged->progress(salvage->damaged->progress_arg))
                salvage->left = true;
        return salvage->left ? -EINTR : 0;
}

/* Other than 0 ends the statement. */
static int on_instructions(void *arg)
{
        struct salvage *salvage = arg;
        return clock_monotonic_ms() - salvage->told_ms >= TELL_MS ? tell(salvage) : 0;
}

/* Of a page that makes no sense, or that the disk does not give. */
static bool is_damage(int result)
{
        return ledger_errno(result) == -EUCLEAN || result == SQLITE_IOERR_READ;
}

/* *more: so many ranges may still be found broken. */
static int copy_range(sqlite3_stmt *statement, int64_t first, int64_t last, unsigned *more)
{
        if (*more == 0)
                return 0;
        (void)sqlite3_bind_int64(statement, 1, first); /* cannot fail on a prepared parameter */
        (void)sqlite3_bind_int64(statement, 2, last);
        int result = sqlite3_step(statement);
        (void)sqlite3_reset(statement); /* repeats the result of step */
        if (!is_damage(result) || first == last)
                return is_damage(result) ? 0 : ledger_errno(result);
        int64_t middle = first + (last - first) / 2;
        (*more)--;
        int r = copy_range(statement, first, middle, more);
        return r < 0 ? r : copy_range(statement, middle + 1, last, more);
}

/* The numbers in use, as far as any of the three tables still tells. */
static void find_bounds(sqlite3 *db, int64_t *ret_first, int64_t *ret_last)
{
        static const char *const asks[] = {
                "SELECT min(seq) FROM damaged.message",
                "SELECT max(seq) FROM damaged.message",
                "SELECT min(seq) FROM damaged.body",
                "SELECT max(seq) FROM damaged.body",
                "SELECT " LEDGER_SEQ("min(id)") " FROM damaged.state",
                "SELECT " LEDGER_SEQ("max(id)") " FROM damaged.state",
        };
        int64_t first = LAST_SEQ, last = -1;
        for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
                int64_t seq;
                if (ledger_read_number(db, asks[i], &seq) < 0)
                        continue; /* this one does not tell */
                first = seq < first ? seq : first;
                last = seq > last ? seq : last;
        }
        bool known = first >= 0 && first <= last && last < LAST_SEQ;
        *ret_first = known && first > SLACK ? first - SLACK : 0;
        *ret_last = known ? last + SLACK : LAST_SEQ;
}

/* Or else the WAL would get as large as all of it. */
static int checkpoint(sqlite3 *db)
{
        int result = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        return (result & 0xFF) == SQLITE_BUSY ? 0 : ledger_errno(result);
}

static int copy_all(struct salvage *salvage)
{
        static const char make_broken[] =
                "CREATE TABLE IF NOT EXISTS main.broken AS SELECT * FROM main.message LIMIT 0;"
                "CREATE UNIQUE INDEX IF NOT EXISTS main.broken_seq ON broken(seq)";
        const unsigned limit = broken_limit(salvage->damaged->path);
        sqlite3 *db = salvage->db;
        int64_t first, last;
        if (sqlite3_exec(db, make_broken, NULL, NULL, NULL) != SQLITE_OK)
                return ledger_errno(sqlite3_errcode(db));
        find_bounds(db, &first, &last);
        for (size_t i = 0; i < COPY_COUNT; i++) {
                sqlite3_stmt *statement = NULL;
                salvage->step = i + 1;
                if (tell(salvage) < 0)
                        return -EINTR;
                /* A table that is not even there any more has nothing to give. */
                if (sqlite3_prepare_v2(db, copies[i], -1, &statement, NULL) != SQLITE_OK)
                        continue;
                unsigned more = limit;
                /* Inboxes and shipments have numbers of their own. */
                int r = i < MESSAGE_TABLES ? copy_range(statement, first, last, &more)
                                           : copy_range(statement, 0, LAST_SEQ, &more);
                (void)sqlite3_finalize(statement); /* repeats the result of step */
                if (r == 0)
                        r = checkpoint(db);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A damaged page can end a walk early without a word.  So each seq that body,
 * state or the index of open rows still names is looked up by itself. */
static int copy_missed(sqlite3 *db)
{
        static const char *const asks[] = {
                "SELECT seq FROM damaged.body WHERE seq NOT IN (SELECT seq FROM main.message)",
                "SELECT DISTINCT " SEQ " FROM damaged.state WHERE " SEQ
                " NOT IN (SELECT seq FROM main.message)",
                ("SELECT seq FROM damaged.message INDEXED BY message_open WHERE delivery <> 3"
                 " AND seq NOT IN (SELECT seq FROM main.message)"),
        };
        sqlite3_stmt *copy[MESSAGE_TABLES] = { NULL };
        int r = 0;
        for (size_t i = 0; i < MESSAGE_TABLES; i++)
                (void)sqlite3_prepare_v2(db, copies[i], -1, &copy[i],
                                         NULL); /* NULL: not even that is there */
        for (size_t i = 0; r == 0 && i < sizeof(asks) / sizeof(asks[0]); i++) {
                sqlite3_stmt *ask = NULL;
                if (sqlite3_prepare_v2(db, asks[i], -1, &ask, NULL) != SQLITE_OK)
                        continue;
                while (r == 0 && sqlite3_step(ask) == SQLITE_ROW) {
                        int64_t seq = sqlite3_column_int64(ask, 0);
                        unsigned more = 1;
                        for (size_t j = 0; r == 0 && j < MESSAGE_TABLES; j++)
                                r = copy[j] ? copy_range(copy[j], seq, seq, &more) : 0;
                }
                (void)sqlite3_finalize(ask); /* where it ended, the next one begins */
        }
        for (size_t i = 0; i < MESSAGE_TABLES; i++)
                (void)sqlite3_finalize(copy[i]); /* repeats the last result */
        return r;
}

static int attach(sqlite3 *db, const char *damaged)
{
        char *sql = sqlite3_mprintf("ATTACH %Q AS damaged", damaged);
        if (!sql)
                return -ENOMEM;
        int result = sqlite3_exec(db, sql, NULL, NULL, NULL);
        sqlite3_free(sql);
        return ledger_errno(result);
}

static void detach(sqlite3 *db)
{
        (void)sqlite3_exec(db, "DETACH damaged", NULL, NULL, NULL); /* at the latest when closed */
}

/* One bit in the words of a table's definition hides all its rows.  We know
 * what it said.  Where this fails, no more can be read than before. */
static int repair_schema(sqlite3 *db, const char *damaged)
{
        static const char repair[] =
                "PRAGMA writable_schema = ON;"
                "UPDATE damaged.sqlite_schema AS d SET type = m.type, name = m.name, tbl_name = m.tbl_name,"
                " sql = m.sql FROM main.sqlite_schema m WHERE (m.name = d.name OR m.sql = d.sql)"
                " AND (m.type, m.name, m.tbl_name, m.sql) IS NOT (d.type, d.name, d.tbl_name, d.sql)";
        (void)sqlite3_exec(db, repair, NULL, NULL, NULL);                         /* see above */
        (void)sqlite3_exec(db, "PRAGMA writable_schema = OFF", NULL, NULL, NULL); /* cannot fail */
        detach(db);
        return attach(db, damaged); /* reads it anew */
}

/* After an orderly stop there is no WAL to be lost. */
static bool was_stopped(sqlite3 *db)
{
        static const char ask[] = "SELECT count(*) FROM damaged.meta WHERE key = 'running'";
        int64_t running;
        return ledger_read_number(db, ask, &running) == 0 && running == 0;
}

static int copy(sqlite3 *db, const struct ledger_damaged *damaged)
{
        int64_t now_ms = clock_monotonic_ms();
        struct salvage salvage = { .db = db, .damaged = damaged, .began_ms = now_ms, .said_ms = now_ms };
        sqlite3_progress_handler(db, INSTRUCTIONS, on_instructions, &salvage);
        int r = copy_all(&salvage);
        salvage.step = STEPS;
        if (r == 0)
                r = tell(&salvage);
        if (r == 0)
                r = copy_missed(db);
        sqlite3_progress_handler(db, 0, NULL, NULL);
        if (salvage.left)
                return -EINTR; /* in whatever words SQLite has it */
        log_mgr(LOG_WARNING, "%d row(s) of the damaged ledger could be taken over",
                sqlite3_total_changes(db));
        return r;
}

int ledger_salvage(sqlite3 *db, const struct ledger_damaged *damaged, bool *ret_suspect)
{
        bool lost = ledger_wal_has_lost(damaged->path); /* before SQLite looks at it */
        *ret_suspect = lost;
        int r = attach(db, damaged->path);
        if (r == 0)
                r = repair_schema(db, damaged->path);
        if (r < 0)
                return r == -ENOMEM ? r : 0; /* nothing can be read of it */
        *ret_suspect = lost && !was_stopped(db);
        r = copy(db, damaged);
        detach(db);
        return r;
}

/* Counts those of which no staged file has made a row meanwhile. */
static int count_broken(struct ledger *ledger, int *ret_count)
{
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(ledger->db,
                                        "SELECT b.seq, b.size FROM broken b WHERE NOT EXISTS"
                                        "(SELECT 1 FROM message m WHERE m.seq = b.seq)",
                                        -1, &statement, NULL);
        int count = 0;
        while (result == SQLITE_OK || result == SQLITE_ROW) {
                result = sqlite3_step(statement);
                if (result != SQLITE_ROW)
                        break;
                int64_t seq = sqlite3_column_int64(statement, 0);
                ledger->last_seq = seq > ledger->last_seq ? seq : ledger->last_seq;
                ledger_count(ledger, LEDGER_NOWHERE, DELIVERY_QUARANTINED,
                             sqlite3_column_int64(statement, 1));
                count++;
        }
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        *ret_count = count;
        return ledger_errno(result);
}

static int run_broken(struct ledger *ledger, struct ledger_job *job)
{
        /* The delivery of such a row is not to be believed: a person decides. */
        static const char quarantine[] =
                "INSERT OR IGNORE INTO message(" MESSAGE_COLUMNS ")"
                " SELECT seq, name_ms, node, received_ms, 4, digest, size, client_address, client_id, "
                "netbios_name,"
                " client_version, NULL, NULL, NULL, unixepoch() * 1000, 0,"
                " 'its row in the ledger was damaged, so it may have been sent; fspctl requeue sends it "
                "(again)',"
                " seal(seq, name_ms, node, 4, size, 0, digest) FROM broken; DROP TABLE broken;";
        int count = 0;
        (void)job;
        if (sqlite3_table_column_metadata(ledger->db, "main", "broken", NULL, NULL, NULL, NULL, NULL, NULL) !=
            SQLITE_OK)
                return 0; /* nothing was salvaged */
        int r = count_broken(ledger, &count);
        if (r == 0)
                r = ledger_errno(sqlite3_exec(ledger->db, quarantine, NULL, NULL, NULL));
        if (r == 0 && count > 0)
                r = rollup_reset(ledger); /* they may lie behind its cursor */
        if (r == 0 && count > 0)
                log_mgr(LOG_ERROR, "%d message(s) whose rows were damaged are quarantined", count);
        return r;
}

int delivery_quarantine_broken(struct ledger *ledger)
{
        struct ledger_job job = { .run = run_broken };
        return ledger_call(ledger, &job);
}
