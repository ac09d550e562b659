#include "admin/web_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum width { WIDTH_BYTES, WIDTH_LITTLE, WIDTH_BIG };

static enum width find_width(const unsigned char *bytes, size_t size)
{
        if (size < 2)
                return WIDTH_BYTES;
        if ((bytes[0] == 0xFF && bytes[1] == 0xFE) || (bytes[0] && !bytes[1]))
                return WIDTH_LITTLE;
        if ((bytes[0] == 0xFE && bytes[1] == 0xFF) || (!bytes[0] && bytes[1]))
                return WIDTH_BIG;
        return WIDTH_BYTES;
}

static uint32_t unit_at(const unsigned char *bytes, enum width width)
{
        return width == WIDTH_LITTLE ? (uint32_t)(bytes[0] | bytes[1] << 8)
                                     : (uint32_t)(bytes[0] << 8 | bytes[1]);
}

static char *put_code_point(char *to, uint32_t code)
{
        if (code < 0x80) {
                *to++ = (char)code;
                return to;
        }
        if (code < 0x800) {
                *to++ = (char)(0xC0 | code >> 6);
        } else if (code < 0x10000) {
                *to++ = (char)(0xE0 | code >> 12);
                *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        } else {
                *to++ = (char)(0xF0 | code >> 18);
                *to++ = (char)(0x80 | (code >> 12 & 0x3F));
                *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        }
        *to++ = (char)(0x80 | (code & 0x3F));
        return to;
}

int web_text_decode(const unsigned char *bytes, size_t size, char **ret_text)
{
        enum width width = find_width(bytes, size);
        char *text = malloc(size * 2 + 1); /* two bytes of UTF-16 are at most three of UTF-8 */
        char *to = text;
        if (!text)
                return -ENOMEM;
        for (size_t i = 0; width == WIDTH_BYTES && i < size; i++)
                if (bytes[i])
                        *to++ = (char)bytes[i];
        for (size_t i = 0; width != WIDTH_BYTES && i + 1 < size; i += 2) {
                uint32_t unit = unit_at(bytes + i, width);
                uint32_t low = i + 3 < size ? unit_at(bytes + i + 2, width) : 0;
                if (unit == 0 || (unit == 0xFEFF && i == 0))
                        continue;
                if ((unit & 0xFC00) == 0xD800 && (low & 0xFC00) == 0xDC00) {
                        unit = 0x10000 + ((unit & 0x3FF) << 10 | (low & 0x3FF));
                        i += 2;
                }
                to = put_code_point(to, unit);
        }
        *to = '\0';
        *ret_text = text;
        return 0;
}
