/* verdict: the one table of what a client may be told. */
#include "fsp/verdict.h"
#include <assert.h>
#include <stddef.h>

#define SOON_S 10  /* what passes by itself */
#define STORE_S 30 /* what takes a forwarding run or a person */

/* Indexed by verdict. */
static const struct verdict_info table[] = {
        [VERDICT_ACCEPTED] = { 200, "accepted", "", 0 },
        [VERDICT_DUPLICATE] = { 200, "duplicate", "", 0 },
        [VERDICT_EMPTY] = { 400, "empty", "The request has no message in it.", 0 },
        [VERDICT_ENCODING] = { 400, "encoding", "The message is neither valid UTF-8 nor valid UTF-16.", 0 },
        [VERDICT_NOT_XML] = { 400, "not_xml", "The message is not well-formed XML 1.0 with namespaces.", 0 },
        [VERDICT_DOCTYPE] = { 400, "doctype", "The message holds a DOCTYPE or a processing instruction.", 0 },
        [VERDICT_TOO_COMPLEX] = { 400, "too_complex",
                                  "The message has too many elements, attributes or levels.", 0 },
        [VERDICT_NOT_A_REPORT] = { 400, "not_a_report", "The message is not a state message report.", 0 },
        [VERDICT_MULTIPART] = { 400, "multipart",
                                "The multipart body does not hold exactly one state message.", 0 },
        [VERDICT_OLD_CLIENT] = { 403, "old_client", "This client version is not accepted here.", 0 },
        [VERDICT_TOPIC] = { 403, "topic", "This topic type is not accepted here.", 0 },
        [VERDICT_PATH] = { 404, "path", "No fallback status point at this path.", 0 },
        [VERDICT_METHOD] = { 405, "method", "Only POST and CCM_POST are served here.", 0 },
        [VERDICT_FRAMING] = { 400, "framing", "The request head is malformed or ambiguous.", 0 },
        [VERDICT_NO_LENGTH] = { 411, "no_length", "The request tells no length of its body.", 0 },
        [VERDICT_HEAD_TOO_LARGE] = { 431, "head_too_large", "The request head is too large.", 0 },
        [VERDICT_TOO_LARGE] = { 413, "too_large", "The message is too large.", 0 },
        [VERDICT_CONTENT_CODING] = { 415, "content_coding", "A Content-Encoding is not accepted.", 0 },
        [VERDICT_EXPECTATION] = { 417, "expectation", "Only 100-continue can be expected.", 0 },
        [VERDICT_RATE] = { 429, "rate", "Too many messages from this address.", SOON_S },
        [VERDICT_STORE_FULL] = { 503, "store_full", "The staging area is full.", STORE_S },
        [VERDICT_NETWORK_FULL] = { 503, "network_full", "Too many messages of this network wait already.",
                                   STORE_S },
        [VERDICT_DISK_LOW] = { 503, "disk_low", "The disk is nearly full.", STORE_S },
        [VERDICT_STORE_FAULT] = { 503, "store_fault", "The message could not be stored.", STORE_S },
        [VERDICT_BUSY] = { 503, "busy", "Too much to do at the moment.", SOON_S },
        [VERDICT_STOPPING] = { 503, "stopping", "The service is stopping.", STORE_S },
};
_Static_assert(sizeof table / sizeof table[0] == VERDICT_COUNT, "a row for each verdict");

const struct verdict_info *verdict_info(enum verdict verdict)
{
        assert(verdict < VERDICT_COUNT);
        return &table[verdict];
}
