/* throttle: at most so many files in any such time, whatever is ordered and
 * however often fspd is started.
 *
 * Threads   the forwarder's.
 * Crash     the ledger remembers (table shipment); throttle_load reads it. */
#ifndef THROTTLE_H
#define THROTTLE_H

#include "fsp/config.h"
#include "fsp/query.h"
#include <stdint.h>

struct throttle;
int throttle_new(struct throttle **ret_throttle);
void throttle_free(struct throttle *throttle);
/* What went out before this start. */
int throttle_load(struct throttle *throttle, struct query *query, const struct config *config);
/* How many files may go now; UINT64_MAX: as many as there are. */
uint64_t throttle_allowance(struct throttle *throttle, const struct config *config, int64_t now_ms);
void throttle_charge(struct throttle *throttle, uint64_t files, int64_t now_ms);
/* When all that went out is old enough to be forgotten (monotonic). */
int64_t throttle_free_ms(const struct throttle *throttle, const struct config *config, int64_t now_ms);

#endif
