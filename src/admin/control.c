/* The orders' thread: one poll loop over the socket and its connections. */
#include "fsp/control.h"
#include "admin/control_connection.h"
#include "admin/control_socket.h"
#include "admin/order.h"
#include "admin/requeue.h"
#include "admin/status.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 32
#define CONNECTION_IDLE_MS 10000
#define ACCEPT_REST_MS 1000 /* after one that failed for want of descriptors or memory */

/* All but stop_fd belongs to the thread once it runs. */
struct control {
        struct control_parts parts;
        struct config *config; /* parts has texts of it */
        char *path;
        int64_t started_ms;
        int listen_fd;
        int stop_fd;             /* rung by control_stop */
        int run_fd;              /* rung by the forwarder */
        int64_t accept_after_ms; /* monotonic */
        pthread_t thread;
        struct control_connection connections[CONNECTIONS];
};

static void answer(struct control_connection *connection, json_t *object)
{
        int64_t deadline_ms = clock_monotonic_ms() + CONNECTION_IDLE_MS;

        if (control_connection_answer(connection, object, deadline_ms) < 0)
                control_connection_end(connection);
}

static void obey(struct control *control, struct control_connection *connection)
{
        struct status_facts facts;
        struct order_request request;
        const char *why;

        if (order_parse(connection->request, connection->request_size, &request, &why) < 0) {
                answer(connection, order_refusal(why));
                return;
        }
        switch (request.order) {
        case ORDER_STATUS:
                status_gather(&control->parts, control->started_ms, &facts);
                answer(connection, status_object(&facts));
                break;
        case ORDER_FORWARD:
                connection->run = forwarder_ring(control->parts.forwarder);
                connection->phase = CONNECTION_WAITING;
                connection->deadline_ms = clock_monotonic_ms() + CONTROL_FORWARD_TIMEOUT_MS;
                break;
        case ORDER_REQUEUE:
                answer(connection, requeue_ids(&control->parts, request.ids));
                break;
        case ORDER_RESEND:
                answer(connection, requeue_since(&control->parts, request.since_ms));
                break;
        case ORDER_DRAIN:
                quota_close(control->parts.quota);
                log_mgr(LOG_INFO, "Draining: new messages are refused from here on, until a restart");
                (void)forwarder_ring(control->parts.forwarder); /* fspctl looks at the status */
                answer(connection, order_requeued(0, json_array()));
                break;
        }
        order_request_free(&request);
}

static void read_order(struct control *control, struct control_connection *connection)
{
        int r = control_connection_read(connection);

        if (r > 0)
                obey(control, connection);
        else if (r == -EMSGSIZE)
                answer(connection, order_refusal("the order is too long"));
        else if (r < 0)
                control_connection_end(connection);
}

/* What the descriptor is ready for. */
static void serve(struct control *control, struct control_connection *connection, short events)
{
        switch (connection->phase) {
        case CONNECTION_FREE:
                break;
        case CONNECTION_READING:
                if (events)
                        read_order(control, connection);
                break;
        case CONNECTION_WAITING:
                if (events & (POLLHUP | POLLERR))
                        control_connection_end(connection);
                break;
        case CONNECTION_WRITING:
                if (events && control_connection_write(connection) != 0)
                        control_connection_end(connection);
                break;
        }
}

static void serve_waiting(struct control *control, struct control_connection *connection)
{
        struct forwarder_view view = forwarder_view(control->parts.forwarder);

        if (view.last.number >= connection->run)
                answer(connection, order_run_over(&view.last));
}

static void pass_deadline(struct control_connection *connection)
{
        if (clock_monotonic_ms() < connection->deadline_ms)
                return;
        if (connection->phase == CONNECTION_WAITING)
                answer(connection, order_timeout());
        else
                control_connection_end(connection);
}

static void accept_connection(struct control *control)
{
        size_t i = 0;
        int fd;

        while (i < CONNECTIONS && control->connections[i].phase != CONNECTION_FREE)
                i++;
        if (i == CONNECTIONS)
                return; /* it waits in the socket's queue */
        fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
                control_connection_start(&control->connections[i], fd,
                                         clock_monotonic_ms() + CONNECTION_IDLE_MS);
        else if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
                control->accept_after_ms = clock_monotonic_ms() + ACCEPT_REST_MS;
}

static short wanted_events(const struct control_connection *connection)
{
        switch (connection->phase) {
        case CONNECTION_READING:
                return POLLIN;
        case CONNECTION_WRITING:
                return POLLOUT;
        case CONNECTION_FREE:
        case CONNECTION_WAITING:
                return 0;
        }
        return 0;
}

