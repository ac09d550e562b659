/* The socket, and the two ends of a connection's life.  Accepting is ours, since
 * libmicrohttpd's own way spins when descriptors run out and cannot tell a
 * trusted proxy from a client. */
#include "listener_private.h"

#include "fsp/log.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ACCEPT_ROUND 64 /* connections taken before others get their turn */
#define BACKLOG 4096    /* cut to net.core.somaxconn by the kernel */

static int make_address(const char *text, unsigned port, struct sockaddr_storage *ret_address,
                        socklen_t *ret_size)
{
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
        memset(ret_address, 0, sizeof(*ret_address));
        if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
                memcpy(ret_address, &in, sizeof(in));
                *ret_size = sizeof(in);
        } else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
                memcpy(ret_address, &in6, sizeof(in6));
                *ret_size = sizeof(in6);
        } else {
                return -EINVAL;
        }
        return 0;
}

int accept_bind(const char *text, unsigned port, int *ret_socket)
{
        struct sockaddr_storage address;
        socklen_t size;
        int one = 1, zero = 0;
        int r = make_address(text, port, &address, &size);
        if (r < 0)
                return r;
        int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0;
        if (address.ss_family == AF_INET6) /* :: serves IPv4 too */
                ok = ok && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) == 0;
        ok = ok && bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, BACKLOG) == 0;
        if (!ok) {
                r = -errno;
                (void)close(fd); /* nothing is in it */
                return r;
        }
        *ret_socket = fd;
        return 0;
}

int accept_adopt(int fd)
{
        int flags = fcntl(fd, F_GETFL);
        return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

void accept_describe(int fd, const char *path, char ret_url[LISTENER_URL_SIZE])
{
        struct sockaddr_storage address = { 0 };
        socklen_t size = sizeof(address);
        char text[INET6_ADDRSTRLEN] = "?";
        unsigned port = 0;
        bool brackets = false;
        if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 && address.ss_family == AF_INET6) {
                const struct sockaddr_in6 *in6 = (const void *)&address;
                (void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)); /* cannot fail: it fits */
                port = ntohs(in6->sin6_port);
                brackets = true;
        } else if (address.ss_family == AF_INET) {
                const struct sockaddr_in *in = (const void *)&address;
                (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)); /* likewise */
                port = ntohs(in->sin_port);
        }
        (void)snprintf(ret_url, LISTENER_URL_SIZE, "http://%s%s%s:%u%s", brackets ? "[" : "", text,
                       brackets ? "]" : "", port, path); /* a very long path is cut: it is for people */
}

static void pause_accepting(struct listener *listener, int error)
{
        log_isapi(LOG_ERROR, "No connection can be accepted for the moment: %s", strerror(error));
        if (epoll_ctl(listener->epoll_fd, EPOLL_CTL_DEL, listener->socket, NULL) == 0)
                listener->accept_paused = true; /* until the next sweep */
}

/* Who has gone, but not been noticed, comes first; then who can give way. */
static bool has_place(struct listener *listener)
{
        if (listener->connection_count < listener->max_connections)
                return true;
        return (MHD_run(listener->mhd) == MHD_YES &&
                listener->connection_count < listener->max_connections) ||
               porch_make_room(listener) || memory_make_places(listener);
}

static void take_connection(struct listener *listener, int fd, const struct sockaddr_storage *address,
                            socklen_t size)
{
        const struct config *config = listener->config;
        struct client_address peer = limits_address((const struct sockaddr *)address);
        bool trusted = limits_is_trusted(config, &peer);
        struct client *client = limits_connect(listener->limits, &peer,
                                               trusted ? 0 : config->listener.connections_per_client);
        if (client && !has_place(listener)) {
                limits_disconnect(client);
                client = NULL;
        }
        if (client) {
                porch_enter(listener, fd, client, &peer, address, size);
                return;
        }
        char text[INET6_ADDRSTRLEN];
        log_isapi(LOG_WARNING, "Closed a connection from %s: too many are open", limits_format(&peer, text));
        (void)close(fd); /* nothing is in it */
}

void accept_clients(struct listener *listener)
{
        for (int i = 0; i < ACCEPT_ROUND; i++) {
                struct sockaddr_storage address;
                socklen_t size = sizeof(address);
                int fd = accept4(listener->socket, (struct sockaddr *)&address, &size,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd >= 0) {
                        take_connection(listener, fd, &address, size);
                        continue;
                }
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                        pause_accepting(listener, errno);
                if (errno != EINTR && errno != ECONNABORTED)
                        return;
        }
}

static void connection_open(struct listener *listener, struct MHD_Connection *mhd, void **context)
{
        struct arrival *arrival = listener->arrival;
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct connection *connection = calloc(1, sizeof(*connection));
        if (!connection || !info) {
                free(connection);
                return; /* request_begin then refuses */
        }
        *connection = (struct connection){ .next = listener->connections,
                                           .mhd = mhd,
                                           .fd = info->connect_fd,
                                           .client = arrival->client,
                                           .peer = arrival->peer,
                                           .started_ms = arrival->started_ms,
                                           .charge = arrival->charge,
                                           .engine = arrival->engine,
                                           .front = arrival->front,
                                           .whole = arrival->engine == ENGINE_WHOLE,
                                           .trusted = limits_is_trusted(listener->config, &arrival->peer) };
        (void)limits_format(&connection->peer, connection->peer_text);
        if (!capture_is_over(listener->capture) && (connection->first_head = malloc(arrival->head_size))) {
                memcpy(connection->first_head, arrival->head, arrival->head_size);
                connection->first_head_size = arrival->head_size;
        }
        if (connection->next)
                connection->next->previous = connection;
        listener->connections = connection;
        listener->connection_count++;
        arrival->client = NULL;
        *context = connection;
}

static void connection_close(struct listener *listener, struct connection *connection)
{
        if (connection->previous)
                connection->previous->next = connection->next;
        else
                listener->connections = connection->next;
        if (connection->next)
                connection->next->previous = connection->previous;
        listener->connection_count--;
        limits_disconnect(connection->client);
        memory_end_charge(listener, connection);
        free(connection->first_head);
        free(connection);
}

void accept_notify(void *arg, struct MHD_Connection *mhd, void **context,
                   enum MHD_ConnectionNotificationCode code)
{
        struct listener *listener = arg;
        if (code == MHD_CONNECTION_NOTIFY_STARTED)
                connection_open(listener, mhd, context);
        else if (*context)
                connection_close(listener, *context);
}
