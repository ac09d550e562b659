/* rebuild_ledger: the ledger of a start, made anew where the old one is damaged. */
#ifndef STAGING_REBUILD_LEDGER_H
#define STAGING_REBUILD_LEDGER_H

#include "fsp/config.h"
#include "fsp/ledger.h"

/* Opens the ledger.  A damaged one is set aside, and what is sound in it taken
 * over into a new one.  Should that not come to its end, a later call does all
 * of it again.  progress as in rebuild.h. */
int rebuild_ledger_open(struct config *config, bool (*progress)(void *arg), void *arg,
                        struct ledger **ret_ledger);
/* The new ledger has got all that it can: nothing of this is to be done again. */
int rebuild_ledger_settle(const struct config *config);

#endif
