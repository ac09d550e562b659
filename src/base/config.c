/* config: see include/fsp/config.h.  The key table stands here. */
#include "fsp/config.h"
#include "config_key.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KB UINT64_C(1024)
#define MB (KB * KB)
#define GB (KB * MB)
#define TB (KB * GB)
#define PB (KB * TB)
#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

static const char *const validate_names[] = {
        [VALIDATE_REPORT] = "report",
        [VALIDATE_WELLFORMED] = "wellformed",
        NULL,
};
static const char *const level_names[] = {
        [LOG_VERBOSE] = "verbose",
        [LOG_INFO] = "info",
        [LOG_WARNING] = "warning",
        [LOG_ERROR] = "error",
        NULL,
};

#define KEY(section_, name_, kind_, ...)                                                                     \
        {                                                                                                    \
                .section = #section_, .name = #name_, .kind = &kind_,                                        \
                .offset = offsetof(struct config, section_.name_), __VA_ARGS__                               \
        }
/* Where the field's name also tells the unit. */
#define KEY_AT(section_, name_, field_, kind_, ...)                                                          \
        {                                                                                                    \
                .section = #section_, .name = #name_, .kind = &kind_,                                        \
                .offset = offsetof(struct config, section_.field_), __VA_ARGS__                              \
        }
#define DEFAULT(text) .fallback = (text)
#define RANGE(floor_, ceiling_, words) .floor = (floor_), .ceiling = (ceiling_), .allowed = (words)
#define TEXT(check_, words) .check = (check_), .allowed = (words)

#define A_FILE "a full path that begins with /"
#define A_SOCKET "a full path that begins with /, 107 bytes at most"
#define AN_INBOX "the full path of a folder, or smb://SERVER[:PORT]/SHARE/PATH"
#define AN_ADDRESS "a numeric IPv4 or IPv6 address"

