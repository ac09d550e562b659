/* parse: XML to facts, by the one file that knows the XML library.
 *
 * Owns      the library's parser context.
 * Threads   one struct parser belongs to one thread. */
#ifndef FSP_MESSAGE_PARSE_H
#define FSP_MESSAGE_PARSE_H

#include "fsp/message.h"

struct parser;

/* -ENOMEM. */
int parser_new(struct parser **ret_parser);
void parser_free(struct parser *parser); /* NULL is allowed */

/* Reads text, which has passed scan_message, into report.  VERDICT_ACCEPTED,
 * VERDICT_NOT_XML, VERDICT_DOCTYPE, VERDICT_TOO_COMPLEX (too many states),
 * VERDICT_NOT_A_REPORT (VALIDATE_REPORT only), or VERDICT_BUSY without memory.
 * Behind size bytes, and white space that is read as well, stands a NUL. */
enum verdict parser_read(struct parser *parser, enum config_validate validate, const char *text, size_t size,
                         struct report *report, const char **ret_why);

#endif
