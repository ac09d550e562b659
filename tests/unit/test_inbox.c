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

/* --- files are renamed out of staging --- */

#define STAGED "staging/20231114T221320000Z-0003-0000004D.SMX"
#define TEMPORARY "20231114T221320000Z-0003-0000004D.tmp"
#define FINAL "20231114T221320000Z-0003-0000004D.SMX"

static int open_renaming(const char *place)
{
        AUTO_CLOSE int staging_fd = -1;
        assert_int_equal(fsutil_open_folder(store_path("staging"), &staging_fd), 0);
        return inbox_open_renaming(place, false, staging_fd, true, &inbox);
}

static ino_t inode_of(const char *name)
{
        struct stat st;
        assert_int_equal(stat(store_path(name), &st), 0);
        return st.st_ino;
}

static void a_staged_file_itself_appears_in_an_inbox_beside_it(void **state)
{
        (void)state;
        store_write(STAGED, "hello", 5);
        ino_t inode = inode_of(STAGED);
        assert_int_equal(open_renaming(store_path("inbox")), 0);
        assert_int_equal(inbox->kind->put(inbox, TEMPORARY, "hello", 5), 0);
        assert_int_equal(inbox->kind->flush(inbox), 0);
        assert_int_equal(inode_of(STAGED), inode);
        assert_int_equal(count_files("inbox", ".SMX") + count_files("inbox", ".tmp"), 0);
        assert_int_equal(inbox->kind->exists(inbox, TEMPORARY), 1);
        assert_int_equal(inbox->kind->publish(inbox, TEMPORARY, FINAL), 0);
        assert_int_equal(inbox->kind->settle(inbox), 0);
        assert_int_equal(inbox->kind->exists(inbox, TEMPORARY), 0);
        assert_int_equal(inode_of("inbox/" FINAL), inode);
        assert_false(file_exists(STAGED));
        inbox->kind->close(inbox);
}

static void a_taken_name_is_not_replaced_by_a_staged_file(void **state)
{
        (void)state;
        store_write(STAGED, "ours", 4);
        store_write("inbox/" FINAL, "theirs", 6);
        assert_int_equal(open_renaming(store_path("inbox")), 0);
        assert_int_equal(inbox->kind->publish(inbox, TEMPORARY, FINAL), -EEXIST);
        assert_file("inbox/" FINAL, "theirs");
        assert_file(STAGED, "ours");
        inbox->kind->close(inbox);
}

/* One that does not look as we write it, or that has another name, too. */
static void a_staged_file_of_others_is_written_anew(void **state)
{
        (void)state;
        store_write(STAGED, "hello", 5);
        assert_int_equal(chmod(store_path(STAGED), 0600), 0);
        assert_int_equal(open_renaming(store_path("inbox")), 0);
        assert_int_equal(inbox->kind->put(inbox, TEMPORARY, "hello", 5), 0);
        struct stat st;
        assert_int_equal(stat(store_path(STAGED), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0640);
        assert_int_equal(link(store_path(STAGED), store_path("theirs")), 0);
        assert_int_equal(inbox->kind->put(inbox, TEMPORARY, "hello", 5), 0);
        assert_true(inode_of(STAGED) != inode_of("theirs"));
        assert_file(STAGED, "hello");
        assert_int_equal(count_files("staging", ".tmp"), 0);
        assert_int_equal(inbox->kind->flush(inbox), 0);
        inbox->kind->close(inbox);
}

static void nothing_is_renamed_where_it_would_look_otherwise(void **state)
{
        (void)state;
        assert_int_equal(open_renaming("/proc"), -EXDEV);
        if (geteuid() == 0) {
                assert_int_equal(chown(store_path("inbox"), (uid_t)-1, 4711), 0);
                assert_int_equal(open_renaming(store_path("inbox")), 0); /* files are of our group */
                inbox->kind->close(inbox);
                assert_int_equal(chmod(store_path("inbox"), 02750), 0);
                assert_int_equal(open_renaming(store_path("inbox")), -EXDEV);
                AUTO_CLOSE int staging_fd = -1; /* but what is half-way there is finished */
                assert_int_equal(fsutil_open_folder(store_path("staging"), &staging_fd), 0);
                assert_int_equal(inbox_open_renaming(store_path("inbox"), false, staging_fd, false, &inbox),
                                 0);
                inbox->kind->close(inbox);
        }
        assert_int_equal(open_renaming(store_path("nowhere")), -ENOENT);
}

static void another_staging_folder_makes_another_inbox(void **state)
{
        (void)state;
        char identity[INBOX_IDENTITY_SIZE];
        assert_int_equal(open_renaming(store_path("inbox")), 0);
        strcpy(identity, inbox->identity);
        inbox->kind->close(inbox);
        assert_int_equal(rename(store_path("staging"), store_path("moved")), 0);
        assert_int_equal(mkdir(store_path("staging"), 0750), 0);
        assert_int_equal(open_renaming(store_path("inbox")), 0);
        assert_string_not_equal(inbox->identity, identity);
        assert_int_equal(inbox->kind->check(inbox), 0);
        assert_int_equal(rmdir(store_path("staging")), 0);
        assert_int_equal(inbox->kind->check(inbox), -ESTALE);
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
                TEST(a_staged_file_itself_appears_in_an_inbox_beside_it),
                TEST(a_taken_name_is_not_replaced_by_a_staged_file),
                TEST(a_staged_file_of_others_is_written_anew),
                TEST(nothing_is_renamed_where_it_would_look_otherwise),
                TEST(another_staging_folder_makes_another_inbox),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
