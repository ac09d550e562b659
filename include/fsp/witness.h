/* witness: the names of the batch that is being renamed in the inbox, on disk
 * beside the ledger.
 *
 * A ledger that loses its last commit forgets that a message was copied, and
 * would send it again.  So the names of a batch are written down after the
 * commit of copied and before the first rename, and removed after the commit
 * of forwarded.  A name found at the start whose row is not as far as
 * copied shows that a commit was lost: whether it was sent is not guessed.
 *
 * Owns      the file staging/.renaming, there only during a batch.
 * Threads   the forwarder's; at the start, the main thread.
 * Crash     what witness_write returned 0 for is on disk for certain.  One
 *           that was removed may come back in a power cut, when its rows say
 *           forwarded. */
#ifndef FSP_WITNESS_H
#define FSP_WITNESS_H

#include "fsp/query.h"
#include <stddef.h>

#define WITNESS_MAX 1024 /* names */

int witness_write(int staging_fd, const struct query_pending *rows, size_t count);
int witness_clear(int staging_fd);
/* At most WITNESS_MAX names, malloc'd; none is no error. */
int witness_read(int staging_fd, struct message_name **ret_names, size_t *ret_count);

#endif
