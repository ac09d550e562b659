/* micro: the steps of a message's way, one by one.
 *
 * Each is the product's own function, given the messages that load sends. */
#ifndef FSP_BENCH_MICRO_H
#define FSP_BENCH_MICRO_H

#include <stddef.h>

#define MICRO_BATCH 64 /* messages in one commit */

struct micro;

int micro_new(struct micro **ret_micro);
void micro_free(struct micro *micro); /* NULL is allowed */

struct micro_op {
        const char *name;
        int (*run)(struct micro *micro, unsigned count);
};
extern const struct micro_op micro_ops[];
extern const size_t micro_op_count;
/* NULL when there is none of that name. */
const struct micro_op *micro_find_op(const char *name);

#endif
