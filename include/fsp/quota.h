/* quota: may one more message come in?  Asked before anything is parsed or
 * written, so that a refused message costs no fsync.
 *
 * Owns      the reservations of messages in hand, and a short memory of the
 *           free space.
 * Threads   every function may be called from any thread.
 * Crash     nothing is kept: what the ledger holds is counted by the ledger. */
#ifndef FSP_QUOTA_H
#define FSP_QUOTA_H

#include "fsp/ledger.h"

struct quota;

/* Watches the file systems of staging and ledger.  Both must exist. */
int quota_new(struct config *config, struct ledger *ledger, struct quota **ret_quota);
void quota_free(struct quota *quota);
void quota_reload(struct quota *quota, struct config *config);

/* VERDICT_ACCEPTED reserves one message of size bytes until quota_release;
 * else VERDICT_STORE_FULL, _DISK_LOW, _STORE_FAULT or _STOPPING. */
enum verdict quota_admit(struct quota *quota, size_t size);
void quota_release(struct quota *quota, size_t size);

/* Draining: everything is refused with VERDICT_STOPPING. */
void quota_close(struct quota *quota);
bool quota_closed(struct quota *quota);

struct quota_view {
        uint64_t free_bytes_percent, free_inodes_percent; /* the scarcer of both file systems */
        double fullness;                                  /* 0 … 1 of staging.max_size or max_messages */
        enum verdict verdict;                             /* of a message of no size */
};
struct quota_view quota_look(struct quota *quota);

#endif
