/* catalog: what the numbers mean.
 *
 * Owns      the table made at build time from src/message/states.tsv (source:
 *           Microsoft's state messages page, "State messages in Configuration
 *           Manager").  Threads: constant data. */
#ifndef FSP_CATALOG_H
#define FSP_CATALOG_H

#include <stddef.h>
#include <stdint.h>

struct catalog_state {
        int64_t topic_type;
        const char *topic_name;
        int64_t state_id;        /* -1: the topic's row without a state */
        const char *description; /* "" where the source has none */
        const char *state_class; /* in-progress, deploy-failed, deployed, ... */
};

/* NULL when the catalogue has no such state. */
const struct catalog_state *catalog_find(int64_t topic_type, int64_t state_id);
/* "CLIENT_DEPLOYMENT"; NULL when unknown. */
const char *catalog_topic_name(int64_t topic_type);
/* The description; NULL when unknown: the number then stands for itself. */
const char *catalog_state_text(int64_t topic_type, int64_t state_id);
/* Never NULL.  Unlisted states of topic 800 by their hundreds (3xx
 * deploy-failed, 4xx deployed, ...), else "unknown". */
const char *catalog_class(int64_t topic_type, int64_t state_id);
/* How a class is shown to people, whatever their colours. */
enum catalog_mood { CATALOG_NEUTRAL, CATALOG_GOOD, CATALOG_WARNING, CATALOG_BAD };
enum catalog_mood catalog_mood(const char *state_class);
/* All rows, for filters and lists. */
const struct catalog_state *catalog_rows(size_t *ret_count);

#endif
