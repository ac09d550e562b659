/* message_row: a state message as programs see it, with the keys of
 * `fspctl messages --json`.
 *
 * Owns      the list of these keys.  Threads: pure functions. */
#ifndef ADMIN_MESSAGE_ROW_H
#define ADMIN_MESSAGE_ROW_H

#include "admin/format.h"
#include "fsp/query.h"

/* All keys, in order: the columns of the CSV form. */
extern const struct format_column message_row_columns[];
extern const size_t message_row_column_count;

/* NULL when memory is short. */
json_t *message_row_new(const struct query_message *message);
/* [{delivery, at}] in order of time. */
json_t *message_row_history(const struct query_message *message);

#endif
