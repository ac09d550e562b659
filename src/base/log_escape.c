/* The one place where hostile text is made harmless: see include/fsp/log.h. */
#include "fsp/log.h"
#include "fsp/text.h"
#include <assert.h>
#include <string.h>

/* What a reader of the two line formats takes for a part of the line itself. */
static const char *const markers[] = { "$$<", "]LOG]!>", "<![LOG[" };

static bool begins_marker(const unsigned char *text, size_t size)
{
        for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
                size_t length = strlen(markers[i]);
                if (size >= length && memcmp(text, markers[i], length) == 0)
                        return true;
        }
        return false;
}

static bool is_printable(uint32_t code)
{
        static const struct {
                uint32_t first, last;
        } hidden[] = {
                { 0x0000, 0x001f }, /* C0 */
                { 0x007f, 0x009f }, /* DEL, C1 */
                { 0x061c, 0x061c }, /* Arabic letter mark */
                { 0x200e, 0x200f }, /* left-to-right and right-to-left mark */
                { 0x2028, 0x202e }, /* line and paragraph separator, embeddings, overrides */
                { 0x2066, 0x2069 }, /* isolates */
        };

        for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
                if (code >= hidden[i].first && code <= hidden[i].last)
                        return false;
        }
        return true;
}

/* The bytes of the next character; *ret_plain when it may stand as it is. */
static size_t next_character(const unsigned char *text, size_t size, bool *ret_plain)
{
        uint32_t code;
        size_t length = text_utf8_next(text, size, &code);

        *ret_plain = length > 0 && is_printable(code);
        /* Its first byte alone is hidden; the others are plain then. */
        if (*ret_plain && begins_marker(text, size))
                *ret_plain = false;
        return length > 0 ? length : 1;
}

/* How many bytes, from the first on, need no second look. */
static size_t count_ordinary(const unsigned char *text, size_t size)
{
        size_t count = 0;

        while (count < size && text[count] >= 0x20 && text[count] < 0x7f && text[count] != '$' &&
               text[count] != ']' && text[count] != '<')
                count++;
        return count;
}

size_t log_escape(char *ret, size_t ret_size, const void *text, size_t size)
{
        static const char hex[] = "0123456789ABCDEF";
        const unsigned char *next = text, *end = next + size;
        size_t used = 0;

        assert(ret_size > 0);
        while (next < end) {
                size_t left = (size_t)(end - next), room = ret_size - 1 - used;
                size_t ordinary = count_ordinary(next, left < room ? left : room);
                bool plain;

                if (ordinary > 0) {
                        memcpy(ret + used, next, ordinary);
                        used += ordinary;
                        next += ordinary;
                        continue;
                }
                size_t length = next_character(next, left, &plain);
                if (length * (plain ? 1 : 4) > room)
                        break; /* no half characters */
                if (plain) {
                        memcpy(ret + used, next, length);
                        used += length;
                }
                for (size_t i = 0; !plain && i < length; i++) {
                        ret[used++] = '\\';
                        ret[used++] = 'x';
                        ret[used++] = hex[next[i] >> 4];
                        ret[used++] = hex[next[i] & 0xf];
                }
                next += length;
        }
        ret[used] = '\0';
        return used;
}

/* The largest number of bytes up to limit that ends with a whole character. */
static size_t cut_at_character(const unsigned char *text, size_t size, size_t limit)
{
        size_t cut = limit;

        while (cut > 0 && limit - cut < 3 && (text[cut] & 0xc0) == 0x80)
                cut--;
        uint32_t code;
        size_t length = text_utf8_next(text + cut, size - cut, &code);
        return cut + length > limit ? cut : limit;
}

const char *log_field(struct log_field *buffer, const void *text, size_t size)
{
        size_t cut = size, used;

        if (!text) {
                memcpy(buffer->text, "-", 2);
                return buffer->text;
        }
        if (size > LOG_FIELD_BYTES)
                cut = cut_at_character(text, size, LOG_FIELD_BYTES);
        used = log_escape(buffer->text, sizeof(buffer->text) - 3, text, cut);
        if (cut < size)
                memcpy(buffer->text + used, "...", 4);
        return buffer->text;
}
