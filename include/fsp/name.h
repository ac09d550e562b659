/* name: the file name of a message, in staging and in the inbox.
 *
 *   YYYYMMDDTHHMMSSmmmZ-NNNN-SSSSSSSS.SMX
 *
 * time of receipt (UTC, never going backwards), node, sequence, both in hex.
 * Alphabetical order is order of arrival, which is the order in which the
 * site server's state system reads its inbox (Microsoft KB 4459394).  No text
 * of a client ever stands in it; its 41 characters leave room below MAX_PATH.
 * The part before ".SMX" is the message's id.
 *
 * Owns      nothing.  Threads: pure functions. */
#ifndef FSP_NAME_H
#define FSP_NAME_H

#include <stdbool.h>
#include <stdint.h>

#define NAME_SUFFIX ".SMX"
#define NAME_TEMPORARY_SUFFIX ".tmp"
#define NAME_SIZE 48 /* of a buffer for a name or an id */

struct message_name {
        int64_t time_ms; /* since 1970 UTC, up to the year 9999 */
        unsigned node;   /* 0 … 0xFFFF */
        int64_t seq;     /* 1 …; the name shows the low 32 bits */
};

/* Asked of what was read from somewhere; the two below take no other. */
bool name_is_sound(const struct message_name *name);
/* The id: without a suffix. */
const char *name_format_id(const struct message_name *name, char ret_id[NAME_SIZE]);
/* id and suffix. */
const char *name_format_file(const struct message_name *name, const char *suffix, char ret_file[NAME_SIZE]);

/* An id, or a file name that ends in suffix (not NULL).  Only what the two
 * above write is accepted (-EINVAL).  seq gets its low 32 bits only. */
int name_parse(const char *text, const char *suffix, struct message_name *ret_name);

#endif
