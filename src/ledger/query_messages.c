/* The state message viewer: the rows of a page are copied before anyone sees
 * them, so that a slow reader of the output holds up no checkpoint. */
#include "query_index.h"
#include "query_private.h"
#include "rollup.h"

#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/query.h"
#include "ledger_private.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS 256

#define COLUMNS                                                                                              \
        "m.seq, m.name_ms, m.node, m.received_ms, m.delivery, m.size, m.staged_ms, m.copied_ms,"             \
        " m.forwarded_ms, m.quarantined_ms, " LEDGER_PART(                                                   \
                "s.id") ", s.topic_type, s.state_id, s.message_time_ms,"                                     \
                        " m.client_address, m.client_id, m.netbios_name, m.client_version, m.reason, "       \
                        "s.topic_id,"                                                                        \
                        " s.serial_number, " LEDGER_PARAMS ", " LEDGER_DETAILS
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

struct condition {
        bool wanted;
        const char *sql;
};

/* In what order, and where a page begins: :from is a message, of which the parts after :after follow. */
enum way { WAY_NEWEST_FIRST, WAY_OLDEST_FIRST, WAY_ONE_MESSAGE };
static const char *const ways[] = {
        [WAY_NEWEST_FIRST] = "m.seq <= :from AND m.seq >= :oldest AND (m.seq < :from OR IFNULL(" LEDGER_PART(
                "s.id") ", 0) > :after)",
        [WAY_OLDEST_FIRST] = "m.seq >= :from AND (m.seq > :from OR " LEDGER_PART("s.id") " > :after)",
        [WAY_ONE_MESSAGE] = "m.seq = :from AND IFNULL(" LEDGER_PART("s.id") ", 0) > :after",
};

/* Only the conditions that the filter asks for, so that each plan is the best.
 * IFNULL keeps the join a left one: SQLite would else walk state first, and
 * sort all of it anew for each page. */
static char *build_sql(const struct query_filter *filter, enum way way)
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
                { filter->delivery != -1, " AND m.delivery = :delivery" },
                { filter->delivery != -1 && filter->delivery != DELIVERY_FORWARDED && way != WAY_ONE_MESSAGE,
                  " AND m.delivery <> 3" },
        };
        char *sql = NULL;
        size_t size;
        FILE *out = open_memstream(&sql, &size);
        size_t i;

        _Static_assert(DELIVERY_FORWARDED == 3, "as the index of the schema has it");
        if (!out)
                return NULL;
        (void)fputs("SELECT " COLUMNS " FROM message m LEFT JOIN state s"
                    " ON s.id " LEDGER_STATES("m.seq", "m.seq") " WHERE ",
                    out); /* the stream remembers a fault until fclose */
        (void)fputs(ways[way], out);
        for (i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
                if (conditions[i].wanted)
                        (void)fputs(conditions[i].sql, out);
        (void)fprintf(out, " ORDER BY m.seq %s, s.id ASC LIMIT :limit",
                      way == WAY_OLDEST_FIRST ? "ASC" : "DESC");
        if (fclose(out) == 0)
                return sql;
        free(sql);
        return NULL;
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
        struct row *row =
                calloc(1, sizeof(*row) + query_texts_room(statement, COLUMN_FIRST_TEXT, TEXT_COUNT));
        if (!row)
                return NULL;
        read_numbers(statement, &row->message);
        /* The order of enum column from COLUMN_FIRST_TEXT on. */
        const char **const targets[TEXT_COUNT] = {
                &row->message.client_address, &row->message.client_id,   &row->message.netbios_name,
                &row->message.client_version, &row->message.reason,      &row->message.topic_id,
                &row->message.serial_number,  &row->message.params_json, &row->message.details,
        };
        query_copy_texts(statement, COLUMN_FIRST_TEXT, TEXT_COUNT, row->texts, targets);
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
        int result = query_bind_number(statement, ":from", page->from);

        if (result == SQLITE_OK)
                result = query_bind_number(statement, ":after", page->after);
        if (result == SQLITE_OK)
                result = query_bind_number(statement, ":limit", (int64_t)limit);
        while (result == SQLITE_OK || result == SQLITE_ROW) {
                result = sqlite3_step(statement);
                if (result != SQLITE_ROW)
                        break;
                struct row *row = copy_row(statement);
                if (!row) {
                        result = SQLITE_NOMEM;
                        break;
                }
                if (!name_is_sound(&row->message.name) || row->message.delivery >= DELIVERY_COUNT) {
                        free(row);
                        result = SQLITE_CORRUPT;
                        break;
                }
                page->rows[page->count++] = row;
                page->from = row->message.name.seq;
                page->after = row->message.part;
        }
        (void)sqlite3_reset(statement); /* repeats the result of step */
        return ledger_errno(result);
}

