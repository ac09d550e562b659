/* Decoding, multipart, pre-scan, parser, facts: the whole reader.  The first
 * byte picks the policy and the content type. */
#include "fsp/message.h"
#include "fuzz.h"
#include <string.h>

static void look_at_text(const char *text, size_t size)
{
        MUST(!text || strlen(text) <= size * 3);
}

static void look_at_accepted(const struct report *report, const unsigned char *bytes, size_t size)
{
        MUST(report->bytes >= bytes && report->bytes + report->size <= bytes + size && report->size > 0);
        MUST(report->state_count <= MESSAGE_MAX_STATES);
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
