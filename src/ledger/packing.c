/* packing: see packing.h. */
#include "packing.h"

#include "body_words.h"
#include <errno.h>
#include <lz4.h>
#include <stdbool.h>

static _Thread_local LZ4_stream_t words, last;

static size_t pack(const char *source, size_t size, void *packed, size_t room)
{
        int length = LZ4_compress_fast_continue(&last, source, packed, (int)size, (int)room, 1);
        return length > 0 ? (size_t)length : 0;
}

size_t packing_bound(size_t size)
{
        return (size_t)LZ4_compressBound((int)size);
}

/* The words are read once: each packing begins with a copy of the table made of them. */
size_t packing_behind_words(const char *source, size_t size, void *packed, size_t room)
{
        static _Thread_local bool are_read;
        if (!are_read) {
                (void)LZ4_loadDict(&words, body_words, (int)BODY_WORDS_SIZE); /* gives their size */
                are_read = true;
        }
        last = words;
        return pack(source, size, packed, room);
}

size_t packing_behind_last(const char *source, size_t size, void *packed, size_t room)
{
        return pack(source, size, packed, room);
}

int packing_undo(const void *packed, size_t packed_size, const void *before, size_t before_size, void *source,
                 size_t room)
{
        int length = LZ4_decompress_safe_usingDict(packed, source, (int)packed_size, (int)room, before,
                                                   (int)before_size);
        return length < 0 ? -EUCLEAN : length;
}

int packing_undo_behind_words(const void *packed, size_t packed_size, void *source, size_t room)
{
        return packing_undo(packed, packed_size, body_words, BODY_WORDS_SIZE, source, room);
}
