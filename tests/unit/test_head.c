/* src/http/head.h: the shape of a request's head, byte by byte. */
#include "http/head.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GOOD "POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nHost: fsp01\r\nContent-Length: 5\r\n\r\n"

static void a_sound_head_is_accepted_with_its_size(void **state)
{
        (void)state;
        size_t size;
        const char *why;
        assert_int_equal(head_check(GOOD "hello", strlen(GOOD "hello"), &size, &why), VERDICT_ACCEPTED);
        assert_int_equal(size, strlen(GOOD));
}

static void each_beginning_of_it_is_waited_for(void **state)
{
        (void)state;
        for (size_t length = 0; length < strlen(GOOD); length++) {
                size_t size = 99;
                const char *why;
                assert_int_equal(head_check(GOOD, length, &size, &why), VERDICT_ACCEPTED);
                assert_int_equal(size, 0);
        }
}

static void a_broken_line_is_refused_as_soon_as_it_is_there(void **state)
{
        static const struct {
                const char *text;
                size_t size;
        } bad[] = {
#define HEAD(text) { text, sizeof(text) - 1 }
                HEAD("\r\n"),
                HEAD("POST / HTTP/1.1\n"),
                HEAD("POST  / HTTP/1.1\r\n"),
                HEAD("POST /  HTTP/1.1\r\n"),
                HEAD(" POST / HTTP/1.1\r\n"),
                HEAD("POST / HTTP/1.1 \r\n"),
                HEAD("POST / HTTP/1.2\r\n"),
                HEAD("POST / HTTP/2.0\r\n"),
                HEAD("POST / http/1.1\r\n"),
                HEAD("POST /\r\n"),
                HEAD("POST\r\n"),
                HEAD("P(ST / HTTP/1.1\r\n"),
                HEAD("POST /a\0b HTTP/1.1\r\n"),
                HEAD("POST /a\tb HTTP/1.1\r\n"),
                HEAD("POST / HTTP/1.1\r\nA: b\n"),
                HEAD("POST / HTTP/1.1\r\nA: b\rc\r\n"),
                HEAD("POST / HTTP/1.1\r\nA: b\0c\r\n"),
                HEAD("POST / HTTP/1.1\r\nA b\r\n"),
                HEAD("POST / HTTP/1.1\r\nA : b\r\n"),
                HEAD("POST / HTTP/1.1\r\n: b\r\n"),
                HEAD("POST / HTTP/1.1\r\n A: b\r\n"),
                HEAD("POST / HTTP/1.1\r\nA: b\r\n c\r\n"),
                HEAD("POST / HTTP/1.1\r\nContent-Length: +5\r\n"),
                HEAD("POST / HTTP/1.1\r\nContent-Length: 0x5\r\n"),
                HEAD("POST / HTTP/1.1\r\nContent-Length: 5,5\r\n"),
                HEAD("POST / HTTP/1.1\r\nContent-Length: 5 \r\n"),
                HEAD("POST / HTTP/1.1\r\ncontent-length:\r\n"),
                HEAD("POST / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n"),
        };
        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                size_t size;
                const char *why;
                if (head_check(bad[i].text, bad[i].size, &size, &why) != VERDICT_FRAMING)
                        fail_msg("accepted: %s", bad[i].text);
                assert_non_null(why);
        }
}

static void a_head_without_end_is_too_large(void **state)
{
        static char head[HEAD_MAX + 100];
        (void)state;
        size_t size;
        const char *why;
        memset(head, 'a', sizeof(head));
        assert_int_equal(head_check(head, HEAD_MAX - 1, &size, &why), VERDICT_ACCEPTED);
        assert_int_equal(head_check(head, HEAD_MAX, &size, &why), VERDICT_HEAD_TOO_LARGE);
        assert_int_equal(head_check(head, sizeof(head), &size, &why), VERDICT_HEAD_TOO_LARGE);
}

