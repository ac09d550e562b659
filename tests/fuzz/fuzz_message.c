/* Decoding, multipart, pre-scan, parser, facts: the whole reader.  The first
 * byte picks the policy and the content type.  What is accepted comes back from
 * the form that the ledger gives it. */
#include "fsp/message.h"
#include "fsp/text.h"
#include "fuzz.h"
#include "ledger/body.h"
#include "ledger/texts.h"
#include <string.h>

static void look_at_text(const char *text, size_t size)
{
        MUST(!text || strlen(text) <= size * 3);
}

static size_t expect_unit(const struct report *report, size_t at, uint32_t unit)
{
        MUST(at + 2 <= report->size);
        MUST(report->bytes[at] == (unit & 0xFF) && report->bytes[at + 1] == unit >> 8);
        return at + 2;
}

/* The text is the bytes, unit for unit, to the end. */
static void look_at_whole_text(const struct report *report)
{
        const unsigned char *text = (const unsigned char *)report->text;
        size_t at = report->size >= 2 && memcmp(report->bytes, "\xFF\xFE", 2) == 0 ? 2 : 0;
        for (size_t i = 0, length; i < report->text_size; i += length) {
                uint32_t c;
                length = text_utf8_next(text + i, report->text_size - i, &c);
                MUST(length > 0);
                if (c >= 0x10000) {
                        at = expect_unit(report, at, 0xD800 + ((c - 0x10000) >> 10));
                        c = 0xDC00 + ((c - 0x10000) & 0x3FF);
                }
                at = expect_unit(report, at, c);
        }
        MUST(at == report->size);
}

static void look_at_texts(const struct state_message *state, const struct texts *texts)
{
        MUST(!texts->details == !state->details && texts->param_count == state->param_count);
        MUST(!state->details || strcmp(texts->details, state->details) == 0);
        for (size_t i = 0; i < state->param_count; i++)
                MUST(strcmp(texts->params[i], state->params[i]) == 0);
        free(texts->memory);
}

static void look_at_packed_texts(const struct report *report, const unsigned char *packed, size_t packed_size,
                                 const unsigned char *body, size_t body_size)
{
        struct texts texts;
        unsigned char *alone;
        size_t alone_size;
        MUST(texts_unpack(packed, packed_size, body, body_size, report->size, &texts) == 0);
        look_at_texts(&report->states[0], &texts);
        MUST(texts_pack_alone(packed, packed_size, body, body_size, report->size, &alone, &alone_size) == 0);
        MUST(texts_unpack(alone, alone_size, NULL, 0, report->size, &texts) == 0);
        look_at_texts(&report->states[0], &texts);
        free(alone);
}

static void look_at_body(const struct report *report)
{
        static unsigned char *packed;
        static size_t packed_room;
        unsigned char *bytes;
        size_t packed_size;
        MUST(body_pack(report, &packed, &packed_room, &packed_size) == 0 && packed_size <= report->size);
        size_t texts_size = 0;
        if (packed_size < report->size)
                texts_size = texts_pack(report, packed + packed_size, packed_room - packed_size);
        if (texts_size > 0)
                look_at_packed_texts(report, packed + packed_size, texts_size, packed, packed_size);
        MUST(body_unpack(packed, packed_size, report->size, &bytes) == 0);
        MUST(memcmp(bytes, report->bytes, report->size) == 0);
        free(bytes);
}

static void look_at_accepted(const struct report *report, const unsigned char *bytes, size_t size)
{
        MUST(report->bytes >= bytes && report->bytes + report->size <= bytes + size && report->size > 0);
        MUST(report->state_count <= MESSAGE_MAX_STATES);
        if (report->text)
                look_at_whole_text(report);
        look_at_body(report);
        look_at_text(report->client_id, size);
        look_at_text(report->netbios_name, size);
        look_at_text(report->client_version, size);
        for (size_t i = 0; i < report->state_count; i++) {
                const struct state_message *state = &report->states[i];
                MUST(state->param_count <= MESSAGE_MAX_PARAMS && state->topic_type >= 0 &&
                     state->state_id >= 0);
                for (size_t j = 0; j < state->param_count; j++)
                        look_at_text(state->params[j], size);
                look_at_text(state->details, size);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct reader *reader;
        static struct report report;
        static char *topics[] = { "*" };
        struct config policy = { .policy = { .min_client_version = "4.00", .topics = { topics, 1 } } };
        const char *why;
        if (!reader)
                MUST(reader_new(&reader) == 0);
        if (size == 0)
                return 0;
        policy.policy.validate = data[0] & 1 ? VALIDATE_WELLFORMED : VALIDATE_REPORT;
        const char *type = data[0] & 2 ? "multipart/mixed; boundary=x" : NULL;
        unsigned char *bytes = malloc(size - 1 ? size - 1 : 1);
        MUST(bytes);
        if (size > 1)
                memcpy(bytes, data + 1, size - 1);
        if (reader_read(reader, &policy, type, bytes, size - 1, &report, &why) == VERDICT_ACCEPTED)
                look_at_accepted(&report, bytes, size - 1);
        free(bytes);
        return 0;
}
