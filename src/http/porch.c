/* The porch: a new connection waits here, outside libmicrohttpd, until the
 * head of its first request is complete and as it should be written.
 *
 * libmicrohttpd forgives much in a head, answers the rest in HTML, and keeps
 * memory for each connection.  Here a head is looked at where it lies, in the
 * socket (MSG_PEEK); a bad one is refused in our own words; and a crowd that
 * says nothing costs a descriptor and this entry each. */
#include "listener_private.h"

#include "fsp/clock.h"
#include "fsp/log.h"
#include "gate.h"
#include "head.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

/* Who came just now is about to speak: a stop waits so long for it. */
#define GREETING_MS 200

struct waiting {
        struct waiting *next, *previous;
        int fd;
        struct client *client;
        struct client_address peer;
        struct sockaddr_storage address;
        socklen_t address_size;
        bool watched;                 /* in the loop's epoll set */
        int64_t since_ms, started_ms; /* monotonic; started: first byte, 0: none yet */
};

struct porch {
        struct waiting *first, *last; /* the newest, the oldest */
        struct waiting **by_fd;
        size_t fds;
        char peeked[HEAD_MAX];
};

int porch_new(struct porch **ret_porch)
{
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        struct porch *porch = calloc(1, sizeof(*porch));
        if (!porch)
                return -ENOMEM;
        porch->fds = limit.rlim_cur < 1048576 ? (size_t)limit.rlim_cur : 1048576;
        porch->by_fd = calloc(porch->fds, sizeof(struct waiting *));
        if (!porch->by_fd) {
                free(porch);
                return -ENOMEM;
        }
        *ret_porch = porch;
        return 0;
}

static void unlink_waiting(struct porch *porch, struct waiting *waiting)
{
        if (waiting->previous)
                waiting->previous->next = waiting->next;
        else
                porch->first = waiting->next;
        if (waiting->next)
                waiting->next->previous = waiting->previous;
        else
                porch->last = waiting->previous;
        porch->by_fd[waiting->fd] = NULL;
}

/* Takes it off the porch; gives its socket. */
static int take_off(struct listener *listener, struct waiting *waiting)
{
        int fd = waiting->fd;
        unlink_waiting(listener->porch, waiting);
        limits_disconnect(waiting->client);
        listener->connection_count--;
        free(waiting);
        return fd;
}

static void send_away(struct listener *listener, struct waiting *waiting)
{
        /* Leaves the epoll set by itself; what is unread is not wanted. */
        (void)close(take_off(listener, waiting));
}

bool porch_make_room(struct listener *listener)
{
        struct waiting *oldest = listener->porch->last;
        char text[INET6_ADDRSTRLEN];
        if (!oldest)
                return false;
        log_isapi(LOG_WARNING, "Closed a connection from %s: it gave way to others",
                  limits_format(&oldest->peer, text));
        send_away(listener, oldest);
        return true;
}

void porch_free(struct listener *listener)
{
        struct porch *porch = listener->porch;
        if (!porch)
                return;
        while (porch->first)
                send_away(listener, porch->first);
        free(porch->by_fd);
        free(porch);
        listener->porch = NULL;
}

static void capture_refusal(struct listener *listener, const char *head, size_t size, enum verdict verdict,
                            const char *from)
{
        struct capture_record *record = capture_begin(listener->capture, "");
        char *copy = record ? malloc(size) : NULL;
        if (!copy) {
                capture_discard(record);
                return;
        }
        memcpy(copy, head, size);
        capture_raw_head(record, copy, size);
        record->verdict = verdict;
        strcpy(record->peer, from); /* the larger of the two */
        capture_submit(listener->capture, record, listener->config->listener.memory);
}

