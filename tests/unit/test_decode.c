/* decode: every encoding, every way to break one. */
#include "message/decode.h"
#include "message_forms.h"

static struct decode_buffer buffer;

static enum verdict decode(const void *bytes, size_t size, struct decoded *ret_decoded)
{
        const char *why = NULL;

        *ret_decoded = (struct decoded){ 0 };
        return decode_message(&buffer, bytes, size, ret_decoded, &why);
}

/* A literal with NULs in it, from a block of just its size. */
static enum verdict decode_copy(const void *bytes, size_t size, size_t *ret_staged_size)
{
        struct decoded decoded;
        unsigned char *copy = test_malloc(size + (size == 0));

        memcpy(copy, bytes, size);
        enum verdict verdict = decode(copy, size, &decoded);
        *ret_staged_size = decoded.staged_size;
        test_free(copy);
        return verdict;
}

#define assert_decoded(literal, staged)                                                                      \
        do {                                                                                                 \
                size_t staged_size;                                                                          \
                assert_int_equal(decode_copy(literal, sizeof literal - 1, &staged_size), VERDICT_ACCEPTED);  \
                assert_int_equal(staged_size, staged);                                                       \
        } while (0)

#define assert_refused(literal, verdict)                                                                     \
        do {                                                                                                 \
                size_t staged_size;                                                                          \
                assert_int_equal(decode_copy(literal, sizeof literal - 1, &staged_size), verdict);           \
        } while (0)

/* All lengths of each piece, so that every way through the fast paths is taken. */
static void every_form_gives_the_same_text(void **state)
{
        static const char *const pieces[] = {
                "a", "\n", "\xC3\x84", "\xE6\x97\xA5", "\xF0\xA0\xAE\xB7", "\x7F", "\xC2\x80", "\xC4\xA0"
        };
        static const char lower[] = "abcdefghijklmnopqrstabcdefghijklmnopqrst";
        static const char upper[] = "ABCDEFGHIJKLMNOPQRSTABCDEFGHIJKLMNOPQRST";
        const size_t around = sizeof lower - 1; /* more than two blocks of decode.c */
        char text[64];

        (void)state;
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
                for (size_t before = 0; before < around; before++) {
                        size_t size = (size_t)snprintf(text, sizeof text, "<%.*s%s%.*s>", (int)before, lower,
                                                       pieces[i], (int)(around - before), upper);
                        for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                                struct bytes bytes = make_form(text, size, form);
                                struct decoded decoded;
                                assert_int_equal(decode(bytes.data, bytes.size, &decoded), VERDICT_ACCEPTED);
                                assert_int_equal(decoded.size, size);
                                assert_memory_equal(decoded.text, text, size);
                                assert_int_equal(decoded.staged_size, bytes.size);
                                test_free(bytes.data);
                        }
                }
        }
}

static void control_characters_are_refused_at_every_place(void **state)
{
        (void)state;
        for (unsigned c = 1; c < 0x20; c++) {
                for (size_t at = 1; at < 40; at++) {
                        char text[41];
                        memset(text, 'x', sizeof text);
                        text[0] = '<';
                        text[at] = (char)c;
                        text[40] = '>';
                        bool allowed = c == '\t' || c == '\n' || c == '\r';
                        for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                                struct bytes bytes = make_form(text, sizeof text, form);
                                struct decoded decoded;
                                assert_int_equal(decode(bytes.data, bytes.size, &decoded),
                                                 allowed ? VERDICT_ACCEPTED : VERDICT_ENCODING);
                                test_free(bytes.data);
                        }
                }
        }
}

