/* config: the INI file, read once into one constant struct.
 *
 * Owns      the key table (src/base/config.c): section, key, default, floor,
 *           ceiling of every key stand there and nowhere else.
 * Threads   a loaded struct config never changes; config_ref/config_unref may
 *           be called from any thread.  A reload makes a new one.
 * Crash     nothing is written. */
#ifndef FSP_CONFIG_H
#define FSP_CONFIG_H

#include "fsp/log.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_DEFAULT_PATH "/etc/fspd/fspd.ini"

struct config_list {
        char **items;
        size_t count;
};

enum config_validate { VALIDATE_REPORT, VALIDATE_WELLFORMED };

/* Durations end in _ms whatever unit the file used; sizes are bytes. */
struct config {
        struct {
                char *code;
        } site;
        struct {
                char *address;
                unsigned port; /* 0: any free one */
                struct config_list paths;
                size_t max_message_size;
                unsigned connections, connections_per_client;
                int64_t request_timeout_ms, idle_timeout_ms;
                unsigned client_rate, client_burst; /* 0: no limit */
                struct config_list trusted_proxies; /* numeric addresses, checked */
                char *capture;                      /* "": off */
                unsigned capture_limit;
                size_t memory; /* of all request bodies in hand together */
        } listener;
        struct {
                enum config_validate validate;
                char *min_client_version;  /* digits and dots, checked */
                struct config_list topics; /* "*" or decimal numbers, checked */
                int64_t deduplicate_ms;    /* 0: off */
        } policy;
        struct {
                char *directory;
                uint64_t max_size, max_messages;
                unsigned min_free_percent;
                unsigned network_share_percent; /* of max_size and max_messages; 100: no limit */
        } staging;
        struct {
                char *inbox, *inbox_fallback; /* a folder's full path, or as smb_url.h reads it */
                char *credentials; /* "": none; a full path; or a name within $CREDENTIALS_DIRECTORY */
                unsigned smb_connections;
                int64_t fallback_after_ms;
                bool require_mount, rename;
                int64_t interval_ms;
                uint64_t throttle_messages; /* 0: no limit */
                int64_t throttle_interval_ms;
        } forwarder;
        struct {
                char *file;
                int64_t retention_ms;
                uint64_t archive_size; /* bodies of forwarded messages kept for show --raw and resend */
        } ledger;
        struct {
                char *directory;
                enum log_level level;
                uint64_t max_size;
                unsigned max_history;
        } log;
        struct {
                char *socket;
                char *address;
                int port; /* -1: off, 0: any free one */
        } admin;
        unsigned references; /* config_ref, config_unref */
};

/* Called once a fault with "FILE:LINE: [section] key = value: what is wrong,
 * what is allowed", without a line end. */
typedef void config_fault_fn(void *arg, const char *text);

/* Reads path.  0 and *ret_config with one reference; -EINVAL after at least
 * one fault was reported; other -errno (also reported as a fault) when the
 * file cannot be read.  Every fault of the file is reported, not only the
 * first.  Looks at nothing but the file itself and the credentials file. */
int config_load(const char *path, config_fault_fn *fault, void *arg, struct config **ret_config);

/* One more reference to the same config, which is returned. */
struct config *config_ref(struct config *config);
/* NULL is allowed. */
void config_unref(struct config *config);

/* Every key with its value in force, as INI that config_load reads back.
 * -ENOMEM, -EIO when out does not take it. */
int config_print(const struct config *config, FILE *out);

/* Calls visit with the name of each key that differs between the two. */
void config_differences(const struct config *a, const struct config *b,
                        void (*visit)(void *arg, const char *section, const char *key), void *arg);

struct log_options config_log_options(const struct config *config, bool to_stderr);

#endif
