/* What can still be read of a damaged ledger is taken over into the new one:
 * rows whose seal fits, with their state.  Ranges of rows are copied whole; one
 * that cannot be read is halved until only the damaged rows are left out. */
#include "ledger_private.h"

#include "fsp/log.h"
#include <errno.h>

/* Beyond every seq that was ever given. */
#define LAST_SEQ (INT64_C(1) << 48)

static const char *const copies[] = {
        "INSERT OR IGNORE INTO main.message SELECT * FROM damaged.message NOT INDEXED WHERE seq BETWEEN ?1 "
        "AND ?2"
        " AND seal IS seal(seq, name_ms, node, delivery, size, inbox, digest)",
        "INSERT OR IGNORE INTO main.body SELECT b.* FROM damaged.body b WHERE b.seq BETWEEN ?1 AND ?2"
        " AND EXISTS(SELECT 1 FROM main.message m WHERE m.seq = b.seq)",
        "INSERT OR IGNORE INTO main.state SELECT s.* FROM damaged.state s WHERE s.id BETWEEN ?1 * 1024 AND "
        "?2 * 1024 + 1023"
        " AND EXISTS(SELECT 1 FROM main.message m WHERE m.seq = s.id >> 10)",
        "INSERT OR IGNORE INTO main.inbox SELECT * FROM damaged.inbox WHERE id BETWEEN ?1 AND ?2",
        "INSERT OR IGNORE INTO main.shipment SELECT * FROM damaged.shipment WHERE id BETWEEN ?1 AND ?2",
};

static int copy_range(sqlite3 *db, sqlite3_stmt *statement, int64_t first, int64_t last)
{
        (void)sqlite3_bind_int64(statement, 1, first); /* cannot fail on a prepared parameter */
        (void)sqlite3_bind_int64(statement, 2, last);
        int result = sqlite3_step(statement);
        (void)sqlite3_reset(statement); /* repeats the result of step */
        int r = ledger_errno(result);
        if (r != -EUCLEAN || first == last)
                return r == -EUCLEAN ? 0 : r;
        int64_t middle = first + (last - first) / 2;
        r = copy_range(db, statement, first, middle);
        return r < 0 ? r : copy_range(db, statement, middle + 1, last);
}

static int copy_all(sqlite3 *db)
{
        for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
                sqlite3_stmt *statement = NULL;
                /* A table that is not even there any more has nothing to give. */
                if (sqlite3_prepare_v2(db, copies[i], -1, &statement, NULL) != SQLITE_OK)
                        continue;
                int r = copy_range(db, statement, 0, LAST_SEQ);
                (void)sqlite3_finalize(statement); /* repeats the result of step */
                if (r < 0)
                        return r;
        }
        return 0;
}

int ledger_salvage(sqlite3 *db, const char *damaged, bool *ret_suspect)
{
        char *sql = sqlite3_mprintf("ATTACH %Q AS damaged", damaged);
        if (!sql)
                return -ENOMEM;
        *ret_suspect = ledger_wal_has_lost(damaged);
        int result = sqlite3_exec(db, sql, NULL, NULL, NULL);
        sqlite3_free(sql);
        if (result != SQLITE_OK)
                return 0; /* nothing can be read of it */
        int r = copy_all(db);
        log_mgr(LOG_WARNING, "%d row(s) of the damaged ledger could be taken over",
                sqlite3_total_changes(db));
        (void)sqlite3_exec(db, "DETACH damaged", NULL, NULL, NULL); /* at the latest when closed */
        return r;
}
