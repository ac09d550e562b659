/* include/fsp/forwarder.h: runs, the throttle, and what a crash left. */
#include "fsp/forwarder.h"
#include "fsp/inbox.h"
#include "fsp/stager.h"
#include "store_fixture.h"
#include <semaphore.h>
#include <sys/eventfd.h>

static struct forwarder *forwarder;
static int run_fd = -1;

static const char *closed_place; /* no file descriptor is left to open it; NULL: there is */

int __real_inbox_open_again(const struct config *config, const char *place, int staging_fd,
                            const char *identity, struct inbox **ret_inbox);
int __wrap_inbox_open_again(const struct config *config, const char *place, int staging_fd,
                            const char *identity, struct inbox **ret_inbox);
int __wrap_inbox_open_again(const struct config *config, const char *place, int staging_fd,
                            const char *identity, struct inbox **ret_inbox)
{
        if (closed_place && strcmp(place, closed_place) == 0)
                return -EMFILE;
        return __real_inbox_open_again(config, place, staging_fd, identity, ret_inbox);
}

static sem_t stop_came;
static int batches_to_stop; /* before the renames of that one comes a stop; 0: none comes */

int __real_witness_count(int staging_fd, int64_t batch);
int __wrap_witness_count(int staging_fd, int64_t batch);
int __wrap_witness_count(int staging_fd, int64_t batch)
{
        if (batches_to_stop > 0 && --batches_to_stop == 0) {
                assert_int_equal(forwarder_stop(forwarder, 0), -ETIMEDOUT);
                assert_int_equal(sem_post(&stop_came), 0);
        }
        return __real_witness_count(staging_fd, batch);
}

static void nothing_to_stage(void *arg, int64_t deadline_ms)
{
        (void)arg;
        (void)deadline_ms;
}

static void start(void)
{
        forwarder = NULL;
        assert_int_equal(forwarder_start(store.config, store.ledger, nothing_to_stage, NULL, &forwarder), 0);
}

/* The run that begins after this call. */
static struct forwarder_run run_once(void)
{
        run_fd = eventfd(0, EFD_CLOEXEC);
        assert_true(run_fd >= 0);
        forwarder_on_run(forwarder, run_fd);
        uint64_t number = forwarder_ring(forwarder), rings;
        while (forwarder_view(forwarder).last.number < number)
                assert_int_equal(read(run_fd, &rings, sizeof(rings)), sizeof(rings));
        forwarder_on_run(forwarder, -1);
        assert_int_equal(close(run_fd), 0);
        return forwarder_view(forwarder).last;
}

static void stop(void)
{
        assert_int_equal(forwarder_stop(forwarder, 15000), 0);
}

static struct forwarder_run run(void)
{
        start();
        struct forwarder_run result = run_once();
        stop();
        return result;
}

static struct message_name staged(const char *text)
{
        struct message_name name;
        assert_int_equal(store_receive(text, &name), VERDICT_ACCEPTED);
        store_write(in_folder("staging", &name, ".SMX"), text, strlen(text));
        assert_int_equal(delivery_mark_staged(store.ledger, &name.seq, 1), 0);
        return name;
}

/* As a crash between the two commits leaves it. */
static struct message_name copied_in(const char *text, bool older_words)
{
        struct message_name name = staged(text);
        struct inbox *inbox = NULL;
        int64_t id, shipment;
        assert_int_equal(inbox_open_folder(store_path("inbox"), false, &inbox), 0);
        assert_int_equal(delivery_inbox(store.ledger, older_words ? inbox->former : inbox->identity,
                                        store_path("inbox"), &id),
                         0);
        inbox->kind->close(inbox);
        assert_int_equal(delivery_mark_copied(store.ledger, &name.seq, 1, id, &shipment), 0);
        return name;
}

static struct message_name copied(const char *text)
{
        return copied_in(text, false);
}

static void staged_files_arrive_and_leave_staging(void **state)
{
        (void)state;
        store_open();
        struct message_name one = staged("one"), two = staged("two");
        start(); /* a start forwards at once */
        (void)run_once();
        stop();
        assert_file(in_folder("inbox", &one, ".SMX"), "one");
        assert_file(in_folder("inbox", &two, ".SMX"), "two");
        assert_int_equal(count_files("staging", ".SMX"), 0);
        assert_int_equal(count_files("inbox", ".tmp"), 0);
        assert_int_equal(ledger_totals(store.ledger).bytes, 0);
}

