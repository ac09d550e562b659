/* The reading side: what stager, forwarder and recovery go by. */
#include "query_private.h"

#include "body.h"
#include "fsp/clock.h"
#include "ledger_private.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct query {
        sqlite3 *db;
        sqlite3_stmt *pending, *body, *find; /* asked once a file: kept prepared */
        struct query_clients clients;
        int64_t deadline_ms; /* monotonic; 0: none */
};

/* Instructions of SQLite's between two looks at the clock: some hundredths of a millisecond. */
#define INSTRUCTIONS 1000

static int is_overdue(void *arg)
{
        const struct query *query = arg;

        return query->deadline_ms && clock_monotonic_ms() >= query->deadline_ms;
}

sqlite3 *query_db(struct query *query)
{
        return query->db;
}

struct query_clients *query_clients(struct query *query)
{
        return &query->clients;
}

int query_open(const char *path, struct query **ret_query)
{
        if (access(path, F_OK) < 0)
                return -errno;
        struct query *query = calloc(1, sizeof(*query));
        if (!query)
                return -ENOMEM;
        int r = ledger_connect(path, false, &query->db);
        if (r < 0) {
                free(query);
                return r;
        }
        query->clients.most = INT64_MAX;
        sqlite3_progress_handler(query->db, INSTRUCTIONS, is_overdue, query);
        *ret_query = query;
        return 0;
}

void query_within(struct query *query, int64_t ms, int64_t uncounted)
{
        query->deadline_ms = clock_monotonic_ms() + ms;
        query->clients.most = uncounted;
}

void query_close(struct query *query)
{
        if (!query)
                return;
        (void)sqlite3_finalize(query->pending); /* each repeats its last result */
        (void)sqlite3_finalize(query->body);
        (void)sqlite3_finalize(query->find);
        (void)sqlite3_close(query->db); /* no statement is open */
        free(query);
}

int query_bind_number(sqlite3_stmt *statement, const char *name, int64_t value)
{
        int index = sqlite3_bind_parameter_index(statement, name);

        return index == 0 ? SQLITE_OK : sqlite3_bind_int64(statement, index, value);
}

static int bind_value(sqlite3_stmt *statement, const struct query_value *value)
{
        int index = sqlite3_bind_parameter_index(statement, value->name);

        if (!value->text || index == 0)
                return query_bind_number(statement, value->name, value->number);
        return sqlite3_bind_text(statement, index, value->text, -1, SQLITE_STATIC);
}

int query_prepare(sqlite3 *db, const char *sql, const struct query_value *values, size_t count,
                  sqlite3_stmt **ret_statement)
{
        sqlite3_stmt *statement = NULL;
        int result = sql ? sqlite3_prepare_v2(db, sql, -1, &statement, NULL) : SQLITE_NOMEM;

        for (size_t i = 0; result == SQLITE_OK && i < count; i++)
                result = bind_value(statement, &values[i]);
        if (result == SQLITE_OK)
                *ret_statement = statement;
        else
                (void)sqlite3_finalize(statement); /* nothing was stepped */
        return ledger_errno(result);
}

size_t query_texts_room(sqlite3_stmt *statement, int first, int count)
{
        size_t room = 0;

        for (int i = first; i < first + count; i++) {
                const char *text = (const char *)sqlite3_column_text(statement, i);
                room += text ? strlen(text) + 1 : 0;
        }
        return room;
}

void query_copy_texts(sqlite3_stmt *statement, int first, int count, char *room, const char **const *targets)
{
        for (int i = 0; i < count; i++) {
                const char *text = (const char *)sqlite3_column_text(statement, first + i);
                *targets[i] = text ? room : NULL;
                if (text)
                        room = stpcpy(room, text) + 1;
        }
}

int query_begin(struct query *query)
{
        /* The end of the last one may have found no memory. */
        if (!sqlite3_get_autocommit(query->db))
                query_end(query);
        return ledger_errno(sqlite3_exec(query->db, "BEGIN", NULL, NULL, NULL));
}

void query_end(struct query *query)
{
        (void)sqlite3_exec(query->db, "COMMIT", NULL, NULL, NULL); /* nothing was written */
}

static int prepare(struct query *query, sqlite3_stmt **statement, const char *sql)
{
        return *statement ? 0 : ledger_errno(sqlite3_prepare_v2(query->db, sql, -1, statement, NULL));
}

static void read_pending(sqlite3_stmt *statement, struct query_pending *row)
{
        *row = (struct query_pending){ .name = { .seq = sqlite3_column_int64(statement, 0),
                                                 .time_ms = sqlite3_column_int64(statement, 1),
                                                 .node = (unsigned)sqlite3_column_int(statement, 2) },
                                       .size = (size_t)sqlite3_column_int64(statement, 3),
                                       .inbox = sqlite3_column_int64(statement, 5) };
        if (sqlite3_column_bytes(statement, 4) == LEDGER_DIGEST_SIZE)
                memcpy(row->digest, sqlite3_column_blob(statement, 4), LEDGER_DIGEST_SIZE);
}

