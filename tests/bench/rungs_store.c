/* The writer, and the least it can write to. */
#include "rungs_store.h"

#include "fsp/clock.h"
#include "ledger/checkpoint.h"
#include "ledger/ledger_private.h"
#include "ledger/recent.h"
#include "rungs_files.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLAT_BUFFER (1024 * 1024)
#define RECEIPT_MAX 131072 /* with the packed bytes of the largest message */

enum statement_of_rows { ROWS_BEGIN, ROWS_INSERT, ROWS_COMMIT, ROWS_LOOK, ROWS_STATEMENTS };

/* In a row of STORE_RECEIPTS before the packed bytes: what any design must know again. */
struct receipt {
        int64_t received_ms;
        unsigned char digest[LEDGER_DIGEST_SIZE];
        uint32_t size;
        char client_address[sizeof(((struct ledger_intake *)NULL)->client_address)];
};

struct medium {
        int (*open)(struct store *store, const char *path);
        int (*put)(struct store *store, struct ledger_intake *intake); /* and tells the verdict */
        int (*commit)(struct store *store);
        int (*rest)(struct store *store); /* after the answers */
        void (*close)(struct store *store);
};

/* A ledger of the same queue, with another writer: who submits sees no difference. */
struct store {
        struct ledger ledger; /* its queue, connection and totals, and what recent.h needs */
        const struct medium *medium;
        FILE *flat;
        sqlite3_stmt *statements[ROWS_STATEMENTS];
        int64_t messages;
        struct files *files; /* NULL: none are made */
        unsigned char receipt[RECEIPT_MAX];
};

static int flat_open(struct store *store, const char *path)
{
        store->flat = fopen(path, "we");
        if (store->flat == NULL)
                return -errno;
        return setvbuf(store->flat, NULL, _IOFBF, FLAT_BUFFER) == 0 ? 0 : -ENOMEM;
}

static int flat_put(struct store *store, struct ledger_intake *intake)
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
        ((struct ledger *)arg)->wal_pages = pages;
        return SQLITE_OK;
}

static int rows_open(struct store *store, const char *path)
{
        static const char *const texts[ROWS_STATEMENTS] = {
                [ROWS_BEGIN] = "BEGIN IMMEDIATE",
                [ROWS_INSERT] = "INSERT INTO body(seq, data) VALUES(?1, ?2)",
                [ROWS_COMMIT] = "COMMIT",
                [ROWS_LOOK] = "SELECT data FROM body WHERE seq = ?1",
        };
        struct ledger *ledger = &store->ledger;
        int r = ledger_connect(path, true, &ledger->db);

        for (int i = 0; r == 0 && i < ROWS_STATEMENTS; i++)
                r = ledger_errno(sqlite3_prepare_v2(ledger->db, texts[i], -1, &store->statements[i], NULL));
        if (r == 0)
                (void)sqlite3_wal_hook(ledger->db, count_pages, ledger); /* gives the former one's argument */
        return r;
}

static int run_statement(struct store *store, enum statement_of_rows which)
{
        (void)sqlite3_step(store->statements[which]); /* repeated by reset */
        return ledger_errno(sqlite3_reset(store->statements[which]));
}

static int begin_rows(struct store *store)
{
        return sqlite3_get_autocommit(store->ledger.db) ? run_statement(store, ROWS_BEGIN) : 0;
}

static int put_row(struct store *store, const void *data, size_t size)
{
        sqlite3_stmt *insert = store->statements[ROWS_INSERT];
        int r = begin_rows(store);

        if (r == 0)
                r = ledger_errno(sqlite3_bind_int64(insert, 1, store->messages + 1));
        if (r == 0)
                r = ledger_errno(sqlite3_bind_blob64(insert, 2, data, size, SQLITE_STATIC));
        return r == 0 ? run_statement(store, ROWS_INSERT) : r;
}

static int rows_put(struct store *store, struct ledger_intake *intake)
{
        return put_row(store, intake->packed, intake->packed_size);
}

static int rows_commit(struct store *store)
{
        return run_statement(store, ROWS_COMMIT);
}

