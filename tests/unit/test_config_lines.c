/* The file, line by line: what is no key, what comes twice, what is too long. */
#include "config_fixture.h"

static void missing_keys_are_told_at_their_section(void **state)
{
        (void)state;
        assert_faults("\n\n[site]\n", "3: [site] code = : missing, three letters or digits\n"
                                      "0: [forwarder] inbox = : missing, the full path of a folder, or "
                                      "smb://SERVER[:PORT]/SHARE/PATH\n");
        assert_faults("", "0: [site] code = : missing, three letters or digits\n"
                          "0: [forwarder] inbox = : missing, the full path of a folder, or "
                          "smb://SERVER[:PORT]/SHARE/PATH\n");
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
        struct faults faults = { .count = 0 };
        struct config *config = NULL;

        (void)state;
        assert_int_equal(config_load(file, note_fault, &faults, &config), -ENOENT);
        assert_string_equal(faults.text, "0: cannot be read: No such file or directory\n");
        faults = (struct faults){ .count = 0 };
        assert_int_equal(mkdir(file, 0700), 0);
        assert_int_equal(config_load(file, note_fault, &faults, &config), -EISDIR);
        assert_string_equal(faults.text, "0: cannot be read: Is a directory\n");
        assert_int_equal(rmdir(file), 0);
        assert_null(config);
}

static void unknown_sections_and_keys_are_faults(void **state)
{
        (void)state;
        assert_faults(
                LEAST "[listner]\n",
                "5: [listner]: unknown section, allowed are site, listener, policy, staging, forwarder, "
                "ledger, log, admin\n");
        assert_faults(LEAST "[listener]\nprot = 80\n",
                      "6: [listener] prot = 80: unknown key, did you mean port in [listener]?\n");
        assert_faults(LEAST "[listener]\ninterval = 1h\n",
                      "6: [listener] interval = 1h: unknown key, did you mean interval in [forwarder]?\n");
        assert_faults(LEAST "[admin]\nPort = 80\n",
                      "6: [admin] Port = 80: unknown key, did you mean port in [admin]?\n");
        assert_faults(LEAST "[log]\nentirely_something_else = 1\n goes on\n",
                      "6: [log] entirely_something_else = 1: unknown key\n");
        assert_faults("port = 1\n" LEAST, "1: [] port = 1: a key before any [section]\n");
        assert_faults(LEAST "[log] level = info\n", "5: [log] level = info: text after the section's name\n");
}

static void lines_of_no_meaning_are_faults(void **state)
{
        (void)state;
        assert_faults(LEAST "[log]\nlevel\nlevel = info\nmax_size 1\n[log\n",
                      "6: level: neither [section] nor key = value\n"
                      "8: max_size 1: neither [section] nor key = value\n"
                      "9: [log: neither [section] nor key = value\n");
}

static void all_faults_are_told_at_once(void **state)
{
        (void)state;
        assert_faults("[site]\ncode = P\n[log]\nlevel = x\nmax_size = x\n",
                      "2: [site] code = P: no site code, three letters or digits\n"
                      "4: [log] level = x: not one of them, verbose, info, warning or error\n"
                      "5: [log] max_size = x: no size (a number, or one with K, M, G), 1K to 1G\n"
                      "0: [forwarder] inbox = : missing, the full path of a folder, or "
                      "smb://SERVER[:PORT]/SHARE/PATH\n");
}

static void keys_come_once(void **state)
{
        (void)state;
        assert_faults(LEAST "[log]\nlevel=info\n[site]\n[log]\nlevel=info\n",
                      "9: [log] level = info: given twice, verbose, info, warning or error\n");
        assert_faults(LEAST "[listener]\npaths=/a\npaths=/b\n",
                      "7: [listener] paths = /b: given twice, 1 to 16 paths that begin with /\n");
}

