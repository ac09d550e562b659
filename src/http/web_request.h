/* What a request of the web asks for: taken apart, and judged where it is
 * none of ours.  Pure functions. */
#ifndef WEB_REQUEST_H
#define WEB_REQUEST_H

#include "fsp/web.h"
#include <stdbool.h>

/* Host, or NULL for none: a numeric address or localhost, with or without a port. */
bool web_host_is_ours(const char *host);

/* Percent sequences made bytes, in place; false when one is broken or gives a
 * control character, or when the result is not UTF-8. */
bool web_decode(char *text);

/* Does path fit the route?  *ret_item: where the text for '*' begins, and its
 * length; NULL when the route has none. */
bool web_route_fits(const char *route, const char *path, const char **ret_item, size_t *ret_size);

#endif
