/* web_parts: what several views show: tables of messages, of problems, the
 * chart.  All of it belongs to the web's thread; 0 or -errno of the ledger. */
#ifndef ADMIN_WEB_PARTS_H
#define ADMIN_WEB_PARTS_H

#include "fsp/viewer.h"
#include <stdio.h>

/* good, warn, bad or "": how a state's class is shown. */
const char *parts_mood(const char *state_class);
/* The state in words, or its numbers. */
void parts_state(FILE *out, int64_t topic_type, int64_t state_id);
/* The code and what it means; – for ERRORS_NONE. */
void parts_error(FILE *out, int64_t error);
void parts_badge(FILE *out, const char *state_class);
/* Its class, or "unknown". */
void parts_state_badge(FILE *out, const struct viewer_state *state);
/* NetBIOS name, else ClientID. */
const char *parts_client_name(const struct viewer_client *client);

struct parts_rows {
        FILE *out;
        int64_t now_ms;
        uint64_t count;              /* shown */
        int64_t last_seq, last_part; /* of the last one */
};
/* A table; nothing when there is no row. */
int parts_messages(struct query *query, const struct query_filter *filter, struct parts_rows *rows);
/* One message of it. */
int parts_message_row(void *rows, const struct query_message *message);

/* Problems that hold now, most clients first, each with the way to its clients: at most filter->limit
 * of them, the first of all being 0.  *ret_more: how many come after these; also set on failure. */
int parts_problems(struct query *query, FILE *out, const struct viewer_filter *filter, uint64_t from,
                   uint64_t *ret_more);

/* What is said above of the clients may be a little behind after a burst: says so. */
void parts_left_out(FILE *out, struct query *query);

/* Messages in time; range: 24h, 7d or 30d, else the first. */
int parts_chart(struct query *query, FILE *out, const char *range, int64_t now_ms);

#endif
