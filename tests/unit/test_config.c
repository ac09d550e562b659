/* Values: defaults, floors and ceilings, printing, combinations. */
#include "config_fixture.h"

/* listener.memory has a ceiling of 4G, or of what a pointer reaches. */
#if SIZE_MAX > UINT32_MAX
#define MOST_MEMORY "4G"
#else
#define MOST_MEMORY "4095M"
#endif

/* The caller frees it. */
static char *printed(const struct config *config)
{
        char *text;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        assert_non_null(out);
        assert_int_equal(config_print(config, out), 0);
        assert_int_equal(fclose(out), 0);
        return text;
}

static void fails_on_difference(void *arg, const char *section, const char *key)
{
        (void)arg;
        fail_msg("%s.%s differs", section, key);
}

static const char all_defaults[] =
        "[site]\ncode = P01\n"
        "\n[listener]\naddress = ::\nport = 80\npaths = /SMS_FSP/.sms_fsp\n"
        "max_message_size = 64K\nconnections = 4096\nconnections_per_client = 32\n"
        "request_timeout = 15s\nidle_timeout = 1m\nclient_rate = 5\nclient_burst = 60\n"
        "trusted_proxies =\ncapture =\ncapture_limit = 1000\nmemory = 32M\n"
        "\n[policy]\nvalidate = report\nmin_client_version = 4.00\ntopics = *\n"
        "deduplicate = 1d\n"
        "\n[staging]\ndirectory = /var/lib/fspd/staging\nmax_size = 4G\n"
        "max_messages = 1000000\nmin_free = 10%\nnetwork_share = 50%\n"
        "\n[forwarder]\ninbox = /srv/inbox\ncredentials =\nsmb_connections = 8\ninbox_fallback =\n"
        "fallback_after = 1h\nrequire_mount = no\nrename = yes\ninterval = 1h\n"
        "throttle_messages = 10000\nthrottle_interval = 1h\n"
        "\n[ledger]\nfile = /var/lib/fspd/ledger.db\nretention = 90d\narchive_size = 1G\n"
        "\n[log]\ndirectory = /var/log/fspd\nlevel = info\nmax_size = 2M\n"
        "max_history = 1\n"
        "\n[admin]\nsocket = /run/fspd/control.sock\naddress = 127.0.0.1\nport = 8580\n";

static void has_the_defaults(void **state)
{
        struct config *config = load_text(LEAST);
        char *text = printed(config);

        (void)state;
        assert_string_equal(text, all_defaults);
        assert_int_equal(config->listener.request_timeout_ms, 15000);
        assert_int_equal(config->listener.max_message_size, 65536);
        assert_int_equal(config->staging.max_size, INT64_C(4) << 30);
        assert_int_equal(config->staging.min_free_percent, 10);
        assert_int_equal(config->staging.network_share_percent, 50);
        assert_int_equal(config->policy.validate, VALIDATE_REPORT);
        assert_int_equal(config->log.level, LOG_INFO);
        assert_int_equal(config->admin.port, 8580);
        assert_false(config->forwarder.require_mount);
        assert_string_equal(config->forwarder.inbox_fallback, "");
        assert_int_equal(config->listener.trusted_proxies.count, 0);
        struct log_options options = config_log_options(config, true);
        assert_string_equal(options.directory, "/var/log/fspd");
        assert_int_equal(options.max_size, 2 << 20);
        assert_int_equal(options.max_history, 1);
        assert_true(options.to_stderr);
        free(text);
        config_unref(config);
}

