/* multipart: boundaries, part headers, and what cannot be taken apart. */
#include "message/multipart.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct multipart_part parts[MULTIPART_MAX_PARTS];
static size_t count;

static int split(const char *content_type, const char *body)
{
        count = SIZE_MAX;
        return multipart_split(content_type, (const unsigned char *)body, strlen(body), parts, &count);
}

static void assert_part(size_t i, const char *content)
{
        assert_true(i < count);
        assert_int_equal(parts[i].size, strlen(content));
        assert_memory_equal(parts[i].bytes, content, parts[i].size);
}

static void the_type_is_known_by_its_main_part(void **state)
{
        (void)state;
        assert_true(multipart_is_type("multipart/mixed; boundary=x"));
        assert_true(multipart_is_type("  MultiPart/Related"));
        assert_false(multipart_is_type("text/xml"));
        assert_false(multipart_is_type("multipartish/x"));
        assert_false(multipart_is_type(""));
        assert_false(multipart_is_type(NULL));
}

static void parts_are_found_with_either_line_end(void **state)
{
        (void)state;
        assert_int_equal(split("multipart/mixed; boundary=b",
                               "preamble\r\n--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
                               "--b  \r\n\r\nsecond\r\n\r\n--b--\r\nepilogue"),
                         0);
        assert_int_equal(count, 2);
        assert_part(0, "first");
        assert_part(1, "second\r\n");
        assert_int_equal(split("multipart/mixed; boundary=b", "--b\nA: b\nC: d\n\nfirst\n--b--"), 0);
        assert_int_equal(count, 1);
        assert_part(0, "first");
}

static void the_boundary_may_be_quoted(void **state)
{
        const char *body = "--a b\r\n\r\nx\r\n--a b--\r\n";

        (void)state;
        assert_int_equal(split("multipart/mixed; charset=utf-8; Boundary=\"a b\"; x=y", body), 0);
        assert_part(0, "x");
        assert_int_equal(split("multipart/mixed;boundary=\"a\\ b\"", body), 0);
        assert_part(0, "x");
        assert_int_equal(split("multipart/mixed; x=\"; boundary=c\"; boundary=\"a b\"", body), 0);
        assert_part(0, "x");
}

static void part_headers_may_be_absent(void **state)
{
        (void)state;
        assert_int_equal(split("multipart/mixed; boundary=b", "--b\r\n\r\n<a/>\r\n--b\r\n<b/>\r\n--b--"), 0);
        assert_int_equal(count, 2);
        assert_part(0, "<a/>");
        assert_part(1, "<b/>");
}

static void a_part_may_be_empty(void **state)
{
        (void)state;
        assert_int_equal(split("multipart/mixed; boundary=b", "--b\r\n\r\n\r\n--b\r\n--b--"), 0);
        assert_int_equal(count, 2);
        assert_part(0, "");
        assert_part(1, "");
}

static void a_delimiter_stands_on_a_line_of_its_own(void **state)
{
        (void)state;
        assert_int_equal(split("multipart/mixed; boundary=b",
                               "--b\r\n\r\nx --b\r\n--bc\r\n--b-\r\n --b\r\n--b--x\r\n--b--\r\n"),
                         0);
        assert_int_equal(count, 1);
        assert_part(0, "x --b\r\n--bc\r\n--b-\r\n --b\r\n--b--x");
}

static void the_bytes_of_a_part_are_left_alone(void **state)
{
        static const char body[] =
                "--b\r\nContent-Type: application/octet-stream\r\n\r\n\xFF\xFE<\0a\0/\0>\0\r\n--b--";

        (void)state;
        assert_int_equal(multipart_split("multipart/mixed; boundary=b", (const unsigned char *)body,
                                         sizeof body - 1, parts, &count),
                         0);
        assert_int_equal(count, 1);
        assert_int_equal(parts[0].size, 10);
        assert_memory_equal(parts[0].bytes, "\xFF\xFE<\0a\0/\0>\0", 10);
}

static void what_has_no_end_is_refused(void **state)
{
        (void)state;
        assert_int_equal(split("multipart/mixed; boundary=b", ""), -EINVAL);
        assert_int_equal(split("multipart/mixed; boundary=b", "no delimiter"), -EINVAL);
        assert_int_equal(split("multipart/mixed; boundary=b", "--b\r\n\r\nx"), -EINVAL);
        assert_int_equal(split("multipart/mixed; boundary=b", "--b\r\n\r\nx\r\n--b\r\n"), -EINVAL);
        assert_int_equal(split("multipart/mixed; boundary=b", "--b\r\nA: b\r\nx\r\n--b--"), -EINVAL);
        assert_int_equal(split("multipart/mixed; boundary=b", "--b"), -EINVAL);
        assert_int_equal(count, SIZE_MAX);
}

static void a_boundary_must_be_there_and_fit(void **state)
{
        char type[128];

        (void)state;
        assert_int_equal(split("multipart/mixed", "--\r\n\r\nx\r\n----"), -EINVAL);
        assert_int_equal(split("multipart/mixed; boundary=", "--\r\n\r\nx\r\n----"), -EINVAL);
        assert_int_equal(split("multipart/mixed; boundary", "--\r\n\r\nx\r\n----"), -EINVAL);
        assert_int_equal(split("multipart/mixed; boundary=\"\"", "--\r\n\r\nx\r\n----"), -EINVAL);
        assert_int_equal(split("multipart/mixed; xboundary=b", "--b\r\n\r\nx\r\n--b--"), -EINVAL);
        for (int length = MULTIPART_MAX_BOUNDARY; length <= MULTIPART_MAX_BOUNDARY + 1; length++) {
                char body[256];
                assert_true(snprintf(type, sizeof type, "multipart/mixed; boundary=%0*d", length, 0) > 0);
                assert_true(snprintf(body, sizeof body, "--%0*d\n\nx\n--%0*d--", length, 0, length, 0) > 0);
                assert_int_equal(split(type, body), length <= MULTIPART_MAX_BOUNDARY ? 0 : -EINVAL);
        }
}

static void parts_are_counted(void **state)
{
        char body[512] = "";

        (void)state;
        for (int i = 0; i < MULTIPART_MAX_PARTS; i++)
                strcat(body, "--b\r\n\r\nx\r\n");
        strcat(body, "--b--");
        assert_int_equal(split("multipart/mixed; boundary=b", body), 0);
        assert_int_equal(count, MULTIPART_MAX_PARTS);
        strcpy(body + strlen(body) - strlen("--b--"), "--b\r\n\r\nx\r\n--b--");
        assert_int_equal(split("multipart/mixed; boundary=b", body), -E2BIG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_type_is_known_by_its_main_part),
                cmocka_unit_test(parts_are_found_with_either_line_end),
                cmocka_unit_test(the_boundary_may_be_quoted),
                cmocka_unit_test(part_headers_may_be_absent),
                cmocka_unit_test(a_part_may_be_empty),
                cmocka_unit_test(a_delimiter_stands_on_a_line_of_its_own),
                cmocka_unit_test(the_bytes_of_a_part_are_left_alone),
                cmocka_unit_test(what_has_no_end_is_refused),
                cmocka_unit_test(a_boundary_must_be_there_and_fit),
                cmocka_unit_test(parts_are_counted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
