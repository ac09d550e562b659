#include "throttle.h"

#include "fsp/clock.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
        int64_t at_ms; /* monotonic */
        uint64_t files;
};

/* Entries in order of time; those of one second are one. */
struct throttle {
        struct entry *entries;
        size_t first, end, room;
        int fault; /* -ENOMEM while loading */
};

int throttle_new(struct throttle **ret_throttle)
{
        struct throttle *throttle = calloc(1, sizeof(*throttle));
        if (!throttle)
                return -ENOMEM;
        *ret_throttle = throttle;
        return 0;
}

void throttle_free(struct throttle *throttle)
{
        if (throttle)
                free(throttle->entries);
        free(throttle);
}

static int make_room(struct throttle *throttle)
{
        if (throttle->end < throttle->room)
                return 0;
        if (throttle->first > throttle->room / 2) {
                memmove(throttle->entries, throttle->entries + throttle->first,
                        (throttle->end - throttle->first) * sizeof(*throttle->entries));
                throttle->end -= throttle->first;
                throttle->first = 0;
                return 0;
        }
        size_t room = throttle->room ? throttle->room * 2 : 64;
        struct entry *entries = reallocarray(throttle->entries, room, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        throttle->entries = entries;
        throttle->room = room;
        return 0;
}

void throttle_charge(struct throttle *throttle, uint64_t files, int64_t now_ms)
{
        struct entry *last = throttle->end > throttle->first ? &throttle->entries[throttle->end - 1] : NULL;
        bool same = last && now_ms / 1000 == last->at_ms / 1000;
        /* Short of memory, the last entry is made younger: never too few are counted. */
        if (same || (make_room(throttle) < 0 && last)) {
                last->files += files;
                last->at_ms = now_ms;
                return;
        }
        if (throttle->end == throttle->room) {
                throttle->fault = -ENOMEM;
                return;
        }
        throttle->entries[throttle->end++] = (struct entry){ now_ms, files };
}

struct load {
        struct throttle *throttle;
        int64_t wall_ms, monotonic_ms;
};

static void load_one(void *arg, int64_t at_ms, uint64_t files)
{
        struct load *load = arg;
        int64_t age_ms = load->wall_ms - at_ms;
        if (age_ms < 0)
                age_ms = 0; /* the wall clock went back: as if it were now */
        throttle_charge(load->throttle, files, load->monotonic_ms - age_ms);
}

int throttle_load(struct throttle *throttle, struct query *query, const struct config *config)
{
        struct load load = { throttle, clock_wall_ms(), clock_monotonic_ms() };
        int r = query_shipments(query, load.wall_ms - config->forwarder.throttle_interval_ms, load_one,
                                &load);
        return r < 0 ? r : throttle->fault;
}

uint64_t throttle_allowance(struct throttle *throttle, const struct config *config, int64_t now_ms)
{
        uint64_t limit = config->forwarder.throttle_messages, used = 0;
        int64_t interval_ms = config->forwarder.throttle_interval_ms;
        while (throttle->first < throttle->end &&
               throttle->entries[throttle->first].at_ms <= now_ms - interval_ms)
                throttle->first++;
        for (size_t i = throttle->first; i < throttle->end; i++)
                used += throttle->entries[i].files;
        if (limit == 0)
                return UINT64_MAX;
        return used < limit ? limit - used : 0;
}

int64_t throttle_free_ms(const struct throttle *throttle, const struct config *config, int64_t now_ms)
{
        if (throttle->end == throttle->first)
                return now_ms;
        return throttle->entries[throttle->end - 1].at_ms + config->forwarder.throttle_interval_ms;
}