static const char all_changed[] =
        "[site]\ncode = a1Z\n"
        "\n[listener]\naddress = 192.0.2.1\nport = 0\npaths = /a /b/c\n"
        "max_message_size = 1K\nconnections = 1\nconnections_per_client = 2\n"
        "request_timeout = 1h\nidle_timeout = 1d\nclient_rate = 0\nclient_burst = 0\n"
        "trusted_proxies = 10.0.0.1 fe80::1\ncapture = /tmp/capture\ncapture_limit = 1\n"
        "memory = " MOST_MEMORY "\n"
        "\n[policy]\nvalidate = wellformed\nmin_client_version = 5.00.9096.1000\n"
        "topics = 800 1000\ndeduplicate = 0\n"
        "\n[staging]\ndirectory = /s\nmax_size = 1024G\nmax_messages = 1\nmin_free = 0%\nnetwork_share = "
        "100%\n"
        "\n[forwarder]\ninbox = /mnt/the inbox\ncredentials =\nsmb_connections = 3\ninbox_fallback = /mnt/b\n"
        "fallback_after = 90s\nrequire_mount = yes\nrename = no\ninterval = 7d\n"
        "throttle_messages = 0\nthrottle_interval = 1s\n"
        "\n[ledger]\nfile = /l.db\nretention = 3650d\narchive_size = 0\n"
        "\n[log]\ndirectory = /l\nlevel = error\nmax_size = 1G\nmax_history = 0\n"
        "\n[admin]\nsocket = /s.sock\naddress = ::1\nport = off\n";

static void count_difference(void *arg, const char *section, const char *key)
{
        unsigned *count = arg;

        assert_true(*section && *key);
        (*count)++;
}

static void prints_what_it_reads(void **state)
{
        struct config *config = load_text(all_changed), *defaults = load_text(LEAST);
        char *text = printed(config);
        unsigned count = 0, lines = 0;

        (void)state;
        assert_string_equal(text, all_changed);
        assert_int_equal(config->admin.port, -1);
        assert_int_equal(config->listener.paths.count, 2);
        assert_string_equal(config->listener.paths.items[1], "/b/c");
        config_differences(config, config, fails_on_difference, NULL);
        config_differences(config, defaults, count_difference, &count);
        for (const char *p = strstr(text, " ="); p; p = strstr(p + 1, " ="))
                lines++;
        assert_int_equal(count, lines - 1); /* all but credentials, which is empty in both */
        free(text);
        config_unref(defaults);
        config_unref(config);
}

/* Around the length where a second path no longer fits beside the first. */
static void long_lists_are_printed_to_be_read_back(void **state)
{
        char text[1024], path[200];

        (void)state;
        memset(path, 'x', sizeof(path));
        path[0] = '/';
        for (int size = 90; size <= 110; size++) {
                (void)snprintf(text, sizeof(text), LEAST "[listener]\npaths = %.*s\n %.90s\n %.197s\n", size,
                               path, path, path);
                struct config *config = load_text(text);
                assert_int_equal(config->listener.paths.count, 3);
                char *print = printed(config);
                struct config *again = load_text(print);
                config_differences(config, again, fails_on_difference, NULL);
                free(print);
                config_unref(again);
                config_unref(config);
        }
}

/* Each key of the shipped file is there, in the table's order, and says the
 * default; those without a default are placeholders. */
