/* witness: what was sent last, on disk beside the ledger and apart from it.
 *
 * A ledger that loses its last commits (a WAL that is cut or removed) forgets
 * that messages were copied, and would send them again.  So the number of a
 * batch and its names are written down after the commit of copied and before
 * the first rename.  When the staged files of these names are removed, the
 * number alone is kept; and it is enough where the staged files themselves are
 * renamed, since one that is still there was not sent.  At the start, a ledger
 * whose own last number is lower has lost commits: a message that is received
 * and has no file, or is named here and not as far as copied, may have been
 * sent, and that is not guessed.
 *
 * Owns      the file staging/.renaming, there during a batch, and the attribute
 *           user.fspd.batch of the staging folder; where the file system has no
 *           attributes the file stays.
 * Threads   the forwarder's; at the start, the main thread.
 * Crash     what witness_write returned 0 for is on disk for certain; until
 *           then the one before is. */
#ifndef FSP_WITNESS_H
#define FSP_WITNESS_H

#include "fsp/name.h"
#include <stddef.h>

#define WITNESS_MAX 16384 /* names */

struct witness {
        int64_t batch;              /* the shipment's number (delivery_mark_copied); 0: unknown */
        struct message_name *names; /* sorted */
        size_t count;
};

/* more: the names written before still count. */
int witness_write(int staging_fd, int64_t batch, const struct message_name *names, size_t count, bool more);
/* Of a batch whose staged files are renamed, where that and this are told in
 * one log of the file system: on disk at the latest when a rename is. */
int witness_count(int staging_fd, int64_t batch);
/* The batches are over: no staged file of them is left. */
void witness_settle(int staging_fd, int64_t batch);
/* names is malloc'd.  No witness is no error: nothing was ever sent. */
int witness_read(int staging_fd, struct witness *ret_witness);
bool witness_has(const struct witness *witness, const struct message_name *name);

#endif
