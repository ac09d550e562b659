/* The state message viewer: the rows of a page are copied before anyone sees
 * them, so that a slow reader of the output holds up no checkpoint. */
#include "query_private.h"

#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/query.h"
#include "fsp/text.h"
#include "ledger_private.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS 256

#define COLUMNS                                                                                              \
        "m.seq, m.name_ms, m.node, m.received_ms, m.delivery, m.size, m.staged_ms, m.copied_ms,"             \
        " m.forwarded_ms, m.quarantined_ms, s.id & 1023, s.topic_type, s.state_id, s.message_time_ms,"       \
        " m.client_address, m.client_id, m.netbios_name, m.client_version, m.reason, s.topic_id,"            \
        " s.serial_number, s.params, s.details"
/* The order of COLUMNS. */
enum column {
        COLUMN_SEQ,
        COLUMN_NAME_MS,
        COLUMN_NODE,
        COLUMN_RECEIVED_MS,
        COLUMN_DELIVERY,
        COLUMN_SIZE,
        COLUMN_STAGED_MS,
        COLUMN_COPIED_MS,
        COLUMN_FORWARDED_MS,
        COLUMN_QUARANTINED_MS,
        COLUMN_PART,
        COLUMN_TOPIC_TYPE,
        COLUMN_STATE_ID,
        COLUMN_MESSAGE_TIME_MS,
        COLUMN_FIRST_TEXT,
        COLUMN_CLIENT_ADDRESS = COLUMN_FIRST_TEXT,
        COLUMN_CLIENT_ID,
        COLUMN_NETBIOS_NAME,
        COLUMN_CLIENT_VERSION,
        COLUMN_REASON,
        COLUMN_TOPIC_ID,
        COLUMN_SERIAL_NUMBER,
        COLUMN_PARAMS,
        COLUMN_DETAILS,
        COLUMN_COUNT
};
#define TEXT_COUNT (COLUMN_COUNT - COLUMN_FIRST_TEXT)

struct row {
        struct query_message message;
        char texts[]; /* what message points to */
};

/* matches_glob(pattern, text); null matches nothing. */
static void sql_matches_glob(sqlite3_context *context, int count, sqlite3_value **values)
{
        const char *pattern = (const char *)sqlite3_value_text(values[0]);
        const char *text = (const char *)sqlite3_value_text(values[1]);

        (void)count; /* SQLite has checked it */
        sqlite3_result_int(context, pattern && text && text_matches_glob(pattern, text));
}

/* state_class(topic_type, state_id); null when there is no state. */
static void sql_state_class(sqlite3_context *context, int count, sqlite3_value **values)
{
        (void)count; /* SQLite has checked it */
        if (sqlite3_value_type(values[0]) == SQLITE_NULL)
                sqlite3_result_null(context);
        else
                sqlite3_result_text(
                        context,
                        catalog_class(sqlite3_value_int64(values[0]), sqlite3_value_int64(values[1])), -1,
                        SQLITE_STATIC);
}

int query_add_functions(sqlite3 *db)
{
        const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
        int result = sqlite3_create_function_v2(db, "matches_glob", 2, flags, NULL, sql_matches_glob, NULL,
                                                NULL, NULL);

        if (result == SQLITE_OK)
                result = sqlite3_create_function_v2(db, "state_class", 2, flags, NULL, sql_state_class, NULL,
                                                    NULL, NULL);
        return ledger_errno(result);
}

struct condition {
        bool wanted;
        const char *sql;
};

/* Only the conditions that the filter asks for, so that each plan is the best.
 * IFNULL keeps the join a left one: SQLite would else walk state first, and
 * sort all of it anew for each page. */