/* clang-format off: one row a key, in the order of the shipped file */
const struct config_key config_keys[] = {
        KEY(site, code, kind_text, TEXT(check_site_code, "three letters or digits")),

        KEY(listener, address, kind_text, DEFAULT("::"), TEXT(check_address, AN_ADDRESS)),
        KEY(listener, port, kind_number, DEFAULT("80"), RANGE(0, 65535, "0 to 65535, 0 is any free one")),
        KEY(listener, paths, kind_list, DEFAULT("/SMS_FSP/.sms_fsp"), .check = check_url_path,
            RANGE(1, 16, "1 to 16 paths that begin with /")),
        KEY(listener, max_message_size, kind_memory, DEFAULT("64K"), RANGE(KB, 16 * MB, "1K to 16M")),
        KEY(listener, connections, kind_number, DEFAULT("4096"), RANGE(1, 100000, "1 to 100000")),
        KEY(listener, connections_per_client, kind_number, DEFAULT("32"), RANGE(1, 100000, "1 to 100000")),
        KEY_AT(listener, request_timeout, request_timeout_ms, kind_duration, DEFAULT("15s"),
               RANGE(SECOND, HOUR, "1s to 1h")),
        KEY_AT(listener, idle_timeout, idle_timeout_ms, kind_duration, DEFAULT("60s"),
               RANGE(SECOND, DAY, "1s to 1d")),
        KEY(listener, client_rate, kind_number, DEFAULT("5"),
            RANGE(0, 1000000, "0 to 1000000, 0 is no limit")),
        KEY(listener, client_burst, kind_number, DEFAULT("60"),
            RANGE(0, 1000000, "0 to 1000000, 0 is no limit")),
        KEY(listener, trusted_proxies, kind_list, DEFAULT(""), .check = check_address,
            RANGE(0, 256, "at most 256 numeric IPv4 or IPv6 addresses")),
        KEY(listener, capture, kind_text, DEFAULT(""), TEXT(check_path, A_FILE)),
        KEY(listener, capture_limit, kind_number, DEFAULT("1000"), RANGE(1, 1000000, "1 to 1000000")),
        KEY(listener, memory, kind_memory, DEFAULT("32M"), RANGE(MB, 4 * GB, "1M to 4G")),

        KEY(policy, validate, kind_choice, DEFAULT("report"), .choices = validate_names,
            .allowed = "report or wellformed"),
        KEY(policy, min_client_version, kind_text, DEFAULT("4.00"),
            TEXT(check_version, "numbers with dots between, like 4.00")),
        KEY(policy, topics, kind_list, DEFAULT("*"), .check = check_topic,
            RANGE(1, 256, "* or a list of 1 to 256 numbers")),
        KEY_AT(policy, deduplicate, deduplicate_ms, kind_duration, DEFAULT("24h"),
               RANGE(0, 365 * DAY, "0 to 365d, 0 is off")),

        KEY(staging, directory, kind_text, DEFAULT("/var/lib/fspd/staging"), TEXT(check_path, A_FILE)),
        KEY(staging, max_size, kind_size, DEFAULT("4G"), RANGE(KB, PB, "1K to 1048576G")),
        KEY(staging, max_messages, kind_count, DEFAULT("1000000"), RANGE(1, 100000000, "1 to 100000000")),
        KEY_AT(staging, min_free, min_free_percent, kind_percent, DEFAULT("10%"), RANGE(0, 90, "0% to 90%")),
        KEY_AT(staging, network_share, network_share_percent, kind_percent, DEFAULT("50%"),
               RANGE(1, 100, "1% to 100%, 100% is no limit")),

        KEY(forwarder, inbox, kind_text, TEXT(check_inbox, AN_INBOX)),
        KEY(forwarder, credentials, kind_text, DEFAULT(""),
            TEXT(check_credentials, "a file that its owner alone can read and write")),
        KEY(forwarder, smb_connections, kind_number, DEFAULT("8"), RANGE(1, 32, "1 to 32")),
        KEY(forwarder, inbox_fallback, kind_text, DEFAULT(""), TEXT(check_inbox, AN_INBOX)),
        KEY_AT(forwarder, fallback_after, fallback_after_ms, kind_duration, DEFAULT("1h"),
               RANGE(SECOND, 30 * DAY, "1s to 30d")),
        KEY(forwarder, require_mount, kind_flag, DEFAULT("no"), .allowed = "yes or no"),
        KEY(forwarder, rename, kind_flag, DEFAULT("yes"), .allowed = "yes or no"),
        KEY_AT(forwarder, interval, interval_ms, kind_duration, DEFAULT("1h"),
               RANGE(SECOND, 7 * DAY, "1s to 7d")),
        KEY(forwarder, throttle_messages, kind_count, DEFAULT("10000"),
            RANGE(0, 10000000, "0 to 10000000, 0 is no limit")),
        KEY_AT(forwarder, throttle_interval, throttle_interval_ms, kind_duration, DEFAULT("1h"),
               RANGE(SECOND, 7 * DAY, "1s to 7d")),

        KEY(ledger, file, kind_text, DEFAULT("/var/lib/fspd/ledger.db"), TEXT(check_path, A_FILE)),
        KEY_AT(ledger, retention, retention_ms, kind_duration, DEFAULT("90d"),
               RANGE(SECOND, 3650 * DAY, "1s to 3650d")),
        KEY(ledger, archive_size, kind_size, DEFAULT("1G"), RANGE(0, TB, "0 to 1024G, 0 keeps none")),

        KEY(log, directory, kind_text, DEFAULT("/var/log/fspd"), TEXT(check_path, A_FILE)),
        KEY(log, level, kind_choice, DEFAULT("info"), .choices = level_names,
            .allowed = "verbose, info, warning or error"),
        KEY(log, max_size, kind_size, DEFAULT("2M"), RANGE(KB, GB, "1K to 1G")),
        KEY(log, max_history, kind_number, DEFAULT("1"), RANGE(0, 99, "0 to 99, 0 keeps none")),

        KEY(admin, socket, kind_text, DEFAULT("/run/fspd/control.sock"), TEXT(check_socket, A_SOCKET)),
        KEY(admin, address, kind_text, DEFAULT("127.0.0.1"), TEXT(check_address, AN_ADDRESS)),
        KEY(admin, port, kind_port, DEFAULT("8580"), RANGE(0, 65535, "off or 0 to 65535, 0 is any free one")),
};
/* clang-format on */

#define KEYS_COUNT (sizeof(config_keys) / sizeof(config_keys[0]))
const size_t config_keys_count = KEYS_COUNT;

const struct config_key *config_key_find(const char *section, const char *name)
{
        for (size_t i = 0; i < KEYS_COUNT; i++) {
                if (strcmp(config_keys[i].section, section) == 0 && strcmp(config_keys[i].name, name) == 0)
                        return &config_keys[i];
        }
        return NULL;
}

void *config_key_field(const struct config_key *key, struct config *config)
{
        return (char *)config + key->offset;
}

static const void *field_of(const struct config_key *key, const struct config *config)
{
        return (const char *)config + key->offset;
}

/* Defaults for what the file does not have, faults for what it must have. */
static void complete(struct config_reporter *reporter, struct config *config,
                     const struct config_places *places)
{
        for (size_t i = 0; i < KEYS_COUNT; i++) {
                const struct config_key *key = &config_keys[i];

                if (places->lines[i] > 0)
                        continue;
                if (!key->fallback) {
                        config_report(reporter, places->section_lines[i], "[%s] %s = : missing, %s",
                                      key->section, key->name, key->allowed);
                        continue;
                }
                const char *wrong = key->kind->parse(key, key->fallback, config_key_field(key, config));
                if (wrong)
                        config_report(reporter, 0, "[%s] %s = %s: %s", key->section, key->name, key->fallback,
                                      wrong); /* memory is out: defaults are right */
        }
}

