/* src/staging/settler.h, and how the stager uses it: with small batches, and a
 * syncfs that is held, or fails. */
#define BATCH 4
#include "../../src/staging/stager.c"

#include "store_fixture.h"

#include <sys/syscall.h>

#define WAIT_MS 15000

static struct stager *stager;

static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool held;
        unsigned calls;
        int error; /* of the next one */
} flush = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* In the place of the libc's. */
int syncfs(int fd)
{
        (void)pthread_mutex_lock(&flush.lock);
        flush.calls++;
        (void)pthread_cond_broadcast(&flush.changed);
        while (flush.held)
                (void)pthread_cond_wait(&flush.changed, &flush.lock);
        int error = flush.error;
        flush.error = 0;
        (void)pthread_mutex_unlock(&flush.lock);
        errno = error;
        return error ? -1 : (int)syscall(SYS_syncfs, fd);
}

static void set_flush(bool held, int error)
{
        (void)pthread_mutex_lock(&flush.lock);
        flush.held = held;
        flush.error = error;
        (void)pthread_cond_broadcast(&flush.changed);
        (void)pthread_mutex_unlock(&flush.lock);
}

static void stop(void)
{
        stager_stop(stager);
        stager = NULL;
}

static int setup_flush(void **state)
{
        flush.calls = 0;
        set_flush(true, 0);
        return store_setup(state);
}

static int teardown_flush(void **state)
{
        set_flush(false, 0);
        stop(); /* of a test that failed */
        return store_teardown(state);
}

static void await_flush(void)
{
        (void)pthread_mutex_lock(&flush.lock);
        while (flush.calls == 0)
                (void)pthread_cond_wait(&flush.changed, &flush.lock);
        (void)pthread_mutex_unlock(&flush.lock);
}

static void await_files(unsigned count)
{
        int64_t until_ms = clock_monotonic_ms() + WAIT_MS;
        while (count_files("staging", ".SMX") < count && clock_monotonic_ms() < until_ms)
                (void)usleep(1000);
        assert_int_equal(count_files("staging", ".SMX"), count);
}

static void receive(struct message_name *names, unsigned count)
{
        char text[32];
        for (unsigned i = 0; i < count; i++) {
                (void)snprintf(text, sizeof(text), "message %u", i);
                assert_int_equal(store_receive(text, &names[i]), VERDICT_ACCEPTED);
        }
}

static void start(void)
{
        assert_int_equal(stager_start(store.config, store.ledger, &stager), 0);
}

static void the_next_batch_is_written_while_one_is_settled(void **state)
{
        (void)state;
        struct message_name names[3 * BATCH];
        store_open();
        receive(names, 3 * BATCH);
        start();
        await_flush();
        await_files(2 * BATCH); /* no more: one batch is in hand at most */
        assert_int_equal(ledger_totals(store.ledger).staged, 0);
        assert_int_equal(flush.calls, 1);
        set_flush(false, 0);
        stager_catch_up(stager, WAIT_MS);
        assert_int_equal(ledger_totals(store.ledger).staged, 3 * BATCH);
        assert_int_equal(count_files("staging", ".SMX"), 3 * BATCH);
}

static void a_stop_settles_what_is_in_hand(void **state)
{
        (void)state;
        struct message_name names[BATCH];
        store_open();
        receive(names, BATCH);
        start();
        await_flush();
        set_flush(false, 0);
        stop();
        assert_int_equal(ledger_totals(store.ledger).staged, BATCH);
}

static ino_t inode_of(const struct message_name *name)
{
        struct stat st;
        assert_int_equal(stat(store_path(in_folder("staging", name, ".SMX")), &st), 0);
        return st.st_ino;
}

/* The kernel shows what it could not write, and the next flush succeeds. */
static void after_a_flush_that_failed_all_is_written_anew(void **state)
{
        (void)state;
        struct message_name names[2 * BATCH];
        ino_t before[2 * BATCH];
        store_open();
        receive(names, 2 * BATCH);
        start();
        await_files(2 * BATCH);
        for (unsigned i = 0; i < 2 * BATCH; i++)
                before[i] = inode_of(&names[i]);
        set_flush(false, EIO);
        stager_catch_up(stager, WAIT_MS);
        assert_int_equal(ledger_totals(store.ledger).staged, 2 * BATCH);
        assert_int_equal(stager_fault(stager), 0);
        for (unsigned i = 0; i < 2 * BATCH; i++)
                assert_true(inode_of(&names[i]) != before[i]);
        assert_file(in_folder("staging", &names[0], ".SMX"), "message 0");
        assert_int_equal(count_files("staging", ".tmp"), 0);
}

/* Its row lies before those of the batch in hand. */
static void what_was_sent_back_meanwhile_is_a_file_too(void **state)
{
        (void)state;
        struct message_name old, names[2 * BATCH];
        int64_t shipment;
        store_open();
        assert_int_equal(store_receive("old", &old), VERDICT_ACCEPTED);
        assert_int_equal(delivery_mark_staged(store.ledger, &old.seq, 1), 0);
        assert_int_equal(delivery_mark_copied(store.ledger, &old.seq, 1, 1, &shipment), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, &old.seq, 1, shipment), 0);
        receive(names, 2 * BATCH - 1);
        start();
        await_files(2 * BATCH - 1);
        assert_int_equal(delivery_requeue(store.ledger, old.seq), 0);
        set_flush(false, 0);
        stager_catch_up(stager, WAIT_MS);
        assert_int_equal(ledger_totals(store.ledger).staged, 2 * BATCH);
        assert_file(in_folder("staging", &old, ".SMX"), "old");
}

#define FLUSH_TEST(function) cmocka_unit_test_setup_teardown(function, setup_flush, teardown_flush)

int main(void)
{
        const struct CMUnitTest tests[] = {
                FLUSH_TEST(the_next_batch_is_written_while_one_is_settled),
                FLUSH_TEST(a_stop_settles_what_is_in_hand),
                FLUSH_TEST(after_a_flush_that_failed_all_is_written_anew),
                FLUSH_TEST(what_was_sent_back_meanwhile_is_a_file_too),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
