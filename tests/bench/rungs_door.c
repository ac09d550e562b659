/* What fspd does at its door whatever its ledger costs: listener, limits, quota and
 * log are fspd's own, the ledger is a stand-in. */
#include "rungs_door.h"

#include "fsp/fsutil.h"
#include "fsp/listener.h"
#include "fsp/log.h"
#include "fsp/quota.h"
#include "rungs_store.h"
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STOP_MS 5000
/* As fspd's heap: its bound on memory is part of the door. */
#define LARGE_BLOCK (32 * 1024)
#define ARENAS 2
#define BACKLOG 4096 /* as fspd's */

struct door {
        struct store *store;
        struct quota *quota;
        struct listener *listeners[DOOR_LOOPS_MAX];
        unsigned loops; /* opened */
        struct sockaddr_in address;
        sigset_t signals;
};

static int prepare_process(struct door *door)
{
        (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK); /* a libc without it does with more memory */
        (void)mallopt(M_ARENA_MAX, ARENAS);
        (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* likewise */
        (void)sigemptyset(&door->signals);           /* these cannot fail */
        (void)sigaddset(&door->signals, SIGTERM);
        (void)sigaddset(&door->signals, SIGINT);
        (void)signal(SIGPIPE, SIG_IGN);
        return sodium_init() < 0 ? -EIO : -pthread_sigmask(SIG_BLOCK, &door->signals, NULL);
}

/* One of several with the same address, among which the kernel shares the connections. */
static int bind_socket(struct sockaddr_in *address)
{
        socklen_t size = sizeof(*address);
        int one = 1, r = 0;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
            bind(fd, (struct sockaddr *)address, size) < 0 || listen(fd, BACKLOG) < 0 ||
            getsockname(fd, (struct sockaddr *)address, &size) < 0)
                r = -errno;
        if (r < 0)
                (void)close(fd); /* nothing is in it */
        return r < 0 ? r : fd;
}

/* Each with rules, limits and log of its own: they share the quota and the writer. */
static int open_loop(struct door *door, struct config *config)
{
        int r = bind_socket(&door->address);

        if (r < 0)
                return r;
        r = listener_open(config, r, store_ledger(door->store), door->quota, &door->listeners[door->loops]);
        if (r == 0)
                door->loops++;
        return r;
}

static int open_door(struct door *door, struct config *config, unsigned loops)
{
        struct log_options options = config_log_options(config, false);
        int r = fsutil_make_folder(options.directory);

        if (r == 0)
                r = log_open(&options);
        if (r == 0)
                r = store_open(config, STORE_RECEIPTS, false, &door->store);
        if (r == 0)
                r = quota_new(config, store_ledger(door->store), &door->quota);
        door->address =
                (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        while (r == 0 && door->loops < loops)
                r = open_loop(door, config);
        for (unsigned i = 0; r == 0 && i < loops; i++)
                r = listener_run(door->listeners[i]);
        return r;
}

static int serve(struct door *door)
{
        static const struct timespec second = { .tv_sec = 1 };
        char url[LISTENER_URL_SIZE];

        if (printf("%s\n", listener_url(door->listeners[0], url)) < 0 || fflush(stdout) != 0)
                return -EIO;
        while (sigtimedwait(&door->signals, NULL, &second) < 0)
                log_tick();
        return 0;
}

static int close_loops(struct door *door)
{
        int r = 0;

        for (unsigned i = 0; i < door->loops; i++) {
                if (listener_stop(door->listeners[i], STOP_MS) < 0)
                        r = -ETIMEDOUT; /* its loop still uses all the rest */
        }
        for (unsigned i = 0; r == 0 && i < door->loops; i++)
                listener_free(door->listeners[i]);
        return r;
}

int door_run(struct config *config, unsigned loops)
{
        struct door door = { 0 };
        int r = prepare_process(&door);

        if (r == 0)
                r = open_door(&door, config, loops);
        if (r == 0)
                r = serve(&door);
        if (close_loops(&door) < 0)
                return -ETIMEDOUT;
        quota_free(door.quota);
        store_close(door.store);
        log_close();
        return r;
}
