/* The web's server: libmicrohttpd with a polling thread of its own, apart from
 * the listener's loop, so that readers never hold up a client. */
#include "fsp/web.h"

#include "fsp/confine.h"
#include "fsp/log.h"
#include "listener_private.h"
#include "web_request.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 64U
/* Of these the longest open one gives its place to each new one: who reads slowly, or says nothing but
 * now and then a byte, keeps nobody out. */
#define SPARE_CONNECTIONS 8U
#define TIMEOUT_S 10U
#define HEAD_SIZE 8192
/* Room for the head and for what libmicrohttpd makes of it and of the answer's head. */
#define CONNECTION_MEMORY (32U * 1024U)
#define PIECE_SIZE (16U * 1024U)

struct web {
        struct MHD_Daemon *mhd;
        const struct web_route *routes;
        size_t route_count;
        void *arg;
        void (*begin)(void *arg);
        const char *const *folders; /* NULL once its thread is confined to them */
        char url[LISTENER_URL_SIZE];
        /* The open connections, the longest open one first; its thread's. */
        int sockets[CONNECTIONS];
        unsigned open;
};

/* The parameters' texts lie behind each other in room. */
struct inquiry {
        struct web_request request;
        char room[HEAD_SIZE], item[HEAD_SIZE];
        size_t used;
        unsigned hosts;
        const char *host;
        bool broken;
};

#define PLAIN_TEXT "text/plain; charset=utf-8"

/* A body that is made piece by piece. */
struct stream {
        const struct web *web;
        struct web_answer answer;
        char *piece; /* malloc'd; from sent on it is still to go out */
        size_t size, sent;
        bool ended;
};

/* On every answer: nothing of another place, nothing inline, in no frame, kept nowhere. */
static const char *const protecting_headers[][2] = {
        { "Content-Security-Policy",
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
          " form-action 'self'; base-uri 'none'; frame-ancestors 'none'" },
        { "X-Content-Type-Options", "nosniff" },
        { "X-Frame-Options", "DENY" },
        { "Referrer-Policy", "no-referrer" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
        { "Cross-Origin-Opener-Policy", "same-origin" },
        { "Cache-Control", "no-store" },
};

const char *web_parameter(const struct web_request *request, const char *name)
{
        for (size_t i = 0; i < request->parameter_count; i++)
                if (strcmp(request->parameters[i].name, name) == 0 && *request->parameters[i].value)
                        return request->parameters[i].value;
        return NULL;
}

static enum MHD_Result queue(struct MHD_Connection *mhd, const struct web_answer *answer,
                             struct MHD_Response *response)
{
        char disposition[128];
        bool ok = response && MHD_add_response_header(response, "Content-Type", answer->type);
        for (size_t i = 0; i < sizeof(protecting_headers) / sizeof(protecting_headers[0]); i++)
                ok = ok &&
                     MHD_add_response_header(response, protecting_headers[i][0], protecting_headers[i][1]);
        if (*answer->download) {
                (void)snprintf(
                        disposition, sizeof(disposition), "attachment; filename=\"%s\"",
                        answer->download); /* fits: a name of ours has no quotes and at most 95 characters */
                ok = ok && MHD_add_response_header(response, "Content-Disposition", disposition);
        }
        if (answer->header)
                ok = ok && MHD_add_response_header(response, answer->header, answer->value);
        if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
                ok = ok && MHD_add_response_header(response, "Allow", "GET, HEAD");
        enum MHD_Result result = ok ? MHD_queue_response(mhd, answer->status, response) : MHD_NO;
        if (response)
                MHD_destroy_response(response);
        return result; /* MHD_NO closes the connection */
}

/* text: constant, one line. */
static enum MHD_Result refuse(struct MHD_Connection *mhd, unsigned status, const char *text)
{
        struct web_answer answer = { .status = status, .type = PLAIN_TEXT };
        return queue(mhd, &answer,
                     MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                     MHD_RESPMEM_PERSISTENT));
}

static void begin(const struct web *web)
{
        if (web->begin)
                web->begin(web->arg);
}

static int next_piece(struct stream *stream)
{
        free(stream->piece);
        stream->piece = NULL;
        stream->size = stream->sent = 0;
        FILE *out = open_memstream(&stream->piece, &stream->size);
        if (!out)
                return -errno;
        begin(stream->web);
        int r = stream->answer.more(stream->answer.state, out);
        stream->ended = r <= 0;
        if (fclose(out) == EOF)
                return -ENOMEM;
        return r < 0 ? r : 0;
}

