/* config_key: what the files of the configuration share.
 *
 * config.c        the key table, loading, printing, comparing
 * config_kind.c   what kinds of values there are
 * config_check.c  what texts and what combinations are allowed
 * config_read.c   the file, line by line */
#ifndef FSP_BASE_CONFIG_KEY_H
#define FSP_BASE_CONFIG_KEY_H

#include "fsp/config.h"
#include <stddef.h>
#include <stdint.h>

/* Bytes of a line, without its end: inih takes 200 with CR, LF and NUL. */
#define CONFIG_LINE_LIMIT 198

struct config_key;

/* How values of one C type are read, written and given back.  A field is
 * zeroed before the first parse. */
struct config_kind {
        /* NULL, or what is wrong; the field is untouched then.  A list adds
         * the text's items to those it has. */
        const char *(*parse)(const struct config_key *key, const char *text, void *field);
        /* The text parse reads back, malloc'd; NULL when memory is out. */
        char *(*format)(const struct config_key *key, const void *field);
        void (*clear)(void *field); /* NULL: holds nothing */
        bool is_list;
};

extern const struct config_kind kind_number, kind_count, kind_percent, kind_port, kind_size, kind_memory,
        kind_duration, kind_flag, kind_choice, kind_text, kind_list;

struct config_key {
        const char *section, *name;
        const struct config_kind *kind;
        size_t offset;           /* into struct config */
        const char *fallback;    /* NULL: the file must have it; "": may be empty */
        const char *allowed;     /* in words */
        uint64_t floor, ceiling; /* of the value in its own unit (durations: ms), or of a list's items */
        const char *(*check)(const char *text); /* of texts and list items: NULL, or what is wrong */
        const char *const *choices;             /* of kind_choice, in the order of the enum; NULL ends them */
};

extern const struct config_key config_keys[];
extern const size_t config_keys_count;

/* NULL when there is none. */
const struct config_key *config_key_find(const char *section, const char *name);
void *config_key_field(const struct config_key *key, struct config *config);

const char *check_site_code(const char *text);
const char *check_address(const char *text);
const char *check_url_path(const char *text);
const char *check_path(const char *text);
const char *check_socket(const char *text);
const char *check_inbox(const char *text);
const char *check_credentials(const char *text);
const char *check_version(const char *text);
const char *check_topic(const char *text);

/* What no key alone can show.  Calls fault with the later one of the keys. */
void config_check_together(const struct config *config,
                           void (*fault)(void *arg, const char *section, const char *name, const char *wrong),
                           void *arg);

/* Where keys were found; one for each row of config_keys. */
struct config_places {
        int *lines; /* of the key, 0: the file has none */
        int *section_lines;
};

/* Reads path into config, which is zeroed.  Each fault goes to report, a text
 * without place; it counts them.  -errno when the file cannot be read. */
struct config_reporter {
        const char *path;
        config_fault_fn *fault;
        void *arg;
        unsigned count;
};
void config_report(struct config_reporter *reporter, int line, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
int config_read(struct config_reporter *reporter, struct config *config, struct config_places *places);

#endif
