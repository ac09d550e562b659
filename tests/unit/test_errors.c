/* include/fsp/errors.h: codes in texts, and what they mean. */
#include "fsp/errors.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_code_is_the_same_however_it_is_written(void **state)
{
        (void)state;
        const char *const same[] = { "-2147012889", "2147954407", "0x80072EE7", "0X80072ee7",
                                     " 0x80072ee7\r\n" };
        for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
                assert_int_equal(errors_parse(same[i]), 0x80072EE7);
        assert_int_equal(errors_parse("1603"), 1603);
        assert_int_equal(errors_parse("-1"), 0xFFFFFFFF);
        assert_int_equal(errors_parse("-2147483648"), 0x80000000);
        assert_int_equal(errors_parse("4294967295"), 0xFFFFFFFF);
}

static void what_is_no_code_is_none(void **state)
{
        (void)state;
        const char *const none[] = {
                "",      " ",           "0",           "0x0",
                "-0",    "PS1",         "0x",          "0xg1",
                "12 34", "1603.5",      "--5",         "-0x5",
                "+5",    "0x 5",        "4294967296",  "- 5",
                "1e3",   "0x100000000", "-2147483649", "99999999999999999999999999999999999999999999999999"
        };
        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
                if (errors_parse(none[i]) != ERRORS_NONE)
                        fail_msg("\"%s\" is taken for a code", none[i]);
}

static void details_are_searched_as_text(void **state)
{
        (void)state;
        assert_int_equal(errors_in_details("<A ErrorCode=\"-2147012889\"><B/></A>"), 0x80072EE7);
        assert_int_equal(errors_in_details("<A x='1'\n ErrorCode = '0x80070005'/>"), 0x80070005);
        assert_int_equal(errors_in_details("<A ErrorCode=\"0\"/>"), ERRORS_NONE);
        assert_int_equal(errors_in_details("<A NoErrorCode=\"5\"/>"), ERRORS_NONE);
        assert_int_equal(errors_in_details("<A ErrorCodes=\"5\" ErrorCode=\"6\"/>"), 6);
        assert_int_equal(errors_in_details("<A ErrorCode=5/>"), ERRORS_NONE);
        assert_int_equal(errors_in_details("<A ErrorCode=\"5"), ERRORS_NONE);
        assert_int_equal(errors_in_details("ErrorCode"), ERRORS_NONE);
        assert_int_equal(errors_in_details(NULL), ERRORS_NONE);
}

static void the_first_parameter_that_reads_as_a_code_goes_before_the_details(void **state)
{
        (void)state;
        const char *details = "<A ErrorCode=\"7\"/>";
        assert_int_equal(errors_in_state("[\"http://a\", \"5\", \"6\"]", details), 5);
        assert_int_equal(errors_in_state("[\"http://a\"]", details), 7);
        assert_int_equal(errors_in_state("no list", details), 7);
        assert_int_equal(errors_in_state(NULL, details), 7);
        assert_int_equal(errors_in_state("[]", NULL), ERRORS_NONE);
}

static void assert_meaning(int64_t code, const char *name)
{
        const struct errors_row *row = errors_find(code);
        assert_non_null(row);
        assert_string_equal(row->name, name);
}

static void codes_have_meanings(void **state)
{
        (void)state;
        assert_meaning(1603, "ERROR_INSTALL_FAILURE");
        assert_meaning(0x80070643, "ERROR_INSTALL_FAILURE"); /* the same, wrapped */
        assert_meaning(0x80072EE7, "ERROR_WINHTTP_NAME_NOT_RESOLVED");
        assert_meaning(12007, "ERROR_WINHTTP_NAME_NOT_RESOLVED");
        /* the five certificate problems: none valid, several, no trusted root, expired, revoked */
        assert_non_null(errors_find(0x87D00281));
        assert_non_null(errors_find(0x87D00282));
        assert_meaning(0x800B0109, "CERT_E_UNTRUSTEDROOT");
        assert_meaning(0x800B0101, "CERT_E_EXPIRED");
        assert_meaning(0x80092010, "CRYPT_E_REVOKED");
        assert_null(errors_find(0x87D0FFFF));
        assert_null(errors_find(0));
        assert_null(errors_find(ERRORS_NONE));
}

static void the_table_is_sorted_and_whole(void **state)
{
        (void)state;
        size_t count;
        const struct errors_row *rows = errors_rows(&count);
        assert_true(count > 100);
        for (size_t i = 0; i < count; i++) {
                assert_true(i == 0 || rows[i - 1].code < rows[i].code);
                assert_true(rows[i].code > 0 && rows[i].code <= 0xFFFFFFFF);
                assert_true(*rows[i].text != '\0' && *rows[i].source != '\0');
                assert_ptr_equal(errors_find(rows[i].code), &rows[i]);
        }
}

static void a_code_is_written_as_it_is_known(void **state)
{
        (void)state;
        char text[ERRORS_TEXT_SIZE];
        assert_string_equal(errors_format(0x80072EE7, text), "0x80072EE7");
        assert_string_equal(errors_format(1603, text), "1603");
        assert_string_equal(errors_format(0x7FFFFFFF, text), "2147483647");
        assert_string_equal(errors_format(0xFFFFFFFF, text), "0xFFFFFFFF");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_code_is_the_same_however_it_is_written),
                cmocka_unit_test(what_is_no_code_is_none),
                cmocka_unit_test(details_are_searched_as_text),
                cmocka_unit_test(the_first_parameter_that_reads_as_a_code_goes_before_the_details),
                cmocka_unit_test(codes_have_meanings),
                cmocka_unit_test(the_table_is_sorted_and_whole),
                cmocka_unit_test(a_code_is_written_as_it_is_known),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
