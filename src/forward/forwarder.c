/* The thread: when a run is due, and what is said of it. */
#include "fsp/forwarder.h"

#include "forward.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include "fsp/quarantine.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_FIRST_MS 30000 /* after a run that did not reach the inbox; doubled each time */
#define STALLED_MS 600000    /* a run that takes longer counts as late */
#define CATCH_UP_MS 5000

struct forwarder {
        struct ledger *ledger;
        void (*catch_up)(void *arg, int64_t deadline_ms);
        void *catch_up_arg;
        pthread_t thread;
        _Atomic bool stop;

        /* the thread's */
        struct query *query;
        struct throttle *throttle;
        int staging_fd, corrupt_fd;
        int64_t retry_ms;             /* the last back-off; 0: the inbox was in reach */
        int64_t unreachable_since_ms; /* monotonic; 0: it is in reach */
        unsigned failed_runs;
        int last_fault; /* of the run before, -errno */

        pthread_mutex_t lock; /* for all below */
        pthread_cond_t wake;
        struct config *config;
        bool rung, ended;
        struct forwarder_view view;
        struct histogram run_ms;
        uint64_t runs_begun;
        int64_t due_ms; /* monotonic */
        int run_fd;
};

static int open_place(struct pass *pass, const char *place)
{
        int r = inbox_open(pass->config, place, pass->quarantine.staging_fd, &pass->inbox);
        pass->place = place;
        return r;
}

/* The inbox, or its stand-in when it has been out of reach for long. */
static int open_inbox(struct forwarder *forwarder, struct pass *pass)
{
        const struct config *config = pass->config;
        int64_t now_ms = clock_monotonic_ms();
        int r = open_place(pass, config->forwarder.inbox);
        if (r == 0)
                return 0;
        log_mgr(LOG_ERROR, "The inbox %s cannot be reached: %s", config->forwarder.inbox,
                inbox_explain(config->forwarder.inbox, r));
        if (!forwarder->unreachable_since_ms)
                forwarder->unreachable_since_ms = now_ms;
        if (!*config->forwarder.inbox_fallback ||
            now_ms - forwarder->unreachable_since_ms < config->forwarder.fallback_after_ms)
                return r;
        int fallback = open_place(pass, config->forwarder.inbox_fallback);
        if (fallback == 0)
                log_mgr(LOG_WARNING, "Using the inbox %s instead", config->forwarder.inbox_fallback);
        else
                log_mgr(LOG_ERROR, "The inbox %s cannot be reached: %s", config->forwarder.inbox_fallback,
                        inbox_explain(config->forwarder.inbox_fallback, fallback));
        return fallback == 0 ? 0 : r;
}

/* What a run that could not begin would have tried. */
static uint64_t would_try(struct forwarder *forwarder, const struct config *config)
{
        uint64_t staged = ledger_totals(forwarder->ledger).staged;
        uint64_t allowance = throttle_allowance(forwarder->throttle, config, clock_monotonic_ms());
        return staged < allowance ? staged : allowance;
}

static int know_inbox(struct pass *pass)
{
        int r = delivery_inbox(pass->ledger, pass->inbox->identity, pass->place, &pass->inbox_id);
        if (r == 1)
                log_mgr(LOG_INFO,
                        "%s is another inbox than before, or another way leads to it; where that was, a .tmp"
                        " of an interrupted copy may be left, which can be removed when nothing is staged",
                        pass->place);
        return r < 0 ? r : 0;
}

static void run_pass(struct forwarder *forwarder, const struct config *config, struct pass *pass)
{
        *pass = (struct pass){ .config = config,
                               .ledger = forwarder->ledger,
                               .query = forwarder->query,
                               .throttle = forwarder->throttle,
                               .quarantine = { .ledger = forwarder->ledger,
                                               .query = forwarder->query,
                                               .staging_fd = forwarder->staging_fd,
                                               .corrupt_fd = forwarder->corrupt_fd },
                               .stop = &forwarder->stop };
        forwarder->catch_up(forwarder->catch_up_arg, CATCH_UP_MS);
        uint64_t due = would_try(forwarder, config);
        pass->due = due;
        pass->fault = open_inbox(forwarder, pass);
        if (pass->fault == 0)
                pass->fault = know_inbox(pass);
        if (pass->fault == 0 && forward_recover(pass) == 0)
                (void)forward_staged(pass); /* the pass keeps its fault */
        if (pass->fault == 0)
                pass->fault = pass->stuck;
        if (pass->inbox)
                pass->inbox->kind->close(pass->inbox);
        if (pass->fault && pass->tried < due)
                pass->tried = due;
        /* A read that failed once looks like this, too: only the second run in
         * a row is believed. */
        if (pass->fault == -EUCLEAN && forwarder->last_fault == -EUCLEAN)
                ledger_doubt(forwarder->ledger);
        forwarder->last_fault = pass->fault;
        if (pass->fault)
                log_mgr(LOG_ERROR, "The run ended early: %s; %" PRIu64 " file(s) stay staged",
                        inbox_explain(pass->place, pass->fault), ledger_totals(forwarder->ledger).staged);
        log_mgr(LOG_INFO, "Successfully copied %" PRIu64 " out of %" PRIu64 " file(s)", pass->copied,
                pass->tried);
}

