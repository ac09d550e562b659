/* params: see include/fsp/params.h. */
#include "fsp/params.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_ESCAPE 6 /* \u001F */
#define BLOCK 16

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

static bool is_plain(unsigned char c)
{
        return (c >= 0x20) & (c != '"') & (c != '\\'); /* without a branch, for put_block */
}

/* So many characters as they are; false when one of them does not stand so.  Compilers take all
 * of them at once. */
static inline bool put_block(char *out, const char *in)
{
        unsigned char bytes[BLOCK], other = 0;
        memcpy(bytes, in, BLOCK);
        for (size_t i = 0; i < BLOCK; i++)
                other |= (unsigned char)!is_plain(bytes[i]);
        memcpy(out, bytes, BLOCK);
        return other == 0;
}

static char *put_string(char *out, const char *in, size_t size)
{
        const char *end = in + size;
        *out++ = '"';
        while (in < end) {
                if (end - in >= BLOCK && put_block(out, in)) {
                        in += BLOCK;
                        out += BLOCK;
                        continue;
                }
                const char *until = end - in >= BLOCK ? in + BLOCK : end;
                for (; in < until; in++) {
                        if (is_plain((unsigned char)*in))
                                *out++ = *in;
                        else
                                out = put_escaped(out, (unsigned char)*in);
                }
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
