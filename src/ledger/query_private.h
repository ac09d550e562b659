/* What the reading files of the ledger room share. */
#ifndef QUERY_PRIVATE_H
#define QUERY_PRIVATE_H

#include "fsp/query.h"
#include <sqlite3.h>

/* The read-only connection. */
sqlite3 *query_db(struct query *query);

/* SQLITE_OK and nothing is done where the statement has no such parameter.  value must live on. */
int query_bind_number(sqlite3_stmt *statement, const char *name, int64_t value);
int query_bind_text(sqlite3_stmt *statement, const char *name, const char *value);

/* What this connection knows of the clients beyond the ledger's own tables:
 * its temporary ones hold every client with a message after from, up to to. */
struct query_clients {
        bool made;
        int64_t from, to;
        int64_t most, left_out; /* after the cursor: to be folded at most, not folded */
};
struct query_clients *query_clients(struct query *query);

/* viewer_clients.c: sees to it that they are complete, in a transaction of its
 * own unless there is one; *ret_own is for query_leave_clients. */
int query_enter_clients(struct query *query, bool *ret_own);
void query_leave_clients(struct query *query, bool own);

#endif
