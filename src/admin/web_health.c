/* /healthz, for load balancers and monitors. */
#include "admin/web_site.h"

#include <errno.h>

static int show_health(struct site *site, struct web_answer *answer, enum availability worst)
{
        struct status_facts facts;
        json_t *reasons = json_array(), *object;
        enum availability availability;
        int r;

        status_gather(&site->parts, site->started_ms, &facts);
        availability = status_judge(&facts, reasons);
        object = json_pack("{s:s, s:o}", "availability", availability_name(availability), "reasons", reasons);
        r = object ? format_json_value(answer->out, object, false) : -ENOMEM;
        json_decref(object);
        answer->type = WEB_JSON;
        answer->status = availability <= worst ? 200 : 503;
        return r;
}

int web_health(void *arg, const struct web_request *request, struct web_answer *answer)
{
        (void)request;
        return show_health(arg, answer, AVAILABILITY_WARNING);
}

int web_health_full(void *arg, const struct web_request *request, struct web_answer *answer)
{
        (void)request;
        return show_health(arg, answer, AVAILABILITY_ONLINE);
}
