/* forwarder: copies the staged files to the inbox, at the start, every
 * forwarder.interval, and on order; never more than the throttle allows.
 *
 * Owns      one thread, which alone touches the inbox: one that hangs holds up
 *           nobody else.
 * Threads   every function may be called from any thread.
 * Crash     a message goes staged → copied when N.tmp is whole in the inbox
 *           for certain, then N.tmp is renamed, then it is forwarded.  After a
 *           crash a copied message whose N.tmp is still there is renamed; one
 *           whose N.tmp is gone was renamed.  That is decided only when the
 *           inbox is the very one the row names, else it waits. */
#ifndef FSP_FORWARDER_H
#define FSP_FORWARDER_H

#include "fsp/config.h"
#include "fsp/histogram.h"
#include "fsp/ledger.h"
#include <stdbool.h>
#include <stdint.h>

struct forwarder;
/* catch_up is called in the thread before each run, so that it finds all that
 * was received before it as files in staging (stager_catch_up).  -errno when
 * ledger or staging cannot be opened. */
int forwarder_start(struct config *config, struct ledger *ledger,
                    void (*catch_up)(void *arg, int64_t deadline_ms), void *arg,
                    struct forwarder **ret_forwarder);
/* In force with the next run. */
void forwarder_reload(struct forwarder *forwarder, struct config *config);

/* Asks for a run now; gives the number of the run that will serve it.  A run
 * in progress does not count: its successor does. */
uint64_t forwarder_ring(struct forwarder *forwarder);

/* Rings fd (an eventfd) whenever a run is over; -1: none. */
void forwarder_on_run(struct forwarder *forwarder, int fd);

struct forwarder_run {
        uint64_t number;    /* 1 …; 0: none yet */
        int64_t started_ms; /* wall */
        int64_t duration_ms;
        uint64_t tried, copied;
        int fault;       /* 0, or -errno that kept the inbox out of reach */
        const char *why; /* that in words, for ever; NULL without a fault */
};
struct forwarder_view {
        struct forwarder_run last;
        bool running;
        int64_t running_since_ms; /* monotonic */
        int64_t next_run_ms;      /* wall; CLOCK_UNKNOWN while running */
        int64_t late_ms;          /* how long a run is overdue or has been going on without an end, else 0 */
        uint64_t forwarded;       /* messages since the start */
        int64_t success_ms;       /* wall: end of the last run that reached the inbox; CLOCK_UNKNOWN: none */
};
struct forwarder_view forwarder_view(struct forwarder *forwarder);
/* What the runs took since the start, milliseconds. */
struct histogram_view forwarder_run_ms(struct forwarder *forwarder);

/* Finishes or abandons the file in hand and ends the thread.  -ETIMEDOUT when
 * the inbox hangs for deadline_ms from now: the thread is left behind, and the
 * process must end by _exit. */
int forwarder_stop(struct forwarder *forwarder, int64_t deadline_ms);

#endif
