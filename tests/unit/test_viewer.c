/* include/fsp/viewer.h: lists, drill-down, histories; the numbers themselves
 * are compared in tests/e2e/test_viewer_numbers.py. */
#include "store_fixture.h"

#include "fsp/catalog.h"
#include "fsp/delivery.h"
#include "fsp/errors.h"
#include "fsp/viewer.h"
#include <sqlite3.h>

static unsigned next_text;

static struct message_name tell(const char *client_id, const char *name, int64_t topic, int64_t state_id,
                                int64_t time_ms, const char *param)
{
        char text[32];
        struct state_message one = { .topic_type = topic,
                                     .state_id = state_id,
                                     .message_time_ms = time_ms,
                                     .params = { param },
                                     .param_count = param ? 1 : 0 };
        (void)snprintf(text, sizeof(text), "message %u", next_text++);
        struct report report = { .client_id = client_id,
                                 .netbios_name = name,
                                 .states = &one,
                                 .state_count = 1,
                                 .bytes = (const unsigned char *)text,
                                 .size = strlen(text) };
        struct message_name told;
        assert_int_equal(store_receive_report(&report, &told), VERDICT_ACCEPTED);
        return told;
}

struct seen {
        unsigned count;
        struct viewer_client clients[16]; /* without their texts, but: */
        char names[16][32];
};

static int note(void *arg, const struct viewer_client *client)
{
        struct seen *seen = arg;
        assert_true(seen->count < 16);
        (void)snprintf(seen->names[seen->count], 32, "%s", client->netbios_name ? client->netbios_name : "-");
        seen->clients[seen->count++] = *client;
        return 0;
}

static struct query *open_query(void)
{
        struct query *query = NULL;
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        return query;
}

static struct seen look(struct query *query, const struct viewer_filter *filter)
{
        struct seen seen = { .count = 0 };
        assert_int_equal(viewer_clients(query, filter, note, &seen), 0);
        return seen;
}

static struct seen report(struct query *query, enum viewer_report which, const struct viewer_filter *filter)
{
        struct seen seen = { .count = 0 };
        assert_int_equal(viewer_report_clients(query, which, filter, note, &seen), 0);
        return seen;
}

static void a_client_is_its_id_else_its_name(void **state)
{
        (void)state;
        struct viewer_filter all = VIEWER_ALL;
        store_open();
        (void)tell("GUID:1", "PC1", 800, 100, 1000, NULL);
        (void)tell(NULL, "PC1", 800, 308, 1000, "0x80072ee7");
        (void)tell("GUID:1", "PC1", 800, 400, 2000, NULL);
        (void)tell("", "PC1", 1000, 2, 2000, NULL);
        (void)tell(NULL, NULL, 800, 400, 2000, NULL);
        struct query *query = open_query();
        struct seen seen = look(query, &all);
        assert_int_equal(seen.count, 2);
        assert_int_equal(seen.clients[0].state.state_id, 308);
        assert_int_equal(seen.clients[0].state.error, 0x80072EE7);
        assert_int_equal(seen.clients[0].communication, VIEWER_NO);
        assert_int_equal(seen.clients[1].state.state_id, 400);
        assert_int_equal(seen.clients[1].state.error, ERRORS_NONE);
        assert_int_equal(seen.clients[1].deployment_begin_ms, 1000);
        assert_int_equal(seen.clients[1].deployment_end_ms, 2000);
        assert_int_equal(seen.clients[1].communication, VIEWER_UNKNOWN);
        query_close(query);
}

static void the_same_connection_sees_what_comes(void **state)
{
        (void)state;
        struct viewer_filter all = VIEWER_ALL;
        store_open();
        struct query *query = open_query();
        assert_int_equal(look(query, &all).count, 0);
        (void)tell("GUID:1", "PC1", 800, 100, 1000, NULL);
        assert_int_equal(look(query, &all).clients[0].state.state_id, 100);
        (void)tell("GUID:1", "PC1", 800, 400, 2000, NULL);
        (void)tell("GUID:2", "PC2", 800, 500, 2000, NULL);
        assert_int_equal(query_begin(query), 0);
        assert_int_equal(look(query, &all).clients[1].state.state_id, 400);
        query_end(query);
        assert_int_equal(look(query, &all).count, 2);
        query_close(query);
}

