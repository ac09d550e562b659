/* The writer, and the least it can write to. */
#include "rungs_store.h"

#include "ledger/ledger_private.h"
#include "rungs_files.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FLAT_BUFFER (1024 * 1024)
#define CHECKPOINT_PAGES 1000 /* as the ledger's writer */

enum statement_of_rows { ROWS_BEGIN, ROWS_INSERT, ROWS_COMMIT, ROWS_STATEMENTS };

struct medium {
        int (*open)(struct store *store, const char *path);
        int (*put)(struct store *store, const struct ledger_intake *intake);
        int (*commit)(struct store *store);
        int (*rest)(struct store *store); /* after the answers */
        void (*close)(struct store *store);
};

struct store {
        const struct medium *medium;
        FILE *flat;
        sqlite3 *db;
        sqlite3_stmt *statements[ROWS_STATEMENTS];
        int64_t messages;
        int wal_pages;
        struct files *files; /* NULL: none are made */
        pthread_t thread;

        pthread_mutex_t lock; /* for all below */
        pthread_cond_t wake;
        struct ledger_job *first, **last;
        bool stop;
};

static int flat_open(struct store *store, const char *path)
{
        store->flat = fopen(path, "we");
        if (store->flat == NULL)
                return -errno;
        return setvbuf(store->flat, NULL, _IOFBF, FLAT_BUFFER) == 0 ? 0 : -ENOMEM;
}

static int flat_put(struct store *store, const struct ledger_intake *intake)
{
        const struct flat_head head = { (uint32_t)intake->packed_size, (uint32_t)intake->report->size };

        return fwrite(&head, sizeof(head), 1, store->flat) == 1 &&
                               fwrite(intake->packed, intake->packed_size, 1, store->flat) == 1
                       ? 0
                       : -EIO;
}

static int flat_commit(struct store *store)
{
        return fflush(store->flat) == 0 && fdatasync(fileno(store->flat)) == 0 ? 0 : -errno;
}

static int flat_rest(struct store *store)
{
        if (store->files != NULL)
                files_offer(store->files, (uint64_t)store->messages);
        return 0;
}

static void flat_close(struct store *store)
{
        if (store->flat != NULL)
                (void)fclose(store->flat); /* nothing is in its buffer that was answered */
}

static int count_pages(void *arg, sqlite3 *db, const char *name, int pages)
{
        (void)db, (void)name;
        ((struct store *)arg)->wal_pages = pages;
        return SQLITE_OK;
}

static int rows_open(struct store *store, const char *path)
{
        static const char *const texts[ROWS_STATEMENTS] = {
                [ROWS_BEGIN] = "BEGIN IMMEDIATE",
                [ROWS_INSERT] = "INSERT INTO body(seq, data) VALUES(?1, ?2)",
                [ROWS_COMMIT] = "COMMIT",
        };
        int r = ledger_connect(path, true, &store->db);

        for (int i = 0; r == 0 && i < ROWS_STATEMENTS; i++)
                r = ledger_errno(sqlite3_prepare_v2(store->db, texts[i], -1, &store->statements[i], NULL));
        if (r == 0)
                (void)sqlite3_wal_hook(store->db, count_pages, store); /* gives the former hook's argument */
        return r;
}

static int run_statement(struct store *store, enum statement_of_rows which)
{
        (void)sqlite3_step(store->statements[which]); /* repeated by reset */
        return ledger_errno(sqlite3_reset(store->statements[which]));
}

static int rows_put(struct store *store, const struct ledger_intake *intake)
{
        sqlite3_stmt *insert = store->statements[ROWS_INSERT];
        int r = sqlite3_get_autocommit(store->db) ? run_statement(store, ROWS_BEGIN) : 0;

        if (r == 0)
                r = ledger_errno(sqlite3_bind_int64(insert, 1, store->messages + 1));
        if (r == 0)
                r = ledger_errno(
                        sqlite3_bind_blob64(insert, 2, intake->packed, intake->packed_size, SQLITE_STATIC));
        return r == 0 ? run_statement(store, ROWS_INSERT) : r;
}

