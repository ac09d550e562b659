/* decode: the bytes of a message as UTF-8 text.
 *
 * Owns      struct decode_buffer, reused from message to message.
 * Threads   one buffer belongs to one thread. */
#ifndef FSP_MESSAGE_DECODE_H
#define FSP_MESSAGE_DECODE_H

#include "fsp/verdict.h"
#include <stdbool.h>
#include <stddef.h>

struct decode_buffer {
        char *data;
        size_t size;
};

struct decoded {
        const char *text; /* no BOM, no trailing NULs and white space */
        size_t size;
        size_t staged_size; /* of the bytes given: without the trailing NULs */
        /* Of the text that goes on behind size with the white space at its end, and so is, strictly
         * transcoded, all of what is staged but its BOM; 0 where that is not UTF-16LE.  A NUL
         * follows, or else behind size. */
        size_t whole_size;
};

/* Takes UTF-8, UTF-16LE and UTF-16BE, with a BOM or without.  The text lies in
 * buffer, so it lives as long as that is left alone.  It holds only characters that XML 1.0 allows.
 * VERDICT_ACCEPTED, VERDICT_EMPTY, VERDICT_ENCODING, or VERDICT_BUSY without memory. */
enum verdict decode_message(struct decode_buffer *buffer, const unsigned char *bytes, size_t size,
                            struct decoded *ret_decoded, const char **ret_why);
void decode_buffer_free(struct decode_buffer *buffer);

/* Is '<' the first character, whatever the encoding? */
bool decode_looks_like_xml(const unsigned char *bytes, size_t size);

#endif
