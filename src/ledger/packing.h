/* packing: LZ4 as the ledger uses it.
 *
 * Short texts that say much the same give little to LZ4 by themselves, so each is
 * packed as if something else had gone before it: body_words, or what was packed
 * last.
 *
 * Threads   what was packed last is each thread's own. */
#ifndef LEDGER_PACKING_H
#define LEDGER_PACKING_H

#include <stddef.h>

/* How many bytes it may take. */
size_t packing_bound(size_t size);
/* Behind body_words.  0: it does not fit into room. */
size_t packing_behind_words(const char *source, size_t size, void *packed, size_t room);
/* Behind what this thread has packed behind body_words just before, which must lie where it lay.
 * Likewise. */
size_t packing_behind_last(const char *source, size_t size, void *packed, size_t room);
/* Into source, of so much room: how long it is, -EUCLEAN.  before: what it was packed behind, NULL
 * for nothing. */
int packing_undo(const void *packed, size_t packed_size, const void *before, size_t before_size, void *source,
                 size_t room);
int packing_undo_behind_words(const void *packed, size_t packed_size, void *source, size_t room);

#endif
