/* catalog: the table against the numbers everybody knows. */
#include "fsp/catalog.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void listed_states_have_names_and_classes(void **state)
{
        (void)state;
        assert_string_equal(catalog_topic_name(800), "CLIENT_DEPLOYMENT");
        assert_string_equal(catalog_topic_name(1001), "CLIENT_FRAMEWORK_LOCAL");
        assert_string_equal(catalog_state_text(800, 100), "Client deployment started");
        assert_string_equal(catalog_state_text(800, 700), "Client assignment succeeded");
        assert_string_equal(catalog_class(800, 0), "unknown");
        assert_string_equal(catalog_class(800, 104), "in-progress");
        assert_string_equal(catalog_class(800, 308), "deploy-failed");
        assert_string_equal(catalog_class(800, 400), "deployed");
        assert_string_equal(catalog_class(800, 401), "deployed-reboot");
        assert_string_equal(catalog_class(800, 500), "assigning");
        assert_string_equal(catalog_class(800, 609), "assign-failed");
        assert_string_equal(catalog_class(800, 700), "assigned");
        assert_string_equal(catalog_class(1000, 1), "comm-ok");
        assert_string_equal(catalog_class(1000, 2), "comm-failed");
        assert_string_equal(catalog_class(1001, 1), "cert-ok");
        assert_string_equal(catalog_class(1001, 2), "cert-failed");
        assert_string_equal(catalog_class(300, 1), "other");
}

static void unlisted_states_of_topic_800_go_by_their_hundreds(void **state)
{
        (void)state;
        assert_string_equal(catalog_class(800, 199), "in-progress");
        assert_string_equal(catalog_class(800, 300), "deploy-failed");
        assert_string_equal(catalog_class(800, 399), "deploy-failed");
        assert_string_equal(catalog_class(800, 403), "deployed");
        assert_string_equal(catalog_class(800, 599), "assigning");
        assert_string_equal(catalog_class(800, 699), "assign-failed");
        assert_string_equal(catalog_class(800, 799), "assigned");
        assert_string_equal(catalog_class(800, 1), "unknown");
        assert_string_equal(catalog_class(800, 200), "unknown");
        assert_string_equal(catalog_class(800, 800), "unknown");
        assert_string_equal(catalog_class(800, 999999999999999999), "unknown");
        assert_string_equal(catalog_class(1000, 300), "unknown");
}

static void unknown_numbers_stand_for_themselves(void **state)
{
        (void)state;
        assert_null(catalog_find(800, 305000));
        assert_null(catalog_find(0, 0));
        assert_null(catalog_find(INT64_MAX, INT64_MAX));
        assert_null(catalog_topic_name(799));
        assert_null(catalog_topic_name(INT64_MAX));
        assert_null(catalog_state_text(801, 5));
        assert_string_equal(catalog_topic_name(801), "DEVICE_CLIENT_DEPLOYMENT");
}

static void rows_are_sorted_and_all_are_found(void **state)
{
        size_t count;
        const struct catalog_state *rows = catalog_rows(&count);

        (void)state;
        assert_int_equal(count, 130);
        for (size_t i = 0; i < count; i++) {
                assert_ptr_equal(catalog_find(rows[i].topic_type, rows[i].state_id), &rows[i]);
                assert_string_equal(catalog_topic_name(rows[i].topic_type), rows[i].topic_name);
                assert_true(rows[i].state_class[0] != '\0');
                if (i > 0)
                        assert_true(rows[i - 1].topic_type < rows[i].topic_type ||
                                    (rows[i - 1].topic_type == rows[i].topic_type &&
                                     rows[i - 1].state_id < rows[i].state_id));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(listed_states_have_names_and_classes),
                cmocka_unit_test(unlisted_states_of_topic_800_go_by_their_hundreds),
                cmocka_unit_test(unknown_numbers_stand_for_themselves),
                cmocka_unit_test(rows_are_sorted_and_all_are_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
