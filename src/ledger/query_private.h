/* What the reading files of the ledger room share. */
#ifndef QUERY_PRIVATE_H
#define QUERY_PRIVATE_H

#include "fsp/query.h"
#include <sqlite3.h>

/* The read-only connection. */
sqlite3 *query_db(struct query *query);

/* SQLITE_OK and nothing is done where the statement has no such parameter. */
int query_bind_number(sqlite3_stmt *statement, const char *name, int64_t value);
/* The texts of so many columns: their room, and copies of them in such room; null stays NULL. */
size_t query_texts_room(sqlite3_stmt *statement, int first, int count);
void query_copy_texts(sqlite3_stmt *statement, int first, int count, char *room, const char **const *targets);
/* What a filter says: a text, which must live on, or else a number. */
struct query_value {
        const char *name; /* of the parameter; sql need not have it */
        int64_t number;
        const char *text;
};
/* sql: NULL when there was no memory to write it. */
int query_prepare(sqlite3 *db, const char *sql, const struct query_value *values, size_t count,
                  sqlite3_stmt **ret_statement);

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
