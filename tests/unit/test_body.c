/* body: what the ledger keeps of a message is its bytes again, in each form. */
#include "fsp/ledger.h"
#include "fsp/message.h"
#include "ledger/body.h"
#include "ledger/body_words.h"
#include "message_forms.h"
#include "pack_fixture.h"
#include <errno.h>
#include <lz4.h>

#define WITH_WORDS 0x01 /* a promise: ledgers have it */

static size_t packed_size;

static void read_body(const void *bytes, size_t size)
{
        static char *topics[] = { "*" };
        static const struct config policy = { .policy = { .validate = VALIDATE_WELLFORMED,
                                                          .min_client_version = "0",
                                                          .topics = { topics, 1 } } };
        const char *why = NULL;

        assert_int_equal(reader_read(reader, &policy, NULL, bytes, size, &report, &why), VERDICT_ACCEPTED);
}

static void pack(const struct report *any)
{
        assert_int_equal(body_pack(any, &packed, &packed_room, &packed_size), 0);
        assert_true(packed_size <= any->size);
}

/* From a block of just the packed size, so that a sanitizer sees what goes too far. */
static int unpack(size_t size, unsigned char **ret_bytes)
{
        unsigned char *copy = test_malloc(packed_size);

        memcpy(copy, packed, packed_size);
        int r = body_unpack(copy, packed_size, size, ret_bytes);
        test_free(copy);
        return r;
}

static void assert_comes_back(const struct report *any)
{
        unsigned char *bytes = NULL;

        pack(any);
        assert_int_equal(unpack(any->size, &bytes), 0);
        assert_memory_equal(bytes, any->bytes, any->size);
        free(bytes);
}

/* What lies packed there is so long, and not kept as it is. */
static void assert_unpacked_size(size_t size)
{
        unsigned char room[8192];

        assert_true(packed_size < report.size);
        assert_int_equal(*packed, WITH_WORDS);
        assert_int_equal(LZ4_decompress_safe_usingDict((const char *)packed + 1, (char *)room,
                                                       (int)packed_size - 1, sizeof room, body_words,
                                                       (int)BODY_WORDS_SIZE),
                         size);
}

/* Unwanted by LZ4: no four bytes come twice, but by chance. */
static uint32_t next_random(void)
{
        static uint32_t value = 1;

        value = value * 1664525U + 1013904223U;
        return value >> 8;
}

static const char *const pieces[] = { "a",           "\n", "\xC3\x84", "\xE6\x97\xA5", "\xF0\xA0\xAE\xB7",
                                      "\xEF\xBB\xBF" };
#define PIECES (sizeof pieces / sizeof pieces[0])

static void every_form_comes_back(void **state)
{
        static const char *const tails[] = { "", "\n", "\r\n \t \r\n \t ", "          " };
        char text[128];

        (void)state;
        for (size_t i = 0; i < PIECES * 20 * 4; i++) {
                int before = (int)(i / PIECES % 20);
                size_t size = (size_t)snprintf(text, sizeof text, "<R>%.*s%s%.*s</R>%s", before,
                                               "abcdefghijklmnopqrst", pieces[i % PIECES], 20 - before,
                                               "ABCDEFGHIJKLMNOPQRST", tails[i / PIECES / 20]);
                for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                        struct bytes bytes = make_form(text, size, form);
                        read_body(bytes.data, bytes.size);
                        assert_int_equal(report.size, bytes.size);
                        assert_int_equal(report.text != NULL, form == AS_UTF16LE || form == AS_UTF16LE_BOM);
                        if (report.text) {
                                assert_int_equal(report.text_size, size);
                                assert_memory_equal(report.text, text, size);
                        }
                        assert_comes_back(&report);
                        if (report.text)
                                assert_unpacked_size(size);
                        test_free(bytes.data);
                }
        }
}

