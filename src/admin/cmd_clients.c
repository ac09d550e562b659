#include "admin/cmd_clients.h"
#include "admin/client_row.h"
#include "admin/cmd_ledger.h"
#include "admin/cmd_options.h"
#include "fsp/clock.h"
#include <errno.h>

/* client and what are made for the table. */
static const struct format_column table_columns[] = {
        { .key = "client", .title = "CLIENT", .most = 40 },
        { .key = "client_version", .title = "VERSION", .most = 16, .from_width = 130 },
        { .key = "class", .title = "CLASS" },
        { .key = "topic_type", .title = "TOPIC", .right = true, .from_width = 100 },
        { .key = "state_id", .title = "STATE", .right = true },
        { .key = "last_seen", .title = "LAST SEEN", .from_width = 100 },
        { .key = "communication", .title = "COMM", .from_width = 100 },
        { .key = "certificate", .title = "CERT", .from_width = 100 },
        { .key = "reboot", .title = "REBOOT", .from_width = 130 },
        { .key = "what", .title = "WHAT", .cut = true },
};

struct listing {
        struct format format;
        const enum viewer_report *report; /* NULL: all clients */
        const struct viewer_filter *filter;
        bool table;
};

static json_t *make_what(const json_t *row)
{
        const char *state = json_string_value(json_object_get(row, "state"));
        const char *param = json_string_value(json_object_get(row, "param"));
        const char *error = json_string_value(json_object_get(row, "error_text"));

        return json_sprintf("%s%s%s%s%s%s", state ? state : "", state && param ? ": " : "",
                            param ? param : "", error ? " (" : "", error ? error : "", error ? ")" : "");
}

static int add_table_cells(json_t *row, const struct viewer_client *client)
{
        const char *name = client->netbios_name ? client->netbios_name : client->client_id;

        if (json_object_set_new(row, "client", format_text(name)) < 0 ||
            json_object_set_new(row, "reboot",
                                client->reboot_needed == VIEWER_YES ? json_string("needed") : json_null()) <
                    0 ||
            json_object_set_new(row, "what", make_what(row)) < 0)
                return -ENOMEM;
        return 0;
}

static int show_client(void *arg, const struct viewer_client *client)
{
        struct listing *listing = arg;
        json_t *row = client_row_new(client);
        int r = row ? 0 : -ENOMEM;

        if (r == 0 && listing->table)
                r = add_table_cells(row, client);
        if (r == 0)
                r = listing->format.kind->row(&listing->format, row);
        json_decref(row);
        return r;
}

static int write_clients(void *arg, struct query *query)
{
        struct listing *listing = arg;

        return listing->report
                       ? viewer_report_clients(query, *listing->report, listing->filter, show_client, listing)
                       : viewer_clients(query, listing->filter, show_client, listing);
}

int cmd_show_clients(const struct cmd_arguments *arguments, const struct config *config,
                     const enum viewer_report *report, const struct viewer_filter *filter)
{
        struct listing listing = {
                .format = cmd_format(arguments, client_row_columns, client_row_column_count, table_columns,
                                     sizeof(table_columns) / sizeof(table_columns[0])),
                .report = report,
                .filter = filter,
                .table = !arguments->json && !arguments->csv,
        };

        return cmd_show_list(config, &listing.format, filter->limit, write_clients, &listing);
}

int cmd_clients(const struct cmd_arguments *arguments, const struct config *config)
{
        struct viewer_filter filter = VIEWER_ALL;

        filter.client = arguments->client;
        filter.state_class = arguments->state_class;
        filter.limit = CMD_DEFAULT_LIMIT;
        if (!cmd_parse_when("since", arguments->since, &filter.since_ms) ||
            !cmd_parse_class(arguments->state_class) || !cmd_parse_limit(arguments->limit, &filter.limit))
                return CMD_USAGE;
        return cmd_show_clients(arguments, config, NULL, &filter);
}
