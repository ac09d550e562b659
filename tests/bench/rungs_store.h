/* rungs_store: a writer thread with one commit for all who wait, and what it
 * commits to: the least that makes packed messages durable. */
#ifndef FSP_BENCH_RUNGS_STORE_H
#define FSP_BENCH_RUNGS_STORE_H

#include "fsp/config.h"
#include "fsp/ledger.h"
#include <stdbool.h>

/* Each is ledger.file of the configuration. */
enum store_kind {
        STORE_NONE,
        STORE_FLAT,    /* a file that grows by each group, and an fdatasync */
        STORE_ROWS,    /* SQLite as the ledger has it set up: a row of a number and the bytes */
        STORE_RECEIPTS /* such a row with time, digest and address before the bytes; none for a duplicate */
};

struct store;

/* files: a thread makes a file of each message of a STORE_FLAT afterwards, in
 * staging.directory, one syncfs a group, as the stager does, and prints after
 * each group how many there are. */
int store_open(struct config *config, enum store_kind kind, bool files, struct store **ret_store);
/* For ledger_submit, and for ledger_totals where it keeps receipts; for nothing else. */
struct ledger *store_ledger(struct store *store);
void store_close(struct store *store); /* commits what was submitted; NULL is allowed */

#endif
