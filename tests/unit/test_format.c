/* Rows for programs: JSON, CSV, and what makes hostile text harmless. */
#include "admin/format.h"
#include "fsp/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *csv_of(const char *text)
{
        char *result = NULL;
        size_t size;
        FILE *out = open_memstream(&result, &size);

        assert_non_null(out);
        assert_int_equal(format_csv_cell(out, text), 0);
        assert_int_equal(fclose(out), 0);
        return result;
}

static void csv_cell_is_quoted_and_no_formula(void **state)
{
        static const char *const cases[][2] = {
                { "", "" },
                { "plain text", "plain text" },
                { "a,b", "\"a,b\"" },
                { "say \"hi\"", "\"say \"\"hi\"\"\"" },
                { "two\nlines", "\"two\nlines\"" },
                { "=1+1", "\"'=1+1\"" },
                { "@SUM(A1)", "\"'@SUM(A1)\"" },
                { "+cmd", "\"'+cmd\"" },
                { "-cmd", "\"'-cmd\"" },
                { "\tx", "\"'\tx\"" },
                { "\rx", "\"'\rx\"" },
                { "-", "\"'-\"" },
                { "-2147012889", "-2147012889" },
                { "+1.5", "+1.5" },
                { "-1e5", "-1e5" },
                { "-1e", "\"'-1e\"" },
                { "-1; =2", "\"'-1; =2\"" },
                { "-0x80072ee7", "\"'-0x80072ee7\"" },
                { "-inf", "\"'-inf\"" },
                { "a=b", "a=b" },
        };
        size_t i;

        (void)state;
        for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char *cell = csv_of(cases[i][0]);

                assert_string_equal(cell, cases[i][1]);
                free(cell);
        }
}

static void cell_shows_every_kind_of_value(void **state)
{
        static const char *const cases[][2] = {
                { "null", "" },
                { "\"x\"", "x" },
                { "12", "12" },
                { "-5", "-5" },
                { "true", "true" },
                { "[]", "" },
                { "[\"a\",\"b c\",7]", "a; b c; 7" },
        };
        size_t i;

        (void)state;
        for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                json_t *value = json_loads(cases[i][0], JSON_DECODE_ANY, NULL);
                char *cell = format_cell(value);

                assert_string_equal(cell, cases[i][1]);
                free(cell);
                json_decref(value);
        }
}

static const struct format_column columns[] = { { .key = "id" }, { .key = "text" }, { .key = "list" } };

static char *write_rows(const struct format_kind *kind, bool terminal, const char *const *rows, size_t count)
{
        char *result = NULL;
        size_t size, i;
        struct format format = { .kind = kind, .columns = columns, .column_count = 3, .terminal = terminal };

        format.out = open_memstream(&result, &size);
        assert_non_null(format.out);
        assert_int_equal(kind->begin(&format), 0);
        for (i = 0; i < count; i++) {
                json_t *row = json_loads(rows[i], 0, NULL);

                assert_non_null(row);
                assert_int_equal(kind->row(&format, row), 0);
                json_decref(row);
        }
        assert_int_equal(kind->end(&format), 0);
        assert_int_equal(format.rows, count);
        assert_int_equal(fclose(format.out), 0);
        return result;
}

static const char *const two_rows[] = {
        "{\"id\": 1, \"text\": \"\\u009b2J\", \"list\": [\"a\", \"b\"], \"more\": 1}",
        "{\"id\": 2, \"text\": null, \"list\": []}",
};

static void csv_has_header_and_crlf(void **state)
{
        char *text = write_rows(&format_csv, false, two_rows, 2);
        char *shown = write_rows(&format_csv, true, two_rows, 2);
        char *empty = write_rows(&format_csv, false, NULL, 0);

        (void)state;
        assert_string_equal(text, "id,text,list\r\n1,\xc2\x9b"
                                  "2J,a; b\r\n2,,\r\n");
        assert_string_equal(shown, "id,text,list\r\n1,\\xC2\\x9B2J,a; b\r\n2,,\r\n");
        assert_string_equal(empty, "id,text,list\r\n");
        free(text);
        free(shown);
        free(empty);
}

static void json_is_an_array_in_ascii(void **state)
{
        char *text = write_rows(&format_json, true, two_rows, 2);
        char *empty = write_rows(&format_json, true, NULL, 0);
        json_t *array = json_loads(text, 0, NULL);
        const char *c;

        (void)state;
        assert_string_equal(empty, "[]\n");
        assert_int_equal(json_array_size(array), 2);
        assert_int_equal(json_integer_value(json_object_get(json_array_get(array, 0), "more")), 1);
        assert_string_equal(json_string_value(json_object_get(json_array_get(array, 0), "text")), "\xc2\x9b"
                                                                                                  "2J");
        for (c = text; *c; c++)
                assert_in_range(*c, '\n', '~');
        json_decref(array);
        free(text);
        free(empty);
}

static void text_and_time_become_values_or_null(void **state)
{
        json_t *broken = format_text("a\xff"
                                     "b");
        json_t *time = format_time(0);

        (void)state;
        assert_true(json_is_null(format_text(NULL)));
        assert_true(json_is_null(format_time(CLOCK_UNKNOWN)));
        assert_string_equal(json_string_value(broken), "a\\xFFb");
        assert_string_equal(json_string_value(time), "1970-01-01T00:00:00.000Z");
        json_decref(broken);
        json_decref(time);
}

static void a_full_device_is_noticed(void **state)
{
        struct format format = { .kind = &format_csv, .columns = columns, .column_count = 3 };
        json_t *row = json_loads(two_rows[0], 0, NULL);

        (void)state;
        format.out = fopen("/dev/full", "w");
        assert_non_null(format.out);
        assert_int_equal(setvbuf(format.out, NULL, _IONBF, 0), 0);
        assert_true(format_csv.begin(&format) < 0);
        assert_true(format_csv.row(&format, row) < 0);
        assert_true(format_json.row(&format, row) < 0);
        (void)fclose(format.out); /* its fault is what we wanted */
        json_decref(row);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(csv_cell_is_quoted_and_no_formula),
                cmocka_unit_test(cell_shows_every_kind_of_value),
                cmocka_unit_test(csv_has_header_and_crlf),
                cmocka_unit_test(json_is_an_array_in_ascii),
                cmocka_unit_test(text_and_time_become_values_or_null),
                cmocka_unit_test(a_full_device_is_noticed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
