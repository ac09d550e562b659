/* body: how the bytes of a message lie in the ledger.
 *
 * Three forms, told apart by sizes alone, where n is the message's size:
 *
 *   stored  unpacked
 *   n       -         the bytes themselves
 *   < n     n         LZ4 of the bytes
 *   < n     < n       LZ4 of their text: UTF-8, where they are UTF-16LE.  As
 *                     UTF-16LE again it is n bytes long, or n - 2: then a byte
 *                     order mark stands in front
 *
 * No other length occurs, so none is taken for another.  One text is one row of
 * code points, and these are one row of UTF-16 units: nothing is lost.
 *
 * LZ4 refers to body_words as to what went before, and a byte in front says so; up to
 * version 3 of the ledger it did not.
 *
 * Threads   pure functions, but for the buffer that is handed in, and see packing.h. */
#ifndef LEDGER_BODY_H
#define LEDGER_BODY_H

#include "fsp/message.h"

/* Packs what report says are its bytes.  packed is grown as needed and kept.  -ENOMEM. */
int body_pack(const struct report *report, unsigned char **packed, size_t *packed_room, size_t *ret_size);
/* What LZ4 has packed: the bytes or their text; or the bytes, where it has not.  malloc'd.  As below. */
int body_source(const void *data, size_t packed_size, size_t size, unsigned char **ret_source,
                size_t *ret_source_size);
/* The bytes, so many as size says, malloc'd.  -EUCLEAN when it is none of these forms, -ENOMEM. */
int body_unpack(const void *data, size_t packed_size, size_t size, unsigned char **ret_bytes);

#endif
