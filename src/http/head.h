/* head: is this the beginning of an HTTP/1.x request as it should be written?
 *
 * A pure function on raw bytes: it sees what libmicrohttpd's parser forgives.
 * Sources: RFC 9112 sections 2 to 5. */
#ifndef HEAD_H
#define HEAD_H

#include "fsp/verdict.h"
#include <stdbool.h>
#include <stddef.h>

#define HEAD_MAX 32768
#define CHUNK_LINE_MAX 4096U /* a chunk's size and extensions */
#define HEAD_MAX_LINES 256   /* more would not fit into what libmicrohttpd has for a connection */

/* VERDICT_ACCEPTED with *ret_size the bytes of the head and its empty line, or
 * 0 while it is not complete; VERDICT_FRAMING as soon as a line is not as it
 * should be (*ret_why says how), VERDICT_HEAD_TOO_LARGE. */
enum verdict head_check(const char *bytes, size_t size, size_t *ret_size, const char **ret_why);

/* "What follows a sound head is its body, to the last byte, and nothing else." */
bool head_is_followed_by_its_body(const char *bytes, size_t head_size, size_t size);

/* What tells where a request ends and for whom it is, counted. */
struct head_framing {
        unsigned hosts, lengths, transfer_codings;
};
/* NULL, or why that is not told in exactly one way. */
const char *head_framing_fault(const struct head_framing *framing, bool http_1_1);

/* How many characters at the beginning of text are those of a token. */
size_t head_token_length(const char *text, size_t size);

/* "The value of a Content-Length as it should be": digits, behind blanks maybe,
 * of a number that no parser has trouble with. */
bool head_is_length(const char *value, size_t size);

#endif
