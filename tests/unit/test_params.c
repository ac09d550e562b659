/* include/fsp/params.h: the column is JSON, says what the message said, and is read again. */
#include "fsp/params.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_read(const char *array, const char *const *params, size_t count)
{
        struct params_text one = { 0 };
        for (size_t i = 0; i < count; i++) {
                const char *param = params_next(&array, &one);
                assert_non_null(param);
                assert_string_equal(param, params[i]);
                assert_int_equal(one.size, strlen(params[i]));
        }
        assert_null(params_next(&array, &one));
        assert_null(params_next(&array, &one)); /* and for ever */
        params_free(&one);
}

static void expect_round_trip(struct params_text *text, const char *const *params, size_t count)
{
        assert_int_equal(params_write(text, params, count), 0);
        char *written = strndup(text->text, text->size);
        expect_read(written, params, count);
        free(written);
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

/* Each character at each place of strings of each length, since sixteen are looked at together. */
static void test_each_character_at_each_place(void **state)
{
        (void)state;
        struct params_text text = { 0 };
        char string[41];
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

static void test_blanks(void **state)
{
        (void)state;
        const char *const params[] = { "a", " b " };
        expect_read(" [ \"a\" ,\t\" b \"\r\n] ", params, 2);
        expect_read("[ ]", NULL, 0);
}

/* What a damaged row may say: what stands before the fault is read, nothing behind it. */
static void test_no_array(void **state)
{
        (void)state;
        static const char *const none[] = { "",
                                            " ",
                                            "no list",
                                            "\"a\"",
                                            "{\"a\"}",
                                            "[",
                                            "[]",
                                            "[1]",
                                            "[a]",
                                            "[\"",
                                            "[\"a",
                                            "[\"a\\",
                                            "[\"\\u",
                                            "[\"\\u0",
                                            "[\"\\u00",
                                            "[\"\\u001",
                                            "[\"\\u001\"]",
                                            "[\"\\u00G0\"]",
                                            "[\"\\u0000\"]",
                                            "[\"\\u0100\"]",
                                            "[\"\\n\"]",
                                            "[[\"a\"]]" };
        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
                expect_read(none[i], NULL, 0);
        expect_read(NULL, NULL, 0);
        const char *const params[] = { "a" };
        static const char *const one[] = { "[\"a\"",         "[\"a\" \"b\"]", "[\"a\",b]",
                                           "[\"a\",,\"b\"]", "[\"a\",\"b]",   "[\"a\"],\"b" };
        for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++)
                expect_read(one[i], params, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_blanks),
                cmocka_unit_test(test_no_array),
                cmocka_unit_test(test_none),
                cmocka_unit_test(test_plain),
                cmocka_unit_test(test_each_character_at_each_place),
                cmocka_unit_test(test_all_escaped),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
