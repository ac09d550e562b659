#include "admin/message_picture.h"

#include "admin/message_row.h"
#include "fsp/catalog.h"
#include "fsp/clock.h"
#include <errno.h>

const char *const message_picture_lines[][2] = {
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
const size_t message_picture_line_count = sizeof(message_picture_lines) / sizeof(message_picture_lines[0]);

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
        json_t **object = arg;

        if (!*object)
                *object = make_object(message);
        return json_array_append_new(json_object_get(*object, "report"), make_part(message)) < 0 ? -ENOMEM
                                                                                                 : 0;
}

int message_picture_find(struct query *query, const char *id, int64_t *ret_seq)
{
        struct message_name name;
        enum delivery delivery;
        int r = name_parse(id, "", &name);

        if (r < 0)
                r = name_parse(id, NAME_SUFFIX, &name);
        return r < 0 ? -ENOENT : query_find(query, &name, ret_seq, &delivery);
}

int message_picture_read(struct query *query, int64_t seq, json_t **ret_object)
{
        struct query_filter filter = QUERY_FILTER(.seq = seq);
        json_t *object = NULL;
        int r = query_messages(query, &filter, add_part, &object);

        if (r == 0 && !object)
                r = -ENOENT;
        if (r == 0)
                *ret_object = object;
        else
                json_decref(object);
        return r;
}