static int rows_rest(struct store *store)
{
        struct ledger *ledger = &store->ledger;

        if (ledger->wal_pages < CHECKPOINT_PAGES)
                return 0;
        ledger->wal_pages = 0;
        return ledger_errno(
                sqlite3_wal_checkpoint_v2(ledger->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
}

static void rows_close(struct store *store)
{
        for (int i = 0; i < ROWS_STATEMENTS; i++)
                (void)sqlite3_finalize(store->statements[i]); /* repeats what its last step gave */
        (void)sqlite3_close(store->ledger.db);                /* no statement is open */
}

static int receipts_open(struct store *store, const char *path)
{
        int r = rows_open(store, path);

        return r == 0 ? recent_load(&store->ledger) : r;
}

/* The same bytes received after since_ms?  1 and their name, 0, -errno. */
static int is_received(struct store *store, struct ledger_intake *intake, int64_t seq, int64_t since_ms)
{
        sqlite3_stmt *look = store->statements[ROWS_LOOK];
        struct receipt receipt = { .received_ms = since_ms };
        int result;

        (void)sqlite3_bind_int64(look, 1, seq); /* cannot fail once prepared */
        result = sqlite3_step(look);
        if (result == SQLITE_ROW && (size_t)sqlite3_column_bytes(look, 0) >= sizeof(receipt))
                memcpy(&receipt, sqlite3_column_blob(look, 0), sizeof(receipt));
        (void)sqlite3_reset(look); /* repeats the result of step */
        if (receipt.received_ms <= since_ms || receipt.size != intake->report->size ||
            memcmp(receipt.digest, intake->digest, sizeof(receipt.digest)) != 0)
                return ledger_errno(result);
        intake->name = (struct message_name){ .time_ms = receipt.received_ms, .seq = seq };
        return 1;
}

/* As the ledger's find_duplicate, from the same memory. */
static int find_received(struct store *store, struct ledger_intake *intake, int64_t now_ms)
{
        int64_t window_ms = store->ledger.batch_config->policy.deduplicate_ms, seqs[RECENT_MOST];
        int count, r = 0;

        if (window_ms == 0)
                return 0;
        count = recent_find(&store->ledger, intake->digest, seqs);
        for (int i = 0; r == 0 && i < count; i++)
                r = is_received(store, intake, seqs[i], now_ms - window_ms);
        return count < 0 ? count : r;
}

static int put_receipt(struct store *store, const struct ledger_intake *intake)
{
        struct receipt receipt = { .received_ms = intake->name.time_ms,
                                   .size = (uint32_t)intake->report->size };

        if (intake->packed_size > RECEIPT_MAX - sizeof(receipt))
                return -EMSGSIZE;
        memcpy(receipt.digest, intake->digest, sizeof(receipt.digest));
        memcpy(receipt.client_address, intake->client_address, sizeof(receipt.client_address));
        memcpy(store->receipt, &receipt, sizeof(receipt));
        memcpy(store->receipt + sizeof(receipt), intake->packed, intake->packed_size);
        return put_row(store, store->receipt, sizeof(receipt) + intake->packed_size);
}

static int receipts_put(struct store *store, struct ledger_intake *intake)
{
        int64_t now_ms = clock_wall_ms();
        int r = begin_rows(store);

        ledger_intake_digest(intake);
        if (r == 0)
                r = find_received(store, intake, now_ms);
        intake->verdict = r == 0 ? VERDICT_ACCEPTED : VERDICT_DUPLICATE;
        if (r != 0)
                return r < 0 ? r : 0;
        intake->name = (struct message_name){ .time_ms = now_ms, .seq = store->messages + 1 };
        r = put_receipt(store, intake);
        if (r == 0)
                r = recent_add(&store->ledger, intake->digest, intake->name.seq);
        if (r == 0)
                ledger_count(&store->ledger, LEDGER_NOWHERE, DELIVERY_RECEIVED,
                             (int64_t)intake->report->size);
        return r;
}

/* With the totals that the quota looks at. */
static int receipts_commit(struct store *store)
{
        struct ledger *ledger = &store->ledger;
        int r = recent_move(ledger);

        if (r == 0)
                r = rows_commit(store);
        if (r == 0) {
                ledger->totals[DELIVERY_RECEIVED] += ledger->delta[DELIVERY_RECEIVED];
                ledger->bytes += ledger->delta_bytes;
        }
        ledger->delta[DELIVERY_RECEIVED] = ledger->delta_bytes = ledger->accepted = 0;
        return r;
}

static void receipts_close(struct store *store)
{
        ledger_finalize(&store->ledger);
        recent_free(store->ledger.recent);
        rows_close(store);
}

static const struct medium media[] = {
        [STORE_FLAT] = { flat_open, flat_put, flat_commit, flat_rest, flat_close },
        [STORE_ROWS] = { rows_open, rows_put, rows_commit, rows_rest, rows_close },
        [STORE_RECEIPTS] = { receipts_open, receipts_put, receipts_commit, rows_rest, receipts_close },
};

/* All who wait; NULL at the end. */
static struct ledger_job *take_waiting(struct ledger *ledger)
{
        struct ledger_job *group;

        (void)pthread_mutex_lock(&ledger->lock); /* cannot fail on this kind of mutex */
        while (ledger->messages.first == NULL && !ledger->stopping)
                (void)pthread_cond_wait(&ledger->wake, &ledger->lock); /* cannot fail */
        group = ledger->messages.first;
        ledger->messages.first = NULL;
        (void)pthread_mutex_unlock(&ledger->lock);
        return group;
}

static int commit_group(struct store *store, struct ledger_job *job)
{
        int r = 0;

        for (; r == 0 && job != NULL; job = job->next) {
                struct ledger_intake *intake = (struct ledger_intake *)job;

                r = store->medium->put(store, intake);
                store->messages += intake->verdict == VERDICT_ACCEPTED;
        }
        return r == 0 ? store->medium->commit(store) : r;
}

static void answer_group(struct ledger_job *job, int result)
{
        while (job != NULL) {
                struct ledger_job *next = job->next; /* done may give it away */

                job->done(job, result);
                job = next;
        }
}

/* After a fault nothing more is taken: the load then tells of it. */
static void *write_groups(void *arg)
{
        struct store *store = arg;
        struct ledger_job *group;
        int r = 0;

        while ((group = take_waiting(&store->ledger)) != NULL) {
                if (r == 0)
                        r = commit_group(store, group);
                store->ledger.fault = r;
                answer_group(group, r);
                if (r == 0)
                        r = store->medium->rest(store);
        }
        return NULL;
}

static void store_free(struct store *store)
{
        files_close(store->files);
        store->medium->close(store);
        config_unref(store->ledger.batch_config);
        free(store);
}

int store_open(struct config *config, enum store_kind kind, bool files, struct store **ret_store)
{
        struct store *store = calloc(1, sizeof(*store));
        struct ledger *ledger;
        int r;

        if (store == NULL)
                return -ENOMEM;
        ledger = &store->ledger;
        store->medium = &media[kind];
        ledger->batch_config = config_ref(config);
        (void)pthread_mutex_init(&ledger->lock, NULL); /* cannot fail with default attributes */
        (void)pthread_cond_init(&ledger->wake, NULL);  /* likewise */
        r = store->medium->open(store, config->ledger.file);
        if (r == 0 && files)
                r = files_open(config->ledger.file, config->staging.directory, &store->files);
        if (r == 0)
                r = -pthread_create(&ledger->thread, NULL, write_groups, store);
        if (r < 0) {
                store_free(store);
                return r;
        }
        *ret_store = store;
        return 0;
}

struct ledger *store_ledger(struct store *store)
{
        return &store->ledger;
}

void store_close(struct store *store)
{
        struct ledger *ledger;

        if (store == NULL)
                return;
        ledger = &store->ledger;
        (void)pthread_mutex_lock(&ledger->lock); /* as above */
        ledger->stopping = true;
        (void)pthread_cond_signal(&ledger->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&ledger->lock);
        (void)pthread_join(ledger->thread, NULL); /* it was created and is joined once */
        store_free(store);
}