static void the_shipped_file_says_the_defaults(void **state)
{
        unsigned char *shipped;
        size_t size;
        FILE *out = fopen(file, "we");
        struct config *config = NULL, *defaults;
        char *rest = NULL;

        (void)state;
        assert_non_null(out);
        assert_int_equal(fsutil_read_at(AT_FDCWD, SOURCE_DIR "/conf/fspd.ini", 1 << 20, &shipped, &size), 0);
        char *expected = strdup(all_defaults), *next = expected;
        for (char *line = strtok_r((char *)shipped, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                assert_true(strlen(line) <= 80);
                bool is_placeholder = strncmp(line, ";code = ", 8) == 0 || strncmp(line, ";inbox = ", 9) == 0;
                if (*line == ';' && !is_placeholder)
                        continue;
                line += is_placeholder;
                assert_true(fprintf(out, "%s\n", line) > 0);
                next += strspn(next, "\n");
                /* The part up to the value, then the next line. */
                assert_memory_equal(next, line, strcspn(line, "="));
                next += strcspn(next, "\n");
        }
        assert_string_equal(next, "\n");
        assert_int_equal(fclose(out), 0);
        free(expected);
        free(shipped);
        assert_int_equal(config_load(file, no_fault, NULL, &config), 0);
        free(config->forwarder.inbox);
        config->forwarder.inbox = strdup("/srv/inbox");
        defaults = load_text(LEAST);
        config_differences(config, defaults, fails_on_difference, NULL);
        config_unref(defaults);
        config_unref(config);
}

static void note_missing(void *arg, const char *text)
{
        unsigned *count = arg;

        assert_non_null(strstr(text, *count == 0 ? ": [site] code = : missing, three letters or digits"
                                                 : ": [forwarder] inbox = : missing, the full path of a "
                                                   "folder, or smb://SERVER[:PORT]/SHARE/PATH"));
        (*count)++;
}

static void the_shipped_file_lacks_only_the_two(void **state)
{
        struct config *config = NULL;
        unsigned count = 0;

        (void)state;
        assert_int_equal(config_load(SOURCE_DIR "/conf/fspd.ini", note_missing, &count, &config), -EINVAL);
        assert_int_equal(count, 2);
        assert_null(config);
}

/* Values that pass and values that do not; several are parted by |. */
#define PATH_26 "/678901234567890123456789/"
#define PATH_107 PATH_26 PATH_26 PATH_26 PATH_26 "567"

static const struct value_row {
        const char *section, *key, *good, *bad;
} value_rows[] = {
        { "listener", "address", "0.0.0.0|::1|127.0.0.1", "localhost|1.2.3|:::|" },
        { "listener", "port", "0|65535", "65536|-1|80x||off" },
        { "listener", "paths", "/|/a,/b|/a.b/c..d", "a|/%41|/a?b|/a#b|/a/../b|/..|" },
        { "listener", "max_message_size", "1K|16M|1024", "1023|17M|x|" },
        { "listener", "connections", "1|100000", "0|100001" },
        { "listener", "connections_per_client", "1|100000", "0|100001" },
        { "listener", "request_timeout", "1|1h|3600s", "0|3601|1d|1.5s" },
        { "listener", "idle_timeout", "1s|1d", "0|25h" },
        { "listener", "client_rate", "0|1000000", "1000001|1.5" },
        { "listener", "client_burst", "0|1000000", "1000001" },
        { "listener", "trusted_proxies", "|10.0.0.1, ::1", "10.0.0.0/8|proxy" },
        { "listener", "capture", "|/tmp/x", "tmp" },
        { "listener", "capture_limit", "1|1000000", "0|1000001" },
        { "listener", "memory", "1M|" MOST_MEMORY, "1023K|5G" },
        { "policy", "validate", "report|wellformed", "Report|none|" },
        { "policy", "min_client_version", "4|4.00|5.00.9096.1000", "4.|.4|4..0|four|" },
        { "policy", "topics", "*|800|800, 1000 1001", "x|-1|* 800||4294967296" },
        { "policy", "deduplicate", "0|365d", "366d|never" },
        { "staging", "max_size", "1K|1024G|1048576G", "1023|1048577G" },
        { "staging", "max_messages", "1|100000000", "0|100000001" },
        { "staging", "network_share", "1%|100%", "0%|101%|50|-1%|%" },
        { "staging", "min_free", "0%|90%", "91%|10|%|100000000%|-1%" },
        { "forwarder", "inbox_fallback", "|/b|smb://server/share/x|SMB://10.0.0.1:8445/C$",
          "b|smb://|smb://server/|smb://u@s/x|smb://s/x/../y|/srv/inbox|/srv//inbox/" },
        { "forwarder", "smb_connections", "1|32", "0|33" },
        { "forwarder", "fallback_after", "1s|30d", "0|31d" },
        { "forwarder", "require_mount", "yes|no|true|false|on|off|1|0", "YES|maybe|" },
        { "forwarder", "rename", "yes|no|true|false|on|off|1|0", "YES|maybe|" },
        { "forwarder", "interval", "1s|7d", "0|8d" },
        { "forwarder", "throttle_messages", "0|10000000", "10000001" },
        { "forwarder", "throttle_interval", "1s|7d", "0|8d" },
        { "ledger", "file", "/x", "x|" },
        { "ledger", "retention", "1s|3650d", "0|3651d" },
        { "ledger", "archive_size", "0|1024G", "1025G" },
        { "staging", "directory", "/x", "x||/srv/inbox|//srv/inbox//" },
        { "log", "directory", "/x", "x|" },
        { "log", "level", "verbose|info|warning|error", "debug|Info|" },
        { "log", "max_size", "1K|1G", "1023|2G" },
        { "log", "max_history", "0|99", "100" },
        { "admin", "socket", "/x|" PATH_107, "x||" PATH_107 "8" },
        { "admin", "address", "::|10.0.0.1", "any|" },
        { "admin", "port", "off|0|65535", "65536|on|" },
};

/* The only fault is one of this key, or none. */
static void assert_value(const struct value_row *row, const char *value, bool is_bad)
{
        struct faults faults = { .count = 0 };
        struct config *config = NULL;
        char text[512], start[64];

        (void)snprintf(text, sizeof(text), LEAST "[%s]\n%s = %s\n", row->section, row->key, value);
        write_file(file, text, strlen(text), 0600);
        int r = config_load(file, note_fault, &faults, &config);
        config_unref(config);
        if (r != (is_bad ? -EINVAL : 0) || faults.count != is_bad)
                fail_msg("%s.%s = %s gave %d, %s", row->section, row->key, value, r, faults.text);
        (void)snprintf(start, sizeof(start), "%d: [%s] %s =", LEAST_LINES + 2, row->section, row->key);
        /* Two folders alike are told at the inbox. */
        if (is_bad && !strstr(faults.text, "the same as staging.directory"))
                assert_memory_equal(faults.text, start, strlen(start));
}

static void values_have_floor_and_ceiling(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(value_rows) / sizeof(value_rows[0]); i++) {
                const struct value_row *row = &value_rows[i];
                char good[128], bad[128], *rest = good, *value;

                (void)snprintf(good, sizeof(good), "%s", row->good);
                (void)snprintf(bad, sizeof(bad), "%s", row->bad);
                while ((value = strsep(&rest, "|")))
                        assert_value(row, value, false);
                rest = bad;
                while ((value = strsep(&rest, "|")))
                        assert_value(row, value, true);
        }
}

