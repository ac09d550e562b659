/* limits: how much one client may do, in a table of fixed size.
 *
 * A client is an IPv4 address or an IPv6 /64.  The table is hashed with a
 * secret salt, so that nobody can choose addresses that collide; where it is
 * full, those who do not fit share one entry: there is never "no limit".
 *
 * Threads   the loop's. */
#ifndef LIMITS_H
#define LIMITS_H

#include "fsp/config.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct client_address {
        struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d */
};

struct client;
struct limits;

int limits_new(struct limits **ret_limits);
void limits_free(struct limits *limits);

struct client_address limits_address(const struct sockaddr *address);
/* "192.0.2.1" or "2001:db8::1". */
const char *limits_format(const struct client_address *address, char ret_text[INET6_ADDRSTRLEN]);
/* -EINVAL when text is no address. */
int limits_parse(const char *text, struct client_address *ret_address);
/* An address as proxies write one into X-Forwarded-For, maybe with a port. */
int limits_parse_hop(const char *text, size_t size, struct client_address *ret_address);
bool limits_is_trusted(const struct config *config, const struct client_address *address);

/* One more connection of this client?  NULL when it has limit of them already
 * (limit 0: none is too many). */
struct client *limits_connect(struct limits *limits, const struct client_address *address, unsigned limit);
void limits_disconnect(struct client *client);

/* One more accepted message?  Takes a token; limits_refund gives it back. */
bool limits_take(struct limits *limits, const struct client_address *address, const struct config *config,
                 int64_t now_ms);
/* Would it get one? */
bool limits_has(struct limits *limits, const struct client_address *address, const struct config *config,
                int64_t now_ms);
void limits_refund(struct limits *limits, const struct client_address *address, const struct config *config,
                   int64_t now_ms);

#endif