static void a_message_is_packed_as_its_text(void **state)
{
        struct bytes example = load_example("deployment-failed-308");
        struct bytes wide = make_form(example.data, example.size, AS_UTF16LE_BOM);
        struct report as_is;

        (void)state;
        read_body(wide.data, wide.size);
        as_is = report;
        as_is.text = NULL;
        assert_comes_back(&as_is);
        assert_unpacked_size(wide.size);
        size_t as_is_size = packed_size;
        assert_comes_back(&report);
        assert_unpacked_size(example.size);
        assert_true(packed_size < as_is_size);
        test_free(wide.data);
        free(example.data);
}

static void what_is_cut_is_no_part_of_it(void **state)
{
#define CUT(literal, kept)                                                                                   \
        {                                                                                                    \
                literal, sizeof literal - 1, kept                                                            \
        }
        static const struct {
                const char *bytes;
                size_t size, kept;
        } cuts[] = {
                CUT("<\0a\0/\0>\0\0", 8),
                CUT("<\0a\0/\0>\0\0\0", 8),
                CUT("<\0a\0/\0>\0\n\0\0\0 \0", 10),
                CUT("\xFF\xFE<\0a\0/\0>\0 \0\0\0\0", 12),
                CUT("<a/>\0\0", 4),
                CUT("\0<\0a\0/\0>\0\0\0", 8),
        };

        (void)state;
        for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
                read_body(cuts[i].bytes, cuts[i].size);
                assert_int_equal(report.size, cuts[i].kept);
                assert_comes_back(&report);
        }
}

static void a_part_is_packed_as_its_own_text(void **state)
{
        static const char start[] = "--x\r\n\r\n", end[] = "\r\n--x--\r\n",
                          text[] = "<R>aaaaaaaaaaaaaaaa</R>";
        static const struct config policy = { .policy = { .validate = VALIDATE_WELLFORMED,
                                                          .min_client_version = "0" } };
        struct bytes part = make_form(text, sizeof text - 1, AS_UTF16LE_BOM);
        unsigned char body[256];
        size_t size = sizeof start - 1;
        const char *why = NULL;

        (void)state;
        memcpy(body, start, size);
        memcpy(body + size, part.data, part.size);
        size += part.size;
        memcpy(body + size, end, sizeof end - 1);
        size += sizeof end - 1;
        assert_int_equal(
                reader_read(reader, &policy, "multipart/mixed; boundary=x", body, size, &report, &why),
                VERDICT_ACCEPTED);
        assert_int_equal(report.size, part.size);
        assert_comes_back(&report);
        assert_unpacked_size(sizeof text - 1);
        test_free(part.data);
}

/* Its text is longer than it is itself, or as long, or shorter by too little. */
static void a_text_that_gains_nothing_is_not_taken(void **state)
{
        static const char *const scripts[] = { "\xE6\x97\xA5", "\xD0\x96", "\xF0\xA0\xAE\xB7", "a\xD0\x96" };

        (void)state;
        for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
                char text[256] = "<R>";
                size_t size = 3, length = strlen(scripts[i]);
                for (unsigned j = 0; j < 40; j++, size += length)
                        memcpy(text + size, scripts[i], length);
                memcpy(text + size, "</R>", 4);
                struct bytes wide = make_form(text, size + 4, AS_UTF16LE);
                read_body(wide.data, wide.size);
                assert_int_equal(report.text_size, size + 4);
                assert_comes_back(&report);
                assert_unpacked_size(report.size);
                test_free(wide.data);
        }
}

/* Random characters of two bytes each: the text is shorter, packed it is not. */
static void what_does_not_shrink_is_kept_as_it_is(void **state)
{
        char text[4096] = "<R>";
        size_t size = 3;

        (void)state;
        while (size < 4000) {
                text[size++] = (char)(0xC2 + next_random() % 0x1E);
                text[size++] = (char)(0x80 + next_random() % 0x40);
        }
        memcpy(text + size, "</R>", 4);
        for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                struct bytes bytes = make_form(text, size + 4, form);
                read_body(bytes.data, bytes.size);
                assert_comes_back(&report);
                assert_int_equal(packed_size, report.size);
                assert_memory_equal(packed, report.bytes, report.size);
                test_free(bytes.data);
        }
}

