/* One request, from its head to its answer. */
#include "listener_private.h"

#include "fsp/clock.h"
#include "fsp/log.h"
#include "gate.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Requests kept for reuse, with their buffers; and the largest buffer kept. */
#define SPARE_MAX 128
#define SPARE_BODY (16U * 1024U)
#define FIRST_ROOM 6144U
/* With more requests in hand this thread is what all wait for. */
#define CROWD 128

static struct request *request_take(struct listener *listener)
{
        struct request *request = listener->spare;
        if (request) {
                listener->spare = request->next;
                listener->spare_count--;
        } else {
                request = calloc(1, sizeof(*request));
                if (!request)
                        return NULL;
                request->listener = listener;
        }
        listener->requests++;
        request->phase = PHASE_HEAD;
        request->started_us = clock_monotonic_us();
        request->verdict = VERDICT_ACCEPTED;
        request->why = NULL;
        request->close = request->keeps = request->on_client_path = request->admitted = request->charged =
                false;
        request->chunked = false;
        request->size = request->total = 0;
        request->next = NULL;
        return request;
}

static void request_destroy(struct request *request)
{
        ledger_intake_free(&request->intake);
        report_free(&request->report);
        free(request->body);
        free(request);
}

static void request_give_back(struct listener *listener, struct request *request)
{
        listener->requests--;
        memory_give(listener, request->room + request->work);
        request->work = 0;
        if (listener->spare_count == SPARE_MAX || request->room > SPARE_BODY || request->total > SPARE_BODY) {
                request_destroy(request); /* its other buffers are as large */
                return;
        }
        request->next = listener->spare;
        listener->spare = request;
        listener->spare_count++;
}

void request_free_spare(struct listener *listener)
{
        while (listener->spare) {
                struct request *request = listener->spare;
                listener->spare = request->next;
                request_destroy(request);
        }
        listener->spare_count = 0;
}

/* Who sent it: the peer, until the head has come. */
static void note_peer(struct request *request)
{
        request->client = request->connection->peer;
        memcpy(request->intake.client_address, request->connection->peer_text, INET6_ADDRSTRLEN);
}

/* Whom a trusted proxy names, one hop back. */
static void find_client(struct request *request, const struct gate_head *head)
{
        if (!request->connection->trusted || !head->forwarded_for)
                return;
        const char *last = strrchr(head->forwarded_for, ',');
        last = last ? last + 1 : head->forwarded_for;
        while (*last == ' ' || *last == '\t')
                last++;
        if (limits_parse_hop(last, strcspn(last, " \t"), &request->client) == 0)
                (void)limits_format(&request->client, request->intake.client_address);
}

void *request_begin(void *arg, const char *uri, struct MHD_Connection *mhd)
{
        struct listener *listener = arg;
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        struct request *request = uri && info && info->socket_context ? request_take(listener) : NULL;
        if (!request)
                return NULL;               /* request_handle then closes */
        listener->memory += request->room; /* a spare one's is no one's */
        request->connection = info->socket_context;
        request->connection->request = request;
        note_peer(request);
        if (!request->connection->started_ms)
                request->connection->started_ms = clock_monotonic_ms();
        request->uri_end = gate_uri_end(uri);
        request->capture = capture_begin(listener->capture, uri);
        return request;
}

static void refuse(struct request *request, enum verdict verdict, const char *why)
{
        if (request->verdict != VERDICT_ACCEPTED)
                return; /* the first reason counts */
        request->verdict = verdict;
        request->why = why;
        request->close = request->close || gate_must_close(verdict);
}

static void keep_head(struct request *request, struct MHD_Connection *mhd, const struct gate_head *head)
{
        struct connection *connection = request->connection;
        if (connection->first_head) { /* its connection answers for it in listener.memory */
                capture_raw_head(request->capture, connection->first_head, connection->first_head_size);
                connection->first_head = NULL;
                return;
        }
        capture_head(request->capture, mhd, head->method, head->version);
        request->work += request->capture->head_size;
        request->listener->memory += request->capture->head_size;
}

/* What a connection's first head takes was charged before; pieces of a chunk's
 * own head are not shown to us. */
static bool charge_head(struct request *request, struct MHD_Connection *mhd, const struct gate_head *head)
{
        struct connection *connection = request->connection;
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
        size_t size = info ? info->header_size : ENGINE_MEMORY;
        chunks_begin(request, head->chunked, size);
        if (head->chunked)
                return memory_charge_whole(request->listener, connection, request);
        if (!connection->kept || connection->whole)
                return true;
        return memory_charge_front(request->listener, connection,
                                   memory_engine_cost(size, size) - ENGINE_BASE, request);
}

