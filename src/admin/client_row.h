/* client_row: clients and counts as programs see them, with the keys of
 * `fspctl clients --json` and `fspctl report --json`.
 *
 * Owns      the lists of these keys.  Threads: pure functions. */
#ifndef ADMIN_CLIENT_ROW_H
#define ADMIN_CLIENT_ROW_H

#include "admin/format.h"
#include "fsp/viewer.h"

/* All keys, in order: the columns of the CSV form. */
extern const struct format_column client_row_columns[];
extern const size_t client_row_column_count;
/* Of *-status and of problems-summary. */
extern const struct format_column client_row_status_columns[], client_row_problem_columns[];
extern const size_t client_row_status_column_count, client_row_problem_column_count;

/* NULL when memory is short. */
json_t *client_row_new(const struct viewer_client *client);
json_t *client_row_count(const struct viewer_count *count, enum viewer_shape shape);

/* "0x80072EE7" and what it means; null where there is none. */
json_t *client_row_error(int64_t code);
json_t *client_row_error_text(int64_t code);

#endif
