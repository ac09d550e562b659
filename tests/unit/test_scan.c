/* scan: what never reaches the XML library. */
#include "fsp/message.h"
#include "message/scan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* From a block of just its size. */
static enum verdict scan(const char *text)
{
        const char *why = NULL;
        size_t size = strlen(text);
        char *copy = test_malloc(size + (size == 0));

        memcpy(copy, text, size);
        enum verdict verdict = scan_message(copy, size, &why);
        assert_true((why == NULL) == (verdict == VERDICT_ACCEPTED));
        test_free(copy);
        return verdict;
}

static void declarations_are_read(void **state)
{
        (void)state;
        assert_int_equal(scan("<a/>"), VERDICT_ACCEPTED);
        assert_int_equal(scan("<?xml version=\"1.0\"?><a/>"), VERDICT_ACCEPTED);
        assert_int_equal(scan("<?xml version='1.0' ?>\r\n<a/>"), VERDICT_ACCEPTED);
        assert_int_equal(scan("<?xml\tversion = '1.0'\r\nencoding = \"utf-16\" standalone='yes'?><a/>"),
                         VERDICT_ACCEPTED);
        assert_int_equal(scan("<?xml version='1.0' standalone=\"no\"?><a/>"), VERDICT_ACCEPTED);
}

static void declared_encodings_are_those_that_are_taken(void **state)
{
        static const char *const taken[] = { "UTF-8", "utf-8", "UTF-16", "Utf-16", "UTF-16LE", "utf-16be" };
        static const char *const refused[] = { "UTF-7",        "UTF-32", "ISO-8859-1", "windows-1252",
                                               "EBCDIC-CP-US", "",       "UTF8",       "UTF-16LEX",
                                               "UTF-",         "UCS-2" };
        char text[128];

        (void)state;
        for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
                assert_true(snprintf(text, sizeof text, "<?xml version='1.0' encoding='%s'?><a/>", taken[i]) >
                            0);
                assert_int_equal(scan(text), VERDICT_ACCEPTED);
        }
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
                assert_true(snprintf(text, sizeof text, "<?xml version='1.0' encoding='%s'?><a/>",
                                     refused[i]) > 0);
                assert_int_equal(scan(text), VERDICT_ENCODING);
        }
}

static void malformed_declarations_are_refused(void **state)
{
        static const char *const texts[] = {
                "<?xml version='1.1'?><a/>",
                "<?xml version='1.00'?><a/>",
                "<?xml version='2.0'?><a/>",
                "<?xml version=''?><a/>",
                "<?xml version=1.0?><a/>",
                "<?xml version='1.0\"?><a/>",
                "<?xml version?><a/>",
                "<?xml ?><a/>",
                "<?xml encoding='UTF-8'?><a/>",
                "<?xml version='1.0'encoding='UTF-8'?><a/>",
                "<?xml version='1.0' encoding?><a/>",
                "<?xml version='1.0' standalone='maybe'?><a/>",
                "<?xml version='1.0' standalone='yes' encoding='UTF-8'?><a/>",
                "<?xml version='1.0' other='x'?><a/>",
                "<?xml version='1.0'><a/>",
                "<?xml version='1.0'?",
                "<?xml version='1.0",
                "<?xml ",
        };

        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                assert_int_equal(scan(texts[i]), VERDICT_NOT_XML);
}

static void doctypes_and_instructions_are_refused(void **state)
{
        static const char *const texts[] = {
                "<!DOCTYPE a><a/>",
                "<?xml version='1.0'?>\n<!DOCTYPE a SYSTEM 'http://example.com/'><a/>",
                "<!-- c --><!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
                "<?xml-stylesheet href='x'?><a/>",
                "<a><?php x ?></a>",
                "<a/><?x?>",
                " <?xml version='1.0'?><a/>",
                "<a><?xml version='1.0'?></a>",
                "<?",
        };

        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                assert_int_equal(scan(texts[i]), VERDICT_DOCTYPE);
        assert_int_equal(scan("<a><!-- <!DOCTYPE a> <?x?> --><![CDATA[<!DOCTYPE a><?x?>]]></a>"),
                         VERDICT_ACCEPTED);
        assert_int_equal(scan("<a b='<?x?>' c=\"<!DOCTYPE a>\"/>"),
                         VERDICT_ACCEPTED); /* the library's to refuse */
}