static void a_missing_inbox_keeps_everything_staged(void **state)
{
        (void)state;
        store_open();
        struct message_name one = staged("one");
        assert_int_equal(rmdir(store_path("inbox")), 0);
        struct forwarder_run result = run();
        assert_int_equal(result.fault, -ENOENT);
        assert_int_equal(result.copied, 0);
        assert_int_equal(result.tried, 1);
        assert_true(file_exists(in_folder("staging", &one, ".SMX")));
        assert_false(file_exists("inbox"));
        assert_int_equal(mkdir(store_path("inbox"), 0750), 0);
        assert_int_equal(run().fault, 0);
        assert_file(in_folder("inbox", &one, ".SMX"), "one");
}

static void the_throttle_holds_over_runs_and_restarts(void **state)
{
        (void)state;
        config_unref(store.config);
        store.config = store_config("throttle_messages=2\nthrottle_interval=1h\n[staging]\nmin_free=0%\n");
        store_open();
        struct message_name one = staged("one");
        (void)staged("two");
        struct message_name three = staged("three");
        start();
        (void)run_once();
        struct forwarder_run again = run_once();
        stop();
        assert_int_equal(again.tried, 0);
        assert_int_equal(count_files("inbox", ".SMX"), 2);
        assert_true(file_exists(in_folder("inbox", &one, ".SMX")));
        assert_true(file_exists(in_folder("staging", &three, ".SMX")));
        store_reopen();
        (void)run();
        assert_int_equal(count_files("inbox", ".SMX"), 2);
}

static void a_copied_message_whose_temporary_file_is_there_is_renamed(void **state)
{
        (void)state;
        store_open();
        struct message_name one = copied("one");
        store_write(in_folder("inbox", &one, ".tmp"), "one", 3);
        (void)run();
        assert_file(in_folder("inbox", &one, ".SMX"), "one");
        assert_int_equal(count_files("staging", ".SMX"), 0);
        assert_int_equal(ledger_totals(store.ledger).copied, 0);
}

static void one_whose_temporary_file_is_gone_had_arrived(void **state)
{
        (void)state;
        store_open();
        struct message_name one = copied("one"); /* and the site server has taken it */
        (void)run();
        assert_int_equal(count_files("inbox", ".SMX"), 0);
        assert_false(file_exists(in_folder("staging", &one, ".SMX")));
        assert_int_equal(ledger_totals(store.ledger).copied, 0);
}

/* The same, where the staged file itself is to be renamed. */
static struct message_name moving(const char *text)
{
        struct message_name name = staged(text);
        struct inbox *inbox = NULL;
        int64_t id, shipment;
        AUTO_CLOSE int staging_fd = -1;
        assert_int_equal(fsutil_open_folder(store_path("staging"), &staging_fd), 0);
        assert_int_equal(inbox_open_renaming(store_path("inbox"), false, staging_fd, true, &inbox), 0);
        assert_int_equal(delivery_inbox(store.ledger, inbox->identity, store_path("inbox"), &id), 0);
        inbox->kind->close(inbox);
        assert_int_equal(delivery_mark_copied(store.ledger, &name.seq, 1, id, &shipment), 0);
        return name;
}

static void a_copied_message_whose_staged_file_is_there_is_renamed(void **state)
{
        (void)state;
        store_open();
        struct message_name one = moving("one");
        (void)run();
        assert_file(in_folder("inbox", &one, ".SMX"), "one");
        assert_int_equal(count_files("staging", ".SMX"), 0);
        assert_int_equal(ledger_totals(store.ledger).copied, 0);
}

static void one_whose_staged_file_is_gone_had_arrived(void **state)
{
        (void)state;
        store_open();
        struct message_name one = moving("one"); /* and the site server has taken it */
        assert_int_equal(unlink(store_path(in_folder("staging", &one, ".SMX"))), 0);
        (void)run();
        assert_int_equal(count_files("inbox", ".SMX"), 0);
        assert_int_equal(ledger_totals(store.ledger).copied, 0);
        assert_int_equal(ledger_totals(store.ledger).quarantined, 0);
}