static void filters_choose_and_lists_go_on(void **state)
{
        (void)state;
        struct viewer_filter filter = VIEWER_ALL;
        char id[16], name[16];
        store_open();
        for (int i = 0; i < 10; i++) {
                (void)snprintf(id, sizeof(id), "GUID:%d", i);
                (void)snprintf(name, sizeof(name), "PC%d", i);
                (void)tell(id, name, 800, i < 7 ? 308 : 400, 1000 + i, i % 2 ? "5" : NULL);
        }
        struct query *query = open_query();
        filter.client = "pc3";
        assert_int_equal(look(query, &filter).count, 1);
        filter.client = "guid:*";
        filter.state_class = "deployed";
        assert_int_equal(look(query, &filter).count, 3);
        assert_int_equal(report(query, VIEWER_DEPLOYMENT_FAILURE, &filter).count, 0);
        filter = (struct viewer_filter)VIEWER_ALL;
        filter.error = 5;
        filter.state_id = 308;
        assert_int_equal(report(query, VIEWER_PROBLEMS_DETAIL, &filter).count, 3);
        filter.error = ERRORS_NONE;
        assert_int_equal(report(query, VIEWER_PROBLEMS_DETAIL, &filter).count, 4);
        filter = (struct viewer_filter)VIEWER_ALL;
        filter.limit = 4;
        unsigned pages = 0, rows = 0;
        for (struct seen seen; (seen = look(query, &filter)).count > 0; pages++) {
                for (unsigned i = 0; i < seen.count; i++, rows++) {
                        (void)snprintf(name, sizeof(name), "PC%u", 9 - rows);
                        assert_string_equal(seen.names[i], name);
                }
                filter.after_ms = seen.clients[seen.count - 1].order_ms;
                filter.after_number = seen.clients[seen.count - 1].number;
        }
        assert_int_equal(rows, 10);
        assert_int_equal(pages, 3);
        query_close(query);
}

static void a_client_with_two_problems_is_listed_for_each_across_pages(void **state)
{
        (void)state;
        struct viewer_filter filter = VIEWER_ALL;
        unsigned topics = 0, rows = 0;
        store_open();
        (void)tell("GUID:1", "PC1", 800, 602, 1000, NULL);
        (void)tell("GUID:1", "PC1", 1000, 2, 1000, NULL);
        (void)tell("GUID:1", "PC1", 1001, 2, 1000, NULL);
        struct query *query = open_query();
        filter.limit = 1;
        for (struct seen seen; (seen = report(query, VIEWER_PROBLEMS_DETAIL, &filter)).count > 0; rows++) {
                topics += (unsigned)seen.clients[0].state.topic_type;
                filter.after_ms = seen.clients[0].order_ms;
                filter.after_number = seen.clients[0].number;
                filter.after_topic = seen.clients[0].state.topic_type;
        }
        assert_int_equal(rows, 3);
        assert_int_equal(topics, 800 + 1000 + 1001);
        query_close(query);
}

struct passed {
        unsigned count;
        int64_t seqs[16];
};

static int note_message(void *arg, const struct query_message *message)
{
        struct passed *passed = arg;
        assert_true(passed->count < 16);
        passed->seqs[passed->count++] = message->name.seq;
        return 0;
}

static void a_history_goes_back_message_by_message(void **state)
{
        (void)state;
        struct viewer_filter one = VIEWER_ALL;
        struct passed passed = { .count = 0 };
        struct seen seen = { .count = 0 };
        store_open();
        struct message_name first = tell("GUID:1", "PC1", 800, 100, 1000, NULL);
        (void)tell("GUID:2", "PC2", 800, 100, 1000, NULL);
        struct message_name second = tell("GUID:1", "PC1", 4711, 1, 500, NULL);
        struct query *query = open_query();
        one.client = "GUID:1";
        int64_t number = look(query, &one).clients[0].number;
        struct message_name third = tell("GUID:1", "PC1", 800, 400, 700, NULL);
        assert_int_equal(viewer_history(query, number, 0, 0, note_message, &passed), 0);
        assert_int_equal(passed.count, 3);
        assert_int_equal(passed.seqs[0], third.seq);
        assert_int_equal(passed.seqs[1], second.seq);
        assert_int_equal(passed.seqs[2], first.seq);
        passed.count = 0;
        assert_int_equal(viewer_history(query, number, third.seq, 1, note_message, &passed), 0);
        assert_int_equal(passed.count, 1);
        assert_int_equal(passed.seqs[0], second.seq);
        assert_int_equal(viewer_client_by_number(query, number, note, &seen), 0);
        assert_int_equal(seen.count, 1);
        assert_int_equal(viewer_client_by_number(query, 4711, note, &seen), -ENOENT);
        query_close(query);
}

