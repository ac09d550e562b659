/* viewer_row: clients read, and kept until they can be shown. */
#ifndef LEDGER_VIEWER_ROW_H
#define LEDGER_VIEWER_ROW_H

#include "fsp/viewer.h"
#include "rollup.h"

struct viewer_row;
struct viewer_rows {
        sqlite3_stmt *temporary, *ledger; /* while collecting: read one client */
        struct viewer_row **rows;
        size_t count, room;
};
/* Collects clients in one state of the ledger, then shows them. */
int viewer_rows_show(struct query *query, int (*collect)(void *arg, struct viewer_rows *rows),
                     void *collect_arg, viewer_client_fn *visit, void *arg);
/* For collect: reads the client with the state in slot.  -ENOENT: there is none. */
int viewer_rows_add(struct viewer_rows *rows, int64_t number, enum rollup_slot slot, int64_t order_ms);
struct viewer_client *viewer_rows_last(struct viewer_rows *rows);

#endif
