/* The language of the search field. */
#include "admin/message_filter.h"
#include "fsp/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void search(const char *text, struct message_filter *ret_filter)
{
        message_filter_init(ret_filter);
        int r = message_filter_search(ret_filter, text);
        if (r != 0)
                fail_msg("%s: %s", text, ret_filter->why);
}

static void nothing_asks_for_all(void **state)
{
        struct message_filter filter;
        (void)state;
        search("  \t ", &filter);
        assert_null(filter.filter.client);
        assert_null(filter.filter.state_class);
        assert_int_equal(filter.filter.topic_type, -1);
        assert_int_equal(filter.filter.delivery, -1);
        assert_true(filter.filter.since_ms == CLOCK_UNKNOWN);
        assert_int_equal(filter.filter.limit, MESSAGE_FILTER_LIMIT);
}

static void all_conditions_are_understood(void **state)
{
        struct message_filter filter;
        (void)state;
        search("machine:PC-* state:failed topic:800 delivery:staged since:2h until:now", &filter);
        assert_string_equal(filter.filter.client, "PC-*");
        assert_string_equal(filter.filter.state_class, "*failed*");
        assert_int_equal(filter.filter.topic_type, 800);
        assert_int_equal(filter.filter.delivery, DELIVERY_STAGED);
        int64_t age_ms = clock_wall_ms() - filter.filter.since_ms;
        assert_in_range(age_ms, 2 * 3600000 - 1, 2 * 3600000 + 60000);
        assert_true(filter.filter.until_ms > filter.filter.since_ms);
}

static void words_stand_for_numbers_and_parts_of_names(void **state)
{
        struct message_filter filter;
        (void)state;
        search("state:308", &filter);
        assert_int_equal(filter.filter.state_id, 308);
        assert_null(filter.filter.state_class);
        search("topic:Certificate", &filter);
        assert_int_equal(filter.filter.topic_type, 1001);
        search("LAB", &filter);
        assert_string_equal(filter.filter.client, "*LAB*");
        search("GUID:1111", &filter);
        assert_string_equal(filter.filter.client, "*GUID:1111*");
        search("MACHINE:\"my pc: one\"", &filter);
        assert_string_equal(filter.filter.client, "my pc: one");
}

static void what_makes_no_sense_is_told(void **state)
{
        static const char *const texts[] = {
                "state:nonsense", "topic:x",    "delivery:lost", "since:never",
                "machine:",       "colour:red", "one two",       "topic:99999999999999999999",
        };
        (void)state;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct message_filter filter;
                message_filter_init(&filter);
                assert_int_equal(message_filter_search(&filter, texts[i]), -EINVAL);
                assert_true(strlen(filter.why) > 10);
        }
}

static void long_words_do_no_harm(void **state)
{
        struct message_filter filter;
        char text[2000];
        (void)state;
        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        message_filter_init(&filter);
        assert_int_equal(message_filter_search(&filter, text), -EINVAL);
        memcpy(text, "state:", 6);
        assert_int_equal(message_filter_search(&filter, text), -EINVAL);
}

static void a_copy_points_into_itself(void **state)
{
        struct message_filter filter, copy;
        (void)state;
        search("machine:A class:deployed", &filter);
        message_filter_copy(&filter, &copy);
        memset(&filter, 'x', sizeof(filter));
        assert_string_equal(copy.filter.client, "A");
        assert_string_equal(copy.filter.state_class, "deployed");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_asks_for_all),
                cmocka_unit_test(all_conditions_are_understood),
                cmocka_unit_test(words_stand_for_numbers_and_parts_of_names),
                cmocka_unit_test(what_makes_no_sense_is_told),
                cmocka_unit_test(long_words_do_no_harm),
                cmocka_unit_test(a_copy_points_into_itself),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
