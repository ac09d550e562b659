/* The connections, all in one epoll.  They share one request: it is patched
 * with a connection's token each time something of it is sent. */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 1024
#define EVENTS_MAX 256
#define RETRY_NS 10000000LL
#define SWEEP_NS 100000000LL
#define UNTIL_CLOSED INT64_MAX

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_SENDING, CONN_AWAITING, CONN_DONE };

struct conn {
        int fd;
        enum conn_state state;
        uint32_t number; /* of the message in hand */
        uint32_t sent, have;
        int64_t started_ns; /* the request; of a closed one: when to try again */
        int64_t body_left;  /* of the answer, once its head is read */
        int status;         /* 0: the head is not read yet */
        bool closing;
        char answer[ANSWER_MAX + 1];
};

struct pool {
        const struct load_options *options;
        struct message *message;
        FILE *journal;
        struct tally *tally;
        const volatile sig_atomic_t *stop;
        struct conn *conns;
        int *idle;
        int epoll;
        unsigned live, opened, waiting;
        uint64_t taken;
        int64_t begin_ns, end_ns, last_ns, sweep_ns; /* end_ns: take no message after */
};

static int64_t now_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
        return (int64_t)t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* -EINPROGRESS is success when the socket does not block. */
static int open_socket(struct pool *pool, int flags, int *ret_fd)
{
        const struct load_options *options = pool->options;
        int fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
        int r = 0, on = 1;

        if (fd < 0)
                return -errno;
        if (options->sources > 0) {
                struct sockaddr_in source = { .sin_family = AF_INET };

                source.sin_addr.s_addr = htonl(0x7f010001U + pool->opened++ % options->sources);
                if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) < 0 ||
                    bind(fd, (const struct sockaddr *)&source, sizeof(source)) < 0)
                        r = -errno;
        }
        if (r == 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
                r = -errno;
        if (r == 0 && connect(fd, (const struct sockaddr *)&options->address, options->address_size) < 0)
                r = -errno;
        if (r < 0 && r != -EINPROGRESS) {
                (void)close(fd); /* never connected */
                return r;
        }
        *ret_fd = fd;
        return r;
}

static void watch(struct pool *pool, struct conn *conn, int operation, uint32_t events)
{
        struct epoll_event event = { .events = events, .data.ptr = conn };

        if (epoll_ctl(pool->epoll, operation, conn->fd, &event) < 0)
                abort(); /* only for want of memory */
}

static bool pool_take(struct pool *pool, int64_t now)
{
        const struct load_options *options = pool->options;

        if (*pool->stop || now >= pool->end_ns)
                return false;
        if (options->messages > 0 && pool->taken >= options->messages)
                return false;
        pool->taken++;
        return true;
}

static void conn_close(struct pool *pool, struct conn *conn, int64_t retry_ns)
{
        if (conn->fd >= 0)
                (void)close(conn->fd); /* nothing of ours is left in it */
        conn->fd = -1;
        conn->state = CONN_CLOSED;
        conn->started_ns = retry_ns;
        pool->waiting++;
}

static void conn_fail(struct pool *pool, struct conn *conn, enum load_error error)
{
        pool->tally->errors[error]++;
        conn_close(pool, conn, now_ns() + RETRY_NS);
}

static void conn_finish(struct pool *pool, struct conn *conn)
{
        if (conn->fd >= 0)
                (void)close(conn->fd); /* nothing of ours is left in it */
        conn->fd = -1;
        conn->state = CONN_DONE;
        pool->live--;
}

