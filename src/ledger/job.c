/* How work gets to the writer. */
#include "ledger_private.h"

#include <assert.h>

void ledger_submit_job(struct ledger *ledger, struct ledger_job *job)
{
        job->next = NULL;
        (void)pthread_mutex_lock(&ledger->lock); /* cannot fail on this kind of mutex */
        assert(!ledger->stopping);
        bool wake = ledger->first == NULL;
        *ledger->last = job;
        ledger->last = &job->next;
        if (wake)
                (void)pthread_cond_signal(&ledger->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&ledger->lock);
}

/* A job's caller who waits: his done is wrapped. */
struct waiter {
        struct ledger_job job;
        struct ledger_job *inner;
        pthread_mutex_t lock;
        pthread_cond_t over;
        bool finished;
        int result;
};

static int run_inner(struct ledger *ledger, struct ledger_job *job)
{
        struct waiter *waiter = (struct waiter *)job;
        return waiter->inner->run(ledger, waiter->inner);
}

static void wake_waiter(struct ledger_job *job, int result)
{
        struct waiter *waiter = (struct waiter *)job;
        (void)pthread_mutex_lock(&waiter->lock); /* as above */
        waiter->result = result;
        waiter->finished = true;
        (void)pthread_cond_signal(&waiter->over); /* cannot fail */
        (void)pthread_mutex_unlock(&waiter->lock);
}

int ledger_call(struct ledger *ledger, struct ledger_job *job)
{
        struct waiter waiter = { .job = { .run = run_inner, .done = wake_waiter },
                                 .inner = job,
                                 .lock = PTHREAD_MUTEX_INITIALIZER,
                                 .over = PTHREAD_COND_INITIALIZER };
        ledger_submit_job(ledger, &waiter.job);
        (void)pthread_mutex_lock(&waiter.lock); /* as above */
        while (!waiter.finished)
                (void)pthread_cond_wait(&waiter.over, &waiter.lock); /* cannot fail */
        (void)pthread_mutex_unlock(&waiter.lock);
        return waiter.result;
}
