#include "admin/cmd.h"
#include "fsp/fsutil.h"
#include <string.h>

#define STATUS_WAIT_MS 10000

/* All that is flat in the object; last_run is spread. */
static const struct format_column columns[] = {
        { .key = "availability", .title = "Availability" },
        { .key = "reasons", .title = "Because" },
        { .key = "site_code", .title = "Site code" },
        { .key = "version", .title = "Version" },
        { .key = "listen", .title = "Listening on" },
        { .key = "admin", .title = "Web page" },
        { .key = "staged", .title = "Staged" },
        { .key = "oldest_staged_seconds", .title = "Oldest, seconds" },
        { .key = "quarantined", .title = "Quarantined" },
        { .key = "received", .title = "Received" },
        { .key = "forwarded", .title = "Forwarded" },
        { .key = "duplicates", .title = "Duplicates" },
        { .key = "refused", .title = "Refused" },
        { .key = "last_run_started", .title = "Last run" },
        { .key = "last_run_tried", .title = "  tried" },
        { .key = "last_run_copied", .title = "  copied" },
        { .key = "last_run_seconds", .title = "  seconds" },
        { .key = "next_run", .title = "Next run" },
        { .key = "draining", .title = "Draining" },
        { .key = "connections", .title = "Connections" },
};
#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))

static int print_list(const json_t *row)
{
        size_t i;

        for (i = 0; i < COLUMN_COUNT; i++) {
                const json_t *value = json_object_get(row, columns[i].key);
                char *text AUTO_FREE = format_cell(value);

                if (!text)
                        return CMD_WRONG;
                if (strcmp(columns[i].key, "reasons") == 0 && *text == '\0')
                        continue;
                (void)printf("%-16s ", columns[i].title); /* main looks at the stream */
                cmd_print(stdout, *text ? text : "-");
                (void)fputc('\n', stdout);
        }
        return CMD_DONE;
}

/* {"last_run": {"tried": 1}} to {"last_run_tried": 1}. */
static int spread_last_run(json_t *row)
{
        json_t *run = json_object_get(row, "last_run");
        const char *key;
        json_t *value;

        json_object_foreach(run, key, value)
        {
                char name[64];

                (void)snprintf(name, sizeof(name), "last_run_%s", key); /* our own short keys */
                if (json_object_set(row, name, value) < 0)
                        return -1;
        }
        return 0;
}

static int print_csv(const struct cmd_arguments *arguments, const json_t *row)
{
        struct format format = cmd_format(arguments, columns, COLUMN_COUNT, NULL, 0);
        int r = format.kind->begin(&format);

        if (r == 0)
                r = format.kind->row(&format, row);
        return format.kind->end(&format) == 0 && r == 0 ? CMD_DONE : CMD_WRONG;
}

int cmd_status(const struct cmd_arguments *arguments, const struct config *config)
{
        const char *availability;
        json_t *answer;
        int result = cmd_ask(config, "status", STATUS_WAIT_MS, &answer);

        if (result != CMD_DONE)
                return result;
        if (arguments->json)
                result = format_json_value(stdout, answer, true) == 0 ? CMD_DONE : CMD_WRONG;
        else if (spread_last_run(answer) < 0)
                result = CMD_WRONG;
        else
                result = arguments->csv ? print_csv(arguments, answer) : print_list(answer);
        availability = json_string_value(json_object_get(answer, "availability"));
        if (!availability || strcmp(availability, "online") != 0)
                result = CMD_WRONG;
        json_decref(answer);
        return result;
}
