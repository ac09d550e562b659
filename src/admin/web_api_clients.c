/* Clients and reports, for programs. */
#include "admin/web_site.h"

#include "admin/client_row.h"
#include "admin/web_viewer.h"
#include "fsp/errors.h"
#include "fsp/text.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int read_number(const struct web_request *request, const char *name, int64_t *ret_number)
{
        const char *text = web_parameter(request, name);
        uint64_t number;

        if (!text)
                return 0;
        if (text_parse_u64(text, &number) < 0 || number > INT64_MAX)
                return -EINVAL;
        *ret_number = (int64_t)number;
        return 0;
}

static int read_error(const struct web_request *request, int64_t *ret_error)
{
        const char *text = web_parameter(request, "error");

        if (!text)
                return 0;
        *ret_error = errors_parse(text);
        return *ret_error == ERRORS_NONE && strcmp(text, "none") != 0 ? -EINVAL : 0;
}

int web_viewer_read(const struct web_request *request, struct web_answer *answer,
                    struct web_viewer_filter *ret_filter)
{
        const char *client = web_parameter(request, "client"), *state_class = web_parameter(request, "class");
        const char *since = web_parameter(request, "since");
        int64_t limit = MESSAGE_FILTER_LIMIT;
        struct viewer_filter filter = VIEWER_ALL;
        bool wrong = read_number(request, "topic", &filter.topic_type) < 0 ||
                     read_number(request, "state", &filter.state_id) < 0 ||
                     read_number(request, "limit", &limit) < 0 || read_error(request, &filter.error) < 0 ||
                     (since && clock_parse_when(since, clock_wall_ms(), &filter.since_ms) < 0) ||
                     (client && strlen(client) >= sizeof(ret_filter->client)) ||
                     (state_class && strlen(state_class) >= sizeof(ret_filter->state_class));

        if (wrong) {
                (void)fputs("The conditions are client, class, since, topic, state, error and limit\n",
                            answer->out); /* a memory stream: its end tells */
                return -EINVAL;
        }
        filter.limit = (uint64_t)limit;
        *ret_filter = (struct web_viewer_filter){ .filter = filter };
        strcpy(ret_filter->client, client ? client : "");
        strcpy(ret_filter->state_class, state_class ? state_class : "");
        return 0;
}

/* Its strings stand in it, so the pointers are set where it lies. */
const struct viewer_filter *web_viewer_filter(struct web_viewer_filter *filter)
{
        filter->filter.client = *filter->client ? filter->client : NULL;
        filter->filter.state_class = *filter->state_class ? filter->state_class : NULL;
        return &filter->filter;
}

struct client_listing {
        struct web_listing listing; /* first */
        struct web_viewer_filter filter;
        enum viewer_report report; /* VIEWER_REPORT_COUNT: the clients */
        uint64_t count;
};

static int write_item(struct client_listing *listing, const void *item)
{
        struct format *format = &listing->listing.format;
        json_t *row = format_row(format->columns, format->column_count, item);
        int r = row ? format->kind->row(format, row) : -ENOMEM;

        json_decref(row);
        listing->count++;
        return r;
}

static int write_client(void *arg, const struct viewer_client *client)
{
        struct client_listing *listing = arg;

        web_viewer_after(&listing->filter.filter, client);
        return write_item(listing, client);
}

void web_viewer_after(struct viewer_filter *filter, const struct viewer_client *client)
{
        filter->after_ms = client->order_ms;
        filter->after_number = client->number;
        filter->after_topic = client->state.topic_type;
}

static int write_count(void *arg, const struct viewer_count *count)
{
        return write_item(arg, count);
}

