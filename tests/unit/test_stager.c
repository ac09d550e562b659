/* include/fsp/stager.h and rebuild.h: rows become files, files become rows. */
#include "fsp/rebuild.h"
#include "fsp/stager.h"
#include "store_fixture.h"

static const char message[] =
        "<Report><ReportHeader><Identification><Machine><ClientID>GUID:7</ClientID></Machine>"
        "</Identification></ReportHeader><ReportBody><StateMessage><Topic Type=\"800\"/>"
        "<State ID=\"400\"/></StateMessage></ReportBody></Report>";

static bool no_progress(void *arg)
{
        (void)arg;
        return true;
}

static void rebuild(void)
{
        ledger_close(store.ledger);
        store.ledger = NULL;
        assert_int_equal(rebuild_open(store.config, no_progress, NULL, &store.ledger), 0);
}

static void stage_all(void)
{
        struct stager *stager = NULL;
        assert_int_equal(stager_start(store.config, store.ledger, &stager), 0);
        stager_catch_up(stager, 15000);
        stager_stop(stager);
}

static void received_messages_become_files(void **state)
{
        (void)state;
        struct message_name one, two;
        store_open();
        assert_int_equal(store_receive("one", &one), VERDICT_ACCEPTED);
        assert_int_equal(store_receive("two", &two), VERDICT_ACCEPTED);
        stage_all();
        assert_file(in_folder("staging", &one, ".SMX"), "one");
        assert_file(in_folder("staging", &two, ".SMX"), "two");
        assert_int_equal(count_files("staging", ".tmp"), 0);
        assert_int_equal(ledger_totals(store.ledger).staged, 2);
        assert_int_equal(ledger_totals(store.ledger).received, 0);
}

static void a_file_half_written_before_a_crash_is_written_again(void **state)
{
        (void)state;
        struct message_name one;
        store_open();
        assert_int_equal(store_receive("one", &one), VERDICT_ACCEPTED);
        store_write(in_folder("staging", &one, ".SMX"), "o", 1);
        rebuild();
        stage_all();
        assert_file(in_folder("staging", &one, ".SMX"), "one");
}

/* It may be on its way into an inbox at this moment. */
static void a_file_that_is_there_and_whole_stays_the_same(void **state)
{
        (void)state;
        struct message_name one;
        struct stat before, after;
        store_open();
        assert_int_equal(store_receive("one", &one), VERDICT_ACCEPTED);
        store_write(in_folder("staging", &one, ".SMX"), "one", 3);
        assert_int_equal(stat(store_path(in_folder("staging", &one, ".SMX")), &before), 0);
        stage_all();
        assert_int_equal(stat(store_path(in_folder("staging", &one, ".SMX")), &after), 0);
        assert_true(before.st_ino == after.st_ino);
        assert_int_equal(ledger_totals(store.ledger).staged, 1);
}

static void a_lost_ledger_is_rebuilt_from_the_staged_files(void **state)
{
        (void)state;
        struct message_name one;
        struct query_pending row;
        store_open();
        assert_int_equal(store_receive(message, &one), VERDICT_ACCEPTED);
        stage_all();
        ledger_close(store.ledger);
        store.ledger = NULL;
        assert_int_equal(unlink(store_path("ledger.db")), 0);
        rebuild();
        assert_int_equal(store_pending(DELIVERY_STAGED, &row, 1), 1);
        char text[NAME_SIZE], expected[NAME_SIZE];
        assert_string_equal(name_format_id(&row.name, text), name_format_id(&one, expected));
        /* and the next name is later and of another number */
        struct message_name two;
        assert_int_equal(store_receive("two", &two), VERDICT_ACCEPTED);
        assert_true(strcmp(name_format_id(&two, text), expected) > 0);
        assert_true(two.seq > one.seq);
}

static void a_damaged_ledger_is_set_aside(void **state)
{
        (void)state;
        struct query_pending row;
        store_open();
        assert_int_equal(store_receive(message, NULL), VERDICT_ACCEPTED);
        stage_all();
        ledger_close(store.ledger);
        store.ledger = NULL;
        store_write("ledger.db",
                    "damaged beyond recognition, as after a fault of the disk: no header, no pages", 70);
        rebuild();
        assert_int_equal(store_pending(DELIVERY_STAGED, &row, 1), 1);
        unsigned aside = 0;
        DIR *dir = opendir(store.folder);
        for (struct dirent *entry; (entry = readdir(dir));)
                aside += strncmp(entry->d_name, "ledger.db.damaged-", 18) == 0;
        closedir(dir);
        assert_int_equal(aside, 1);
}

static void a_file_that_is_no_message_is_quarantined(void **state)
{
        (void)state;
        struct message_name name = { .time_ms = 1700000000000, .node = 3, .seq = 77 };
        struct query_pending row;
        store_write(in_folder("staging", &name, ".SMX"), "<Repo", 5);
        rebuild();
        assert_int_equal(ledger_totals(store.ledger).quarantined, 1);
        assert_int_equal(store_pending(DELIVERY_QUARANTINED, &row, 1), 1);
        assert_file(in_folder("staging/corrupt", &name, ".SMX"), "<Repo");
        assert_false(file_exists(in_folder("staging", &name, ".SMX")));
        rebuild();
        assert_int_equal(ledger_totals(store.ledger).quarantined, 1);
}

static void leftovers_are_swept_and_strangers_left_alone(void **state)
{
        (void)state;
        struct message_name one, stray = { .time_ms = 1700000000000, .node = 3, .seq = 78 };
        int64_t shipment;
        store_open();
        assert_int_equal(store_receive("one", &one), VERDICT_ACCEPTED);
        assert_int_equal(delivery_mark_staged(store.ledger, &one.seq, 1), 0);
        assert_int_equal(delivery_mark_copied(store.ledger, &one.seq, 1, 1, &shipment), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, &one.seq, 1, shipment), 0);
        store_write(in_folder("staging", &one, ".SMX"), "one", 3);
        store_write(in_folder("staging", &stray, ".tmp"), "half", 4);
        store_write("staging/README", "somebody's", 10);
        rebuild();
        assert_false(file_exists(in_folder("staging", &one, ".SMX")));
        assert_int_equal(count_files("staging", ".tmp"), 0);
        assert_true(file_exists("staging/README"));
        assert_int_equal(ledger_totals(store.ledger).staged, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(received_messages_become_files),
                TEST(a_file_half_written_before_a_crash_is_written_again),
                TEST(a_file_that_is_there_and_whole_stays_the_same),
                TEST(a_lost_ledger_is_rebuilt_from_the_staged_files),
                TEST(a_damaged_ledger_is_set_aside),
                TEST(a_file_that_is_no_message_is_quarantined),
                TEST(leftovers_are_swept_and_strangers_left_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
