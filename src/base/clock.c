/* clock: see include/fsp/clock.h. */
#include "fsp/clock.h"
#include "fsp/text.h"
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static_assert(sizeof(time_t) == 8, "times after 2038, also where a word has 32 bits");

#define MS_A_SECOND 1000
#define SECONDS_A_MINUTE 60

static struct timespec read_clock(clockid_t id)
{
        struct timespec now = { 0 };

        (void)clock_gettime(id, &now); /* cannot fail for these two clocks and a valid pointer */
        return now;
}

int64_t clock_wall_ms(void)
{
        struct timespec now = read_clock(CLOCK_REALTIME);
        return (int64_t)now.tv_sec * MS_A_SECOND + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_us(void)
{
        struct timespec now = read_clock(CLOCK_MONOTONIC);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
        return clock_monotonic_us() / 1000;
}

const char *clock_format_rfc3339(int64_t wall_ms, char ret_text[CLOCK_TEXT_SIZE])
{
        int64_t ms = wall_ms % MS_A_SECOND;
        struct tm tm;

        if (ms < 0)
                ms += MS_A_SECOND;
        time_t seconds = (time_t)(wall_ms / MS_A_SECOND - (wall_ms % MS_A_SECOND < 0));
        ret_text[0] = '\0';
        /* RFC 3339 has years of four digits: other moments have no name. */
        if (!gmtime_r(&seconds, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
                return ret_text;
        size_t size = strftime(ret_text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
        (void)snprintf(ret_text + size, CLOCK_TEXT_SIZE - size, ".%03uZ", (unsigned)ms);
        return ret_text;
}

/* Takes exactly count digits. */
static bool take_number(const char **text, int count, int *ret_value)
{
        int value = 0;

        for (int i = 0; i < count; i++) {
                char c = (*text)[i];
                if (c < '0' || c > '9')
                        return false;
                value = value * 10 + (c - '0');
        }
        *text += count;
        *ret_value = value;
        return true;
}

static bool take_char(const char **text, const char *allowed)
{
        if (!**text || !strchr(allowed, **text))
                return false;
        (*text)++;
        return true;
}

/* At least one digit after the dot; those beyond milliseconds are dropped. */
static bool take_fraction(const char **text, int *ret_ms)
{
        int ms = 0, weight = 100;

        if (**text < '0' || **text > '9')
                return false;
        for (; **text >= '0' && **text <= '9'; (*text)++) {
                ms += (**text - '0') * weight;
                weight /= 10;
        }
        *ret_ms = ms;
        return true;
}

static bool is_valid(const struct tm *tm)
{
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        int year = tm->tm_year + 1900;
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        if (tm->tm_mon < 0 || tm->tm_mon > 11 || tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
                return false;
        return tm->tm_mday >= 1 && tm->tm_mday <= days[tm->tm_mon] + (leap && tm->tm_mon == 1);
}

static void set_date(struct tm *tm, int year, int month, int day)
{
        *tm = (struct tm){ .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_isdst = -1 };
}

static int64_t utc_ms(struct tm *tm, int ms, int offset_minutes)
{
        return ((int64_t)timegm(tm) - (int64_t)offset_minutes * SECONDS_A_MINUTE) * MS_A_SECOND + ms;
}

/* Midnight or any other local moment; mktime moves one that a change of the
 * clocks left out. */
static int local_ms(struct tm *tm, int ms, int64_t *ret_ms)
{
        tm->tm_isdst = -1;
        tm->tm_wday = -1; /* mktime sets it when it succeeds: its result -1 is also a moment */
        time_t seconds = mktime(tm);
        if (seconds == (time_t)-1 && tm->tm_wday < 0)
                return -EINVAL;
        *ret_ms = (int64_t)seconds * MS_A_SECOND + ms;
        return 0;
}

/* "±UUU", "±***" or nothing at the end of a CIM datetime. */
static bool take_cim_offset(const char **text, int *ret_minutes)
{
        int minutes = 0;
        bool east = **text == '+';

        if (**text == '\0') {
                *ret_minutes = 0;
                return true;
        }
        if (!take_char(text, "+-"))
                return false;
        if (strncmp(*text, "***", 3) == 0)
                *text += 3;
        else if (!take_number(text, 3, &minutes))
                return false;
        *ret_minutes = east ? minutes : -minutes;
        return true;
}

static int parse_cim(const char *text, int64_t *ret_ms)
{
        int year, month, day, ms = 0, offset = 0;
        struct tm tm;

        if (!take_number(&text, 4, &year) || !take_number(&text, 2, &month) || !take_number(&text, 2, &day))
                return -EINVAL;
        set_date(&tm, year, month, day);
        if (!take_number(&text, 2, &tm.tm_hour) || !take_number(&text, 2, &tm.tm_min) ||
            !take_number(&text, 2, &tm.tm_sec) || !is_valid(&tm))
                return -EINVAL;
        if (take_char(&text, ".") && !take_fraction(&text, &ms))
                return -EINVAL;
        if (!take_cim_offset(&text, &offset) || *text)
                return -EINVAL;
        *ret_ms = utc_ms(&tm, ms, offset);
        return 0;
}

enum zone { ZONE_LOCAL, ZONE_OFFSET };

/* "Z", "±HH:MM" or nothing at the end of an RFC 3339 time. */
static bool take_rfc3339_offset(const char **text, enum zone *ret_zone, int *ret_minutes)
{
        int hours, minutes;
        bool east = **text == '+';

        if (**text == '\0') {
                *ret_zone = ZONE_LOCAL;
                *ret_minutes = 0;
                return true;
        }
        *ret_zone = ZONE_OFFSET;
        if (take_char(text, "Zz")) {
                *ret_minutes = 0;
                return true;
        }
        if (!take_char(text, "+-") || !take_number(text, 2, &hours) || !take_char(text, ":") ||
            !take_number(text, 2, &minutes) || hours > 23 || minutes > 59)
                return false;
        *ret_minutes = (east ? 1 : -1) * (hours * 60 + minutes);
        return true;
}

/* A date alone is the local midnight it begins with; without an offset the
 * time is local too.  *ret_zone says whether there was one. */
static int parse_rfc3339(const char *text, enum zone *ret_zone, int64_t *ret_ms)
{
        int year, month, day, ms = 0, offset = 0;
        struct tm tm;

        *ret_zone = ZONE_LOCAL;
        if (!take_number(&text, 4, &year) || !take_char(&text, "-") || !take_number(&text, 2, &month) ||
            !take_char(&text, "-") || !take_number(&text, 2, &day))
                return -EINVAL;
        set_date(&tm, year, month, day);
        if (*text) {
                if (!take_char(&text, "Tt ") || !take_number(&text, 2, &tm.tm_hour) ||
                    !take_char(&text, ":") || !take_number(&text, 2, &tm.tm_min))
                        return -EINVAL;
                if (take_char(&text, ":") && !take_number(&text, 2, &tm.tm_sec))
                        return -EINVAL;
                if (take_char(&text, ".") && !take_fraction(&text, &ms))
                        return -EINVAL;
                if (!take_rfc3339_offset(&text, ret_zone, &offset))
                        return -EINVAL;
        }
        if (*text || !is_valid(&tm))
                return -EINVAL;
        if (*ret_zone == ZONE_LOCAL)
                return local_ms(&tm, ms, ret_ms);
        *ret_ms = utc_ms(&tm, ms, offset);
        return 0;
}

int64_t clock_parse_message_time(const char *text)
{
        int64_t wall_ms;
        enum zone zone;

        if (parse_cim(text, &wall_ms) == 0)
                return wall_ms;
        if (parse_rfc3339(text, &zone, &wall_ms) == 0 && zone == ZONE_OFFSET)
                return wall_ms;
        return CLOCK_UNKNOWN;
}

/* "90s", "15m", "2h", "3d", "4w" ago. */
static int parse_ago(const char *text, int64_t now_ms, int64_t *ret_wall_ms)
{
        static const struct {
                char letter;
                int64_t seconds;
        } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
        size_t size = strlen(text);
        char digits[20];
        uint64_t count;
        int64_t ago_ms, wall_ms;

        if (size < 2 || size > sizeof(digits))
                return -EINVAL;
        memcpy(digits, text, size - 1);
        digits[size - 1] = '\0';
        if (text_parse_u64(digits, &count) < 0)
                return -EINVAL;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                if (units[i].letter != text[size - 1])
                        continue;
                if (__builtin_mul_overflow(count, units[i].seconds * MS_A_SECOND, &ago_ms) ||
                    __builtin_sub_overflow(now_ms, ago_ms, &wall_ms))
                        return -EINVAL;
                *ret_wall_ms = wall_ms;
                return 0;
        }
        return -EINVAL;
}

static int local_midnight(int64_t now_ms, int days_ago, int64_t *ret_wall_ms)
{
        time_t now = (time_t)(now_ms / MS_A_SECOND);
        struct tm tm;

        if (!localtime_r(&now, &tm))
                return -EINVAL;
        set_date(&tm, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday - days_ago);
        return local_ms(&tm, 0, ret_wall_ms);
}

int clock_parse_when(const char *text, int64_t now_ms, int64_t *ret_wall_ms)
{
        enum zone zone;

        if (strcmp(text, "now") == 0) {
                *ret_wall_ms = now_ms;
                return 0;
        }
        if (strcmp(text, "today") == 0)
                return local_midnight(now_ms, 0, ret_wall_ms);
        if (strcmp(text, "yesterday") == 0)
                return local_midnight(now_ms, 1, ret_wall_ms);
        if (parse_ago(text, now_ms, ret_wall_ms) == 0)
                return 0;
        return parse_rfc3339(text, &zone, ret_wall_ms);
}
