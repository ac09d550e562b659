#include "fsp/clock.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* 2026-11-21T10:00:00.123Z */
#define NOW_MS INT64_C(1795255200123)
#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

static int set_zone(const char *zone)
{
        int r = setenv("TZ", zone, 1);

        tzset();
        return r;
}

static int be_in_berlin(void **state)
{
        (void)state;
        return set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
}

static int be_in_utc(void **state)
{
        (void)state;
        return set_zone("UTC0");
}

static void monotonic_clock_does_not_go_back(void **state)
{
        int64_t before_us = clock_monotonic_us();
        int64_t between_ms = clock_monotonic_ms();
        int64_t after_us = clock_monotonic_us();

        (void)state;
        assert_true(before_us / 1000 <= between_ms && between_ms <= after_us / 1000);
        assert_true(llabs((long long)(clock_wall_ms() / 1000 - (int64_t)time(NULL))) <= 1);
}

static void writes_rfc3339(void **state)
{
        char text[CLOCK_TEXT_SIZE];

        (void)state;
        assert_string_equal(clock_format_rfc3339(NOW_MS, text), "2026-11-21T10:00:00.123Z");
        assert_string_equal(clock_format_rfc3339(0, text), "1970-01-01T00:00:00.000Z");
        assert_string_equal(clock_format_rfc3339(-1, text), "1969-12-31T23:59:59.999Z");
        assert_string_equal(clock_format_rfc3339(INT64_C(253402300799999), text), "9999-12-31T23:59:59.999Z");
        assert_string_equal(clock_format_rfc3339(INT64_C(253402300800000), text), "");
        assert_string_equal(clock_format_rfc3339(INT64_MAX, text), "");
        assert_string_equal(clock_format_rfc3339(CLOCK_UNKNOWN, text), "");
}

static void reads_message_times(void **state)
{
        static const struct {
                const char *text;
                int64_t wall_ms;
        } rows[] = {
                { "20261121100000.123000+000", NOW_MS },
                { "20261121100000.123999-000", NOW_MS },
                { "20261121100000.123000+***", NOW_MS },
                { "20261121100000.123000", NOW_MS },
                { "20261121100000", NOW_MS - 123 },
                { "20261121120000.123000+120", NOW_MS },
                { "20261121044500.123000-315", NOW_MS },
                { "2026-11-21T10:00:00.123Z", NOW_MS },
                { "2026-11-21T11:00:00.123+01:00", NOW_MS },
                { "20240229000000.000000+000", INT64_C(1709164800000) },
                { "20250229000000.000000+000", CLOCK_UNKNOWN },
                { "20261321100000.000000+000", CLOCK_UNKNOWN },
                { "20260021100000.000000+000", CLOCK_UNKNOWN },
                { "20261100100000.000000+000", CLOCK_UNKNOWN },
                { "20261121240000.000000+000", CLOCK_UNKNOWN },
                { "20261121106000.000000+000", CLOCK_UNKNOWN },
                { "20261121100061.000000+000", CLOCK_UNKNOWN },
                { "20261121100000.+000", CLOCK_UNKNOWN },
                { "20261121100000.123000+00", CLOCK_UNKNOWN },
                { "20261121100000.123000+0000", CLOCK_UNKNOWN },
                { "20261121100000.123000x000", CLOCK_UNKNOWN },
                { "2026-11-21T10:00:00", CLOCK_UNKNOWN }, /* whose time is not said */
                { "2026-11-21", CLOCK_UNKNOWN },
                { "2026112110", CLOCK_UNKNOWN },
                { "yesterday", CLOCK_UNKNOWN },
                { "", CLOCK_UNKNOWN },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_int_equal(clock_parse_message_time(rows[i].text), rows[i].wall_ms);
}

static void reads_what_an_administrator_writes(void **state)
{
        static const struct {
                const char *text;
                int64_t wall_ms;
        } rows[] = {
                { "now", NOW_MS },
                { "90s", NOW_MS - 90000 },
                { "15m", NOW_MS - 15 * 60000 },
                { "2h", NOW_MS - 2 * HOUR_MS },
                { "3d", NOW_MS - 3 * DAY_MS },
                { "4w", NOW_MS - 28 * DAY_MS },
                { "2026-11-21T10:00:00.123Z", NOW_MS },
                { "2026-11-21t10:00:00.1239z", NOW_MS },
                { "2026-11-21T15:30:00.123+05:30", NOW_MS },
                { "2026-11-21T10:00Z", NOW_MS - 123 },
                /* Berlin is an hour ahead in November, two in July. */
                { "2026-11-21T11:00:00.123", NOW_MS },
                { "2026-11-21 11:00", NOW_MS - 123 },
                { "2026-11-21", NOW_MS - 123 - 11 * HOUR_MS },
                { "today", NOW_MS - 123 - 11 * HOUR_MS },
                { "yesterday", NOW_MS - 123 - 35 * HOUR_MS },
                { "2026-07-01", INT64_C(1782856800000) },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                int64_t wall_ms = 0;
                assert_int_equal(clock_parse_when(rows[i].text, NOW_MS, &wall_ms), 0);
                assert_int_equal(wall_ms, rows[i].wall_ms);
        }
}

/* The day before 2026-03-30 in Berlin has 23 hours. */
static void yesterday_is_a_day_not_24_hours(void **state)
{
        int64_t now_ms, wall_ms;

        (void)state;
        assert_int_equal(clock_parse_when("2026-03-30T12:00", 0, &now_ms), 0);
        assert_int_equal(clock_parse_when("yesterday", now_ms, &wall_ms), 0);
        assert_int_equal(now_ms - wall_ms, 35 * HOUR_MS);
}

static void refuses_what_is_no_moment(void **state)
{
        static const char *const wrong[] = {
                "",
                "s",
                "5",
                "5y",
                "-5s",
                "1.5h",
                "tomorrow",
                "2026-11",
                "2026-11-31",
                "2026-13-01",
                "2026-1-01",
                "26-11-21",
                "2026-11-21T",
                "2026-11-21T1",
                "2026-11-21T10:00:00.",
                " now",
                "now ",
                "5 s",
                "2026-11-21x",
                "2026-11-21T10:00+1",
                "2026-11-21T10:00+24:00",
                "99999999999999999999w",
                "9223372036854775807w",
        };
        int64_t wall_ms = 4711;

        (void)state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_int_equal(clock_parse_when(wrong[i], NOW_MS, &wall_ms), -EINVAL);
        assert_int_equal(wall_ms, 4711);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(monotonic_clock_does_not_go_back),
                cmocka_unit_test(writes_rfc3339),
                cmocka_unit_test_setup_teardown(reads_message_times, be_in_berlin, be_in_utc),
                cmocka_unit_test_setup_teardown(reads_what_an_administrator_writes, be_in_berlin, be_in_utc),
                cmocka_unit_test_setup_teardown(yesterday_is_a_day_not_24_hours, be_in_berlin, be_in_utc),
                cmocka_unit_test(refuses_what_is_no_moment),
        };

        return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
