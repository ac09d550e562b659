/* message_picture: one message whole, with its history and all its parts, as
 * `fspctl show --json` and the page have it.
 *
 * Owns      nothing.  Threads: as struct query. */
#ifndef ADMIN_MESSAGE_PICTURE_H
#define ADMIN_MESSAGE_PICTURE_H

#include "fsp/query.h"
#include <jansson.h>

/* What is said of the message as a whole, its id first: label and key. */
extern const char *const message_picture_lines[][2];
extern const size_t message_picture_line_count;

/* The row of an id or of a file's name.  -ENOENT when there is none. */
int message_picture_find(struct query *query, const char *id, int64_t *ret_seq);
/* The row of part 0, with size, reason, history and report (all parts).
 * -ENOENT when retention took it this very moment. */
int message_picture_read(struct query *query, int64_t seq, json_t **ret_object);

#endif