static void another_staging_folder_decides_nothing(void **state)
{
        (void)state;
        store_open();
        struct message_name one = moving("one");
        assert_int_equal(rename(store_path("staging"), store_path("away")), 0);
        assert_int_equal(mkdir(store_path("staging"), 0750), 0);
        assert_int_equal(mkdir(store_path("staging/corrupt"), 0750), 0);
        (void)run();
        assert_int_equal(ledger_totals(store.ledger).copied, 1);
        assert_int_equal(rmdir(store_path("staging/corrupt")), 0);
        assert_int_equal(rmdir(store_path("staging")), 0);
        assert_int_equal(rename(store_path("away"), store_path("staging")), 0);
        (void)run();
        assert_file(in_folder("inbox", &one, ".SMX"), "one");
}

static void an_inbox_is_known_by_the_words_of_an_older_ledger_too(void **state)
{
        (void)state;
        store_open();
        struct message_name one = copied_in("one", true);
        store_write(in_folder("inbox", &one, ".tmp"), "one", 3);
        (void)run();
        assert_file(in_folder("inbox", &one, ".SMX"), "one");
        assert_int_equal(ledger_totals(store.ledger).copied, 0);
}

static void an_empty_folder_in_the_place_of_the_inbox_decides_nothing(void **state)
{
        (void)state;
        store_open();
        struct message_name one = copied("one");
        store_write(in_folder("inbox", &one, ".tmp"), "one", 3);
        assert_int_equal(rename(store_path("inbox"), store_path("unmounted")), 0);
        assert_int_equal(mkdir(store_path("inbox"), 0750), 0);
        (void)run();
        assert_int_equal(ledger_totals(store.ledger).copied, 1);
        assert_int_equal(rmdir(store_path("inbox")), 0);
        assert_int_equal(rename(store_path("unmounted"), store_path("inbox")), 0);
        (void)run();
        assert_file(in_folder("inbox", &one, ".SMX"), "one");
}

static void configure_another_inbox(void)
{
        assert_int_equal(mkdir(store_path("new"), 0750), 0);
        free(store.config->forwarder.inbox);
        store.config->forwarder.inbox = strdup(store_path("new"));
}

static void rows_half_way_to_an_inbox_of_the_past_are_finished_there(void **state)
{
        (void)state;
        store_open();
        struct message_name one = copied("one"), two = staged("two");
        store_write(in_folder("inbox", &one, ".tmp"), "one", 3);
        configure_another_inbox();
        (void)run();
        assert_file(in_folder("inbox", &one, ".SMX"), "one");
        assert_file(in_folder("new", &two, ".SMX"), "two");
}

static void rows_half_way_to_an_inbox_that_is_gone_wait_for_a_person(void **state)
{
        (void)state;
        store_open();
        struct message_name one = copied("one");
        assert_int_equal(rmdir(store_path("inbox")), 0);
        configure_another_inbox();
        (void)run();
        assert_int_equal(ledger_totals(store.ledger).quarantined, 1);
        assert_int_equal(delivery_requeue(store.ledger, one.seq), 0);
}

static void rows_half_way_wait_out_what_is_no_fault_of_their_inbox(void **state)
{
        (void)state;
        store_open();
        struct message_name one = copied("one");
        store_write(in_folder("inbox", &one, ".tmp"), "one", 3);
        configure_another_inbox();
        closed_place = store_path("inbox");
        struct forwarder_run result = run();
        closed_place = NULL;
        assert_int_not_equal(result.fault, 0);
        assert_int_equal(ledger_totals(store.ledger).copied, 1);
        (void)run();
        assert_int_equal(ledger_totals(store.ledger).quarantined, 0);
        assert_file(in_folder("inbox", &one, ".SMX"), "one");
}

static void a_damaged_file_is_quarantined_and_the_others_go_on(void **state)
{
        (void)state;
        store_open();
        struct message_name bad = staged("one"), good = staged("two");
        store_write(in_folder("staging", &bad, ".SMX"), "oNe", 3);
        struct forwarder_run result = run();
        assert_int_equal(ledger_totals(store.ledger).quarantined, 1);
        assert_file(in_folder("staging/corrupt", &bad, ".SMX"), "oNe");
        assert_file(in_folder("inbox", &good, ".SMX"), "two");
        assert_int_equal(result.fault, 0);
}