/* Monotonic time of the next run: the interval's, or earlier after a fault
 * (with growing pauses) and when the throttle, not the interval, kept files back. */
static int64_t plan(struct forwarder *forwarder, const struct config *config, const struct pass *pass,
                    int64_t started_ms)
{
        int64_t now_ms = clock_monotonic_ms();
        int64_t next_ms = started_ms + config->forwarder.interval_ms;
        if (pass->fault) {
                forwarder->failed_runs++;
                forwarder->retry_ms = forwarder->retry_ms ? forwarder->retry_ms * 2 : RETRY_FIRST_MS;
                if (forwarder->retry_ms > config->forwarder.interval_ms)
                        forwarder->retry_ms = config->forwarder.interval_ms;
                return now_ms + forwarder->retry_ms;
        }
        forwarder->retry_ms = 0;
        if (strcmp(pass->place, config->forwarder.inbox) == 0) {
                if (forwarder->failed_runs)
                        log_mgr(LOG_INFO, "The inbox %s is in reach again after %u run(s) without it",
                                pass->place, forwarder->failed_runs);
                forwarder->failed_runs = 0;
                forwarder->unreachable_since_ms = 0;
        }
        uint64_t left = ledger_totals(forwarder->ledger).staged;
        if (left && throttle_allowance(forwarder->throttle, config, now_ms) == 0) {
                int64_t free_ms = throttle_free_ms(forwarder->throttle, config, now_ms);
                log_mgr(LOG_INFO, "The throttle is reached: %" PRIu64 " file(s) stay staged for a later run",
                        left);
                if (free_ms < next_ms)
                        next_ms = free_ms;
        }
        return next_ms > now_ms ? next_ms : now_ms;
}

static void begin_run(struct forwarder *forwarder, struct config **ret_config)
{
        forwarder->rung = false;
        forwarder->runs_begun++;
        forwarder->view.running = true;
        forwarder->view.running_since_ms = clock_monotonic_ms();
        *ret_config = config_ref(forwarder->config);
}

