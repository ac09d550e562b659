#include "admin/cmd.h"
#include "admin/cmd_ledger.h"
#include "admin/message_row.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <signal.h>
#include <time.h>

#define POLL_MS 250

/* A line for people as it comes; a table cannot know what will follow. */
static const struct {
        const char *key;
        int width;
} line_columns[] = {
        { "received", 24 }, { "client", 15 }, { "topic_type", 5 }, { "state_id", 5 },
        { "class", 14 },    { "state", 0 },   { "params", 0 },     { "error_text", 0 },
};

static int line_begin(struct format *format)
{
        (void)format; /* no header: it would scroll away */
        return 0;
}

static int line_row(struct format *format, const json_t *row)
{
        size_t i;

        for (i = 0; i < sizeof(line_columns) / sizeof(line_columns[0]); i++) {
                char *text AUTO_FREE = format_cell(json_object_get(row, line_columns[i].key));
                char *escaped AUTO_FREE = text ? format_escape(text) : NULL;

                if (!escaped)
                        return -ENOMEM;
                if (line_columns[i].width > 0 || *escaped)
                        (void)fprintf(format->out, "%s%-*s", i > 0 ? "  " : "", line_columns[i].width,
                                      escaped); /* looked at below */
        }
        return fputc('\n', format->out) == EOF ? -EIO : 0;
}

static int line_end(struct format *format)
{
        (void)format; /* nothing is held back */
        return 0;
}

static const struct format_kind format_line = { line_begin, line_row, line_end };

struct tail {
        struct format format;
        struct query_filter filter;
        bool json;
};

static int note_last(void *arg, const struct query_message *message)
{
        struct tail *tail = arg;

        tail->filter.after_seq = message->name.seq;
        return 0;
}

static int show_message(void *arg, const struct query_message *message)
{
        struct tail *tail = arg;
        json_t *row = message_row_new(message), *client;
        int r = row ? 0 : -ENOMEM;

        if (r == 0) {
                client = json_object_get(row, message->netbios_name ? "netbios_name" : "client_id");
                r = tail->json || json_object_set(row, "client", client) == 0 ? 0 : -ENOMEM;
        }
        if (r == 0)
                r = tail->json ? format_json_value(stdout, row, false)
                               : tail->format.kind->row(&tail->format, row);
        json_decref(row);
        tail->filter.after_seq = message->name.seq;
        return r;
}

/* The newest one there is: the tail begins behind it. */
static int find_begin(struct query *query, struct tail *tail)
{
        struct query_filter newest = tail->filter;

        newest.oldest_first = false;
        newest.limit = 1;
        return query_messages(query, &newest, note_last, tail);
}

static int follow(struct query *query, struct tail *tail, const sigset_t *signals)
{
        static const struct timespec pause = { 0, POLL_MS * 1000000L };
        int r = find_begin(query, tail);

        if (r == 0)
                r = tail->format.kind->begin(&tail->format);
        while (r == 0) {
                r = query_messages(query, &tail->filter, show_message, tail);
                if (r == 0 && fflush(stdout) == EOF)
                        r = -errno;
                if (r == 0 && sigtimedwait(signals, NULL, &pause) > 0)
                        break;
        }
        return r;
}

int cmd_tail(const struct cmd_arguments *arguments, const struct config *config)
{
        struct tail tail = {
                .format = cmd_format(arguments, message_row_columns, message_row_column_count, NULL, 0),
                .filter = QUERY_FILTER(.oldest_first = true),
                .json = arguments->json,
        };
        struct query *query;
        sigset_t signals;
        int r, result = cmd_open_ledger(config, &query);

        if (result != CMD_DONE)
                return result;
        if (!arguments->csv)
                tail.format.kind = &format_line;
        (void)sigemptyset(&signals); /* neither can fail with signals that exist */
        (void)sigaddset(&signals, SIGINT);
        (void)sigaddset(&signals, SIGTERM);
        r = sigprocmask(SIG_BLOCK, &signals, NULL) < 0 ? -errno : follow(query, &tail, &signals);
        query_close(query);
        return r < 0 ? cmd_complain_ledger(config, r) : CMD_DONE;
}
