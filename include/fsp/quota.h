/* quota: may one more message come in?  Asked before anything is parsed or
 * written, so that a refused message costs no fsync.  A message that waits for
 * its file counts as if the file were there.
 *
 * Owns      the reservations of messages in hand, and a short memory of the
 *           free space.
 * Threads   every function may be called from any thread.
 * Crash     nothing is kept: what the ledger holds is counted by the ledger,
 *           and whose it is is read from there at the start. */
#ifndef FSP_QUOTA_H
#define FSP_QUOTA_H

#include "fsp/ledger.h"
#include <netinet/in.h>

struct quota;

/* Watches the file systems of staging and ledger.  Both must exist: else -errno. */
int quota_new(struct config *config, struct ledger *ledger, struct quota **ret_quota);
void quota_free(struct quota *quota); /* NULL is allowed */
void quota_reload(struct quota *quota, struct config *config);

/* A place for one message. */
struct quota_place {
        struct in6_addr client; /* IPv4 as ::ffff:a.b.c.d */
        size_t size;
        unsigned network; /* quota's own */
};
/* VERDICT_ACCEPTED reserves the place, of which client and size are given,
 * until quota_release; else VERDICT_STORE_FULL, _DISK_LOW, _STORE_FAULT,
 * _STOPPING, or _NETWORK_FULL: its IPv4 /24 or IPv6 /48 has its share. */
enum verdict quota_admit(struct quota *quota, struct quota_place *place);
/* stored: it is in the ledger now, to be forwarded. */
void quota_release(struct quota *quota, const struct quota_place *place, bool stored);

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