static void indented_lines_go_on_with_a_list_only(void **state)
{
        struct config *config =
                load_text(LEAST "[listener]\n  paths = /a ; one\n\t/b, /c\n; between\n\n  # and\n /d\n"
                                "port = 81\n");

        (void)state;
        assert_int_equal(config->listener.paths.count, 4);
        assert_string_equal(config->listener.paths.items[3], "/d");
        assert_int_equal(config->listener.port, 81);
        config_unref(config);
        assert_faults(
                LEAST "[log]\nlevel = info\n max_size = 1M\n",
                "7: [log] level = max_size = 1M: an indented line goes on with the value above, which is no "
                "list, verbose, info, warning or error\n");
        assert_faults(
                LEAST "[log]\nlevel = info\n [admin]\n",
                "7: [log] level = [admin]: an indented line goes on with the value above, which is no list, "
                "verbose, info, warning or error\n");
}

static void windows_files_and_comments_pass(void **state)
{
        struct config *config =
                load_text("\xef\xbb\xbf[site] ; the site\r\n; code=X\r\ncode: P01\t; ours\r\n"
                          "# \xc3\xa4\r\n[forwarder]\r\ninbox=/srv/a;b\r\n[listener]\naddress = ::");

        (void)state;
        assert_string_equal(config->site.code, "P01");
        assert_string_equal(config->forwarder.inbox, "/srv/a;b");
        assert_string_equal(config->listener.address, "::");
        config_unref(config);
}

static void a_list_has_a_bound(void **state)
{
        (void)state;
        assert_faults(LEAST
                      "[listener]\npaths=/1 /2 /3 /4 /5 /6 /7 /8\n /9 /10 /11 /12 /13 /14 /15 /16 /17\n",
                      "7: [listener] paths = /9 /10 /11 /12 /13 /14 /15 /16 /17: too many, 1 to 16 paths "
                      "that begin "
                      "with /\n");
}

static void long_lines_are_faults_not_cut(void **state)
{
        char text[1024], expected[1024], value[512];
        struct config *config;

        (void)state;
        memset(value, 'x', sizeof(value));
        value[0] = '/';
        /* "inbox=" and 192 bytes are 198. */
        (void)snprintf(text, sizeof(text), "[site]\ncode=P01\n[forwarder]\ninbox=%.192s\n", value);
        config = load_text(text);
        assert_int_equal(strlen(config->forwarder.inbox), 192);
        config_unref(config);
        (void)snprintf(text, sizeof(text), "[site]\ncode=P01\n[forwarder]\ninbox=%.193s\n[log]\nlevel=x\n",
                       value);
        (void)snprintf(expected, sizeof(expected),
                       "4: [forwarder] inbox = %.192s: a line of 199 bytes, 198 are allowed\n"
                       "6: [log] level = x: not one of them, verbose, info, warning or error\n",
                       value);
        assert_faults(text, expected);
        /* Neither may the rest of a comment become a key. */
        (void)snprintf(text, sizeof(text), "; %.197slevel=x\n" LEAST, value);
        (void)snprintf(expected, sizeof(expected), "1: ; %.62s: a line of 206 bytes, 198 are allowed\n",
                       value);
        assert_faults(text, expected);
}

static void only_text_is_allowed(void **state)
{
        static const char nul[] = LEAST "[log]\nlevel = in\0fo\nmax_size = 1M\n";
        static const char alone[] = LEAST "\0\n";

        (void)state;
        assert_faults_of(nul, sizeof(nul) - 1, "6: [log] level = in: a NUL byte, text is allowed\n");
        assert_faults_of(alone, sizeof(alone) - 1, "5: : a NUL byte, text is allowed\n");
        assert_faults(LEAST "[log]\nlevel = \xff\n; \xff\n",
                      "6: [log] level = \\xFF: no UTF-8, which alone is allowed\n"
                      "7: ; \\xFF: no UTF-8, which alone is allowed\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(missing_keys_are_told_at_their_section),
                TEST(a_file_that_cannot_be_read_is_told),
                TEST(unknown_sections_and_keys_are_faults),
                TEST(lines_of_no_meaning_are_faults),
                TEST(all_faults_are_told_at_once),
                TEST(keys_come_once),
                TEST(indented_lines_go_on_with_a_list_only),
                TEST(windows_files_and_comments_pass),
                TEST(a_list_has_a_bound),
                TEST(long_lines_are_faults_not_cut),
                TEST(only_text_is_allowed),
        };

        return cmocka_run_group_tests_name("config lines", tests, NULL, NULL);
}
