/* texts: the parameters and the details of a state message, as they lie in the ledger.
 *
 * They are words of the message, whose body is kept as well, so of most only is
 * kept where they stand in it.  state.params then is a blob:
 *
 *   1 byte    1: LZ4 behind the body's source (body.h), 2: behind body_words
 *   2 bytes   the unpacked size, the lower one first
 *   the rest  LZ4 of: "d" and the details, or "-" for none, NUL; and each parameter, NUL
 *
 * and state.details is null.  Before a body goes, 1 becomes 2.  Where that would
 * gain little, in a large message and in one with several states, params is a text, the
 * array of params.h, and so is details.
 *
 * Threads   pure functions, but for texts_pack, see packing.h. */
#ifndef LEDGER_TEXTS_H
#define LEDGER_TEXTS_H

#include "fsp/message.h"

struct texts {
        char *memory; /* malloc'd; what the others point into */
        const char *details, *params[MESSAGE_MAX_PARAMS];
        size_t param_count;
};

/* Those of report's only state.  Right after body_pack of it, in the same thread, and only when
 * that has made it shorter.  0: kept as texts. */
size_t texts_pack(const struct report *report, unsigned char *packed, size_t room);
/* body: the row's data, NULL once it is gone; size: the message's.  -EUCLEAN, -ENOMEM. */
int texts_unpack(const unsigned char *packed, size_t packed_size, const void *body, size_t body_size,
                 size_t size, struct texts *ret_texts);
/* Without the body from now on; malloc'd.  As above. */
int texts_pack_alone(const unsigned char *packed, size_t packed_size, const void *body, size_t body_size,
                     size_t size, unsigned char **ret_alone, size_t *ret_alone_size);

#endif
