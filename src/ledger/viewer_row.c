/* One client at a time: what it is, the state asked for, its times. */
#include "viewer_row.h"

#include "fsp/clock.h"
#include "fsp/errors.h"
#include "ledger_private.h"
#include "query_private.h"
#include <errno.h>
#include <stdlib.h>

/* Of the topics 1000 and 1001. */
#define STATE_OK 1
#define STATE_FAILED 2
#define STATE_REBOOT_TO_CONTINUE 317
#define STATE_DEPLOYED_REBOOT 401

#define JOIN(schema, name, slot)                                                                             \
        " LEFT JOIN " schema "client_state " name " ON " name ".slot = " slot " AND " name                   \
        ".client = c.number"
#define READ(schema)                                                                                         \
        "SELECT c.client_id, c.netbios_name, c.client_version, shown.param, c.first_seen_ms,"                \
        " c.last_seen_ms, shown.topic_type, shown.state_id, shown.time_ms, shown.received_ms, shown.id,"     \
        " shown.error, deployment.state_id, communication.state_id, certificate.state_id, b.time_ms,"        \
        " CASE WHEN b.id IS NULL OR (e.time_ms, e.id) > (b.time_ms, b.id) THEN e.time_ms END,"               \
        " f.time_ms, g.time_ms FROM " schema "client c" JOIN(schema, "shown", "?2")                          \
                JOIN(schema, "deployment", "1") JOIN(schema, "communication", "3")                           \
                        JOIN(schema, "certificate", "4") JOIN(schema, "b", "5") JOIN(schema, "e", "6")       \
                                JOIN(schema, "f", "7") JOIN(schema, "g", "8") " WHERE c.number = ?1"
/* The order of READ. */
enum column {
        COLUMN_CLIENT_ID,
        COLUMN_NETBIOS_NAME,
        COLUMN_CLIENT_VERSION,
        COLUMN_PARAM,
        TEXT_COUNT,
        COLUMN_FIRST_SEEN = TEXT_COUNT,
        COLUMN_LAST_SEEN,
        COLUMN_TOPIC_TYPE,
        COLUMN_STATE_ID,
        COLUMN_TIME,
        COLUMN_RECEIVED,
        COLUMN_STATE_MESSAGE,
        COLUMN_ERROR,
        COLUMN_DEPLOYMENT,
        COLUMN_COMMUNICATION,
        COLUMN_CERTIFICATE,
        COLUMN_DEPLOYMENT_BEGIN,
        COLUMN_DEPLOYMENT_END,
        COLUMN_ASSIGNMENT_BEGIN,
        COLUMN_ASSIGNMENT_END,
};
_Static_assert(ROLLUP_DEPLOYMENT_BEGIN == 5 && ROLLUP_DEPLOYMENT_END == 6 && ROLLUP_ASSIGNMENT_BEGIN == 7 &&
                       ROLLUP_ASSIGNMENT_END == 8,
               "as READ has it");

struct viewer_row {
        struct viewer_client client;
        char texts[]; /* what client points to */
};

static int prepare(struct viewer_rows *rows, sqlite3 *db)
{
        int result = sqlite3_prepare_v2(db, READ("temp."), -1, &rows->temporary, NULL);

        if (result == SQLITE_OK)
                result = sqlite3_prepare_v2(db, READ("main."), -1, &rows->ledger, NULL);
        return ledger_errno(result);
}

static bool is_null(sqlite3_stmt *statement, enum column column)
{
        return sqlite3_column_type(statement, (int)column) == SQLITE_NULL;
}

static int64_t column_time(sqlite3_stmt *statement, enum column column)
{
        return is_null(statement, column) ? CLOCK_UNKNOWN : sqlite3_column_int64(statement, (int)column);
}

static enum viewer_answer read_health(sqlite3_stmt *statement, enum column column)
{
        switch (sqlite3_column_int64(statement, (int)column)) { /* 0 for null */
        case STATE_OK:
                return VIEWER_YES;
        case STATE_FAILED:
                return VIEWER_NO;
        default: /* a stranger's number */
                return VIEWER_UNKNOWN;
        }
}

static enum viewer_answer read_reboot(sqlite3_stmt *statement)
{
        int64_t state = sqlite3_column_int64(statement, COLUMN_DEPLOYMENT);

        if (is_null(statement, COLUMN_DEPLOYMENT))
                return VIEWER_UNKNOWN;
        return state == STATE_REBOOT_TO_CONTINUE || state == STATE_DEPLOYED_REBOOT ? VIEWER_YES : VIEWER_NO;
}

