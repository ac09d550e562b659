/* admin/web_viewer.h: a view of the clients that leaves messages out says so. */
#include "store_fixture.h"

#include "admin/web_site.h"
#include "fsp/viewer.h"

#define MESSAGES 20
#define COUNTED 15
#define LEFT_OUT "5"
#define PAGE_SAYS "its " LEFT_OUT " newest messages are not counted yet"

static char *written;
static size_t written_size;

static void receive_messages(void)
{
        struct state_message one = { .topic_type = 800, .state_id = 308, .message_time_ms = CLOCK_UNKNOWN };
        char name[24];
        for (unsigned i = 0; i < MESSAGES; i++) {
                (void)snprintf(name, sizeof(name), "PC%u", i);
                struct report report = { .netbios_name = name,
                                         .states = &one,
                                         .state_count = 1,
                                         .bytes = (const unsigned char *)name,
                                         .size = strlen(name) };
                assert_int_equal(store_receive_report(&report, NULL), VERDICT_ACCEPTED);
        }
}

/* What the handler writes stands in written, to be freed. */
static struct web_answer ask(web_handler_fn *handler, const char *item, int64_t counted)
{
        struct site site = { .query = NULL };
        struct web_request request = { .path = "/", .item = item };
        struct web_answer answer = { .status = 200 };
        assert_int_equal(query_open(store.config->ledger.file, &site.query), 0);
        query_within(site.query, 60000, counted);
        answer.out = open_memstream(&written, &written_size);
        assert_non_null(answer.out);
        assert_int_equal(handler(&site, &request, &answer), 0);
        assert_int_equal(fclose(answer.out), 0);
        if (answer.close)
                answer.close(answer.state);
        query_close(site.query);
        return answer;
}

static const struct {
        web_handler_fn *handler;
        const char *item;
} lists[] = { { web_api_clients, NULL },
              { web_api_report, "problems-summary" },
              { web_api_report, "problems-detail" },
              { web_api_report, "client-deployment-status" } },
  pages[] = { { web_clients, NULL },
              { web_report, "problems-summary" },
              { web_report, "problems-detail" },
              { web_report, "client-deployment-status" } };

static void a_list_that_lacks_messages_has_a_header(void **state)
{
        (void)state;
        store_open();
        receive_messages();
        for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
                struct web_answer answer = ask(lists[i].handler, lists[i].item, COUNTED);
                assert_non_null(answer.header);
                assert_string_equal(answer.header, "Fspd-Uncounted");
                assert_string_equal(answer.value, LEFT_OUT);
                free(written);
                answer = ask(lists[i].handler, lists[i].item, MESSAGES);
                assert_null(answer.header);
                free(written);
        }
}

static void a_page_that_lacks_messages_has_a_line(void **state)
{
        (void)state;
        store_open();
        receive_messages();
        for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
                (void)ask(pages[i].handler, pages[i].item, COUNTED);
                assert_non_null(strstr(written, PAGE_SAYS));
                free(written);
                (void)ask(pages[i].handler, pages[i].item, MESSAGES);
                assert_null(strstr(written, "not counted yet"));
                free(written);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_list_that_lacks_messages_has_a_header),
                TEST(a_page_that_lacks_messages_has_a_line),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
