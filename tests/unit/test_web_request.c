/* Which Host is ours, how paths and queries are decoded, which route fits; histograms. */
#include "fsp/histogram.h"
#include "http/web_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void numeric_hosts_and_localhost_are_ours(void **state)
{
        static const char *const ours[] = {
                "127.0.0.1", "127.0.0.1:8580", "localhost",     "LocalHost:80",
                "[::1]",     "[::1]:8580",     "192.168.2.1:1", "[fe80::1]:65535"
        };
        static const char *const others[] = {
                "",
                ":80",
                "evil.example",
                "evil.example:8580",
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "127.0.0.1:8580.evil.example",
                "localhost.",
                "2130706433",
                "0x7f.1",
                "127.1",
                "::1",
                "[::1",
                "[::1]x",
                "[127.0.0.1]",
                "127.0.0.1:",
                "127.0.0.1:65536",
                "127.0.0.1:-1",
                "127.0.0.1@evil",
                "evil@127.0.0.1",
                " 127.0.0.1",
                "[::1%lo]",
        };
        (void)state;
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
                if (!web_host_is_ours(ours[i]))
                        fail_msg("%s is refused", ours[i]);
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                if (web_host_is_ours(others[i]))
                        fail_msg("%s is taken", others[i]);
}

static void percent_sequences_are_decoded(void **state)
{
        static const char *const good[][2] = { { "", "" },
                                               { "a%20b%2F%c3%A4", "a b/\xc3\xa4" },
                                               { "%2525", "%25" } };
        static const char *const bad[] = { "%",   "%4",  "%zz", "%00",    "%0a",
                                           "%7f", "%ff", "%c3", "%c2%80", "a%1bb" };
        char text[64];
        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                strcpy(text, good[i][0]);
                assert_true(web_decode(text));
                assert_string_equal(text, good[i][1]);
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                strcpy(text, bad[i]);
                if (web_decode(text))
                        fail_msg("%s is taken", bad[i]);
        }
}

static bool fits(const char *route, const char *path, const char *item)
{
        const char *found;
        size_t size;
        if (!web_route_fits(route, path, &found, &size))
                return false;
        return item ? found && size == strlen(item) && strncmp(found, item, size) == 0 : !found;
}

static void routes_fit_whole_paths(void **state)
{
        (void)state;
        assert_true(fits("/", "/", NULL));
        assert_false(fits("/", "/x", NULL));
        assert_true(fits("/m/*", "/m/abc", "abc"));
        assert_true(fits("/m/*/raw", "/m/abc/raw", "abc"));
        assert_false(fits("/m/*/raw", "/m/abc/rawx", "abc"));
        assert_false(fits("/m/*", "/m/abc/raw", "abc"));
        assert_false(fits("/m/*", "/m/", ""));
        assert_false(fits("/m/*", "/m", ""));
        assert_false(fits("/m", "/m/", NULL));
}

static void values_fall_into_doubling_bounds(void **state)
{
        struct histogram histogram = { .unit = 10 };
        (void)state;
        histogram_add(&histogram, 0);
        histogram_add(&histogram, 10);
        histogram_add(&histogram, 11);
        histogram_add(&histogram, UINT64_C(10) << HISTOGRAM_BOUNDS);
        struct histogram_view view = histogram_look(&histogram);
        assert_int_equal(view.bounds[1], 20);
        assert_int_equal(view.at_most[0], 2);
        assert_int_equal(view.at_most[1], 3);
        assert_int_equal(view.at_most[HISTOGRAM_BOUNDS - 1], 3);
        assert_int_equal(view.count, 4);
        assert_int_equal(view.sum, 21 + (10 << HISTOGRAM_BOUNDS));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numeric_hosts_and_localhost_are_ours),
                cmocka_unit_test(percent_sequences_are_decoded),
                cmocka_unit_test(routes_fit_whole_paths),
                cmocka_unit_test(values_fall_into_doubling_bounds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
