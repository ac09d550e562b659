/* web_text: the bytes of a message as text to look at. */
#ifndef ADMIN_WEB_TEXT_H
#define ADMIN_WEB_TEXT_H

#include <stddef.h>

/* UTF-16 (by its byte order mark, else by where its zero bytes are) becomes
 * UTF-8, all else stays; malloc'd, without NULs.  -ENOMEM. */
int web_text_decode(const unsigned char *bytes, size_t size, char **ret_text);

#endif
