#include "admin/order.h"
#include "fsp/clock.h"
#include <errno.h>
#include <string.h>

static const char *const names[] = { [ORDER_STATUS] = "status",
                                     [ORDER_FORWARD] = "forward",
                                     [ORDER_REQUEUE] = "requeue",
                                     [ORDER_RESEND] = "resend",
                                     [ORDER_DRAIN] = "drain" };

static const char *parse_name(const json_t *object, enum order *ret_order)
{
        const char *name = json_string_value(json_object_get(object, "order"));
        if (!json_is_object(object))
                return "an order is one JSON object on one line";
        if (!name)
                return "\"order\" is missing";
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                if (strcmp(names[i], name) == 0) {
                        *ret_order = (enum order)i;
                        return NULL;
                }
        }
        return "there is no such order";
}

static const char *parse_ids(const json_t *object, struct order_request *request)
{
        json_t *ids = json_object_get(object, "ids");
        if (json_array_size(ids) == 0)
                return "\"ids\" is no list of ids";
        for (size_t i = 0; i < json_array_size(ids); i++) {
                if (!json_is_string(json_array_get(ids, i)))
                        return "an id is a string";
        }
        request->ids = json_incref(ids);
        return NULL;
}

static const char *parse_since(const json_t *object, struct order_request *request)
{
        const char *since = json_string_value(json_object_get(object, "since"));
        if (!since || clock_parse_when(since, clock_wall_ms(), &request->since_ms) < 0)
                return "\"since\" is no time";
        return NULL;
}

int order_parse(const char *line, size_t size, struct order_request *ret_request, const char **ret_why)
{
        json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
        struct order_request request = { .ids = NULL };
        const char *why = parse_name(object, &request.order);
        if (!why && request.order == ORDER_REQUEUE)
                why = parse_ids(object, &request);
        if (!why && request.order == ORDER_RESEND)
                why = parse_since(object, &request);
        json_decref(object);
        if (why) {
                *ret_why = why;
                return -EINVAL;
        }
        *ret_request = request;
        return 0;
}

void order_request_free(struct order_request *request)
{
        json_decref(request->ids);
        request->ids = NULL;
}

json_t *order_requeued(uint64_t count, json_t *refused)
{
        return json_pack("{s:I, s:o}", "requeued", (json_int_t)count, "refused", refused);
}

json_t *order_refusal(const char *why)
{
        return json_pack("{s:s}", "error", why);
}

json_t *order_run_over(const struct forwarder_run *run)
{
        return json_pack("{s:I, s:I, s:s?}", "tried", (json_int_t)run->tried, "copied",
                         (json_int_t)run->copied, "fault", run->why);
}

json_t *order_timeout(void)
{
        return json_pack("{s:b}", "timeout", 1);
}