static void site_codes_are_three(void **state)
{
        static const char *const wrong[] = { "P0", "P012", "P-1", "P\xc3\xa4", "P 1" };

        (void)state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                char text[128], expected[128];
                (void)snprintf(text, sizeof(text), "[site]\ncode=%s\n[forwarder]\ninbox=/i\n", wrong[i]);
                (void)snprintf(expected, sizeof(expected),
                               "2: [site] code = %s: no site code, three letters or digits\n", wrong[i]);
                assert_faults(text, expected);
        }
}

static void faults_say_what_is_wrong_and_what_is_allowed(void **state)
{
        (void)state;
        assert_faults(LEAST "[listener]\nport = 70000\n",
                      "6: [listener] port = 70000: too large, 0 to 65535, 0 is any free one\n");
        assert_faults(
                "[site]\ncode=P01\n[forwarder]\ninbox = smb://me@server/share/in\n",
                "4: [forwarder] inbox = smb://me@server/share/in: an account in the address (it belongs into "
                "forwarder.credentials), the full path of a folder, or smb://SERVER[:PORT]/SHARE/PATH\n");
        assert_faults(
                LEAST "[log]\nlevel = \xe2\x80\xae\x01\n",
                "6: [log] level = \\xE2\\x80\\xAE\\x01: not one of them, verbose, info, warning or error\n");
}

