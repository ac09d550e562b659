#include "settler.h"

#include "fsp/delivery.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settler {
        struct ledger *ledger;
        int folder_fd;
        pthread_t thread;
        atomic_bool has_failed_to_flush;

        pthread_mutex_t lock; /* for all below */
        pthread_cond_t changed;
        bool stop;
        int result;   /* of the last batch, until it is told */
        size_t count; /* of the batch in hand; 0: none */
        int64_t seqs[];
};

static int settle(struct settler *settler)
{
        if (syncfs(settler->folder_fd) < 0) {
                int r = -errno;
                settler->has_failed_to_flush = true;
                return r;
        }
        return delivery_mark_staged(settler->ledger, settler->seqs, settler->count);
}

static void *settler_thread(void *arg)
{
        struct settler *settler = arg;
        (void)pthread_setname_np(pthread_self(), "fspd-settler"); /* only a name */
        (void)pthread_mutex_lock(&settler->lock);                 /* cannot fail on this kind of mutex */
        for (;;) {
                while (settler->count == 0 && !settler->stop)
                        (void)pthread_cond_wait(&settler->changed, &settler->lock); /* cannot fail */
                if (settler->count == 0)
                        break;
                (void)pthread_mutex_unlock(&settler->lock); /* the batch stays as it is until count is 0 */
                int r = settle(settler);
                (void)pthread_mutex_lock(&settler->lock); /* as above */
                settler->result = r;
                settler->count = 0;
                (void)pthread_cond_broadcast(&settler->changed); /* cannot fail */
        }
        (void)pthread_mutex_unlock(&settler->lock);
        return NULL;
}

/* With the lock held. */
static int await(struct settler *settler)
{
        while (settler->count > 0)
                (void)pthread_cond_wait(&settler->changed, &settler->lock); /* cannot fail */
        int r = settler->result;
        settler->result = 0;
        return r;
}

int settler_take(struct settler *settler, const int64_t *seqs, size_t count)
{
        (void)pthread_mutex_lock(&settler->lock); /* as above */
        int r = await(settler);
        if (r == 0) {
                memcpy(settler->seqs, seqs, count * sizeof(*seqs));
                settler->count = count;
                (void)pthread_cond_broadcast(&settler->changed); /* cannot fail */
        }
        (void)pthread_mutex_unlock(&settler->lock);
        return r;
}

int settler_await(struct settler *settler)
{
        (void)pthread_mutex_lock(&settler->lock); /* as above */
        int r = await(settler);
        (void)pthread_mutex_unlock(&settler->lock);
        return r;
}

bool settler_has_failed_to_flush(const struct settler *settler)
{
        return settler->has_failed_to_flush;
}

int settler_start(struct ledger *ledger, int folder_fd, size_t capacity, struct settler **ret_settler)
{
        struct settler *settler = calloc(1, sizeof(*settler) + capacity * sizeof(settler->seqs[0]));
        if (!settler)
                return -ENOMEM;
        settler->ledger = ledger;
        settler->folder_fd = folder_fd;
        (void)pthread_mutex_init(&settler->lock, NULL);   /* cannot fail with default attributes */
        (void)pthread_cond_init(&settler->changed, NULL); /* likewise */
        int r = -pthread_create(&settler->thread, NULL, settler_thread, settler);
        if (r < 0) {
                free(settler);
                return r;
        }
        *ret_settler = settler;
        return 0;
}

void settler_stop(struct settler *settler)
{
        if (!settler)
                return;
        (void)pthread_mutex_lock(&settler->lock); /* as above */
        settler->stop = true;
        (void)pthread_cond_broadcast(&settler->changed); /* cannot fail */
        (void)pthread_mutex_unlock(&settler->lock);
        (void)pthread_join(settler->thread, NULL); /* it was created and is joined once */
        free(settler);
}
