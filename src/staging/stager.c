/* From a row's body to a file in staging/. */
#include "fsp/stager.h"

#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include "fsp/quarantine.h"
#include "fsp/query.h"
#include "pace.h"
#include "settler.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Files of one syncfs: enough that its cost is shared, few enough that a
 * message is staged soon. */
#ifndef BATCH /* smaller in a test */
#define BATCH 512
#endif
#define RETRY_MS 1000
#ifndef QUIET_MS    /* longer in a test */
#define QUIET_MS 50 /* no bell for so long: the burst is over, or pauses; a checkpoint may take 20 */
#endif
/* Where messages would be files too late, intake takes half as many as became
 * files.  A batch that takes longer than this lets all pass: where staging is
 * slow or hangs, the ledger is there to take them. */
#define PACE_MESSAGES (BATCH / 2)
#ifndef PACE_MS /* likewise */
#define PACE_MS 500
#endif

struct stager {
        struct ledger *ledger;
        struct query *query;
        int folder_fd, corrupt_fd;
        struct quarantine quarantine;
        struct settler *settler;
        pthread_t thread;
        atomic_int fault;     /* set by the thread; said once */
        struct pace pace;     /* the thread's, as all that follows */
        int64_t written_seq;  /* the highest of all files */
        int64_t doubtful_seq; /* up to it, files may not be what they seem */
        struct query_pending rows[2 * BATCH];
        int64_t seqs[BATCH]; /* of the latest batch, which the settler may have in hand */
        size_t seq_count;

        pthread_mutex_t lock; /* for all below */
        pthread_cond_t wake;
        bool rung, idle, stop;
        uint64_t wanted, finished; /* stager_catch_up: asked for, done */
        pthread_cond_t caught_up;
};

/* A crash, or an order to send it again, has left a file of that name.  The very
 * same one stays, since it may be on its way into an inbox; but not after a flush
 * that failed, since what is read need not be on disk then, nor ever be. */
static int stage_again(struct stager *stager, const struct query_pending *row, const char *final,
                       const unsigned char *body, size_t size)
{
        char temporary[NAME_SIZE];
        AUTO_FREE unsigned char *there = NULL;
        size_t size_there;
        int r = row->name.seq <= stager->doubtful_seq
                        ? -EIO
                        : fsutil_read_at(stager->folder_fd, final, size, &there, &size_there);
        if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                return r;
        if (r == 0 && size_there == size && memcmp(there, body, size) == 0)
                return 0;
        return fsutil_write_whole(stager->folder_fd,
                                  name_format_file(&row->name, NAME_TEMPORARY_SUFFIX, temporary), final, body,
                                  size);
}

static int stage_one(struct stager *stager, const struct query_pending *row)
{
        char final[NAME_SIZE];
        AUTO_FREE unsigned char *body = NULL;
        size_t size;
        int r = query_body(stager->query, row->name.seq, &body, &size);
        if (r < 0)
                return r;
        if (!ledger_digest_fits(body, size, row->digest))
                return -EUCLEAN;
        r = fsutil_write_new(stager->folder_fd, name_format_file(&row->name, NAME_SUFFIX, final), body, size);
        return r == -EEXIST ? stage_again(stager, row, final, body, size) : r;
}

static bool is_lost(int r)
{
        return r == -ENODATA || r == -EUCLEAN;
}

/* What waits for its file, but for what the settler has in hand; the oldest first. */
static int find_rows(struct stager *stager, size_t *ret_count)
{
        size_t found = 0, count = 0, taken = 0;
        int r = query_pending(stager->query, DELIVERY_RECEIVED, 0, BATCH + stager->seq_count, stager->rows,
                              &found);
        for (size_t i = 0; i < found && count < BATCH; i++) {
                int64_t seq = stager->rows[i].name.seq;
                while (taken < stager->seq_count && stager->seqs[taken] < seq)
                        taken++;
                if (taken == stager->seq_count || stager->seqs[taken] != seq)
                        stager->rows[count++] = stager->rows[i];
        }
        *ret_count = count;
        return r;
}

/* Writes the files of a batch, in one view of the ledger. */
static int write_files(struct stager *stager, size_t *ret_count)
{
        size_t count = 0;
        int r = query_begin(stager->query);
        if (r < 0)
                return r;
        r = find_rows(stager, &count);
        if (count > 0 && stager->rows[count - 1].name.seq > stager->written_seq)
                stager->written_seq = stager->rows[count - 1].name.seq;
        stager->seq_count = 0;
        for (size_t i = 0; r == 0 && i < count; i++) {
                r = stage_one(stager, &stager->rows[i]);
                if (r == -EUCLEAN) /* SQLite says so of a read that failed once, too */
                        r = stage_one(stager, &stager->rows[i]);
                if (r == 0)
                        stager->seqs[stager->seq_count++] = stager->rows[i].name.seq;
                else if (is_lost(r)) /* it must not hold up the others */
                        r = quarantine_message(&stager->quarantine, &stager->rows[i],
                                               "the ledger no longer has its bytes as received");
        }
        query_end(stager->query);
        *ret_count = count;
        return r;
}

