/* order: what a line from the control socket asks for, and the plain answers.
 *
 * Owns      the names of the orders.  Threads: pure functions. */
#ifndef ADMIN_ORDER_H
#define ADMIN_ORDER_H

#include "fsp/forwarder.h"
#include <jansson.h>
#include <stddef.h>

enum order { ORDER_STATUS, ORDER_FORWARD };

/* The order in a line (its end left off).  -EINVAL and *ret_why, a static
 * text, when there is none in it. */
int order_parse(const char *line, size_t size, enum order *ret_order, const char **ret_why);

/* The answers; NULL when memory is short. */
json_t *order_refusal(const char *why);
json_t *order_run_over(const struct forwarder_run *run);
json_t *order_timeout(void);

#endif
