/* ledger_digest, by digests that Python's hashlib has made. */
#include "fsp/ledger.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LONG_SIZE 12000U

static void assert_digest(const void *bytes, size_t size, const char *expected)
{
        unsigned char digest[LEDGER_DIGEST_SIZE];
        char text[2 * LEDGER_DIGEST_SIZE + 1];
        ledger_digest(bytes, size, digest);
        assert_string_equal(sodium_bin2hex(text, sizeof(text), digest, sizeof(digest)), expected);
        assert_true(ledger_digest_fits(bytes, size, digest));
        digest[5] ^= 1;
        assert_false(ledger_digest_fits(bytes, size, digest));
}

static void each_form_has_its_own(void **state)
{
        (void)state;
        assert_digest("", 0, "cae66941d9efbd404e4d88758ea67670");
        assert_digest("<a/>", 4, "61438e6ead4ad1ee9a180e66d356b587");
        assert_digest("a\0b\0", 4, "472a95a52a4ec0f48780123a82d187d9");
        assert_digest("\xFF\xFE"
                      "a\0b\0",
                      6, "5d8ed3adb3387363d9f7d8b86b4b7629");
        assert_digest("a\0b", 3, "852635742d6eb30fdccb0e7c1b53d92f");
        assert_digest("\xFF\xFE", 2, "3b5fb42ab711d6a91d6d6755674b3fc7");
}

static void long_ones_are_read_to_their_end(void **state)
{
        (void)state;
        unsigned char *bytes = calloc(1, LONG_SIZE);
        assert_non_null(bytes);
        for (size_t i = 0; i < LONG_SIZE; i += 4) {
                bytes[i] = 0xFC;
                bytes[i + 2] = 'x';
        }
        assert_digest(bytes, LONG_SIZE, "675b70cf5696d1d1586b3a7d5dfbdc88");
        for (size_t i = 0; i < 10000; i += 2)
                bytes[i] = 'x';
        bytes[10000] = 0x16;
        bytes[10001] = 0x04;
        assert_digest(bytes, 10002, "cbac4988acd93ff2143791f748158849");
        free(bytes);
}

/* One byte more or another, wherever it is, and it is another message. */
static void no_byte_is_passed_over(void **state)
{
        (void)state;
        unsigned char bytes[66], digest[LEDGER_DIGEST_SIZE], changed[LEDGER_DIGEST_SIZE];
        for (size_t size = 2; size <= sizeof(bytes); size++) {
                for (size_t i = 0; i < sizeof(bytes); i++)
                        bytes[i] = i % 2 ? 0 : (unsigned char)('A' + i / 2);
                ledger_digest(bytes, size, digest);
                for (size_t i = 0; i < size; i++) {
                        bytes[i] ^= 0x80;
                        ledger_digest(bytes, size, changed);
                        assert_memory_not_equal(digest, changed, sizeof(digest));
                        bytes[i] ^= 0x80;
                }
                ledger_digest(bytes, size - 1, changed);
                assert_memory_not_equal(digest, changed, sizeof(digest));
        }
}

static void one_of_an_older_ledger_fits(void **state)
{
        (void)state;
        unsigned char digest[LEDGER_DIGEST_SIZE];
        assert_int_equal(crypto_generichash(digest, sizeof(digest), (const void *)"a\0b\0", 4, NULL, 0), 0);
        assert_true(ledger_digest_fits("a\0b\0", 4, digest));
        assert_false(ledger_digest_fits("a\0c\0", 4, digest));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_form_has_its_own),
                cmocka_unit_test(long_ones_are_read_to_their_end),
                cmocka_unit_test(no_byte_is_passed_over),
                cmocka_unit_test(one_of_an_older_ledger_fits),
        };
        return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
