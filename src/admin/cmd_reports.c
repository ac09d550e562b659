#include "admin/client_row.h"
#include "admin/cmd_clients.h"
#include "admin/cmd_ledger.h"
#include "admin/cmd_options.h"
#include "fsp/clock.h"
#include <errno.h>

static const struct format_column list_columns[] = {
        { .key = "name", .title = "NAME" },
        { .key = "title", .title = "TITLE" },
};
static const struct format_column status_table[] = {
        { .key = "class", .title = "CLASS" },
        { .key = "state_id", .title = "STATE", .right = true },
        { .key = "clients", .title = "CLIENTS", .right = true },
        { .key = "last_seen", .title = "LAST SEEN", .from_width = 100 },
        { .key = "state", .title = "WHAT", .cut = true },
};
static const struct format_column problem_table[] = {
        { .key = "clients", .title = "CLIENTS", .right = true },
        { .key = "topic_type", .title = "TOPIC", .right = true },
        { .key = "state_id", .title = "STATE", .right = true },
        { .key = "error", .title = "ERROR" },
        { .key = "last_seen", .title = "LAST SEEN", .from_width = 100 },
        { .key = "what", .title = "WHAT", .cut = true },
};
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static int list_reports(const struct cmd_arguments *arguments)
{
        struct format format =
                cmd_format(arguments, list_columns, LENGTH(list_columns), list_columns, LENGTH(list_columns));
        int end, r = format.kind->begin(&format);
        unsigned i;

        for (i = 0; r == 0 && i < VIEWER_REPORT_COUNT; i++) {
                const struct viewer_report_info *info = viewer_report_info((enum viewer_report)i);
                json_t *row = json_pack("{s:s, s:s}", "name", info->name, "title", info->title);

                r = row ? format.kind->row(&format, row) : -ENOMEM;
                json_decref(row);
        }
        end = format.kind->end(&format);
        return r < 0 || end < 0 ? CMD_WRONG : CMD_DONE; /* main says what the stream has */
}

struct listing {
        struct format format;
        enum viewer_report report;
        enum viewer_shape shape;
        const struct viewer_filter *filter;
};

static int show_count(void *arg, const struct viewer_count *count)
{
        struct listing *listing = arg;
        json_t *row = client_row_count(count, listing->shape);
        int r = row ? 0 : -ENOMEM;

        if (r == 0 && listing->format.columns == problem_table) {
                const char *state = json_string_value(json_object_get(row, "state"));
                const char *error = json_string_value(json_object_get(row, "error_text"));
                json_t *what = json_sprintf("%s%s%s", state ? state : "", state && error ? ": " : "",
                                            error ? error : "");

                r = json_object_set_new(row, "what", what) < 0 ? -ENOMEM : 0;
        }
        if (r == 0)
                r = listing->format.kind->row(&listing->format, row);
        json_decref(row);
        return r;
}

static int write_counts(void *arg, struct query *query)
{
        struct listing *listing = arg;

        return viewer_counts(query, listing->report, listing->filter, show_count, listing);
}

static int show_counts(const struct cmd_arguments *arguments, const struct config *config,
                       enum viewer_report report, const struct viewer_filter *filter)
{
        enum viewer_shape shape = viewer_report_info(report)->shape;
        struct listing listing = {
                .format = shape == VIEWER_SHAPE_STATUS ? cmd_format(arguments, client_row_status_columns,
                                                                    client_row_status_column_count,
                                                                    status_table, LENGTH(status_table))
                                                       : cmd_format(arguments, client_row_problem_columns,
                                                                    client_row_problem_column_count,
                                                                    problem_table, LENGTH(problem_table)),
                .report = report,
                .shape = shape,
                .filter = filter,
        };

        return cmd_show_list(config, &listing.format, filter->limit, write_counts, &listing);
}

int cmd_reports(const struct cmd_arguments *arguments, const struct config *config)
{
        struct viewer_filter filter = VIEWER_ALL;
        enum viewer_report report;

        filter.limit = CMD_DEFAULT_LIMIT;
        if (!cmd_parse_when("since", arguments->since, &filter.since_ms) ||
            !cmd_parse_limit(arguments->limit, &filter.limit))
                return CMD_USAGE;
        if (arguments->operand_count == 0)
                return list_reports(arguments);
        if (viewer_report_parse(arguments->operands[0], &report) < 0) {
                cmd_complain("there is no report %s (fspctl report lists them)", arguments->operands[0]);
                return CMD_USAGE;
        }
        if (viewer_report_info(report)->shape == VIEWER_SHAPE_CLIENTS)
                return cmd_show_clients(arguments, config, &report, &filter);
        return show_counts(arguments, config, report, &filter);
}
