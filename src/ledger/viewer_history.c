/* One client: what it is, and its messages from the last one back. */
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "ledger_private.h"
#include "query_private.h"
#include "viewer_row.h"
#include <errno.h>
#include <stdlib.h>

static int collect_one(void *arg, struct viewer_rows *rows)
{
        int r = viewer_rows_add(rows, *(const int64_t *)arg, ROLLUP_LAST, CLOCK_UNKNOWN);

        if (r == 0) {
                struct viewer_client *client = viewer_rows_last(rows);
                client->order_ms = client->last_seen_ms;
        }
        return r;
}

int viewer_client_by_number(struct query *query, int64_t number, viewer_client_fn *visit, void *arg)
{
        return viewer_rows_show(query, collect_one, &number, visit, arg);
}

/* The number that sql gives for value; 0: none. */
static int look_up(sqlite3_stmt *statement, int64_t value, int64_t *ret_found)
{
        (void)sqlite3_bind_int64(statement, 1, value); /* cannot fail on a prepared parameter */
        int r = ledger_step_number(statement, ret_found);
        if (r != -ENOENT)
                return r;
        *ret_found = 0;
        return 0;
}

struct seqs {
        int64_t *seqs;
        size_t count, room;
};

static int add_seq(struct seqs *seqs, int64_t seq)
{
        if (seqs->count == seqs->room) {
                size_t room = seqs->room ? seqs->room * 2 : 64;
                int64_t *larger = reallocarray(seqs->seqs, room, sizeof(*larger));

                if (!larger)
                        return -ENOMEM;
                seqs->seqs = larger;
                seqs->room = room;
        }
        seqs->seqs[seqs->count++] = seq;
        return 0;
}

/* The temporary tables know better, where they know. */
#define EITHER(column, table, key)                                                                           \
        "SELECT coalesce((SELECT " column " FROM temp." table " WHERE " key " = ?1),"                        \
        " (SELECT " column " FROM main." table " WHERE " key " = ?1))"

static int follow(sqlite3 *db, int64_t number, int64_t before_seq, uint64_t limit, struct seqs *seqs)
{
        sqlite3_stmt *last = NULL, *previous = NULL;
        int64_t seq = 0;
        int r = ledger_errno(sqlite3_prepare_v2(db, EITHER("last_seq", "client", "number"), -1, &last, NULL));

        if (r == 0)
                r = ledger_errno(sqlite3_prepare_v2(db, EITHER("previous", "client_message", "seq"), -1,
                                                    &previous, NULL));
        if (r == 0)
                r = look_up(last, number, &seq);
        while (r == 0 && seq > 0 && (limit == 0 || seqs->count < limit)) {
                if (before_seq == 0 || seq < before_seq)
                        r = add_seq(seqs, seq);
                int64_t newer = seq;
                if (r == 0)
                        r = look_up(previous, newer, &seq);
                if (seq >= newer) /* damaged: it must not lead round and round */
                        seq = 0;
        }
        (void)sqlite3_finalize(last); /* each repeats its last result */
        (void)sqlite3_finalize(previous);
        return r;
}

int viewer_history(struct query *query, int64_t number, int64_t before_seq, uint64_t limit,
                   int (*visit)(void *arg, const struct query_message *message), void *arg)
{
        struct seqs seqs = { .count = 0 };
        bool own;
        int r = query_enter_clients(query, &own);

        if (r == 0) {
                r = follow(query_db(query), number, before_seq, limit, &seqs);
                query_leave_clients(query, own);
        }
        for (size_t i = 0; r == 0 && i < seqs.count; i++) {
                struct query_filter filter = QUERY_FILTER();

                filter.seq = seqs.seqs[i];
                r = query_messages(query, &filter, visit, arg);
        }
        free(seqs.seqs);
        return r;
}
