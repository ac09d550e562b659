/* The listener as others see it: made, run, told, stopped. */
#include "listener_private.h"

#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

/* Descriptors beside those of clients: ledger, logs, inbox, lingering ones. */
#define OTHER_DESCRIPTORS 512
/* The lowest bound of the request times: to 8 s in doublings. */
#define REQUEST_UNIT_US 250

static void ignore_engine_log(void *arg, const char *format, va_list arguments)
        __attribute__((format(printf, 2, 0)));
static void ignore_engine_log(void *arg, const char *format, va_list arguments)
{
        /* It reports each broken request, uncounted and unescaped; what
         * matters of that is in our own log. */
        (void)arg;
        (void)format;
        (void)arguments;
}

static size_t leave_escaped(void *arg, struct MHD_Connection *mhd, char *text)
{
        (void)arg;
        (void)mhd;
        return strlen(text); /* the path is compared raw */
}

/* Ledger, logs, staging and inbox must never go without: so many descriptors
 * stay theirs, however few there are. */
static unsigned raise_descriptor_limit(const struct config *config)
{
        struct rlimit limit;
        rlim_t wanted = (rlim_t)config->listener.connections + OTHER_DESCRIPTORS;
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return config->listener.connections;
        rlim_t before = limit.rlim_cur;
        if (limit.rlim_cur < wanted) {
                limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
                if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                        limit.rlim_cur = before;
        }
        if (limit.rlim_cur >= wanted)
                return config->listener.connections;
        rlim_t others = limit.rlim_cur / 2 < OTHER_DESCRIPTORS ? limit.rlim_cur / 2 : OTHER_DESCRIPTORS;
        unsigned connections = (unsigned)(limit.rlim_cur - others);
        log_mgr(LOG_WARNING,
                "The limit of file descriptors, %llu, allows %u connections instead of listener.connections "
                "= %u",
                (unsigned long long)limit.rlim_cur, connections, config->listener.connections);
        return connections;
}

static int start_engine(struct listener *listener)
{
        unsigned idle_s = (unsigned)((listener->config->listener.idle_timeout_ms + 999) / 1000);
        listener->mhd = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
                NULL, NULL, request_handle, listener, MHD_OPTION_EXTERNAL_LOGGER, ignore_engine_log, NULL,
                MHD_OPTION_CONNECTION_LIMIT, listener->config->listener.connections + 1,
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ENGINE_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
                idle_s, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_URI_LOG_CALLBACK,
                request_begin, listener, MHD_OPTION_NOTIFY_COMPLETED, request_completed, listener,
                MHD_OPTION_NOTIFY_CONNECTION, accept_notify, listener, MHD_OPTION_END);
        const union MHD_DaemonInfo *info =
                listener->mhd ? MHD_get_daemon_info(listener->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
        if (!info)
                return errno ? -errno : -EIO;
        listener->engine_fd = info->epoll_fd;
        struct epoll_event event = { .events = EPOLLIN, .data.fd = listener->engine_fd };
        if (epoll_ctl(listener->epoll_fd, EPOLL_CTL_ADD, listener->engine_fd, &event) < 0)
                return -errno;
        event.data.fd = listener->event_fd;
        return epoll_ctl(listener->epoll_fd, EPOLL_CTL_ADD, listener->event_fd, &event) < 0 ? -errno : 0;
}

static int build(struct listener *listener, int socket)
{
        int r = socket >= 0 ? accept_adopt(socket)
                            : accept_bind(listener->config->listener.address, listener->config->listener.port,
                                          &socket);
        if (r < 0)
                return r;
        listener->socket = socket;
        accept_describe(listener->socket, listener->config->listener.paths.items[0], listener->url);
        listener->max_connections = raise_descriptor_limit(listener->config);
        listener->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        listener->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (listener->epoll_fd < 0 || listener->event_fd < 0)
                return -errno;
        r = limits_new(&listener->limits);
        if (r == 0)
                r = porch_new(&listener->porch);
        if (r == 0)
                r = reader_new(&listener->reader);
        if (r == 0)
                r = replies_new(&listener->replies);
        return r == 0 ? start_engine(listener) : r;
}

