#include "admin/message_row.h"
#include "admin/client_row.h"
#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/errors.h"

static json_t *get_id(const void *item)
{
        const struct query_message *message = item;
        char id[NAME_SIZE];

        return json_string(name_format_id(&message->name, id));
}

static json_t *get_part(const void *item)
{
        const struct query_message *message = item;

        return json_integer(message->part);
}

static json_t *get_received(const void *item)
{
        const struct query_message *message = item;

        return format_time(message->received_ms);
}

static json_t *get_client_address(const void *item)
{
        const struct query_message *message = item;

        return format_text(message->client_address);
}

static json_t *get_client_id(const void *item)
{
        const struct query_message *message = item;

        return format_text(message->client_id);
}

static json_t *get_netbios_name(const void *item)
{
        const struct query_message *message = item;

        return format_text(message->netbios_name);
}

static json_t *get_client_version(const void *item)
{
        const struct query_message *message = item;

        return format_text(message->client_version);
}

static json_t *get_topic_type(const void *item)
{
        const struct query_message *message = item;

        return message->has_state ? json_integer(message->topic_type) : json_null();
}

static json_t *get_topic_id(const void *item)
{
        const struct query_message *message = item;

        return format_text(message->has_state ? message->topic_id : NULL);
}

static json_t *get_state_id(const void *item)
{
        const struct query_message *message = item;

        return message->has_state ? json_integer(message->state_id) : json_null();
}

static json_t *get_state(const void *item)
{
        const struct query_message *message = item;
        const char *text =
                message->has_state ? catalog_state_text(message->topic_type, message->state_id) : NULL;

        return format_text(text && *text ? text : NULL);
}

static json_t *get_class(const void *item)
{
        const struct query_message *message = item;

        return message->has_state ? json_string(catalog_class(message->topic_type, message->state_id))
                                  : json_null();
}

static json_t *get_message_time(const void *item)
{
        const struct query_message *message = item;

        return message->has_state ? format_time(message->message_time_ms) : json_null();
}

static json_t *get_params(const void *item)
{
        const struct query_message *message = item;
        json_t *params;

        if (!message->has_state || !message->params_json)
                return json_array();
        params = json_loads(message->params_json, 0, NULL);
        if (json_is_array(params))
                return params;
        json_decref(params);
        return json_null();
}

static json_t *get_delivery(const void *item)
{
        const struct query_message *message = item;

        return json_string(delivery_name(message->delivery));
}

static json_t *get_delivered(const void *item)
{
        const struct query_message *message = item;

        return format_time(message->forwarded_ms);
}

static int64_t find_error(const struct query_message *message)
{
        return message->has_state ? errors_in_state(message->params_json, message->details) : ERRORS_NONE;
}

static json_t *get_error(const void *item)
{
        return client_row_error(find_error(item));
}

static json_t *get_error_text(const void *item)
{
        return client_row_error_text(find_error(item));
}

const struct format_column message_row_columns[] = {
        { .key = "id", .get = get_id },
        { .key = "part", .get = get_part },
        { .key = "received", .get = get_received },
        { .key = "client_address", .get = get_client_address },
        { .key = "client_id", .get = get_client_id },
        { .key = "netbios_name", .get = get_netbios_name },
        { .key = "client_version", .get = get_client_version },
        { .key = "topic_type", .get = get_topic_type },
        { .key = "topic_id", .get = get_topic_id },
        { .key = "state_id", .get = get_state_id },
        { .key = "state", .get = get_state },
        { .key = "class", .get = get_class },
        { .key = "message_time", .get = get_message_time },
        { .key = "params", .get = get_params },
        { .key = "delivery", .get = get_delivery },
        { .key = "delivered", .get = get_delivered },
        { .key = "error", .get = get_error },
        { .key = "error_text", .get = get_error_text },
};
const size_t message_row_column_count = sizeof(message_row_columns) / sizeof(message_row_columns[0]);

json_t *message_row_new(const struct query_message *message)
{
        return format_row(message_row_columns, message_row_column_count, message);
}

json_t *message_row_history(const struct query_message *message)
{
        const int64_t at[DELIVERY_COUNT] = {
                [DELIVERY_RECEIVED] = message->received_ms,
                [DELIVERY_STAGED] = message->staged_ms,
                [DELIVERY_COPIED] = message->copied_ms,
                [DELIVERY_FORWARDED] = message->forwarded_ms,
                [DELIVERY_QUARANTINED] = message->quarantined_ms,
        };
        json_t *history = json_array();
        unsigned delivery;

        for (delivery = 0; history && delivery < DELIVERY_COUNT; delivery++) {
                json_t *entry;

                if (at[delivery] == CLOCK_UNKNOWN)
                        continue;
                entry = json_pack("{s:s, s:o}", "delivery", delivery_name((enum delivery)delivery), "at",
                                  format_time(at[delivery]));
                if (json_array_append_new(history, entry) < 0) {
                        json_decref(history);
                        return NULL;
                }
        }
        return history;
}
