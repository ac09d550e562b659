/* src/staging/pace.h, ledger_pace, and how the stager uses them: with small
 * batches, and times that do not pass within a test. */
#define BATCH 4
#define QUIET_MS 3600000
#define PACE_MS 3600000
#include "../../src/staging/stager.c"

#include "store_fixture.h"

#define BEGIN_MS 1000000 /* any moment */
#define HOUR_MS 3600000
#define STORM_MESSAGES 200000

static struct pace pace;

static int setup_pace(void **state)
{
        (void)state;
        pace_init(&pace, BEGIN_MS);
        pace.file_us = 100;
        return 0;
}

/* How long a burst passes that begins then, looked at every 20 ms. */
static int64_t passes_ms(int64_t begin_ms, int64_t messages_per_ms)
{
        int64_t age_ms = 0;
        pace_begin(&pace, begin_ms);
        while (age_ms < HOUR_MS && pace_let_pass(&pace, age_ms * messages_per_ms, begin_ms + age_ms))
                age_ms += 20;
        return age_ms;
}

static void a_burst_passes_for_so_long_that_all_are_files_soon(void **state)
{
        (void)state;
        assert_in_range(passes_ms(BEGIN_MS, 1), 1000, 3500);
        assert_int_equal(pace.spent_ms, 0);
        /* where files take longer, fewer may wait */
        pace.file_us = 900;
        assert_in_range(passes_ms(BEGIN_MS + HOUR_MS, 1), 1000, 3500);
        assert_true(pace_let_pass(&pace, 1000, pace.since_ms + 2000));
        assert_false(pace_let_pass(&pace, 5000, pace.since_ms + HOUR_MS));
        assert_false(pace_let_pass(&pace, 0, pace.since_ms + HOUR_MS));
}

static void a_storm_of_200000_passes(void **state)
{
        (void)state;
        int64_t took_ms = passes_ms(BEGIN_MS, 20);
        assert_true(took_ms * 20 >= STORM_MESSAGES);
        assert_true(took_ms * 20 < 2 * STORM_MESSAGES);
        assert_in_range(passes_ms(BEGIN_MS + HOUR_MS, 14), 10000, 20000); /* slower, so by the time */
}

static void a_storm_passes_once_and_its_allowance_comes_back_slowly(void **state)
{
        (void)state;
        int64_t first_ms = passes_ms(BEGIN_MS, 14);
        int64_t second_ms = passes_ms(BEGIN_MS + first_ms, 100);
        assert_in_range(second_ms, 0, 2500);
        int64_t now_ms = pace.since_ms + second_ms;
        int64_t third_ms = passes_ms(now_ms + 60000, 14);
        assert_in_range(third_ms, 3000, first_ms / 2);
        assert_int_equal(passes_ms(pace.since_ms + third_ms + HOUR_MS, 14), first_ms);
        /* and is never more than it was */
        assert_int_equal(passes_ms(pace.since_ms + 10 * (int64_t)HOUR_MS, 14), first_ms);
}

static void the_allowance_of_a_storm_does_not_come_back_while_files_are_made(void **state)
{
        (void)state;
        int64_t now_ms = BEGIN_MS + passes_ms(BEGIN_MS, 14);
        for (int i = 0; i < 200; i++) { /* half of the time on part-full batches */
                int64_t took_ms = passes_ms(now_ms, 9);
                assert_in_range(took_ms, 0, 3500);
                pace_learn(&pace, 0, took_ms * 1000);
                now_ms += 2 * took_ms;
        }
        assert_in_range(passes_ms(now_ms, 14), 0, 2500);
}

static void what_comes_no_faster_than_files_is_no_storm(void **state)
{
        (void)state;
        assert_in_range(passes_ms(BEGIN_MS, 9), 0, 3500);
        assert_int_equal(pace.spent_ms, 0);
}

static void too_late_is_what_waits_for_too_many_outside_a_storm(void **state)
{
        (void)state;
        int64_t over_ms = BEGIN_MS + passes_ms(BEGIN_MS, 14);
        assert_false(pace_is_late(&pace, 10000, over_ms));
        assert_true(pace_is_late(&pace, 50000, over_ms));
        assert_false(pace_is_late(&pace, 50000, BEGIN_MS + 3000)); /* with an allowance */
        for (int i = 0; i < 50; i++)
                pace_learn(&pace, 512, 512 * 10);
        assert_false(pace_is_late(&pace, 50000, over_ms));
        assert_false(pace_is_late(&pace, 12 * 4000, BEGIN_MS + 4000));
        assert_true(pace_let_pass(&pace, 12 * 4000, BEGIN_MS + 4000)); /* files alone are made faster */
        assert_false(pace_let_pass(&pace, 8 * 4000, BEGIN_MS + 4000));
        for (int i = 0; i < 50; i++)
                pace_learn(&pace, 512, 512 * 1000);
        assert_true(pace_is_late(&pace, 10000, over_ms));
}

