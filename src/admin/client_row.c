#include "admin/client_row.h"
#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/errors.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

json_t *client_row_error(int64_t code)
{
        char text[ERRORS_TEXT_SIZE];

        return code > 0 ? json_string(errors_format(code, text)) : json_null();
}

json_t *client_row_error_text(int64_t code)
{
        const struct errors_row *row = code > 0 ? errors_find(code) : NULL;

        return row ? json_string(row->text) : json_null();
}

static json_t *make_state_text(int64_t topic_type, int64_t state_id)
{
        const char *text = catalog_state_text(topic_type, state_id);

        return format_text(text && *text ? text : NULL);
}

/* A getter of one member of struct viewer_client. */
#define GET(name, value)                                                                                     \
        static json_t *get_##name(const void *item)                                                          \
        {                                                                                                    \
                const struct viewer_client *client = item;                                                   \
                return value;                                                                                \
        }
#define STATE client->state
GET(client_id, format_text(client->client_id))
GET(netbios_name, format_text(client->netbios_name))
GET(client_version, format_text(client->client_version))
GET(topic_type, STATE.known ? json_integer(STATE.topic_type) : json_null())
GET(state_id, STATE.known ? json_integer(STATE.state_id) : json_null())
GET(state, STATE.known ? make_state_text(STATE.topic_type, STATE.state_id) : json_null())
GET(class, STATE.known ? json_string(catalog_class(STATE.topic_type, STATE.state_id)) : json_null())
GET(state_time, STATE.known ? format_time(STATE.time_ms) : json_null())
GET(first_seen, format_time(client->first_seen_ms))
GET(last_seen, format_time(client->last_seen_ms))
GET(deployment_begin, format_time(client->deployment_begin_ms))
GET(deployment_end, format_time(client->deployment_end_ms))
GET(assignment_begin, format_time(client->assignment_begin_ms))
GET(assignment_end, format_time(client->assignment_end_ms))
GET(reboot_needed,
    client->reboot_needed == VIEWER_UNKNOWN ? json_null() : json_boolean(client->reboot_needed == VIEWER_YES))
GET(param, format_text(STATE.param))
GET(error, client_row_error(STATE.error))
GET(error_text, client_row_error_text(STATE.error))

static json_t *make_health(enum viewer_answer answer)
{
        switch (answer) {
        case VIEWER_YES:
                return json_string("ok");
        case VIEWER_NO:
                return json_string("failed");
        case VIEWER_UNKNOWN:
                break;
        }
        return json_null();
}
GET(communication, make_health(client->communication))
GET(certificate, make_health(client->certificate))

const struct format_column client_row_columns[] = {
        { .key = "client_id", .get = get_client_id },
        { .key = "netbios_name", .get = get_netbios_name },
        { .key = "client_version", .get = get_client_version },
        { .key = "topic_type", .get = get_topic_type },
        { .key = "state_id", .get = get_state_id },
        { .key = "state", .get = get_state },
        { .key = "class", .get = get_class },
        { .key = "last_seen", .get = get_last_seen },
        { .key = "deployment_begin", .get = get_deployment_begin },
        { .key = "deployment_end", .get = get_deployment_end },
        { .key = "assignment_begin", .get = get_assignment_begin },
        { .key = "assignment_end", .get = get_assignment_end },
        { .key = "reboot_needed", .get = get_reboot_needed },
        { .key = "param", .get = get_param },
        { .key = "communication", .get = get_communication },
        { .key = "certificate", .get = get_certificate },
        { .key = "error", .get = get_error },
        { .key = "error_text", .get = get_error_text },
        { .key = "state_time", .get = get_state_time },
        { .key = "first_seen", .get = get_first_seen },
};
const size_t client_row_column_count = LENGTH(client_row_columns);

json_t *client_row_new(const struct viewer_client *client)
{
        return format_row(client_row_columns, client_row_column_count, client);
}

static json_t *count_topic_type(const void *item)
{
        const struct viewer_count *count = item;

        return json_integer(count->topic_type);
}

static json_t *count_state_id(const void *item)
{
        const struct viewer_count *count = item;

        return json_integer(count->state_id);
}

static json_t *count_state(const void *item)
{
        const struct viewer_count *count = item;

        return make_state_text(count->topic_type, count->state_id);
}

static json_t *count_class(const void *item)
{
        const struct viewer_count *count = item;

        return json_string(catalog_class(count->topic_type, count->state_id));
}

static json_t *count_error(const void *item)
{
        const struct viewer_count *count = item;

        return client_row_error(count->error);
}

static json_t *count_error_text(const void *item)
{
        const struct viewer_count *count = item;

        return client_row_error_text(count->error);
}

static json_t *count_clients(const void *item)
{
        const struct viewer_count *count = item;

        return json_integer(count->clients);
}

static json_t *count_last_seen(const void *item)
{
        const struct viewer_count *count = item;

        return format_time(count->last_seen_ms);
}

const struct format_column client_row_status_columns[] = {
        { .key = "class", .get = count_class },         { .key = "state_id", .get = count_state_id },
        { .key = "state", .get = count_state },         { .key = "clients", .get = count_clients },
        { .key = "last_seen", .get = count_last_seen },
};
const size_t client_row_status_column_count = LENGTH(client_row_status_columns);
const struct format_column client_row_problem_columns[] = {
        { .key = "topic_type", .get = count_topic_type }, { .key = "state_id", .get = count_state_id },
        { .key = "state", .get = count_state },           { .key = "error", .get = count_error },
        { .key = "clients", .get = count_clients },       { .key = "last_seen", .get = count_last_seen },
        { .key = "class", .get = count_class },           { .key = "error_text", .get = count_error_text },
};
const size_t client_row_problem_column_count = LENGTH(client_row_problem_columns);

json_t *client_row_count(const struct viewer_count *count, enum viewer_shape shape)
{
        return shape == VIEWER_SHAPE_STATUS
                       ? format_row(client_row_status_columns, client_row_status_column_count, count)
                       : format_row(client_row_problem_columns, client_row_problem_column_count, count);
}
