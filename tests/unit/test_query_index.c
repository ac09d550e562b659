/* ledger/query_index.h: what the indexes find is what looking at every message
 * finds, also after a migration, and no question looks at all of them. */
#include "store_fixture.h"

#include "fsp/catalog.h"
#include "fsp/text.h"
#include "fsp/viewer.h"
#include "ledger/query_private.h"

#define MESSAGES 2200 /* more than the writer lets lie twice */
#define ROWS (MESSAGES * 2)

struct found {
        unsigned count;
        struct shown {
                int64_t seq, part, topic_type, state_id, received_ms;
                bool has_state;
                char client_id[24], name[24];
        } rows[ROWS];
};
static struct found all, some;

static int note(void *arg, const struct query_message *message)
{
        struct found *found = arg;
        assert_true(found->count < ROWS);
        struct shown *row = &found->rows[found->count++];
        *row = (struct shown){ .seq = message->name.seq,
                               .part = message->part,
                               .topic_type = message->topic_type,
                               .state_id = message->state_id,
                               .received_ms = message->received_ms,
                               .has_state = message->has_state };
        (void)snprintf(row->client_id, sizeof(row->client_id), "%s",
                       message->client_id ? message->client_id : "");
        (void)snprintf(row->name, sizeof(row->name), "%s",
                       message->netbios_name ? message->netbios_name : "");
        return 0;
}

static int count_client(void *arg, const struct viewer_client *client)
{
        unsigned *count = arg;
        (void)client;
        (*count)++;
        return 0;
}

static struct query *open_query(void)
{
        struct query *query = NULL;
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        return query;
}

static int64_t read_number(const char *sql)
{
        sqlite3 *db = NULL;
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_open_v2(store.config->ledger.file, &db, SQLITE_OPEN_READONLY, NULL), 0);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), 0);
        int64_t number = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
        assert_int_equal(sqlite3_finalize(statement), 0);
        assert_int_equal(sqlite3_close(db), 0);
        return number;
}

/* Until the writer has gone as far as it goes by itself. */
static void wait_for_cursor(int64_t least)
{
        int64_t until = clock_monotonic_ms() + 30000;
        while (read_number("SELECT value FROM meta WHERE key = 'rolled_seq'") < least) {
                assert_true(clock_monotonic_ms() < until);
                (void)usleep(5000);
        }
}

/* Clients change their names and come with and without an ID; states meet in one report. */
static void receive_many(unsigned messages)
{
        static const int64_t topics[] = { 800, 800, 800, 1000, 1001, 4711 };
        unsigned dice = 7;
        char id[24], name[24], text[24];
        for (unsigned i = 0; i < messages; i++) {
                struct state_message states[2];
                dice = dice * 1103515245 + 12345;
                unsigned who = dice >> 16 & 63;
                for (unsigned part = 0; part < 2; part++) {
                        dice = dice * 1103515245 + 12345;
                        states[part] = (struct state_message){ .topic_type = topics[(dice >> 16) % 6],
                                                               .state_id = (int64_t)(dice >> 20 & 7) * 100,
                                                               .message_time_ms = 1000 };
                }
                (void)snprintf(id, sizeof(id), "GUID:%u", who);
                (void)snprintf(name, sizeof(name), i == 777 ? "Rare-Name" : "PC%u-%s", who,
                               i & 512 ? "new" : "OLD");
                (void)snprintf(text, sizeof(text), "message %u", i);
                struct report report = { .client_id = who < 40   ? id
                                                      : who < 44 ? ""
                                                                 : NULL,
                                         .netbios_name = who == 50 ? NULL : name,
                                         .states = states,
                                         .state_count = 1 + (dice >> 30 & 1),
                                         .bytes = (const unsigned char *)text,
                                         .size = strlen(text) };
                assert_int_equal(store_receive_report(&report, NULL), VERDICT_ACCEPTED);
        }
}

static bool fits(const struct query_filter *filter, const struct shown *row)
{
        const char *class = row->has_state ? catalog_class(row->topic_type, row->state_id) : "";
        return (!filter->client || (*row->client_id && text_matches_glob(filter->client, row->client_id)) ||
                (*row->name && text_matches_glob(filter->client, row->name))) &&
               (filter->topic_type == -1 || row->topic_type == filter->topic_type) &&
               (filter->state_id == -1 || row->state_id == filter->state_id) &&
               (!filter->state_class || text_matches_glob(filter->state_class, class)) &&
               (filter->since_ms == CLOCK_UNKNOWN || row->received_ms >= filter->since_ms) &&
               (filter->until_ms == CLOCK_UNKNOWN || row->received_ms < filter->until_ms);
}