static int client_piece(struct web_listing *base, uint64_t limit, uint64_t *ret_count)
{
        struct client_listing *listing = (struct client_listing *)base;
        const struct viewer_filter *filter = web_viewer_filter(&listing->filter);
        struct query *query = base->site->query;
        int r;

        listing->count = 0;
        listing->filter.filter.limit = limit;
        r = listing->report == VIEWER_REPORT_COUNT
                    ? viewer_clients(query, filter, write_client, listing)
                    : viewer_report_clients(query, listing->report, filter, write_client, listing);
        *ret_count = listing->count;
        return r;
}

/* Few rows: all of them at once. */
static int count_piece(struct web_listing *base, uint64_t limit, uint64_t *ret_count)
{
        struct client_listing *listing = (struct client_listing *)base;
        int r;

        (void)limit;
        listing->count = 0;
        listing->filter.filter.limit = base->left == UINT64_MAX ? 0 : base->left;
        r = viewer_counts(base->site->query, listing->report, &listing->filter.filter, write_count, listing);
        base->left = listing->count;
        *ret_count = listing->count;
        return r;
}

/* A list has no other place for it: see viewer_left_out. */
static void tell_left_out(struct query *query, struct web_answer *answer)
{
        int64_t messages = viewer_left_out(query);

        if (messages == 0)
                return;
        answer->header = "Fspd-Uncounted";
        (void)snprintf(answer->value, sizeof(answer->value), "%" PRId64, messages); /* it fits */
}

static int start(struct site *site, const struct web_request *request, struct web_answer *answer,
                 enum viewer_report report, const struct format_column *columns, size_t column_count)
{
        struct client_listing *listing = calloc(1, sizeof(*listing));
        struct web_viewer_filter filter;
        int r = listing ? web_viewer_read(request, answer, &filter) : -ENOMEM;

        if (r < 0) {
                free(listing);
                return r;
        }
        listing->filter = filter;
        listing->report = report;
        listing->listing.piece = columns == client_row_columns ? client_piece : count_piece;
        r = web_listing_start(&listing->listing, site, request, columns, column_count, filter.filter.limit,
                              answer);
        tell_left_out(site->query, answer);
        return r;
}

int web_api_clients(void *arg, const struct web_request *request, struct web_answer *answer)
{
        return start(arg, request, answer, VIEWER_REPORT_COUNT, client_row_columns, client_row_column_count);
}

int web_api_report(void *arg, const struct web_request *request, struct web_answer *answer)
{
        enum viewer_report report;

        if (viewer_report_parse(request->item, &report) < 0) {
                (void)fputs("There is no such report\n", answer->out); /* as above */
                return -ENOENT;
        }
        switch (viewer_report_info(report)->shape) {
        case VIEWER_SHAPE_STATUS:
                return start(arg, request, answer, report, client_row_status_columns,
                             client_row_status_column_count);
        case VIEWER_SHAPE_PROBLEMS:
                return start(arg, request, answer, report, client_row_problem_columns,
                             client_row_problem_column_count);
        case VIEWER_SHAPE_CLIENTS:
                break;
        }
        return start(arg, request, answer, report, client_row_columns, client_row_column_count);
}

int web_api_reports(void *arg, const struct web_request *request, struct web_answer *answer)
{
        static const struct format_column columns[] = { { .key = "name" }, { .key = "title" } };
        struct format format = { .out = answer->out, .columns = columns, .column_count = 2 };
        unsigned report;
        bool csv;
        int r = web_wants_csv(request, answer, &csv);

        (void)arg;
        if (r < 0)
                return r;
        format.kind = csv ? &format_csv : &format_json;
        answer->type = csv ? WEB_CSV : WEB_JSON;
        r = format.kind->begin(&format);
        for (report = 0; r == 0 && report < VIEWER_REPORT_COUNT; report++) {
                const struct viewer_report_info *info = viewer_report_info((enum viewer_report)report);
                json_t *row = json_pack("{s:s, s:s}", "name", info->name, "title", info->title);

                r = row ? format.kind->row(&format, row) : -ENOMEM;
                json_decref(row);
        }
        return r < 0 ? r : format.kind->end(&format);
}