struct together {
        struct config_reporter *reporter;
        struct config *config;
        const struct config_places *places;
};

static void report_together(void *arg, const char *section, const char *name, const char *wrong)
{
        struct together *together = arg;
        const struct config_key *key = config_key_find(section, name);
        size_t i = (size_t)(key - config_keys);
        char *value = key->kind->format(key, field_of(key, together->config));
        int line = together->places->lines[i];

        config_report(together->reporter, line > 0 ? line : together->places->section_lines[i],
                      "[%s] %s = %s: %s, %s", section, name, value ? value : "", wrong, key->allowed);
        free(value);
}

int config_load(const char *path, config_fault_fn *fault, void *arg, struct config **ret_config)
{
        struct config_reporter reporter = { .path = path, .fault = fault, .arg = arg };
        int lines[KEYS_COUNT] = { 0 }, section_lines[KEYS_COUNT] = { 0 };
        struct config_places places = { .lines = lines, .section_lines = section_lines };
        struct config *config = calloc(1, sizeof(*config));
        int r;

        if (!config) {
                config_report(&reporter, 0, "out of memory");
                return -ENOMEM;
        }
        config->references = 1;
        r = config_read(&reporter, config, &places);
        if (r == 0) {
                struct together together = { .reporter = &reporter, .config = config, .places = &places };
                complete(&reporter, config, &places);
                config_check_together(config, report_together, &together);
                r = reporter.count > 0 ? -EINVAL : 0;
        }
        if (r < 0) {
                config_unref(config);
                return r;
        }
        *ret_config = config;
        return 0;
}

struct config *config_ref(struct config *config)
{
        (void)__atomic_add_fetch(&config->references, 1,
                                 __ATOMIC_RELAXED); /* the new count is nobody's business */
        return config;
}

void config_unref(struct config *config)
{
        if (!config || __atomic_sub_fetch(&config->references, 1, __ATOMIC_ACQ_REL) > 0)
                return;
        for (size_t i = 0; i < KEYS_COUNT; i++) {
                if (config_keys[i].kind->clear)
                        config_keys[i].kind->clear(config_key_field(&config_keys[i], config));
        }
        free(config);
}

/* A list too long for one line goes on in indented ones. */
static int print_value(const struct config_key *key, char *value, FILE *out)
{
        size_t column = strlen(key->name) + strlen(" =");
        char *rest = NULL;

        if (!key->kind->is_list)
                return fprintf(out, " %s", value);
        for (char *item = strtok_r(value, " ", &rest); item; item = strtok_r(NULL, " ", &rest)) {
                size_t size = strlen(item) + strlen(" ");
                /* The first one came from such a line, so there it fits. */
                bool fits = item == value || column + size <= CONFIG_LINE_LIMIT;
                if (fprintf(out, "%s %s", fits ? "" : "\n", item) < 0)
                        return -1;
                column = fits ? column + size : size;
        }
        return 0;
}

int config_print(const struct config *config, FILE *out)
{
        for (size_t i = 0; i < KEYS_COUNT; i++) {
                const struct config_key *key = &config_keys[i];
                bool is_new = i == 0 || strcmp(config_keys[i - 1].section, key->section) != 0;
                char *value = key->kind->format(key, field_of(key, config));

                if (!value)
                        return -ENOMEM;
                bool written = (!is_new || fprintf(out, "%s[%s]\n", i == 0 ? "" : "\n", key->section) >= 0) &&
                               fprintf(out, "%s =", key->name) >= 0 &&
                               (!*value || print_value(key, value, out) >= 0) && fputc('\n', out) != EOF;
                free(value);
                if (!written)
                        return -EIO;
        }
        return 0;
}

void config_differences(const struct config *a, const struct config *b,
                        void (*visit)(void *arg, const char *section, const char *key), void *arg)
{
        for (size_t i = 0; i < KEYS_COUNT; i++) {
                const struct config_key *key = &config_keys[i];
                char *x = key->kind->format(key, field_of(key, a));
                char *y = key->kind->format(key, field_of(key, b));

                /* Without memory to tell, say they differ. */
                if (!x || !y || strcmp(x, y) != 0)
                        visit(arg, key->section, key->name);
                free(x);
                free(y);
        }
}

struct log_options config_log_options(const struct config *config, bool to_stderr)
{
        return (struct log_options){
                .directory = config->log.directory,
                .level = config->log.level,
                .max_size = config->log.max_size,
                .max_history = config->log.max_history,
                .to_stderr = to_stderr,
        };
}