/* Messages on their way in, not waited for. */
static struct delivery_wait waits[4];
static struct report reports[4];

/* Each is another message. */
static void submit(int i)
{
        static char texts[4][32];
        static int number;
        static struct state_message states[4];
        states[i] = (struct state_message){ .topic_type = 800, .state_id = 301 };
        (void)snprintf(texts[i], sizeof(texts[i]), "message %d", ++number);
        reports[i] = (struct report){ .client_id = "GUID:1",
                                      .states = &states[i],
                                      .state_count = 1,
                                      .bytes = (const unsigned char *)texts[i],
                                      .size = strlen(texts[i]) };
        waits[i] = (struct delivery_wait){
                .intake = { .report = &reports[i], .client_address = "192.0.2.7", .done = note_done },
                .lock = PTHREAD_MUTEX_INITIALIZER,
                .over = PTHREAD_COND_INITIALIZER
        };
        assert_int_equal(ledger_intake_prepare(&waits[i].intake), 0);
        ledger_submit(store.ledger, &waits[i].intake);
}

static bool is_done(int i)
{
        pthread_mutex_lock(&waits[i].lock);
        bool done = waits[i].done;
        pthread_mutex_unlock(&waits[i].lock);
        return done;
}

static enum verdict await(int i)
{
        pthread_mutex_lock(&waits[i].lock);
        while (!waits[i].done)
                pthread_cond_wait(&waits[i].over, &waits[i].lock);
        pthread_mutex_unlock(&waits[i].lock);
        ledger_intake_free(&waits[i].intake);
        return waits[i].intake.verdict;
}

static void intake_is_held_back_and_let_go_and_orders_pass(void **state)
{
        (void)state;
        store_open();
        ledger_pace(store.ledger, 2, HOUR_MS);
        for (int i = 0; i < 4; i++)
                submit(i);
        assert_int_equal(await(0), VERDICT_ACCEPTED);
        assert_int_equal(await(1), VERDICT_ACCEPTED);
        assert_int_equal(delivery_mark_staged(store.ledger, &waits[0].intake.name.seq, 1), 0);
        assert_int_equal(delivery_mark_staged(store.ledger, &waits[1].intake.name.seq, 1), 0);
        assert_false(is_done(2));
        assert_int_equal(ledger_totals(store.ledger).received, 0);
        ledger_pace(store.ledger, 1, HOUR_MS);
        assert_int_equal(await(2), VERDICT_ACCEPTED);
        assert_int_equal(delivery_mark_staged(store.ledger, &waits[2].intake.name.seq, 1), 0);
        assert_false(is_done(3));
        ledger_pace(store.ledger, 0, 0);
        assert_int_equal(await(3), VERDICT_ACCEPTED);
        assert_true(waits[2].intake.name.seq < waits[3].intake.name.seq);
}

static void nobody_is_held_back_for_longer_than_was_said(void **state)
{
        (void)state;
        store_open();
        int64_t began_ms = clock_monotonic_ms();
        ledger_pace(store.ledger, 0, 100);
        assert_int_equal(store_receive("one", NULL), VERDICT_ACCEPTED);
        assert_true(clock_monotonic_ms() - began_ms >= 100);
        assert_int_equal(store_receive("two", NULL), VERDICT_ACCEPTED);
}

static void nobody_is_held_back_at_a_stop(void **state)
{
        (void)state;
        store_open();
        ledger_pace(store.ledger, 0, HOUR_MS);
        submit(0);
        assert_false(is_done(0));
        store_close();
        assert_int_equal(await(0), VERDICT_ACCEPTED);
}

static void nobody_is_held_back_at_a_fault(void **state)
{
        (void)state;
        store_open();
        ledger_pace(store.ledger, 0, HOUR_MS);
        ledger_doubt(store.ledger);
        assert_int_equal(store_receive("one", NULL), VERDICT_STORE_FAULT);
}

