/* delivery: the state machine of a message.
 *
 *     received → staged → copied → forwarded
 *         └────────┴────────┴────→ quarantined
 *
 * forwards only; delivery_requeue alone goes back, by order of a person.
 *
 * Owns      the column "delivery" of the ledger, what each state means, and the
 *           charge to the throttle that goes with a copy.
 * Threads   every function may be called from any thread; those that change
 *           something are carried out by the ledger's writer and return when
 *           it is committed; many rows are several commits, in their order.
 * Crash     what returned 0 is on disk for certain.  From each state there is
 *           one way on, see docs/INTERNALS.md. */
#ifndef FSP_DELIVERY_H
#define FSP_DELIVERY_H

#include "fsp/ledger.h"
#include <stddef.h>
#include <stdint.h>

enum delivery {
        DELIVERY_RECEIVED,
        DELIVERY_STAGED,
        DELIVERY_COPIED,
        DELIVERY_FORWARDED,
        DELIVERY_QUARANTINED
};
#define DELIVERY_COUNT 5
const char *delivery_name(enum delivery delivery);
/* -EINVAL when no delivery has that name. */
int delivery_parse(const char *name, enum delivery *ret_delivery);

/* Each names rows by seq; a row that is not in the state
 * the transition starts from is left alone. */
int delivery_mark_staged(struct ledger *ledger, const int64_t *seqs, size_t count);
/* Also charges count files to the throttle (shipment) and returns its number,
 * which each of its commits made higher. */
int delivery_mark_copied(struct ledger *ledger, const int64_t *seqs, size_t count, int64_t inbox,
                         int64_t *ret_shipment);
/* shipment: from delivery_mark_copied; 0: they had arrived before;
 * DELIVERY_NEW_SHIPMENT: they arrive only now, which is charged anew. */
#define DELIVERY_NEW_SHIPMENT (-1)
int delivery_mark_forwarded(struct ledger *ledger, const int64_t *seqs, size_t count, int64_t shipment);
/* The same in the background; seqs are copied. */
struct delivery_marking;
int delivery_begin_forwarded(struct ledger *ledger, const int64_t *seqs, size_t count, int64_t shipment,
                             struct delivery_marking **ret_marking);
/* Waits for its commit, gives its result and frees it; 0 where it is NULL. */
int delivery_await(struct delivery_marking **marking);
int delivery_mark_quarantined(struct ledger *ledger, int64_t seq, const char *reason);
/* Quarantined, forwarded, or copied (half-way to an inbox that may never come
 * back) to received again, from its kept body.  -ENOENT
 * unknown, -EALREADY still on its way, -ENODATA the body is gone. */
int delivery_requeue(struct ledger *ledger, int64_t seq);
/* The same for all that were received since then, are forwarded, and have
 * their bytes kept; in steps, so that others are not held up. */
int delivery_requeue_since(struct ledger *ledger, int64_t since_ms, uint64_t *ret_count);

/* In a ledger that has lost shipments: their numbers are not given again. */
int delivery_resume_shipments(struct ledger *ledger, int64_t last);

/* The number of the inbox with this identity; a new one is remembered.  1 when
 * it is new and there were others before, else 0. */
int delivery_inbox(struct ledger *ledger, const char *identity, const char *place, int64_t *ret_inbox);

/* At the start, when all staged files have their rows: what else a damaged
 * ledger had, in rows that are not to be believed, is quarantined. */
int delivery_quarantine_broken(struct ledger *ledger);

/* A message found as a staged file without a row: staged again, or, with a
 * reason, quarantined. */
struct delivery_import {
        struct message_name name;
        struct report report;
        const char *reason; /* or NULL */
};
/* All of them in one commit, or none. */
int delivery_import(struct ledger *ledger, const struct delivery_import *imports, size_t count);

#endif
