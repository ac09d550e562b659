/* query: reading the ledger, never writing it.
 *
 * Owns      a read-only connection of its own.
 * Threads   one struct query belongs to one thread at a time.
 * Crash     nothing is changed.  Statements are short: a long-lived read would
 *           hold up the writer's checkpoints. */
#ifndef FSP_QUERY_H
#define FSP_QUERY_H

#include "fsp/clock.h"
#include "fsp/delivery.h"

struct query;

/* -ENOENT no ledger there, -EUCLEAN not a ledger of this version, other -errno. */
int query_open(const char *path, struct query **ret_query);
void query_close(struct query *query);

/* For who has others waiting: reads end with -ETIMEDOUT from ms from now on, and what is said of the
 * clients (viewer.h) may leave out the newest messages, all but so many of those not yet counted. */
void query_within(struct query *query, int64_t ms, int64_t uncounted);

/* Between the two, all reads see one state of the ledger and share the cost of
 * taking it.  For short work only: it holds up checkpoints. */
int query_begin(struct query *query);
void query_end(struct query *query);

/* What stager, forwarder and recovery go by. */
struct query_pending {
        struct message_name name; /* .seq is the row */
        size_t size;
        unsigned char digest[LEDGER_DIGEST_SIZE];
        int64_t inbox; /* of a copied row */
};
/* Rows in that state after the given seq, oldest first, at most limit. */
int query_pending(struct query *query, enum delivery delivery, int64_t after_seq, size_t limit,
                  struct query_pending *ret_rows, size_t *ret_count);
/* The bytes as received, malloc'd.  -ENOENT no such message, -ENODATA no longer kept. */
int query_body(struct query *query, int64_t seq, unsigned char **ret_bytes, size_t *ret_size);
/* Where the inbox with this number was: its identity and place, malloc'd. */
int query_inbox(struct query *query, int64_t inbox, char **ret_identity, char **ret_place);
/* Files charged to the throttle since wall_ms, oldest first. */
int query_shipments(struct query *query, int64_t since_ms,
                    void (*visit)(void *arg, int64_t at_ms, uint64_t files), void *arg);
/* The number of the last shipment; 0: none. */
int query_last_shipment(struct query *query, int64_t *ret_shipment);
/* The row of a name as found on disk.  -ENOENT when the ledger has none. */
int query_find(struct query *query, const struct message_name *name, int64_t *ret_seq,
               enum delivery *ret_delivery);

/* The state message viewer: one row a StateMessage, newest first unless asked otherwise.
 * QUERY_FILTER() is without condition; within the brackets others may be set. */
struct query_filter {
        int64_t since_ms, until_ms;   /* CLOCK_UNKNOWN: open; since <= receipt < until */
        const char *client;           /* glob on ClientID or NetBIOS name; NULL: all */
        int64_t topic_type, state_id; /* -1: all */
        const char *state_class;      /* glob; NULL: all */
        int delivery;                 /* -1: all, else enum delivery */
        uint64_t limit;               /* 0: all */
        int64_t seq;                  /* 0: all, else this message only */
        bool oldest_first;            /* in order of arrival */
        int64_t after_seq;            /* with oldest_first: only what came after this message */
        int64_t from_seq, from_part;  /* 0: the newest first, else after this row, where a page ended */
};
#define QUERY_FILTER(...)                                                                                    \
        {                                                                                                    \
                .since_ms = CLOCK_UNKNOWN, .until_ms = CLOCK_UNKNOWN, .topic_type = -1, .state_id = -1,      \
                .delivery = -1, __VA_ARGS__                                                                  \
        }
struct query_message {
        struct message_name name;
        int64_t part;
        int64_t received_ms;
        const char *client_address, *client_id, *netbios_name, *client_version; /* NULL: null */
        bool has_state; /* no: a body with no readable StateMessage */
        int64_t topic_type, state_id, message_time_ms;
        const char *topic_id, *serial_number, *params_json /* array of strings */, *details;
        enum delivery delivery;
        int64_t staged_ms, copied_ms, forwarded_ms, quarantined_ms; /* CLOCK_UNKNOWN: not yet */
        const char *reason;                                         /* of the quarantine */
        int64_t size;
};
/* visit's strings live until it returns; non-zero from it ends the walk. */
int query_messages(struct query *query, const struct query_filter *filter,
                   int (*visit)(void *arg, const struct query_message *message), void *arg);

/* What came and went in each hour that had any, oldest first; kept for 31 days. */
struct query_hour {
        int64_t start_ms; /* wall, a full hour */
        uint64_t accepted, forwarded;
};
int query_hours(struct query *query, int64_t since_ms,
                void (*visit)(void *arg, const struct query_hour *hour), void *arg);

#endif
