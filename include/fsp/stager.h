/* stager: makes the file in staging/ of each received message.
 *
 * Owns      two threads, one that writes files and one that makes them durable, and
 *           the staging folder, but for corrupt/ (quarantine.h).
 * Threads   stager_start, stager_stop: the main thread; the others: any.
 * Crash     a row becomes staged only when its file and name are on disk for
 *           certain; before that the row keeps the body, and a file that is
 *           there and not whole is written again. */
#ifndef FSP_STAGER_H
#define FSP_STAGER_H

#include "fsp/config.h"
#include "fsp/ledger.h"

struct stager;
/* -errno when the staging folder cannot be opened. */
int stager_start(struct config *config, struct ledger *ledger, struct stager **ret_stager);
void stager_ring(void *stager); /* struct stager: there are received messages */
/* Returns when all that was received before the call is staged, or cannot be
 * within deadline_ms from now.  arg: the stager. */
void stager_catch_up(void *arg, int64_t deadline_ms);
/* -errno while received messages cannot be written to the folder, else 0. */
int stager_fault(const struct stager *stager);
void stager_stop(struct stager *stager); /* stages no more; NULL is allowed */

#endif
