/* message_forms: the example messages in each encoding, for the tests of the reader. */
#ifndef TESTS_MESSAGE_FORMS_H
#define TESTS_MESSAGE_FORMS_H

#include "fsp/fsutil.h"
#include "fsp/text.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct bytes {
        unsigned char *data;
        size_t size;
};

enum message_form {
        AS_UTF8,
        AS_UTF8_BOM,
        AS_UTF16LE,
        AS_UTF16LE_BOM,
        AS_UTF16BE,
        AS_UTF16BE_BOM,
        MESSAGE_FORMS
};

static inline void put_unit(struct bytes *bytes, bool big, uint32_t unit)
{
        bytes->data[bytes->size++] = (unsigned char)(big ? unit >> 8 : unit);
        bytes->data[bytes->size++] = (unsigned char)(big ? unit : unit >> 8);
}

/* To be freed by the caller.  Each block is exactly as large as its text, so
 * that a sanitizer sees a reader that goes too far. */
static inline struct bytes make_form(const void *text, size_t size, enum message_form form)
{
        const bool big = form == AS_UTF16BE || form == AS_UTF16BE_BOM;
        struct bytes bytes = { test_malloc(size * 2 + 3), 0 };

        if (form == AS_UTF8 || form == AS_UTF8_BOM) {
                if (form == AS_UTF8_BOM) {
                        memcpy(bytes.data, "\xEF\xBB\xBF", 3);
                        bytes.size = 3;
                }
                memcpy(bytes.data + bytes.size, text, size);
                bytes.size += size;
        } else {
                if (form == AS_UTF16LE_BOM || form == AS_UTF16BE_BOM)
                        put_unit(&bytes, big, 0xFEFF);
                for (size_t at = 0; at < size;) {
                        uint32_t c;
                        size_t length = text_utf8_next((const unsigned char *)text + at, size - at, &c);
                        assert_true(length > 0);
                        at += length;
                        if (c >= 0x10000) {
                                put_unit(&bytes, big, 0xD800 + ((c - 0x10000) >> 10));
                                c = 0xDC00 + ((c - 0x10000) & 0x3FF);
                        }
                        put_unit(&bytes, big, c);
                }
        }
        bytes.data = test_realloc(bytes.data, bytes.size + (bytes.size == 0));
        return bytes;
}

/* tests/data/messages/NAME.xml, NUL-terminated, to be freed with free(). */
static inline struct bytes load_example(const char *name)
{
        struct bytes bytes;
        char file[128];
        int folder = open(TEST_DATA "/messages", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(folder >= 0);
        assert_true(snprintf(file, sizeof file, "%s.xml", name) < (int)sizeof file);
        assert_int_equal(fsutil_read_at(folder, file, 1 << 20, &bytes.data, &bytes.size), 0);
        fsutil_close_pointer(&folder);
        return bytes;
}

#endif
