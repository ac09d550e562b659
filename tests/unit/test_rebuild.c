/* include/fsp/rebuild.h: a ledger that is made anew is made anew as a whole. */
#include "fsp/rebuild.h"
#include "message_forms.h"
#include "store_fixture.h"

#include <sqlite3.h>
#include <sys/wait.h>

#define MESSAGES 5
#define STARTS 50 /* more than progress is ever called */

/* Says at the nth call that this is to be done another time; or there is no other time. */
struct impatience {
        unsigned calls, last;
        bool dies;
};

static bool be_impatient(void *arg)
{
        struct impatience *impatience = arg;
        if (++impatience->calls < impatience->last)
                return true;
        if (impatience->dies)
                _exit(0);
        return false;
}

static bool wait_for_ever(void *arg)
{
        (void)arg;
        return true;
}

/* Messages that stand in the ledger alone, and one row that nobody wrote. */
static void damage(void)
{
        sqlite3 *db = NULL;
        store_open();
        for (int i = 0; i < MESSAGES; i++) {
                char text[2] = { (char)('a' + i), '\0' };
                assert_int_equal(store_receive(text, NULL), VERDICT_ACCEPTED);
        }
        store_close();
        assert_int_equal(sqlite3_open(store.config->ledger.file, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "UPDATE message SET size = 2 WHERE seq = 1", NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void assert_nothing_is_lost(void)
{
        unsigned char *body = NULL;
        size_t size;
        struct query *query = NULL;
        assert_int_equal(rebuild_open(store.config, wait_for_ever, NULL, &store.ledger), 0);
        struct ledger_totals totals = ledger_totals(store.ledger);
        assert_int_equal(totals.received, MESSAGES - 1);
        assert_int_equal(totals.quarantined, 1);
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        for (int64_t seq = 2; seq <= MESSAGES; seq++) {
                assert_int_equal(query_body(query, seq, &body, &size), 0);
                assert_int_equal(body[0], 'a' + seq - 1);
                free(body);
        }
        query_close(query);
        store_close();
        assert_int_equal(count_files("", ".salvage"), 0);
}

/* A rebuild that is left, or dies, at the nth call of progress; false: it came to its end. */
static bool is_cut_short(unsigned nth, bool dies)
{
        struct impatience impatience = { .last = nth, .dies = dies };
        if (!dies) {
                int r = rebuild_open(store.config, be_impatient, &impatience, &store.ledger);
                store_close();
                assert_true(r == 0 || r == -EINTR);
                return r == -EINTR;
        }
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(rebuild_open(store.config, be_impatient, &impatience, &store.ledger) == 0 ? 1 : 2);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
        return WEXITSTATUS(status) == 0;
}

static void cut_everywhere(bool dies)
{
        unsigned nth = 1;
        for (bool cut = true; cut; nth++) {
                assert_true(nth < STARTS);
                damage();
                cut = is_cut_short(nth, dies);
                assert_nothing_is_lost();
                assert_int_equal(store_teardown(NULL), 0);
                assert_int_equal(store_setup(NULL), 0);
        }
        assert_true(nth > 8); /* each table is a step of its own */
}

static void a_rebuild_that_was_left_is_done_anew(void **state)
{
        (void)state;
        cut_everywhere(false);
}

static void a_rebuild_that_died_is_done_anew(void **state)
{
        (void)state;
        cut_everywhere(true);
}

/* As long as each other: a mix-up would show in nothing but the bytes. */
static void each_file_becomes_a_row_with_its_own_bytes(void **state)
{
        static const char text[] = "<Report><ReportHeader><Identification><Machine/></Identification>"
                                   "</ReportHeader><ReportBody><StateMessage><Topic Type='1'/>"
                                   "<State ID='%zu'/></StateMessage></ReportBody></Report>";
        struct message_name names[MESSAGES];
        struct bytes written[MESSAGES];
        struct query *query = NULL;

        (void)state;
        for (size_t i = 0; i < MESSAGES; i++) {
                char one[sizeof text];
                int length = snprintf(one, sizeof one, text, i);
                names[i] = (struct message_name){ 1700000000000, 1, (int64_t)i + 1 };
                written[i] = make_form(one, (size_t)length, AS_UTF16LE_BOM);
                store_write(in_folder("staging", &names[i], NAME_SUFFIX), written[i].data, written[i].size);
        }
        assert_int_equal(rebuild_open(store.config, wait_for_ever, NULL, &store.ledger), 0);
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        for (size_t i = 0; i < MESSAGES; i++) {
                unsigned char *body = NULL;
                size_t size;
                assert_int_equal(query_body(query, names[i].seq, &body, &size), 0);
                assert_int_equal(size, written[i].size);
                assert_memory_equal(body, written[i].data, size);
                free(body);
                test_free(written[i].data);
        }
        query_close(query);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_rebuild_that_was_left_is_done_anew),
                TEST(a_rebuild_that_died_is_done_anew),
                TEST(each_file_becomes_a_row_with_its_own_bytes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
