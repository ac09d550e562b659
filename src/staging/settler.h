/* settler: makes the files of one batch durable and says so to the ledger, while
 * the stager makes those of the next.
 *
 * Owns      one thread, and at most one batch.
 * Threads   the stager's calls it; beside that, its own.
 * Crash     a row becomes staged only after a syncfs that began when all files
 *           of its batch were written. */
#ifndef SETTLER_H
#define SETTLER_H

#include "fsp/ledger.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settler;
/* capacity: files of a batch.  folder_fd: the staging folder, open as long as this. */
int settler_start(struct ledger *ledger, int folder_fd, size_t capacity, struct settler **ret_settler);
/* Waits until the batch before is settled, and takes this one; seqs are copied.  Where
 * that one could not be settled: its -errno, and this one is not taken either. */
int settler_take(struct settler *settler, const int64_t *seqs, size_t count);
/* Waits likewise.  0 where there is nothing left to settle. */
int settler_await(struct settler *settler);
/* Has any flush failed?  Then what had been written by that moment may be on disk or
 * not, whatever a read shows (fsync(2): a later flush calls it a success). */
bool settler_has_failed_to_flush(const struct settler *settler);
void settler_stop(struct settler *settler); /* settles what it has taken; NULL is allowed */

#endif
