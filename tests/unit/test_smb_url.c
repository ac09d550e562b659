/* include/fsp/smb_url.h: the address of a share's folder. */
#include "fsp/smb_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void an_address_falls_into_its_parts(void **state)
{
        struct smb_url url;
        (void)state;
        assert_null(smb_url_parse("smb://Site01.example.com:8445/SMS_P01//inboxes/a b/incoming/", &url));
        assert_string_equal(url.server, "Site01.example.com");
        assert_int_equal(url.port, 8445);
        assert_string_equal(url.share, "SMS_P01");
        assert_string_equal(url.path, "inboxes/a b/incoming");
        assert_null(smb_url_parse("SMB://10.1.2.3/C$", &url));
        assert_int_equal(url.port, SMB_PORT);
        assert_string_equal(url.share, "C$");
        assert_string_equal(url.path, "");
}

static void what_is_too_long_is_refused_and_nothing_is_written(void **state)
{
        struct smb_url url = { .port = 7 };
        char text[2 * SMB_URL_SIZE] = "smb://server/share/";
        (void)state;
        memset(text + strlen(text), 'x', SMB_URL_SIZE);
        assert_string_equal(smb_url_parse(text, &url), "too long");
        assert_int_equal(url.port, 7);
        assert_string_equal(smb_url_parse("/srv/inbox", &url), "does not begin with smb://");
}

static void what_leads_nowhere_is_refused(void **state)
{
        static const char *const wrong[] = { "smb://",           "smb://server",      "smb://server/",
                                             "smb://server:0/x", "smb://s:65536/x",   "smb://s:/x",
                                             "smb://a b/x",      "smb://u@s/x",       "smb://s/x/../y",
                                             "smb://s/./x",      "smb://s/x/a:b",     "smb://s/x/a%20b",
                                             "smb://s\\x",       "smb://[::1]/x",     "smb:///x",
                                             "smb://s/x/a\x01",  "smb://me:pw@s/x/y", "smb://s/x?y" };
        struct smb_url url;
        (void)state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_non_null(smb_url_parse(wrong[i], &url));
}

static void case_and_slashes_make_no_other_place(void **state)
{
        (void)state;
        assert_true(smb_url_equal("smb://site/Share/In", "SMB://SITE:445/share//in/"));
        assert_false(smb_url_equal("smb://site/share/in", "smb://site/share/in2"));
        assert_false(smb_url_equal("smb://site/share", "smb://site:446/share"));
        assert_false(smb_url_equal("smb://site/share", "/share"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_address_falls_into_its_parts),
                cmocka_unit_test(what_is_too_long_is_refused_and_nothing_is_written),
                cmocka_unit_test(what_leads_nowhere_is_refused),
                cmocka_unit_test(case_and_slashes_make_no_other_place),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
