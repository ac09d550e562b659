/* The messages and the state of the daemon, for programs. */
#include "admin/web_site.h"

#include "admin/message_picture.h"
#include "admin/message_row.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int web_filter_read(const struct web_request *request, struct message_filter *ret_filter)
{
        static const char *const options[] = { "since", "until", "client",   "topic",
                                               "state", "class", "delivery", "limit" };
        const char *search = web_parameter(request, "q");
        int r = 0;
        size_t i;

        message_filter_init(ret_filter);
        if (search)
                r = message_filter_search(ret_filter, search);
        for (i = 0; r == 0 && i < sizeof(options) / sizeof(options[0]); i++) {
                const char *value = web_parameter(request, options[i]);

                if (value)
                        r = message_filter_set(ret_filter, options[i], value);
        }
        return r;
}

int web_api_status(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct site *site = arg;
        struct format csv_format = { .kind = &format_csv,
                                     .out = answer->out,
                                     .columns = status_columns,
                                     .column_count = status_column_count };
        struct status_facts facts;
        json_t *object;
        bool csv;
        int r = web_wants_csv(request, answer, &csv);

        if (r < 0)
                return r;
        status_gather(&site->parts, site->started_ms, &facts);
        facts.admin = request->server;
        object = status_object(&facts);
        if (!object)
                return -ENOMEM;
        answer->type = csv ? WEB_CSV : WEB_JSON;
        if (csv) {
                r = status_spread(object);
                if (r == 0)
                        r = format_csv.begin(&csv_format);
                if (r == 0)
                        r = format_csv.row(&csv_format, object);
        } else {
                r = format_json_value(answer->out, object, true);
        }
        json_decref(object);
        return r;
}

struct message_listing {
        struct web_listing listing; /* first */
        struct message_filter filter;
        uint64_t count;
};

static int write_message(void *arg, const struct query_message *message)
{
        struct message_listing *listing = arg;
        json_t *row = message_row_new(message);
        int r = row ? listing->listing.format.kind->row(&listing->listing.format, row) : -ENOMEM;

        json_decref(row);
        listing->filter.filter.from_seq = message->name.seq;
        listing->filter.filter.from_part = message->part;
        listing->count++;
        return r;
}

static int message_piece(struct web_listing *base, uint64_t limit, uint64_t *ret_count)
{
        struct message_listing *listing = (struct message_listing *)base;
        int r;

        listing->count = 0;
        listing->filter.filter.limit = limit;
        r = query_messages(base->site->query, &listing->filter.filter, write_message, listing);
        *ret_count = listing->count;
        return r;
}

int web_api_messages(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct message_listing *listing = calloc(1, sizeof(*listing));
        struct message_filter filter;
        int r = listing ? web_filter_read(request, &filter) : -ENOMEM;

        if (r == -EINVAL)
                (void)fprintf(answer->out, "%s\n", filter.why); /* a memory stream: its end tells */
        if (r < 0) {
                free(listing);
                return r;
        }
        message_filter_copy(&filter, &listing->filter);
        listing->listing.piece = message_piece;
        return web_listing_start(&listing->listing, arg, request, message_row_columns,
                                 message_row_column_count, filter.filter.limit, answer);
}

static int find_message(struct site *site, const struct web_request *request, struct web_answer *answer,
                        int64_t *ret_seq)
{
        int r = message_picture_find(site->query, request->item, ret_seq);

        if (r == -ENOENT)
                (void)fputs("There is no such message\n", answer->out); /* as above */
        return r;
}

static int write_parts(struct web_answer *answer, const json_t *parts)
{
        struct format format = { .kind = &format_csv,
                                 .out = answer->out,
                                 .columns = message_row_columns,
                                 .column_count = message_row_column_count };
        int r = format_csv.begin(&format);
        size_t i;
        json_t *part;

        json_array_foreach(parts, i, part) if (r == 0) r = format_csv.row(&format, part);
        return r;
}

int web_api_message(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct site *site = arg;
        json_t *object = NULL;
        int64_t seq;
        bool csv;
        int r = web_wants_csv(request, answer, &csv);

        if (r == 0)
                r = find_message(site, request, answer, &seq);
        if (r == 0)
                r = message_picture_read(site->query, seq, &object);
        if (r == 0 && csv)
                r = write_parts(answer, json_object_get(object, "report"));
        else if (r == 0)
                r = format_json_value(answer->out, object, true);
        json_decref(object);
        answer->type = csv ? WEB_CSV : WEB_JSON;
        return r;
}

int web_api_raw(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct site *site = arg;
        unsigned char *bytes AUTO_FREE = NULL;
        size_t size;
        int64_t seq;
        int r = find_message(site, request, answer, &seq);

        if (r == 0)
                r = query_body(site->query, seq, &bytes, &size);
        if (r == -ENODATA) {
                (void)fputs("Its bytes are no longer kept\n", answer->out); /* as above */
                r = -ENOENT;
        }
        if (r < 0)
                return r;
        answer->type = "application/octet-stream";
        (void)snprintf(answer->download, sizeof(answer->download), "%s%s", request->item,
                       strstr(request->item, NAME_SUFFIX) ? "" : NAME_SUFFIX); /* fits: it was parsed */
        return fwrite(bytes, 1, size, answer->out) == size ? 0 : -ENOMEM;
}

struct hours {
        struct format *format;
        int result;
};

static void write_hour(void *arg, const struct query_hour *hour)
{
        struct hours *hours = arg;
        json_t *row = json_pack("{s:o, s:I, s:I}", "start", format_time(hour->start_ms), "accepted",
                                (json_int_t)hour->accepted, "forwarded", (json_int_t)hour->forwarded);

        if (hours->result == 0)
                hours->result = row ? hours->format->kind->row(hours->format, row) : -ENOMEM;
        json_decref(row);
}

int web_api_hours(void *arg, const struct web_request *request, struct web_answer *answer)
{
        static const struct format_column columns[] = { { .key = "start" },
                                                        { .key = "accepted" },
                                                        { .key = "forwarded" } };
        struct site *site = arg;
        struct format format = { .out = answer->out, .columns = columns, .column_count = 3 };
        struct hours hours = { .format = &format };
        const char *since = web_parameter(request, "since");
        int64_t since_ms = clock_wall_ms();
        bool csv;
        int r = web_wants_csv(request, answer, &csv);

        if (r < 0)
                return r;
        if (clock_parse_when(since ? since : "24h", since_ms, &since_ms) < 0) {
                (void)fputs("since is an age such as 24h, or a time\n", answer->out); /* as above */
                return -EINVAL;
        }
        format.kind = csv ? &format_csv : &format_json;
        answer->type = csv ? WEB_CSV : WEB_JSON;
        r = format.kind->begin(&format);
        if (r == 0)
                r = query_hours(site->query, since_ms, write_hour, &hours);
        if (r == 0)
                r = hours.result;
        return r < 0 ? r : format.kind->end(&format);
}
