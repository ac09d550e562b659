/* The writer: one thread, one connection, one COMMIT for all who wait. */
#include "ledger_private.h"

#include "checkpoint.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include "recent.h"
#include "rollup.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Jobs in one transaction: enough that a commit serves everybody who waits,
 * few enough that its memory stays small. */
#define BATCH_MAX 2048
#define RETRY_MS 1000
#define TIDY_MS 60000
#define TIDY_AGAIN_MS 50
#define TIDY_PAUSE 10  /* while busy, times as long as the step took */
#define LEISURE_MS 200 /* so long after a batch; those of a run that forwards follow sooner */
#define ROLL_PAUSE 30  /* times as long as the step took */
#define RUSH_MS 10000
#define RUSH_PAUSE_MS 20
#define RUSH_OVER_MS 1000 /* then the next message begins another */

void ledger_count(struct ledger *ledger, enum delivery from, enum delivery to, int64_t size)
{
        if (from == LEDGER_NOWHERE && to == DELIVERY_RECEIVED)
                ledger->accepted++;
        if (to == DELIVERY_FORWARDED)
                ledger->forwarded++;
        if (from < DELIVERY_COUNT)
                ledger->delta[from]--;
        if (to < DELIVERY_COUNT)
                ledger->delta[to]++;
        bool held_before = from < DELIVERY_COUNT && from != DELIVERY_FORWARDED;
        bool held_after = to < DELIVERY_COUNT && to != DELIVERY_FORWARDED;
        ledger->delta_bytes += size * ((int)held_after - (int)held_before);
        ledger->delta_room +=
                LEDGER_FILE_ROOM(size) * ((int)(to == DELIVERY_RECEIVED) - (int)(from == DELIVERY_RECEIVED));
}

static int attach(struct ledger *ledger)
{
        int r = ledger_connect(ledger->path, true, &ledger->db);
        /* Without an orderly stop the WAL stays: its absence means damage. */
        if (r == 0)
                r = ledger_errno(sqlite3_db_config(ledger->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL));
        if (r == 0)
                checkpoint_watch(ledger);
        return r;
}

static void detach(struct ledger *ledger)
{
        ledger_finalize(ledger);
        if (sqlite3_close(ledger->db) != SQLITE_OK)
                log_mgr(LOG_ERROR, "The ledger %s did not close in order", ledger->path);
        ledger->db = NULL;
}

/* After a fault nothing is tried again on the same open file: the kernel may
 * have dropped what it could not write and call the next fsync a success.  A
 * new connection reads what is there, and a commit of its own must succeed. */
static int reattach(struct ledger *ledger)
{
        if (ledger->db)
                detach(ledger);
        int r = attach(ledger);
        if (r == 0) {
                int result = sqlite3_wal_checkpoint_v2(ledger->db, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL);
                r = (result & 0xFF) == SQLITE_BUSY ? 0 : ledger_errno(result); /* a reader is at work */
        }
        sqlite3_stmt *probe = r == 0 ? ledger_statement(ledger, STATEMENT_PROBE) : NULL;
        if (r == 0 && !probe)
                r = -EIO;
        if (r == 0)
                r = ledger_errno(sqlite3_bind_int64(probe, 1, clock_wall_ms()));
        if (r == 0)
                r = ledger_run(ledger, probe);
        return r == 0 ? recent_load(ledger) : r;
}

static void go_offline(struct ledger *ledger, int fault)
{
        int before = ledger->fault;
        do {
                if (before == -EUCLEAN)
                        return; /* damage stays: see ledger_doubt */
        } while (!atomic_compare_exchange_weak(&ledger->fault, &before, fault));
        if (before == 0)
                log_mgr(LOG_ERROR, "The ledger %s cannot be written: %s; clients get 503 until it can",
                        ledger->path, strerror(-fault));
        ledger->retry_ms = clock_monotonic_ms() + RETRY_MS;
}

static void try_online(struct ledger *ledger)
{
        int r = reattach(ledger);
        if (r < 0) {
                go_offline(ledger, r);
                return;
        }
        int before = ledger->fault;
        if (before != -EUCLEAN && atomic_compare_exchange_strong(&ledger->fault, &before, 0))
                log_mgr(LOG_INFO, "The ledger %s can be written again; messages are taken", ledger->path);
}

static void answer(struct ledger_job *job, int result)
{
        while (job) {
                struct ledger_job *next = job->next; /* done may give the job away */
                job->done(job, result);
                job = next;
        }
}

static int run_batch(struct ledger *ledger, struct ledger_job *job)
{
        uint64_t jobs = 0;
        int r = ledger_run_simple(ledger, STATEMENT_BEGIN);
        if (r < 0)
                return r;
        for (; r == 0 && job; job = job->next, jobs++)
                r = job->run(ledger, job);
        histogram_add(&ledger->batch, jobs);
        if (r == 0)
                r = ledger_count_hour(ledger);
        if (r == 0)
                r = recent_move(ledger);
        if (r == 0)
                r = ledger_run_simple(ledger, STATEMENT_COMMIT);
        if (r < 0 && !sqlite3_get_autocommit(ledger->db))
                (void)ledger_run_simple(ledger, STATEMENT_ROLLBACK); /* the connection is given up anyway */
        return r;
}

