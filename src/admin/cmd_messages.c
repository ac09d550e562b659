#include "admin/cmd.h"
#include "admin/cmd_ledger.h"
#include "admin/cmd_options.h"
#include "admin/message_row.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <string.h>

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
        struct query_filter filter;
        bool table;
};

/* The description, the parameters and what the error among them means, in one cell. */
static json_t *make_what(const json_t *row)
{
        const char *state = json_string_value(json_object_get(row, "state"));
        const char *error = json_string_value(json_object_get(row, "error_text"));
        char *params AUTO_FREE = format_cell(json_object_get(row, "params"));

        if (!params)
                return NULL;
        return json_sprintf("%s%s%s%s%s%s", state ? state : "", state && *params ? ": " : "", params,
                            error ? " (" : "", error ? error : "", error ? ")" : "");
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
        struct query_filter filter =
                QUERY_FILTER(.client = arguments->client, .state_class = arguments->state_class,
                             .limit = CMD_DEFAULT_LIMIT);

        if (!cmd_parse_when("since", arguments->since, &filter.since_ms) ||
            !cmd_parse_when("until", arguments->until, &filter.until_ms) ||
            !cmd_parse_identifier("topic", arguments->topic, &filter.topic_type) ||
            !cmd_parse_identifier("state", arguments->state, &filter.state_id) ||
            !cmd_parse_class(arguments->state_class) ||
            !parse_delivery(arguments->delivery, &filter.delivery))
                return false;
        if (!cmd_parse_limit(arguments->limit, &filter.limit))
                return false;
        *ret_filter = filter;
        return true;
}

static int write_messages(void *arg, struct query *query)
{
        struct listing *listing = arg;

        return query_messages(query, &listing->filter, show_message, listing);
}

int cmd_messages(const struct cmd_arguments *arguments, const struct config *config)
{
        struct listing listing = {
                .format = cmd_format(arguments, message_row_columns, message_row_column_count, table_columns,
                                     sizeof(table_columns) / sizeof(table_columns[0])),
                .table = !arguments->json && !arguments->csv,
        };

        if (!parse_filter(arguments, &listing.filter))
                return CMD_USAGE;
        return cmd_show_list(config, &listing.format, listing.filter.limit, write_messages, &listing);
}
