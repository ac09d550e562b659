/* network: how much of what waits came from which network, an IPv4 /24 or an
 * IPv6 /48.
 *
 * A table of fixed size, hashed with a secret salt; where it is full, those
 * who do not fit share one entry.  Messages leave about in the order in which
 * they came, so a row of "whose, how large" tells whose share gets smaller
 * when fewer wait: nothing is asked of the ledger but how many do.
 *
 * Threads   the caller's lock.
 * Crash     nothing is kept; networks_load finds it all again. */
#ifndef NETWORK_H
#define NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct networks;
struct network_limit {
        uint64_t messages, bytes;
};

int networks_new(struct networks **ret_networks);
void networks_free(struct networks *networks);
/* What waits in the ledger.  -errno; then what was counted so far stays. */
int networks_load(struct networks *networks, const char *path);

/* One more message of this client within the limit of its network?  *ret_slot
 * is for one of the two that follow. */
bool networks_enter(struct networks *networks, const struct in6_addr *client, size_t size,
                    struct network_limit limit, unsigned *ret_slot);
void networks_leave(struct networks *networks, unsigned slot, size_t size); /* it was not stored */
void networks_store(struct networks *networks, unsigned slot, size_t size); /* it was */

/* So many wait now. */
void networks_settle(struct networks *networks, uint64_t waiting);

#endif