/* whole: the request is all that will come. */
static void refuse(struct listener *listener, struct waiting *waiting, size_t size, bool whole,
                   enum verdict verdict, const char *why)
{
        char text[512], from[INET6_ADDRSTRLEN];
        (void)limits_format(&waiting->peer, from);
        if (verdict != VERDICT_PATH) /* which is nobody's message */
                listener->verdicts[verdict]++;
        log_isapi(LOG_WARNING, "Refused with %u a request from %s: %s%s%s", verdict_info(verdict)->status,
                  from, verdict_info(verdict)->text, why ? "; " : "", why ? why : "");
        capture_refusal(listener, listener->porch->peeked, size, verdict, from);
        /* What has come is taken, else it would wake the loop, and a close be a
         * reset.  Who does not take the answer at once sees the close. */
        ssize_t taken = recv(waiting->fd, listener->porch->peeked, HEAD_MAX, MSG_DONTWAIT);
        whole = whole && taken == (ssize_t)size; /* else another request came behind it */
        /* At once, or with the end of our side: before a close it would be lost
         * with what comes in that very moment. */
        (void)send(waiting->fd, text, reply_format(verdict, text, sizeof(text)),
                   MSG_DONTWAIT | MSG_NOSIGNAL | (whole ? 0 : MSG_MORE));
        bool watched = waiting->watched;
        int fd = take_off(listener, waiting);
        if (whole || (watched && epoll_ctl(listener->epoll_fd, EPOLL_CTL_DEL, fd, NULL) < 0))
                (void)close(fd); /* which is no reset where nothing is left in it */
        else
                linger_take(&listener->linger, fd, clock_monotonic_ms());
}

/* What needs no look at the body, and would cost the engine's work: a path that
 * is none of ours, and a client over its rate.  While capturing the body is
 * wanted all the same, and a proxy's clients are told apart by the engine. */
static enum verdict judge_early(struct listener *listener, const struct waiting *waiting)
{
        const struct config *config = listener->config;
        char *head = listener->porch->peeked;
        if (!capture_is_over(listener->capture) || limits_is_trusted(config, &waiting->peer))
                return VERDICT_ACCEPTED;
        char *target = head + strcspn(head, " ") + 1, *end = target + strcspn(target, " ?"), after = *end;
        *end = '\0';
        bool ours = gate_is_client_path(config, target);
        *end = after;
        if (!ours)
                return VERDICT_PATH;
        bool posts = strncmp(head, "POST ", 5) == 0 || strncmp(head, "CCM_POST ", 9) == 0;
        return posts && !limits_has(listener->limits, &waiting->peer, config, clock_monotonic_ms())
                       ? VERDICT_RATE
                       : VERDICT_ACCEPTED;
}

/* Who gave way holds its memory until libmicrohttpd has seen that. */
static bool take_memory(struct listener *listener, size_t size)
{
        if (memory_take(listener, size, NULL))
                return true;
        return listener->leaving > 0 && MHD_run(listener->mhd) == MHD_YES &&
               memory_take(listener, size, NULL);
}

/* The head is sound: from here on the connection is libmicrohttpd's. */
static void hand_over(struct listener *listener, struct waiting *waiting, size_t head_size, size_t size)
{
        size_t engine = memory_engine_cost(head_size, size);
        size_t charge = engine + (capture_is_over(listener->capture) ? 0 : head_size); /* kept for it */
        if (!take_memory(listener, charge)) {
                refuse(listener, waiting, size, false, VERDICT_BUSY, "listener.memory is used up");
                return;
        }
        struct arrival arrival = { .charge = charge,
                                   .engine = engine,
                                   .front = memory_round_up(size),
                                   .client = waiting->client,
                                   .peer = waiting->peer,
                                   .started_ms = waiting->started_ms,
                                   .head = listener->porch->peeked,
                                   .head_size = head_size };
        unlink_waiting(listener->porch, waiting);
        listener->connection_count--;
        listener->arrival = &arrival;
        bool ours = waiting->watched && epoll_ctl(listener->epoll_fd, EPOLL_CTL_DEL, waiting->fd, NULL) < 0;
        listener->engine_due = true;
        if (ours)
                (void)close(waiting->fd); /* the client tries again */
        else if (MHD_add_connection(listener->mhd, waiting->fd, (struct sockaddr *)&waiting->address,
                                    waiting->address_size) != MHD_YES) /* which closes it then */
                log_isapi(LOG_ERROR, "A connection cannot be taken: %s", strerror(errno));
        if (arrival.client) { /* accept_notify was not reached */
                limits_disconnect(arrival.client);
                memory_give(listener, charge);
        }
        listener->arrival = NULL;
        free(waiting);
}

