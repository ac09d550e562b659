#include "admin/cmd.h"
#include "admin/cmd_ledger.h"
#include "admin/message_row.h"
#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <string.h>

/* The whole message: the row of part 0 with history and report. */
struct picture {
        json_t *object;
        json_t *parts;
};

/* What a part has beyond its row. */
static json_t *make_part(const struct query_message *message)
{
        json_t *part = message_row_new(message);
        const char *topic = message->has_state ? catalog_topic_name(message->topic_type) : NULL;

        if (part && json_object_set_new(part, "topic", format_text(topic)) == 0 &&
            json_object_set_new(part, "serial_number", format_text(message->serial_number)) == 0 &&
            json_object_set_new(part, "details", format_text(message->details)) == 0)
                return part;
        json_decref(part);
        return NULL;
}

static json_t *make_object(const struct query_message *message)
{
        json_t *object = message_row_new(message);

        if (object && json_object_set_new(object, "size", json_integer(message->size)) == 0 &&
            json_object_set_new(object, "reason", format_text(message->reason)) == 0 &&
            json_object_set_new(object, "history", message_row_history(message)) == 0 &&
            json_object_set_new(object, "report", json_array()) == 0)
                return object;
        json_decref(object);
        return NULL;
}

static int add_part(void *arg, const struct query_message *message)
{
        struct picture *picture = arg;

        if (!picture->object) {
                picture->object = make_object(message);
                picture->parts = json_object_get(picture->object, "report");
        }
        if (!picture->object || json_array_append_new(picture->parts, make_part(message)) < 0)
                return -ENOMEM;
        return 0;
}

static const char *const report_lines[][2] = {
        { "Message", "id" },
        { "Received", "received" },
        { "From", "client_address" },
        { "Client ID", "client_id" },
        { "NetBIOS name", "netbios_name" },
        { "Client version", "client_version" },
        { "Size, bytes", "size" },
        { "Delivery", "delivery" },
        { "Reason", "reason" },
};
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

static int print_picture(const struct picture *picture)
{
        size_t i;
        json_t *item;
        int r = print_lines(picture->object, report_lines, sizeof(report_lines) / sizeof(report_lines[0]));

        json_array_foreach(json_object_get(picture->object, "history"), i, item)(void)
                printf("  %-14s %s\n", json_string_value(json_object_get(item, "delivery")),
                       json_string_value(json_object_get(item, "at"))); /* main looks at the stream */
        json_array_foreach(picture->parts, i, item)
        {
                (void)printf("State message %zu of %zu\n", i + 1, json_array_size(picture->parts));
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
        struct query_filter filter = { .since_ms = CLOCK_UNKNOWN,
                                       .until_ms = CLOCK_UNKNOWN,
                                       .topic_type = -1,
                                       .state_id = -1,
                                       .delivery = -1,
                                       .seq = seq };
        struct picture picture = { NULL, NULL };
        int r = query_messages(query, &filter, add_part, &picture);

        if (r == 0 && !picture.object)
                r = -ESTALE; /* retention took it this very moment */
        if (r == 0 && arguments->json)
                r = format_json_value(stdout, picture.object, true);
        else if (r == 0 && arguments->csv)
                r = print_rows(arguments, picture.parts);
        else if (r == 0)
                r = print_picture(&picture);
        json_decref(picture.object);
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
        struct message_name name;
        enum delivery delivery;
        struct query *query;
        int64_t seq;
        int r, result = cmd_open_ledger(config, &query);

        if (result != CMD_DONE)
                return result;
        /* A file's name will do as well. */
        r = name_parse(id, "", &name);
        if (r < 0)
                r = name_parse(id, NAME_SUFFIX, &name);
        if (r == 0)
                r = query_find(query, &name, &seq, &delivery);
        if (r == -EINVAL || r == -ENOENT) {
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
