/* body: packing and unpacking, see body.h.
 *
 * UTF-16 of mostly ASCII is packed in half the time, and to fewer bytes, when
 * every second byte, a NUL, is left out before. */
#include "body.h"

#include "fsp/fsutil.h"
#include "fsp/text.h"
#include "packing.h"
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>

/* Begins what is packed with body_words.  What LZ4 packs without begins with bytes of its
 * own, whose number is in the upper half of the first: not so. */
#define WITH_WORDS 0x01
#define MARK "\xFF\xFE"
#define MARK_SIZE 2
#define HIGH_BITS 0x8080808080808080U

/* Two bytes for each character, and two more for each that takes four bytes here:
 * for each first byte, so that all after it count for nothing. */
static size_t utf16_size(const unsigned char *text, size_t size)
{
        size_t units = 0, at = 0;

        while (at < size) {
                uint64_t word, words[4];
                if (size - at >= sizeof words) {
                        memcpy(words, text + at, sizeof words);
                        if (((words[0] | words[1] | words[2] | words[3]) & HIGH_BITS) == 0) {
                                units += sizeof words;
                                at += sizeof words;
                                continue;
                        }
                }
                if (size - at >= sizeof word) {
                        memcpy(&word, text + at, sizeof word);
                        if ((word & HIGH_BITS) == 0) {
                                units += sizeof word;
                                at += sizeof word;
                                continue;
                        }
                }
                units += (text[at] & 0xC0) != 0x80;
                units += text[at++] >= 0xF0;
        }
        return units * 2;
}

/* What has become of a caller's report since it was read is seen here, not when
 * the bytes are gone.  Text that is not much shorter, of another script than
 * Latin, gains nothing. */
static bool is_text_fit(const struct report *report)
{
        if (!report->text || report->text_size > report->size / 3 * 2)
                return false;
        size_t mark_size = memcmp(report->bytes, MARK, MARK_SIZE) == 0 ? MARK_SIZE : 0;
        return mark_size + utf16_size((const unsigned char *)report->text, report->text_size) == report->size;
}

static int reserve(unsigned char **packed, size_t *packed_room, size_t room)
{
        if (*packed_room >= room)
                return 0;
        unsigned char *larger = realloc(*packed, room);
        if (!larger)
                return -ENOMEM;
        *packed = larger;
        *packed_room = room;
        return 0;
}

int body_pack(const struct report *report, unsigned char **packed, size_t *packed_room, size_t *ret_size)
{
        bool as_text = is_text_fit(report);
        const char *source = as_text ? report->text : (const char *)report->bytes;
        size_t size = as_text ? report->text_size : report->size;
        assert(report->size <= LZ4_MAX_INPUT_SIZE);
        size_t bound = packing_bound(size) + 1;
        if (reserve(packed, packed_room, bound > report->size ? bound : report->size) < 0)
                return -ENOMEM;
        **packed = WITH_WORDS;
        size_t length = packing_behind_words(source, size, *packed + 1, *packed_room - 1);
        if (length > 0 && length + 1 < report->size) {
                *ret_size = length + 1;
                return 0;
        }
        memcpy(*packed, report->bytes, report->size);
        *ret_size = report->size;
        return 0;
}

static unsigned char *put_unit(unsigned char *out, uint32_t unit)
{
        *out++ = (unsigned char)unit;
        *out++ = (unsigned char)(unit >> 8);
        return out;
}

/* Four characters of ASCII into four units; false when one is none. */
static bool put_plain(unsigned char *out, const unsigned char *text)
{
        uint32_t four;

        memcpy(&four, text, sizeof four);
        uint64_t word = le32toh(four);
        if (word & (uint32_t)HIGH_BITS)
                return false;
        word = (word | word << 16) & 0x0000FFFF0000FFFFU;
        word = htole64((word | word << 8) & 0x00FF00FF00FF00FFU);
        memcpy(out, &word, sizeof word);
        return true;
}

/* out has the text's utf16_size: to what comes before a fault, that has counted
 * just what is put here.  False when the text is not sound. */
static bool encode(const unsigned char *text, size_t size, unsigned char *out)
{
        const unsigned char *end = text + size;

        while (text < end) {
                if (end - text >= 4 && put_plain(out, text)) {
                        text += 4;
                        out += 8;
                        continue;
                }
                uint32_t c;
                size_t length = text_utf8_next(text, (size_t)(end - text), &c);
                if (length == 0)
                        return false;
                text += length;
                if (c >= 0x10000) {
                        out = put_unit(out, 0xD800 + ((c - 0x10000) >> 10));
                        c = 0xDC00 + ((c - 0x10000) & 0x3FF);
                }
                out = put_unit(out, c);
        }
        return true;
}

/* bytes holds the text and becomes what it was made of. */
static int restore(unsigned char **bytes, size_t text_size, size_t size)
{
        size_t plain_size = utf16_size(*bytes, text_size);

        if (plain_size != size && plain_size + MARK_SIZE != size)
                return -EUCLEAN;
        size_t mark_size = size - plain_size;
        unsigned char *restored AUTO_FREE = malloc(size);
        if (!restored)
                return -ENOMEM;
        memcpy(restored, MARK, mark_size);
        if (!encode(*bytes, text_size, restored + mark_size))
                return -EUCLEAN;
        unsigned char *text = *bytes;
        *bytes = restored;
        restored = text;
        return 0;
}

static int decompress(const unsigned char *data, size_t packed_size, unsigned char *source, size_t room)
{
        if (packed_size > 0 && *data == WITH_WORDS)
                return packing_undo_behind_words(data + 1, packed_size - 1, source, room);
        return packing_undo(data, packed_size, NULL, 0, source, room);
}

int body_source(const void *data, size_t packed_size, size_t size, unsigned char **ret_source,
                size_t *ret_source_size)
{
        if (packed_size > size || size > LZ4_MAX_INPUT_SIZE)
                return -EUCLEAN;
        unsigned char *source AUTO_FREE = malloc(size + 1); /* never of no size */
        if (!source)
                return -ENOMEM;
        int length = (int)size;
        if (packed_size < size)
                length = decompress(data, packed_size, source, size);
        else if (size > 0)
                memcpy(source, data, size);
        if (length < 0)
                return length;
        *ret_source = source;
        source = NULL;
        *ret_source_size = (size_t)length;
        return 0;
}

int body_unpack(const void *data, size_t packed_size, size_t size, unsigned char **ret_bytes)
{
        unsigned char *bytes AUTO_FREE = NULL;
        size_t source_size = 0;
        int r = body_source(data, packed_size, size, &bytes, &source_size);
        if (r == 0 && source_size != size)
                r = restore(&bytes, source_size, size);
        if (r < 0)
                return r;
        *ret_bytes = bytes;
        bytes = NULL;
        return 0;
}
