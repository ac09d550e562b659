#include "fsp/text.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void reads_whole_numbers_only(void **state)
{
        static const struct {
                const char *text;
                int result;
                uint64_t value;
        } rows[] = {
                { "0", 0, 0 },         { "007", 0, 7 },        { "18446744073709551615", 0, UINT64_MAX },
                { "", -EINVAL, 0 },    { " 1", -EINVAL, 0 },   { "18446744073709551616", -ERANGE, 0 },
                { "+1", -EINVAL, 0 },  { "-1", -EINVAL, 0 },   { "99999999999999999999999", -ERANGE, 0 },
                { "1 ", -EINVAL, 0 },  { "0x10", -EINVAL, 0 }, { "1.5", -EINVAL, 0 },
                { "12a", -EINVAL, 0 },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint64_t value = 4711;
                assert_int_equal(text_parse_u64(rows[i].text, &value), rows[i].result);
                assert_true(value == (rows[i].result == 0 ? rows[i].value : 4711));
        }
}

static void reads_durations_and_writes_them_back(void **state)
{
        static const struct {
                const char *text;
                int64_t ms;
                const char *shortest;
        } rows[] = {
                { "0", 0, "0" },         { "0d", 0, "0" },          { "15", 15000, "15s" },
                { "15s", 15000, "15s" }, { "60s", 60000, "1m" },    { "90s", 90000, "90s" },
                { "2h", 7200000, "2h" }, { "24h", 86400000, "1d" }, { "90d", INT64_C(7776000000), "90d" },
        };
        static const char *const wrong[] = { "", "s", "1.5h", "1 s", "1ms", "1S", "1w", "-1s", "1s " };
        char text[TEXT_UNIT_SIZE];
        int64_t ms;

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                assert_int_equal(text_parse_duration(rows[i].text, &ms), 0);
                assert_int_equal(ms, rows[i].ms);
                assert_string_equal(text_format_duration(ms, text), rows[i].shortest);
        }
        ms = 4711;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_int_equal(text_parse_duration(wrong[i], &ms), -EINVAL);
        assert_int_equal(text_parse_duration("9223372036854776s", &ms), -ERANGE);
        assert_int_equal(text_parse_duration("18446744073709551615d", &ms), -ERANGE);
        assert_int_equal(ms, 4711);
        assert_int_equal(text_parse_duration("9223372036854775s", &ms), 0);
}

static void reads_sizes_and_writes_them_back(void **state)
{
        static const struct {
                const char *text;
                uint64_t bytes;
                const char *shortest;
        } rows[] = {
                { "0", 0, "0" },
                { "1023", 1023, "1023" },
                { "1024", 1024, "1K" },
                { "64K", 65536, "64K" },
                { "1024K", 1 << 20, "1M" },
                { "4G", UINT64_C(4) << 30, "4G" },
                { "1536M", UINT64_C(1536) << 20, "1536M" },
        };
        static const char *const wrong[] = { "", "K", "1k", "1T", "1KB", "1 K", "-1K", "1.5G" };
        char text[TEXT_UNIT_SIZE];
        uint64_t bytes;

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                assert_int_equal(text_parse_size(rows[i].text, &bytes), 0);
                assert_true(bytes == rows[i].bytes);
                assert_string_equal(text_format_size(bytes, text), rows[i].shortest);
        }
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_int_equal(text_parse_size(wrong[i], &bytes), -EINVAL);
        assert_int_equal(text_parse_size("17179869184G", &bytes), -ERANGE);
}

static void compares_ascii_without_case(void **state)
{
        (void)state;
        assert_true(text_equal_nocase("/SMS_FSP/.sms_fsp", "/sms_fsp/.SMS_FSP"));
        assert_false(text_equal_nocase("abc", "abcd"));
        assert_false(text_equal_nocase("abcd", "abc"));
        assert_false(text_equal_nocase("\xc3\xa4", "\xc3\x84"));
        assert_false(text_equal_nocase("[", "{"));
        assert_true(text_has_suffix("a.SMX", ".SMX"));
        assert_false(text_has_suffix("a.smx", ".SMX"));
        assert_false(text_has_suffix("MX", ".SMX"));
}