static void wait_for_cursor(struct query *query, unsigned clients)
{
        struct viewer_filter all = VIEWER_ALL;
        struct seen seen = { .count = 0 };
        for (int tries = 0; tries < 1000; tries++) {
                seen = look(query, &all);
                if (seen.count == clients)
                        return;
                usleep(10000);
        }
        assert_int_equal(seen.count, clients);
}

static void a_client_goes_with_its_last_message(void **state)
{
        (void)state;
        int64_t shipment;
        store_open();
        struct message_name gone = tell("GUID:1", "PC1", 800, 100, 1000, NULL);
        struct message_name also = tell("GUID:2", "PC2", 800, 100, 1000, NULL);
        /* more than the writer lets lie, so that it has folded the two */
        for (int i = 0; i < 2100; i++)
                (void)tell("GUID:2", "PC2", 800, 400, 2000 + i, NULL);
        const int64_t seqs[] = { gone.seq, also.seq };
        assert_int_equal(delivery_mark_staged(store.ledger, seqs, 2), 0);
        assert_int_equal(delivery_mark_copied(store.ledger, seqs, 2, 1, &shipment), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, seqs, 2, shipment), 0);
        ledger_close(store.ledger);
        store.ledger = NULL;
        config_unref(store.config);
        store.config =
                store_config("[ledger]\nretention=1\n[policy]\ndeduplicate=0\n[staging]\nmin_free=0%\n");
        store_open();
        struct query *query = open_query();
        wait_for_cursor(query, 1);
        struct viewer_filter all = VIEWER_ALL;
        struct seen seen = look(query, &all);
        assert_string_equal(seen.names[0], "PC2");
        /* what it told in a message that is gone stays known */
        assert_int_equal(seen.clients[0].deployment_begin_ms, 1000);
        query_close(query);
}

static void open_forgetful(void)
{
        config_unref(store.config);
        store.config =
                store_config("[ledger]\nretention=1s\n[policy]\ndeduplicate=0\n[staging]\nmin_free=0%\n");
        store_open();
}

static void forward_one(const struct message_name *name)
{
        int64_t shipment;
        assert_int_equal(delivery_mark_staged(store.ledger, &name->seq, 1), 0);
        assert_int_equal(delivery_mark_copied(store.ledger, &name->seq, 1, 1, &shipment), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, &name->seq, 1, shipment), 0);
}

static void wait_until_gone(const struct message_name *name)
{
        struct query *query = open_query();
        int64_t seq, until_ms = clock_monotonic_ms() + 15000;
        enum delivery delivery;
        while (query_find(query, name, &seq, &delivery) == 0) {
                assert_true(clock_monotonic_ms() < until_ms);
                (void)usleep(10000);
        }
        query_close(query);
}

/* However few messages come, so that nothing was folded but for its end. */
static void a_rare_client_is_known_until_its_last_message_goes(void **state)
{
        (void)state;
        struct viewer_filter all = VIEWER_ALL;
        open_forgetful();
        struct query *query = open_query();
        struct message_name first = tell("GUID:1", "PC1", 800, 100, 1000, NULL);
        struct message_name only = tell("GUID:2", "PC2", 800, 100, 1000, NULL);
        (void)tell("GUID:1", "PC1", 1000, 2, 2000, NULL); /* stays, since it is not forwarded */
        assert_int_equal(look(query, &all).count, 2);
        forward_one(&first);
        forward_one(&only);
        wait_until_gone(&first);
        wait_until_gone(&only);
        struct seen seen = look(query, &all);
        assert_int_equal(seen.count, 1);
        assert_string_equal(seen.names[0], "PC1");
        assert_int_equal(seen.clients[0].state.state_id, 100);
        assert_int_equal(seen.clients[0].deployment_begin_ms, 1000);
        query_close(query);
}

static void assert_found(int64_t newer, int64_t older)
{
        struct viewer_filter all = VIEWER_ALL;
        struct query_filter filter = QUERY_FILTER();
        struct query *query = open_query();
        struct passed found = { .count = 0 };
        unsigned expected = newer ? 2 : 1;
        filter.client = "GUID:1";
        assert_int_equal(query_messages(query, &filter, note_message, &found), 0);
        assert_int_equal(found.count, expected);
        assert_int_equal(found.seqs[expected - 1], older);
        if (newer)
                assert_int_equal(found.seqs[0], newer);
        all.client = "GUID:1";
        assert_int_equal(look(query, &all).count, 1);
        query_close(query);
}