static char *build_sql(const struct query_filter *filter)
{
        const struct condition conditions[] = {
                { filter->seq != 0, " AND m.seq = :seq" },
                { filter->since_ms != CLOCK_UNKNOWN, " AND m.received_ms >= :since" },
                { filter->until_ms != CLOCK_UNKNOWN, " AND m.received_ms < :until" },
                { filter->client, " AND (matches_glob(:client, m.client_id)"
                                  " OR matches_glob(:client, m.netbios_name))" },
                { filter->topic_type != -1, " AND IFNULL(s.topic_type, -1) = :topic" },
                { filter->state_id != -1, " AND IFNULL(s.state_id, -1) = :state" },
                { filter->state_class, " AND matches_glob(:class, state_class(s.topic_type, s.state_id))" },
                /* "<> 3" in so many words opens the index of what is on its way */
                { filter->delivery != -1 && filter->delivery != DELIVERY_FORWARDED,
                  " AND m.delivery = :delivery AND m.delivery <> 3" },
                { filter->delivery == DELIVERY_FORWARDED, " AND m.delivery = :delivery" },
        };
        char *sql = NULL;
        size_t size;
        FILE *out = open_memstream(&sql, &size);
        size_t i;

        _Static_assert(DELIVERY_FORWARDED == 3, "as the index of the schema has it");
        if (!out)
                return NULL;
        (void)fputs("SELECT " COLUMNS " FROM message m LEFT JOIN state s"
                    " ON s.id BETWEEN m.seq * 1024 AND m.seq * 1024 + 1023"
                    " WHERE ",
                    out); /* the stream remembers a fault until fclose */
        (void)fputs(filter->oldest_first ? "m.seq >= :from AND (m.seq > :from OR (s.id & 1023) > :after)"
                                         : "m.seq <= :from AND (m.seq < :from OR (s.id & 1023) > :after)",
                    out);
        for (i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
                if (conditions[i].wanted)
                        (void)fputs(conditions[i].sql, out);
        (void)fprintf(out, " ORDER BY m.seq %s, s.id ASC LIMIT :limit",
                      filter->oldest_first ? "ASC" : "DESC");
        if (fclose(out) == 0)
                return sql;
        free(sql);
        return NULL;
}

/* Parameters that the statement lacks have index 0, which is skipped. */
static int bind_number(sqlite3_stmt *statement, const char *name, int64_t value)
{
        int index = sqlite3_bind_parameter_index(statement, name);

        return index == 0 ? SQLITE_OK : sqlite3_bind_int64(statement, index, value);
}

static int bind_text(sqlite3_stmt *statement, const char *name, const char *value)
{
        int index = sqlite3_bind_parameter_index(statement, name);

        return index == 0 ? SQLITE_OK : sqlite3_bind_text(statement, index, value, -1, SQLITE_STATIC);
}

static int bind_filter(sqlite3_stmt *statement, const struct query_filter *filter)
{
        const int results[] = {
                bind_number(statement, ":seq", filter->seq),
                bind_number(statement, ":since", filter->since_ms),
                bind_number(statement, ":until", filter->until_ms),
                bind_text(statement, ":client", filter->client),
                bind_number(statement, ":topic", filter->topic_type),
                bind_number(statement, ":state", filter->state_id),
                bind_text(statement, ":class", filter->state_class),
                bind_number(statement, ":delivery", filter->delivery),
        };
        size_t i;

        for (i = 0; i < sizeof(results) / sizeof(results[0]); i++)
                if (results[i] != SQLITE_OK)
                        return ledger_errno(results[i]);
        return 0;
}

static int64_t column_time(sqlite3_stmt *statement, enum column column)
{
        return sqlite3_column_type(statement, column) == SQLITE_NULL
                       ? CLOCK_UNKNOWN
                       : sqlite3_column_int64(statement, column);
}

static void read_numbers(sqlite3_stmt *statement, struct query_message *message)
{
        message->name.seq = sqlite3_column_int64(statement, COLUMN_SEQ);
        message->name.time_ms = sqlite3_column_int64(statement, COLUMN_NAME_MS);
        message->name.node = (unsigned)sqlite3_column_int64(statement, COLUMN_NODE);
        message->received_ms = sqlite3_column_int64(statement, COLUMN_RECEIVED_MS);
        message->delivery = (enum delivery)sqlite3_column_int(statement, COLUMN_DELIVERY);
        message->size = sqlite3_column_int64(statement, COLUMN_SIZE);
        message->staged_ms = column_time(statement, COLUMN_STAGED_MS);
        message->copied_ms = column_time(statement, COLUMN_COPIED_MS);
        message->forwarded_ms = column_time(statement, COLUMN_FORWARDED_MS);
        message->quarantined_ms = column_time(statement, COLUMN_QUARANTINED_MS);
        message->has_state = sqlite3_column_type(statement, COLUMN_PART) != SQLITE_NULL;
        message->part = sqlite3_column_int64(statement, COLUMN_PART); /* 0 for null */
        message->topic_type = sqlite3_column_int64(statement, COLUMN_TOPIC_TYPE);
        message->state_id = sqlite3_column_int64(statement, COLUMN_STATE_ID);
        message->message_time_ms = column_time(statement, COLUMN_MESSAGE_TIME_MS);
}

/* NULL when memory is short. */
static struct row *copy_row(sqlite3_stmt *statement)
{
        const char *sources[TEXT_COUNT];
        size_t room = 0;
        struct row *row;
        char *next;
        int i;

        for (i = 0; i < TEXT_COUNT; i++) {
                sources[i] = (const char *)sqlite3_column_text(statement, COLUMN_FIRST_TEXT + i);
                room += sources[i] ? strlen(sources[i]) + 1 : 0;
        }
        row = calloc(1, sizeof(*row) + room);
        if (!row)
                return NULL;
        read_numbers(statement, &row->message);
        /* The order of enum column from COLUMN_FIRST_TEXT on. */
        const char **targets[TEXT_COUNT] = {
                &row->message.client_address, &row->message.client_id,   &row->message.netbios_name,
                &row->message.client_version, &row->message.reason,      &row->message.topic_id,
                &row->message.serial_number,  &row->message.params_json, &row->message.details,
        };
        for (next = row->texts, i = 0; i < TEXT_COUNT; i++)
                if (sources[i]) {
                        *targets[i] = next;
                        next = stpcpy(next, sources[i]) + 1;
                }
        return row;
}

struct page {
        struct row *rows[PAGE_ROWS];
        size_t count;
        int64_t from, after; /* where the next page begins: at most this seq, and of it the parts after */
};

static void clear_page(struct page *page)
{
        while (page->count > 0)
                free(page->rows[--page->count]);
}

static int read_page(sqlite3_stmt *statement, size_t limit, struct page *page)
{
        int result = bind_number(statement, ":from", page->from);

        if (result == SQLITE_OK)
                result = bind_number(statement, ":after", page->after);
        if (result == SQLITE_OK)
                result = bind_number(statement, ":limit", (int64_t)limit);
        while (result == SQLITE_OK || result == SQLITE_ROW) {
                result = sqlite3_step(statement);
                if (result != SQLITE_ROW)
                        break;
                struct row *row = copy_row(statement);
                if (!row) {
                        result = SQLITE_NOMEM;
                        break;
                }
                page->rows[page->count++] = row;
                page->from = row->message.name.seq;
                page->after = row->message.part;
        }
        (void)sqlite3_reset(statement); /* repeats the result of step */
        return ledger_errno(result);
}

static int walk(sqlite3_stmt *statement, const struct query_filter *filter,
                int (*visit)(void *arg, const struct query_message *message), void *arg)
{
        struct page page = { .from = INT64_MAX, .after = -1 };
        uint64_t left = filter->limit == 0 ? UINT64_MAX : filter->limit;
        int r = 0;

        if (filter->oldest_first)
                page = (struct page){ .from = filter->after_seq, .after = LEDGER_PARTS };
        if (filter->from_seq) {
                page.from = filter->from_seq;
                page.after = filter->from_part;
        }
        while (r == 0 && left > 0) {
                size_t wanted = left < PAGE_ROWS ? (size_t)left : PAGE_ROWS;
                size_t i;

                r = read_page(statement, wanted, &page);
                for (i = 0; r == 0 && i < page.count; i++)
                        r = visit(arg, &page.rows[i]->message);
                left -= page.count;
                if (page.count < wanted)
                        left = 0;
                clear_page(&page);
        }
        return r;
}

int query_messages(struct query *query, const struct query_filter *filter,
                   int (*visit)(void *arg, const struct query_message *message), void *arg)
{
        sqlite3 *db = query_db(query);
        sqlite3_stmt *statement = NULL;
        char *sql AUTO_FREE = build_sql(filter);
        int r;

        if (!sql)
                return -ENOMEM;
        r = query_add_functions(db);
        if (r < 0)
                return r;
        r = ledger_errno(sqlite3_prepare_v2(db, sql, -1, &statement, NULL));
        if (r == 0)
                r = bind_filter(statement, filter);
        if (r == 0)
                r = walk(statement, filter, visit, arg);
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        return r;
}
