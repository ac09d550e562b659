/* The seal of a row: a short hash over what its delivery rests on.  SQLite
 * does not notice a flipped bit inside a value; a row whose seal does not fit
 * is damage, not a message in another state. */
#include "ledger_private.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

struct sealed {
        int64_t seq, name_ms, node, delivery, size, inbox;
        unsigned char digest[LEDGER_DIGEST_SIZE];
};

static int64_t seal(const struct sealed *row)
{
        /* No secret: it is against accidents.  It must stay the same for ever. */
        static const unsigned char key[crypto_shorthash_KEYBYTES] = "fspd seal of row";
        int64_t hash;
        static_assert(sizeof(hash) == crypto_shorthash_BYTES, "the hash is a number");
        int r = crypto_shorthash((unsigned char *)&hash, (const unsigned char *)row, sizeof(*row), key);
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
        return seal(&row);
}

/* seal(seq, name_ms, node, delivery, size, inbox, digest) */
static void sql_seal(sqlite3_context *context, int count, sqlite3_value **values)
{
        (void)count; /* SQLite has checked it */
        if (sqlite3_value_bytes(values[6]) != LEDGER_DIGEST_SIZE) {
                sqlite3_result_null(context); /* fits no seal */
                return;
        }
        struct message_name name = { .seq = sqlite3_value_int64(values[0]),
                                     .time_ms = sqlite3_value_int64(values[1]),
                                     .node = (unsigned)sqlite3_value_int(values[2]) };
        sqlite3_result_int64(context,
                             ledger_seal(&name, (enum delivery)sqlite3_value_int(values[3]),
                                         (size_t)sqlite3_value_int64(values[4]),
                                         sqlite3_value_int64(values[5]), sqlite3_value_blob(values[6])));
}

int ledger_add_seal(sqlite3 *db)
{
        return ledger_errno(sqlite3_create_function_v2(db, "seal", 7,
                                                       SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                                       NULL, sql_seal, NULL, NULL, NULL));
}
