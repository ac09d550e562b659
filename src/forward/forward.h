/* forward: one pass over what is staged.  No thread, no clock of its own. */
#ifndef FORWARD_H
#define FORWARD_H

#include "fsp/config.h"
#include "fsp/inbox.h"
#include "fsp/ledger.h"
#include "fsp/quarantine.h"
#include "fsp/query.h"
#include "throttle.h"
#include <stdatomic.h>

struct pass {
        /* given */
        const struct config *config;
        struct ledger *ledger;
        struct query *query;
        struct throttle *throttle;
        struct quarantine quarantine; /* also says where staging is */
        const char *place;            /* of the inbox, as configured */
        struct inbox *inbox;
        int64_t inbox_id;
        const _Atomic bool *stop;
        uint64_t due; /* staged when the run began: what comes later is the next one's */
        /* found */
        uint64_t tried, copied;
        int stuck; /* -errno of a file left behind, 0: none */
        int fault; /* -errno that ended the pass: the inbox, or the ledger */
};

/* Finishes what an interrupted pass left half-way, each in the inbox it was
 * begun in. */
int forward_recover(struct pass *pass);
/* Sends what is staged, oldest first, as much as the throttle allows. */
int forward_staged(struct pass *pass);

/* Publishes one temporary file.  1 done, 0 the name was taken by another file
 * (quarantined), -errno. */
int forward_publish(struct pass *pass, struct inbox *inbox, const struct query_pending *row);

#endif
