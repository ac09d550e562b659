/* include/fsp/query.h: what the viewer, the stager and the forwarder read. */
#include "store_fixture.h"
#include <jansson.h>

struct seen {
        unsigned count;
        char clients[16][32];
        int64_t seqs[16];
        char params[256];
        enum delivery delivery;
        int64_t forwarded_ms;
        bool has_state;
};

static int note(void *arg, const struct query_message *message)
{
        struct seen *seen = arg;
        assert_true(seen->count < 16);
        (void)snprintf(seen->clients[seen->count], 32, "%s", message->client_id ? message->client_id : "-");
        seen->seqs[seen->count++] = message->name.seq;
        (void)snprintf(seen->params, sizeof(seen->params), "%s",
                       message->params_json ? message->params_json : "-");
        seen->delivery = message->delivery;
        seen->forwarded_ms = message->forwarded_ms;
        seen->has_state = message->has_state;
        return 0;
}

static const struct query_filter all = QUERY_FILTER();

static struct seen look(const struct query_filter *filter)
{
        struct query *query = NULL;
        struct seen seen = { .count = 0 };
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        assert_int_equal(query_messages(query, filter, note, &seen), 0);
        query_close(query);
        return seen;
}

static void receive_three(void)
{
        store_open();
        assert_int_equal(store_receive_from("one", "GUID:1", NULL), VERDICT_ACCEPTED);
        assert_int_equal(store_receive_from("two", "GUID:2", NULL), VERDICT_ACCEPTED);
        assert_int_equal(store_receive_from("three", NULL, NULL), VERDICT_ACCEPTED);
}

static void messages_come_newest_first(void **state)
{
        (void)state;
        struct query_filter filter = all;
        receive_three();
        struct seen seen = look(&filter);
        assert_int_equal(seen.count, 3);
        assert_true(seen.seqs[0] > seen.seqs[1] && seen.seqs[1] > seen.seqs[2]);
        assert_string_equal(seen.clients[0], "-");
        assert_string_equal(seen.clients[2], "GUID:1");
        json_t *params = json_loads(seen.params, 0, NULL);
        assert_int_equal(json_array_size(params), 2);
        assert_string_equal(json_string_value(json_array_get(params, 1)), "a \"b\"");
        json_decref(params);
}

static void filters_choose(void **state)
{
        (void)state;
        struct query_filter filter = all;
        receive_three();
        filter.client = "guid:2";
        assert_int_equal(look(&filter).count, 1);
        filter.client = "PC*1";
        assert_int_equal(look(&filter).count, 3);
        filter.client = "'; DROP TABLE message; --";
        assert_int_equal(look(&filter).count, 0);
        filter = all;
        filter.topic_type = 800;
        filter.state_id = 301;
        assert_int_equal(look(&filter).count, 3);
        filter.state_id = 302;
        assert_int_equal(look(&filter).count, 0);
        filter = all;
        filter.state_class = "deploy-failed";
        assert_int_equal(look(&filter).count, 3);
        filter.state_class = "deployed";
        assert_int_equal(look(&filter).count, 0);
        filter = all;
        filter.limit = 2;
        assert_int_equal(look(&filter).count, 2);
        filter = all;
        filter.delivery = DELIVERY_STAGED;
        assert_int_equal(look(&filter).count, 0);
}

static void since_is_inclusive_and_until_is_not(void **state)
{
        (void)state;
        struct message_name name;
        struct query_filter filter = all;
        store_open();
        assert_int_equal(store_receive("one", &name), VERDICT_ACCEPTED);
        filter.since_ms = name.time_ms;
        assert_int_equal(look(&filter).count, 1);
        filter.since_ms = name.time_ms + 1;
        assert_int_equal(look(&filter).count, 0);
        filter.since_ms = CLOCK_UNKNOWN;
        filter.until_ms = name.time_ms;
        assert_int_equal(look(&filter).count, 0);
        filter.until_ms = name.time_ms + 1;
        assert_int_equal(look(&filter).count, 1);
}

static void a_body_comes_back_as_it_was(void **state)
{
        (void)state;
        struct message_name packed, small;
        struct query *query = NULL;
        unsigned char *bytes = NULL;
        size_t size;
        char text[4097];
        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        store_open();
        assert_int_equal(store_receive(text, &packed), VERDICT_ACCEPTED);
        assert_int_equal(store_receive("q", &small), VERDICT_ACCEPTED);
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        assert_int_equal(query_body(query, packed.seq, &bytes, &size), 0);
        assert_int_equal(size, sizeof(text) - 1);
        assert_memory_equal(bytes, text, size);
        free(bytes);
        assert_int_equal(query_body(query, small.seq, &bytes, &size), 0);
        assert_int_equal(size, 1);
        free(bytes);
        assert_int_equal(query_body(query, small.seq + 1, &bytes, &size), -ENOENT);
        query_close(query);
}

static void a_name_finds_its_row_and_no_other(void **state)
{
        (void)state;
        struct message_name name;
        struct query *query = NULL;
        int64_t seq;
        enum delivery delivery;
        store_open();
        assert_int_equal(store_receive("one", &name), VERDICT_ACCEPTED);
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        assert_int_equal(query_find(query, &name, &seq, &delivery), 0);
        assert_int_equal(seq, name.seq);
        assert_int_equal(delivery, DELIVERY_RECEIVED);
        name.time_ms++;
        assert_int_equal(query_find(query, &name, &seq, &delivery), -ENOENT);
        query_close(query);
}

static void a_missing_or_foreign_ledger_is_told(void **state)
{
        (void)state;
        struct query *query = NULL;
        assert_int_equal(query_open(store_path("no.db"), &query), -ENOENT);
        store_write("ledger.db",
                    "no ledger, but a text that is long enough to look like a header of one, or so", 70);
        assert_int_equal(query_open(store_path("ledger.db"), &query), -EUCLEAN);
}

static void a_reader_never_writes(void **state)
{
        (void)state;
        struct query *query = NULL;
        store_open();
        assert_int_equal(store_receive("one", NULL), VERDICT_ACCEPTED);
        uint64_t commits = ledger_commits(store.ledger);
        struct query_filter filter = all;
        assert_int_equal(look(&filter).count, 1);
        assert_int_equal(ledger_commits(store.ledger), commits);
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        query_close(query);
        assert_true(file_exists("ledger.db-wal"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(messages_come_newest_first),
                TEST(filters_choose),
                TEST(since_is_inclusive_and_until_is_not),
                TEST(a_body_comes_back_as_it_was),
                TEST(a_name_finds_its_row_and_no_other),
                TEST(a_missing_or_foreign_ledger_is_told),
                TEST(a_reader_never_writes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
