/* viewer: what the messages say of the clients, one row each, and the reports.
 *
 * A client is its ClientID, else its NetBIOS name; a message with neither
 * belongs to no client.  Message time decides what is latest, the time of
 * receipt where a message has none, and the later arrival of two equals.
 *
 * Owns      the tables client, client_state and client_message (read side; the
 *           writer keeps them, a little behind).  What has arrived since is
 *           added on the way, so what is shown is complete (but query_within).
 * Threads   as struct query: one thread at a time.
 * Crash     nothing is changed.
 *
 * Strings live until visit returns; non-zero from it ends the walk and is the
 * result.  Else 0 or -errno.  Times are ms since 1970 UTC, CLOCK_UNKNOWN for
 * null.  Text is as the clients sent it: escape it. */
#ifndef FSP_VIEWER_H
#define FSP_VIEWER_H

#include "fsp/clock.h"
#include "fsp/query.h"

#define VIEWER_TOPIC_DEPLOYMENT 800
#define VIEWER_TOPIC_COMMUNICATION 1000
#define VIEWER_TOPIC_CERTIFICATE 1001

enum viewer_answer { VIEWER_UNKNOWN, VIEWER_NO, VIEWER_YES };

/* One state of a client; meaning: catalog.h, errors.h. */
struct viewer_state {
        bool known; /* no: the client never told; the rest is null */
        int64_t topic_type, state_id;
        int64_t time_ms;     /* of the message, else of receipt */
        int64_t received_ms; /* time of receipt */
        int64_t seq;         /* the message that told, for query_filter.seq */
        const char *param;   /* the first parameter, or NULL */
        int64_t error;       /* code for errors.h, or ERRORS_NONE */
};

struct viewer_client {
        int64_t number; /* names the client in viewer_client_by_number and viewer_history */
        const char *client_id, *netbios_name, *client_version; /* NULL: null */
        int64_t first_seen_ms, last_seen_ms;                   /* receipt of any message */
        /* What the list is about: in viewer_clients and -history the latest of topic 800, in the
         * deployment and assignment reports that phase's latest, in problems the problem. */
        struct viewer_state state;
        int64_t deployment_begin_ms, deployment_end_ms, assignment_begin_ms, assignment_end_ms;
        enum viewer_answer reboot_needed;              /* by the latest deployment state */
        enum viewer_answer communication, certificate; /* YES: ok, NO: failed */
        int64_t order_ms; /* what the list is ordered by, newest first: see viewer_filter */
};
typedef int viewer_client_fn(void *arg, const struct viewer_client *client);

/* VIEWER_ALL for no condition.  To continue a list after a row, give that row's
 * order_ms and number (in problems-detail also its topic). */
struct viewer_filter {
        int64_t since_ms;        /* receipt of the deciding message (clients: of any); CLOCK_UNKNOWN: all */
        const char *client;      /* glob on ClientID or NetBIOS name; NULL: all */
        const char *state_class; /* of state; NULL: all */
        int64_t topic_type, state_id, error;         /* of state; VIEWER_ANY: all; error also ERRORS_NONE */
        int64_t after_ms, after_number, after_topic; /* CLOCK_UNKNOWN: from the first */
        uint64_t limit;                              /* 0: all */
};
#define VIEWER_ANY INT64_MIN
#define VIEWER_ALL                                                                                           \
        {                                                                                                    \
                .since_ms = CLOCK_UNKNOWN, .topic_type = VIEWER_ANY, .state_id = VIEWER_ANY,                 \
                .error = VIEWER_ANY, .after_ms = CLOCK_UNKNOWN                                               \
        }

/* How many of the newest messages the last answer left out; 0 but for query_within. */
int64_t viewer_left_out(struct query *query);

/* The last known state of each client; the last seen first. */
int viewer_clients(struct query *query, const struct viewer_filter *filter, viewer_client_fn *visit,
                   void *arg);
/* -ENOENT: not known (any more). */
int viewer_client_by_number(struct query *query, int64_t number, viewer_client_fn *visit, void *arg);
/* The client's messages, newest first, before that seq (0: from the newest); limit counts messages. */
int viewer_history(struct query *query, int64_t number, int64_t before_seq, uint64_t limit,
                   int (*visit)(void *arg, const struct query_message *message), void *arg);

/* The reports of the original. */
enum viewer_report {
        VIEWER_DEPLOYMENT_STATUS,
        VIEWER_DEPLOYMENT_SUCCESS,
        VIEWER_DEPLOYMENT_FAILURE,
        VIEWER_ASSIGNMENT_STATUS,
        VIEWER_ASSIGNMENT_SUCCESS,
        VIEWER_ASSIGNMENT_FAILURE,
        VIEWER_PROBLEMS_SUMMARY,
        VIEWER_PROBLEMS_DETAIL,
        VIEWER_REPORT_COUNT
};
enum viewer_shape { VIEWER_SHAPE_STATUS, VIEWER_SHAPE_CLIENTS, VIEWER_SHAPE_PROBLEMS };
struct viewer_report_info {
        const char *name, *title;
        enum viewer_shape shape; /* STATUS, PROBLEMS: viewer_counts; CLIENTS: viewer_report_clients */
};
const struct viewer_report_info *viewer_report_info(enum viewer_report report);
/* -EINVAL when no report has that name. */
int viewer_report_parse(const char *name, enum viewer_report *ret_report);

/* *-status (by state) and problems-summary (most clients first).  since_ms and limit of the filter
 * count, all else is left out of account. */
struct viewer_count {
        int64_t topic_type, state_id, error; /* error: VIEWER_ANY in *-status */
        int64_t clients;
        int64_t last_seen_ms; /* newest receipt of a message that says so */
};
int viewer_counts(struct query *query, enum viewer_report report, const struct viewer_filter *filter,
                  int (*visit)(void *arg, const struct viewer_count *count), void *arg);
/* *-success, *-failure and problems-detail; a client with several problems has a row for each. */
int viewer_report_clients(struct query *query, enum viewer_report report, const struct viewer_filter *filter,
                          viewer_client_fn *visit, void *arg);

#endif