static void a_message_that_stays_is_found_behind_those_that_went(void **state)
{
        (void)state;
        struct message_name name[6];
        open_forgetful();
        for (unsigned i = 0; i < 6; i++)
                name[i] = tell(i < 5 ? "GUID:1" : "GUID:2", NULL, 800, 400, (int64_t)i, NULL);
        assert_int_equal(delivery_mark_quarantined(store.ledger, name[0].seq, "a test"), 0);
        forward_one(&name[1]);
        forward_one(&name[2]);
        forward_one(&name[4]);
        wait_until_gone(&name[1]);
        wait_until_gone(&name[2]);
        wait_until_gone(&name[4]);
        assert_found(name[3].seq, name[0].seq);
        forward_one(&name[3]);
        wait_until_gone(&name[3]);
        assert_found(0, name[0].seq);
        assert_int_equal(delivery_requeue(store.ledger, name[0].seq), 0);
        forward_one(&name[0]);
        wait_until_gone(&name[0]);
        struct query *query = open_query();
        struct viewer_filter all = VIEWER_ALL;
        all.client = "GUID:1";
        assert_int_equal(look(query, &all).count, 0);
        query_close(query);
}

static void a_damaged_link_leads_nowhere(void **state)
{
        (void)state;
        sqlite3 *db = NULL;
        struct passed passed = { .count = 0 };
        struct query_filter filter = QUERY_FILTER();
        filter.client = "GUID:1";
        filter.limit = 4;
        open_forgetful();
        struct message_name first = tell("GUID:1", "PC1", 800, 100, 1000, NULL);
        struct message_name second = tell("GUID:1", "PC1", 800, 400, 1000, NULL);
        struct message_name gone = tell("GUID:2", "PC2", 800, 100, 1000, NULL);
        (void)tell("GUID:2", "PC2", 800, 400, 1000, NULL);
        forward_one(&gone);
        wait_until_gone(&gone); /* what goes has been folded, and all before it */
        store_close();
        assert_int_equal(sqlite3_open(store.config->ledger.file, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "UPDATE client_message SET previous = seq WHERE previous = 1", NULL,
                                      NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_changes(db), 1);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        store_open();
        struct query *query = open_query();
        assert_int_equal(viewer_history(query, first.seq, 0, 4, note_message, &passed), 0);
        assert_int_equal(passed.count, 1);
        assert_int_equal(query_messages(query, &filter, note_message, &passed), 0);
        assert_int_equal(passed.count, 2);
        assert_int_equal(passed.seqs[0], second.seq);
        assert_int_equal(passed.seqs[1], second.seq);
        query_close(query);
}

static void reports_have_names(void **state)
{
        (void)state;
        enum viewer_report which;
        for (unsigned i = 0; i < VIEWER_REPORT_COUNT; i++) {
                const struct viewer_report_info *info = viewer_report_info((enum viewer_report)i);
                assert_int_equal(viewer_report_parse(info->name, &which), 0);
                assert_int_equal(which, i);
        }
        assert_int_equal(viewer_report_parse("nonsense", &which), -EINVAL);
}

/* The reports compare numbers where the catalogue has classes. */
static void classes_go_by_hundreds(void **state)
{
        (void)state;
        static const char *const hundreds[10][2] = { [3] = { "deploy-failed", "deploy-failed" },
                                                     [4] = { "deployed", "deployed-reboot" },
                                                     [6] = { "assign-failed", "assign-failed" },
                                                     [7] = { "assigned", "assigned" } };
        for (int64_t id = 0; id < 1000; id++) {
                const char *class = catalog_class(VIEWER_TOPIC_DEPLOYMENT, id), *const *expected =
                                                                                        hundreds[id / 100];
                for (int64_t other = 0; other < 10; other++)
                        for (int i = 0; hundreds[other][0] && i < 2; i++)
                                assert_true(other == id / 100 || strcmp(class, hundreds[other][i]) != 0);
                if (expected[0])
                        assert_true(strcmp(class, expected[0]) == 0 || strcmp(class, expected[1]) == 0);
        }
        assert_string_equal(catalog_class(VIEWER_TOPIC_COMMUNICATION, 2), "comm-failed");
        assert_string_equal(catalog_class(VIEWER_TOPIC_CERTIFICATE, 2), "cert-failed");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_client_is_its_id_else_its_name),
                TEST(the_same_connection_sees_what_comes),
                TEST(filters_choose_and_lists_go_on),
                TEST(a_client_with_two_problems_is_listed_for_each_across_pages),
                TEST(a_history_goes_back_message_by_message),
                TEST(a_client_goes_with_its_last_message),
                TEST(a_rare_client_is_known_until_its_last_message_goes),
                TEST(a_message_that_stays_is_found_behind_those_that_went),
                TEST(a_damaged_link_leads_nowhere),
                TEST(reports_have_names),
                TEST(classes_go_by_hundreds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
