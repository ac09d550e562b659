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

static int run_inner(struct ledger *ledger, struct ledger_job *job)
{
        struct ledger_waiter *waiter = (struct ledger_waiter *)job;
        return waiter->inner->run(ledger, waiter->inner);
}

static void wake_waiter(struct ledger_job *job, int result)
{
        struct ledger_waiter *waiter = (struct ledger_waiter *)job;
        (void)pthread_mutex_lock(&waiter->lock); /* as above */
        waiter->result = result;
        waiter->finished = true;
        (void)pthread_cond_signal(&waiter->over); /* cannot fail */
        (void)pthread_mutex_unlock(&waiter->lock);
}

void ledger_begin_call(struct ledger *ledger, struct ledger_job *job, struct ledger_waiter *waiter)
{
        *waiter = (struct ledger_waiter){ .job = { .run = run_inner, .done = wake_waiter },
                                          .inner = job,
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
        ledger_begin_call(ledger, job, &waiter);
        return ledger_end_call(&waiter);
}
