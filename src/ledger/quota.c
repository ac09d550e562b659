/* Room for one more message: by number, by size, by the disk. */
#include "fsp/quota.h"

#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include "network.h"
#include <errno.h>
#include <libgen.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* statvfs is asked at most so often; what was admitted since counts against
 * its last answer. */
#define LOOK_MS 100
/* What one message costs on the disk at the worst: its file, its row and body
 * in the WAL and again in the ledger, each rounded up, and index pages. */
#define DISK_COST(size) (3 * (uint64_t)(size) + 32768)

/* A network may always have so much, however small the store and its share. */
#define NETWORK_LEAST_MESSAGES 1000
#define NETWORK_LEAST_BYTES (64U << 20)

struct quota {
        struct ledger *ledger;
        int staging_fd, ledger_fd;

        pthread_mutex_t lock; /* for all below */
        struct config *config;
        bool closed;
        uint64_t held_messages, held_bytes; /* reserved */
        struct networks *networks;
        int64_t looked_ms;
        int fault; /* of the look: -errno */
        struct fsutil_space spaces[2];
        uint64_t spent_bytes, spent_inodes; /* since the look */
};

static uint64_t percent(uint64_t part, uint64_t whole)
{
        return whole ? (uint64_t)((double)part * 100.0 / (double)whole) : 100;
}

static void look(struct quota *quota)
{
        int64_t now_ms = clock_monotonic_ms();
        if (quota->looked_ms && now_ms - quota->looked_ms < LOOK_MS)
                return;
        quota->looked_ms = now_ms;
        quota->fault = fsutil_space(quota->staging_fd, &quota->spaces[0]);
        if (quota->fault == 0)
                quota->fault = fsutil_space(quota->ledger_fd, &quota->spaces[1]);
        quota->spent_bytes = quota->spent_inodes = 0;
}

/* owed: what is received and no file yet, which the disk does not show. */
static bool is_low(const struct quota *quota, const struct fsutil_space *space, size_t size,
                   const struct ledger_totals *owed)
{
        unsigned reserve = quota->config->staging.min_free_percent;
        uint64_t bytes = quota->spent_bytes + DISK_COST(size) + owed->received_room;
        uint64_t inodes = quota->spent_inodes + 1 + owed->received;
        if (space->bytes_free < bytes || percent(space->bytes_free - bytes, space->bytes_total) < reserve)
                return true;
        if (space->inodes_total == 0)
                return false;
        return space->inodes_free < inodes ||
               percent(space->inodes_free - inodes, space->inodes_total) < reserve;
}