static void a_file_gone_from_staging_is_not_sent_by_guess(void **state)
{
        (void)state;
        store_open();
        struct message_name one = staged("one");
        assert_int_equal(unlink(store_path(in_folder("staging", &one, ".SMX"))), 0);
        (void)run();
        assert_int_equal(count_files("inbox", ".SMX"), 0);
        assert_int_equal(ledger_totals(store.ledger).quarantined, 1);
        assert_file(in_folder("staging/corrupt", &one, ".SMX"), "one");
}

static void another_file_of_the_same_name_is_not_replaced(void **state)
{
        (void)state;
        store_open();
        struct message_name one = staged("one"), two = staged("two");
        store_write(in_folder("inbox", &one, ".SMX"), "theirs", 6);
        store_write(in_folder("inbox", &two, ".SMX"), "two", 3); /* our own, unread as yet */
        (void)run();
        assert_file(in_folder("inbox", &one, ".SMX"), "theirs");
        assert_int_equal(ledger_totals(store.ledger).quarantined, 1);
        assert_int_equal(count_files("inbox", ".tmp"), 0);
}

static void the_stand_in_is_used_after_a_while_and_given_up_again(void **state)
{
        (void)state;
        config_unref(store.config);
        char extra[256];
        (void)snprintf(extra, sizeof(extra),
                       "inbox_fallback=%s\nfallback_after=1s\ninterval=1s\n[staging]\nmin_free=0%%\n",
                       store_path("second"));
        store.config = store_config(extra);
        store_open();
        assert_int_equal(mkdir(store_path("second"), 0750), 0);
        assert_int_equal(rmdir(store_path("inbox")), 0);
        struct message_name one = staged("one");
        start();
        assert_int_equal(run_once().fault, -ENOENT); /* not at once */
        int64_t until = clock_monotonic_ms() + 15000;
        while (forwarder_view(forwarder).last.copied == 0) { /* that run is over */
                assert_true(clock_monotonic_ms() < until);
                (void)usleep(1000);
        }
        assert_true(file_exists(in_folder("second", &one, ".SMX")));
        assert_int_equal(mkdir(store_path("inbox"), 0750), 0);
        struct message_name two = staged("two");
        (void)run_once();
        stop();
        assert_file(in_folder("inbox", &two, ".SMX"), "two");
}

#define MANY 3000 /* more than the first batch, and the second */

static void stage_many(void)
{
        static struct delivery_import imports[MANY];
        static char texts[MANY][8];
        for (int i = 0; i < MANY; i++) {
                struct message_name name = { .time_ms = clock_wall_ms(), .node = 5, .seq = i + 1 };
                size_t size = (size_t)snprintf(texts[i], sizeof(texts[i]), "%d", i);
                store_write(in_folder("staging", &name, ".SMX"), texts[i], size);
                imports[i] = (struct delivery_import){
                        .name = name, .report = { .bytes = (unsigned char *)texts[i], .size = size }
                };
        }
        assert_int_equal(delivery_import(store.ledger, imports, MANY), 0);
}

static void keep_largest(void *arg, int64_t at_ms, uint64_t files)
{
        uint64_t *largest = arg;
        (void)at_ms;
        *largest = files > *largest ? files : *largest;
}

static void many_go_in_larger_batches_where_they_are_renamed(void **state)
{
        (void)state;
        store_open();
        stage_many();
        int64_t begun_ms = clock_monotonic_ms();
        assert_int_equal(run().fault, 0);
        int64_t took_ms = clock_monotonic_ms() - begun_ms;
        assert_int_equal(count_files("staging", ".SMX"), 0);
        assert_int_equal(count_files("inbox", ".SMX"), MANY);
        assert_int_equal(ledger_totals(store.ledger).copied + ledger_totals(store.ledger).staged, 0);
        uint64_t largest = 0;
        struct query *query = NULL;
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        assert_int_equal(query_shipments(query, 0, keep_largest, &largest), 0);
        query_close(query);
        if (!store.config->forwarder.rename)
                assert_int_equal(largest, 1024);
        else if (took_ms < 1000) /* a slow disk keeps them small */
                assert_true(largest > 1024);
}

