/* scan: what is refused before any XML library sees the text, in linear time.
 *
 * Owns      nothing.  Threads: pure functions.
 *
 * The library's attribute and namespace handling is quadratic, it takes what
 * follows the root for nothing, and a DOCTYPE is the door to everything that
 * a state message has no need of.  The scan follows the text exactly as long
 * as it is well-formed; where it is not, the library stops at that place. */
#ifndef FSP_MESSAGE_SCAN_H
#define FSP_MESSAGE_SCAN_H

#include "fsp/verdict.h"
#include <stddef.h>

/* Namespace declarations in one message; a state message has none. */
#define SCAN_MAX_NAMESPACES 256

/* VERDICT_ACCEPTED, VERDICT_NOT_XML, VERDICT_ENCODING (a declared one),
 * VERDICT_DOCTYPE or VERDICT_TOO_COMPLEX.  text is valid UTF-8 without NULs. */
enum verdict scan_message(const char *text, size_t size, const char **ret_why);

#endif
