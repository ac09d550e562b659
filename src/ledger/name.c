#include "fsp/name.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define ID_LENGTH 33 /* 19 of time, '-', 4 of node, '-', 8 of sequence */

static const char digits[] = "0123456789ABCDEF";

#define TIME_END_MS INT64_C(253402300800000) /* of the year 9999 */

bool name_is_sound(const struct message_name *name)
{
        return name->time_ms >= 0 && name->time_ms < TIME_END_MS && name->node <= 0xFFFF;
}

/* So many digits of ours; gives what is behind them. */
static char *put_digits(char *text, int count, unsigned base, uint32_t value)
{
        for (int i = count - 1; i >= 0; i--, value /= base)
                text[i] = digits[value % base];
        return text + count;
}

/* Each message has its name made three times, so not by printf. */
const char *name_format_file(const struct message_name *name, const char *suffix, char ret_file[NAME_SIZE])
{
        time_t seconds = (time_t)(name->time_ms / 1000);
        struct tm tm;
        assert(name_is_sound(name) && strlen(suffix) < NAME_SIZE - ID_LENGTH);
        struct tm *broken = gmtime_r(&seconds, &tm);
        assert(broken);
        (void)broken;
        char *at = put_digits(ret_file, 4, 10, (uint32_t)tm.tm_year + 1900);
        at = put_digits(at, 2, 10, (uint32_t)tm.tm_mon + 1);
        at = put_digits(at, 2, 10, (uint32_t)tm.tm_mday);
        *at++ = 'T';
        at = put_digits(at, 2, 10, (uint32_t)tm.tm_hour);
        at = put_digits(at, 2, 10, (uint32_t)tm.tm_min);
        at = put_digits(at, 2, 10, (uint32_t)tm.tm_sec);
        at = put_digits(at, 3, 10, (uint32_t)(name->time_ms % 1000));
        *at++ = 'Z';
        *at++ = '-';
        at = put_digits(at, 4, 16, name->node);
        *at++ = '-';
        at = put_digits(at, 8, 16, (uint32_t)name->seq);
        strcpy(at, suffix);
        return ret_file;
}

const char *name_format_id(const struct message_name *name, char ret_id[NAME_SIZE])
{
        return name_format_file(name, "", ret_id);
}

/* So many digits of ours at *text; it is moved behind them. */
static bool read_digits(const char **text, int count, int base, uint32_t *ret_value)
{
        uint32_t value = 0;
        for (; count > 0; count--, (*text)++) {
                const char *digit = **text ? strchr(digits, **text) : NULL;
                if (!digit || digit - digits >= base)
                        return false;
                value = value * (uint32_t)base + (uint32_t)(digit - digits);
        }
        *ret_value = value;
        return true;
}

static bool read_mark(const char **text, char mark)
{
        return *(*text)++ == mark;
}

/* A start reads a million of them, so neither scanf nor printing it again. */
static bool read_name(const char *text, struct message_name *ret_name)
{
        uint32_t year, month, day, hour, minute, second, ms, node, seq;
        if (!read_digits(&text, 4, 10, &year) || !read_digits(&text, 2, 10, &month) ||
            !read_digits(&text, 2, 10, &day) || !read_mark(&text, 'T') || !read_digits(&text, 2, 10, &hour) ||
            !read_digits(&text, 2, 10, &minute) || !read_digits(&text, 2, 10, &second) ||
            !read_digits(&text, 3, 10, &ms) || !read_mark(&text, 'Z') || !read_mark(&text, '-') ||
            !read_digits(&text, 4, 16, &node) || !read_mark(&text, '-') || !read_digits(&text, 8, 16, &seq))
                return false;
        struct tm tm = { .tm_year = (int)year - 1900,
                         .tm_mon = (int)month - 1,
                         .tm_mday = (int)day,
                         .tm_hour = (int)hour,
                         .tm_min = (int)minute,
                         .tm_sec = (int)second };
        int64_t seconds = timegm(&tm);
        /* A day or an hour that does not exist comes back as another one. */
        if (seconds < 0 || tm.tm_mon != (int)month - 1 || tm.tm_mday != (int)day || tm.tm_hour != (int)hour ||
            tm.tm_min != (int)minute || tm.tm_sec != (int)second)
                return false;
        *ret_name = (struct message_name){ .time_ms = seconds * 1000 + ms, .node = node, .seq = seq };
        return true;
}

int name_parse(const char *text, const char *suffix, struct message_name *ret_name)
{
        if (strlen(text) < ID_LENGTH || strlen(text) >= NAME_SIZE)
                return -EINVAL;
        const char *end = text + ID_LENGTH;
        bool is_ended = suffix ? strcmp(end, suffix) == 0 : *end == '\0' || strcmp(end, NAME_SUFFIX) == 0;
        return is_ended && read_name(text, ret_name) ? 0 : -EINVAL;
}
