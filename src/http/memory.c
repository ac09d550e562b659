/* What strangers' bodies and connections may take together, listener.memory,
 * and who gives way when there is no more: first the memory that libmicrohttpd
 * has cleared for later requests of kept connections, then a connection that is
 * only kept open and rests, then the request that has been coming in for the
 * longest.  An honest one is there within milliseconds, so it is never the
 * oldest while somebody holds many that do not end. */
#include "listener_private.h"

#include "fsp/clock.h"
#include "head.h"
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* One that works is between two requests for a moment only. */
#define REST_MS 1000
/* What is shut down holds its memory until libmicrohttpd has seen it; so much
 * of the limit, one part of so many, may wait for that. */
#define LEAVING_SHARE 8
/* More than a usual request asks for: that has only half of it, so that a usual
 * one finds something. */
#define USUAL (16U * 1024U)
/* Given back beyond what is asked for, so that not each one who asks has to look. */
#define SPARE_SHARE 32
/* Made at once, since each time costs a round of libmicrohttpd's. */
#define PLACES 16

size_t memory_round_up(size_t size)
{
        return (size + MEMORY_PAGE - 1) / MEMORY_PAGE * MEMORY_PAGE;
}

size_t memory_engine_cost(size_t head_size, size_t front)
{
        size_t lines =
                head_size / ENGINE_LINE_MIN < HEAD_MAX_LINES ? head_size / ENGINE_LINE_MIN : HEAD_MAX_LINES;
        size_t cost = ENGINE_BASE + memory_round_up(lines * ENGINE_FIELD) + memory_round_up(front);
        return cost < ENGINE_WHOLE ? cost : ENGINE_WHOLE;
}

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
        return !connection->ended &&
               (is_resting(connection, now_ms) || (is_coming_in(connection) && connection->request != but));
}

static size_t limit_of(const struct listener *listener)
{
        return capture_leaves(listener->config->listener.memory, listener->capture);
}

/* How much of what leaves does not count for who asks for so much. */
static size_t leaving_bound(const struct listener *listener, size_t size)
{
        size_t most = limit_of(listener) / LEAVING_SHARE;
        return size > USUAL ? most / 2 : most;
}

/* How far what is held and what is asked for are above the limit. */
static size_t excess(const struct listener *listener, size_t size)
{
        size_t most = leaving_bound(listener, size), held = listener->memory + size;
        size_t limit = limit_of(listener) + (listener->leaving < most ? listener->leaving : most);
        return held > limit ? held - limit : 0;
}