static enum verdict judge(struct quota *quota, size_t size)
{
        struct ledger_totals totals = ledger_totals(quota->ledger);
        if (quota->closed)
                return VERDICT_STOPPING;
        if (!totals.online)
                return VERDICT_STORE_FAULT;
        uint64_t messages = totals.received + totals.staged + totals.copied + totals.quarantined;
        if (messages + quota->held_messages >= quota->config->staging.max_messages ||
            totals.bytes + quota->held_bytes + size > quota->config->staging.max_size)
                return VERDICT_STORE_FULL;
        look(quota);
        if (quota->fault)
                return VERDICT_STORE_FAULT;
        const struct ledger_totals nothing = { .received = 0 };
        if (is_low(quota, &quota->spaces[0], size, &totals) ||
            is_low(quota, &quota->spaces[1], size, &nothing))
                return VERDICT_DISK_LOW;
        return VERDICT_ACCEPTED;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/* The share of the network that the client belongs to. */
static enum verdict judge_network(struct quota *quota, struct quota_place *place)
{
        const struct config *config = quota->config;
        struct ledger_totals totals = ledger_totals(quota->ledger);
        unsigned percents = config->staging.network_share_percent;
        struct network_limit limit = {
                .messages = larger(config->staging.max_messages / 100 * percents, NETWORK_LEAST_MESSAGES),
                .bytes = larger(config->staging.max_size / 100 * percents, NETWORK_LEAST_BYTES),
        };
        networks_settle(quota->networks, totals.received + totals.staged + totals.copied);
        if (percents == 100)
                limit = (struct network_limit){ UINT64_MAX, UINT64_MAX };
        return networks_enter(quota->networks, &place->client, place->size, limit, &place->network)
                       ? VERDICT_ACCEPTED
                       : VERDICT_NETWORK_FULL;
}

enum verdict quota_admit(struct quota *quota, struct quota_place *place)
{
        size_t size = place->size;
        (void)pthread_mutex_lock(&quota->lock); /* cannot fail on this kind of mutex */
        enum verdict verdict = judge(quota, size);
        if (verdict == VERDICT_ACCEPTED)
                verdict = judge_network(quota, place);
        if (verdict == VERDICT_ACCEPTED) {
                quota->held_messages++;
                quota->held_bytes += size;
                quota->spent_bytes += DISK_COST(size);
                quota->spent_inodes++;
        }
        (void)pthread_mutex_unlock(&quota->lock);
        return verdict;
}

void quota_release(struct quota *quota, const struct quota_place *place, bool stored)
{
        (void)pthread_mutex_lock(&quota->lock); /* as above */
        quota->held_messages--;
        quota->held_bytes -= place->size;
        if (stored)
                networks_store(quota->networks, place->network, place->size);
        else
                networks_leave(quota->networks, place->network, place->size);
        (void)pthread_mutex_unlock(&quota->lock);
}

void quota_close(struct quota *quota)
{
        (void)pthread_mutex_lock(&quota->lock); /* as above */
        quota->closed = true;
        (void)pthread_mutex_unlock(&quota->lock);
}

bool quota_closed(struct quota *quota)
{
        (void)pthread_mutex_lock(&quota->lock); /* as above */
        bool closed = quota->closed;
        (void)pthread_mutex_unlock(&quota->lock);
        return closed;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

struct quota_view quota_look(struct quota *quota)
{
        struct ledger_totals totals = ledger_totals(quota->ledger);
        uint64_t messages = totals.received + totals.staged + totals.copied + totals.quarantined;
        (void)pthread_mutex_lock(&quota->lock); /* as above */
        struct quota_view view = { .verdict = judge(quota, 0) };
        look(quota);
        const struct fsutil_space *a = &quota->spaces[0], *b = &quota->spaces[1];
        view.free_bytes_percent =
                smaller(percent(a->bytes_free, a->bytes_total), percent(b->bytes_free, b->bytes_total));
        view.free_inodes_percent =
                smaller(percent(a->inodes_free, a->inodes_total), percent(b->inodes_free, b->inodes_total));
        double by_count = (double)messages / (double)quota->config->staging.max_messages;
        double by_size = (double)totals.bytes / (double)quota->config->staging.max_size;
        view.fullness = by_count > by_size ? by_count : by_size;
        (void)pthread_mutex_unlock(&quota->lock);
        return view;
}

void quota_reload(struct quota *quota, struct config *config)
{
        (void)pthread_mutex_lock(&quota->lock); /* as above */
        config_unref(quota->config);
        quota->config = config_ref(config);
        quota->looked_ms = 0;
        (void)pthread_mutex_unlock(&quota->lock);
}

int quota_new(struct config *config, struct ledger *ledger, struct quota **ret_quota)
{
        char *file = strdup(config->ledger.file);
        struct quota *quota = calloc(1, sizeof(*quota));
        int r = file && quota ? 0 : -ENOMEM;
        if (r == 0) {
                quota->staging_fd = quota->ledger_fd = -1;
                quota->ledger = ledger;
                quota->config = config_ref(config);
                (void)pthread_mutex_init(&quota->lock, NULL); /* cannot fail with default attributes */
                r = fsutil_open_folder(config->staging.directory, &quota->staging_fd);
        }
        if (r == 0)
                r = fsutil_open_folder(dirname(file), &quota->ledger_fd);
        free(file);
        if (r == 0)
                r = networks_new(&quota->networks);
        if (r == 0) {
                int unknown = networks_load(quota->networks, config->ledger.file);
                if (unknown < 0)
                        log_mgr(LOG_WARNING, "What waits of each network is counted from now on only: %s",
                                strerror(-unknown));
        }
        if (r < 0) {
                quota_free(quota);
                return r;
        }
        *ret_quota = quota;
        return 0;
}

void quota_free(struct quota *quota)
{
        if (!quota)
                return;
        fsutil_close_pointer(&quota->staging_fd);
        fsutil_close_pointer(&quota->ledger_fd);
        config_unref(quota->config);
        networks_free(quota->networks);
        free(quota);
}
