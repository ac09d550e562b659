/* The loop: libmicrohttpd in external epoll mode (its own epoll thread stalls
 * when exactly 128 connections are ready), woken by one eventfd. */
#include "listener_private.h"

#include "fsp/clock.h"
#include "fsp/confine.h"
#include "fsp/log.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SWEEP_MS 1000
#define LOOK_MS 20
#define CAPTURE_FLUSH_MS 2000
#define EVENTS 64

int listener_wake(struct listener *listener)
{
        uint64_t one = 1;
        return write(listener->event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN ? -errno : 0;
}

static void resume_answered(struct listener *listener)
{
        (void)pthread_mutex_lock(&listener->lock); /* cannot fail on this kind of mutex */
        struct request *request = listener->answered;
        listener->answered = NULL;
        (void)pthread_mutex_unlock(&listener->lock);
        while (request) {
                struct request *next = request->next;
                request->next = NULL;
                request->phase = PHASE_ANSWER;
                request->verdict = request->intake.verdict;
                MHD_resume_connection(request->connection->mhd);
                listener->engine_due = true;
                request = next;
        }
}

static void take_config(struct listener *listener)
{
        struct config *old_config = NULL;
        struct capture *old_capture = NULL;
        if (!atomic_exchange(&listener->is_reloaded, false))
                return;
        (void)pthread_mutex_lock(&listener->lock); /* as above */
        if (listener->next_config) {
                old_config = listener->config;
                listener->config = listener->next_config;
                listener->next_config = NULL;
        }
        bool capture_changes = listener->capture_changes;
        if (capture_changes) {
                old_capture = listener->capture;
                listener->capture = listener->next_capture;
                listener->next_capture = NULL;
                listener->capture_changes = false;
        }
        (void)pthread_mutex_unlock(&listener->lock);
        capture_close(old_capture, 0);
        config_unref(old_config);
        if (capture_changes && listener->capture)
                capture_announce(listener->capture, listener->config->listener.capture);
}

/* Strangers' bytes are read by this thread alone, and it needs no file but the
 * logs: what leads the parsers astray then leads nowhere. */
static void confine(const struct listener *listener)
{
        const char *const folders[] = { listener->config->log.directory, NULL };
        int r = confine_thread(CONFINE_ALL, folders);
        if (r > 0)
                log_mgr(LOG_INFO, "The listener reaches no files but logs (Landlock, version %d)", r);
        else if (r == 0)
                log_mgr(LOG_INFO, "The listener is not kept from files: Landlock is not to be had here");
        else
                log_mgr(LOG_WARNING, "The listener cannot be kept from files: %s", strerror(-r));
}

static void start_accepting(struct listener *listener)
{
        struct epoll_event event = { .events = EPOLLIN, .data.fd = listener->socket };
        if (epoll_ctl(listener->epoll_fd, EPOLL_CTL_ADD, listener->socket, &event) < 0)
                log_mgr(LOG_ERROR, "No connection can be accepted: %s", strerror(errno));
        else
                listener->accept_paused = false;
}

static void stop_accepting(struct listener *listener)
{
        if (listener->socket < 0)
                return;
        (void)close(listener->socket); /* leaves the epoll set by itself; nothing is in it */
        listener->socket = -1;
}

/* Until something is due; at most bound_ms unless that is 0. */
static int wait_ms(struct listener *listener, int64_t now_ms, int64_t bound_ms)
{
        MHD_UNSIGNED_LONG_LONG mhd_ms;
        int64_t ms = listener->sweep_ms > now_ms ? listener->sweep_ms - now_ms : 0;
        if (MHD_get_timeout(listener->mhd, &mhd_ms) == MHD_YES && (int64_t)mhd_ms < ms) {
                ms = (int64_t)mhd_ms;
                listener->engine_due = true;
        }
        if (listener->look_ms > 0 && listener->look_ms - now_ms < ms)
                ms = listener->look_ms > now_ms ? listener->look_ms - now_ms : 0;
        if (bound_ms > 0 && bound_ms < ms)
                ms = bound_ms;
        if (listener->linger.count > 0 && LINGER_LOOK_MS < ms)
                ms = LINGER_LOOK_MS;
        return (int)ms;
}

static void handle_events(struct listener *listener, const struct epoll_event *events, int count)
{
        for (int i = 0; i < count; i++) {
                int fd = events[i].data.fd;
                eventfd_t rings;
                if (fd == listener->engine_fd)
                        listener->engine_due = true;
                else if (fd == listener->event_fd)
                        (void)eventfd_read(fd, &rings); /* only to be silent again */
                else if (fd == listener->socket)
                        accept_clients(listener);
                else
                        porch_look(listener, fd, events[i].events);
        }
}

/* It asks the kernel each time, so only when there may be something. */
static void run_engine(struct listener *listener)
{
        if (!listener->engine_due)
                return;
        listener->engine_due = false;
        if (MHD_run(listener->mhd) != MHD_YES)
                log_mgr(LOG_ERROR, "The HTTP engine failed to run");
        if (listener->small_count + listener->chunked_count > 0 && listener->look_ms == 0)
                listener->look_ms = clock_monotonic_ms() + LOOK_MS;
}

/* What the engine has read, and told nobody. */
static void look(struct listener *listener, int64_t now_ms)
{
        if (listener->look_ms == 0 || now_ms < listener->look_ms)
                return;
        listener->look_ms = 0;
        if (listener->small_count > 0)
                memory_look(listener);
        if (listener->chunked_count > 0)
                chunks_look(listener);
}

static void sweep(struct listener *listener, int64_t now_ms)
{
        listener->heartbeat_ms = now_ms;
        if (listener->linger.count > 0 && now_ms >= listener->linger.look_ms)
                linger_look(&listener->linger, now_ms);
        if (now_ms < listener->sweep_ms)
                return;
        listener->sweep_ms = now_ms + SWEEP_MS;
        listener->engine_due = true; /* it has time-outs of its own */
        porch_sweep(listener, now_ms);
        sweep_connections(listener, now_ms);
        if (listener->accept_paused && listener->socket >= 0)
                start_accepting(listener);
}

void *listener_loop(void *arg)
{
        struct listener *listener = arg;
        struct epoll_event events[EVENTS];
        (void)pthread_setname_np(pthread_self(), "fspd-listener"); /* only a name */
        take_config(listener);
        confine(listener);
        start_accepting(listener);
        for (;;) {
                bool stop = listener->stop;
                if (stop)
                        stop_accepting(listener);
                int64_t now_ms = clock_monotonic_ms();
                int64_t greeting_ms = stop ? porch_greeting_ms(listener, now_ms) : 0;
                if (stop && listener->requests == 0 && greeting_ms == 0)
                        break;
                int count = epoll_wait(listener->epoll_fd, events, EVENTS,
                                       wait_ms(listener, now_ms, greeting_ms));
                handle_events(listener, events, count);
                take_config(listener);
                resume_answered(listener);
                run_engine(listener);
                now_ms = clock_monotonic_ms();
                look(listener, now_ms);
                sweep(listener, now_ms);
        }
        linger_look(&listener->linger, INT64_MAX);
        capture_close(listener->capture, CAPTURE_FLUSH_MS);
        listener->capture = NULL;
        return NULL;
}