static enum MHD_Result take_head(struct request *request, struct MHD_Connection *mhd, struct gate_head *head)
{
        struct listener *listener = request->listener;
        const char *why;
        enum verdict verdict = gate_check(mhd, listener->config, head, &why);
        request->on_client_path = head->on_client_path;
        find_client(request, head);
        if (request->capture)
                keep_head(request, mhd, head);
        request->content_type[0] = '\0';
        if (head->content_type && strlen(head->content_type) < sizeof(request->content_type))
                strcpy(request->content_type, head->content_type);
        if (verdict != VERDICT_ACCEPTED)
                refuse(request, verdict, why);
        else if (listener->stop)
                refuse(request, VERDICT_STOPPING, NULL);
        if (!charge_head(request, mhd, head)) {
                refuse(request, VERDICT_BUSY, "listener.memory is used up");
                request->close = true;
        }
        request->phase = PHASE_BODY;
        /* A body of sound framing is let pass before its refusal is told: so
         * the client surely reads it.  One that waits for our 100 Continue
         * need not send it; one that is doubtful or too large is not awaited. */
        bool at_once = request->close || head->length > listener->config->listener.max_message_size ||
                       (head->expects && !request->capture);
        if (request->verdict != VERDICT_ACCEPTED && at_once) {
                request->close = true;
                return request_answer(request, mhd);
        }
        return MHD_YES;
}

static int grow_body(struct request *request, size_t needed)
{
        struct listener *listener = request->listener;
        size_t room = request->room ? request->room : FIRST_ROOM;
        while (room < needed)
                room *= 2;
        if (room > listener->config->listener.max_message_size &&
            needed <= listener->config->listener.max_message_size)
                room = listener->config->listener.max_message_size;
        if (room == request->room)
                return 0;
        if (!memory_take(listener, room - request->room, request))
                return -ENOBUFS;
        unsigned char *body = realloc(request->body, room);
        if (!body) {
                memory_give(listener, room - request->room);
                return -ENOMEM;
        }
        request->body = body;
        request->room = room;
        return 0;
}

void request_give_up(struct request *request, enum verdict verdict, const char *why)
{
        struct listener *listener = request->listener;
        char text[512];
        size_t size = reply_format(verdict, text, sizeof(text));
        refuse(request, verdict, why);
        request_note_verdict(request);
        request->close = true;
        (void)send(request->connection->fd, text, size,
                   MSG_DONTWAIT | MSG_NOSIGNAL); /* who does not take it sees the close */
        request->phase = PHASE_DONE;
        memory_give(listener, request->room);
        free(request->body);
        request->body = NULL;
        request->size = request->room = 0;
}

static enum MHD_Result take_body(struct request *request, const char *data, size_t *size)
{
        struct listener *listener = request->listener;
        bool keep = request->verdict == VERDICT_ACCEPTED || request->capture;
        request->total += *size;
        request->pieces++;
        if (request->total > listener->config->listener.max_message_size) {
                request_give_up(request, VERDICT_TOO_LARGE, NULL);
                return MHD_NO;
        }
        size_t front = (size_t)(data + *size - request->connection->head_start);
        if (!memory_charge_front(listener, request->connection, front, request)) {
                request_give_up(request, VERDICT_BUSY, "listener.memory is used up");
                return MHD_NO;
        }
        if (keep && grow_body(request, request->total) == 0) {
                memcpy(request->body + request->size, data, *size);
                request->size += *size;
        } else {
                refuse(request, VERDICT_BUSY, "listener.memory is used up");
        }
        *size = 0;
        return MHD_YES;
}

static bool admit(struct request *request)
{
        struct listener *listener = request->listener;
        if (!limits_take(listener->limits, &request->client, listener->config, clock_monotonic_ms())) {
                refuse(request, VERDICT_RATE, NULL);
                return false;
        }
        request->charged = true;
        request->place = (struct quota_place){ .client = request->client.address, .size = request->size };
        enum verdict verdict = quota_admit(listener->quota, &request->place);
        if (verdict != VERDICT_ACCEPTED) {
                refuse(request, verdict, NULL);
                return false;
        }
        request->admitted = true;
        return true;
}

/* Only an accepted message costs its client a token. */
static void release_admission(struct request *request)
{
        struct listener *listener = request->listener;
        if (request->admitted)
                quota_release(listener->quota, &request->place,
                              request->phase >= PHASE_ANSWER && request->verdict == VERDICT_ACCEPTED);
        if (request->charged && request->verdict != VERDICT_ACCEPTED)
                limits_refund(listener->limits, &request->client, listener->config, clock_monotonic_ms());
        request->admitted = request->charged = false;
}

/* The writer's thread: hands the request back to the loop.  One wake-up serves
 * all that are in the list by the time the loop looks. */
