/* What this connection must know beyond the ledger's own tables of clients. */
#include "query_private.h"

#include "fsp/viewer.h"
#include "ledger_private.h"
#include "rollup.h"
#include <errno.h>

/* Folded anew from the cursor when more than so many messages, and most of
 * what was folded, are in the ledger's own tables by now. */
#define SPARE_MESSAGES 10000

static int make_tables(sqlite3 *db, struct query_clients *clients)
{
        static const char sql[] = "PRAGMA temp_store = MEMORY;" ROLLUP_TABLES("temp.");
        int r = ledger_errno(sqlite3_exec(db, sql, NULL, NULL, NULL));

        clients->made = r == 0;
        return r;
}

static bool is_stale(const struct query_clients *clients, int64_t cursor)
{
        int64_t spare = cursor - clients->from;

        /* At to: clients may have gone since, all of whose messages were folded before. */
        return spare < 0 || cursor >= clients->to || (spare > SPARE_MESSAGES && spare > clients->to - cursor);
}

static int catch_up(sqlite3 *db, struct query_clients *clients)
{
        int64_t cursor = 0, last = 0;
        int r = rollup_cursor(db, &cursor);

        if (r == 0)
                r = ledger_read_number(db, "SELECT coalesce(max(seq), 0) FROM main.message", &last);
        if (r == 0 && is_stale(clients, cursor)) {
                r = ledger_errno(sqlite3_exec(db,
                                              "DELETE FROM temp.client; DELETE FROM temp.client_message;"
                                              "DELETE FROM temp.client_state;",
                                              NULL, NULL, NULL));
                clients->from = clients->to = cursor;
        }
        if (r < 0)
                return r;
        int64_t to = last - cursor > clients->most ? cursor + clients->most : last;
        if (to > clients->to) {
                r = rollup_fold_temporary(db, clients->to, to);
                if (r < 0)
                        return r;
                clients->to = to;
        }
        clients->left_out = last - clients->to;
        return 0;
}

int query_enter_clients(struct query *query, bool *ret_own)
{
        sqlite3 *db = query_db(query);
        struct query_clients *clients = query_clients(query);
        bool own = sqlite3_get_autocommit(db);
        int r = clients->made ? 0 : make_tables(db, clients);

        if (r == 0 && own)
                r = query_begin(query);
        if (r < 0)
                return r;
        r = catch_up(db, clients);
        if (r < 0) {
                clients->from = INT64_MAX; /* half folded: anew */
                query_leave_clients(query, own);
                return r;
        }
        *ret_own = own;
        return 0;
}

int64_t viewer_left_out(struct query *query)
{
        return query_clients(query)->left_out;
}

void query_leave_clients(struct query *query, bool own)
{
        if (own)
                query_end(query);
}