static void a_stop_in_a_large_batch_leaves_the_rest_to_the_next_start(void **state)
{
        (void)state;
        store_open();
        start();
        (void)run_once();
        stage_many();
        assert_int_equal(sem_init(&stop_came, 0, 0), 0);
        batches_to_stop = 2;
        (void)forwarder_ring(forwarder);
        assert_int_equal(sem_wait(&stop_came), 0);
        stop();
        assert_int_equal(sem_destroy(&stop_came), 0);
        assert_int_equal(count_files("inbox", ".SMX"), 2048);
        assert_true(ledger_totals(store.ledger).copied <= 1024); /* 0 where a slow disk keeps batches small */
        assert_int_equal(ledger_totals(store.ledger).copied + ledger_totals(store.ledger).staged,
                         MANY - 2048);
        (void)run();
        assert_int_equal(count_files("inbox", ".SMX"), MANY);
        assert_int_equal(count_files("staging", ".SMX"), 0);
        assert_int_equal(ledger_totals(store.ledger).copied, 0);
}

static int setup_to_copy(void **state)
{
        int r = store_setup(state);
        store.config->forwarder.rename = false;
        return r;
}

#define COPY_TEST(function)                                                                                  \
        {                                                                                                    \
                "copied: " #function, function, setup_to_copy, store_teardown, NULL                          \
        }

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(staged_files_arrive_and_leave_staging),
                TEST(a_missing_inbox_keeps_everything_staged),
                TEST(the_throttle_holds_over_runs_and_restarts),
                TEST(a_copied_message_whose_temporary_file_is_there_is_renamed),
                TEST(one_whose_temporary_file_is_gone_had_arrived),
                TEST(a_copied_message_whose_staged_file_is_there_is_renamed),
                TEST(one_whose_staged_file_is_gone_had_arrived),
                TEST(another_staging_folder_decides_nothing),
                TEST(an_inbox_is_known_by_the_words_of_an_older_ledger_too),
                TEST(an_empty_folder_in_the_place_of_the_inbox_decides_nothing),
                TEST(rows_half_way_to_an_inbox_of_the_past_are_finished_there),
                TEST(rows_half_way_to_an_inbox_that_is_gone_wait_for_a_person),
                TEST(rows_half_way_wait_out_what_is_no_fault_of_their_inbox),
                TEST(a_damaged_file_is_quarantined_and_the_others_go_on),
                TEST(a_file_gone_from_staging_is_not_sent_by_guess),
                TEST(another_file_of_the_same_name_is_not_replaced),
                TEST(the_stand_in_is_used_after_a_while_and_given_up_again),
                TEST(many_go_in_larger_batches_where_they_are_renamed),
                TEST(a_stop_in_a_large_batch_leaves_the_rest_to_the_next_start),
                COPY_TEST(staged_files_arrive_and_leave_staging),
                COPY_TEST(a_missing_inbox_keeps_everything_staged),
                COPY_TEST(a_copied_message_whose_temporary_file_is_there_is_renamed),
                COPY_TEST(one_whose_temporary_file_is_gone_had_arrived),
                COPY_TEST(a_copied_message_whose_staged_file_is_there_is_renamed),
                COPY_TEST(one_whose_staged_file_is_gone_had_arrived),
                COPY_TEST(another_staging_folder_decides_nothing),
                COPY_TEST(an_inbox_is_known_by_the_words_of_an_older_ledger_too),
                COPY_TEST(an_empty_folder_in_the_place_of_the_inbox_decides_nothing),
                COPY_TEST(rows_half_way_to_an_inbox_of_the_past_are_finished_there),
                COPY_TEST(rows_half_way_to_an_inbox_that_is_gone_wait_for_a_person),
                COPY_TEST(rows_half_way_wait_out_what_is_no_fault_of_their_inbox),
                COPY_TEST(a_damaged_file_is_quarantined_and_the_others_go_on),
                COPY_TEST(a_file_gone_from_staging_is_not_sent_by_guess),
                COPY_TEST(another_file_of_the_same_name_is_not_replaced),
                COPY_TEST(the_stand_in_is_used_after_a_while_and_given_up_again),
                COPY_TEST(many_go_in_larger_batches_where_they_are_renamed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
