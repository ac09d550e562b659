/* The seal of a row: a short hash over what its delivery rests on.  SQLite
 * does not notice a flipped bit inside a value; a row whose seal does not fit
 * is damage, not a message in another state.  Nor does it notice one in the
 * words of its own schema, until a statement does not fit to them. */
#include "ledger_private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct sealed {
        int64_t seq, name_ms, node, delivery, size, inbox;
        unsigned char digest[LEDGER_DIGEST_SIZE];
};

static int64_t seal(const void *data, size_t size)
{
        /* No secret: it is against accidents.  It must stay the same for ever. */
        static const unsigned char key[crypto_shorthash_KEYBYTES] = "fspd seal of row";
        int64_t hash;
        static_assert(sizeof(hash) == crypto_shorthash_BYTES, "the hash is a number");
        int r = crypto_shorthash((unsigned char *)&hash, data, size, key);
        assert(r == 0);
        (void)r;
        return hash;
}

int64_t ledger_seal(const struct message_name *name, enum delivery delivery, size_t size, int64_t inbox,
                    const unsigned char *digest)
{
        struct sealed row = { .seq = name->seq,
                              .name_ms = name->time_ms,
                              .node = name->node,
                              .delivery = delivery,
                              .size = (int64_t)size,
                              .inbox = inbox };
        memcpy(row.digest, digest, LEDGER_DIGEST_SIZE);
        return seal(&row, sizeof(row));
}

static int seal_of_schema(sqlite3 *db, int64_t *ret_seal)
{
        /* "broken" comes and goes, see salvage.c; so does what ANALYZE leaves. */
        static const char texts[] =
                "SELECT group_concat(name || coalesce(sql, '')) FROM (SELECT name, sql FROM sqlite_schema"
                " WHERE tbl_name <> 'broken' AND name NOT GLOB 'sqlite_stat*' ORDER BY name)";
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(db, texts, -1, &statement, NULL);
        if (result == SQLITE_OK)
                result = sqlite3_step(statement);
        const void *text = result == SQLITE_ROW ? sqlite3_column_blob(statement, 0) : NULL;
        int r = text ? 0 : result == SQLITE_ROW ? -EUCLEAN : ledger_errno(result);
        if (r == 0)
                *ret_seal = seal(text, (size_t)sqlite3_column_bytes(statement, 0));
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        return r;
}

int ledger_seal_schema(sqlite3 *db)
{
        int64_t now = 0;
        char sql[96];
        int r = seal_of_schema(db, &now);
        (void)snprintf(sql, sizeof(sql),
                       "INSERT OR REPLACE INTO meta(key, value) VALUES('schema', %" PRId64 ")", now);
        return r < 0 ? r : ledger_errno(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int ledger_check_schema(sqlite3 *db)
{
        static const char ask[] = "SELECT value FROM meta WHERE key = 'schema'";
        sqlite3_stmt *statement = NULL;
        int64_t now;
        int r = seal_of_schema(db, &now);
        if (r < 0)
                return r;
        int result = sqlite3_prepare_v2(db, ask, -1, &statement, NULL);
        if (result == SQLITE_OK)
                result = sqlite3_step(statement);
        bool other = result == SQLITE_ROW && sqlite3_column_int64(statement, 0) != now;
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        /* SQLITE_ERROR: no such table or column as we make. */
        return other || result == SQLITE_ERROR ? -EUCLEAN : ledger_errno(result);
}
