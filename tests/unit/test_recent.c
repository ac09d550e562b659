/* src/ledger/recent.h, with tables of memory so small that all of it is seen. */
#define TABLE_BITS 4
#include "../../src/ledger/recent.c"

#include "store_fixture.h"

#define MESSAGES 200

static void receive_all(int first, enum verdict expected)
{
        char text[16];
        for (int i = first; i < first + MESSAGES; i++) {
                (void)snprintf(text, sizeof(text), "message %d", i);
                assert_int_equal(store_receive(text, NULL), expected);
        }
}

static int64_t ask(const char *sql)
{
        sqlite3 *db = NULL;
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_open(store.config->ledger.file, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        return value;
}

static void duplicates_are_told_wherever_they_stand(void **state)
{
        (void)state;
        store_open();
        receive_all(0, VERDICT_ACCEPTED);
        receive_all(0, VERDICT_DUPLICATE);
        assert_true(ask("SELECT count(*) FROM seen") > MESSAGES / 2);
        store_reopen();
        receive_all(0, VERDICT_DUPLICATE);
        receive_all(MESSAGES, VERDICT_ACCEPTED);
        receive_all(0, VERDICT_DUPLICATE);
        assert_int_equal(ask("SELECT count(*) FROM message"), 2 * MESSAGES);
}

static void a_ledger_without_the_index_gets_it_at_the_open(void **state)
{
        (void)state;
        store_open();
        receive_all(0, VERDICT_ACCEPTED);
        store_close();
        assert_int_equal(ask("DELETE FROM seen"), -1);
        assert_int_equal(ask("DELETE FROM meta WHERE key LIKE 'seen%'"), -1);
        store_open();
        receive_all(0, VERDICT_DUPLICATE);
}

static void a_digest_alone_makes_no_duplicate(void **state)
{
        (void)state;
        store_open();
        receive_all(0, VERDICT_ACCEPTED);
        store_close();
        /* rows that are gone, or whose digest is another one's */
        assert_int_equal(ask("UPDATE seen SET seq = seq + 1"), -1);
        assert_int_equal(ask("DELETE FROM message WHERE seq <= 10 AND delivery = 0"), -1);
        store_open();
        for (int i = 0; i < 10; i++) {
                char text[16];
                (void)snprintf(text, sizeof(text), "message %d", i);
                assert_int_equal(store_receive(text, NULL), VERDICT_ACCEPTED);
        }
}

/* Or each start would look at all that came since the tables were last full. */
static void a_start_goes_on_from_what_is_young(void **state)
{
        (void)state;
        char text[16];
        store_open();
        for (int i = 1; i <= 5; i++) {
                (void)snprintf(text, sizeof(text), "message %d", i);
                assert_int_equal(store_receive(text, NULL), VERDICT_ACCEPTED);
        }
        store_close();
        assert_int_equal(ask("UPDATE message SET received_ms = 1 WHERE seq <= 3"), -1);
        store_open();
        assert_int_equal(ask("SELECT value FROM meta WHERE key = 'seen_seq'"), 3);
        assert_int_equal(store_receive("message 4", NULL), VERDICT_DUPLICATE);
        assert_int_equal(store_receive("message 5", NULL), VERDICT_DUPLICATE);
        store_close();
        assert_int_equal(ask("UPDATE message SET received_ms = 1"), -1);
        store_open();
        assert_int_equal(ask("SELECT value FROM meta WHERE key = 'seen_seq'"), 5);
        assert_int_equal(store_receive("message 5", NULL), VERDICT_ACCEPTED);
        store_reopen();
        assert_int_equal(store_receive("message 5", NULL), VERDICT_DUPLICATE);
}

static void make_old(void)
{
        store_close();
        assert_int_equal(ask("UPDATE meta SET value = 1 WHERE key = 'seen_began_ms'"), -1);
        store_open();
}

static void a_generation_is_followed_by_the_next_and_removed(void **state)
{
        (void)state;
        store_open();
        receive_all(0, VERDICT_ACCEPTED);
        make_old();
        receive_all(MESSAGES, VERDICT_ACCEPTED);
        receive_all(0, VERDICT_DUPLICATE);
        make_old();
        receive_all(2 * MESSAGES, VERDICT_ACCEPTED);
        store_reopen(); /* looks for what is old at once */
        int64_t until_ms = clock_monotonic_ms() + 15000;
        while (ask("SELECT min(generation) FROM seen") < 1) {
                assert_true(clock_monotonic_ms() < until_ms);
                (void)usleep(10000);
        }
        receive_all(MESSAGES, VERDICT_DUPLICATE);
        receive_all(2 * MESSAGES, VERDICT_DUPLICATE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(duplicates_are_told_wherever_they_stand),
                TEST(a_ledger_without_the_index_gets_it_at_the_open),
                TEST(a_digest_alone_makes_no_duplicate),
                TEST(a_start_goes_on_from_what_is_young),
                TEST(a_generation_is_followed_by_the_next_and_removed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
