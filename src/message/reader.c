/* reader: from the bytes of a request body to a judged report. */
#include "fsp/message.h"
#include "message/decode.h"
#include "message/judge.h"
#include "message/multipart.h"
#include "message/parse.h"
#include "message/report.h"
#include "message/scan.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct reader {
        struct decode_buffer buffer;
        struct parser *parser;
};

int reader_new(struct reader **ret_reader)
{
        struct reader *reader = calloc(1, sizeof *reader);

        if (reader == NULL)
                return -ENOMEM;
        int r = parser_new(&reader->parser);
        if (r < 0) {
                free(reader);
                return r;
        }
        *ret_reader = reader;
        return 0;
}

void reader_free(struct reader *reader)
{
        if (reader == NULL)
                return;
        parser_free(reader->parser);
        decode_buffer_free(&reader->buffer);
        free(reader);
}

/* One message, not wrapped, without a look at the policy's rules. */
static enum verdict read_message(struct reader *reader, enum config_validate validate,
                                 const unsigned char *bytes, size_t size, struct report *report,
                                 const char **ret_why)
{
        struct decoded decoded;

        report_reset(report);
        enum verdict verdict = decode_message(&reader->buffer, bytes, size, &decoded, ret_why);
        if (verdict == VERDICT_ACCEPTED)
                verdict = scan_message(decoded.text, decoded.size, ret_why);
        if (verdict == VERDICT_ACCEPTED)
                verdict = parser_read(reader->parser, validate, decoded.text, decoded.size, report, ret_why);
        if (verdict == VERDICT_ACCEPTED) {
                report->bytes = bytes;
                report->size = decoded.staged_size;
                report->text = decoded.whole_size > 0 ? decoded.text : NULL;
                report->text_size = decoded.whole_size;
        }
        return verdict;
}

/* Exactly one part must be a message.  Where only one can be, its own verdict
 * tells the sender more than that there is none. */
static enum verdict read_parts(struct reader *reader, enum config_validate validate,
                               const struct multipart_part *parts, size_t count, struct report *report,
                               const char **ret_why)
{
        const struct multipart_part *message = NULL, *candidate = NULL;
        size_t messages = 0, candidates = 0;

        for (size_t i = 0; i < count; i++) {
                if (decode_looks_like_xml(parts[i].bytes, parts[i].size)) {
                        candidate = &parts[i];
                        candidates++;
                }
        }
        if (candidates == 1)
                return read_message(reader, validate, candidate->bytes, candidate->size, report, ret_why);
        for (size_t i = 0; i < count && candidates > 1; i++) {
                const char *why;
                if (decode_looks_like_xml(parts[i].bytes, parts[i].size) &&
                    read_message(reader, validate, parts[i].bytes, parts[i].size, report, &why) ==
                            VERDICT_ACCEPTED) {
                        message = &parts[i];
                        messages++;
                }
        }
        if (messages == 1)
                return read_message(reader, validate, message->bytes, message->size, report, ret_why);
        report_reset(report);
        *ret_why = messages == 0 ? "no part is a state message" : "more than one part is a state message";
        return VERDICT_MULTIPART;
}

static enum verdict read_multipart(struct reader *reader, enum config_validate validate,
                                   const char *content_type, const unsigned char *body, size_t size,
                                   struct report *report, const char **ret_why)
{
        struct multipart_part parts[MULTIPART_MAX_PARTS];
        size_t count;

        report_reset(report);
        int r = multipart_split(content_type, body, size, parts, &count);
        if (r < 0) {
                *ret_why = r == -E2BIG ? "too many parts" : "no boundary, or parts that do not end";
                return VERDICT_MULTIPART;
        }
        return read_parts(reader, validate, parts, count, report, ret_why);
}

enum verdict reader_read(struct reader *reader, const struct config *policy, const char *content_type,
                         const void *body, size_t size, struct report *report, const char **ret_why)
{
        const enum config_validate validate = policy->policy.validate;
        enum verdict verdict;

        assert(body != NULL || size == 0);
        *ret_why = NULL;
        /* A body that is XML itself is no multipart, whatever it is labelled. */
        if (multipart_is_type(content_type) && !decode_looks_like_xml(body, size))
                verdict = read_multipart(reader, validate, content_type, body, size, report, ret_why);
        else
                verdict = read_message(reader, validate, body, size, report, ret_why);
        if (verdict == VERDICT_ACCEPTED)
                verdict = judge_report(policy, report, ret_why);
        return verdict;
}