static void utf8_is_strict(void **state)
{
        (void)state;
        assert_refused("<\x80>", VERDICT_ENCODING);             /* no lead byte */
        assert_refused("<\xC0\xAF>", VERDICT_ENCODING);         /* overlong */
        assert_refused("<\xE0\x80\xAF>", VERDICT_ENCODING);     /* overlong */
        assert_refused("<\xED\xA0\x80>", VERDICT_ENCODING);     /* surrogate */
        assert_refused("<\xF4\x90\x80\x80>", VERDICT_ENCODING); /* over U+10FFFF */
        assert_refused("<\xEF\xBF\xBE>", VERDICT_ENCODING);     /* U+FFFE */
        assert_refused("<\xEF\xBF\xBF>", VERDICT_ENCODING);     /* U+FFFF */
        assert_refused("<\xE6\x97", VERDICT_ENCODING);          /* cut */
        assert_refused("<a\0b>", VERDICT_ENCODING);
        assert_refused("<abcdefghijk\0l>", VERDICT_ENCODING);
        assert_decoded("<\xEF\xBF\xBD\xF4\x8F\xBF\xBF\xC2\x80>", 11); /* U+FFFD, U+10FFFF, U+0080 */
}

static void utf16_is_strict(void **state)
{
        (void)state;
        assert_refused("<\0\x00\xD8>\0", VERDICT_ENCODING);      /* lone high */
        assert_refused("<\0\x00\xDC>\0", VERDICT_ENCODING);      /* lone low */
        assert_refused("<\0\x00\xD8", VERDICT_ENCODING);         /* high at the end */
        assert_refused("<\0\x00\xD8\x00\xD8", VERDICT_ENCODING); /* high after high */
        assert_refused("<\0\xFE\xFF>\0", VERDICT_ENCODING);      /* U+FFFE */
        assert_refused("<\0\xFF\xFF>\0", VERDICT_ENCODING);      /* U+FFFF */
        assert_refused("<\0a\0\0\0b\0>\0", VERDICT_ENCODING);    /* NUL inside */
        assert_refused("\0<\0a\0\0\0b\0>", VERDICT_ENCODING);
        assert_refused("\xFE\xFF\0<\xDC\x00\0>", VERDICT_ENCODING);
}

static void utf32_is_refused(void **state)
{
        (void)state;
        assert_refused("<\0\0\0a\0\0\0/\0\0\0>\0\0\0", VERDICT_ENCODING);
        assert_refused("\0\0\0<\0\0\0a\0\0\0/\0\0\0>", VERDICT_ENCODING);
        assert_refused("\xFF\xFE\0\0<\0\0\0a\0\0\0>\0\0\0", VERDICT_ENCODING);
        assert_refused("\0\0\xFE\xFF\0\0\0<\0\0\0a\0\0\0>", VERDICT_ENCODING);
}

static void trailing_nuls_are_cut_in_the_texts_own_width(void **state)
{
        (void)state;
        assert_decoded("<a/>", 4);
        assert_decoded("<a/>\0", 4);
        assert_decoded("<a/>\0\0\0", 4);
        assert_decoded("<a/>\r\n", 6);
        assert_decoded("<a/>\r\n\0\0", 6);
        assert_decoded("<a/> \0 \0\n", 5);
        assert_decoded("<\0a\0/\0>\0", 8);
        assert_decoded("<\0a\0/\0>\0\0\0", 8);
        assert_decoded("<\0a\0/\0>\0\n\0\0\0 \0", 10);
        assert_decoded("\0<\0a\0/\0>\0\0", 8);
        assert_decoded("\0<\0a\0/\0>\0\n", 10);
        assert_decoded("\xEF\xBB\xBF<a/>\0", 7);
        assert_decoded("\xFF\xFE<\0a\0/\0>\0\0\0\0\0", 10);
        assert_decoded("\xFE\xFF\0<\0a\0/\0>\0\0", 10);
        assert_refused("<a/>\0x", VERDICT_ENCODING);
}

