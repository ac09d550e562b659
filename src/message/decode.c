/* decode: UTF-8 and UTF-16, strictly, in one pass over the bytes.
 *
 * What the XML library is later given is sound UTF-8 whatever arrived, so it
 * never has to guess or to convert. */
#include "message/decode.h"
#include "fsp/text.h"
#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NOT_DECODED SIZE_MAX

enum form { FORM_UTF8, FORM_UTF16LE, FORM_UTF16BE };

static enum form find_form(const unsigned char *bytes, size_t size, size_t *ret_bom_size)
{
        *ret_bom_size = 0;
        if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
                *ret_bom_size = 3;
                return FORM_UTF8;
        }
        if (size < 2)
                return FORM_UTF8;
        if ((bytes[0] == 0xFF && bytes[1] == 0xFE) || (bytes[0] == 0xFE && bytes[1] == 0xFF)) {
                *ret_bom_size = 2;
                return bytes[0] == 0xFF ? FORM_UTF16LE : FORM_UTF16BE;
        }
        /* An XML text begins with '<' or white space, so one of two bytes tells. */
        if (bytes[0] != 0 && bytes[0] < 0x80 && bytes[1] == 0)
                return FORM_UTF16LE;
        if (bytes[0] == 0 && bytes[1] != 0 && bytes[1] < 0x80)
                return FORM_UTF16BE;
        return FORM_UTF8;
}

