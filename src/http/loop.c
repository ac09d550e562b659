/* The loop: libmicrohttpd in external epoll mode (its own epoll thread stalls
 * when exactly 128 connections are ready), woken by one eventfd. */
#include "listener_private.h"

#include "fsp/clock.h"
#include "fsp/log.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SWEEP_MS 1000
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
                request = next;
        }
}

static void change_capture(struct listener *listener, const struct config *old)
{
        const struct config *config = listener->config;
        if (old && strcmp(old->listener.capture, config->listener.capture) == 0 &&
            old->listener.capture_limit == config->listener.capture_limit)
                return;
        capture_close(listener->capture, 0);
        listener->capture = NULL;
        if (!*config->listener.capture)
                return;
        int r = capture_open(config->listener.capture, config->listener.capture_limit,
                             config->listener.memory, &listener->capture);
        if (r < 0)
                log_mgr(LOG_ERROR, "Requests cannot be captured to %s: %s", config->listener.capture,
                        strerror(-r));
}

static void take_config(struct listener *listener)
{
        (void)pthread_mutex_lock(&listener->lock); /* as above */
        struct config *config = listener->next_config;
        listener->next_config = NULL;
        (void)pthread_mutex_unlock(&listener->lock);
        if (!config)
                return;
        struct config *old = listener->config;
        listener->config = config;
        change_capture(listener, old);
        config_unref(old);
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
        if (MHD_get_timeout(listener->mhd, &mhd_ms) == MHD_YES && (int64_t)mhd_ms < ms)
                ms = (int64_t)mhd_ms;
        if (bound_ms > 0 && bound_ms < ms)
                ms = bound_ms;
        return (int)ms;
}

static void handle_events(struct listener *listener, const struct epoll_event *events, int count)
{
        for (int i = 0; i < count; i++) {
                int fd = events[i].data.fd;
                eventfd_t rings;
                if (fd == listener->event_fd)
                        (void)eventfd_read(fd, &rings); /* only to be silent again */
                else if (fd == listener->socket)
                        accept_clients(listener);
                else if (!porch_look(listener, fd, events[i].events))
                        linger_drain(&listener->linger, fd); /* not found when it is MHD's own */
        }
}

static void sweep(struct listener *listener, int64_t now_ms)
{
        listener->heartbeat_ms = now_ms;
        if (now_ms < listener->sweep_ms)
                return;
        listener->sweep_ms = now_ms + SWEEP_MS;
        take_config(listener);
        porch_sweep(listener, now_ms);
        sweep_connections(listener, now_ms);
        linger_expire(&listener->linger, now_ms);
        if (listener->accept_paused && listener->socket >= 0)
                start_accepting(listener);
}

void *listener_loop(void *arg)
{
        struct listener *listener = arg;
        struct epoll_event events[EVENTS];
        (void)pthread_setname_np(pthread_self(), "fspd-listener"); /* only a name */
        take_config(listener);
        change_capture(listener, NULL);
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
                resume_answered(listener);
                if (MHD_run(listener->mhd) != MHD_YES)
                        log_mgr(LOG_ERROR, "The HTTP engine failed to run");
                ledger_submit(listener->ledger, &listener->prepared);
                sweep(listener, clock_monotonic_ms());
        }
        linger_expire(&listener->linger, INT64_MAX);
        capture_close(listener->capture, CAPTURE_FLUSH_MS);
        listener->capture = NULL;
        return NULL;
}
