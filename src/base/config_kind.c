/* The kinds of values a key can have: see config_key.h. */
#include "config_key.h"
#include "fsp/fsutil.h"
#include "fsp/text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_MEMORY "out of memory"
#define SEPARATORS " \t\r\n\v\f,"

static const char *judge_number(const struct config_key *key, int r, uint64_t value, const char *not_one)
{
        if (r == -ERANGE || (r == 0 && value > key->ceiling))
                return "too large";
        if (r < 0)
                return not_one;
        return value < key->floor ? "too small" : NULL;
}

static char *format_u64(uint64_t value, const char *suffix)
{
        char *text;

        return asprintf(&text, "%llu%s", (unsigned long long)value, suffix) < 0 ? NULL : text;
}

static const char *parse_count(const struct config_key *key, const char *text, void *field)
{
        uint64_t value = 0;
        int r = text_parse_u64(text, &value);
        const char *wrong = judge_number(key, r, value, "no whole number");

        if (!wrong)
                *(uint64_t *)field = value;
        return wrong;
}

static char *format_count(const struct config_key *key, const void *field)
{
        (void)key; /* all counts look alike */
        return format_u64(*(const uint64_t *)field, "");
}

static const char *parse_number(const struct config_key *key, const char *text, void *field)
{
        uint64_t value;
        const char *wrong = parse_count(key, text, &value);

        if (!wrong)
                *(unsigned *)field = (unsigned)value;
        return wrong;
}

static char *format_number(const struct config_key *key, const void *field)
{
        (void)key; /* all numbers look alike */
        return format_u64(*(const unsigned *)field, "");
}

static const char *parse_percent(const struct config_key *key, const char *text, void *field)
{
        size_t size = strlen(text);
        char digits[8];

        if (size < 2 || size > sizeof(digits) || text[size - 1] != '%')
                return "no percentage";
        memcpy(digits, text, size - 1);
        digits[size - 1] = '\0';
        return parse_number(key, digits, field);
}

static char *format_percent(const struct config_key *key, const void *field)
{
        (void)key; /* all percentages look alike */
        return format_u64(*(const unsigned *)field, "%");
}

static const char *parse_port(const struct config_key *key, const char *text, void *field)
{
        unsigned port;
        const char *wrong;

        if (strcmp(text, "off") == 0) {
                *(int *)field = -1;
                return NULL;
        }
        wrong = parse_number(key, text, &port);
        if (!wrong)
                *(int *)field = (int)port;
        return wrong;
}

static char *format_port(const struct config_key *key, const void *field)
{
        int port = *(const int *)field;

        (void)key; /* all ports look alike */
        return port < 0 ? strdup("off") : format_u64((uint64_t)port, "");
}

static const char *parse_size(const struct config_key *key, const char *text, void *field)
{
        uint64_t value = 0;
        int r = text_parse_size(text, &value);
        const char *wrong = judge_number(key, r, value, "no size (a number, or one with K, M, G)");

        if (!wrong)
                *(uint64_t *)field = value;
        return wrong;
}

static char *format_size(const struct config_key *key, const void *field)
{
        char text[TEXT_UNIT_SIZE];

        (void)key; /* all sizes look alike */
        return strdup(text_format_size(*(const uint64_t *)field, text));
}

static const char *parse_memory(const struct config_key *key, const char *text, void *field)
{
        uint64_t value;
        const char *wrong = parse_size(key, text, &value);

        if (!wrong && value > SIZE_MAX)
                return "too large for this machine";
        if (!wrong)
                *(size_t *)field = (size_t)value;
        return wrong;
}

static char *format_memory(const struct config_key *key, const void *field)
{
        uint64_t value = *(const size_t *)field;
        return format_size(key, &value);
}

static const char *parse_duration(const struct config_key *key, const char *text, void *field)
{
        int64_t ms = 0;
        int r = text_parse_duration(text, &ms);
        const char *wrong =
                judge_number(key, r, (uint64_t)ms, "no duration (a number, or one with s, m, h, d)");

        if (!wrong)
                *(int64_t *)field = ms;
        return wrong;
}

static char *format_duration(const struct config_key *key, const void *field)
{
        char text[TEXT_UNIT_SIZE];

        (void)key; /* all durations look alike */
        return strdup(text_format_duration(*(const int64_t *)field, text));
}