static void on_written(struct ledger_intake *intake)
{
        struct request *request = (struct request *)intake;
        struct listener *listener = request->listener;
        (void)pthread_mutex_lock(&listener->lock); /* cannot fail on this kind of mutex */
        bool first = listener->answered == NULL;
        request->next = listener->answered;
        listener->answered = request;
        (void)pthread_mutex_unlock(&listener->lock);
        if (first && listener_wake(listener) < 0)
                log_mgr(LOG_ERROR, "The listener cannot be woken: %s", strerror(errno));
}

static enum MHD_Result finish_body(struct request *request, struct MHD_Connection *mhd)
{
        struct listener *listener = request->listener;
        /* Its packed form and what is read of it are about as large together.  They are
         * gone as soon as the writer is done, so they count, but are not asked for. */
        request->work += request->size;
        listener->memory += request->size;
        if (request->verdict == VERDICT_ACCEPTED && admit(request)) {
                const char *why = NULL;
                enum verdict verdict = reader_read(listener->reader, listener->config,
                                                   *request->content_type ? request->content_type : NULL,
                                                   request->body ? (const void *)request->body : "",
                                                   request->size, &request->report, &why);
                request->intake.report = &request->report;
                request->intake.done = on_written;
                if (verdict != VERDICT_ACCEPTED)
                        refuse(request, verdict, why);
                else if (ledger_intake_prepare(&request->intake) < 0)
                        refuse(request, VERDICT_BUSY, "out of memory");
        }
        if (request->verdict != VERDICT_ACCEPTED) {
                release_admission(request);
                return request_answer(request, mhd);
        }
        if (listener->requests <= CROWD) /* else the writer, which has time then */
                ledger_intake_digest(&request->intake);
        request->phase = PHASE_WAITING;
        MHD_suspend_connection(mhd);
        ledger_submit(listener->ledger, &request->intake);
        return MHD_YES;
}

enum MHD_Result request_handle(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **context)
{
        (void)arg;
        struct request *request = *context;
        if (!request)
                return MHD_NO;
        switch (request->phase) {
        case PHASE_HEAD: {
                struct gate_head head = { .method = method,
                                          .url = url,
                                          .version = version,
                                          .start = request->connection->head_start,
                                          .uri_end = request->uri_end };
                request->connection->head_start = method;
                return take_head(request, mhd, &head);
        }
        case PHASE_BODY:
                return *size ? take_body(request, data, size) : finish_body(request, mhd);
        case PHASE_WAITING:
                assert(!"resumed before the writer was done");
                return MHD_NO;
        case PHASE_ANSWER:
                release_admission(request);
                return request_answer(request, mhd);
        case PHASE_DONE:
                return request->connection->ended ? MHD_NO : MHD_YES;
        }
        return MHD_YES;
}

static void hand_to_capture(struct request *request)
{
        struct capture_record *record = request->capture;
        request->capture = NULL;
        record->verdict = request->verdict;
        record->unanswered = request->phase <= PHASE_BODY && request->verdict == VERDICT_ACCEPTED;
        (void)strcpy(record->peer, request->intake.client_address); /* the larger of the two */
        record->body = request->body;
        record->body_size = request->size;
        memory_give(request->listener, request->room);
        request->body = NULL;
        request->size = request->room = 0;
        if (request->listener->capture)
                capture_submit(request->listener->capture, record,
                               request->listener->config->listener.memory);
        else
                capture_discard(record);
}

/* libmicrohttpd found head or chunks wanting before we saw them, and has said so.
 * No status: the client left. */
static void note_engine_refusal(struct request *request, struct MHD_Connection *mhd)
{
        if (!MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_HTTP_STATUS))
                return;
        refuse(request, VERDICT_FRAMING, "its head or its chunks cannot be parsed");
        request_note_verdict(request);
}

void request_completed(void *arg, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code)
{
        (void)code;
        struct listener *listener = arg;
        struct request *request = *context;
        if (!request)
                return;
        struct connection *connection = request->connection;
        if (request->phase <= PHASE_BODY)
                note_engine_refusal(request, mhd);
        if (request->phase == PHASE_DONE && request->close)
                linger_add(&listener->linger, connection->fd, clock_monotonic_ms());
        if (request->capture)
                hand_to_capture(request);
        release_admission(request);
        chunks_end(request);
        connection->request = NULL;
        memory_note_kept(listener, connection, request->keeps);
        connection->rested_ms = clock_monotonic_ms();
        connection->started_ms = 0;
        connection->reading = false;
        connection->bytes_idle = UINT64_MAX; /* to be read at the next sweep */
        *context = NULL;
        request_give_back(listener, request);
}