/* Nor where it would be the right one with a mark, or without. */
static void a_text_of_another_length_is_not_taken(void **state)
{
        static const char text[] = "<R>aaaaaaaaaaaaaaaaaaaaaaaaaaaa</R>  ";
        const size_t size = sizeof text - 1 - 2;

        (void)state;
        for (enum message_form form = AS_UTF16LE; form <= AS_UTF16LE_BOM; form++) {
                struct bytes wide = make_form(text, size, form);
                read_body(wide.data, wide.size);
                for (size_t text_size = 0; text_size < sizeof text; text_size++) {
                        struct report other = report;
                        other.text = text;
                        other.text_size = text_size;
                        assert_comes_back(&other);
                        assert_unpacked_size(text_size == size ? size : wide.size);
                }
                test_free(wide.data);
        }
}

/* Without words, as up to version 3 of the ledger. */
static void pack_as_before(const void *source, size_t size)
{
        free(packed);
        packed_room = (size_t)LZ4_compressBound((int)size);
        packed = malloc(packed_room);
        assert_non_null(packed);
        packed_size = (size_t)LZ4_compress_default(source, (char *)packed, (int)size, (int)packed_room);
        assert_true(packed_size > 0);
}

static void what_was_packed_before_comes_back(void **state)
{
        struct bytes example = load_example("deployment-failed-308");

        (void)state;
        for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                struct bytes bytes = make_form(example.data, example.size, form);
                read_body(bytes.data, bytes.size);
                for (int as_text = 0; as_text <= (report.text != NULL); as_text++) {
                        unsigned char *back = NULL;
                        if (as_text)
                                pack_as_before(report.text, report.text_size);
                        else
                                pack_as_before(report.bytes, report.size);
                        assert_true(packed_size < report.size && *packed >= 0x10);
                        assert_int_equal(unpack(report.size, &back), 0);
                        assert_memory_equal(back, report.bytes, report.size);
                        free(back);
                }
                test_free(bytes.data);
        }
        free(example.data);
}

/* No ledger could be read with others. */
static void the_words_are_the_same_for_ever(void **state)
{
        static const unsigned char expected[LEDGER_DIGEST_SIZE] = { 0x38, 0x5e, 0x39, 0x76, 0xd7, 0xb2,
                                                                    0x5a, 0x95, 0x6d, 0xbe, 0xac, 0x61,
                                                                    0x38, 0x25, 0xeb, 0x08 };
        unsigned char digest[LEDGER_DIGEST_SIZE];

        (void)state;
        ledger_digest(body_words, BODY_WORDS_SIZE, digest);
        assert_memory_equal(digest, expected, sizeof(digest));
}

static void a_usual_message_is_half_as_large_with_words(void **state)
{
        struct bytes example = load_example("deployment-failed-308");

        (void)state;
        read_body(example.data, example.size);
        pack_as_before(report.bytes, report.size);
        size_t before = packed_size;
        assert_comes_back(&report);
        assert_true(packed_size * 2 <= before);
        free(example.data);
}

static void words_that_nobody_knows_are_damage(void **state)
{
        struct bytes example = load_example("deployment-failed-308");
        unsigned char *bytes = NULL;

        (void)state;
        read_body(example.data, example.size);
        pack(&report);
        for (unsigned char mark = 0; mark < 0x10; mark++) {
                *packed = mark;
                assert_int_equal(unpack(report.size, &bytes), mark == WITH_WORDS ? 0 : -EUCLEAN);
                if (mark == WITH_WORDS)
                        free(bytes);
        }
        *packed = WITH_WORDS;
        packed_size = 1; /* and nothing behind it */
        assert_int_equal(unpack(report.size, &bytes), -EUCLEAN);
        free(example.data);
}

/* A row of a ledger, whoever wrote it. */
static int unpack_row(const void *source, size_t source_size, size_t size, unsigned char **ret_bytes)
{
        struct report as_is = { .bytes = source, .size = source_size };

        pack(&as_is);
        assert_true(packed_size < source_size);
        return unpack(size, ret_bytes);
}

