/* src/ledger/params.h: the column is JSON, and says what the message said. */
#include "ledger/params.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_round_trip(struct params_text *text, const char *const *params, size_t count)
{
        assert_int_equal(params_write(text, params, count), 0);
        json_t *array = json_loadb(text->text, text->size, 0, NULL);
        assert_true(json_is_array(array));
        assert_int_equal(json_array_size(array), count);
        for (size_t i = 0; i < count; i++)
                assert_string_equal(json_string_value(json_array_get(array, i)), params[i]);
        json_decref(array);
}

static void test_none(void **state)
{
        (void)state;
        struct params_text text = { 0 };
        expect_round_trip(&text, NULL, 0);
        assert_memory_equal(text.text, "[]", text.size);
        params_free(&text);
}

static void test_plain(void **state)
{
        (void)state;
        struct params_text text = { 0 };
        const char *const params[] = { "0x80072ee7", "", "C:\\Windows \"here\"", "Gr\xC3\xB6\xC3\x9F \x7F" };
        expect_round_trip(&text, params, 4);
        static const char expected[] =
                "[\"0x80072ee7\",\"\",\"C:\\\\Windows \\\"here\\\"\",\"Gr\xC3\xB6\xC3\x9F \x7F\"]";
        assert_int_equal(text.size, sizeof(expected) - 1);
        assert_memory_equal(text.text, expected, text.size);
        params_free(&text);
}

/* Each character at each place of strings of each length, since eight are looked at together. */
static void test_each_character_at_each_place(void **state)
{
        (void)state;
        struct params_text text = { 0 };
        char string[33];
        const char *const params[] = { string, "behind" };
        for (size_t size = 1; size < sizeof(string); size++) {
                for (size_t place = 0; place < size; place++) {
                        for (int c = 1; c < 0x80; c++) {
                                memset(string, 'x', size);
                                string[size] = '\0';
                                string[place] = (char)c;
                                expect_round_trip(&text, params, 2);
                        }
                }
        }
        params_free(&text);
}

static void test_all_escaped(void **state)
{
        (void)state;
        struct params_text text = { 0 };
        char string[5001];
        const char *params[32];
        memset(string, 1, sizeof(string) - 1);
        string[sizeof(string) - 1] = '\0';
        for (size_t i = 0; i < 32; i++)
                params[i] = string + i;
        expect_round_trip(&text, params, 32);
        expect_round_trip(&text, params, 1);
        params_free(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_none),
                cmocka_unit_test(test_plain),
                cmocka_unit_test(test_each_character_at_each_place),
                cmocka_unit_test(test_all_escaped),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