/* Full batches at their best, with too many behind them; then a fault. */
static void only_who_makes_files_holds_intake_back(void **state)
{
        (void)state;
        store_open();
        struct stager stager = { .ledger = store.ledger };
        pace_init(&stager.pace, clock_monotonic_ms());
        stager.pace.allowance_ms = 0;
        stager.pace.file_us = HOUR_MS * INT64_C(1000);
        assert_int_equal(store_receive("waits", NULL), VERDICT_ACCEPTED);
        const int ends[] = { -ENOSPC, BATCH - 1 };
        for (int i = 0; i < 2; i++) {
                keep_pace(&stager, BATCH, clock_monotonic_us());
                for (int j = 0; j < 3; j++)
                        submit(j);
                assert_int_equal(await(0), VERDICT_ACCEPTED);
                assert_int_equal(await(1), VERDICT_ACCEPTED);
                assert_int_equal(delivery_mark_staged(store.ledger, &waits[0].intake.name.seq, 1), 0);
                assert_false(is_done(2));
                keep_pace(&stager, ends[i], clock_monotonic_us());
                assert_int_equal(await(2), VERDICT_ACCEPTED);
                for (int j = 0; j < 3; j++) { /* more than a pace allows */
                        submit(j);
                        assert_int_equal(await(j), VERDICT_ACCEPTED);
                }
        }
}

static void a_stager_that_stopped_holds_nobody_back(void **state)
{
        (void)state;
        struct stager *stager = NULL;
        store_open();
        assert_int_equal(stager_start(store.config, store.ledger, &stager), 0);
        stager_catch_up(stager, 15000); /* so that it rests */
        ledger_pace(store.ledger, 0, HOUR_MS);
        stager_stop(stager);
        assert_int_equal(store_receive("one", NULL), VERDICT_ACCEPTED);
}

static bool is_rung(struct stager *stager)
{
        pthread_mutex_lock(&stager->lock);
        bool rung = stager->rung;
        pthread_mutex_unlock(&stager->lock);
        return rung;
}

/* The last batch hangs at a pipe of its file's name while another message
 * comes: that one is let pass. */
static void what_comes_while_the_last_batch_is_staged_is_another_burst(void **state)
{
        (void)state;
        struct stager *stager = NULL;
        struct message_name one, two;
        store_open();
        assert_int_equal(store_receive("one", &one), VERDICT_ACCEPTED);
        const char *pipe = store_path(in_folder("staging", &one, ".SMX"));
        assert_int_equal(mkfifo(pipe, 0600), 0);
        assert_int_equal(stager_start(store.config, store.ledger, &stager), 0);
        int fd = open(pipe, O_WRONLY); /* returns when the stager reads it */
        assert_true(fd >= 0);
        assert_int_equal(store_receive("two", &two), VERDICT_ACCEPTED);
        while (!is_rung(stager))
                sched_yield();
        assert_int_equal(write(fd, "one", 3), 3);
        assert_int_equal(close(fd), 0);
        while (is_rung(stager))
                sched_yield();
        assert_int_equal(ledger_totals(store.ledger).staged, 1);
        assert_int_equal(ledger_totals(store.ledger).received, 1);
        stager_catch_up(stager, 15000);
        assert_int_equal(ledger_totals(store.ledger).received, 0);
        stager_stop(stager);
        assert_file(in_folder("staging", &two, ".SMX"), "two");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(a_burst_passes_for_so_long_that_all_are_files_soon, setup_pace),
                cmocka_unit_test_setup(a_storm_of_200000_passes, setup_pace),
                cmocka_unit_test_setup(a_storm_passes_once_and_its_allowance_comes_back_slowly, setup_pace),
                cmocka_unit_test_setup(the_allowance_of_a_storm_does_not_come_back_while_files_are_made,
                                       setup_pace),
                cmocka_unit_test_setup(what_comes_no_faster_than_files_is_no_storm, setup_pace),
                cmocka_unit_test_setup(too_late_is_what_waits_for_too_many_outside_a_storm, setup_pace),
                TEST(intake_is_held_back_and_let_go_and_orders_pass),
                TEST(nobody_is_held_back_for_longer_than_was_said),
                TEST(nobody_is_held_back_at_a_stop),
                TEST(nobody_is_held_back_at_a_fault),
                TEST(only_who_makes_files_holds_intake_back),
                TEST(a_stager_that_stopped_holds_nobody_back),
                TEST(what_comes_while_the_last_batch_is_staged_is_another_burst),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
