#include "network.h"

#include "ledger_private.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SETS 512
#define WAYS 8
#define SHARED (SETS * WAYS) /* the slot of all that find no place */
/* Sizes are counted in these units, so that a message takes four bytes of the row. */
#define UNIT 256
#define UNITS_MAX UINT16_MAX
#define FIRST_ROOM 4096

struct network {
        struct in6_addr key;
        uint64_t messages, units; /* no messages: the entry is free */
};

struct message_share {
        uint16_t slot, units;
};

struct networks {
        unsigned char salt[crypto_shorthash_KEYBYTES];
        struct network table[SETS * WAYS + 1];
        struct message_share *row; /* a ring, oldest at first */
        size_t first, count, room;
};

int networks_new(struct networks **ret_networks)
{
        struct networks *networks = calloc(1, sizeof(*networks));
        if (!networks)
                return -ENOMEM;
        crypto_shorthash_keygen(networks->salt);
        *ret_networks = networks;
        return 0;
}

void networks_free(struct networks *networks)
{
        if (!networks)
                return;
        free(networks->row);
        free(networks);
}

static struct in6_addr key_of(const struct in6_addr *client)
{
        struct in6_addr key = *client;
        if (IN6_IS_ADDR_V4MAPPED(&key))
                key.s6_addr[15] = 0;
        else
                memset(&key.s6_addr[6], 0, 10);
        return key;
}

static unsigned find(struct networks *networks, const struct in6_addr *client)
{
        struct in6_addr key = key_of(client);
        uint64_t hash;
        (void)crypto_shorthash((unsigned char *)&hash, key.s6_addr, sizeof(key),
                               networks->salt); /* gives 0 always */
        unsigned set = (unsigned)(hash % SETS) * WAYS, free_slot = SHARED;
        for (unsigned slot = set; slot < set + WAYS; slot++) {
                const struct network *network = &networks->table[slot];
                if (network->messages && IN6_ARE_ADDR_EQUAL(&network->key, &key))
                        return slot;
                if (!network->messages && free_slot == SHARED)
                        free_slot = slot;
        }
        if (free_slot != SHARED)
                networks->table[free_slot].key = key;
        return free_slot;
}

static uint16_t units_of(size_t size)
{
        size_t units = (size + UNIT - 1) / UNIT;
        return (uint16_t)(units < UNITS_MAX ? units : UNITS_MAX);
}

static void add(struct networks *networks, unsigned slot, uint16_t units)
{
        networks->table[slot].messages++;
        networks->table[slot].units += units;
}

static void take_away(struct networks *networks, unsigned slot, uint16_t units)
{
        networks->table[slot].messages--;
        networks->table[slot].units -= units;
}

bool networks_enter(struct networks *networks, const struct in6_addr *client, size_t size,
                    struct network_limit limit, unsigned *ret_slot)
{
        unsigned slot = find(networks, client);
        const struct network *network = &networks->table[slot];
        if (network->messages >= limit.messages || network->units * UNIT + size > limit.bytes)
                return false;
        add(networks, slot, units_of(size));
        *ret_slot = slot;
        return true;
}

void networks_leave(struct networks *networks, unsigned slot, size_t size)
{
        take_away(networks, slot, units_of(size));
}

static void forget_oldest(struct networks *networks)
{
        struct message_share oldest = networks->row[networks->first];
        take_away(networks, oldest.slot, oldest.units);
        networks->first = (networks->first + 1) % networks->room;
        networks->count--;
}

/* Twice the room, the ring laid out anew from its first. */
static int grow(struct networks *networks)
{
        size_t room = networks->room ? networks->room * 2 : FIRST_ROOM;
        struct message_share *row = reallocarray(NULL, room, sizeof(*row));
        if (!row)
                return -ENOMEM;
        for (size_t i = 0; i < networks->count; i++)
                row[i] = networks->row[(networks->first + i) % networks->room];
        free(networks->row);
        networks->row = row;
        networks->first = 0;
        networks->room = room;
        return 0;
}

void networks_store(struct networks *networks, unsigned slot, size_t size)
{
        struct message_share share = { .slot = (uint16_t)slot, .units = units_of(size) };
        if (networks->count == networks->room && grow(networks) < 0) {
                if (networks->count == 0) {
                        take_away(networks, slot, share.units); /* without memory it goes uncounted */
                        return;
                }
                forget_oldest(networks);
        }
        networks->row[(networks->first + networks->count) % networks->room] = share;
        networks->count++;
}

void networks_settle(struct networks *networks, uint64_t waiting)
{
        while (networks->count > waiting)
                forget_oldest(networks);
}

static void load_row(struct networks *networks, const char *address, size_t size)
{
        struct in6_addr client = IN6ADDR_ANY_INIT; /* also where none is known */
        unsigned slot;
        if (inet_pton(AF_INET, address, &client.s6_addr[12]) == 1)
                client.s6_addr[10] = client.s6_addr[11] = 0xFF;
        else if (inet_pton(AF_INET6, address, &client) != 1)
                client = (struct in6_addr)IN6ADDR_ANY_INIT;
        if (networks_enter(networks, &client, size, (struct network_limit){ UINT64_MAX, UINT64_MAX }, &slot))
                networks_store(networks, slot, size);
}

int networks_load(struct networks *networks, const char *path)
{
        /* Those on their way the longest come first; each state is a stretch of
         * the index, so nothing is sorted. */
        static const enum delivery oldest_first[] = { DELIVERY_COPIED, DELIVERY_STAGED, DELIVERY_RECEIVED };
        sqlite3 *db = NULL;
        sqlite3_stmt *rows = NULL;
        int result = SQLITE_DONE, r = ledger_connect(path, false, &db);
        if (r == 0)
                r = ledger_errno(
                        sqlite3_prepare_v2(db,
                                           "SELECT client_address, size FROM message INDEXED BY message_open"
                                           " WHERE delivery = ?1 AND delivery <> 3 ORDER BY seq",
                                           -1, &rows, NULL));
        for (size_t i = 0; r == 0 && i < sizeof(oldest_first) / sizeof(oldest_first[0]); i++) {
                (void)sqlite3_bind_int(rows, 1, (int)oldest_first[i]); /* cannot fail on a prepared one */
                while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
                        const char *address = (const char *)sqlite3_column_text(rows, 0);
                        load_row(networks, address ? address : "", (size_t)sqlite3_column_int64(rows, 1));
                }
                r = ledger_errno(result);
                (void)sqlite3_reset(rows); /* repeats the result of step */
        }
        (void)sqlite3_finalize(rows); /* likewise */
        (void)sqlite3_close(db);      /* no statement is open */
        return r;
}
