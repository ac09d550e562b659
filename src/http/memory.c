/* What strangers' bodies and connections may take together, listener.memory,
 * and who gives way when there is no more: first a connection that is only
 * kept open, then the request that has been coming in for the longest.  An
 * honest one is there within milliseconds, so it is never the oldest while
 * somebody holds many that do not end. */
#include "listener_private.h"

#include <stdlib.h>
#include <sys/socket.h>

static bool is_kept_only(const struct connection *connection)
{
        return connection->kept && !connection->request;
}

static bool is_coming_in(const struct connection *connection)
{
        return connection->request && connection->request->phase <= PHASE_BODY;
}

static bool can_give_way(const struct connection *connection, const struct request *but)
{
        return !connection->evicted &&
               (is_kept_only(connection) || (is_coming_in(connection) && connection->request != but));
}

/* Nobody gives way in vain: what waits for the writer cannot, and may hold it all. */
static bool would_do(const struct listener *listener, size_t excess, const struct request *but)
{
        size_t held = 0;
        for (const struct connection *c = listener->connections; c && held < excess; c = c->next) {
                if (can_give_way(c, but))
                        held += c->charge + (c->request ? c->request->room : 0);
        }
        return held >= excess;
}

/* The list begins with the newest connection. */
static struct connection *find_victim(const struct listener *listener, const struct request *but)
{
        struct connection *kept = NULL, *slow = NULL;
        for (struct connection *c = listener->connections; c; c = c->next) {
                if (!can_give_way(c, but))
                        continue;
                if (!c->request)
                        kept = c;
                else if (!slow || c->started_ms <= slow->started_ms)
                        slow = c;
        }
        return kept ? kept : slow;
}

static bool evict(struct listener *listener, const struct request *but)
{
        struct connection *victim = find_victim(listener, but);
        if (!victim)
                return false;
        victim->evicted = true;
        if (victim->request)
                request_give_up(victim->request, VERDICT_BUSY,
                                "it gave way to others: listener.memory is used up");
        (void)shutdown(victim->fd, SHUT_RDWR); /* libmicrohttpd sees the end and cleans up */
        memory_give(listener, victim->charge);
        victim->charge = 0;
        return true;
}

bool memory_take(struct listener *listener, size_t size, const struct request *but)
{
        size_t limit = capture_leaves(listener->config->listener.memory, listener->capture);
        if (listener->memory + size > limit && !would_do(listener, listener->memory + size - limit, but))
                return false;
        while (listener->memory + size > limit) {
                if (!evict(listener, but))
                        return false;
        }
        listener->memory += size;
        return true;
}

void memory_give(struct listener *listener, size_t size)
{
        listener->memory -= size;
}
