/* include/fsp/name.h: names of messages. */
#include "fsp/name.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_name_shows_time_node_and_sequence(void **state)
{
        (void)state;
        char text[NAME_SIZE];
        struct message_name name = { .time_ms = 1795239296123, .node = 0xAB1, .seq = 0x1234 };
        assert_string_equal(name_format_id(&name, text), "20261121T053456123Z-0AB1-00001234");
        assert_string_equal(name_format_file(&name, NAME_SUFFIX, text),
                            "20261121T053456123Z-0AB1-00001234.SMX");
}

static void a_name_reads_back(void **state)
{
        (void)state;
        struct message_name name;
        assert_int_equal(name_parse("20261121T053456123Z-0AB1-FFFFFFFF.SMX", ".SMX", &name), 0);
        assert_int_equal(name.time_ms, 1795239296123);
        assert_int_equal(name.node, 0xAB1);
        assert_int_equal(name.seq, 0xFFFFFFFF);
        assert_int_equal(name_parse("20261121T053456123Z-0AB1-00000001", NULL, &name), 0);
        assert_int_equal(name_parse("20261121T053456123Z-0AB1-00000001.SMX", NULL, &name), 0);
        assert_int_equal(name_parse("20261121T053456123Z-0AB1-00000001.tmp", ".tmp", &name), 0);
}

static void only_our_own_spelling_is_a_name(void **state)
{
        static const char *const bad[] = {
                "",
                "x",
                "20261121T053456123Z-0AB1-00001234.SMX.SMX",
                "20261121T053456123Z-0AB1-00001234.smx",
                "20261121T053456123Z-0ab1-00001234.SMX",
                "20261121T053456123Z-0AB1-0000123.SMX",
                "20261121T053456123Z-0AB1--0001234.SMX",
                "20261121T053456123Z 0AB1-00001234.SMX",
                "20261131T053456123Z-0AB1-00001234.SMX",
                "20260230T053456123Z-0AB1-00001234.SMX",
                "20261121T243456123Z-0AB1-00001234.SMX",
                "2026 121T053456123Z-0AB1-00001234.SMX",
                "+0261121T053456123Z-0AB1-00001234.SMX",
                "20261121T053456123Z-0AB1-00001234.tmp",
                "20261121T053456123Z--FFF-00001234.SMX",
                "../61121T053456123Z-0AB1-00001234.SMX",
        };
        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct message_name name;
                if (name_parse(bad[i], ".SMX", &name) != -EINVAL)
                        fail_msg("taken for a name: %s", bad[i]);
        }
}

static void later_names_sort_later(void **state)
{
        static const struct message_name names[] = {
                { 999, 0, 7 },           { 1000, 0, 8 },           { 1000, 0, 9 },
                { 1000, 0, 0xFFFFFFFF }, { 1001, 0, 0x100000000 }, { 253402300799999, 0, 1 },
        };
        (void)state;
        for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
                char before[NAME_SIZE], after[NAME_SIZE];
                assert_true(strcmp(name_format_id(&names[i - 1], before), name_format_id(&names[i], after)) <
                            0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_name_shows_time_node_and_sequence),
                cmocka_unit_test(a_name_reads_back),
                cmocka_unit_test(only_our_own_spelling_is_a_name),
                cmocka_unit_test(later_names_sort_later),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
