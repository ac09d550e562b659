/* report: the memory behind struct report.
 *
 * A message's facts are stretches of its own text, each with markup of at
 * least one byte around it that is not kept.  So all of them, with their
 * NULs, fit a block as large as the text, and no string ever moves. */
#ifndef FSP_MESSAGE_REPORT_H
#define FSP_MESSAGE_REPORT_H

#include "fsp/message.h"

/* Forgets the facts, keeps the memory. */
void report_reset(struct report *report);
/* Forgets the facts, makes room for those of a text of that size.  -ENOMEM. */
int report_prepare(struct report *report, size_t text_size);

/* The new last one, empty; NULL without memory.  Older pointers into states are void. */
struct state_message *report_add_state(struct report *report);

/* A string is begun, appended to piece by piece and ended, one at a time. */
char *report_begin_text(struct report *report);
void report_append_text(struct report *report, const char *piece, size_t size);
/* As it is, maybe empty. */
const char *report_end_text(struct report *report, char *text);
/* Without white space at both ends; NULL when nothing is left. */
const char *report_end_trimmed(struct report *report, char *text);

#endif