/* all is oldest first, each message's parts in order; the lists are newest first. */
static void assert_same(struct query *query, struct query_filter filter)
{
        unsigned next = some.count = 0;
        for (unsigned end = all.count; end > 0;) {
                unsigned begin = end - 1;
                while (begin > 0 && all.rows[begin - 1].seq == all.rows[begin].seq)
                        begin--;
                for (unsigned i = begin; i < end; i++) {
                        if (!fits(&filter, &all.rows[i]))
                                continue;
                        if (next == some.count) { /* the next page: of few rows, so that messages are split */
                                some.count = 0;
                                next = 0;
                                assert_int_equal(query_messages(query, &filter, note, &some), 0);
                                assert_true(some.count > 0);
                                filter.from_seq = some.rows[some.count - 1].seq;
                                filter.from_part = some.rows[some.count - 1].part;
                        }
                        assert_memory_equal(&some.rows[next], &all.rows[i], sizeof(all.rows[i]));
                        next++;
                }
                end = begin;
        }
        assert_int_equal(next, some.count);
        some.count = 0;
        assert_int_equal(query_messages(query, &filter, note, &some), 0);
        if (filter.from_seq)
                assert_int_equal(some.count, 0);
        some.count = 0;
}

static void assert_all_the_same(void)
{
        static const char *const clients[] = { NULL,      "GUID:7", "pc7-old",   "PC1*", "*NEW",  "*-*",
                                               "guid:1*", "nobody", "rare-name", "R*e",  "PC50*", "*" };
        static const char *const classes[] = { NULL, "*failed", "deployed", "unknown", "none" };
        static const int64_t numbers[][2] = { { -1, -1 },   { 800, -1 },   { -1, 300 },
                                              { 800, 400 }, { 4711, 200 }, { 9, -1 } };
        struct query_filter filter = QUERY_FILTER();
        struct query *query = open_query();
        all.count = 0;
        filter.oldest_first = true;
        assert_int_equal(query_messages(query, &filter, note, &all), 0);
        assert_true(all.count > MESSAGES);
        int64_t middle_ms = all.rows[all.count / 3].received_ms,
                late_ms = all.rows[all.count - 20].received_ms;
        const int64_t times[][2] = { { CLOCK_UNKNOWN, CLOCK_UNKNOWN },
                                     { middle_ms, CLOCK_UNKNOWN },
                                     { CLOCK_UNKNOWN, middle_ms },
                                     { middle_ms, late_ms },
                                     { late_ms, CLOCK_UNKNOWN },
                                     { late_ms + 1000000, CLOCK_UNKNOWN },
                                     { CLOCK_UNKNOWN, 0 } };
        filter.oldest_first = false;
        for (size_t c = 0; c < sizeof(clients) / sizeof(*clients); c++)
                for (size_t k = 0; k < sizeof(classes) / sizeof(*classes); k++)
                        for (size_t n = 0; n < sizeof(numbers) / sizeof(*numbers); n++)
                                for (size_t t = (c + k + n) % 3; t < sizeof(times) / sizeof(*times); t += 3) {
                                        filter.client = clients[c];
                                        filter.state_class = classes[k];
                                        filter.topic_type = numbers[n][0];
                                        filter.state_id = numbers[n][1];
                                        filter.since_ms = times[t][0];
                                        filter.until_ms = times[t][1];
                                        filter.limit = 37 + 100 * (n + t);
                                        assert_same(query, filter);
                                }
        query_close(query);
}

static void what_is_found_is_what_is_there(void **state)
{
        (void)state;
        store_open();
        receive_many(MESSAGES);
        wait_for_cursor(MESSAGES - 1000);
        assert_all_the_same();
}