/* The number of messages, 0 when there are none, -errno.  A full batch is settled
 * while the next is written; else nothing is left to settle. */
static int stage_batch(struct stager *stager)
{
        size_t count = 0;
        int r = write_files(stager, &count), settled = 0;
        if (r == 0 && stager->seq_count > 0)
                settled = settler_take(stager->settler, stager->seqs, stager->seq_count);
        if (r == 0 && settled == 0 && count == BATCH)
                return BATCH;
        if (settled == 0)
                settled = settler_await(stager->settler);
        if (settled < 0 && settler_has_failed_to_flush(stager->settler))
                stager->doubtful_seq = stager->written_seq;
        stager->seq_count = 0;
        if (r == 0)
                r = settled;
        return r < 0 ? r : (int)count;
}

static void say(struct stager *stager, int r)
{
        if (r < 0 && stager->fault == 0)
                log_mgr(LOG_ERROR,
                        "Received messages cannot be written to staging: %s; they are kept in the ledger",
                        strerror(-r));
        else if (r >= 0 && stager->fault)
                log_mgr(LOG_INFO, "Received messages are written to staging again");
        /* Twice in a row, a second apart: that is no read that failed once. */
        if (r == -EUCLEAN && stager->fault == -EUCLEAN)
                ledger_doubt(stager->ledger);
        stager->fault = r < 0 ? r : 0;
}

/* With the lock held: the time passes, unless it is to stop or somebody waits for files. */
static void rest(struct stager *stager, int64_t ms)
{
        int64_t until_ms = clock_monotonic_ms() + ms;
        struct timespec until = { until_ms / 1000, until_ms % 1000 * 1000000 };
        uint64_t wanted = stager->wanted;
        int r = 0;
        while (!stager->stop && stager->wanted == wanted && r == 0)
                r = pthread_cond_timedwait(&stager->wake, &stager->lock, &until);
}

static int64_t waiting(const struct stager *stager)
{
        return (int64_t)ledger_totals(stager->ledger).received;
}

/* With the lock held, after a bell: lets a burst pass. */
static void give_way(struct stager *stager)
{
        while (stager->rung && !stager->stop && stager->finished == stager->wanted &&
               pace_let_pass(&stager->pace, waiting(stager), clock_monotonic_ms())) {
                stager->rung = false;
                rest(stager, QUIET_MS);
        }
        stager->rung = false;
}

/* Waits for work, or a little before the next try.  False: stop. */
static bool wait_for_work(struct stager *stager, bool retry)
{
        (void)pthread_mutex_lock(&stager->lock); /* cannot fail on this kind of mutex */
        if (retry) {
                stager->rung = false;
                rest(stager, RETRY_MS);
        } else {
                stager->idle = true;
                while (!stager->stop && !stager->rung)
                        (void)pthread_cond_wait(&stager->wake, &stager->lock); /* cannot fail */
                stager->idle = false;
                pace_begin(&stager->pace, clock_monotonic_ms());
                give_way(stager);
        }
        bool go_on = !stager->stop;
        (void)pthread_mutex_unlock(&stager->lock);
        return go_on;
}

/* After a batch that began then.  Only who makes files at their best may hold intake back. */
static void keep_pace(struct stager *stager, int r, int64_t began_us)
{
        int64_t now_us = clock_monotonic_us();
        pace_learn(&stager->pace, r == BATCH ? BATCH : 0, now_us - began_us);
        bool late = r == BATCH && pace_is_late(&stager->pace, waiting(stager), now_us / 1000);
        ledger_pace(stager->ledger, PACE_MESSAGES, late ? PACE_MS : 0);
}

/* A batch that was not full has staged all that was there when it began. */
static void tell_progress(struct stager *stager, uint64_t wanted, int r)
{
        if (r < 0)
                return;
        (void)pthread_mutex_lock(&stager->lock); /* as above */
        if (r == BATCH) {
                give_way(stager); /* the burst had only paused */
        } else {
                stager->finished = wanted;
                (void)pthread_cond_broadcast(&stager->caught_up); /* cannot fail */
        }
        (void)pthread_mutex_unlock(&stager->lock);
}

