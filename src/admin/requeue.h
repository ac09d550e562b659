/* requeue: sending again by order of a person.
 *
 * Owns      nothing.  Threads: the control thread.  Both answer the object of
 * order_requeued, or of order_refusal when the ledger cannot be read. */
#ifndef ADMIN_REQUEUE_H
#define ADMIN_REQUEUE_H

#include "fsp/control.h"
#include <jansson.h>

/* Quarantined or forwarded messages, by their ids. */
json_t *requeue_ids(const struct control_parts *parts, const json_t *ids);
/* All messages received since then that were forwarded and whose bytes are kept. */
json_t *requeue_since(const struct control_parts *parts, int64_t since_ms);

#endif
