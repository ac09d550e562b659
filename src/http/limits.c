#include "limits.h"

#include "fsp/clock.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* 65,536 clients at once, 2.5 MB of which only the used pages are ever touched. */
#define SETS 8192
#define WAYS 8

struct client {
        struct in6_addr key;
        unsigned connections;
        float tokens;
        int64_t seen_ms; /* monotonic; 0: the entry is free */
};

struct limits {
        unsigned char salt[crypto_shorthash_KEYBYTES];
        struct client clients[SETS][WAYS];
        struct client shared; /* of all that find no place */
};

int limits_new(struct limits **ret_limits)
{
        struct limits *limits = calloc(1, sizeof(*limits));
        if (!limits)
                return -ENOMEM;
        crypto_shorthash_keygen(limits->salt);
        *ret_limits = limits;
        return 0;
}

void limits_free(struct limits *limits)
{
        free(limits);
}

struct client_address limits_address(const struct sockaddr *address)
{
        struct client_address result = { .address = IN6ADDR_ANY_INIT };
        if (address->sa_family == AF_INET6) {
                result.address = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        } else if (address->sa_family == AF_INET) {
                result.address.s6_addr[10] = result.address.s6_addr[11] = 0xFF;
                memcpy(&result.address.s6_addr[12],
                       &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        }
        return result;
}

const char *limits_format(const struct client_address *address, char ret_text[INET6_ADDRSTRLEN])
{
        const struct in6_addr *in6 = &address->address;
        const char *text = IN6_IS_ADDR_V4MAPPED(in6)
                                   ? inet_ntop(AF_INET, &in6->s6_addr[12], ret_text, INET6_ADDRSTRLEN)
                                   : inet_ntop(AF_INET6, in6, ret_text, INET6_ADDRSTRLEN);
        assert(text); /* the buffer is large enough for each */
        return text;
}

int limits_parse(const char *text, struct client_address *ret_address)
{
        struct client_address result = { .address = IN6ADDR_ANY_INIT };
        if (inet_pton(AF_INET, text, &result.address.s6_addr[12]) == 1)
                result.address.s6_addr[10] = result.address.s6_addr[11] = 0xFF;
        else if (inet_pton(AF_INET6, text, &result.address) != 1)
                return -EINVAL;
        *ret_address = result;
        return 0;
}

int limits_parse_hop(const char *text, size_t size, struct client_address *ret_address)
{
        char address[INET6_ADDRSTRLEN];
        const char *port = memrchr(text, ':', size);
        if (size && text[0] == '[') { /* "[2001:db8::1]" or "[2001:db8::1]:80" */
                const char *close = memchr(text, ']', size);
                if (!close || (close + 1 < text + size && close + 1 != port))
                        return -EINVAL;
                size = (size_t)(close - ++text);
        } else if (port && memchr(text, ':', size) == port) { /* "192.0.2.1:80" */
                size = (size_t)(port - text);
        }
        if (size >= sizeof(address))
                return -EINVAL;
        memcpy(address, text, size);
        address[size] = '\0';
        return limits_parse(address, ret_address);
}

bool limits_is_trusted(const struct config *config, const struct client_address *address)
{
        for (size_t i = 0; i < config->listener.trusted_proxies.count; i++) {
                struct client_address proxy;
                if (limits_parse(config->listener.trusted_proxies.items[i], &proxy) == 0 &&
                    IN6_ARE_ADDR_EQUAL(&proxy.address, &address->address))
                        return true;
        }
        return false;
}

static struct in6_addr key_of(const struct client_address *address)
{
        struct in6_addr key = address->address;
        if (!IN6_IS_ADDR_V4MAPPED(&key))
                memset(&key.s6_addr[8], 0, 8); /* a /64 is one client */
        return key;
}

/* An entry that nobody would miss: no connection, and silent for so long that
 * its tokens are all back.  An hour is enough for any sensible rate. */
#define FORGET_MS 3600000

static struct client *find(struct limits *limits, const struct client_address *address, int64_t now_ms)
{
        struct in6_addr key = key_of(address);
        uint64_t hash;
        (void)crypto_shorthash((unsigned char *)&hash, key.s6_addr, sizeof(key),
                               limits->salt); /* gives 0 always */
        struct client *set = limits->clients[hash % SETS], *free_one = NULL;
        for (int i = 0; i < WAYS; i++) {
                if (set[i].seen_ms && IN6_ARE_ADDR_EQUAL(&set[i].key, &key))
                        return &set[i];
                bool stale = set[i].connections == 0 && now_ms - set[i].seen_ms > FORGET_MS;
                if (!free_one && (set[i].seen_ms == 0 || stale))
                        free_one = &set[i];
        }
        if (!free_one)
                return &limits->shared;
        *free_one = (struct client){ .key = key, .tokens = -1 }; /* filled when first asked */
        return free_one;
}

struct client *limits_connect(struct limits *limits, const struct client_address *address, unsigned limit)
{
        int64_t now_ms = clock_monotonic_ms();
        struct client *client = find(limits, address, now_ms);
        if (limit && client->connections >= limit)
                return NULL;
        if (!client->seen_ms)
                client->seen_ms = now_ms ? now_ms : 1;
        client->connections++;
        return client;
}

void limits_disconnect(struct client *client)
{
        assert(client->connections > 0);
        client->connections--;
}

static struct client *refill(struct limits *limits, const struct client_address *address,
                             const struct config *config, int64_t now_ms)
{
        struct client *client = find(limits, address, now_ms);
        float burst = (float)config->listener.client_burst;
        if (client->tokens < 0)
                client->tokens = burst;
        else
                client->tokens +=
                        (float)(now_ms - client->seen_ms) * (float)config->listener.client_rate / 1000.0F;
        if (client->tokens > burst)
                client->tokens = burst;
        client->seen_ms = now_ms;
        return client;
}

static bool unlimited(const struct config *config)
{
        return config->listener.client_rate == 0 || config->listener.client_burst == 0;
}

bool limits_take(struct limits *limits, const struct client_address *address, const struct config *config,
                 int64_t now_ms)
{
        if (unlimited(config))
                return true;
        struct client *client = refill(limits, address, config, now_ms);
        if (client->tokens < 1)
                return false;
        client->tokens -= 1;
        return true;
}

bool limits_has(struct limits *limits, const struct client_address *address, const struct config *config,
                int64_t now_ms)
{
        return unlimited(config) || refill(limits, address, config, now_ms)->tokens >= 1;
}

void limits_refund(struct limits *limits, const struct client_address *address, const struct config *config,
                   int64_t now_ms)
{
        if (!unlimited(config))
                refill(limits, address, config, now_ms)->tokens += 1;
}