static ssize_t read_stream(void *arg, uint64_t position, char *buffer, size_t room)
{
        struct stream *stream = arg;
        (void)position; /* it is read once, from the beginning */
        while (stream->sent == stream->size) {
                if (stream->ended)
                        return MHD_CONTENT_READER_END_OF_STREAM;
                if (next_piece(stream) < 0)
                        return MHD_CONTENT_READER_END_WITH_ERROR; /* the reader sees that it is cut */
        }
        size_t size = stream->size - stream->sent < room ? stream->size - stream->sent : room;
        memcpy(buffer, stream->piece + stream->sent, size);
        stream->sent += size;
        return (ssize_t)size;
}

static void free_stream(void *arg)
{
        struct stream *stream = arg;
        if (stream->answer.close)
                stream->answer.close(stream->answer.state);
        free(stream->piece);
        free(stream);
}

/* The body begins with the piece that is there; takes over piece and the answer's state. */
static struct MHD_Response *respond(const struct web *web, const struct web_answer *answer, char *piece,
                                    size_t size)
{
        if (!answer->more) {
                if (answer->close)
                        answer->close(answer->state);
                struct MHD_Response *response =
                        MHD_create_response_from_buffer(size, piece, MHD_RESPMEM_MUST_FREE);
                if (!response)
                        free(piece);
                return response;
        }
        struct stream *stream = calloc(1, sizeof(*stream));
        if (!stream) {
                if (answer->close)
                        answer->close(answer->state);
                free(piece);
                return NULL;
        }
        *stream = (struct stream){ .web = web, .answer = *answer, .piece = piece, .size = size };
        struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE_SIZE,
                                                                          read_stream, stream, free_stream);
        if (!response)
                free_stream(stream);
        return response;
}

static enum MHD_Result handle(struct web *web, const struct web_route *route, struct MHD_Connection *mhd,
                              const struct web_request *request)
{
        struct web_answer answer = { .status = MHD_HTTP_OK, .type = PLAIN_TEXT };
        char *body = NULL;
        size_t size = 0;
        answer.out = open_memstream(&body, &size);
        if (!answer.out)
                return refuse(mhd, MHD_HTTP_SERVICE_UNAVAILABLE, "Short of memory\n");
        begin(web);
        int r = route->handle(web->arg, request, &answer);
        if (fclose(answer.out) == EOF && r == 0)
                r = -ENOMEM;
        if (r == 0)
                return queue(mhd, &answer, respond(web, &answer, body, size));
        if (answer.close)
                answer.close(answer.state);
        if (r == -ENOENT || r == -EINVAL) {
                answer = (struct web_answer){ .status = r == -ENOENT ? MHD_HTTP_NOT_FOUND
                                                                     : MHD_HTTP_BAD_REQUEST,
                                              .type = PLAIN_TEXT };
                return queue(mhd, &answer, respond(web, &answer, body, size));
        }
        free(body);
        if (r == -ETIMEDOUT)
                return refuse(mhd, MHD_HTTP_SERVICE_UNAVAILABLE, "That takes too long: ask for less\n");
        return r == -ENOMEM || r == -EBUSY
                       ? refuse(mhd, MHD_HTTP_SERVICE_UNAVAILABLE, "Not now: try again\n")
                       : refuse(mhd, MHD_HTTP_INTERNAL_SERVER_ERROR, "The ledger cannot be read\n");
}

/* A copy in the inquiry's room; NULL when it does not fit. */
static char *keep(struct inquiry *inquiry, const char *text)
{
        size_t size = strlen(text) + 1;
        if (size > sizeof(inquiry->room) - inquiry->used)
                return NULL;
        char *copy = memcpy(inquiry->room + inquiry->used, text, size);
        inquiry->used += size;
        return copy;
}

static enum MHD_Result take_parameter(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
        (void)kind;
        struct inquiry *inquiry = arg;
        struct web_request *request = &inquiry->request;
        char *copy = keep(inquiry, name), *copied_value = keep(inquiry, value ? value : "");
        inquiry->broken = !copy || !copied_value || !web_decode(copy) || !web_decode(copied_value) ||
                          request->parameter_count == WEB_MAX_PARAMETERS;
        if (inquiry->broken)
                return MHD_NO;
        request->parameters[request->parameter_count++] =
                (struct web_parameter){ .name = copy, .value = copied_value };
        return MHD_YES;
}

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
        (void)kind;
        struct inquiry *inquiry = arg;
        if (strcasecmp(name, "Host") == 0) {
                inquiry->hosts++;
                inquiry->host = value;
        }
        return MHD_YES;
}

static const struct web_route *find_route(const struct web *web, struct inquiry *inquiry)
{
        for (size_t i = 0; i < web->route_count; i++) {
                const char *item;
                size_t size;
                if (!web_route_fits(web->routes[i].path, inquiry->request.path, &item, &size))
                        continue;
                if (size >= sizeof(inquiry->item))
                        return NULL;
                if (item) {
                        memcpy(inquiry->item, item, size);
                        inquiry->item[size] = '\0';
                        inquiry->request.item = inquiry->item;
                        inquiry->broken = !web_decode(inquiry->item);
                }
                return &web->routes[i];
        }
        return NULL;
}