static void what_is_none_of_the_forms_is_damage(void **state)
{
        static const char plain[] =
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; /* 64 */
        static const char *const unsound[] = { "\xC3",
                                               "\x80",
                                               "\xC0\xA0",
                                               "\xE6\x97",
                                               "\xED\xA0\x80",
                                               "\xE0\x80\x80",
                                               "\xF8\x80\x80\x80",
                                               "\xF4\x90\x80\x80",
                                               "\xF0\x80\x80\x80" };
        unsigned char *bytes = NULL;

        (void)state;
        for (size_t size = 0; size < 200; size++) {
                bool known = size == 64 || size == 128 || size == 130;
                assert_int_equal(unpack_row(plain, 64, size, &bytes),
                                 known || size == packed_size ? 0 : -EUCLEAN);
                if (known || size == packed_size)
                        free(bytes);
        }
        for (size_t i = 0; i < sizeof unsound / sizeof unsound[0]; i++) {
                char text[64];
                size_t length = strlen(unsound[i]);
                memset(text, 'a', sizeof text);
                memcpy(text + sizeof text - length, unsound[i], length);
                for (size_t size = sizeof text + 1; size < 200; size++)
                        assert_int_equal(unpack_row(text, sizeof text, size, &bytes), -EUCLEAN);
        }
        assert_int_equal(body_unpack(plain, 64, 63, &bytes), -EUCLEAN);
        assert_int_equal(body_unpack(plain, 64, SIZE_MAX, &bytes), -EUCLEAN);
        assert_int_equal(body_unpack(plain, 0, 64, &bytes), -EUCLEAN);
}

/* Whatever it reads, it writes no more than it should, and ends. */
static void a_flipped_bit_does_no_harm(void **state)
{
        struct bytes example = load_example("deployment-failed-308");
        struct bytes wide = make_form(example.data, example.size, AS_UTF16LE_BOM);
        unsigned damaged = 0;

        (void)state;
        read_body(wide.data, wide.size);
        pack(&report);
        for (size_t bit = 0; bit < packed_size * 8; bit++) {
                unsigned char *bytes = NULL;
                packed[bit / 8] ^= (unsigned char)(1U << bit % 8);
                int r = unpack(report.size, &bytes);
                assert_true(r == 0 || r == -EUCLEAN);
                damaged += r < 0;
                free(bytes);
                packed[bit / 8] ^= (unsigned char)(1U << bit % 8);
        }
        assert_true(damaged > 0);
        test_free(wide.data);
        free(example.data);
}

static void nothing_is_nothing(void **state)
{
        struct report empty = { .bytes = (const unsigned char *)"", .size = 0 };
        unsigned char *bytes = NULL;

        (void)state;
        pack(&empty);
        assert_int_equal(packed_size, 0);
        assert_int_equal(body_unpack(NULL, 0, 0, &bytes), 0);
        assert_non_null(bytes);
        free(bytes);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_form_comes_back),
                cmocka_unit_test(a_message_is_packed_as_its_text),
                cmocka_unit_test(what_is_cut_is_no_part_of_it),
                cmocka_unit_test(a_part_is_packed_as_its_own_text),
                cmocka_unit_test(a_text_that_gains_nothing_is_not_taken),
                cmocka_unit_test(what_does_not_shrink_is_kept_as_it_is),
                cmocka_unit_test(a_text_of_another_length_is_not_taken),
                cmocka_unit_test(what_was_packed_before_comes_back),
                cmocka_unit_test(the_words_are_the_same_for_ever),
                cmocka_unit_test(a_usual_message_is_half_as_large_with_words),
                cmocka_unit_test(words_that_nobody_knows_are_damage),
                cmocka_unit_test(what_is_none_of_the_forms_is_damage),
                cmocka_unit_test(a_flipped_bit_does_no_harm),
                cmocka_unit_test(nothing_is_nothing),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
