/* The thread that makes the files, and the one that makes them durable meanwhile. */
#include "rungs_files.h"

#include "fsp/fsutil.h"
#include "ledger/body.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUP_MAX 512 /* as the stager */
#define PACKED_MAX 65536

struct files {
        FILE *flat;
        int folder_fd;
        uint64_t made; /* the thread's */
        unsigned char packed[PACKED_MAX];
        pthread_t thread, settling_thread;

        pthread_mutex_t lock; /* for all below */
        pthread_cond_t wake;
        uint64_t offered, written, settled;
        bool stop;
};

static int make_file(struct files *files)
{
        unsigned char *bytes AUTO_FREE = NULL;
        struct flat_head head;
        char name[32];
        int r;

        if (fread(&head, sizeof(head), 1, files->flat) != 1 || head.packed_size > PACKED_MAX ||
            fread(files->packed, head.packed_size, 1, files->flat) != 1)
                return -EIO;
        r = body_unpack(files->packed, head.packed_size, head.size, &bytes);
        (void)snprintf(name, sizeof(name), "%016jX.SMX", (uintmax_t)files->made); /* always fits */
        return r == 0 ? fsutil_write_new(files->folder_fd, name, bytes, head.size) : r;
}

static void *settle_files(void *arg)
{
        struct files *files = arg;
        bool sound = true;

        (void)pthread_mutex_lock(&files->lock); /* cannot fail on this kind of mutex */
        for (;;) {
                uint64_t until;

                while (files->settled == files->written && !files->stop)
                        (void)pthread_cond_wait(&files->wake, &files->lock); /* cannot fail */
                if ((until = files->written) == files->settled)
                        break;
                (void)pthread_mutex_unlock(&files->lock);
                sound = sound && syncfs(files->folder_fd) == 0 && printf("%ju\n", (uintmax_t)until) >= 0 &&
                        fflush(stdout) == 0;
                if (!sound)
                        (void)fputs("rungs: files are not durable\n", stderr); /* then they are missed */
                (void)pthread_mutex_lock(&files->lock);                        /* as above */
                files->settled = until;
                (void)pthread_cond_broadcast(&files->wake); /* cannot fail */
        }
        (void)pthread_mutex_unlock(&files->lock);
        return NULL;
}

/* Hands them over when the group before is settled. */
static int make_group(struct files *files, uint64_t until)
{
        int r = 0;

        for (; r == 0 && files->made < until; files->made++)
                r = make_file(files);
        if (r < 0)
                return r;
        (void)pthread_mutex_lock(&files->lock); /* as above */
        while (files->settled < files->written)
                (void)pthread_cond_wait(&files->wake, &files->lock); /* cannot fail */
        files->written = until;
        (void)pthread_cond_broadcast(&files->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&files->lock);
        return 0;
}

/* Where the next group ends; how many are made already: stop. */
static uint64_t wait_for_group(struct files *files)
{
        uint64_t until = files->made;

        (void)pthread_mutex_lock(&files->lock); /* as above */
        while (files->offered == files->made && !files->stop)
                (void)pthread_cond_wait(&files->wake, &files->lock); /* cannot fail */
        if (!files->stop)
                until = files->offered < files->made + GROUP_MAX ? files->offered : files->made + GROUP_MAX;
        (void)pthread_mutex_unlock(&files->lock);
        return until;
}

static void *make_files(void *arg)
{
        struct files *files = arg;
        uint64_t until;
        int r = 0;

        while (r == 0 && (until = wait_for_group(files)) > files->made)
                r = make_group(files, until);
        if (r < 0)
                (void)fprintf(stderr, "rungs: files: %s\n", strerror(-r)); /* then they are missed */
        return NULL;
}

void files_offer(struct files *files, uint64_t messages)
{
        (void)pthread_mutex_lock(&files->lock); /* as above */
        files->offered = messages;
        (void)pthread_cond_broadcast(&files->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&files->lock);
}

static void files_free(struct files *files)
{
        if (files->flat != NULL)
                (void)fclose(files->flat); /* only read */
        fsutil_close_pointer(&files->folder_fd);
        free(files);
}

static void end_thread(struct files *files, pthread_t thread)
{
        (void)pthread_mutex_lock(&files->lock); /* as above */
        files->stop = true;
        (void)pthread_cond_broadcast(&files->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&files->lock);
        (void)pthread_join(thread, NULL); /* it was created and is joined once */
}

int files_open(const char *flat, const char *folder, struct files **ret_files)
{
        struct files *files = calloc(1, sizeof(*files));
        int r;

        if (files == NULL)
                return -ENOMEM;
        files->folder_fd = -1;
        (void)pthread_mutex_init(&files->lock, NULL); /* cannot fail with default attributes */
        (void)pthread_cond_init(&files->wake, NULL);  /* likewise */
        files->flat = fopen(flat, "re");
        r = files->flat != NULL ? fsutil_open_folder(folder, &files->folder_fd) : -errno;
        if (r == 0)
                r = -pthread_create(&files->settling_thread, NULL, settle_files, files);
        if (r < 0) {
                files_free(files);
                return r;
        }
        r = -pthread_create(&files->thread, NULL, make_files, files);
        if (r < 0) {
                end_thread(files, files->settling_thread);
                files_free(files);
                return r;
        }
        *ret_files = files;
        return 0;
}

void files_close(struct files *files)
{
        if (files == NULL)
                return;
        end_thread(files, files->thread);
        end_thread(files, files->settling_thread);
        files_free(files);
}
