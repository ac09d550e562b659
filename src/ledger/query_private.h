#ifndef QUERY_PRIVATE_H
#define QUERY_PRIVATE_H

#include "fsp/query.h"
#include <sqlite3.h>

/* The read-only connection. */
sqlite3 *query_db(struct query *query);

#endif