/* What is left to be shown, and to whom. */
struct walk {
        sqlite3 *db;
        const struct query_filter *filter;
        struct page page;
        uint64_t left;
        int (*visit)(void *arg, const struct query_message *message);
        void *arg;
};

static int show_pages(struct walk *walk, sqlite3_stmt *statement)
{
        bool more = true;
        int r = 0;

        while (r == 0 && more && walk->left > 0) {
                size_t wanted = walk->left < PAGE_ROWS ? (size_t)walk->left : PAGE_ROWS;
                size_t i;

                r = read_page(statement, wanted, &walk->page);
                for (i = 0; r == 0 && i < walk->page.count; i++)
                        r = walk->visit(walk->arg, &walk->page.rows[i]->message);
                walk->left -= walk->page.count;
                more = walk->page.count == wanted;
                clear_page(&walk->page);
        }
        return r;
}

static int prepare(const struct walk *walk, enum way way, sqlite3_stmt **ret_statement)
{
        const struct query_filter *filter = walk->filter;
        const struct query_value values[] = {
                { ":seq", .number = filter->seq },          { ":since", .number = filter->since_ms },
                { ":until", .number = filter->until_ms },   { ":client", .text = filter->client },
                { ":topic", .number = filter->topic_type }, { ":state", .number = filter->state_id },
                { ":class", .text = filter->state_class },  { ":delivery", .number = filter->delivery },
        };
        char *sql AUTO_FREE = build_sql(filter, way);

        return query_prepare(walk->db, sql, values, sizeof(values) / sizeof(values[0]), ret_statement);
}

/* All messages from the page's begin on; oldest: the last of them, newest first. */
static int show_all(struct walk *walk, enum way way, int64_t oldest)
{
        sqlite3_stmt *statement = NULL;
        int r = prepare(walk, way, &statement);

        if (r == 0)
                r = ledger_errno(query_bind_number(statement, ":oldest", oldest));
        if (r == 0)
                r = show_pages(walk, statement);
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        return r;
}

/* The messages of the index, each tested. */
static int show_found(struct walk *walk, struct query_index *index, int64_t oldest)
{
        const int64_t from = walk->page.from, after = walk->page.after;
        sqlite3_stmt *statement = NULL;
        int64_t seq = 0;
        int r = prepare(walk, WAY_ONE_MESSAGE, &statement);

        if (r == 0)
                r = query_index_next(index, &seq);
        while (r == 0 && seq > 0 && seq >= oldest && walk->left > 0) {
                walk->page.from = seq;
                walk->page.after = seq == from ? after : -1;
                r = show_pages(walk, statement);
                if (r == 0)
                        r = query_index_next(index, &seq);
        }
        (void)sqlite3_finalize(statement); /* as above */
        return r;
}

/* What lies behind the rollup's cursor is looked at message by message, what
 * lies before it is found by its indexes. */
static int show_newest_first(struct walk *walk)
{
        struct query_index index = { .count = 0 };
        int64_t cursor = 0, oldest = 0, newest = 0;
        int r = rollup_cursor(walk->db, &cursor);

        if (r == 0)
                r = query_index_span(walk->db, walk->filter, &oldest, &newest);
        if (r == 0 && walk->page.from > cursor) {
                r = show_all(walk, WAY_NEWEST_FIRST, cursor + 1);
                walk->page.from = INT64_MAX;
        }
        if (newest > cursor)
                newest = cursor;
        if (walk->page.from > newest) {
                walk->page.from = newest;
                walk->page.after = -1;
        }
        if (r < 0 || walk->left == 0 || walk->page.from < oldest)
                return r;
        r = query_index_open(&index, walk->db, walk->filter, walk->page.from);
        if (r == 1)
                r = show_found(walk, &index, oldest);
        else if (r == 0)
                r = show_all(walk, WAY_NEWEST_FIRST, oldest);
        query_index_close(&index);
        return r;
}

int query_messages(struct query *query, const struct query_filter *filter,
                   int (*visit)(void *arg, const struct query_message *message), void *arg)
{
        struct walk walk = { .db = query_db(query),
                             .filter = filter,
                             .page = { .from = INT64_MAX, .after = -1 },
                             .left = filter->limit == 0 ? UINT64_MAX : filter->limit,
                             .visit = visit,
                             .arg = arg };

        if (filter->oldest_first)
                walk.page = (struct page){ .from = filter->after_seq, .after = LEDGER_PARTS };
        if (filter->from_seq) {
                walk.page.from = filter->from_seq;
                walk.page.after = filter->from_part;
        }
        if (filter->oldest_first)
                return show_all(&walk, WAY_OLDEST_FIRST, 0);
        return filter->seq ? show_all(&walk, WAY_NEWEST_FIRST, filter->seq) : show_newest_first(&walk);
}