static void settle_totals(struct ledger *ledger)
{
        for (int i = 0; i < DELIVERY_COUNT; i++)
                ledger->totals[i] += ledger->delta[i];
        ledger->bytes += ledger->delta_bytes;
        ledger->received_room += ledger->delta_room;
        ledger->commits++;
}

static void checkpoint(struct ledger *ledger, bool more)
{
        int r = checkpoint_if_due(ledger, more);
        if (r < 0)
                go_offline(ledger, r);
}

static void ring_stager(struct ledger *ledger)
{
        (void)pthread_mutex_lock(&ledger->lock); /* cannot fail on this kind of mutex */
        void (*ring)(void *) = ledger->ring;
        void *arg = ledger->ring_arg;
        (void)pthread_mutex_unlock(&ledger->lock);
        if (ring)
                ring(arg);
}

static void carry_out(struct ledger *ledger, struct ledger_job *batch)
{
        if (ledger->fault) {
                answer(batch, ledger->fault);
                return;
        }
        memset(ledger->delta, 0, sizeof(ledger->delta));
        ledger->delta_bytes = ledger->delta_room = 0;
        ledger->accepted = ledger->forwarded = 0;
        int r = run_batch(ledger, batch);
        if (r == 0)
                settle_totals(ledger);
        else
                go_offline(ledger, r);
        answer(batch, r);
        if (r == 0) {
                if (ledger->delta[DELIVERY_RECEIVED] > 0)
                        ring_stager(ledger);
                if (ledger->delta[DELIVERY_STAGED] != 0)
                        checkpoint_note_files(ledger);
                checkpoint(ledger, false);
        }
}

/* In the first seconds of a rush nothing but intake is done, until it pauses. */
static void note_rush(struct ledger *ledger)
{
        int64_t now_ms = clock_monotonic_ms(), pause_ms = now_ms + RUSH_PAUSE_MS;
        if (now_ms - ledger->batch_ms > RUSH_OVER_MS)
                ledger->rush_ms = now_ms;
        ledger->batch_ms = now_ms;
        if (now_ms - ledger->rush_ms >= RUSH_MS)
                return;
        if (ledger->roll_ms < pause_ms)
                ledger->roll_ms = pause_ms;
        if (ledger->retention_ms < pause_ms)
                ledger->retention_ms = pause_ms;
}

static int64_t next_tidying_ms(const struct ledger *ledger, bool more, bool busy, int64_t took_ms)
{
        int64_t half_ms = ledger->batch_config->ledger.retention_ms / 2;
        if (!more)
                return half_ms < TIDY_MS ? half_ms : TIDY_MS;
        int64_t pause_ms = busy ? (took_ms + 1) * TIDY_PAUSE : 0;
        return pause_ms > TIDY_AGAIN_MS ? pause_ms : TIDY_AGAIN_MS;
}

static void tidy(struct ledger *ledger)
{
        int64_t began_ms = clock_monotonic_ms();
        if (ledger->fault || began_ms < ledger->retention_ms)
                return;
        bool busy = began_ms - ledger->batch_ms < LEISURE_MS;
        int more = ledger_tidy(ledger, busy);
        if (more < 0)
                go_offline(ledger, more);
        int64_t ended_ms = clock_monotonic_ms();
        ledger->retention_ms = ended_ms + next_tidying_ms(ledger, more > 0, busy, ended_ms - began_ms);
        if (!busy) /* else who comes next would wait for both */
                checkpoint(ledger, more > 0);
}

/* What is known of the clients moves on when nobody waits; in a steady rush
 * only for so small a part of the time that intake does not notice. */
static void roll(struct ledger *ledger, bool busy)
{
        int64_t began_ms = clock_monotonic_ms();
        if (ledger->fault || began_ms < ledger->roll_ms)
                return;
        int r = rollup_step(ledger, busy);
        if (r < 0)
                go_offline(ledger, r);
        if (r <= 0)
                return;
        int64_t ended_ms = clock_monotonic_ms();
        ledger->roll_ms = ended_ms + (busy ? (ended_ms - began_ms + 1) * ROLL_PAUSE : 0);
        if (!busy) /* else who comes next would wait for both */
                checkpoint(ledger, false);
}

/* Waits for jobs, or for the time of the next chore.  NULL on a chore or
 * the end. */
