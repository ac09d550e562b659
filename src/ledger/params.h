/* params: the parameters of a state message, as the column `params` has them: a
 * JSON array of strings.
 *
 * Written for each message that comes, so without a tree, into memory that is kept. */
#ifndef LEDGER_PARAMS_H
#define LEDGER_PARAMS_H

#include <stddef.h>

struct params_text {
        char *text; /* not NUL-terminated */
        size_t size, room;
};

/* -ENOMEM; then text holds nothing of use. */
int params_write(struct params_text *text, const char *const *params, size_t count);
void params_free(struct params_text *text);

#endif