static void the_line_of_a_first_chunk_is_bounded(void **state)
{
        static char text[2 * CHUNK_LINE_MAX];
        (void)state;
        size_t size;
        const char *why;
        size_t head =
                strlen(strcpy(text, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
        memset(text + head, '1', sizeof(text) - head);
        assert_int_equal(head_check(text, head + CHUNK_LINE_MAX - 1, &size, &why), VERDICT_ACCEPTED);
        assert_int_equal(size, head);
        assert_int_equal(head_check(text, head + CHUNK_LINE_MAX, &size, &why), VERDICT_FRAMING);
        assert_int_equal(size, 0);
        assert_non_null(why);
        text[head + CHUNK_LINE_MAX - 1] = '\n';
        assert_int_equal(head_check(text, head + CHUNK_LINE_MAX, &size, &why), VERDICT_ACCEPTED);
        assert_int_equal(size, head);
}

static void odd_but_sound_heads_pass(void **state)
{
        static const char *const good[] = {
                "CCM_POST /sms_fsp/.SMS_FSP?a=b HTTP/1.0\r\n\r\n",
                "POST / HTTP/1.1\r\nA:\r\nB:\t c \r\nX-\xC3\xA4: y\r\n\r\n",
                "POST / HTTP/1.1\r\nHost:\r\nA: \xC3\xA4\xFF\r\n\r\n",
        };
        (void)state;
        size_t size;
        const char *why;
        assert_int_equal(head_check(good[0], strlen(good[0]), &size, &why), VERDICT_ACCEPTED);
        assert_int_equal(size, strlen(good[0]));
        assert_int_equal(head_check(good[1], strlen(good[1]), &size, &why), VERDICT_FRAMING); /* no token */
        assert_int_equal(head_check(good[2], strlen(good[2]), &size, &why), VERDICT_ACCEPTED);
        assert_int_equal(size, strlen(good[2]));
}

static bool is_followed(const char *text)
{
        size_t size;
        const char *why;
        assert_int_equal(head_check(text, strlen(text), &size, &why), VERDICT_ACCEPTED);
        return head_is_followed_by_its_body(text, size, strlen(text));
}

static void a_request_is_whole_with_the_last_byte_of_its_body(void **state)
{
        (void)state;
        assert_true(is_followed(GOOD "hello"));
        assert_false(is_followed(GOOD "hell"));
        assert_false(is_followed(GOOD "hello!"));
        assert_false(is_followed(GOOD));
        assert_true(is_followed("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_false(is_followed("GET / HTTP/1.1\r\nHost: a\r\n\r\nx"));
        assert_true(is_followed("POST / HTTP/1.1\r\nHost: a\r\ncontent-length:\t 1\r\n\r\nx"));
        assert_false(is_followed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

static void the_end_of_a_body_is_told_in_one_way(void **state)
{
        static const struct {
                const char *text;
                bool sound;
        } heads[] = {
                { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", true },
                { "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", true },
                { "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n", true },
                { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true },
                { "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", false },
                { "POST / HTTP/1.0\r\nHost: a\r\nhOST: a\r\n\r\n", false },
                { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n", false },
                { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                  false },
                { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                  false },
                { "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", false },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
                size_t size;
                const char *why;
                enum verdict verdict = head_check(heads[i].text, strlen(heads[i].text), &size, &why);
                if (verdict != (heads[i].sound ? VERDICT_ACCEPTED : VERDICT_FRAMING) ||
                    !why != heads[i].sound)
                        fail_msg("judged wrongly: %s", heads[i].text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_sound_head_is_accepted_with_its_size),
                cmocka_unit_test(each_beginning_of_it_is_waited_for),
                cmocka_unit_test(a_broken_line_is_refused_as_soon_as_it_is_there),
                cmocka_unit_test(a_head_without_end_is_too_large),
                cmocka_unit_test(a_request_is_whole_with_the_last_byte_of_its_body),
                cmocka_unit_test(the_end_of_a_body_is_told_in_one_way),
                cmocka_unit_test(the_line_of_a_first_chunk_is_bounded),
                cmocka_unit_test(odd_but_sound_heads_pass),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
