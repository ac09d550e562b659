#include "admin/cmd.h"
#include "admin/cmd_ledger.h"
#include "admin/message_row.h"
#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/text.h"
#include <errno.h>
#include <string.h>

#define DEFAULT_LIMIT 100

/* client and what are made for the table. */
static const struct format_column table_columns[] = {
        { .key = "id", .title = "ID" },
        { .key = "client", .title = "CLIENT", .most = 15 },
        { .key = "client_address", .title = "ADDRESS", .from_width = 140 },
        { .key = "topic_type", .title = "TOPIC", .right = true },
        { .key = "state_id", .title = "STATE", .right = true },
        { .key = "class", .title = "CLASS", .from_width = 110 },
        { .key = "delivery", .title = "DELIVERY" },
        { .key = "what", .title = "WHAT", .cut = true },
};

struct listing {
        struct format format;
        bool table;
};

/* The description and the parameters in one cell. */
static json_t *make_what(const json_t *row)
{
        const char *state = json_string_value(json_object_get(row, "state"));
        char *params AUTO_FREE = format_cell(json_object_get(row, "params"));

        if (!params)
                return NULL;
        return json_sprintf("%s%s%s", state ? state : "", state && *params ? ": " : "", params);
}

static int add_table_cells(json_t *row)
{
        json_t *client = json_object_get(row, "netbios_name");

        if (json_is_null(client))
                client = json_object_get(row, "client_id");
        if (json_object_set(row, "client", client) < 0 ||
            json_object_set_new(row, "what", make_what(row)) < 0)
                return -ENOMEM;
        return 0;
}

static int show_message(void *arg, const struct query_message *message)
{
        struct listing *listing = arg;
        json_t *row = message_row_new(message);
        int r = row ? 0 : -ENOMEM;

        if (r == 0 && listing->table)
                r = add_table_cells(row);
        if (r == 0)
                r = listing->format.kind->row(&listing->format, row);
        json_decref(row);
        return r;
}

static bool parse_when(const char *option, const char *text, int64_t *ret_ms)
{
        if (!text || clock_parse_when(text, clock_wall_ms(), ret_ms) == 0)
                return true;
        cmd_complain(
                "--%s %s: give an RFC 3339 time, YYYY-MM-DD, an age such as 90s 15m 2h 3d 4w, now, today or "
                "yesterday",
                option, text);
        return false;
}

static bool parse_number(const char *option, const char *text, uint64_t most, uint64_t *ret_value)
{
        uint64_t value;

        if (text_parse_u64(text, &value) < 0 || value > most) {
                cmd_complain("--%s %s: give a number from 0 to %ju", option, text, (uintmax_t)most);
                return false;
        }
        *ret_value = value;
        return true;
}

static bool parse_identifier(const char *option, const char *text, int64_t *ret_value)
{
        uint64_t value;

        if (!text)
                return true;
        if (!parse_number(option, text, INT64_MAX, &value))
                return false;
        *ret_value = (int64_t)value;
        return true;
}

static bool parse_class(const char *text)
{
        const struct catalog_state *rows;
        size_t count, i;

        if (!text || strcmp(text, "unknown") == 0)
                return true;
        rows = catalog_rows(&count);
        for (i = 0; i < count; i++)
                if (strcmp(rows[i].state_class, text) == 0)
                        return true;
        cmd_complain("--class %s: there is no such class", text);
        return false;
}

static bool parse_delivery(const char *text, int *ret_delivery)
{
        enum delivery delivery;

        if (!text)
                return true;
        if (delivery_parse(text, &delivery) < 0) {
                cmd_complain("--delivery %s: give received, staged, copied, forwarded or quarantined", text);
                return false;
        }
        *ret_delivery = (int)delivery;
        return true;
}

static bool parse_filter(const struct cmd_arguments *arguments, struct query_filter *ret_filter)
{
        struct query_filter filter = {
                .since_ms = CLOCK_UNKNOWN,
                .until_ms = CLOCK_UNKNOWN,
                .client = arguments->client,
                .topic_type = -1,
                .state_id = -1,
                .state_class = arguments->state_class,
                .delivery = -1,
                .limit = DEFAULT_LIMIT,
        };

        if (!parse_when("since", arguments->since, &filter.since_ms) ||
            !parse_when("until", arguments->until, &filter.until_ms) ||
            !parse_identifier("topic", arguments->topic, &filter.topic_type) ||
            !parse_identifier("state", arguments->state, &filter.state_id) ||
            !parse_class(arguments->state_class) || !parse_delivery(arguments->delivery, &filter.delivery))
                return false;
        if (arguments->limit && !parse_number("limit", arguments->limit, INT64_MAX, &filter.limit))
                return false;
        *ret_filter = filter;
        return true;
}

int cmd_messages(const struct cmd_arguments *arguments, const struct config *config)
{
        struct listing listing = {
                .format = cmd_format(arguments, message_row_columns, message_row_column_count, table_columns,
                                     sizeof(table_columns) / sizeof(table_columns[0])),
                .table = !arguments->json && !arguments->csv,
        };
        struct query_filter filter;
        struct query *query;
        int r, end, result;

        if (!parse_filter(arguments, &filter))
                return CMD_USAGE;
        result = cmd_open_ledger(config, &query);
        if (result != CMD_DONE)
                return result;
        r = listing.format.kind->begin(&listing.format);
        if (r == 0)
                r = query_messages(query, &filter, show_message, &listing);
        end = listing.format.kind->end(&listing.format);
        query_close(query);
        if (r < 0 || end < 0)
                return cmd_complain_ledger(config, r < 0 ? r : end);
        return CMD_DONE;
}
