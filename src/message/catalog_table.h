/* catalog_table: what states.awk makes of states.tsv, sorted by topic and state. */
#ifndef FSP_MESSAGE_CATALOG_TABLE_H
#define FSP_MESSAGE_CATALOG_TABLE_H

#include "fsp/catalog.h"

extern const struct catalog_state catalog_table[];
extern const size_t catalog_table_count;

#endif
