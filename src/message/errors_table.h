/* errors_table: what errors.awk makes of errors.tsv, sorted by code. */
#ifndef FSP_MESSAGE_ERRORS_TABLE_H
#define FSP_MESSAGE_ERRORS_TABLE_H

#include "fsp/errors.h"

extern const struct errors_row errors_table[];
extern const size_t errors_table_count;

#endif