static struct ledger_job *next_batch(struct ledger *ledger, bool *ret_end)
{
        (void)pthread_mutex_lock(&ledger->lock); /* as in ring_stager */
        int64_t until_ms = ledger->fault == -EUCLEAN ? clock_monotonic_ms() + RETRY_MS
                           : ledger->fault           ? ledger->retry_ms
                                                     : ledger->retention_ms;
        if (!ledger->fault && rollup_is_behind(ledger) && ledger->roll_ms < until_ms)
                until_ms = ledger->roll_ms;
        ledger_await_jobs(ledger, until_ms);
        struct ledger_job *batch = ledger_take_jobs(ledger, BATCH_MAX);
        *ret_end = ledger->stopping && !batch;
        config_unref(ledger->batch_config);
        ledger->batch_config = config_ref(ledger->config);
        (void)pthread_mutex_unlock(&ledger->lock);
        return batch;
}

static void *writer(void *arg)
{
        struct ledger *ledger = arg;
        bool end = false;
        (void)pthread_setname_np(pthread_self(), "fspd-writer"); /* only a name */
        while (!end) {
                struct ledger_job *batch = next_batch(ledger, &end);
                if (batch) {
                        carry_out(ledger, batch);
                        note_rush(ledger);
                }
                if (ledger->fault && ledger->fault != -EUCLEAN && !end &&
                    clock_monotonic_ms() >= ledger->retry_ms)
                        try_online(ledger);
                tidy(ledger);
                roll(ledger, batch != NULL);
        }
        return NULL;
}

void ledger_doubt(struct ledger *ledger)
{
        ledger->fault = -EUCLEAN;
}

struct histogram_view ledger_batches(struct ledger *ledger)
{
        return histogram_look(&ledger->batch);
}

bool ledger_is_suspect(struct ledger *ledger)
{
        return ledger->suspect;
}

static int lock_ledger(struct ledger *ledger)
{
        char name[PATH_MAX];
        if (snprintf(name, sizeof(name), "%s.lock", ledger->path) >= (int)sizeof(name))
                return -ENAMETOOLONG;
        ledger->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
        if (ledger->lock_fd < 0)
                return -errno;
        return flock(ledger->lock_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int start_writer(struct ledger *ledger)
{
        pthread_condattr_t attributes;
        int r = pthread_condattr_init(&attributes);
        if (r == 0)
                r = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (r == 0)
                r = pthread_cond_init(&ledger->wake, &attributes);
        if (r == 0)
                r = pthread_create(&ledger->thread, NULL, writer, ledger);
        return -r;
}

static void release(struct ledger *ledger)
{
        if (ledger->db)
                detach(ledger); /* the last one out: the WAL goes into the ledger and is deleted */
        recent_free(ledger->recent);
        params_free(&ledger->params);
        fsutil_close_pointer(&ledger->lock_fd);
        config_unref(ledger->config);
        config_unref(ledger->batch_config);
        free(ledger->path);
        free(ledger);
}

int ledger_open(struct config *config, const struct ledger_damaged *damaged, struct ledger **ret_ledger)
{
        struct ledger *ledger = calloc(1, sizeof(*ledger));
        if (!ledger)
                return -ENOMEM;
        ledger->lock_fd = -1;
        ledger->batch.unit = 1;
        ledger->config = config_ref(config);
        ledger->batch_config = config_ref(config);
        ledger->path = strdup(config->ledger.file);
        (void)pthread_mutex_init(&ledger->lock, NULL); /* cannot fail with default attributes */
        int r = ledger->path ? lock_ledger(ledger) : -ENOMEM;
        if (r == 0) {
                ledger->wal_has_lost = ledger_wal_has_lost(ledger->path);
                r = attach(ledger);
        }
        bool suspect = false;
        if (r == 0 && damaged)
                r = ledger_salvage(ledger->db, damaged, &suspect);
        if (r == 0)
                r = ledger_load(ledger);
        ledger->suspect = ledger->suspect || suspect;
        if (r == 0)
                r = start_writer(ledger);
        if (r < 0) {
                release(ledger);
                return r;
        }
        *ret_ledger = ledger;
        return 0;
}

void ledger_close(struct ledger *ledger)
{
        if (!ledger)
                return;
        (void)pthread_mutex_lock(&ledger->lock); /* as in ring_stager */
        ledger->stopping = true;
        (void)pthread_cond_signal(&ledger->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&ledger->lock);
        (void)pthread_join(ledger->thread, NULL); /* it was created and is joined once */
        if (ledger->fault == 0)
                ledger_mark_stopped(ledger);
        release(ledger);
}

void ledger_reload(struct ledger *ledger, struct config *config)
{
        (void)pthread_mutex_lock(&ledger->lock); /* as in ring_stager */
        config_unref(ledger->config);
        ledger->config = config_ref(config);
        (void)pthread_mutex_unlock(&ledger->lock);
}

void ledger_on_received(struct ledger *ledger, void (*ring)(void *arg), void *arg)
{
        (void)pthread_mutex_lock(&ledger->lock); /* as in ring_stager */
        ledger->ring = ring;
        ledger->ring_arg = arg;
        (void)pthread_mutex_unlock(&ledger->lock);
}
