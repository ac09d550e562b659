/* params: the parameters of a state message, as the ledger has them: a JSON array
 * of strings.
 *
 * Written for each message that comes, and read for each that is counted for the
 * viewer, so without a tree, in memory that is kept.
 *
 * Owns      nothing but what struct params_text holds for its caller.
 * Threads   one struct params_text belongs to one thread. */
#ifndef FSP_PARAMS_H
#define FSP_PARAMS_H

#include <stddef.h>

struct params_text {
        char *text;
        size_t size, room;
};

/* All of them; not NUL-terminated.  -ENOMEM; then text holds nothing of use. */
int params_write(struct params_text *text, const char *const *params, size_t count);
/* The next of them, NUL-terminated, in text.  *array is NUL-terminated JSON, or NULL, and is moved
 * on.  NULL at the end, where anything else stands than params_write writes, blanks aside, and
 * without memory. */
const char *params_next(const char **array, struct params_text *text);
void params_free(struct params_text *text);

#endif