static void matches_globs(void **state)
{
        static const struct {
                const char *pattern, *text;
                bool matches;
        } rows[] = {
                { "", "", true },          { "", "a", false },           { "*", "", true },
                { "*", "abc", true },      { "PC*", "pc-17", true },     { "*17", "pc-17", true },
                { "*c-*", "PC-17", true }, { "a*b*c", "aXbYbZc", true }, { "a*b*c", "aXbYbZ", false },
                { "a**", "a", true },      { "pc", "pc1", false },       { "a*a", "a", false },
                { "?", "a", false },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_int_equal(text_matches_glob(rows[i].pattern, rows[i].text), rows[i].matches);
}

/* Naive matchers take for ever on this. */
static void a_hostile_glob_ends(void **state)
{
        char text[2001];

        (void)state;
        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        assert_false(text_matches_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void compares_versions(void **state)
{
        static const struct {
                const char *a, *b;
                int sign;
        } rows[] = {
                { "4.00", "5.00.9096.1000", -1 },
                { "4.00", "4.0.0.0", 0 },
                { "5.00.9096", "5.00.9068.1", 1 },
                { "2.50", "4.00", -1 },
                { "4.10", "4.9", 1 },
                { "4", "4.0.1", -1 },
                { "x", "4.00", 0 },
                { "4.x", "4.9", 0 },
                { "5.x", "4.9", 1 },
                { "4.1x.9", "4.2", 0 },
                { "", "", 0 },
                { "99999999999999999999", "4", 1 },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                assert_int_equal(text_compare_versions(rows[i].a, rows[i].b), rows[i].sign);
                assert_int_equal(text_compare_versions(rows[i].b, rows[i].a), -rows[i].sign);
        }
}

static void takes_utf8_by_the_letter(void **state)
{
        static const struct {
                const char *bytes;
                size_t size, length;
                uint32_t code;
        } rows[] = {
                { "a", 1, 1, 'a' },
                { "\0", 1, 1, 0 },
                { "\xc3\xa4x", 3, 2, 0xe4 },
                { "\xe2\x82\xac", 3, 3, 0x20ac },
                { "\xf0\x9f\x98\x80", 4, 4, 0x1f600 },
                { "\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff },
                { "", 0, 0, 0 },
                { "\x80", 1, 0, 0 },
                { "\xc0\x80", 2, 0, 0 },             /* not the shortest form */
                { "\xe0\x80\x80", 3, 0, 0 },         /* not the shortest form */
                { "\xf0\x80\x80\x80", 4, 0, 0 },     /* not the shortest form */
                { "\xed\xa0\x80", 3, 0, 0 },         /* a surrogate */
                { "\xf4\x90\x80\x80", 4, 0, 0 },     /* over U+10FFFF */
                { "\xf8\x88\x80\x80\x80", 5, 0, 0 }, /* five bytes */
                { "\xe2\x82", 2, 0, 0 },             /* cut */
                { "\xe2\x82x", 3, 0, 0 },            /* broken */
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint32_t code = 0;
                size_t length = text_utf8_next((const unsigned char *)rows[i].bytes, rows[i].size, &code);
                assert_int_equal(length, rows[i].length);
                assert_int_equal(code, rows[i].code);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_whole_numbers_only),
                cmocka_unit_test(reads_durations_and_writes_them_back),
                cmocka_unit_test(reads_sizes_and_writes_them_back),
                cmocka_unit_test(compares_ascii_without_case),
                cmocka_unit_test(matches_globs),
                cmocka_unit_test(a_hostile_glob_ends),
                cmocka_unit_test(compares_versions),
                cmocka_unit_test(takes_utf8_by_the_letter),
        };

        return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
