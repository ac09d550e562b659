/* What a client wrote, made harmless; and its bytes as text. */
#include "admin/web_html.h"
#include "admin/web_text.h"
#include "fsp/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *written;
static size_t written_size;
static FILE *out;

static int begin(void **state)
{
        (void)state;
        out = open_memstream(&written, &written_size);
        return out ? 0 : -1;
}

static int end(void **state)
{
        (void)state;
        free(written);
        return 0;
}

static void expect(const char *text)
{
        assert_int_equal(fclose(out), 0);
        assert_string_equal(written, text);
}

static void markup_becomes_text(void **state)
{
        (void)state;
        html(out, "<p title=\"%s\">%s</p>", "a\"b'c", "<script>&");
        expect("<p title=\"a&quot;b&#39;c\">&lt;script&gt;&amp;</p>");
}

static void control_characters_are_shown(void **state)
{
        (void)state;
        html(out, "%s|%s|%s", "a\x1b[2J\n",
             "\xe2\x80\xae"
             "b",
             "\xff");
        expect("a\\x1B[2J\\x0A|\\xE2\\x80\\xAEb|\\xFF");
}

static void components_are_encoded(void **state)
{
        (void)state;
        html(out, "?a=%u&amp;n=%d%%", "x y&\"<\xc3\xa4/", (int64_t)-5);
        expect("?a=x%20y%26%22%3C%C3%A4%2F&amp;n=-5%");
}

static void what_is_missing_is_a_dash(void **state)
{
        (void)state;
        html(out, "%s", (const char *)NULL);
        html_time(out, CLOCK_UNKNOWN, 0);
        expect("––");
}

static void lines_are_kept(void **state)
{
        (void)state;
        html_lines(out, "<a>\r\n\tb\r\x07\n");
        expect("&lt;a&gt;\n\tb\\x0D\\x07\n");
}

static void ages_are_short(void **state)
{
        static const int64_t ages_ms[] = { -1, 0, 1500, 119999, 120000, 7200000, 48 * 3600000LL };
        (void)state;
        for (size_t i = 0; i < sizeof(ages_ms) / sizeof(ages_ms[0]); i++) {
                html_age(out, ages_ms[i]);
                (void)fputc(',', out);
        }
        expect("0 s,0 s,1 s,119 s,2 min,2 h,2 d,");
}

static void expect_text(const void *bytes, size_t size, const char *text)
{
        char *decoded;
        assert_int_equal(web_text_decode(bytes, size, &decoded), 0);
        assert_string_equal(decoded, text);
        free(decoded);
}

static void bytes_become_text(void **state)
{
        (void)state;
        expect_text("<a/>", 4, "<a/>");
        expect_text("\xff\xfe<\0\xe4\0\x3d\xd8\x00\xde", 10, "<\xc3\xa4\xf0\x9f\x98\x80");
        expect_text("\0<\0a", 4, "<a");
        expect_text("<\0a\0\0\0", 6, "<a");
        expect_text("", 0, "");
        expect_text("\xff\xfe<", 3, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(markup_becomes_text, begin, end),
                cmocka_unit_test_setup_teardown(control_characters_are_shown, begin, end),
                cmocka_unit_test_setup_teardown(components_are_encoded, begin, end),
                cmocka_unit_test_setup_teardown(what_is_missing_is_a_dash, begin, end),
                cmocka_unit_test_setup_teardown(lines_are_kept, begin, end),
                cmocka_unit_test_setup_teardown(ages_are_short, begin, end),
                cmocka_unit_test(bytes_become_text),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
