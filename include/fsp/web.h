/* web: a small HTTP server for reading, on the admin address.
 *
 * It answers GET and HEAD only; checks that Host is a numeric address or
 * localhost (a name that an attacker points at this machine is refused, so
 * that no foreign page can read here); bounds connections, head and time; and
 * puts the same protecting headers on every answer.  What there is to read is
 * a table of routes that others make.
 *
 * Owns      its socket, its connections and one thread.
 * Threads   web_start, web_stop: the main thread.  Handlers run in the web's
 *           thread, one at a time.
 * Crash     nothing is kept. */
#ifndef FSP_WEB_H
#define FSP_WEB_H

#include <stddef.h>
#include <stdio.h>

#define WEB_MAX_PARAMETERS 32

struct web_parameter {
        const char *name, *value; /* decoded; without control characters */
};
struct web_request {
        const char *path;   /* as in the request, without the query */
        const char *server; /* web_url */
        const char *item;   /* decoded: what stood for the route's '*'; NULL: none */
        struct web_parameter parameters[WEB_MAX_PARAMETERS];
        size_t parameter_count;
};
/* NULL when it is missing or empty. */
const char *web_parameter(const struct web_request *request, const char *name);

struct web_answer {
        unsigned status;    /* 200 */
        const char *type;   /* Content-Type, constant text; text/plain */
        char download[96];  /* the file's name, where it is one to be saved; "" */
        const char *header; /* one header more, constant text; NULL: none */
        char value[24];     /* of it */
        FILE *out;          /* the body, or its beginning */
        /* For bodies that need not fit into memory: appends the next piece to
         * out.  1 when there is more to come, 0 at the end, -errno. */
        int (*more)(void *state, FILE *out);
        void (*close)(void *state); /* state is given up; called once, whatever happens */
        void *state;
};

struct web_route {
        const char *path; /* one segment may be '*', which stands for any text without '/' */
        /* 0, or -errno: then what was written is dropped, and -ENOENT gives
         * 404, -EINVAL 400 (both with what stands in out, a line of text),
         * -ETIMEDOUT, -EBUSY and -ENOMEM 503, others 500. */
        int (*handle)(void *arg, const struct web_request *request, struct web_answer *answer);
};

struct web_options {
        const char *address; /* numeric */
        unsigned port;       /* 0: any free one */
        const struct web_route *routes;
        size_t route_count;
        void *arg;                /* of the handlers */
        void (*begin)(void *arg); /* before each handler and each piece; NULL: nothing to do */
        /* Those whose files handlers and log need, NULL at the end; kept. */
        const char *const *folders;
};

struct web;
/* -errno when it cannot listen. */
int web_start(const struct web_options *options, struct web **ret_web);
void web_stop(struct web *web);             /* NULL is allowed */
const char *web_url(const struct web *web); /* "http://ADDRESS:PORT/", of the socket in use */

#endif
