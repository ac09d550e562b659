#include "admin/cmd.h"
#include "admin/cmd_ledger.h"
#include "admin/message_row.h"
#include "fsp/clock.h"
#include <errno.h>
#include <string.h>

struct export
{
        struct query *query;
        struct query_filter filter;
        const char *after; /* an id that the ledger has no row of; NULL: filter.after_seq says it */
};

static int write_message(void *arg, const struct query_message *message)
{
        const struct export *export = arg;
        char id[NAME_SIZE];
        json_t *row;
        int r;

        /* Alphabetical order of ids is the order of arrival. */
        if (export->after && strcmp(name_format_id(&message->name, id), export->after) <= 0)
                return 0;
        row = message_row_new(message);
        r = row ? format_json_value(stdout, row, false) : -ENOMEM;
        json_decref(row);
        return r;
}

/* Where to go on; also after a message that is gone by now. */
static int find_begin(struct export *export, const struct message_name *since, const char *id)
{
        enum delivery delivery;
        int64_t seq;
        int r = query_find(export->query, since, &seq, &delivery);

        if (r == 0)
                export->filter.after_seq = seq;
        else if (r == -ENOENT)
                export->after = id;
        return r == -ENOENT ? 0 : r;
}

int cmd_export(const struct cmd_arguments *arguments, const struct config *config)
{
        struct export export = { .filter = QUERY_FILTER(.oldest_first = true) };
        struct message_name since;
        char id[NAME_SIZE];
        int r = 0, result;

        if (arguments->since && name_parse(arguments->since, "", &since) < 0 &&
            name_parse(arguments->since, NAME_SUFFIX, &since) < 0) {
                cmd_complain("--since %s: give the ID of a message", arguments->since);
                return CMD_USAGE;
        }
        result = cmd_open_ledger(config, &export.query);
        if (result != CMD_DONE)
                return result;
        if (arguments->since)
                r = find_begin(&export, &since, name_format_id(&since, id));
        if (r == 0)
                r = query_messages(export.query, &export.filter, write_message, &export);
        query_close(export.query);
        return r < 0 ? cmd_complain_ledger(config, r) : CMD_DONE;
}