static enum MHD_Result serve(struct web *web, struct MHD_Connection *mhd, const char *path,
                             const char *version)
{
        struct inquiry inquiry = { .request = { .path = path, .server = web->url } };
        (void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, take_header, &inquiry); /* counts them */
        /* A browser always names the host; what asks by HTTP/1.0 without one is none. */
        bool bare = inquiry.hosts == 0 && strcmp(version, "HTTP/1.0") == 0;
        if (!bare && inquiry.hosts != 1)
                return refuse(mhd, MHD_HTTP_BAD_REQUEST, "One Host is needed\n");
        if (!bare && !web_host_is_ours(inquiry.host))
                return refuse(mhd, MHD_HTTP_MISDIRECTED_REQUEST,
                              "Ask by a numeric address or as localhost: no other Host is served\n");
        (void)MHD_get_connection_values(mhd, MHD_GET_ARGUMENT_KIND, take_parameter, &inquiry); /* likewise */
        const struct web_route *route = find_route(web, &inquiry);
        if (inquiry.broken)
                return refuse(mhd, MHD_HTTP_BAD_REQUEST, "The query or path cannot be read\n");
        if (!route)
                return refuse(mhd, MHD_HTTP_NOT_FOUND, "There is nothing here\n");
        return handle(web, route, mhd, &inquiry.request);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *path, const char *method,
                                  const char *version, const char *data, size_t *size, void **context)
{
        static char seen;
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
        (void)data;
        if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
                return refuse(mhd, MHD_HTTP_METHOD_NOT_ALLOWED, "For reading only: GET or HEAD\n");
        if (!info || info->header_size > HEAD_SIZE)
                return refuse(mhd, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "The head is too large\n");
        if (!*context) {
                *context = &seen; /* an answer only now would end the connection */
                return MHD_YES;
        }
        if (*size) { /* a body that nobody wants is let pass */
                *size = 0;
                return MHD_YES;
        }
        return serve(arg, mhd, path, version);
}

static size_t leave_escaped(void *arg, struct MHD_Connection *mhd, char *text)
{
        (void)arg;
        (void)mhd;
        return strlen(text); /* web_decode is stricter */
}

static void forget(struct web *web, int socket)
{
        for (unsigned i = 0; i < web->open; i++)
                if (web->sockets[i] == socket) {
                        web->open--;
                        memmove(&web->sockets[i], &web->sockets[i + 1],
                                (web->open - i) * sizeof(web->sockets[0]));
                        return;
                }
}

/* The thread is libmicrohttpd's, so it binds itself when it is first heard of:
 * before it has read a byte. */
static void confine(struct web *web)
{
        int r = web->folders ? confine_thread(CONFINE_ALL, web->folders) : 0;
        if (r < 0)
                log_mgr(LOG_WARNING, "The web page cannot be kept from files: %s", strerror(-r));
        web->folders = NULL;
}

/* The end comes by itself when libmicrohttpd finds the socket shut. */
static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
        struct web *web = arg;
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        (void)context;
        if (!info)
                return;
        if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
                forget(web, info->connect_fd);
                return;
        }
        confine(web);
        if (web->open >= CONNECTIONS - SPARE_CONNECTIONS) {
                (void)shutdown(web->sockets[0], SHUT_RDWR); /* it may be gone already */
                forget(web, web->sockets[0]);
        }
        web->sockets[web->open++] = info->connect_fd;
}

int web_start(const struct web_options *options, struct web **ret_web)
{
        struct web *web = calloc(1, sizeof(*web));
        int socket;
        int r = web ? accept_bind(options->address, options->port, &socket) : -ENOMEM;
        if (r < 0) {
                free(web);
                return r;
        }
        web->routes = options->routes;
        web->route_count = options->route_count;
        web->arg = options->arg;
        web->folders = options->folders;
        web->begin = options->begin;
        accept_describe(socket, "/", web->url);
        errno = 0;
        web->mhd = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, NULL,
                                    NULL, on_request, web, MHD_OPTION_LISTEN_SOCKET, socket,
                                    MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_NOTIFY_CONNECTION,
                                    on_connection, web, MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S,
                                    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                                    MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_END);
        if (!web->mhd) {
                r = errno ? -errno : -EIO;
                (void)close(socket); /* nothing is in it */
                free(web);
                return r;
        }
        *ret_web = web;
        return 0;
}

void web_stop(struct web *web)
{
        if (!web)
                return;
        MHD_stop_daemon(web->mhd); /* also closes the socket */
        free(web);
}

const char *web_url(const struct web *web)
{
        return web->url;
}
