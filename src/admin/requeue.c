#include "admin/requeue.h"

#include "admin/order.h"
#include "fsp/clock.h"
#include "fsp/delivery.h"
#include "fsp/log.h"
#include "fsp/quarantine.h"
#include "fsp/query.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *explain(int r)
{
        switch (-r) {
        case EINVAL:
                return "no id of a message";
        case ENOENT:
                return "no such message";
        case EALREADY:
                return "it is still on its way";
        case ENODATA:
                return "its bytes are no longer kept";
        default: /* errno, a foreign list */
                return strerror(-r);
        }
}

static int requeue_one(const struct control_parts *parts, struct query *query, const char *id)
{
        struct message_name name;
        enum delivery delivery;
        int r = name_parse(id, NULL, &name);
        if (r == 0)
                r = query_find(query, &name, &name.seq, &delivery);
        /* In a run that is going on, copied is a matter of a moment. */
        if (r == 0 && delivery == DELIVERY_COPIED && forwarder_view(parts->forwarder).running)
                r = -EALREADY;
        if (r == 0)
                r = delivery_requeue(parts->ledger, name.seq);
        if (r == 0)
                quarantine_forget(parts->staging_directory, &name);
        return r;
}

json_t *requeue_ids(const struct control_parts *parts, const json_t *ids)
{
        struct query *query;
        json_t *refused = json_array();
        uint64_t count = 0;
        int r = query_open(ledger_path(parts->ledger), &query);
        if (r < 0) {
                json_decref(refused);
                return order_refusal(strerror(-r));
        }
        for (size_t i = 0; i < json_array_size(ids); i++) {
                json_t *id = json_array_get(ids, i);
                r = requeue_one(parts, query, json_string_value(id));
                if (r == 0)
                        count++;
                else
                        (void)json_array_append_new(refused,
                                                    json_pack("{s:O, s:s}", "id", id, "why", explain(r)));
        }
        query_close(query);
        log_mgr(LOG_INFO, "By order, %" PRIu64 " message(s) are sent again", count);
        return order_requeued(count, refused);
}

json_t *requeue_since(const struct control_parts *parts, int64_t since_ms)
{
        char when[CLOCK_TEXT_SIZE];
        uint64_t count;
        int r = delivery_requeue_since(parts->ledger, since_ms, &count);
        if (r < 0)
                return order_refusal(strerror(-r));
        log_mgr(LOG_INFO, "By order, %" PRIu64 " forwarded message(s) received since %s are sent again",
                count, clock_format_rfc3339(since_ms, when));
        return order_requeued(count, json_array());
}