/* With the white space, which may be more than the text, and without what is cut. */
static void the_whole_of_utf16le_is_told(void **state)
{
        char text[104] = "<a/>";

        (void)state;
        memset(text + 4, '\n', 100);
        for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                for (size_t cut = 0; cut <= 4; cut++) {
                        struct bytes bytes = make_form(text, sizeof text, form);
                        struct decoded decoded;
                        bool is_le = form == AS_UTF16LE || form == AS_UTF16LE_BOM;
                        decode_buffer_free(&buffer); /* or it has room from before */
                        memset(bytes.data + bytes.size - cut, 0, cut);
                        assert_int_equal(decode(bytes.data, bytes.size, &decoded), VERDICT_ACCEPTED);
                        assert_int_equal(decoded.size, 4);
                        assert_int_equal(decoded.whole_size, is_le ? 104 - cut / 2 : 0);
                        assert_memory_equal(decoded.text, text, is_le ? decoded.whole_size : 4);
                        test_free(bytes.data);
                }
        }
}

static void one_odd_trailing_nul_is_allowed_and_no_other_byte(void **state)
{
        (void)state;
        assert_decoded("<\0a\0/\0>\0\0", 8);
        assert_decoded("<\0a\0/\0>\0\0\0\0", 8);
        assert_decoded("\0<\0a\0/\0>\0", 8);
        assert_refused("<\0a\0/\0>\0x", VERDICT_ENCODING);
        assert_refused("<\0a\0/\0>\0 ", VERDICT_ENCODING);
        assert_refused("<\0a\0/\0>", VERDICT_ENCODING);
        assert_refused("\xFF\xFE<", VERDICT_ENCODING);
}

static void nothing_but_white_space_is_empty(void **state)
{
        (void)state;
        assert_refused("", VERDICT_EMPTY);
        assert_refused("\0", VERDICT_EMPTY);
        assert_refused("\0\0\0", VERDICT_EMPTY);
        assert_refused(" ", VERDICT_EMPTY);
        assert_refused(" \r\n\t\0", VERDICT_EMPTY);
        assert_refused(" \0\n\0", VERDICT_EMPTY);
        assert_refused("\0 \0\n\0", VERDICT_EMPTY);
        assert_refused("\xEF\xBB\xBF", VERDICT_EMPTY);
        assert_refused("\xFF\xFE\0\0", VERDICT_EMPTY);
        assert_refused("\xFE\xFF\0 ", VERDICT_EMPTY);
}

static void looks_like_xml_in_every_form(void **state)
{
        (void)state;
        for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                struct bytes bytes = make_form(" \r\n<a/>", 7, form);
                assert_true(decode_looks_like_xml(bytes.data, bytes.size));
                test_free(bytes.data);
                bytes = make_form("a<a/>", 5, form);
                assert_false(decode_looks_like_xml(bytes.data, bytes.size));
                test_free(bytes.data);
        }
        assert_false(decode_looks_like_xml((const unsigned char *)"", 0));
}

static void the_buffer_is_reused(void **state)
{
        struct decoded decoded;

        (void)state;
        assert_int_equal(decode("<\0a\0b\0c\0d\0e\0/\0>\0", 16, &decoded), VERDICT_ACCEPTED);
        const char *first = buffer.data;
        assert_int_equal(decode("<\0b\0/\0>\0", 8, &decoded), VERDICT_ACCEPTED);
        assert_ptr_equal(buffer.data, first);
        assert_memory_equal(decoded.text, "<b/>", 4);
}

static int free_buffer(void **state)
{
        (void)state;
        decode_buffer_free(&buffer);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_form_gives_the_same_text),
                cmocka_unit_test(control_characters_are_refused_at_every_place),
                cmocka_unit_test(utf8_is_strict),
                cmocka_unit_test(utf16_is_strict),
                cmocka_unit_test(utf32_is_refused),
                cmocka_unit_test(trailing_nuls_are_cut_in_the_texts_own_width),
                cmocka_unit_test(the_whole_of_utf16le_is_told),
                cmocka_unit_test(one_odd_trailing_nul_is_allowed_and_no_other_byte),
                cmocka_unit_test(nothing_but_white_space_is_empty),
                cmocka_unit_test(looks_like_xml_in_every_form),
                cmocka_unit_test(the_buffer_is_reused),
        };

        return cmocka_run_group_tests(tests, NULL, free_buffer);
}