static void conn_send(struct pool *pool, struct conn *conn)
{
        struct message *message = pool->message;
        ssize_t n;

        message_patch(message, conn->number);
        n = send(conn->fd, message->bytes + conn->sent, message->size - conn->sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
                conn_fail(pool, conn, conn->state == CONN_CONNECTING ? ERROR_CONNECT : ERROR_RESET);
                return;
        }
        conn->sent += n > 0 ? (uint32_t)n : 0;
        if (conn->sent == message->size) {
                if (conn->state == CONN_SENDING)
                        watch(pool, conn, EPOLL_CTL_MOD, EPOLLIN);
                conn->state = CONN_AWAITING;
        } else {
                if (conn->state != CONN_SENDING)
                        watch(pool, conn, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
                conn->state = CONN_SENDING;
        }
}

static void conn_begin(struct conn *conn, uint32_t number, int64_t now)
{
        conn->number = number;
        conn->sent = conn->have = 0;
        conn->status = 0;
        conn->closing = false;
        conn->started_ns = now;
}

/* Of a closed connection: open it and send the next message. */
static void conn_open(struct pool *pool, struct conn *conn, int64_t now)
{
        int r;

        pool->waiting--;
        if (!pool_take(pool, now)) {
                conn_finish(pool, conn);
                return;
        }
        conn_begin(conn, (uint32_t)pool->taken, now);
        r = open_socket(pool, SOCK_NONBLOCK, &conn->fd);
        if (r < 0 && r != -EINPROGRESS) {
                conn_fail(pool, conn, ERROR_CONNECT);
                return;
        }
        watch(pool, conn, EPOLL_CTL_ADD, r == 0 ? EPOLLIN : EPOLLIN | EPOLLOUT);
        conn->state = r == 0 ? CONN_AWAITING : CONN_SENDING;
        if (r == 0)
                conn_send(pool, conn);
}

static void conn_next(struct pool *pool, struct conn *conn, int64_t now)
{
        if (conn->closing || pool->options->new_connection) {
                conn_close(pool, conn, now);
                conn_open(pool, conn, now);
        } else if (!pool_take(pool, now)) {
                conn_finish(pool, conn);
        } else {
                conn_begin(conn, (uint32_t)pool->taken, now);
                conn_send(pool, conn);
        }
}

static void conn_answered(struct pool *pool, struct conn *conn)
{
        int64_t now = now_ns();
        bool put = pool->options->put;

        pool->tally->statuses[conn->status]++;
        pool->last_ns = now;
        conn->closing |= conn->sent < pool->message->size; /* refused before all was sent */
        if (conn->status == 200 || (put && (conn->status == 201 || conn->status == 204))) {
                tally_add_latency(pool->tally, now - conn->started_ns);
                if (pool->journal != NULL) {
                        char token[TOKEN_DIGITS + 1];

                        message_print_token(pool->message, conn->number, token);
                        (void)fprintf(pool->journal, "%s\n", token); /* fclose tells */
                }
        }
        conn_next(pool, conn, now);
}

/* Reads the head in conn->answer if it is whole.  -EBADMSG: no HTTP. */
static int conn_read_head(struct conn *conn)
{
        const char *end, *length;

        conn->answer[conn->have] = '\0';
        end = strstr(conn->answer, "\r\n\r\n");
        if (end == NULL)
                return conn->have == ANSWER_MAX ? -EBADMSG : 0;
        if (sscanf(conn->answer, "HTTP/1.%*1[01] %3d", &conn->status) != 1 || conn->status < 200 ||
            conn->status >= TALLY_STATUS_MAX)
                return -EBADMSG;
        length = strcasestr(conn->answer, "\r\nContent-Length:");
        conn->closing = strcasestr(conn->answer, "\r\nConnection: close") != NULL;
        if (length != NULL && length < end)
                conn->body_left = strtoll(length + strlen("\r\nContent-Length:"), NULL, 10);
        else
                conn->body_left = conn->status == 204 ? 0 : UNTIL_CLOSED;
        conn->have -= (uint32_t)(end + 4 - conn->answer);
        return 0;
}

static void conn_receive(struct pool *pool, struct conn *conn)
{
        ssize_t n = recv(conn->fd, conn->answer + conn->have, ANSWER_MAX - conn->have, 0);

        if (n < 0 && errno == EAGAIN)
                return;
        if (n < 0) {
                conn_fail(pool, conn, ERROR_RESET);
                return;
        }
        if (n == 0 && (conn->status == 0 || conn->body_left != UNTIL_CLOSED)) {
                conn_fail(pool, conn, ERROR_CLOSED);
                return;
        }
        conn->closing |= n == 0;
        conn->have += (uint32_t)n;
        if (conn->status == 0 && conn_read_head(conn) < 0) {
                conn_fail(pool, conn, ERROR_ANSWER);
                return;
        }
        if (conn->status == 0)
                return;
        if (conn->body_left != UNTIL_CLOSED)
                conn->body_left -= conn->have;
        conn->have = 0;
        if (conn->body_left < 0)
                conn_fail(pool, conn, ERROR_ANSWER);
        else if (conn->body_left == 0 || n == 0)
                conn_answered(pool, conn);
}

static void conn_event(struct pool *pool, struct conn *conn, uint32_t events)
{
        int error = 0;
        socklen_t size = sizeof(error);

        if (conn->state == CONN_SENDING && conn->sent == 0 && (events & (EPOLLERR | EPOLLHUP)) != 0) {
                (void)getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error,
                                 &size); /* clears it; it failed anyway */
                conn_fail(pool, conn, ERROR_CONNECT);
        } else if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
                conn_receive(pool, conn); /* also a refusal that comes before all is sent */
        } else if (conn->state == CONN_SENDING) {
                conn_send(pool, conn);
        }
}

