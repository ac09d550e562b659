/* include/fsp/inbox.h: a folder as inbox. */
#include "fsp/inbox.h"
#include "store_fixture.h"

static struct inbox *inbox;

static void open_it(void)
{
        assert_int_equal(inbox_open_folder(store_path("inbox"), false, &inbox), 0);
}

static void a_file_appears_under_its_name_only_when_published(void **state)
{
        (void)state;
        open_it();
        assert_int_equal(inbox->kind->put(inbox, "a.tmp", "hello", 5), 0);
        assert_int_equal(inbox->kind->flush(inbox), 0);
        assert_int_equal(inbox->kind->exists(inbox, "a.SMX"), 0);
        assert_int_equal(inbox->kind->exists(inbox, "a.tmp"), 1);
        assert_int_equal(inbox->kind->publish(inbox, "a.tmp", "a.SMX"), 0);
        assert_int_equal(inbox->kind->settle(inbox), 0);
        assert_int_equal(inbox->kind->exists(inbox, "a.tmp"), 0);
        assert_file("inbox/a.SMX", "hello");
        inbox->kind->close(inbox);
}

static void an_older_temporary_file_is_overwritten(void **state)
{
        (void)state;
        store_write("inbox/a.tmp", "a half-written file of an interrupted run", 41);
        open_it();
        assert_int_equal(inbox->kind->put(inbox, "a.tmp", "hello", 5), 0);
        assert_file("inbox/a.tmp", "hello");
        inbox->kind->close(inbox);
}

static void a_taken_name_is_never_replaced(void **state)
{
        (void)state;
        store_write("inbox/a.SMX", "theirs", 6);
        open_it();
        assert_int_equal(inbox->kind->put(inbox, "a.tmp", "ours", 4), 0);
        assert_int_equal(inbox->kind->publish(inbox, "a.tmp", "a.SMX"), -EEXIST);
        assert_file("inbox/a.SMX", "theirs");
        assert_int_equal(inbox->kind->remove(inbox, "a.tmp"), 0);
        inbox->kind->close(inbox);
}

static void a_missing_folder_is_not_made(void **state)
{
        (void)state;
        assert_int_equal(inbox_open_folder(store_path("nowhere"), false, &inbox), -ENOENT);
        assert_false(file_exists("nowhere"));
        store_write("file", "", 0);
        assert_int_equal(inbox_open_folder(store_path("file"), false, &inbox), -ENOTDIR);
}

static void an_ordinary_folder_is_no_mount(void **state)
{
        (void)state;
        assert_int_equal(inbox_open_folder(store_path("inbox"), true, &inbox), -ENODEV);
        assert_int_equal(inbox_open_folder("/proc", true, &inbox), 0);
        inbox->kind->close(inbox);
}

static void a_folder_in_its_place_is_another_inbox(void **state)
{
        (void)state;
        char identity[INBOX_IDENTITY_SIZE];
        open_it();
        assert_int_equal(inbox->kind->check(inbox), 0);
        strcpy(identity, inbox->identity);
        assert_int_equal(rename(store_path("inbox"), store_path("moved")), 0);
        assert_int_equal(inbox->kind->check(inbox), -ENOENT);
        assert_int_equal(mkdir(store_path("inbox"), 0750), 0);
        assert_int_equal(inbox->kind->check(inbox), -ESTALE);
        inbox->kind->close(inbox);
        open_it();
        assert_string_not_equal(inbox->identity, identity);
        inbox->kind->close(inbox);
        assert_int_equal(rmdir(store_path("inbox")), 0);
        assert_int_equal(rename(store_path("moved"), store_path("inbox")), 0);
        open_it();
        assert_string_equal(inbox->identity, identity);
        inbox->kind->close(inbox);
}

static void a_folder_made_anew_is_another_inbox(void **state)
{
        (void)state;
        char identity[INBOX_IDENTITY_SIZE];
        open_it();
        strcpy(identity, inbox->identity);
        inbox->kind->close(inbox); /* from here on its inode may be given away again */
        assert_int_equal(rmdir(store_path("inbox")), 0);
        assert_int_equal(mkdir(store_path("inbox"), 0750), 0);
        open_it();
        assert_string_not_equal(inbox->identity, identity);
        inbox->kind->close(inbox);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_file_appears_under_its_name_only_when_published),
                TEST(an_older_temporary_file_is_overwritten),
                TEST(a_taken_name_is_never_replaced),
                TEST(a_missing_folder_is_not_made),
                TEST(an_ordinary_folder_is_no_mount),
                TEST(a_folder_in_its_place_is_another_inbox),
                TEST(a_folder_made_anew_is_another_inbox),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