static int rows_commit(struct store *store)
{
        return run_statement(store, ROWS_COMMIT);
}

static int rows_rest(struct store *store)
{
        if (store->wal_pages < CHECKPOINT_PAGES)
                return 0;
        store->wal_pages = 0;
        return ledger_errno(
                sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
}

static void rows_close(struct store *store)
{
        for (int i = 0; i < ROWS_STATEMENTS; i++)
                (void)sqlite3_finalize(store->statements[i]); /* repeats what its last step gave */
        (void)sqlite3_close(store->db);                       /* no statement is open */
}

static const struct medium media[] = {
        [STORE_FLAT] = { flat_open, flat_put, flat_commit, flat_rest, flat_close },
        [STORE_ROWS] = { rows_open, rows_put, rows_commit, rows_rest, rows_close },
};

/* All who wait; NULL at the end. */
static struct ledger_job *take_waiting(struct store *store)
{
        struct ledger_job *group;

        (void)pthread_mutex_lock(&store->lock); /* cannot fail on this kind of mutex */
        while (store->first == NULL && !store->stop)
                (void)pthread_cond_wait(&store->wake, &store->lock); /* cannot fail */
        group = store->first;
        store->first = NULL;
        store->last = &store->first;
        (void)pthread_mutex_unlock(&store->lock);
        return group;
}

static int commit_group(struct store *store, const struct ledger_job *job)
{
        int r = 0;

        for (; r == 0 && job != NULL; job = job->next) {
                r = store->medium->put(store, (const struct ledger_intake *)job);
                store->messages++;
        }
        return r == 0 ? store->medium->commit(store) : r;
}

static void answer_group(struct ledger_job *job, int result)
{
        while (job != NULL) {
                struct ledger_intake *intake = (struct ledger_intake *)job;

                job = job->next; /* done may give it away */
                intake->verdict = result == 0 ? VERDICT_ACCEPTED : VERDICT_STORE_FAULT;
                intake->done(intake);
        }
}

/* After a fault nothing more is taken: the load then tells of it. */
static void *write_groups(void *arg)
{
        struct store *store = arg;
        struct ledger_job *group;
        int r = 0;

        while ((group = take_waiting(store)) != NULL) {
                if (r == 0)
                        r = commit_group(store, group);
                answer_group(group, r);
                if (r == 0)
                        r = store->medium->rest(store);
        }
        return NULL;
}

void store_submit(struct store *store, struct ledger_intake *intake)
{
        struct ledger_job *job = &intake->job;
        bool wake;

        job->next = NULL;
        (void)pthread_mutex_lock(&store->lock); /* as above */
        wake = store->first == NULL;
        *store->last = job;
        store->last = &job->next;
        if (wake)
                (void)pthread_cond_signal(&store->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&store->lock);
}

static void store_free(struct store *store)
{
        files_close(store->files);
        store->medium->close(store);
        free(store);
}

int store_open(const struct config *config, enum store_kind kind, bool files, struct store **ret_store)
{
        struct store *store = calloc(1, sizeof(*store));
        int r;

        if (store == NULL)
                return -ENOMEM;
        store->medium = &media[kind];
        store->last = &store->first;
        (void)pthread_mutex_init(&store->lock, NULL); /* cannot fail with default attributes */
        (void)pthread_cond_init(&store->wake, NULL);  /* likewise */
        r = store->medium->open(store, config->ledger.file);
        if (r == 0 && files)
                r = files_open(config->ledger.file, config->staging.directory, &store->files);
        if (r == 0)
                r = -pthread_create(&store->thread, NULL, write_groups, store);
        if (r < 0) {
                store_free(store);
                return r;
        }
        *ret_store = store;
        return 0;
}

void store_close(struct store *store)
{
        if (store == NULL)
                return;
        (void)pthread_mutex_lock(&store->lock); /* as above */
        store->stop = true;
        (void)pthread_cond_signal(&store->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&store->lock);
        (void)pthread_join(store->thread, NULL); /* it was created and is joined once */
        store_free(store);
}
