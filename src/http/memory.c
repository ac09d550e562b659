/* What strangers' bodies and connections may take together, listener.memory,
 * and who gives way when there is no more: first a connection that is only
 * kept open and rests, then the request that has been coming in for the
 * longest.  An honest one is there within milliseconds, so it is never the
 * oldest while somebody holds many that do not end.
 *
 * A kept connection holds more than it is charged with, or a thousand of them
 * would leave nothing for their messages; so what is larger than usual must
 * leave that free, too. */
#include "listener_private.h"

#include "fsp/clock.h"
#include <stdlib.h>
#include <sys/socket.h>

/* One that works is between two requests for a moment only. */
#define REST_MS 1000

static bool is_resting(const struct connection *connection, int64_t now_ms)
{
        return connection->kept && !connection->request && now_ms - connection->rested_ms >= REST_MS;
}

static bool is_coming_in(const struct connection *connection)
{
        return connection->request && connection->request->phase <= PHASE_BODY;
}

static bool can_give_way(const struct connection *connection, const struct request *but, int64_t now_ms)
{
        return !connection->evicted &&
               (is_resting(connection, now_ms) || (is_coming_in(connection) && connection->request != but));
}

/* How far what is held and what is asked for are above the limit. */
static size_t excess(const struct listener *listener, size_t size)
{
        size_t limit = capture_leaves(listener->config->listener.memory, listener->capture);
        size_t held = listener->memory + size + (size > ENGINE_USUAL ? listener->beyond : 0);
        return held > limit ? held - limit : 0;
}

/* Nobody gives way in vain: what waits for the writer cannot, and may hold it all. */
static bool would_do(const struct listener *listener, size_t size, const struct request *but, int64_t now_ms)
{
        size_t free = 0, needed = excess(listener, size);
        for (const struct connection *c = listener->connections; c && free < needed; c = c->next) {
                if (!can_give_way(c, but, now_ms))
                        continue;
                free += c->charge + (c->request ? c->request->room : 0);
                free += size > ENGINE_USUAL ? c->beyond : 0;
        }
        return free >= needed;
}

/* The list begins with the newest connection. */
static struct connection *find_victim(const struct listener *listener, const struct request *but,
                                      int64_t now_ms)
{
        struct connection *kept = NULL, *slow = NULL;
        for (struct connection *c = listener->connections; c; c = c->next) {
                if (!can_give_way(c, but, now_ms))
                        continue;
                if (!c->request)
                        kept = c;
                else if (!slow || c->started_ms <= slow->started_ms)
                        slow = c;
        }
        return kept ? kept : slow;
}

static bool evict(struct listener *listener, const struct request *but, int64_t now_ms)
{
        struct connection *victim = find_victim(listener, but, now_ms);
        if (!victim)
                return false;
        victim->evicted = true;
        if (victim->request)
                request_give_up(victim->request, VERDICT_BUSY,
                                "it gave way to others: listener.memory is used up");
        (void)shutdown(victim->fd, SHUT_RDWR); /* libmicrohttpd sees the end and cleans up */
        memory_end_charge(listener, victim);
        return true;
}

bool memory_take(struct listener *listener, size_t size, const struct request *but)
{
        if (excess(listener, size) > 0) {
                int64_t now_ms = clock_monotonic_ms();
                if (!would_do(listener, size, but, now_ms))
                        return false;
                while (excess(listener, size) > 0) {
                        if (!evict(listener, but, now_ms))
                                return false;
                }
        }
        listener->memory += size;
        return true;
}

void memory_give(struct listener *listener, size_t size)
{
        listener->memory -= size;
}

bool memory_charge_whole(struct listener *listener, struct connection *connection, const struct request *but)
{
        if (connection->charge >= ENGINE_MEMORY)
                return true;
        if (!memory_take(listener, ENGINE_MEMORY - ENGINE_USUAL, but))
                return false;
        connection->charge += ENGINE_MEMORY - ENGINE_USUAL;
        listener->beyond -= connection->beyond;
        connection->beyond = 0;
        return true;
}

void memory_note_kept(struct listener *listener, struct connection *connection)
{
        if (connection->kept || connection->evicted)
                return;
        connection->kept = true;
        listener->kept_count++;
        connection->beyond = connection->charge < ENGINE_MEMORY ? ENGINE_MEMORY - ENGINE_USUAL : 0;
        listener->beyond += connection->beyond;
}

void memory_end_charge(struct listener *listener, struct connection *connection)
{
        memory_give(listener, connection->charge);
        listener->beyond -= connection->beyond;
        if (connection->kept)
                listener->kept_count--;
        connection->kept = false;
        connection->charge = connection->beyond = 0;
}