static bool look(struct stager *stager, uint64_t *ret_wanted)
{
        (void)pthread_mutex_lock(&stager->lock); /* as above */
        *ret_wanted = stager->wanted;
        bool go_on = !stager->stop;
        (void)pthread_mutex_unlock(&stager->lock);
        return go_on;
}

static void *stager_thread(void *arg)
{
        struct stager *stager = arg;
        (void)pthread_setname_np(pthread_self(), "fspd-stager"); /* only a name */
        do {
                uint64_t wanted;
                int r = BATCH;
                /* One that was not full was the last: what came since has rung, and may
                 * be another burst. */
                while (r == BATCH && look(stager, &wanted)) {
                        int64_t began_us = clock_monotonic_us();
                        r = stage_batch(stager);
                        say(stager, r);
                        keep_pace(stager, r, began_us);
                        tell_progress(stager, wanted, r);
                }
        } while (wait_for_work(stager, stager->fault != 0));
        return NULL;
}

void stager_catch_up(void *arg, int64_t deadline_ms)
{
        struct stager *stager = arg;
        int64_t until_ms = clock_monotonic_ms() + deadline_ms;
        struct timespec until = { until_ms / 1000, until_ms % 1000 * 1000000 };
        int r = 0;
        (void)pthread_mutex_lock(&stager->lock); /* as above */
        uint64_t wanted = ++stager->wanted;
        stager->rung = true;
        (void)pthread_cond_signal(&stager->wake); /* cannot fail */
        while (stager->finished < wanted && !stager->stop && r == 0)
                r = pthread_cond_timedwait(&stager->caught_up, &stager->lock, &until);
        (void)pthread_mutex_unlock(&stager->lock);
}

int stager_fault(const struct stager *stager)
{
        return stager->fault;
}

void stager_ring(void *arg)
{
        struct stager *stager = arg;
        (void)pthread_mutex_lock(&stager->lock); /* as above */
        stager->rung = true;
        if (stager->idle)                                 /* else it looks by itself, and each commit rings */
                (void)pthread_cond_signal(&stager->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&stager->lock);
}

static void stager_free(struct stager *stager)
{
        settler_stop(stager->settler);
        query_close(stager->query);
        fsutil_close_pointer(&stager->folder_fd);
        fsutil_close_pointer(&stager->corrupt_fd);
        free(stager);
}

static int open_places(struct stager *stager, const struct config *config)
{
        int r = fsutil_open_folder(config->staging.directory, &stager->folder_fd);
        if (r == 0)
                r = fsutil_open_folder_at(stager->folder_fd, QUARANTINE_FOLDER, &stager->corrupt_fd);
        if (r == 0)
                r = query_open(config->ledger.file, &stager->query);
        stager->quarantine = (struct quarantine){ .ledger = stager->ledger,
                                                  .query = stager->query,
                                                  .staging_fd = stager->folder_fd,
                                                  .corrupt_fd = stager->corrupt_fd };
        return r;
}

int stager_start(struct config *config, struct ledger *ledger, struct stager **ret_stager)
{
        struct stager *stager = calloc(1, sizeof(*stager));
        if (!stager)
                return -ENOMEM;
        stager->ledger = ledger;
        stager->folder_fd = stager->corrupt_fd = -1;
        pace_init(&stager->pace, clock_monotonic_ms());
        pthread_condattr_t attributes;
        (void)pthread_mutex_init(&stager->lock, NULL); /* cannot fail with default attributes */
        (void)pthread_condattr_init(&attributes);      /* likewise */
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&stager->wake, &attributes);
        (void)pthread_cond_init(&stager->caught_up, &attributes);
        int r = open_places(stager, config);
        if (r == 0)
                r = settler_start(ledger, stager->folder_fd, BATCH, &stager->settler);
        if (r == 0)
                r = -pthread_create(&stager->thread, NULL, stager_thread, stager);
        if (r < 0) {
                stager_free(stager);
                return r;
        }
        ledger_on_received(ledger, stager_ring, stager);
        *ret_stager = stager;
        return 0;
}

void stager_stop(struct stager *stager)
{
        if (!stager)
                return;
        ledger_on_received(stager->ledger, NULL, NULL);
        (void)pthread_mutex_lock(&stager->lock); /* as above */
        stager->stop = true;
        (void)pthread_cond_signal(&stager->wake);         /* cannot fail */
        (void)pthread_cond_broadcast(&stager->caught_up); /* likewise */
        (void)pthread_mutex_unlock(&stager->lock);
        (void)pthread_join(stager->thread, NULL); /* it was created and is joined once */
        ledger_pace(stager->ledger, 0, 0);
        stager_free(stager);
}
