/* The absolute deadlines of a request, from its first byte to its last, and of
 * its answer.
 *
 * libmicrohttpd's own timeout begins anew with each byte, and its first sign
 * of a request is the complete request line.  So once a second each connection
 * is asked how many bytes it has received: where that has grown between two
 * requests, one has begun. */
#include "listener_private.h"

#include "fsp/log.h"
/* linux/tcp.h, since glibc's struct tcp_info ends before tcpi_bytes_received. */
#include <linux/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* TCP_ESTABLISHED and TCP_CLOSE_WAIT are in netinet/tcp.h, which the above excludes. */
#define OPEN_STATE 1
#define PEER_ENDED_STATE 8

/* A stop waits only so long for the rest of a request. */
#define STOPPING_MS 2000

/* All zeros where there is no TCP: then the time-out between bytes has to do. */
static struct tcp_info ask_kernel(int fd)
{
        struct tcp_info info = { 0 };
        socklen_t size = sizeof(info);
        (void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size); /* an older kernel fills less */
        return info;
}

enum our_side sweep_our_side(const struct connection *connection)
{
        unsigned state = ask_kernel(connection->fd).tcpi_state;
        if (state == OPEN_STATE || state == PEER_ENDED_STATE)
                return OUR_SIDE_OPEN;
        struct pollfd poll_fd = { .fd = connection->fd };
        bool is_known = state != 0 && poll(&poll_fd, 1, 0) >= 0 && !(poll_fd.revents & POLLERR);
        return is_known ? OUR_SIDE_ENDED : OUR_SIDE_UNKNOWN;
}

uint64_t sweep_bytes_read(const struct connection *connection)
{
        int unread;
        uint64_t bytes = ask_kernel(connection->fd).tcpi_bytes_received;
        bool known = ioctl(connection->fd, FIONREAD, &unread) == 0 && (uint64_t)unread <= bytes;
        return known ? bytes - (uint64_t)unread : UINT64_MAX;
}

void sweep_note_idle(struct connection *connection)
{
        if (connection->bytes_idle == UINT64_MAX)
                connection->bytes_idle = sweep_bytes_read(connection);
}

bool sweep_is_read(const struct connection *connection)
{
        return sweep_bytes_read(connection) > connection->bytes_idle;
}

static bool has_begun(struct connection *connection, int64_t now_ms)
{
        if (connection->started_ms)
                return true;
        sweep_note_idle(connection);
        if (ask_kernel(connection->fd).tcpi_bytes_received > connection->bytes_idle)
                connection->started_ms = now_ms;
        return connection->started_ms;
}

/* Nothing more will come, and nothing is left to answer.  libmicrohttpd misses
 * an end that came together with what was before it. */
static bool has_ended(const struct connection *connection)
{
        char next;
        if (connection->request && connection->request->phase > PHASE_BODY)
                return false;
        return recv(connection->fd, &next, sizeof(next), MSG_PEEK | MSG_DONTWAIT) == 0;
}

static bool is_ours_to_finish(const struct connection *connection)
{
        return connection->request &&
               (connection->request->phase == PHASE_WAITING || connection->request->phase == PHASE_ANSWER);
}

void sweep_connections(struct listener *listener, int64_t now_ms)
{
        int64_t timeout_ms = listener->config->listener.request_timeout_ms;
        if (listener->stop && timeout_ms > STOPPING_MS)
                timeout_ms = STOPPING_MS;
        for (struct connection *c = listener->connections; c; c = c->next) {
                if (is_ours_to_finish(c))
                        continue;
                if (has_ended(c)) {
                        memory_end(listener, c);
                        continue;
                }
                if (!has_begun(c, now_ms) || now_ms - c->started_ms <= timeout_ms)
                        continue;
                char text[INET6_ADDRSTRLEN];
                bool answered = c->request && c->request->phase == PHASE_DONE;
                log_isapi(LOG_WARNING, "Closed a connection from %s: its %s after %lld s",
                          limits_format(&c->peer, text),
                          answered ? "answer was not taken" : "request was not complete",
                          (long long)(timeout_ms / 1000));
                memory_end(listener, c);
        }
}