int query_pending(struct query *query, enum delivery delivery, int64_t after_seq, size_t limit,
                  struct query_pending *ret_rows, size_t *ret_count)
{
        /* The partial index needs its condition spelled out to be used. */
        int r = prepare(query, &query->pending,
                        "SELECT seq, name_ms, node, size, digest, inbox,"
                        " seal IS seal(seq, name_ms, node, delivery, size, inbox, digest)"
                        " FROM message INDEXED BY message_open"
                        " WHERE delivery = ?1 AND delivery <> 3 AND seq > ?2 ORDER BY seq LIMIT ?3");
        if (r < 0)
                return r;
        (void)sqlite3_bind_int(query->pending, 1, delivery); /* cannot fail on a prepared parameter */
        (void)sqlite3_bind_int64(query->pending, 2, after_seq);
        (void)sqlite3_bind_int64(query->pending, 3, (int64_t)limit);
        size_t count = 0;
        int result;
        while ((result = sqlite3_step(query->pending)) == SQLITE_ROW) {
                if (!sqlite3_column_int(query->pending, 6)) {
                        result = SQLITE_CORRUPT; /* its seal is broken */
                        break;
                }
                read_pending(query->pending, &ret_rows[count++]);
        }
        (void)sqlite3_reset(query->pending); /* repeats the result of step */
        r = ledger_errno(result);
        if (r == 0)
                *ret_count = count;
        return r;
}

int query_body(struct query *query, int64_t seq, unsigned char **ret_bytes, size_t *ret_size)
{
        int r = prepare(
                query, &query->body,
                "SELECT m.size, b.data FROM message m LEFT JOIN body b ON b.seq = m.seq WHERE m.seq = ?1");
        if (r < 0)
                return r;
        (void)sqlite3_bind_int64(query->body, 1, seq); /* as above */
        int result = sqlite3_step(query->body);
        if (result == SQLITE_DONE)
                r = -ENOENT;
        else if (result != SQLITE_ROW)
                r = ledger_errno(result);
        else if (sqlite3_column_type(query->body, 1) == SQLITE_NULL)
                r = -ENODATA;
        else
                r = body_unpack(sqlite3_column_blob(query->body, 1),
                                (size_t)sqlite3_column_bytes(query->body, 1),
                                (size_t)sqlite3_column_int64(query->body, 0), ret_bytes);
        if (r == 0)
                *ret_size = (size_t)sqlite3_column_int64(query->body, 0);
        (void)sqlite3_reset(query->body); /* repeats the result of step */
        return r;
}

int query_inbox(struct query *query, int64_t inbox, char **ret_identity, char **ret_place)
{
        sqlite3_stmt *statement = NULL;
        int r = prepare(query, &statement, "SELECT identity, place FROM inbox WHERE id = ?1");
        if (r < 0)
                return r;
        (void)sqlite3_bind_int64(statement, 1, inbox); /* as above */
        int result = sqlite3_step(statement);
        r = result == SQLITE_DONE ? -ENOENT : ledger_errno(result);
        if (r == 0) {
                char *identity = strdup((const char *)sqlite3_column_text(statement, 0));
                char *place = strdup((const char *)sqlite3_column_text(statement, 1));
                if (identity && place) {
                        *ret_identity = identity;
                        *ret_place = place;
                } else {
                        free(identity);
                        free(place);
                        r = -ENOMEM;
                }
        }
        (void)sqlite3_finalize(statement); /* as above */
        return r;
}

int query_shipments(struct query *query, int64_t since_ms,
                    void (*visit)(void *arg, int64_t at_ms, uint64_t files), void *arg)
{
        sqlite3_stmt *statement = NULL;
        int r = prepare(query, &statement,
                        "SELECT at_ms, files FROM shipment WHERE at_ms > ?1 ORDER BY at_ms");
        if (r < 0)
                return r;
        (void)sqlite3_bind_int64(statement, 1, since_ms); /* as above */
        int result;
        while ((result = sqlite3_step(statement)) == SQLITE_ROW)
                visit(arg, sqlite3_column_int64(statement, 0), (uint64_t)sqlite3_column_int64(statement, 1));
        (void)sqlite3_finalize(statement); /* as above */
        return ledger_errno(result);
}

int query_last_shipment(struct query *query, int64_t *ret_shipment)
{
        return ledger_read_number(query->db, "SELECT coalesce(max(id), 0) FROM shipment", ret_shipment);
}

int query_find(struct query *query, const struct message_name *name, int64_t *ret_seq,
               enum delivery *ret_delivery)
{
        int r = prepare(query, &query->find,
                        "SELECT delivery FROM message WHERE seq = ?1 AND name_ms = ?2 AND node = ?3");
        int result = SQLITE_DONE;
        /* The name shows the low 32 bits only. */
        int64_t seq = name->seq;
        for (int high = 0; r == 0 && high < 4 && result == SQLITE_DONE; high++, seq += INT64_C(1) << 32) {
                (void)sqlite3_bind_int64(query->find, 1, seq); /* as above */
                (void)sqlite3_bind_int64(query->find, 2, name->time_ms);
                (void)sqlite3_bind_int64(query->find, 3, name->node);
                result = sqlite3_step(query->find);
                if (result == SQLITE_ROW) {
                        *ret_seq = seq;
                        *ret_delivery = (enum delivery)sqlite3_column_int(query->find, 0);
                }
                (void)sqlite3_reset(query->find); /* as above */
        }
        if (r == 0 && result == SQLITE_DONE)
                r = -ENOENT;
        return r < 0 ? r : ledger_errno(result);
}
