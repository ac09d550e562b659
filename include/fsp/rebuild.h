/* rebuild: at the start, ledger and staging folder are made to agree.
 *
 * A staged file without a row (a ledger that was lost, or that lost its last
 * commits) becomes a row again; one whose row is forwarded is a leftover and
 * is removed; one that cannot be read as a message goes to corrupt/ with a
 * quarantined row; a half-written temporary file is removed.  A ledger that is
 * damaged is set aside as ledger.db.damaged-TIME and made anew from staging.
 * Rows whose files are already gone are never sent by guess.
 *
 * Owns      nothing.  Threads: the main thread, before anything else runs.
 * Crash     every step may be cut short; the next start begins anew. */
#ifndef FSP_REBUILD_H
#define FSP_REBUILD_H

#include "fsp/config.h"
#include "fsp/ledger.h"

/* Opens the ledger, sets a damaged one aside, and sweeps the staging folder.
 * progress is called now and then (long work on many files); when it says false
 * the work is left for the next start: -EINTR.  Other -errno, which has been
 * logged, when ledger or staging cannot be used. */
int rebuild_open(struct config *config, bool (*progress)(void *arg), void *arg, struct ledger **ret_ledger);

#endif
