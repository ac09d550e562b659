/* The clients and the reports.  What is asked for is found first (which client,
 * which of its states), then each one is read; all in one state of the ledger,
 * and copied, so that a slow reader of the output holds up no checkpoint. */
#include "fsp/viewer.h"

#include "fsp/clock.h"
#include "fsp/errors.h"
#include "fsp/fsutil.h"
#include "ledger_private.h"
#include "query_private.h"
#include "rollup.h"
#include "viewer_row.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a list is made from: the states in these slots that fulfil condition.
 * The classes of the catalogue, in numbers: ten times as fast to compare. */
struct selection {
        struct viewer_report_info info;
        const char *slots;
        const char *condition; /* NULL: all */
        const char *index;     /* of the ledger's own table; NULL: by slot */
};

static const struct selection selections[] = {
        [VIEWER_DEPLOYMENT_STATUS] = { { "client-deployment-status", "Client deployment status details",
                                         VIEWER_SHAPE_STATUS },
                                       "1",
                                       NULL,
                                       NULL },
        [VIEWER_DEPLOYMENT_SUCCESS] = { { "client-deployment-success", "Client deployment success report",
                                          VIEWER_SHAPE_CLIENTS },
                                        "1",
                                        "s.state_id / 100 = 4",
                                        NULL },
        [VIEWER_DEPLOYMENT_FAILURE] = { { "client-deployment-failure", "Client deployment failure report",
                                          VIEWER_SHAPE_CLIENTS },
                                        "1",
                                        "s.state_id / 100 = 3",
                                        NULL },
        [VIEWER_ASSIGNMENT_STATUS] = { { "client-assignment-status", "Client assignment status details",
                                         VIEWER_SHAPE_STATUS },
                                       "2",
                                       NULL,
                                       NULL },
        [VIEWER_ASSIGNMENT_SUCCESS] = { { "client-assignment-success", "Client assignment success details",
                                          VIEWER_SHAPE_CLIENTS },
                                        "2",
                                        "s.state_id / 100 = 7",
                                        NULL },
        [VIEWER_ASSIGNMENT_FAILURE] = { { "client-assignment-failure", "Client assignment failure details",
                                          VIEWER_SHAPE_CLIENTS },
                                        "2",
                                        "s.state_id / 100 = 6",
                                        NULL },
        [VIEWER_PROBLEMS_SUMMARY] = { { "problems-summary", "Summary of problems", VIEWER_SHAPE_PROBLEMS },
                                      ROLLUP_PROBLEMS,
                                      ROLLUP_IS_PROBLEM,
                                      "client_problem" },
        [VIEWER_PROBLEMS_DETAIL] = { { "problems-detail", "Problem details", VIEWER_SHAPE_CLIENTS },
                                     ROLLUP_PROBLEMS,
                                     ROLLUP_IS_PROBLEM,
                                     "client_problem" },
};
static const struct selection any_client = { .slots = "0" };
_Static_assert(ROLLUP_LAST == 0 && ROLLUP_DEPLOYMENT == 1 && ROLLUP_ASSIGNMENT == 2 &&
                       ROLLUP_COMMUNICATION == 3 && ROLLUP_CERTIFICATE == 4,
               "as the table has it");

const struct viewer_report_info *viewer_report_info(enum viewer_report report)
{
        return &selections[report].info;
}

int viewer_report_parse(const char *name, enum viewer_report *ret_report)
{
        unsigned i;

        for (i = 0; i < VIEWER_REPORT_COUNT; i++)
                if (strcmp(selections[i].info.name, name) == 0) {
                        *ret_report = (enum viewer_report)i;
                        return 0;
                }
        return -EINVAL;
}

static bool asks_for_state(const struct viewer_filter *filter)
{
        return filter->state_class || filter->topic_type != VIEWER_ANY || filter->state_id != VIEWER_ANY ||
               filter->error != VIEWER_ANY;
}

/* One half of the list: out of the ledger's own tables, less the clients that
 * the temporary ones know better, or out of these. */