static bool is_white(uint32_t c)
{
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* A character of XML 1.0, surrogates aside: the decoders let none through. */
static inline bool is_xml_character(uint32_t c)
{
        return (c >= 0x20 || is_white(c)) && c != 0xFFFE && c != 0xFFFF;
}

/* Where the text ends that begins at start; what follows are NULs and white
 * space.  *ret_staged_size is where the first of those NULs stands. */
static size_t find_end(const unsigned char *bytes, size_t start, size_t size, enum form form,
                       size_t *ret_staged_size)
{
        const size_t width = form == FORM_UTF8 ? 1 : 2;
        size_t end = size, staged_size = size;

        while (end - start >= width) {
                uint32_t unit = bytes[end - 1];
                if (form == FORM_UTF16LE)
                        unit = unit << 8 | bytes[end - 2];
                else if (form == FORM_UTF16BE)
                        unit |= (uint32_t)bytes[end - 2] << 8;
                if (unit == 0)
                        staged_size = end - width;
                else if (!is_white(unit))
                        break;
                end -= width;
        }
        *ret_staged_size = staged_size;
        return end;
}

static uint64_t load_le64(const void *bytes)
{
        uint64_t word;

        memcpy(&word, bytes, sizeof word);
        return le64toh(word);
}

/* How many of the eight bytes, from the first on, are from 0x20 to 0x7F.  A
 * borrow spoils only bytes behind the first that is not. */
static inline size_t count_plain_utf8(const unsigned char *in)
{
        uint64_t word = load_le64(in);
        uint64_t other = (word | (word - 0x2020202020202020U)) & 0x8080808080808080U;

        return other == 0 ? 8 : (size_t)__builtin_ctzll(other) / 8;
}

static size_t take_utf8(const unsigned char *text, size_t size, char *out)
{
        size_t at = 0;

        while (at < size) {
                if (size - at >= 8) {
                        size_t plain = count_plain_utf8(text + at);
                        at += plain;
                        if (plain == 8)
                                continue;
                }
                uint32_t c = text[at];
                size_t length = 1;
                if (c >= 0x80)
                        length = text_utf8_next(text + at, size - at, &c);
                if (length == 0 || !is_xml_character(c))
                        return NOT_DECODED;
                at += length;
        }
        memcpy(out, text, size);
        return size;
}

/* Up to three bytes for one unit, four for a pair. */
static char *put_utf8(char *out, uint32_t c)
{
        if (c < 0x80) {
                *out++ = (char)c;
        } else if (c < 0x800) {
                *out++ = (char)(0xC0 | c >> 6);
                *out++ = (char)(0x80 | (c & 0x3F));
        } else {
                if (c < 0x10000) {
                        *out++ = (char)(0xE0 | c >> 12);
                } else {
                        *out++ = (char)(0xF0 | c >> 18);
                        *out++ = (char)(0x80 | (c >> 12 & 0x3F));
                }
                *out++ = (char)(0x80 | (c >> 6 & 0x3F));
                *out++ = (char)(0x80 | (c & 0x3F));
        }
        return out;
}

#define BLOCK 16

/* Packs so many units into as many bytes; false when one of them is not from 0x20 to 0x7F.
 * Without a branch a character, so that compilers take many at once. */
static inline bool pack_block_utf16(const unsigned char *in, bool big, char *out)
{
        uint16_t units[BLOCK], other = 0;

        memcpy(units, in, sizeof units);
        for (size_t i = 0; i < BLOCK; i++) {
                uint16_t unit = big ? be16toh(units[i]) : le16toh(units[i]);
                other |= (uint16_t)(unit | (uint16_t)(unit - 0x20));
                out[i] = (char)unit;
        }
        return (other & 0xFF80) == 0;
}

/* Packs four units into four bytes; gives how many of them, from the first on,
 * are from 0x20 to 0x7F and so stand there rightly. */
static inline size_t pack_plain_utf16(const unsigned char *in, bool big, char *out)
{
        uint64_t word = load_le64(in);

        if (big)
                word = (word & 0xFF00FF00FF00FF00U) >> 8 | (word & 0x00FF00FF00FF00FFU) << 8;
        uint64_t other = (word | (word - 0x0020002000200020U)) & 0xFF80FF80FF80FF80U;
        word = (word | word >> 8) & 0x0000FFFF0000FFFFU;
        uint32_t packed = htole32((uint32_t)(word | word >> 16));
        memcpy(out, &packed, sizeof packed);
        return other == 0 ? 4 : (size_t)__builtin_ctzll(other) / 16;
}

struct utf16 {
        const unsigned char *in, *end;
        char *out; /* three bytes for each unit */
};

/* Up to stop, or the pair there; false when something is no text.  This one and the next are
 * always inlined with a constant big, so that the loops have no branch on it. */
static inline __attribute__((always_inline)) bool decode_any(struct utf16 *text, const unsigned char *stop,
                                                             bool big)
{
        const unsigned char *in = text->in;
        char *out = text->out;

        while (in < stop) {
                if (stop - in >= 8) {
                        size_t plain = pack_plain_utf16(in, big, out);
                        in += plain * 2;
                        out += plain;
                        if (plain == 4)
                                continue;
                }
                uint32_t c = (uint32_t)in[big ? 0 : 1] << 8 | in[big ? 1 : 0];
                in += 2;
                if (c >= 0xD800 && c <= 0xDFFF) {
                        if (c >= 0xDC00 || in == text->end)
                                return false;
                        uint32_t low = (uint32_t)in[big ? 0 : 1] << 8 | in[big ? 1 : 0];
                        if (low < 0xDC00 || low > 0xDFFF)
                                return false;
                        in += 2;
                        c = 0x10000 + ((c - 0xD800) << 10 | (low - 0xDC00));
                }
                if (!is_xml_character(c))
                        return false;
                out = put_utf8(out, c);
        }
        text->in = in;
        text->out = out;
        return true;
}

static inline __attribute__((always_inline)) size_t decode_utf16(const unsigned char *in, size_t size,
                                                                 bool big, char *out)
{
        struct utf16 text = { .in = in, .end = in + size, .out = out };

        while (text.in < text.end) {
                bool whole = text.end - text.in >= 2 * BLOCK;
                if (whole && pack_block_utf16(text.in, big, text.out)) {
                        text.in += 2 * BLOCK;
                        text.out += BLOCK;
                } else if (!decode_any(&text, whole ? text.in + 2 * BLOCK : text.end, big)) {
                        return NOT_DECODED;
                }
        }
        return (size_t)(text.out - out);
}

/* in is white space alone, see find_end. */
static size_t append_white_utf16le(const unsigned char *in, size_t size, char *out)
{
        for (size_t i = 0; i < size / 2; i++)
                out[i] = (char)in[2 * i];
        return size / 2;
}

static int reserve(struct decode_buffer *buffer, size_t size)
{
        if (buffer->size >= size)
                return 0;
        char *data = malloc(size);
        if (data == NULL)
                return -1;
        free(buffer->data);
        *buffer = (struct decode_buffer){ .data = data, .size = size };
        return 0;
}

void decode_buffer_free(struct decode_buffer *buffer)
{
        free(buffer->data);
        *buffer = (struct decode_buffer){ 0 };
}

enum verdict decode_message(struct decode_buffer *buffer, const unsigned char *bytes, size_t size,
                            struct decoded *ret_decoded, const char **ret_why)
{
        size_t start, staged_size;
        enum form form = find_form(bytes, size, &start);

        if (form != FORM_UTF8 && size % 2 != 0 && bytes[size - 1] == 0)
                size--;
        if (form != FORM_UTF8 && size % 2 != 0) {
                *ret_why = "an odd number of UTF-16 bytes";
                return VERDICT_ENCODING;
        }
        size_t end = find_end(bytes, start, size, form, &staged_size);
        if (end == start)
                return VERDICT_EMPTY;

        size_t text_size = end - start;
        if (reserve(buffer, (form == FORM_UTF8 ? text_size : (staged_size - start) / 2 * 3) + 1) < 0)
                return VERDICT_BUSY;
        char *text = buffer->data;
        if (form == FORM_UTF8)
                text_size = take_utf8(bytes + start, text_size, text);
        else if (form == FORM_UTF16BE)
                text_size = decode_utf16(bytes + start, text_size, true, text);
        else
                text_size = decode_utf16(bytes + start, text_size, false, text);
        if (text_size == NOT_DECODED) {
                *ret_why = form == FORM_UTF8 ? "not valid UTF-8, or a character that XML does not allow"
                                             : "not valid UTF-16, or a character that XML does not allow";
                return VERDICT_ENCODING;
        }
        *ret_decoded = (struct decoded){ .text = text, .size = text_size, .staged_size = staged_size };
        if (form == FORM_UTF16LE) {
                text_size += append_white_utf16le(bytes + end, staged_size - end, text + text_size);
                ret_decoded->whole_size = text_size;
        }
        text[text_size] = '\0';
        return VERDICT_ACCEPTED;
}

bool decode_looks_like_xml(const unsigned char *bytes, size_t size)
{
        size_t start;

        (void)find_form(bytes, size, &start); /* only the BOM matters */
        while (start < size && (bytes[start] == 0 || is_white(bytes[start])))
                start++;
        return start < size && bytes[start] == '<';
}
