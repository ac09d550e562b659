/* quarantine: taking a message out of the way, for a person to decide.
 *
 * Owns      the folder staging/corrupt/.
 * Threads   any; the query belongs to the caller.
 * Crash     the row is marked first.  A file that then still lies in staging
 *           is moved at the next start. */
#ifndef FSP_QUARANTINE_H
#define FSP_QUARANTINE_H

#include "fsp/query.h"

#define QUARANTINE_FOLDER "corrupt" /* in staging.directory */

struct quarantine {
        struct ledger *ledger;
        struct query *query;
        int staging_fd, corrupt_fd;
};

/* Marks the row with reason, says so in the log, and moves its staged file to
 * corrupt/; where there is none, the bytes are written there from the ledger
 * as far as it keeps them.  -errno when the ledger cannot be changed. */
int quarantine_message(const struct quarantine *quarantine, const struct query_pending *row,
                       const char *reason);

/* After delivery_requeue: removes the file in corrupt/, which is of no more use. */
void quarantine_forget(const char *staging_directory, const struct message_name *name);

#endif
