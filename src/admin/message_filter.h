/* message_filter: which messages are meant, as people and programs say it.
 *
 * Owns      the names of the conditions and the language of the search field:
 *             machine:PC-* state:failed topic:800 since:2h
 *           words apart by blanks, "quoted" where a value has one; a word
 *           without a name is a part of the client's name or ID.
 * Threads   pure functions. */
#ifndef ADMIN_MESSAGE_FILTER_H
#define ADMIN_MESSAGE_FILTER_H

#include "fsp/query.h"

#define MESSAGE_FILTER_LIMIT 100

/* What filter points to is in here: it must not be moved. */
struct message_filter {
        struct query_filter filter;
        char client[256], state_class[64];
        char why[160]; /* after -EINVAL: what is wrong and what is allowed, one line */
};

/* All messages, MESSAGE_FILTER_LIMIT of them. */
void message_filter_init(struct message_filter *filter);
/* since, until, client, topic, state, class, delivery or limit, as the options
 * of `fspctl messages`.  -EINVAL. */
int message_filter_set(struct message_filter *filter, const char *name, const char *value);
/* Adds what the search field says.  -EINVAL. */
int message_filter_search(struct message_filter *filter, const char *text);
/* filter.filter's strings point into copy afterwards. */
void message_filter_copy(const struct message_filter *filter, struct message_filter *ret_copy);

#endif
