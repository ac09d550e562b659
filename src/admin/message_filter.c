#include "admin/message_filter.h"

#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/text.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORD_SIZE 256

static int __attribute__((format(printf, 2, 3)))
complain(struct message_filter *filter, const char *format, ...)
{
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(filter->why, sizeof(filter->why), format, arguments); /* cut: it is for people */
        va_end(arguments);
        return -EINVAL;
}

static int set_time(struct message_filter *filter, const char *value, int64_t *ret_ms)
{
        if (clock_parse_when(value, clock_wall_ms(), ret_ms) == 0)
                return 0;
        return complain(filter,
                        "Give a time as RFC 3339, YYYY-MM-DD, an age such as 15m 2h 3d, now, today or "
                        "yesterday");
}

static int set_number(struct message_filter *filter, const char *value, int64_t *ret_number)
{
        uint64_t number;
        if (text_parse_u64(value, &number) < 0 || number > INT64_MAX)
                return complain(filter, "Give a number for topic, state and limit");
        *ret_number = (int64_t)number;
        return 0;
}

static int set_since(struct message_filter *filter, const char *value)
{
        return set_time(filter, value, &filter->filter.since_ms);
}

static int set_until(struct message_filter *filter, const char *value)
{
        return set_time(filter, value, &filter->filter.until_ms);
}

static int set_client(struct message_filter *filter, const char *value)
{
        if (snprintf(filter->client, sizeof(filter->client), "%s", value) >= (int)sizeof(filter->client))
                return complain(filter, "The client is too long");
        filter->filter.client = filter->client;
        return 0;
}

static int set_topic(struct message_filter *filter, const char *value)
{
        return set_number(filter, value, &filter->filter.topic_type);
}

static int set_state(struct message_filter *filter, const char *value)
{
        return set_number(filter, value, &filter->filter.state_id);
}

static bool is_any_class(const char *glob)
{
        size_t count;
        const struct catalog_state *rows = catalog_rows(&count);
        bool found = text_matches_glob(glob, "unknown");
        for (size_t i = 0; !found && i < count; i++)
                found = text_matches_glob(glob, rows[i].state_class);
        return found;
}

/* around: "" or "*" on both sides of value. */
static int set_class_glob(struct message_filter *filter, const char *around, const char *value)
{
        char glob[sizeof(filter->state_class)];
        int length = snprintf(glob, sizeof(glob), "%s%s%s", around, value, around);
        if (length >= (int)sizeof(glob) || !is_any_class(glob))
                return complain(filter,
                                "There is no such state or class; some are failed, in-progress, deployed, "
                                "assigned, unknown");
        strcpy(filter->state_class, glob);
        filter->filter.state_class = filter->state_class;
        return 0;
}

static int set_class(struct message_filter *filter, const char *value)
{
        return set_class_glob(filter, "", value);
}

static int set_delivery(struct message_filter *filter, const char *value)
{
        enum delivery delivery;
        if (delivery_parse(value, &delivery) < 0)
                return complain(filter,
                                "Give a delivery of received, staged, copied, forwarded or quarantined");
        filter->filter.delivery = (int)delivery;
        return 0;
}

static int set_limit(struct message_filter *filter, const char *value)
{
        int64_t limit = 0;
        int r = set_number(filter, value, &limit);
        if (r == 0)
                filter->filter.limit = (uint64_t)limit;
        return r;
}

static int search_state(struct message_filter *filter, const char *value)
{
        return isdigit((unsigned char)*value) ? set_state(filter, value) : set_class_glob(filter, "*", value);
}

static int search_topic(struct message_filter *filter, const char *value)
{
        static const struct {
                const char *word;
                int64_t topic_type;
        } words[] = { { "deployment", 800 }, { "communication", 1000 }, { "certificate", 1001 } };
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (text_equal_nocase(value, words[i].word)) {
                        filter->filter.topic_type = words[i].topic_type;
                        return 0;
                }
        return set_topic(filter, value);
}

struct condition {
        const char *name;
        int (*option)(struct message_filter *filter, const char *value); /* NULL: not one */
        int (*search)(struct message_filter *filter, const char *value); /* NULL: likewise */
};
static const struct condition conditions[] = {
        { "since", set_since, set_since },    { "until", set_until, set_until },
        { "client", set_client, set_client }, { "machine", NULL, set_client },
        { "topic", set_topic, search_topic }, { "state", set_state, search_state },
        { "class", set_class, set_class },    { "delivery", set_delivery, set_delivery },
        { "limit", set_limit, NULL },
};
#define CONDITION_COUNT (sizeof(conditions) / sizeof(conditions[0]))

void message_filter_init(struct message_filter *filter)
{
        *filter = (struct message_filter){ .filter = QUERY_FILTER(.limit = MESSAGE_FILTER_LIMIT) };
}

int message_filter_set(struct message_filter *filter, const char *name, const char *value)
{
        for (size_t i = 0; i < CONDITION_COUNT; i++)
                if (conditions[i].option && strcmp(conditions[i].name, name) == 0)
                        return conditions[i].option(filter, value);
        return complain(filter, "There is no such condition");
}

/* The next word without its quotes; NULL at the end; *ret_colon: where in the
 * word its first unquoted ':' is, or NULL. */
static const char *next_word(const char *text, char ret_word[WORD_SIZE], char **ret_colon)
{
        bool quoted = false;
        size_t size = 0;
        *ret_colon = NULL;
        text += strspn(text, " \t");
        if (*text == '\0')
                return NULL;
        for (; *text && (quoted || !strchr(" \t", *text)); text++) {
                if (*text == '"') {
                        quoted = !quoted;
                        continue;
                }
                if (*text == ':' && !quoted && !*ret_colon)
                        *ret_colon = ret_word + size;
                if (size < WORD_SIZE - 1)
                        ret_word[size++] = *text;
        }
        ret_word[size] = '\0';
        return text;
}

static int search_word(struct message_filter *filter, char *word, char *colon)
{
        char part[WORD_SIZE + 2];
        for (size_t i = 0; colon && i < CONDITION_COUNT; i++) {
                size_t length = strlen(conditions[i].name);
                if (!conditions[i].search || length != (size_t)(colon - word) ||
                    strncasecmp(word, conditions[i].name, length) != 0)
                        continue;
                return colon[1] ? conditions[i].search(filter, colon + 1)
                                : complain(filter, "%s: wants a value", conditions[i].name);
        }
        if (colon && strncasecmp(word, "GUID:", 5) != 0)
                return complain(filter, "There is no such condition; there are machine, state, topic, class, "
                                        "delivery, since and until");
        if (filter->filter.client)
                return complain(filter, "Only one client can be asked for at a time");
        (void)snprintf(part, sizeof(part), "*%s*", word); /* fits */
        return set_client(filter, part);
}

int message_filter_search(struct message_filter *filter, const char *text)
{
        char word[WORD_SIZE], *colon;
        int r = 0;
        while (r == 0 && (text = next_word(text, word, &colon)))
                r = *word ? search_word(filter, word, colon) : 0;
        return r;
}

void message_filter_copy(const struct message_filter *filter, struct message_filter *ret_copy)
{
        *ret_copy = *filter;
        if (filter->filter.client)
                ret_copy->filter.client = ret_copy->client;
        if (filter->filter.state_class)
                ret_copy->filter.state_class = ret_copy->state_class;
}
