/* The reader where memory is short: the first byte says which allocation of ours
 * fails.  What was refused for that is read as ever when there is memory again.
 * And the parser by itself, without the scan that otherwise comes before it. */
#include "fsp/message.h"
#include "fuzz.h"
#include "message/decode.h"
#include "message/parse.h"
#include "message/scan.h"
#include <libxml/xmlerror.h>
#include <libxml/xmlmemory.h>
#include <string.h>

/* --wrap at the linking brings the calls of our rooms here. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

#define LIBRARY 0x7F
static unsigned until_failure; /* 0: none fails */

static int library_fails; /* at its first allocation */

static int fails(void)
{
        return until_failure > 0 && --until_failure == 0;
}

void *__wrap_malloc(size_t size)
{
        return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
        return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
        return fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
        return fails() ? NULL : __real_reallocarray(old, count, size);
}

/* The XML library's.  It does not look at each result, but at its first one. */
static void *library_malloc(size_t size)
{
        return library_fails ? NULL : __real_malloc(size);
}

static void say_nothing(void *arg, const char *format, ...)
{
        (void)arg;
        (void)format;
}

static char *topics[] = { "*" };
static const struct config policy = { .policy = { .min_client_version = "0", .topics = { topics, 1 } } };

static void read_whole(unsigned failing, const uint8_t *data, size_t size)
{
        struct reader *reader = NULL;
        struct report report = { 0 }, again = { 0 };
        const char *why;
        until_failure = failing;
        library_fails = failing == LIBRARY;
        int r = reader_new(&reader);
        library_fails = 0;
        enum verdict verdict =
                r < 0 ? VERDICT_BUSY : reader_read(reader, &policy, NULL, data, size, &report, &why);
        until_failure = 0;
        MUST(r == 0 || reader_new(&reader) == 0);
        enum verdict then = reader_read(reader, &policy, NULL, data, size, &again, &why);
        MUST(verdict == VERDICT_BUSY || verdict == then);
        MUST(then != VERDICT_BUSY);
        report_free(&report);
        report_free(&again);
        reader_free(reader);
        reader_free(NULL);
}

static void parse_alone(unsigned failing, const uint8_t *data, size_t size)
{
        struct parser *parser = NULL;
        struct report report = { 0 };
        const char *why = NULL;
        until_failure = failing;
        library_fails = failing == LIBRARY;
        int r = parser_new(&parser);
        library_fails = 0;
        if (r == 0) {
                enum verdict verdict =
                        parser_read(parser, VALIDATE_WELLFORMED, (const char *)data, size, &report, &why);
                MUST(verdict != VERDICT_ACCEPTED ||
                     scan_message((const char *)data, size, &why) != VERDICT_DOCTYPE);
        }
        until_failure = 0;
        if (r == 0) { /* and then the library's */
                library_fails = 1;
                MUST(parser_read(parser, VALIDATE_WELLFORMED, (const char *)data, size, &report, &why) ==
                     VERDICT_BUSY);
                library_fails = 0;
        }
        report_free(&report);
        parser_free(parser);
        parser_free(NULL);
}

/* libxml2 2.9.14 reads beyond its memory when it meets what is no UTF-8: without
 * decode.c in front it is not to be used at all. */
static void decode_and_parse(unsigned failing, const uint8_t *data, size_t size)
{
        struct decode_buffer buffer = { 0 };
        struct decoded decoded;
        const char *why;
        if (decode_message(&buffer, data, size, &decoded, &why) == VERDICT_ACCEPTED)
                parse_alone(failing, (const uint8_t *)decoded.text, decoded.size);
        decode_buffer_free(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static int prepared;
        xmlSetGenericErrorFunc(NULL, say_nothing);
        if (!prepared)
                MUST(xmlMemSetup(free, library_malloc, __real_realloc, strdup) == 0);
        prepared = 1;
        if (size == 0)
                return 0;
        unsigned failing = data[0] & 0x7F;
        uint8_t *bytes = __real_malloc(size);
        MUST(bytes);
        memcpy(bytes, data + 1, size - 1);
        bytes[size - 1] = '\0';
        if (data[0] & 0x80)
                decode_and_parse(failing, bytes, size - 1);
        else
                read_whole(failing, bytes, size - 1);
        free(bytes);
        return 0;
}
