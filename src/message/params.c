/* params: see include/fsp/params.h. */
#include "fsp/params.h"

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_ESCAPE 6 /* \u001F */

static const char hex[] = "0123456789ABCDEF";

static int make_room(struct params_text *text, size_t more)
{
        if (text->room - text->size >= more)
                return 0;
        size_t room = 2 * text->room + more;
        char *larger = realloc(text->text, room);
        if (!larger)
                return -ENOMEM;
        text->text = larger;
        text->room = room;
        return 0;
}

static char *put_escaped(char *out, unsigned char c)
{
        *out++ = '\\';
        if (c >= 0x20) {
                *out++ = (char)c;
                return out;
        }
        memcpy(out, "u00", 3);
        out[3] = hex[c >> 4];
        out[4] = hex[c & 0xF];
        return out + 5;
}

/* How many of the eight characters, from the first on, stand as they are.  A
 * borrow spoils only those behind the first that does not. */
static size_t count_plain(const char *in)
{
        const uint64_t ones = 0x0101010101010101U, highs = 0x8080808080808080U;
        uint64_t word;
        memcpy(&word, in, sizeof(word));
        word = le64toh(word);
        uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
        uint64_t other = ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
                         ((backslash - ones) & ~backslash);
        other &= highs;
        return other == 0 ? 8 : (size_t)__builtin_ctzll(other) / 8;
}

static char *put_string(char *out, const char *in, size_t size)
{
        const char *end = in + size;
        *out++ = '"';
        while (in < end) {
                if (end - in >= 8) {
                        size_t plain = count_plain(in);
                        memcpy(out, in, 8);
                        in += plain;
                        out += plain;
                        if (plain == 8)
                                continue;
                }
                unsigned char c = (unsigned char)*in++;
                if (c < 0x20 || c == '"' || c == '\\')
                        out = put_escaped(out, c);
                else
                        *out++ = (char)c;
        }
        *out++ = '"';
        return out;
}

int params_write(struct params_text *text, const char *const *params, size_t count)
{
        text->size = 0;
        int r = make_room(text, sizeof("[]"));
        if (r < 0)
                return r;
        text->text[text->size++] = '[';
        for (size_t i = 0; i < count; i++) {
                /* With its quotes, the comma before it and the bracket after it. */
                size_t size = strlen(params[i]);
                r = make_room(text, size * LONGEST_ESCAPE + 4);
                if (r < 0)
                        return r;
                if (i > 0)
                        text->text[text->size++] = ',';
                text->size = (size_t)(put_string(text->text + text->size, params[i], size) - text->text);
        }
        text->text[text->size++] = ']';
        return 0;
}

static const char *skip_blanks(const char *in)
{
        return in + strspn(in, " \t\r\n");
}

/* The value of two digits of hex; negative when they are none. */
static int read_hex(const char *in)
{
        int value = 0;
        for (int i = 0; i < 2; i++) {
                const char *digit = in[i] ? strchr(hex, in[i]) : NULL;
                if (!digit)
                        return -1;
                value = value * 16 + (int)(digit - hex);
        }
        return value;
}

/* What stands behind a backslash; NULL when put_escaped does not write it. */
static const char *read_escaped(const char *in, char *out)
{
        if (*in == '"' || *in == '\\') {
                *out = *in;
                return in + 1;
        }
        int value = strncmp(in, "u00", 3) == 0 ? read_hex(in + 3) : -1;
        if (value <= 0)
                return NULL;
        *out = (char)value;
        return in + 5;
}

/* Behind its first quote; gives what is behind its last. */
static const char *read_string(const char *in, struct params_text *text)
{
        text->size = 0;
        for (;;) {
                size_t plain = strcspn(in, "\"\\");
                if (make_room(text, plain + 2) < 0)
                        return NULL;
                memcpy(text->text + text->size, in, plain);
                text->size += plain;
                in += plain;
                if (*in != '\\')
                        break;
                in = read_escaped(in + 1, text->text + text->size++);
                if (!in)
                        return NULL;
        }
        text->text[text->size] = '\0';
        return *in == '"' ? in + 1 : NULL;
}

const char *params_next(const char **array, struct params_text *text)
{
        const char *in = *array ? skip_blanks(*array) : "";
        *array = NULL; /* nothing more, unless a string is found */
        if (*in != '[' && *in != ',')
                return NULL;
        in = skip_blanks(in + 1);
        if (*in != '"')
                return NULL;
        in = read_string(in + 1, text);
        *array = in;
        return in ? text->text : NULL;
}

void params_free(struct params_text *text)
{
        free(text->text);
        *text = (struct params_text){ 0 };
}