/* What a ledger of version 1 lacks is taken away. */
static void a_ledger_of_version_1_is_brought_up(void **state)
{
        (void)state;
        sqlite3 *db = NULL;
        struct viewer_filter clients = VIEWER_ALL;
        store_open();
        receive_many(MESSAGES);
        wait_for_cursor(MESSAGES - 1000);
        store_close();
        assert_int_equal(sqlite3_open(store.config->ledger.file, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db,
                                      "DROP TABLE name_seen; DROP TABLE state_kind; DROP TABLE span;"
                                      "DROP INDEX client_problem; DROP TABLE seen;"
                                      "CREATE INDEX message_digest ON message(digest);"
                                      "DELETE FROM meta WHERE key LIKE 'seen%';"
                                      "PRAGMA user_version = 1;",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        struct query *query = NULL;
        assert_int_equal(query_open(store.config->ledger.file, &query), -EUCLEAN);
        store_open();
        assert_all_the_same();
        wait_for_cursor(MESSAGES - 1000);
        assert_all_the_same();
        assert_int_equal(read_number("PRAGMA user_version"), 6);
        query = open_query();
        clients.client = "GUID:7";
        unsigned count = 0;
        assert_int_equal(viewer_clients(query, &clients, count_client, &count), 0);
        assert_int_equal(count, 1);
        query_close(query);
}

/* Such as are taken up from a file that cannot be read; one is the newest that is folded. */
static void messages_without_a_state_are_found(void **state)
{
        (void)state;
        struct query_filter filter = QUERY_FILTER();
        struct report report = { .states = NULL };
        char text[24];
        store_open();
        for (unsigned i = 0; i < MESSAGES; i++) {
                (void)snprintf(text, sizeof(text), "message %u", i);
                report.netbios_name = i == 0 ? "Odd\xF4\x8F\xBF\xBF!" : "PC";
                report.bytes = (const unsigned char *)text;
                report.size = strlen(text);
                assert_int_equal(store_receive_report(&report, NULL), VERDICT_ACCEPTED);
        }
        wait_for_cursor(MESSAGES - 1000);
        struct query *query = open_query();
        some.count = 0;
        assert_int_equal(query_messages(query, &filter, note, &some), 0);
        assert_int_equal(some.count, MESSAGES);
        some.count = 0;
        filter.client = "odd*"; /* and then the last of all characters */
        assert_int_equal(query_messages(query, &filter, note, &some), 0);
        assert_int_equal(some.count, 1);
        query_close(query);
}

struct plans {
        sqlite3 *db;
        char *texts[400];
        unsigned count;
};

static int note_text(unsigned kind, void *arg, void *statement, void *text)
{
        (void)kind;
        (void)text;
        struct plans *plans = arg;
        const char *sql = sqlite3_sql(statement);
        for (unsigned i = 0; i < plans->count; i++)
                if (strcmp(plans->texts[i], sql) == 0)
                        return 0;
        assert_true(plans->count < 400);
        plans->texts[plans->count++] = strdup(sql);
        return 0;
}

/* The tables with a row a message; s is also a client's state, which has no row a message. */
static bool looks_at_all(const char *sql, const char *step)
{
        static const char *const tables[] = { "m",          "message",       "b", "body", "state",
                                              "state_kind", "client_message" };
        char table[32];
        if (sscanf(step, "SCAN %31s", table) != 1)
                return false;
        for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
                if (strcmp(table, tables[i]) == 0)
                        return true;
        return strcmp(table, "s") == 0 && !strstr(sql, "client_state s");
}

static void check_plan(struct plans *plans, const char *sql)
{
        char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_prepare_v2(plans->db, explain, -1, &statement, NULL), SQLITE_OK);
        while (sqlite3_step(statement) == SQLITE_ROW) {
                const char *step = (const char *)sqlite3_column_text(statement, 3);
                if (looks_at_all(sql, step))
                        fail_msg("%s\n  %s", sql, step);
                if (strstr(sql, "FROM message m LEFT JOIN state") &&
                    strcmp(step, "USE TEMP B-TREE FOR ORDER BY") == 0)
                        fail_msg("%s\n  sorts all", sql);
        }
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        sqlite3_free(explain);
}

static void ask_for_messages(struct query *query)
{
        for (unsigned wanted = 0; wanted < 128; wanted++) {
                struct query_filter filter = QUERY_FILTER();
                filter.limit = 1;
                filter.since_ms = wanted & 1 ? 0 : CLOCK_UNKNOWN;
                filter.until_ms = wanted & 2 ? INT64_MAX : CLOCK_UNKNOWN;
                filter.client = wanted & 4 ? "PC*" : NULL;
                filter.topic_type = wanted & 8 ? 800 : -1;
                filter.state_id = wanted & 16 ? 400 : -1;
                filter.state_class = wanted & 32 ? "deployed" : NULL;
                filter.delivery = wanted & 64 ? (int)(wanted % DELIVERY_COUNT) : -1;
                some.count = 0;
                assert_int_equal(query_messages(query, &filter, note, &some), 0);
        }
        struct query_filter one = QUERY_FILTER();
        one.seq = 1;
        assert_int_equal(query_messages(query, &one, note, &some), 0);
        one.seq = 0;
        one.oldest_first = true;
        one.limit = 1;
        assert_int_equal(query_messages(query, &one, note, &some), 0);
}

static void ask_for_clients(struct query *query)
{
        unsigned count = 0;
        for (unsigned wanted = 0; wanted < 32; wanted++) {
                struct viewer_filter filter = VIEWER_ALL;
                filter.limit = 1;
                if (wanted & 1)
                        filter.since_ms = 0;
                filter.client = wanted & 2 ? "PC*" : NULL;
                filter.state_class = wanted & 4 ? "deployed" : NULL;
                if (wanted & 8)
                        filter.after_ms = INT64_MAX;
                if (wanted & 16)
                        filter.error = 5;
                assert_int_equal(viewer_clients(query, &filter, count_client, &count), 0);
                for (unsigned i = 0; i < VIEWER_REPORT_COUNT; i++)
                        if (viewer_report_info((enum viewer_report)i)->shape == VIEWER_SHAPE_CLIENTS)
                                assert_int_equal(viewer_report_clients(query, (enum viewer_report)i, &filter,
                                                                       count_client, &count),
                                                 0);
        }
}

static int ignore_count(void *arg, const struct viewer_count *count)
{
        (void)arg;
        (void)count;
        return 0;
}

static void ignore_hour(void *arg, const struct query_hour *hour)
{
        (void)arg;
        (void)hour;
}

static void ask_for_the_rest(struct query *query)
{
        struct viewer_filter filter = VIEWER_ALL;
        unsigned char *bytes = NULL;
        size_t size;
        unsigned count = 0;
        for (unsigned i = 0; i < VIEWER_REPORT_COUNT; i++)
                if (viewer_report_info((enum viewer_report)i)->shape != VIEWER_SHAPE_CLIENTS)
                        assert_int_equal(
                                viewer_counts(query, (enum viewer_report)i, &filter, ignore_count, NULL), 0);
        assert_int_equal(viewer_client_by_number(query, 1, count_client, &count), 0);
        assert_int_equal(viewer_history(query, 1, 0, 2, note, &some), 0);
        assert_int_equal(query_body(query, 1, &bytes, &size), 0);
        free(bytes);
        assert_int_equal(query_hours(query, 0, ignore_hour, NULL), 0);
}

static void no_question_looks_at_every_message(void **state)
{
        (void)state;
        struct plans plans = { .count = 0 };
        store_open();
        for (unsigned i = 0; i < 5; i++) {
                char text[2] = { (char)('a' + i), '\0' };
                assert_int_equal(store_receive(text, NULL), VERDICT_ACCEPTED);
        }
        struct query *query = open_query();
        plans.db = query_db(query);
        assert_int_equal(sqlite3_trace_v2(plans.db, SQLITE_TRACE_STMT, note_text, &plans), SQLITE_OK);
        ask_for_messages(query);
        ask_for_clients(query);
        ask_for_the_rest(query);
        assert_int_equal(sqlite3_trace_v2(plans.db, 0, NULL, NULL), SQLITE_OK);
        assert_true(plans.count > 150);
        for (unsigned i = 0; i < plans.count; i++)
                if (strncmp(plans.texts[i], "SELECT", 6) == 0 || strncmp(plans.texts[i], "INSERT", 6) == 0 ||
                    strncmp(plans.texts[i], "WITH", 4) == 0)
                        check_plan(&plans, plans.texts[i]);
        for (unsigned i = 0; i < plans.count; i++)
                free(plans.texts[i]);
        query_close(query);
}

static void a_question_ends_in_time(void **state)
{
        (void)state;
        struct query_filter filter = QUERY_FILTER();
        store_open();
        receive_many(600);
        struct query *query = open_query();
        query_within(query, 0, 0);
        filter.client = "*x*"; /* fits none */
        assert_int_equal(query_messages(query, &filter, note, &some), -ETIMEDOUT);
        query_within(query, 60000, 0);
        assert_int_equal(query_messages(query, &filter, note, &some), 0);
        query_close(query);
}

static void a_hurried_reader_leaves_out_the_newest(void **state)
{
        (void)state;
        struct viewer_filter filter = VIEWER_ALL;
        struct report report = { .states = NULL };
        char text[24];
        unsigned count = 0;
        store_open();
        for (unsigned i = 0; i < 20; i++) {
                (void)snprintf(text, sizeof(text), "PC%u", i);
                report.netbios_name = text;
                report.bytes = (const unsigned char *)text;
                report.size = strlen(text);
                assert_int_equal(store_receive_report(&report, NULL), VERDICT_ACCEPTED);
        }
        struct query *query = open_query();
        query_within(query, 60000, 15);
        assert_int_equal(viewer_clients(query, &filter, count_client, &count), 0);
        assert_int_equal(count, 15);
        assert_int_equal(viewer_left_out(query), 5);
        query_close(query);
        query = open_query();
        count = 0;
        assert_int_equal(viewer_clients(query, &filter, count_client, &count), 0);
        assert_int_equal(count, 20);
        assert_int_equal(viewer_left_out(query), 0);
        query_close(query);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(messages_without_a_state_are_found),
                TEST(what_is_found_is_what_is_there),
                TEST(a_ledger_of_version_1_is_brought_up),
                TEST(no_question_looks_at_every_message),
                TEST(a_question_ends_in_time),
                TEST(a_hurried_reader_leaves_out_the_newest),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
