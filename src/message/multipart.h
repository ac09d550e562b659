/* multipart: takes a MIME multipart body apart (RFC 2046 section 5.1).
 *
 * Owns      nothing; parts are stretches of the body.  Threads: pure functions. */
#ifndef FSP_MESSAGE_MULTIPART_H
#define FSP_MESSAGE_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#define MULTIPART_MAX_PARTS 16
#define MULTIPART_MAX_BOUNDARY 70 /* RFC 2046 */

struct multipart_part {
        const unsigned char *bytes; /* behind the part's own header */
        size_t size;
};

/* Is it multipart/something?  NULL is not. */
bool multipart_is_type(const char *content_type);

/* -EINVAL: no usable boundary parameter, no closing boundary, a part's header
 * that does not end.  -E2BIG: more than MULTIPART_MAX_PARTS. */
int multipart_split(const char *content_type, const unsigned char *body, size_t size,
                    struct multipart_part ret_parts[MULTIPART_MAX_PARTS], size_t *ret_count);

#endif
