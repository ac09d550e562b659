/* How work gets to the writer. */
#include "ledger_private.h"

#include "fsp/clock.h"
#include <assert.h>

static void submit(struct ledger *ledger, struct ledger_queue *queue, struct ledger_job *job)
{
        job->next = NULL;
        (void)pthread_mutex_lock(&ledger->lock); /* cannot fail on this kind of mutex */
        assert(!ledger->stopping);
        bool wake = queue->first == NULL;
        if (wake)
                queue->last = &queue->first;
        *queue->last = job;
        queue->last = &job->next;
        if (wake)
                (void)pthread_cond_signal(&ledger->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&ledger->lock);
}

void ledger_submit_job(struct ledger *ledger, struct ledger_job *job)
{
        submit(ledger, &ledger->orders, job);
}

void ledger_submit_message(struct ledger *ledger, struct ledger_job *job)
{
        submit(ledger, &ledger->messages, job);
}

void ledger_pace(struct ledger *ledger, int64_t messages, int64_t for_ms)
{
        (void)pthread_mutex_lock(&ledger->lock); /* as above */
        ledger->pace_left = messages;
        ledger->pace_until_ms = clock_monotonic_ms() + for_ms;
        if (ledger->messages.first)
                (void)pthread_cond_signal(&ledger->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&ledger->lock);
}

/* Who stops, or refuses all, makes nobody wait. */
static int64_t messages_allowed(const struct ledger *ledger)
{
        bool paced = !ledger->stopping && !ledger->fault && clock_monotonic_ms() < ledger->pace_until_ms;
        return paced ? ledger->pace_left : INT64_MAX;
}

void ledger_await_jobs(struct ledger *ledger, int64_t until_ms)
{
        int r = 0;
        while (!ledger->orders.first && !ledger->stopping && r == 0) {
                int64_t next_ms = until_ms;
                if (ledger->messages.first) {
                        if (messages_allowed(ledger) > 0)
                                return;
                        if (ledger->pace_until_ms < next_ms)
                                next_ms = ledger->pace_until_ms;
                }
                struct timespec until = { next_ms / 1000, next_ms % 1000 * 1000000 };
                r = pthread_cond_timedwait(&ledger->wake, &ledger->lock, &until);
        }
}

static int64_t take(struct ledger_queue *queue, int64_t most, struct ledger_job ***end)
{
        int64_t count = 0;
        while (queue->first && count < most) {
                **end = queue->first;
                *end = &queue->first->next;
                queue->first = queue->first->next;
                count++;
        }
        return count;
}

struct ledger_job *ledger_take_jobs(struct ledger *ledger, int64_t most)
{
        struct ledger_job *batch = NULL, **end = &batch;
        most -= take(&ledger->orders, most, &end);
        int64_t allowed = messages_allowed(ledger);
        int64_t taken = take(&ledger->messages, allowed < most ? allowed : most, &end);
        ledger->pace_left -= taken < ledger->pace_left ? taken : ledger->pace_left;
        *end = NULL;
        return batch;
}

static int run_inner(struct ledger *ledger, struct ledger_job *job)
{
        struct ledger_waiter *waiter = (struct ledger_waiter *)job;
        return waiter->inner->run(ledger, waiter->inner);
}

static void wake_waiter(struct ledger_job *job, int result)
{
        struct ledger_waiter *waiter = (struct ledger_waiter *)job;
        if (result == 0 && waiter->go_on && waiter->go_on(waiter->inner)) {
                ledger_submit_job(waiter->ledger, job);
                return;
        }
        (void)pthread_mutex_lock(&waiter->lock); /* as above */
        waiter->result = result;
        waiter->finished = true;
        (void)pthread_cond_signal(&waiter->over); /* cannot fail */
        (void)pthread_mutex_unlock(&waiter->lock);
}

void ledger_begin_call(struct ledger *ledger, struct ledger_job *job, bool (*go_on)(struct ledger_job *job),
                       struct ledger_waiter *waiter)
{
        *waiter = (struct ledger_waiter){ .job = { .run = run_inner, .done = wake_waiter },
                                          .ledger = ledger,
                                          .inner = job,
                                          .go_on = go_on,
                                          .lock = PTHREAD_MUTEX_INITIALIZER,
                                          .over = PTHREAD_COND_INITIALIZER };
        ledger_submit_job(ledger, &waiter->job);
}

int ledger_end_call(struct ledger_waiter *waiter)
{
        (void)pthread_mutex_lock(&waiter->lock); /* as above */
        while (!waiter->finished)
                (void)pthread_cond_wait(&waiter->over, &waiter->lock); /* cannot fail */
        (void)pthread_mutex_unlock(&waiter->lock);
        return waiter->result;
}

int ledger_call(struct ledger *ledger, struct ledger_job *job)
{
        struct ledger_waiter waiter;
        ledger_begin_call(ledger, job, NULL, &waiter);
        return ledger_end_call(&waiter);
}