/* Afterwards it may not be on the porch any more. */
static void look(struct listener *listener, struct waiting *waiting, uint32_t events)
{
        char *peeked = listener->porch->peeked;
        ssize_t size = recv(waiting->fd, peeked, HEAD_MAX, MSG_PEEK | MSG_DONTWAIT);
        if (size <= 0) {
                if (size == 0 || (errno != EAGAIN && errno != EINTR))
                        send_away(listener, waiting);
                return;
        }
        if (!waiting->started_ms)
                waiting->started_ms = clock_monotonic_ms();
        size_t head_size;
        const char *why;
        enum verdict verdict = head_check(peeked, (size_t)size, &head_size, &why);
        if (head_size)
                verdict = judge_early(listener, waiting);
        if (verdict != VERDICT_ACCEPTED)
                refuse(listener, waiting, (size_t)size,
                       head_size && head_is_followed_by_its_body(peeked, head_size, (size_t)size), verdict,
                       why);
        else if (head_size)
                hand_over(listener, waiting, head_size, (size_t)size);
        else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                send_away(listener, waiting); /* no more will come */
}

void porch_look(struct listener *listener, int fd, uint32_t events)
{
        struct waiting *waiting = listener->porch->by_fd[fd];
        if (waiting) /* not ended by what came before in the same round */
                look(listener, waiting, events);
}

static bool watch(const struct listener *listener, struct waiting *waiting)
{
        struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = waiting->fd };
        waiting->watched = epoll_ctl(listener->epoll_fd, EPOLL_CTL_ADD, waiting->fd, &event) == 0;
        return waiting->watched;
}

void porch_enter(struct listener *listener, int fd, struct client *client, const struct client_address *peer,
                 const struct sockaddr_storage *address, socklen_t size)
{
        struct porch *porch = listener->porch;
        struct waiting *waiting = (size_t)fd < porch->fds ? calloc(1, sizeof(*waiting)) : NULL;
        if (!waiting) {
                limits_disconnect(client);
                (void)close(fd); /* nothing is in it */
                return;
        }
        *waiting = (struct waiting){ .next = porch->first,
                                     .fd = fd,
                                     .client = client,
                                     .peer = *peer,
                                     .address = *address,
                                     .address_size = size,
                                     .since_ms = clock_monotonic_ms() };
        if (waiting->next)
                waiting->next->previous = waiting;
        else
                porch->last = waiting;
        porch->first = waiting;
        porch->by_fd[fd] = waiting;
        listener->connection_count++;
        look(listener, waiting, 0); /* most often its head is there already */
        waiting = porch->by_fd[fd];
        if (waiting && !watch(listener, waiting))
                send_away(listener, waiting);
}

int64_t porch_greeting_ms(const struct listener *listener, int64_t now_ms)
{
        const struct waiting *newest = listener->porch->first;
        int64_t since_ms = newest ? now_ms - newest->since_ms : GREETING_MS;
        return since_ms < GREETING_MS ? GREETING_MS - since_ms : 0;
}

void porch_sweep(struct listener *listener, int64_t now_ms)
{
        const struct config *config = listener->config;
        for (struct waiting *w = listener->porch->first, *next; w; w = next) {
                next = w->next;
                bool late = w->started_ms ? now_ms - w->started_ms > config->listener.request_timeout_ms
                                          : now_ms - w->since_ms > config->listener.idle_timeout_ms;
                if (!late)
                        continue;
                char text[INET6_ADDRSTRLEN];
                if (w->started_ms)
                        log_isapi(LOG_WARNING,
                                  "Closed a connection from %s: the head of its request was not complete "
                                  "after %lld s",
                                  limits_format(&w->peer, text),
                                  (long long)(config->listener.request_timeout_ms / 1000));
                send_away(listener, w);
        }
}