/* poll() passes over negative descriptors. */
enum { SLOT_STOP, SLOT_RUN, SLOT_LISTEN, SLOT_FIRST, SLOTS = SLOT_FIRST + CONNECTIONS };

/* Gives the time to wait in milliseconds, -1 for ever. */
static int prepare(const struct control *control, struct pollfd slots[SLOTS])
{
        int64_t now_ms = clock_monotonic_ms(), next_ms = INT64_MAX;
        bool room = false;
        size_t i;

        slots[SLOT_STOP] = (struct pollfd){ .fd = control->stop_fd, .events = POLLIN };
        slots[SLOT_RUN] = (struct pollfd){ .fd = control->run_fd, .events = POLLIN };
        for (i = 0; i < CONNECTIONS; i++) {
                const struct control_connection *connection = &control->connections[i];
                bool busy = connection->phase != CONNECTION_FREE;

                slots[SLOT_FIRST + i] = (struct pollfd){ .fd = busy ? connection->fd : -1,
                                                         .events = wanted_events(connection) };
                if (busy && connection->deadline_ms < next_ms)
                        next_ms = connection->deadline_ms;
                room = room || !busy;
        }
        slots[SLOT_LISTEN] = (struct pollfd){ .fd = -1, .events = POLLIN };
        if (room && now_ms >= control->accept_after_ms)
                slots[SLOT_LISTEN].fd = control->listen_fd;
        else if (room && control->accept_after_ms < next_ms)
                next_ms = control->accept_after_ms;
        if (next_ms == INT64_MAX)
                return -1;
        return next_ms > now_ms ? (int)(next_ms - now_ms) : 0; /* at most a minute */
}

static void *run(void *arg)
{
        struct control *control = arg;
        struct pollfd slots[SLOTS] = { 0 };
        size_t i;

        (void)pthread_setname_np(pthread_self(), "fspd-control"); /* only a name */
        while (!(slots[SLOT_STOP].revents & POLLIN)) {
                int wait_ms = prepare(control, slots);
                eventfd_t rings;

                if (poll(slots, SLOTS, wait_ms) < 0 && errno != EINTR) {
                        log_mgr(LOG_ERROR, "the control socket's poll: %s", strerror(errno));
                        break;
                }
                if (slots[SLOT_RUN].revents)
                        (void)eventfd_read(control->run_fd, &rings); /* the forwarder's view says the rest */
                for (i = 0; i < CONNECTIONS; i++) {
                        struct control_connection *connection = &control->connections[i];

                        serve(control, connection, slots[SLOT_FIRST + i].revents);
                        if (connection->phase == CONNECTION_WAITING)
                                serve_waiting(control, connection);
                        if (connection->phase != CONNECTION_FREE)
                                pass_deadline(connection);
                }
                if (slots[SLOT_LISTEN].revents)
                        accept_connection(control);
        }
        for (i = 0; i < CONNECTIONS; i++)
                if (control->connections[i].phase != CONNECTION_FREE)
                        control_connection_end(&control->connections[i]);
        return NULL;
}

/* A half-built one too. */
static void free_control(struct control *control)
{
        if (control->listen_fd >= 0)
                control_socket_close(control->path, control->listen_fd);
        fsutil_close_pointer(&control->run_fd);
        fsutil_close_pointer(&control->stop_fd);
        free(control->path);
        config_unref(control->config);
        free(control);
}

static int prepare_thread(struct control *control, const char *path)
{
        control->path = strdup(path);
        if (!control->path)
                return -ENOMEM;
        control->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (control->stop_fd < 0)
                return -errno;
        control->run_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (control->run_fd < 0)
                return -errno;
        return control_socket_listen(path, &control->listen_fd);
}

int control_start(struct config *config, const struct control_parts *parts, struct control **ret_control)
{
        struct control *control = calloc(1, sizeof(*control));
        int r;

        if (!control)
                return -ENOMEM;
        control->parts = *parts;
        control->config = config_ref(config);
        control->started_ms = clock_wall_ms();
        control->listen_fd = control->stop_fd = control->run_fd = -1;
        r = prepare_thread(control, config->admin.socket);
        if (r == 0)
                r = -pthread_create(&control->thread, NULL, run, control);
        if (r < 0) {
                free_control(control);
                return r;
        }
        forwarder_on_run(parts->forwarder, control->run_fd);
        *ret_control = control;
        return 0;
}

void control_stop(struct control *control)
{
        if (!control)
                return;
        forwarder_on_run(control->parts.forwarder, -1);
        (void)eventfd_write(control->stop_fd, 1);  /* cannot overflow: it is rung once */
        (void)pthread_join(control->thread, NULL); /* it is ours and joinable */
        free_control(control);
}
