/* web_parts: what several views show: tables of messages, of problems, the
 * chart.  All of it belongs to the web's thread; 0 or -errno of the ledger. */
#ifndef ADMIN_WEB_PARTS_H
#define ADMIN_WEB_PARTS_H

#include "fsp/query.h"
#include <stdio.h>

/* good, warn, bad or "": how a state's class is shown. */
const char *parts_mood(const char *state_class);
/* The state in words, or its numbers. */
void parts_state(FILE *out, int64_t topic_type, int64_t state_id);
/* The code and what it means; – for ERRORS_NONE. */
void parts_error(FILE *out, int64_t error);
void parts_badge(FILE *out, const char *state_class);

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

/* Problems that hold now, most clients first, each with the way to its clients. */
int parts_problems(struct query *query, FILE *out, uint64_t limit, int64_t now_ms);

/* What is said above of the clients may be a little behind after a burst: says so. */
void parts_left_out(FILE *out, struct query *query);

/* Messages in time; range: 24h, 7d or 30d, else the first. */
int parts_chart(struct query *query, FILE *out, const char *range, int64_t now_ms);

#endif
