/* verdict: the table is whole, and says what the contract says. */
#include "fsp/verdict.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void statuses_are_the_contracts(void **state)
{
        static const unsigned statuses[VERDICT_COUNT] = {
                [VERDICT_ACCEPTED] = 200,       [VERDICT_DUPLICATE] = 200,    [VERDICT_EMPTY] = 400,
                [VERDICT_ENCODING] = 400,       [VERDICT_NOT_XML] = 400,      [VERDICT_DOCTYPE] = 400,
                [VERDICT_TOO_COMPLEX] = 400,    [VERDICT_NOT_A_REPORT] = 400, [VERDICT_MULTIPART] = 400,
                [VERDICT_OLD_CLIENT] = 403,     [VERDICT_TOPIC] = 403,        [VERDICT_PATH] = 404,
                [VERDICT_METHOD] = 405,         [VERDICT_FRAMING] = 400,      [VERDICT_NO_LENGTH] = 411,
                [VERDICT_HEAD_TOO_LARGE] = 431, [VERDICT_TOO_LARGE] = 413,    [VERDICT_CONTENT_CODING] = 415,
                [VERDICT_EXPECTATION] = 417,    [VERDICT_RATE] = 429,         [VERDICT_STORE_FULL] = 503,
                [VERDICT_NETWORK_FULL] = 503,   [VERDICT_DISK_LOW] = 503,     [VERDICT_STORE_FAULT] = 503,
                [VERDICT_BUSY] = 503,           [VERDICT_STOPPING] = 503,
        };

        (void)state;
        for (enum verdict verdict = VERDICT_ACCEPTED; verdict < VERDICT_COUNT; verdict++) {
                const struct verdict_info *info = verdict_info(verdict);
                assert_int_equal(info->status, statuses[verdict]);
                assert_int_equal(info->retry_after_s > 0, info->status == 429 || info->status == 503);
        }
}

static void texts_are_one_line_of_plain_ascii(void **state)
{
        (void)state;
        for (enum verdict verdict = VERDICT_ACCEPTED; verdict < VERDICT_COUNT; verdict++) {
                const struct verdict_info *info = verdict_info(verdict);
                assert_int_equal(info->text[0] == '\0', info->status == 200);
                for (const char *c = info->text; *c != '\0'; c++)
                        assert_true(*c >= ' ' && *c <= '~');
        }
}

static void names_are_counters_and_differ(void **state)
{
        (void)state;
        for (enum verdict verdict = VERDICT_ACCEPTED; verdict < VERDICT_COUNT; verdict++) {
                const char *name = verdict_info(verdict)->name;
                assert_true(name[0] != '\0');
                assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
                for (enum verdict other = VERDICT_ACCEPTED; other < verdict; other++)
                        assert_string_not_equal(name, verdict_info(other)->name);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(statuses_are_the_contracts),
                cmocka_unit_test(texts_are_one_line_of_plain_ascii),
                cmocka_unit_test(names_are_counters_and_differ),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
