/* query_index: which messages may fit a filter, found without looking at all.
 *
 * A source is a list of messages, newest first: those of one client, or those
 * with a state of one kind.  The sources that a filter asks for are walked as
 * one list.  It holds every message up to the rollup's cursor that fits, and
 * others: each is to be tested. */
#ifndef LEDGER_QUERY_INDEX_H
#define LEDGER_QUERY_INDEX_H

#include "fsp/query.h"
#include <sqlite3.h>

struct query_source {
        int64_t seq; /* the newest message not yet given; 0: no more */
        int64_t topic_type, state_id;
};
struct query_index {
        bool by_kind; /* else by client */
        sqlite3_stmt *next;
        struct query_source *sources;
        size_t count, room;
};

/* From the message newest on.  1; 0 when looking at all is the better way: the
 * filter asks for neither client, topic, state nor class, or for too many. */
int query_index_open(struct query_index *index, sqlite3 *db, const struct query_filter *filter,
                     int64_t newest);
/* The next message; 0: no more. */
int query_index_next(struct query_index *index, int64_t *ret_seq);
void query_index_close(struct query_index *index); /* also when it was not opened, but is zero */

/* The times of receipt that the filter asks for lie within these messages, as
 * far as the rollup's cursor goes. */
int query_index_span(sqlite3 *db, const struct query_filter *filter, int64_t *ret_oldest,
                     int64_t *ret_newest);

#endif