static void read_numbers(sqlite3_stmt *statement, struct viewer_client *client)
{
        client->first_seen_ms = sqlite3_column_int64(statement, COLUMN_FIRST_SEEN);
        client->last_seen_ms = sqlite3_column_int64(statement, COLUMN_LAST_SEEN);
        client->state = (struct viewer_state){
                .known = !is_null(statement, COLUMN_STATE_ID),
                .topic_type = sqlite3_column_int64(statement, COLUMN_TOPIC_TYPE),
                .state_id = sqlite3_column_int64(statement, COLUMN_STATE_ID),
                .time_ms = column_time(statement, COLUMN_TIME),
                .received_ms = column_time(statement, COLUMN_RECEIVED),
                .seq = sqlite3_column_int64(statement, COLUMN_STATE_MESSAGE) / LEDGER_PARTS,
                .error = is_null(statement, COLUMN_ERROR) ? ERRORS_NONE
                                                          : sqlite3_column_int64(statement, COLUMN_ERROR),
        };
        client->reboot_needed = read_reboot(statement);
        client->communication = read_health(statement, COLUMN_COMMUNICATION);
        client->certificate = read_health(statement, COLUMN_CERTIFICATE);
        client->deployment_begin_ms = column_time(statement, COLUMN_DEPLOYMENT_BEGIN);
        client->deployment_end_ms = column_time(statement, COLUMN_DEPLOYMENT_END);
        client->assignment_begin_ms = column_time(statement, COLUMN_ASSIGNMENT_BEGIN);
        client->assignment_end_ms = column_time(statement, COLUMN_ASSIGNMENT_END);
}

/* NULL when memory is short. */
static struct viewer_row *copy_row(sqlite3_stmt *statement)
{
        struct viewer_row *row = calloc(1, sizeof(*row) + query_texts_room(statement, 0, TEXT_COUNT));
        if (!row)
                return NULL;
        read_numbers(statement, &row->client);
        const char **const targets[TEXT_COUNT] = { &row->client.client_id, &row->client.netbios_name,
                                                   &row->client.client_version, &row->client.state.param };
        query_copy_texts(statement, 0, TEXT_COUNT, row->texts, targets);
        return row;
}

static int grow(struct viewer_rows *rows)
{
        size_t room = rows->room ? rows->room * 2 : 128;
        struct viewer_row **larger =
                rows->count < rows->room ? rows->rows : reallocarray(rows->rows, room, sizeof(*rows->rows));

        if (!larger)
                return -ENOMEM;
        if (rows->count == rows->room)
                rows->room = room;
        rows->rows = larger;
        return 0;
}

static int read_row(sqlite3_stmt *statement, int64_t number, enum rollup_slot slot,
                    struct viewer_row **ret_row)
{
        (void)sqlite3_bind_int64(statement, 1, number); /* cannot fail on a prepared parameter */
        (void)sqlite3_bind_int(statement, 2, slot);
        int result = sqlite3_step(statement);
        int r = result == SQLITE_DONE ? -ENOENT : ledger_errno(result);
        if (r == 0) {
                *ret_row = copy_row(statement);
                r = *ret_row ? 0 : -ENOMEM;
        }
        (void)sqlite3_reset(statement); /* repeats the result of step */
        return r;
}

int viewer_rows_add(struct viewer_rows *rows, int64_t number, enum rollup_slot slot, int64_t order_ms)
{
        struct viewer_row *row;
        int r = grow(rows);

        if (r == 0)
                r = read_row(rows->temporary, number, slot, &row);
        if (r == -ENOENT)
                r = read_row(rows->ledger, number, slot, &row);
        if (r < 0)
                return r;
        row->client.number = number;
        row->client.order_ms = order_ms;
        rows->rows[rows->count++] = row;
        return 0;
}

struct viewer_client *viewer_rows_last(struct viewer_rows *rows)
{
        return &rows->rows[rows->count - 1]->client;
}

static int show_rows(const struct viewer_rows *rows, viewer_client_fn *visit, void *arg)
{
        int r = 0;
        size_t i;

        for (i = 0; r == 0 && i < rows->count; i++)
                r = visit(arg, &rows->rows[i]->client);
        return r;
}

int viewer_rows_show(struct query *query, int (*collect)(void *arg, struct viewer_rows *rows),
                     void *collect_arg, viewer_client_fn *visit, void *arg)
{
        struct viewer_rows rows = { .count = 0 };
        bool own;
        int r = query_enter_clients(query, &own);

        if (r < 0)
                return r;
        r = prepare(&rows, query_db(query));
        if (r == 0)
                r = collect(collect_arg, &rows);
        (void)sqlite3_finalize(rows.temporary); /* each repeats its last result */
        (void)sqlite3_finalize(rows.ledger);
        query_leave_clients(query, own);
        if (r == 0)
                r = show_rows(&rows, visit, arg);
        while (rows.count > 0)
                free(rows.rows[--rows.count]);
        free(rows.rows);
        return r;
}
