#include "admin/cmd.h"
#include "admin/cmd_ledger.h"
#include "admin/message_picture.h"
#include "admin/message_row.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <string.h>

static const char *const part_lines[][2] = {
        { "  topic", "topic_type" },
        { "  topic name", "topic" },
        { "  topic ID", "topic_id" },
        { "  state", "state_id" },
        { "  meaning", "state" },
        { "  class", "class" },
        { "  message time", "message_time" },
        { "  serial number", "serial_number" },
        { "  parameters", "params" },
        { "  error", "error" },
        { "  error means", "error_text" },
        { "  details", "details" },
};

/* A line for each value that is there. */
static int print_lines(const json_t *object, const char *const lines[][2], size_t count)
{
        size_t i;

        for (i = 0; i < count; i++) {
                char *text AUTO_FREE = format_cell(json_object_get(object, lines[i][1]));

                if (!text)
                        return -ENOMEM;
                if (*text == '\0')
                        continue;
                (void)printf("%-16s ", lines[i][0]); /* main looks at the stream */
                cmd_print(stdout, text);
                (void)fputc('\n', stdout);
        }
        return 0;
}

static int print_picture(const json_t *picture)
{
        const json_t *parts = json_object_get(picture, "report");
        size_t i;
        json_t *item;
        int r = print_lines(picture, message_picture_lines, message_picture_line_count);

        json_array_foreach(json_object_get(picture, "history"), i, item)(void)
                printf("  %-14s %s\n", json_string_value(json_object_get(item, "delivery")),
                       json_string_value(json_object_get(item, "at"))); /* main looks at the stream */
        json_array_foreach(parts, i, item)
        {
                (void)printf("State message %zu of %zu\n", i + 1, json_array_size(parts));
                if (r == 0)
                        r = print_lines(item, part_lines, sizeof(part_lines) / sizeof(part_lines[0]));
        }
        return r;
}

static int print_rows(const struct cmd_arguments *arguments, const json_t *rows)
{
        struct format format = cmd_format(arguments, message_row_columns, message_row_column_count, NULL, 0);
        int r = format.kind->begin(&format), end;
        size_t i;
        json_t *row;

        json_array_foreach(rows, i, row) if (r == 0) r = format.kind->row(&format, row);
        end = format.kind->end(&format);
        return r < 0 ? r : end;
}

static int show_decoded(const struct cmd_arguments *arguments, const struct config *config,
                        struct query *query, int64_t seq)
{
        json_t *picture = NULL;
        int r = message_picture_read(query, seq, &picture);

        if (r == 0 && arguments->json)
                r = format_json_value(stdout, picture, true);
        else if (r == 0 && arguments->csv)
                r = print_rows(arguments, json_object_get(picture, "report"));
        else if (r == 0)
                r = print_picture(picture);
        json_decref(picture);
        return r < 0 ? cmd_complain_ledger(config, r) : CMD_DONE;
}

static int show_raw(const struct config *config, struct query *query, int64_t seq, const char *id)
{
        unsigned char *bytes AUTO_FREE = NULL;
        size_t size;
        int r = query_body(query, seq, &bytes, &size);

        if (r == -ENODATA) {
                cmd_complain("the bytes of %s are no longer kept (ledger.archive_size)", id);
                return CMD_WRONG;
        }
        if (r < 0)
                return cmd_complain_ledger(config, r);
        return fwrite(bytes, 1, size, stdout) == size ? CMD_DONE : CMD_WRONG;
}

int cmd_show(const struct cmd_arguments *arguments, const struct config *config)
{
        const char *id = arguments->operands[0];
        struct query *query;
        int64_t seq;
        int r, result = cmd_open_ledger(config, &query);

        if (result != CMD_DONE)
                return result;
        r = message_picture_find(query, id, &seq);
        if (r == -ENOENT) {
                cmd_complain("there is no message %s", id);
                result = CMD_WRONG;
        } else if (r < 0)
                result = cmd_complain_ledger(config, r);
        else
                result = arguments->raw ? show_raw(config, query, seq, id)
                                        : show_decoded(arguments, config, query, seq);
        query_close(query);
        return result;
}