static void end_run(struct forwarder *forwarder, const struct pass *pass, int64_t wall_ms,
                    int64_t duration_ms, int64_t due_ms)
{
        forwarder->view.last =
                (struct forwarder_run){ .number = forwarder->runs_begun,
                                        .started_ms = wall_ms,
                                        .duration_ms = duration_ms,
                                        .tried = pass->tried,
                                        .copied = pass->copied,
                                        .fault = pass->fault,
                                        .why = pass->fault ? inbox_explain(pass->place, pass->fault) : NULL };
        forwarder->view.forwarded += pass->copied;
        if (!pass->fault)
                forwarder->view.success_ms = wall_ms + duration_ms;
        histogram_add(&forwarder->run_ms, (uint64_t)duration_ms);
        forwarder->view.running = false;
        forwarder->due_ms = due_ms;
        uint64_t one = 1;
        if (forwarder->run_fd >= 0 && write(forwarder->run_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
                log_mgr(LOG_ERROR, "Nobody can be told that the run is over: %s", strerror(errno));
}

/* With the lock held; left without it. */
static void run(struct forwarder *forwarder)
{
        struct config *config;
        struct pass pass;
        begin_run(forwarder, &config);
        (void)pthread_mutex_unlock(&forwarder->lock); /* cannot fail on this kind of mutex */
        int64_t wall_ms = clock_wall_ms(), started_ms = clock_monotonic_ms();
        run_pass(forwarder, config, &pass);
        int64_t due_ms = plan(forwarder, config, &pass, started_ms);
        (void)pthread_mutex_lock(&forwarder->lock); /* as above */
        end_run(forwarder, &pass, wall_ms, clock_monotonic_ms() - started_ms, due_ms);
        config_unref(config);
}

static void *forwarder_thread(void *arg)
{
        struct forwarder *forwarder = arg;
        (void)pthread_setname_np(pthread_self(), "fspd-forwarder"); /* only a name */
        (void)pthread_mutex_lock(&forwarder->lock);                 /* as above */
        while (!forwarder->stop) {
                struct timespec until = { forwarder->due_ms / 1000, forwarder->due_ms % 1000 * 1000000 };
                if (forwarder->rung || clock_monotonic_ms() >= forwarder->due_ms)
                        run(forwarder);
                else
                        (void)pthread_cond_timedwait(&forwarder->wake, &forwarder->lock,
                                                     &until); /* looked at anew */
        }
        forwarder->ended = true;
        (void)pthread_cond_broadcast(&forwarder->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&forwarder->lock);   /* as above */
        return NULL;
}

uint64_t forwarder_ring(struct forwarder *forwarder)
{
        (void)pthread_mutex_lock(&forwarder->lock); /* as above */
        forwarder->rung = true;
        uint64_t number = forwarder->runs_begun + 1;
        (void)pthread_cond_broadcast(&forwarder->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&forwarder->lock);
        return number;
}

void forwarder_on_run(struct forwarder *forwarder, int fd)
{
        (void)pthread_mutex_lock(&forwarder->lock); /* as above */
        forwarder->run_fd = fd;
        (void)pthread_mutex_unlock(&forwarder->lock);
}

void forwarder_reload(struct forwarder *forwarder, struct config *config)
{
        (void)pthread_mutex_lock(&forwarder->lock); /* as above */
        /* A shorter interval counts from now on, a longer one from the next run. */
        int64_t latest_ms = clock_monotonic_ms() + config->forwarder.interval_ms;
        if (forwarder->due_ms > latest_ms)
                forwarder->due_ms = latest_ms;
        config_unref(forwarder->config);
        forwarder->config = config_ref(config);
        (void)pthread_cond_broadcast(&forwarder->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&forwarder->lock);
}

struct forwarder_view forwarder_view(struct forwarder *forwarder)
{
        (void)pthread_mutex_lock(&forwarder->lock); /* as above */
        struct forwarder_view view = forwarder->view;
        int64_t now_ms = clock_monotonic_ms(), left_ms = forwarder->due_ms - now_ms;
        view.next_run_ms = view.running ? CLOCK_UNKNOWN : clock_wall_ms() + (left_ms > 0 ? left_ms : 0);
        int64_t running_ms = now_ms - view.running_since_ms;
        view.late_ms = view.running ? (running_ms > STALLED_MS ? running_ms : 0) : left_ms < 0 ? -left_ms : 0;
        (void)pthread_mutex_unlock(&forwarder->lock);
        return view;
}

struct histogram_view forwarder_run_ms(struct forwarder *forwarder)
{
        return histogram_look(&forwarder->run_ms);
}

static void forwarder_free(struct forwarder *forwarder)
{
        query_close(forwarder->query);
        throttle_free(forwarder->throttle);
        fsutil_close_pointer(&forwarder->staging_fd);
        fsutil_close_pointer(&forwarder->corrupt_fd);
        config_unref(forwarder->config);
        free(forwarder);
}

static int build(struct forwarder *forwarder, struct config *config)
{
        int r = fsutil_open_folder(config->staging.directory, &forwarder->staging_fd);
        if (r == 0)
                r = fsutil_open_folder_at(forwarder->staging_fd, QUARANTINE_FOLDER, &forwarder->corrupt_fd);
        if (r == 0)
                r = query_open(config->ledger.file, &forwarder->query);
        if (r == 0)
                r = throttle_new(&forwarder->throttle);
        if (r == 0)
                r = throttle_load(forwarder->throttle, forwarder->query, config);
        return r == 0 ? -pthread_create(&forwarder->thread, NULL, forwarder_thread, forwarder) : r;
}

int forwarder_start(struct config *config, struct ledger *ledger,
                    void (*catch_up)(void *arg, int64_t deadline_ms), void *arg,
                    struct forwarder **ret_forwarder)
{
        struct forwarder *forwarder = calloc(1, sizeof(*forwarder));
        if (!forwarder)
                return -ENOMEM;
        forwarder->ledger = ledger;
        forwarder->catch_up = catch_up;
        forwarder->catch_up_arg = arg;
        forwarder->config = config_ref(config);
        forwarder->staging_fd = forwarder->corrupt_fd = forwarder->run_fd = -1;
        forwarder->run_ms.unit = 10;
        forwarder->view.success_ms = CLOCK_UNKNOWN;
        forwarder->due_ms = clock_monotonic_ms(); /* a start forwards at once */
        pthread_condattr_t attributes;
        (void)pthread_mutex_init(&forwarder->lock, NULL); /* cannot fail with default attributes */
        (void)pthread_condattr_init(&attributes);         /* likewise */
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&forwarder->wake, &attributes);
        int r = build(forwarder, config);
        if (r < 0) {
                forwarder_free(forwarder);
                return r;
        }
        *ret_forwarder = forwarder;
        return 0;
}

int forwarder_stop(struct forwarder *forwarder, int64_t deadline_ms)
{
        if (!forwarder)
                return 0;
        int64_t until_ms = clock_monotonic_ms() + deadline_ms;
        struct timespec until = { until_ms / 1000, until_ms % 1000 * 1000000 };
        int r = 0;
        (void)pthread_mutex_lock(&forwarder->lock); /* as above */
        forwarder->stop = true;
        (void)pthread_cond_broadcast(&forwarder->wake); /* cannot fail */
        while (!forwarder->ended && r == 0)
                r = pthread_cond_timedwait(&forwarder->wake, &forwarder->lock, &until);
        bool ended = forwarder->ended;
        (void)pthread_mutex_unlock(&forwarder->lock);
        if (!ended)
                return -ETIMEDOUT;
        (void)pthread_join(forwarder->thread, NULL); /* it was created and is joined once */
        forwarder_free(forwarder);
        return 0;
}
