/* facts: what of an XML tree is a report, and what a report must have.
 *
 * Owns      struct facts, the state of one reading.  Fills struct report.
 * Threads   as the report.
 *
 * Facts are taken at exact places of the tree only, in the root's own
 * namespace; anything else is an unknown element and passes unread. */
#ifndef FSP_MESSAGE_FACTS_H
#define FSP_MESSAGE_FACTS_H

#include "fsp/message.h"
#include <stdbool.h>

/* Indexes of the table of elements in facts.c. */
enum place {
        PLACE_OUTSIDE,
        PLACE_REPORT,
        PLACE_HEADER,
        PLACE_IDENTIFICATION,
        PLACE_MACHINE,
        PLACE_CLIENT_ID,
        PLACE_CLIENT_VERSION,
        PLACE_NETBIOS_NAME,
        PLACE_BODY,
        PLACE_STATE_MESSAGE,
        PLACE_TOPIC,
        PLACE_STATE,
        PLACE_DETAILS,
        PLACE_PARAMETERS,
        PLACE_PARAM,
};

struct facts {
        struct report *report;
        const char *root_namespace; /* NULL: none */
        enum place place;
        unsigned unknown; /* open elements below place that are not in the table */
        char *text;       /* the string being collected, NULL when there is none */
        bool report_seen, machine_seen, state_seen;
        unsigned topics, states; /* of the StateMessage in hand */
        bool numeric;            /* so are the Type and ID seen in it */
        const char *fault;       /* the first thing wrong with a StateMessage */
};

/* In the order and type in which the XML library gives them. */
struct facts_attribute {
        const unsigned char *name, *prefix, *uri, *value, *end;
};

/* The report must have been prepared for the text's size.  uri is NULL or
 * lives until the end.  VERDICT_ACCEPTED, VERDICT_TOO_COMPLEX (too many
 * states), VERDICT_BUSY (no memory): then nothing more may be told. */
enum verdict facts_enter(struct facts *facts, const char *name, const char *uri,
                         const struct facts_attribute *attributes, size_t count);
void facts_text(struct facts *facts, const char *piece, size_t size);
void facts_leave(struct facts *facts);

/* At the end: what keeps this from being a report; NULL when nothing does. */
const char *facts_missing(const struct facts *facts);

#endif