static void nothing_stands_around_the_root(void **state)
{
        static const char *const texts[] = {
                "x<a/>",
                "<a/>x",
                "<a></a>&#32;",
                "<a/><b/>",
                "<a/></a>",
                "</a>",
                "<a>",
                "<a><b></a>",
                "x",
                "",
                "<",
                "<a",
                "<a b='",
                "<a b='>",
                "<a/><![CDATA[ ]]>",
                "<![CDATA[ ]]><a/>",
                "<!-- -->",
                "<!-- ",
                "<!-->",
                "<!--->",
                "<a><![CDATA[</a>",
                "<a><!--</a>",
                "<!ELEMENT a ANY><a/>",
                "<a><!x></a>",
                "<?xml version='1.0'?>",
                "\xEF\xBB\xBF<a/>",
                "</",
                "<!",
                "<!-",
                "<a></a",
        };

        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                assert_int_equal(scan(texts[i]), VERDICT_NOT_XML);
        assert_int_equal(scan(" \r\n<!-- x --> <a/>\t<!-- - -->\n"), VERDICT_ACCEPTED);
}

static char *repeat(char *at, const char *text, unsigned times)
{
        while (times-- > 0)
                at = stpcpy(at, text);
        return at;
}

static void nesting_ends_at_its_bound(void **state)
{
        static char text[4096];

        (void)state;
        repeat(repeat(text, "<a>", MESSAGE_MAX_DEPTH), "</a>", MESSAGE_MAX_DEPTH);
        assert_int_equal(scan(text), VERDICT_ACCEPTED);
        repeat(stpcpy(repeat(text, "<a>", MESSAGE_MAX_DEPTH - 1), "<b/><b/>"), "</a>", MESSAGE_MAX_DEPTH - 1);
        assert_int_equal(scan(text), VERDICT_ACCEPTED);
        repeat(repeat(text, "<a>", MESSAGE_MAX_DEPTH + 1), "</a>", MESSAGE_MAX_DEPTH + 1);
        assert_int_equal(scan(text), VERDICT_TOO_COMPLEX);
        repeat(stpcpy(repeat(text, "<a>", MESSAGE_MAX_DEPTH), "<b/>"), "</a>", MESSAGE_MAX_DEPTH);
        assert_int_equal(scan(text), VERDICT_TOO_COMPLEX);
}

/* <a> with so many attributes, their values full of what is no attribute. */
static void make_attributes(char *text, const char *name, const char *value, unsigned times)
{
        char *at = stpcpy(text, "<a><b");

        for (unsigned i = 0; i < times; i++)
                at += sprintf(at, "%s%u%s", name, i, value);
        strcpy(at, "/></a>");
}

static void attributes_end_at_their_bound(void **state)
{
        static char text[16384];

        (void)state;
        make_attributes(text, " a", "='= > \" ='", MESSAGE_MAX_ATTRIBUTES);
        assert_int_equal(scan(text), VERDICT_ACCEPTED);
        make_attributes(text, " a", "='= > \" ='", MESSAGE_MAX_ATTRIBUTES + 1);
        assert_int_equal(scan(text), VERDICT_TOO_COMPLEX);
        make_attributes(text, "\na", " = \"= > ' =\"", MESSAGE_MAX_ATTRIBUTES + 1);
        assert_int_equal(scan(text), VERDICT_TOO_COMPLEX);
}

static void namespaces_end_at_their_bound(void **state)
{
        static char text[16384];

        (void)state;
        make_attributes(text, " xmlns:a", "='u:x'", SCAN_MAX_NAMESPACES);
        assert_int_equal(scan(text), VERDICT_ACCEPTED);
        repeat(stpcpy(repeat(stpcpy(text, "<r>"), "<a xmlns='u:x'/>", SCAN_MAX_NAMESPACES),
                      "<b\nxmlns:b='u:x'/>"),
               "</r>", 1);
        assert_int_equal(scan(text), VERDICT_TOO_COMPLEX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(declarations_are_read),
                cmocka_unit_test(declared_encodings_are_those_that_are_taken),
                cmocka_unit_test(malformed_declarations_are_refused),
                cmocka_unit_test(doctypes_and_instructions_are_refused),
                cmocka_unit_test(nothing_stands_around_the_root),
                cmocka_unit_test(nesting_ends_at_its_bound),
                cmocka_unit_test(attributes_end_at_their_bound),
                cmocka_unit_test(namespaces_end_at_their_bound),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
