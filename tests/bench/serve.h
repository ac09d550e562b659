/* serve: libmicrohttpd in a loop of our own, as in src/http: its internal epoll
 * thread stalls at times.  What the least servers have in common. */
#ifndef FSP_BENCH_SERVE_H
#define FSP_BENCH_SERVE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

struct serve {
        struct MHD_Response *ok; /* 200, empty */
        struct MHD_Daemon *daemon;
};

/* Listens at the loopback, at a free port where it is 0, else beside who has it
 * already; handle and completed get arg.  -errno */
int serve_open(struct serve *serve, unsigned port, MHD_AccessHandlerCallback handle,
               MHD_RequestCompletedCallback completed, void *arg);
unsigned serve_port(const struct serve *serve);
int serve_announce(const struct serve *serve); /* prints the URL; -EIO */
/* Serves until SIGTERM or SIGINT.  bell: -1, or an eventfd;
 * when it rings, on_bell gets arg before the engine runs on.  0 or -errno */
int serve_run(struct serve *serve, int bell, void (*on_bell)(void *arg), void *arg);
void serve_close(struct serve *serve); /* a half-opened one, too */

/* The bytes of one request. */
#define UPLOAD_MAX 65536
struct upload {
        size_t size;
        unsigned char body[UPLOAD_MAX];
};
/* Takes what came; false: it is too much. */
bool upload_take(struct upload *upload, const char *data, size_t *size);

#endif