static void pool_sweep(struct pool *pool, int64_t now)
{
        for (unsigned i = 0; i < pool->options->connections; i++) {
                struct conn *conn = &pool->conns[i];

                if (conn->state == CONN_CLOSED && conn->started_ns <= now)
                        conn_open(pool, conn, now);
                else if ((conn->state == CONN_SENDING || conn->state == CONN_AWAITING) &&
                         now - conn->started_ns > pool->options->timeout_ns)
                        conn_fail(pool, conn, ERROR_TIMEOUT);
        }
        pool->sweep_ns = now + (pool->waiting > 0 ? RETRY_NS : SWEEP_NS);
}

static int pool_loop(struct pool *pool)
{
        struct epoll_event events[EVENTS_MAX];

        pool->begin_ns = pool->last_ns = now_ns();
        pool->end_ns = pool->options->messages > 0 ? INT64_MAX
                                                   : pool->begin_ns + (int64_t)(pool->options->seconds * 1e9);
        while (pool->live > 0) {
                int64_t now = now_ns();
                int n, wait_ms;

                if (now >= pool->sweep_ns)
                        pool_sweep(pool, now);
                if (pool->live == 0)
                        break;
                wait_ms = pool->waiting > 0 ? 10 : 100;
                n = epoll_wait(pool->epoll, events, EVENTS_MAX, wait_ms);
                if (n < 0 && errno != EINTR)
                        return -errno;
                for (int i = 0; i < n; i++)
                        conn_event(pool, events[i].data.ptr, events[i].events);
        }
        pool->tally->seconds = (double)(pool->last_ns - pool->begin_ns) / 1e9;
        return 0;
}

static int open_idle(struct pool *pool)
{
        for (unsigned i = 0; i < pool->options->idle; i++) {
                int r = open_socket(pool, 0, &pool->idle[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

static void count_lost_idle(struct pool *pool)
{
        for (unsigned i = 0; i < pool->options->idle; i++) {
                char byte;

                if (recv(pool->idle[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN)
                        pool->tally->idle_lost++;
        }
}

static void close_idle(struct pool *pool)
{
        for (unsigned i = 0; i < pool->options->idle; i++) {
                if (pool->idle[i] >= 0)
                        (void)close(pool->idle[i]); /* nothing was sent */
        }
}

int pool_run(const struct load_options *options, struct message *message, FILE *journal,
             const volatile sig_atomic_t *stop, struct tally *tally)
{
        struct pool pool = { .options = options,
                             .message = message,
                             .journal = journal,
                             .stop = stop,
                             .tally = tally,
                             .conns = calloc(options->connections, sizeof(*pool.conns)),
                             .idle = calloc(options->idle + 1, sizeof(*pool.idle)),
                             .epoll = epoll_create1(EPOLL_CLOEXEC),
                             .live = options->connections,
                             .waiting = options->connections };
        int r = -ENOMEM;

        if (pool.conns != NULL && pool.idle != NULL && pool.epoll >= 0) {
                for (unsigned i = 0; i < options->connections; i++)
                        pool.conns[i].fd = -1; /* and CONN_CLOSED: the first sweep opens it */
                for (unsigned i = 0; i < options->idle; i++)
                        pool.idle[i] = -1;
                r = open_idle(&pool);
                if (r == 0)
                        r = pool_loop(&pool);
                if (r == 0)
                        count_lost_idle(&pool);
                close_idle(&pool);
        }
        if (pool.epoll >= 0)
                (void)close(pool.epoll); /* nothing to lose */
        free(pool.conns);
        free(pool.idle);
        return r;
}
