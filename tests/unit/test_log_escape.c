#include "fsp/log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void escapes_what_does_not_print(void **state)
{
        static const struct {
                const char *text;
                size_t size;
                const char *escaped;
        } rows[] = {
                { "", 0, "" },
                { "plain \\ text", 12, "plain \\ text" },
                { "\xc3\xa4\xe2\x82\xac", 5, "\xc3\xa4\xe2\x82\xac" },
                { "a\r\nb\tc", 6, "a\\x0D\\x0Ab\\x09c" },
                { "a\0b\x7f", 4, "a\\x00b\\x7F" },
                { "\xc2\x85", 2, "\\xC2\\x85" },          /* C1: next line */
                { "\xe2\x80\xa8", 3, "\\xE2\\x80\\xA8" }, /* U+2028 */
                { "\xe2\x80\xae", 3, "\\xE2\\x80\\xAE" }, /* right-to-left override */
                { "\xe2\x81\xa6", 3, "\\xE2\\x81\\xA6" }, /* isolate */
                { "\xd8\x9c", 2, "\\xD8\\x9C" },          /* Arabic letter mark */
                { "a\xff\xc3", 3, "a\\xFF\\xC3" },        /* no UTF-8 */
                { "x$$<y", 5, "x\\x24$<y" },
                { "$$$<", 4, "$\\x24$<" },
                { "]LOG]!>", 7, "\\x5DLOG]!>" },
                { "<![LOG[", 7, "\\x3C![LOG[" },
                { "$$ <![LOG", 9, "$$ <![LOG" },
        };
        char text[64];

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                size_t size = log_escape(text, sizeof(text), rows[i].text, rows[i].size);
                assert_string_equal(text, rows[i].escaped);
                assert_int_equal(size, strlen(text));
        }
}

static void escaping_ends_with_a_whole_character(void **state)
{
        static const char text[] = "ab\n\xe2\x82\xac";
        static const char whole[] = "ab\\x0A\xe2\x82\xac";
        char got[16];

        (void)state;
        for (size_t room = 1; room <= sizeof(whole); room++) {
                size_t size = log_escape(got, room, text, strlen(text));
                size_t fits = room > 9 ? 9 : room > 6 ? 6 : room > 2 ? 2 : room - 1;
                assert_int_equal(size, fits);
                assert_memory_equal(got, whole, fits);
                assert_int_equal(got[fits], 0);
        }
}

static void cuts_fields(void **state)
{
        char text[300];
        struct log_field field;

        (void)state;
        memset(text, 'x', sizeof(text));
        assert_string_equal(log_field(&field, NULL, 0), "-");
        assert_string_equal(log_field(&field, "", 0), "");
        assert_int_equal(strlen(log_field(&field, text, LOG_FIELD_BYTES)), LOG_FIELD_BYTES);
        assert_int_equal(strlen(log_field(&field, text, LOG_FIELD_BYTES + 1)), LOG_FIELD_BYTES + 3);
        assert_string_equal(field.text + LOG_FIELD_BYTES, "...");
        memset(text, '\xff', sizeof(text));
        assert_int_equal(strlen(log_field(&field, text, sizeof(text))), LOG_FIELD_BYTES * 4 + 3);
        /* A character across the cut is left out whole. */
        memset(text, 'x', sizeof(text));
        memcpy(text + LOG_FIELD_BYTES - 2, "\xe2\x82\xac", 3);
        assert_int_equal(strlen(log_field(&field, text, sizeof(text))), LOG_FIELD_BYTES - 2 + 3);
        memcpy(text + LOG_FIELD_BYTES - 3, "\xe2\x82\xac", 3);
        assert_int_equal(strlen(log_field(&field, text, sizeof(text))), LOG_FIELD_BYTES + 3);
        assert_string_equal(LOG_FIELD("a\nb", 3), "a\\x0Ab");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(escapes_what_does_not_print),
                cmocka_unit_test(escaping_ends_with_a_whole_character),
                cmocka_unit_test(cuts_fields),
        };

        return cmocka_run_group_tests_name("log escape", tests, NULL, NULL);
}
