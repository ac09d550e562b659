/* viewer_row: clients read, and kept until they can be shown. */
#ifndef LEDGER_VIEWER_ROW_H
#define LEDGER_VIEWER_ROW_H

#include "fsp/viewer.h"
#include "rollup.h"

struct viewer_row;
struct viewer_rows {
        sqlite3_stmt *temporary, *ledger; /* while open: read one client */
        struct viewer_row **rows;
        size_t count, room;
};
int viewer_rows_open(struct viewer_rows *rows, sqlite3 *db);
/* Reads the client with the state in slot.  -ENOENT: there is none. */
int viewer_rows_add(struct viewer_rows *rows, int64_t number, enum rollup_slot slot, int64_t order_ms);
struct viewer_client *viewer_rows_last(struct viewer_rows *rows);
void viewer_rows_close(struct viewer_rows *rows); /* what was read stays */
int viewer_rows_visit(const struct viewer_rows *rows, viewer_client_fn *visit, void *arg);
void viewer_rows_free(struct viewer_rows *rows);

#endif
