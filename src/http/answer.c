/* The answer to a request: queued, counted, and told to the log. */
#include "listener_private.h"

#include "fsp/clock.h"
#include "fsp/log.h"
#include <string.h>

/* Who works on a kept connection gives way to nobody, so they must not take all
 * places.  Others are closed with their answer, and may come again. */
#define KEPT_MAX 1024

static void log_answer(const struct request *request)
{
        const struct verdict_info *info = verdict_info(request->verdict);
        const struct report *report = &request->report;
        const char *from = request->intake.client_address;
        if (request->verdict == VERDICT_ACCEPTED || request->verdict == VERDICT_DUPLICATE) {
                char id[NAME_SIZE];
                const struct state_message *state = report->state_count ? &report->states[0] : NULL;
                const char *name = report->netbios_name, *client = report->client_id;
                log_isapi(LOG_INFO, "%s %s from %s, %s, %s, topic %lld, state %lld",
                          request->verdict == VERDICT_DUPLICATE ? "Received again" : "Received",
                          name_format_id(&request->intake.name, id), from,
                          LOG_FIELD(name, name ? strlen(name) : 0),
                          LOG_FIELD(client, client ? strlen(client) : 0),
                          state ? (long long)state->topic_type : -1LL,
                          state ? (long long)state->state_id : -1LL);
        } else {
                log_isapi(info->status >= 500 ? LOG_ERROR : LOG_WARNING,
                          "Refused with %u a request from %s: %s%s%s", info->status, from, info->text,
                          request->why ? "; " : "", request->why ? request->why : "");
        }
}

static void count_topic(struct listener *listener, const struct report *report)
{
        enum listener_topic topic = TOPIC_OTHER;
        if (report->state_count && report->states[0].topic_type == 800)
                topic = TOPIC_DEPLOYMENT;
        else if (report->state_count && report->states[0].topic_type == 1000)
                topic = TOPIC_COMMUNICATION;
        else if (report->state_count && report->states[0].topic_type == 1001)
                topic = TOPIC_CERTIFICATE;
        listener->topics[topic]++;
}

void request_note_verdict(const struct request *request)
{
        if (request->verdict != VERDICT_PATH) /* that is nobody's message */
                request->listener->verdicts[request->verdict]++;
        log_answer(request);
}

/* However small kept ones are made, a third of listener.memory is left for those
 * who come. */
static bool may_keep(const struct listener *listener, const struct connection *connection)
{
        size_t held = (size_t)listener->kept_count * (ENGINE_BASE + MEMORY_PAGE);
        return connection->kept ||
               (listener->kept_count < KEPT_MAX && held < listener->config->listener.memory / 3 * 2);
}

enum MHD_Result request_answer(struct request *request, struct MHD_Connection *mhd)
{
        struct listener *listener = request->listener;
        /* Nothing but a request that was right as HTTP keeps its connection. */
        bool close = request->close || !request->on_client_path || listener->stop ||
                     !may_keep(listener, request->connection);
        int64_t now_us = clock_monotonic_us();
        request->phase = PHASE_DONE;
        request->keeps = !close;
        request->connection->started_ms = now_us / 1000; /* of the answer, from here on */
        if (request->verdict == VERDICT_ACCEPTED)
                count_topic(listener, &request->report);
        histogram_add(&listener->request_us, (uint64_t)(now_us - request->started_us));
        request_note_verdict(request);
        return reply_queue(listener->replies, mhd, request->verdict, close);
}
