#include "admin/order.h"
#include <errno.h>
#include <string.h>

static const char *const names[] = { [ORDER_STATUS] = "status", [ORDER_FORWARD] = "forward" };

int order_parse(const char *line, size_t size, enum order *ret_order, const char **ret_why)
{
        json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
        const char *name = json_string_value(json_object_get(request, "order"));
        const char *why = NULL;
        size_t i = 0;

        if (!json_is_object(request))
                why = "an order is one JSON object on one line";
        else if (!name)
                why = "\"order\" is missing";
        else {
                while (i < sizeof(names) / sizeof(names[0]) && strcmp(names[i], name) != 0)
                        i++;
                if (i == sizeof(names) / sizeof(names[0]))
                        why = "there is no such order";
        }
        json_decref(request);
        if (why) {
                *ret_why = why;
                return -EINVAL;
        }
        *ret_order = (enum order)i;
        return 0;
}

json_t *order_refusal(const char *why)
{
        return json_pack("{s:s}", "error", why);
}

json_t *order_run_over(const struct forwarder_run *run)
{
        return json_pack("{s:I, s:I, s:s?}", "tried", (json_int_t)run->tried, "copied",
                         (json_int_t)run->copied, "fault", run->fault ? strerror(-run->fault) : NULL);
}

json_t *order_timeout(void)
{
        return json_pack("{s:b}", "timeout", 1);
}
