#include "admin/web_parts.h"

#include "admin/format.h"
#include "admin/message_row.h"
#include "admin/web_html.h"
#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/errors.h"
#include "fsp/fsutil.h"
#include "fsp/text.h"
#include <errno.h>
#include <string.h>

const char *parts_mood(const char *state_class)
{
        switch (catalog_mood(state_class)) {
        case CATALOG_GOOD:
                return "good";
        case CATALOG_WARNING:
                return "warn";
        case CATALOG_BAD:
                return "bad";
        case CATALOG_NEUTRAL:
                break;
        }
        return "";
}

void parts_state(FILE *out, int64_t topic_type, int64_t state_id)
{
        const char *text = catalog_state_text(topic_type, state_id);
        if (text && *text)
                html(out, "%s", text);
        else
                html(out, "Topic %d, state %d", topic_type, state_id);
}

void parts_badge(FILE *out, const char *state_class)
{
        html(out, "<span class=\"badge %s\">%s</span>", parts_mood(state_class), state_class);
}

void parts_state_badge(FILE *out, const struct viewer_state *state)
{
        parts_badge(out, state->known ? catalog_class(state->topic_type, state->state_id) : "unknown");
}

const char *parts_client_name(const struct viewer_client *client)
{
        const char *name = client->netbios_name ? client->netbios_name : client->client_id;
        return name ? name : "?";
}

static void put_client(FILE *out, const struct query_message *message)
{
        const char *name = message->netbios_name ? message->netbios_name : message->client_id;
        if (name)
                html(out, "<td><a href=\"/client?key=%u\">%s</a></td>",
                     message->client_id ? message->client_id : name, name);
        else
                html(out, "<td>–</td>");
}

static int put_parameters(FILE *out, const struct query_message *message)
{
        json_t *row = message_row_new(message);
        char *cell AUTO_FREE = row ? format_cell(json_object_get(row, "params")) : NULL;
        if (cell)
                html(out, "<td class=\"wide\">%s</td>", cell);
        json_decref(row);
        return cell ? 0 : -ENOMEM;
}

int parts_message_row(void *arg, const struct query_message *message)
{
        struct parts_rows *rows = arg;
        FILE *out = rows->out;
        char id[NAME_SIZE];
        html(out, "<tr><td>");
        html_time(out, message->received_ms, rows->now_ms);
        html(out, "</td>");
        put_client(out, message);
        html(out, "<td><a href=\"/messages/%u\">", name_format_id(&message->name, id));
        if (message->has_state)
                parts_state(out, message->topic_type, message->state_id);
        else
                html(out, "No state");
        html(out, "</a></td>");
        int r = put_parameters(out, message);
        html(out, "<td>");
        parts_badge(out,
                    message->has_state ? catalog_class(message->topic_type, message->state_id) : "unknown");
        html(out, "</td><td class=\"wide\">%s</td></tr>\n", delivery_name(message->delivery));
        rows->count++;
        rows->last_seq = message->name.seq;
        rows->last_part = message->part;
        return r;
}

static int first_row(void *arg, const struct query_message *message)
{
        static const struct html_column columns[] = { { "Received", NULL }, { "Client", NULL },
                                                      { "State", NULL },    { "Parameters", "wide" },
                                                      { "Class", NULL },    { "Delivery", "wide" } };
        struct parts_rows *rows = arg;
        if (rows->count == 0)
                html_table(rows->out, "Messages", columns, sizeof(columns) / sizeof(columns[0]));
        return parts_message_row(rows, message);
}

int parts_messages(struct query *query, const struct query_filter *filter, struct parts_rows *rows)
{
        int r = query_messages(query, filter, first_row, rows);
        if (rows->count > 0)
                html_table_end(rows->out);
        return r;
}

struct problems {
        FILE *out;
        int64_t now_ms;
        uint64_t from, to, count; /* from <= shown < to */
};

void parts_error(FILE *out, int64_t error)
{
        char text[ERRORS_TEXT_SIZE];
        const struct errors_row *row = error == ERRORS_NONE ? NULL : errors_find(error);
        if (error == ERRORS_NONE)
                html(out, "–");
        else
                html(out, "<code>%s</code> <span class=\"soft\">%s</span>", errors_format(error, text),
                     row ? row->text : "");
}

static int put_problem(void *arg, const struct viewer_count *count)
{
        static const struct html_column columns[] = {
                { "Clients", "number" }, { "Problem", NULL }, { "Error", NULL }, { "Last seen", NULL }
        };
        struct problems *problems = arg;
        FILE *out = problems->out;
        char error[ERRORS_TEXT_SIZE] = "none";
        uint64_t place = problems->count++;
        if (place < problems->from || place >= problems->to)
                return 0;
        if (place == problems->from)
                html_table(out, "Problems", columns, sizeof(columns) / sizeof(columns[0]));
        if (count->error != ERRORS_NONE)
                (void)errors_format(count->error, error); /* the buffer itself */
        html(out,
             "<tr><td class=\"number\">%d</td><td><a "
             "href=\"/reports/problems-detail?topic=%d&amp;state=%d&amp;error=%u\">",
             count->clients, count->topic_type, count->state_id, error);
        parts_state(out, count->topic_type, count->state_id);
        html(out, "</a></td><td>");
        parts_error(out, count->error);
        html(out, "</td><td>");
        html_time(out, count->last_seen_ms, problems->now_ms);
        html(out, "</td></tr>\n");
        return 0;
}

void parts_left_out(FILE *out, struct query *query)
{
        int64_t messages = viewer_left_out(query);
        if (messages > 0)
                html(out,
                     "<p class=\"hint\" role=\"note\">A burst came in: its %d newest messages are not "
                     "counted yet.</p>\n",
                     messages);
}

int parts_problems(struct query *query, FILE *out, const struct viewer_filter *filter, uint64_t from,
                   uint64_t *ret_more)
{
        struct problems problems = { .out = out, .now_ms = clock_wall_ms(), .from = from };
        struct viewer_filter all = *filter;
        problems.to = from + filter->limit;
        all.limit = 0;
        int r = viewer_counts(query, VIEWER_PROBLEMS_SUMMARY, &all, put_problem, &problems);
        if (problems.count > from)
                html_table_end(out);
        else if (r == 0 && problems.count == 0)
                html(out, "<p class=\"sheet\">No client is known to have a problem.</p>\n");
        parts_left_out(out, query);
        *ret_more = problems.count > problems.to ? problems.count - problems.to : 0;
        return r;
}