static void put_half(FILE *out, bool own, const struct selection *selection,
                     const struct viewer_filter *filter)
{
        const char *schema = own ? "main." : "temp.";
        bool clients = selection == &any_client, states = !clients || asks_for_state(filter);
        bool joined = clients || filter->client;
        const char *number = states ? "s.client" : "c.number",
                   *at = clients ? "c.last_seen_ms" : "s.received_ms";
        const struct {
                bool wanted;
                const char *sql;
        } conditions[] = {
                { filter->since_ms != CLOCK_UNKNOWN,
                  clients ? " AND c.last_seen_ms >= :since" : " AND s.received_ms >= :since" },
                { filter->client, " AND (matches_glob(:client, c.client_id)"
                                  " OR matches_glob(:client, c.netbios_name))" },
                { filter->state_class, " AND state_class(s.topic_type, s.state_id) = :class" },
                { filter->topic_type != VIEWER_ANY, " AND s.topic_type = :topic" },
                { filter->state_id != VIEWER_ANY, " AND s.state_id = :state" },
                { filter->error != VIEWER_ANY, " AND s.error = :error" },
        };
        size_t i;

        /* The stream remembers a fault until fclose. */
        (void)fprintf(out, "SELECT %s AS number, %s AS order_ms, %s AS topic_type, %s AS slot", number, at,
                      clients ? "0" : "s.topic_type", clients ? "0" : "s.slot");
        if (states)
                (void)fprintf(out, ", s.state_id, s.error FROM %sclient_state s", schema);
        if (states && selection->index && own)
                (void)fprintf(out, " INDEXED BY %s", selection->index);
        if (states && joined)
                (void)fprintf(out, " CROSS JOIN %sclient c ON c.number = s.client", schema);
        if (!states)
                (void)fprintf(out, " FROM %sclient c", schema);
        (void)fprintf(out, " WHERE 1");
        if (states)
                (void)fprintf(out, " AND s.slot IN (%s)", selection->slots);
        if (own)
                (void)fprintf(out, " AND %s NOT IN (SELECT number FROM temp.client)", number);
        if (selection->condition)
                (void)fprintf(out, " AND %s", selection->condition);
        for (i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
                if (conditions[i].wanted)
                        (void)fputs(conditions[i].sql, out);
        if (filter->after_ms != CLOCK_UNKNOWN)
                (void)fprintf(out, " AND (%s, %s, %s) < (:after_ms, :after_number, :after_topic)", at, number,
                              clients ? "0" : "s.topic_type");
}

/* The texts around the whole and around each half. */
struct frame {
        const char *before, *before_half, *behind_half, *behind;
};
static const struct frame list_frame = {
        "", "", "", " ORDER BY order_ms DESC, number DESC, topic_type DESC LIMIT :limit"
};
/* Each half is counted by itself: the ledger's comes in the order of its index. */
#define COUNTS(what, group, by)                                                                              \
        {                                                                                                    \
                "SELECT topic_type, state_id, " what ", sum(clients) AS clients, max(at) AS at FROM (",      \
                        "SELECT topic_type, state_id, " what                                                 \
                        ", count(*) AS clients, max(order_ms) AS at FROM (",                                 \
                        ") GROUP BY " group, ") GROUP BY " group " ORDER BY " by " LIMIT :limit"             \
        }
static const struct frame problem_frame = COUNTS("error", "1, 2, 3", "clients DESC, at DESC, 1, 2, 3");
static const struct frame status_frame = COUNTS("NULL AS error", "1, 2", "1, 2");

static char *build_sql(const struct frame *frame, const struct selection *selection,
                       const struct viewer_filter *filter)
{
        char *sql = NULL;
        size_t size;
        FILE *out = open_memstream(&sql, &size);

        if (!out)
                return NULL;
        (void)fprintf(out, "%s%s", frame->before, frame->before_half); /* as above */
        put_half(out, true, selection, filter);
        (void)fprintf(out, "%s UNION ALL %s", frame->behind_half, frame->before_half);
        put_half(out, false, selection, filter);
        (void)fprintf(out, "%s%s", frame->behind_half, frame->behind);
        if (fclose(out) == 0)
                return sql;
        free(sql);
        return NULL;
}

static int prepare(struct query *query, const struct frame *frame, const struct selection *selection,
                   const struct viewer_filter *filter, sqlite3_stmt **ret_statement)
{
        const struct query_value values[] = {
                { ":since", .number = filter->since_ms },
                { ":client", .text = filter->client },
                { ":class", .text = filter->state_class },
                { ":topic", .number = filter->topic_type },
                { ":state", .number = filter->state_id },
                { ":error", .number = filter->error },
                { ":after_ms", .number = filter->after_ms },
                { ":after_number", .number = filter->after_number },
                { ":after_topic", .number = selection == &any_client ? 0 : filter->after_topic },
                { ":limit", .number = filter->limit == 0 ? -1 : (int64_t)filter->limit },
        };
        char *sql AUTO_FREE = build_sql(frame, selection, filter);

        return query_prepare(query_db(query), sql, values, sizeof(values) / sizeof(values[0]), ret_statement);
}

struct list {
        struct query *query;
        const struct selection *selection;
        const struct viewer_filter *filter;
};

static int collect(void *arg, struct viewer_rows *rows)
{
        const struct list *list = arg;
        sqlite3_stmt *statement = NULL;
        int r = prepare(list->query, &list_frame, list->selection, list->filter, &statement);
        int result = SQLITE_DONE;

        while (r == 0 && (result = sqlite3_step(statement)) == SQLITE_ROW)
                r = viewer_rows_add(rows, sqlite3_column_int64(statement, 0),
                                    (enum rollup_slot)sqlite3_column_int(statement, 3),
                                    sqlite3_column_int64(statement, 1));
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        return r < 0 ? r : ledger_errno(result);
}

static int show(struct query *query, const struct selection *selection, const struct viewer_filter *filter,
                viewer_client_fn *visit, void *arg)
{
        struct list list = { .query = query, .selection = selection, .filter = filter };

        return viewer_rows_show(query, collect, &list, visit, arg);
}

int viewer_clients(struct query *query, const struct viewer_filter *filter, viewer_client_fn *visit,
                   void *arg)
{
        return show(query, &any_client, filter, visit, arg);
}

int viewer_report_clients(struct query *query, enum viewer_report report, const struct viewer_filter *filter,
                          viewer_client_fn *visit, void *arg)
{
        return show(query, &selections[report], filter, visit, arg);
}

int viewer_counts(struct query *query, enum viewer_report report, const struct viewer_filter *filter,
                  int (*visit)(void *arg, const struct viewer_count *count), void *arg)
{
        const struct selection *selection = &selections[report];
        bool problems = selection->info.shape == VIEWER_SHAPE_PROBLEMS, own;
        struct viewer_filter plain = VIEWER_ALL;
        sqlite3_stmt *statement = NULL;
        int result = SQLITE_DONE;
        int r = query_enter_clients(query, &own);

        if (r < 0)
                return r;
        plain.since_ms = filter->since_ms;
        plain.limit = filter->limit;
        r = prepare(query, problems ? &problem_frame : &status_frame, selection, &plain, &statement);
        while (r == 0 && (result = sqlite3_step(statement)) == SQLITE_ROW) {
                struct viewer_count count = { .topic_type = sqlite3_column_int64(statement, 0),
                                              .state_id = sqlite3_column_int64(statement, 1),
                                              .error = problems ? sqlite3_column_int64(statement, 2)
                                                                : VIEWER_ANY,
                                              .clients = sqlite3_column_int64(statement, 3),
                                              .last_seen_ms = sqlite3_column_int64(statement, 4) };
                r = visit(arg, &count);
        }
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        query_leave_clients(query, own);
        return r != 0 ? r : ledger_errno(result);
}
