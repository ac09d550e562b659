/* text: see include/fsp/text.h. */
#include "fsp/text.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
        char letter;
        uint64_t factor;
};

/* Largest first: formatting takes the first one that divides. */
static const struct unit duration_units[] = {
        { 'd', UINT64_C(86400) }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 }, { 0, 0 },
};
static const struct unit size_units[] = {
        { 'G', UINT64_C(1) << 30 },
        { 'M', UINT64_C(1) << 20 },
        { 'K', UINT64_C(1) << 10 },
        { 0, 0 },
};

static char lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Takes the digits text begins with; *ret_end is what follows them. */
static int parse_digits(const char *text, uint64_t *ret_value, const char **ret_end)
{
        uint64_t value = 0;
        const char *p = text;

        for (; *p >= '0' && *p <= '9'; p++) {
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
                        return -ERANGE;
        }
        if (p == text)
                return -EINVAL;
        *ret_value = value;
        *ret_end = p;
        return 0;
}

static int parse_with_unit(const char *text, const struct unit *units, uint64_t *ret_value)
{
        const char *end;
        uint64_t value, factor = 1;
        int r = parse_digits(text, &value, &end);

        if (r < 0)
                return r;
        if (*end) {
                while (units->letter && units->letter != *end)
                        units++;
                if (!units->letter || end[1])
                        return -EINVAL;
                factor = units->factor;
        }
        if (__builtin_mul_overflow(value, factor, &value))
                return -ERANGE;
        *ret_value = value;
        return 0;
}

static const char *format_with_unit(uint64_t value, const struct unit *units, char ret_text[TEXT_UNIT_SIZE])
{
        while (units->letter && (value == 0 || value % units->factor != 0))
                units++;
        if (units->letter)
                (void)snprintf(ret_text, TEXT_UNIT_SIZE, "%" PRIu64 "%c", value / units->factor,
                               units->letter); /* 20 digits and a letter fit */
        else
                (void)snprintf(ret_text, TEXT_UNIT_SIZE, "%" PRIu64, value);
        return ret_text;
}

int text_parse_u64(const char *text, uint64_t *ret_value)
{
        const char *end;
        uint64_t value;
        int r = parse_digits(text, &value, &end);

        if (r < 0)
                return r;
        if (*end)
                return -EINVAL;
        *ret_value = value;
        return 0;
}

int text_parse_duration(const char *text, int64_t *ret_ms)
{
        uint64_t seconds;
        int64_t ms;
        int r = parse_with_unit(text, duration_units, &seconds);

        if (r < 0)
                return r;
        if (__builtin_mul_overflow(seconds, UINT64_C(1000), &ms))
                return -ERANGE;
        *ret_ms = ms;
        return 0;
}

int text_parse_size(const char *text, uint64_t *ret_bytes)
{
        return parse_with_unit(text, size_units, ret_bytes);
}

const char *text_format_duration(int64_t ms, char ret_text[TEXT_UNIT_SIZE])
{
        assert(ms >= 0 && ms % 1000 == 0);
        return format_with_unit((uint64_t)ms / 1000, duration_units, ret_text);
}

const char *text_format_size(uint64_t bytes, char ret_text[TEXT_UNIT_SIZE])
{
        return format_with_unit(bytes, size_units, ret_text);
}

bool text_equal_nocase(const char *a, const char *b)
{
        while (*a && lower(*a) == lower(*b)) {
                a++;
                b++;
        }
        return lower(*a) == lower(*b);
}

bool text_has_suffix(const char *text, const char *suffix)
{
        size_t size = strlen(text), suffix_size = strlen(suffix);

        return size >= suffix_size && memcmp(text + size - suffix_size, suffix, suffix_size) == 0;
}

bool text_matches_glob(const char *pattern, const char *text)
{
        const char *star = NULL, *resume = NULL;

        /* Only the last star seen needs to be tried again: what earlier ones
         * matched stays matched, so this is at most size times size steps. */
        while (*text) {
                if (*pattern == '*') {
                        star = ++pattern;
                        resume = text;
                } else if (lower(*pattern) == lower(*text)) {
                        pattern++;
                        text++;
                } else if (star) {
                        pattern = star;
                        text = ++resume;
                } else {
                        return false;
                }
        }
        while (*pattern == '*')
                pattern++;
        return *pattern == '\0';
}

/* One part and the dot after it; false when the part is no number. */
static bool take_version_part(const char **text, uint64_t *ret_value)
{
        const char *end;

        if (**text == '\0') {
                *ret_value = 0;
                return true;
        }
        int r = parse_digits(*text, ret_value, &end);
        if (r == -ERANGE) {
                *ret_value = UINT64_MAX;
                end = *text + strspn(*text, "0123456789");
        } else if (r < 0) {
                return false;
        }
        if (*end != '.' && *end != '\0')
                return false;
        *text = end + (*end == '.');
        return true;
}

int text_compare_versions(const char *a, const char *b)
{
        while (*a || *b) {
                uint64_t x, y;

                if (!take_version_part(&a, &x) || !take_version_part(&b, &y))
                        return 0;
                if (x != y)
                        return x < y ? -1 : 1;
        }
        return 0;
}

size_t text_utf8_next(const unsigned char *text, size_t size, uint32_t *ret_code_point)
{
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint32_t code;
        size_t length;

        if (size == 0)
                return 0;
        if (text[0] < 0x80) {
                *ret_code_point = text[0];
                return 1;
        }
        if (text[0] < 0xc2 || text[0] > 0xf4)
                return 0;
        length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
        if (size < length)
                return 0;
        code = text[0] & (0x7fU >> length);
        for (size_t i = 1; i < length; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (text[i] & 0x3fU);
        }
        if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
                return 0;
        *ret_code_point = code;
        return length;
}