/* Nobody gives way in vain: what waits for the writer cannot, and may hold it all. */
static bool would_do(const struct listener *listener, size_t size, const struct request *but, int64_t now_ms)
{
        size_t needed = excess(listener, size), most = leaving_bound(listener, size);
        size_t free = 0, leaving = 0;
        most -= listener->leaving < most ? listener->leaving : most;
        for (const struct connection *c = listener->connections; c && free + leaving < needed; c = c->next) {
                if (!can_give_way(c, but, now_ms))
                        continue;
                free += c->request ? c->request->room : 0;
                leaving = leaving + c->charge < most ? leaving + c->charge : most;
        }
        return free + leaving >= needed;
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

void memory_end(struct listener *listener, struct connection *connection)
{
        if (connection->ended)
                return;
        connection->ended = true;
        (void)shutdown(connection->fd, SHUT_RDWR); /* the client may have done it already */
        listener->leaving += connection->charge;
}

static void evict(struct listener *listener, struct connection *victim)
{
        if (victim->request)
                request_give_up(victim->request, VERDICT_BUSY, "it gave way to others");
        memory_end(listener, victim);
}

static bool is_cleared(const char *page)
{
        static const char zeros[MEMORY_PAGE];
        return memcmp(page, zeros, MEMORY_PAGE) == 0;
}

/* A page of zeros reads as zeros when it is the system's again, whoever reads
 * it.  How many bytes from start on are not given back. */
static size_t give_back_zeros(const char *start)
{
        size_t held = 0;
        for (const char *page = start, *end = start + ENGINE_MEMORY; page < end; page += MEMORY_PAGE) {
                const char *from = page;
                while (page < end && is_cleared(page))
                        page += MEMORY_PAGE;
                if (page > from && madvise((void *)from, (size_t)(page - from), MADV_DONTNEED) < 0)
                        held += (size_t)(page - from);
                held += page < end ? MEMORY_PAGE : 0;
        }
        return held;
}

/* libmicrohttpd clears, and so touches, all that it has for a connection after
 * each request.  That begins on a page, where the heads begin.  It is there until
 * a request is completed.  Between two, libmicrohttpd shuts the connection down
 * when it frees it, but tells its end only after a round in which others' requests
 * come, too; so of one that it has shut down nothing is left to give back.
 * How much is held afterwards, as front; ENGINE_MEMORY: all, as before. */
static size_t give_back(const struct connection *connection)
{
        bool is_cleared_whole = connection->kept && connection->whole && !connection->ended &&
                                connection->head_start &&
                                (uintptr_t)connection->head_start % MEMORY_PAGE == 0;
        if (!is_cleared_whole)
                return ENGINE_MEMORY;
        if (connection->request)
                return connection->request->phase >= PHASE_WAITING ? give_back_zeros(connection->head_start)
                                                                   : ENGINE_MEMORY;
        enum our_side side = sweep_our_side(connection);
        if (side == OUR_SIDE_ENDED)
                return 0;
        return side == OUR_SIDE_OPEN && !connection->reading ? give_back_zeros(connection->head_start)
                                                             : ENGINE_MEMORY;
}

static void shrink(struct listener *listener, size_t size)
{
        size_t wanted = excess(listener, size) + limit_of(listener) / SPARE_SHARE, freed = 0;
        for (struct connection *c = listener->connections; c && freed < wanted; c = c->next) {
                size_t front = give_back(c);
                if (front == ENGINE_MEMORY)
                        continue;
                if (!c->request)
                        sweep_note_idle(c);
                c->whole = false;
                c->front = front;
                listener->small_count++;
                size_t less = c->engine - (ENGINE_BASE + c->front);
                c->engine -= less;
                c->charge -= less;
                memory_give(listener, less);
                freed += less;
        }
}

bool memory_take(struct listener *listener, size_t size, const struct request *but)
{
        if (excess(listener, size) > 0) {
                shrink(listener, size);
                int64_t now_ms = clock_monotonic_ms();
                if (!would_do(listener, size, but, now_ms))
                        return false;
                while (excess(listener, size) > 0) {
                        struct connection *victim = find_victim(listener, but, now_ms);
                        if (!victim)
                                return false;
                        evict(listener, victim);
                }
        }
        listener->memory += size;
        return true;
}

/* Many at once may be honest: who is new does not give way to who is newer. */
bool memory_make_places(struct listener *listener)
{
        int64_t now_ms = clock_monotonic_ms();
        for (int i = 0; i < PLACES; i++) {
                struct connection *victim = find_victim(listener, NULL, now_ms);
                if (!victim || (victim->request && now_ms - victim->started_ms < REST_MS))
                        break;
                evict(listener, victim);
        }
        return listener->leaving > 0 && MHD_run(listener->mhd) == MHD_YES &&
               listener->connection_count < listener->max_connections;
}

void memory_give(struct listener *listener, size_t size)
{
        listener->memory -= size;
}

static bool charge(struct listener *listener, struct connection *connection, size_t size,
                   const struct request *but)
{
        if (!memory_take(listener, size, but))
                return false;
        connection->engine += size;
        connection->charge += size;
        if (connection->ended) /* what lay in its socket is read all the same */
                listener->leaving += size;
        return true;
}

bool memory_charge_whole(struct listener *listener, struct connection *connection, const struct request *but)
{
        if (connection->whole)
                return true;
        if (!charge(listener, connection, ENGINE_WHOLE - connection->engine, but))
                return false;
        connection->whole = true;
        listener->small_count -= connection->kept;
        return true;
}

bool memory_charge_front(struct listener *listener, struct connection *connection, size_t front,
                         const struct request *but)
{
        front = memory_round_up(front);
        if (connection->whole || front <= connection->front)
                return true;
        size_t more = front - connection->front;
        if (connection->engine + more >= ENGINE_WHOLE)
                return memory_charge_whole(listener, connection, but);
        if (!charge(listener, connection, more, but))
                return false;
        connection->front = front;
        return true;
}

/* All of it is about to be cleared: too late to ask, but for those who were before it. */
static void clear_whole(struct listener *listener, struct connection *connection)
{
        size_t more = ENGINE_WHOLE - connection->engine;
        if (excess(listener, more) > 0)
                shrink(listener, more);
        listener->memory += more;
        connection->engine += more;
        connection->charge += more;
        connection->whole = true;
        listener->small_count--;
}

void memory_note_kept(struct listener *listener, struct connection *connection, bool keeps)
{
        if (connection->ended)
                return;
        if (!connection->kept) {
                connection->kept = true;
                listener->kept_count++;
                listener->small_count += !connection->whole;
        }
        if (keeps && !connection->whole)
                clear_whole(listener, connection);
}

void memory_end_charge(struct listener *listener, struct connection *connection)
{
        memory_give(listener, connection->charge);
        if (connection->ended)
                listener->leaving -= connection->charge;
        if (connection->kept) {
                listener->kept_count--;
                listener->small_count -= !connection->whole;
        }
}

void memory_look(struct listener *listener)
{
        for (struct connection *c = listener->connections; c; c = c->next) {
                if (!c->kept || c->whole || c->request || c->ended || !sweep_is_read(c))
                        continue;
                c->reading = true;
                if (!memory_charge_whole(listener, c, NULL) && !c->ended)
                        evict(listener, c);
        }
}