int listener_open(struct config *config, int socket, struct ledger *ledger, struct quota *quota,
                  struct listener **ret_listener)
{
        struct listener *listener = calloc(1, sizeof(*listener));
        if (!listener)
                return -ENOMEM;
        listener->socket = listener->epoll_fd = listener->event_fd = -1;
        listener->config = config_ref(config);
        listener->ledger = ledger;
        listener->quota = quota;
        listener->request_us.unit = REQUEST_UNIT_US;
        (void)pthread_mutex_init(&listener->lock, NULL); /* cannot fail with default attributes */
        int r = build(listener, socket);
        if (r < 0) {
                listener_free(listener);
                return r;
        }
        *ret_listener = listener;
        return 0;
}

/* Opened here, since the loop reaches no files. */
static void change_capture(struct listener *listener, const struct config *config)
{
        struct capture *capture = NULL, *untaken;
        int r = 0;
        if (*config->listener.capture)
                r = capture_open(config->listener.capture, config->listener.capture_limit, &capture);
        if (r < 0)
                log_mgr(LOG_ERROR, "Requests cannot be captured to %s: %s", config->listener.capture,
                        strerror(-r));
        (void)pthread_mutex_lock(&listener->lock); /* cannot fail on this kind of mutex */
        untaken = listener->next_capture;
        listener->next_capture = capture;
        listener->capture_changes = true;
        listener->is_reloaded = true;
        (void)pthread_mutex_unlock(&listener->lock);
        capture_close(untaken, 0);
}

int listener_run(struct listener *listener)
{
        change_capture(listener, listener->config);
        listener->heartbeat_ms = clock_monotonic_ms();
        int r = pthread_create(&listener->thread, NULL, listener_loop, listener);
        listener->started = r == 0;
        return -r;
}

void listener_reload(struct listener *listener, struct config *config)
{
        (void)pthread_mutex_lock(&listener->lock); /* as in change_capture */
        const struct config *old = listener->next_config ? listener->next_config : listener->config;
        bool capture_changes = strcmp(old->listener.capture, config->listener.capture) != 0 ||
                               old->listener.capture_limit != config->listener.capture_limit;
        config_unref(listener->next_config);
        listener->next_config = config_ref(config);
        (void)pthread_mutex_unlock(&listener->lock);
        if (capture_changes)
                change_capture(listener, config);
        listener->is_reloaded = true;
        (void)listener_wake(listener); /* it looks once a second anyway */
}

int listener_stop(struct listener *listener, int64_t deadline_ms)
{
        if (!listener->started)
                return 0;
        listener->stop = true;
        (void)listener_wake(listener); /* it looks once a second anyway */
        struct timespec until;
        /* A jump of this clock ends the wait early or late; both are provided
         * for: the result says so, and fspd.c bounds the stop as a whole. */
        (void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail for this clock */
        until.tv_sec += deadline_ms / 1000;
        listener->started = pthread_timedjoin_np(listener->thread, NULL, &until) != 0;
        if (!listener->started)
                return 0;
        log_mgr(LOG_WARNING, "Stopped with %u connection(s) unanswered", listener->connection_count);
        return -ETIMEDOUT;
}

void listener_free(struct listener *listener)
{
        if (!listener || listener->started)
                return; /* a loop that did not end still uses it all */
        if (listener->mhd)
                MHD_stop_daemon(listener->mhd);
        porch_free(listener);
        request_free_spare(listener);
        fsutil_close_pointer(&listener->socket);
        fsutil_close_pointer(&listener->epoll_fd);
        fsutil_close_pointer(&listener->event_fd);
        replies_free(listener->replies);
        reader_free(listener->reader);
        limits_free(listener->limits);
        config_unref(listener->config);
        config_unref(listener->next_config);
        capture_close(listener->next_capture, 0);
        free(listener);
}

const char *listener_url(struct listener *listener, char ret_url[LISTENER_URL_SIZE])
{
        memcpy(ret_url, listener->url, LISTENER_URL_SIZE);
        return ret_url;
}

struct listener_view listener_view(struct listener *listener)
{
        struct listener_view view = { .connections = listener->connection_count,
                                      .heartbeat_ms = listener->heartbeat_ms };
        for (int i = 0; i < VERDICT_COUNT; i++)
                view.verdicts[i] = listener->verdicts[i];
        for (int i = 0; i < LISTENER_TOPICS; i++)
                view.topics[i] = listener->topics[i];
        return view;
}

struct histogram_view listener_request_us(struct listener *listener)
{
        return histogram_look(&listener->request_us);
}
