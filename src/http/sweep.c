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
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* A stop waits only so long for the rest of a request. */
#define STOPPING_MS 2000

static uint64_t bytes_received(int fd)
{
        struct tcp_info info;
        memset(&info, 0, sizeof(info));
        socklen_t size = sizeof(info);
        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ||
            size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received))
                return 0; /* no TCP: then the time-out between bytes has to do */
        return info.tcpi_bytes_received;
}

static void look_for_first_byte(struct connection *connection, int64_t now_ms)
{
        uint64_t bytes = bytes_received(connection->fd);
        if (connection->bytes_idle == UINT64_MAX)
                connection->bytes_idle = bytes;
        else if (bytes > connection->bytes_idle)
                connection->started_ms = now_ms;
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
                        (void)shutdown(c->fd, SHUT_RDWR); /* as below */
                        continue;
                }
                if (!c->started_ms)
                        look_for_first_byte(c, now_ms);
                if (!c->started_ms || now_ms - c->started_ms <= timeout_ms)
                        continue;
                char text[INET6_ADDRSTRLEN];
                bool answered = c->request && c->request->phase == PHASE_DONE;
                log_isapi(LOG_WARNING, "Closed a connection from %s: its %s after %lld s",
                          limits_format(&c->peer, text),
                          answered ? "answer was not taken" : "request was not complete",
                          (long long)(timeout_ms / 1000));
                (void)shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees the end and cleans up */
        }
}
