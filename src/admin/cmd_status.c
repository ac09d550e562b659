#include "admin/cmd.h"
#include "admin/status.h"
#include "fsp/fsutil.h"
#include <string.h>

#define STATUS_WAIT_MS 10000

static int print_list(const json_t *row)
{
        size_t i;

        for (i = 0; i < status_column_count; i++) {
                const json_t *value = json_object_get(row, status_columns[i].key);
                char *text AUTO_FREE = format_cell(value);

                if (!text)
                        return CMD_WRONG;
                if (strcmp(status_columns[i].key, "reasons") == 0 && *text == '\0')
                        continue;
                (void)printf("%-16s ", status_columns[i].title); /* main looks at the stream */
                cmd_print(stdout, *text ? text : "-");
                (void)fputc('\n', stdout);
        }
        return CMD_DONE;
}

static int print_csv(const struct cmd_arguments *arguments, const json_t *row)
{
        struct format format = cmd_format(arguments, status_columns, status_column_count, NULL, 0);
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
        else if (status_spread(answer) < 0)
                result = CMD_WRONG;
        else
                result = arguments->csv ? print_csv(arguments, answer) : print_list(answer);
        availability = json_string_value(json_object_get(answer, "availability"));
        if (!availability || strcmp(availability, "online") != 0)
                result = CMD_WRONG;
        json_decref(answer);
        return result;
}
