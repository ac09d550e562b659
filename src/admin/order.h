/* order: what a line from the control socket asks for, and the plain answers.
 *
 * Owns      the names of the orders.  Threads: pure functions. */
#ifndef ADMIN_ORDER_H
#define ADMIN_ORDER_H

#include "fsp/forwarder.h"
#include <jansson.h>
#include <stddef.h>

enum order { ORDER_STATUS, ORDER_FORWARD, ORDER_REQUEUE, ORDER_RESEND, ORDER_DRAIN };

struct order_request {
        enum order order;
        json_t *ids;      /* ORDER_REQUEUE: an array of strings, at least one; owned */
        int64_t since_ms; /* ORDER_RESEND: wall clock */
};

/* The order in a line (its end left off).  -EINVAL and *ret_why, a static
 * text, when there is none in it. */
int order_parse(const char *line, size_t size, struct order_request *ret_request, const char **ret_why);
void order_request_free(struct order_request *request);

/* The answers; NULL when memory is short. */
json_t *order_refusal(const char *why);
json_t *order_run_over(const struct forwarder_run *run);
json_t *order_timeout(void);
/* {"requeued":N,"refused":[{"id","why"}]}; refused is taken over. */
json_t *order_requeued(uint64_t count, json_t *refused);

#endif