static void combinations_are_checked(void **state)
{
        (void)state;
        assert_faults(LEAST "[listener]\nmax_message_size=2M\nmemory=1M\n",
                      "7: [listener] memory = 1M: less than max_message_size, 1M to 4G\n");
        assert_faults("[site]\ncode=P01\n[forwarder]\ninbox=/var/lib/fspd//staging/\n",
                      "4: [forwarder] inbox = /var/lib/fspd//staging/: the same as staging.directory, the "
                      "full path of a folder, or smb://SERVER[:PORT]/SHARE/PATH\n");
        static const struct {
                const char *listener, *admin;
                bool clash;
        } rows[] = {
                { "::", "127.0.0.1", true },
                { "::", "::1", true },
                { "0.0.0.0", "127.0.0.1", true },
                { "127.0.0.1", "127.0.0.1", true },
                { "0.0.0.0", "::1", false },
                { "127.0.0.2", "127.0.0.1", false },
                { "127.0.0.1", "0.0.0.0", true },
                { "::1", "0:0::1", true },
                { "::ffff:10.0.0.1", "10.0.0.1", true },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct faults faults = { .count = 0 };
                struct config *config = NULL;
                char text[256];
                (void)snprintf(text, sizeof(text),
                               LEAST "[listener]\nport=99\naddress=%s\n[admin]\nport=99\naddress=%s\n",
                               rows[i].listener, rows[i].admin);
                write_file(file, text, strlen(text), 0600);
                assert_int_equal(config_load(file, note_fault, &faults, &config),
                                 rows[i].clash ? -EINVAL : 0);
                if (rows[i].clash)
                        assert_string_equal(
                                faults.text,
                                "9: [admin] port = 99: taken by listener.address and listener.port, off or "
                                "0 to 65535, 0 is any free one\n");
                config_unref(config);
        }
        config_unref(load_text(LEAST "[listener]\nport=0\n[admin]\nport=0\n"));
}

static void credentials_are_for_the_owner_alone(void **state)
{
        char path[96], text[256], expected[256];
        static const mode_t open_modes[] = { 0640, 0604, 0620, 0602 };

        (void)state;
        (void)snprintf(path, sizeof(path), "%s/credentials", folder);
        (void)snprintf(text, sizeof(text), LEAST "credentials=%s\n", path);
        (void)snprintf(
                expected, sizeof(expected),
                "5: [forwarder] credentials = %s: No such file or directory, a file that its owner alone can "
                "read and write\n",
                path);
        assert_faults(text, expected);
        (void)snprintf(
                expected, sizeof(expected),
                "5: [forwarder] credentials = %s: open to group or others, a file that its owner alone can "
                "read and write\n",
                path);
        for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
                write_file(path, "", 0, open_modes[i]);
                assert_faults(text, expected);
        }
        write_file(path, "", 0, 0600);
        config_unref(load_text(text));
        assert_int_equal(unlink(path), 0);
}

static void credentials_that_systemd_passes_are_taken_by_name_or_path(void **state)
{
        char path[96], text[256];

        (void)state;
        config_unref(load_text(LEAST "credentials=share\n"));
        (void)snprintf(path, sizeof(path), "%s/share", folder);
        (void)snprintf(text, sizeof(text), LEAST "credentials=%s\n", path);
        write_file(path, "", 0, 0440);
        assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
        config_unref(load_text(text));
        assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
        assert_int_equal(unlink(path), 0);
        assert_faults(LEAST "credentials=a/share\n",
                      "5: [forwarder] credentials = a/share: neither a full path nor a name, a file that its "
                      "owner alone can read and write\n");
}

static void references_are_counted(void **state)
{
        struct config *config = load_text(LEAST);

        (void)state;
        assert_ptr_equal(config_ref(config), config);
        config_unref(config);
        assert_string_equal(config->site.code, "P01");
        config_unref(config);
        config_unref(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(has_the_defaults),
                TEST(prints_what_it_reads),
                TEST(long_lists_are_printed_to_be_read_back),
                TEST(the_shipped_file_says_the_defaults),
                TEST(the_shipped_file_lacks_only_the_two),
                TEST(values_have_floor_and_ceiling),
                TEST(site_codes_are_three),
                TEST(faults_say_what_is_wrong_and_what_is_allowed),
                TEST(combinations_are_checked),
                TEST(credentials_are_for_the_owner_alone),
                TEST(credentials_that_systemd_passes_are_taken_by_name_or_path),
                TEST(references_are_counted),
        };

        return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
