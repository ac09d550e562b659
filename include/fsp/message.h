/* message: the reader, from the bytes of a request body to plain facts.
 *
 * Owns      decoding (UTF-8/16), multipart unwrapping, the pre-scan and the
 *           XML parser.  The bytes themselves are never changed.
 * Threads   one struct reader belongs to one thread.  A struct report belongs
 *           to its request and may be handed from thread to thread.
 * Crash     nothing is kept.
 *
 * Facts of the protocol: Microsoft's "Configuration Manager State Message XML"
 * (Report, ReportHeader/Identification/Machine, ReportBody/StateMessage with
 * Topic@Type and State@ID); certain for management points.  What a client
 * sends to a fallback status point is unpublished, so unknown elements,
 * attributes and missing optional ones pass. */
#ifndef FSP_MESSAGE_H
#define FSP_MESSAGE_H

#include "fsp/config.h"
#include "fsp/verdict.h"
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MAX_DEPTH 64
#define MESSAGE_MAX_ATTRIBUTES 256
#define MESSAGE_MAX_STATES 1024 /* StateMessage elements in one report */
#define MESSAGE_MAX_PARAMS 32   /* of one StateMessage; documented are 0 to 5, more are not kept */

/* Strings are UTF-8, NUL-terminated, NULL where the message has none, and live
 * in the report's own memory. */
struct state_message {
        int64_t topic_type;
        const char *topic_id;
        int64_t state_id;
        int64_t message_time_ms;  /* CLOCK_UNKNOWN when missing or unreadable */
        const char *message_time; /* as written */
        const char *serial_number;
        const char *params[MESSAGE_MAX_PARAMS];
        size_t param_count;
        const char *details; /* text of StateDetails, nested XML not parsed */
};

struct report {
        const char *client_id, *netbios_name, *client_version;
        struct state_message *states;
        size_t state_count; /* 0 only under VALIDATE_WELLFORMED */
        /* What is staged and forwarded: a stretch of the body given to
         * reader_read, the report part where it was wrapped, trailing NULs cut. */
        const unsigned char *bytes;
        size_t size;
        /* NULL, or the same as UTF-8, strictly transcoded, without the byte order mark:
         * where bytes are UTF-16LE.  It is the reader's, until that reads again. */
        const char *text;
        size_t text_size;
        struct report_memory *memory; /* src/message/report.c */
};

/* Starts empty ({ 0 }); may be read into again and again, its memory is reused. */
void report_free(struct report *report);

struct reader;
int reader_new(struct reader **ret_reader); /* -ENOMEM */
void reader_free(struct reader *reader);    /* NULL is allowed */

/* Reads body, judges it, fills report.  VERDICT_ACCEPTED, or a verdict of the
 * message group; report's facts may then be partly filled (for the log), and
 * *ret_why, when not NULL, points to a short static text that says more.
 * content_type may be NULL.  policy gives validate, min_client_version, topics.
 * report->bytes points into body: keep body as long as the report.
 * No file, socket or converter module is opened; CPU time is linear in size. */
enum verdict reader_read(struct reader *reader, const struct config *policy, const char *content_type,
                         const void *body, size_t size, struct report *report, const char **ret_why);

#endif