static const char *parse_flag(const struct config_key *key, const char *text, void *field)
{
        static const char *const names[2][4] = { { "no", "false", "off", "0" },
                                                 { "yes", "true", "on", "1" } };

        (void)key; /* all flags read alike */
        for (size_t i = 0; i < sizeof(names[0]) / sizeof(names[0][0]); i++) {
                bool is_yes = strcmp(text, names[true][i]) == 0;
                if (is_yes || strcmp(text, names[false][i]) == 0) {
                        *(bool *)field = is_yes;
                        return NULL;
                }
        }
        return "neither";
}

static char *format_flag(const struct config_key *key, const void *field)
{
        (void)key; /* all flags look alike */
        return strdup(*(const bool *)field ? "yes" : "no");
}

/* Enums are unsigned ints for the compilers we build with. */
_Static_assert(sizeof(enum log_level) == sizeof(unsigned) && sizeof(enum config_validate) == sizeof(unsigned),
               "kind_choice writes unsigned");

static const char *parse_choice(const struct config_key *key, const char *text, void *field)
{
        for (unsigned i = 0; key->choices[i]; i++) {
                if (strcmp(key->choices[i], text) == 0) {
                        *(unsigned *)field = i;
                        return NULL;
                }
        }
        return "not one of them";
}

static char *format_choice(const struct config_key *key, const void *field)
{
        return strdup(key->choices[*(const unsigned *)field]);
}

static const char *parse_text(const struct config_key *key, const char *text, void *field)
{
        bool may_be_empty = key->fallback && !*key->fallback;
        const char *wrong = !*text && may_be_empty ? NULL : *text ? key->check(text) : "empty";
        char *copy;

        if (wrong)
                return wrong;
        copy = strdup(text);
        if (!copy)
                return NO_MEMORY;
        free(*(char **)field);
        *(char **)field = copy;
        return NULL;
}

static char *format_text(const struct config_key *key, const void *field)
{
        const char *text = *(char *const *)field;

        (void)key; /* all texts look alike */
        return strdup(text ? text : "");
}

static void clear_text(void *field)
{
        free(*(char **)field);
}

static bool add_item(struct config_list *list, const char *item)
{
        char **items = reallocarray(list->items, list->count + 1, sizeof(*items));

        if (!items)
                return false;
        list->items = items;
        items[list->count] = strdup(item);
        if (!items[list->count])
                return false;
        list->count++;
        return true;
}

static const char *parse_list(const struct config_key *key, const char *text, void *field)
{
        struct config_list *list = field;
        AUTO_FREE char *copy = strdup(text);
        char *rest = NULL;

        if (!copy)
                return NO_MEMORY;
        for (char *item = strtok_r(copy, SEPARATORS, &rest); item; item = strtok_r(NULL, SEPARATORS, &rest)) {
                const char *wrong = key->check(item);
                if (wrong)
                        return wrong;
                if (list->count == key->ceiling)
                        return "too many";
                if (!add_item(list, item))
                        return NO_MEMORY;
        }
        return list->count < key->floor ? "empty" : NULL;
}

static char *format_list(const struct config_key *key, const void *field)
{
        const struct config_list *list = field;
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        (void)key; /* all lists look alike */
        if (!out)
                return NULL;
        for (size_t i = 0; i < list->count; i++)
                (void)fprintf(out, "%s%s", i > 0 ? " " : "", list->items[i]); /* fclose tells */
        if (fclose(out) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

static void clear_list(void *field)
{
        struct config_list *list = field;

        for (size_t i = 0; i < list->count; i++)
                free(list->items[i]);
        free(list->items);
}

const struct config_kind kind_number = { .parse = parse_number, .format = format_number };
const struct config_kind kind_count = { .parse = parse_count, .format = format_count };
const struct config_kind kind_percent = { .parse = parse_percent, .format = format_percent };
const struct config_kind kind_port = { .parse = parse_port, .format = format_port };
const struct config_kind kind_size = { .parse = parse_size, .format = format_size };
const struct config_kind kind_memory = { .parse = parse_memory, .format = format_memory };
const struct config_kind kind_duration = { .parse = parse_duration, .format = format_duration };
const struct config_kind kind_flag = { .parse = parse_flag, .format = format_flag };
const struct config_kind kind_choice = { .parse = parse_choice, .format = format_choice };
const struct config_kind kind_text = { .parse = parse_text, .format = format_text, .clear = clear_text };
const struct config_kind kind_list = {
        .parse = parse_list, .format = format_list, .clear = clear_list, .is_list = true
};
