/* import: staged files that no row of the ledger knows are given one, many in a
 * commit.
 *
 * Thread    the one that starts fspd.
 * Crash     a file without a row is found again by the next start.
 */
#ifndef IMPORT_H
#define IMPORT_H

#include "fsp/config.h"
#include "fsp/delivery.h"
#include "fsp/message.h"
#include "fsp/witness.h"

#define IMPORT_MOST 256                        /* files of one commit */
#define IMPORT_BYTES ((size_t)8 * 1024 * 1024) /* or so many bytes of them */
#define MAYBE_SENT "the ledger lost commits, so it may have been sent; fspctl requeue sends it (again)"

struct importer {
        /* The caller's. */
        struct config *config;
        struct ledger *ledger;
        const struct witness *witness;
        int folder_fd, corrupt_fd;
        uint64_t staged, quarantined; /* so far */
        /* Private. */
        struct reader *reader;
        struct delivery_import *found;
        unsigned char *data[IMPORT_MOST]; /* their bytes */
        size_t count, bytes;
        bool in_corrupt; /* where those found lie */
};

int import_open(struct importer *importer); /* -ENOMEM */
void import_close(struct importer *importer);
/* What the file says decides whether it is staged again or quarantined.  It is
 * read at once, and gets its row at the latest with the next import_flush. */
int import_add(struct importer *importer, bool in_corrupt, const struct message_name *name);
/* Commits; then those of staging that are quarantined are moved to corrupt/. */
int import_flush(struct importer *importer);

#endif
