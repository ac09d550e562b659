/* What fspd does at its door whatever its ledger costs: listener, limits, quota and
 * log are fspd's own, the ledger is a stand-in. */
#include "rungs_door.h"

#include "fsp/fsutil.h"
#include "fsp/listener.h"
#include "fsp/log.h"
#include "fsp/quota.h"
#include "rungs_store.h"
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#define STOP_MS 5000
/* As fspd's heap: its bound on memory is part of the door. */
#define LARGE_BLOCK (32 * 1024)
#define ARENAS 2

struct door {
        struct store *store;
        struct quota *quota;
        struct listener *listener;
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

static int open_door(struct door *door, struct config *config)
{
        struct log_options options = config_log_options(config, false);
        int r = fsutil_make_folder(options.directory);

        if (r == 0)
                r = log_open(&options);
        if (r == 0)
                r = store_open(config, STORE_RECEIPTS, false, &door->store);
        if (r == 0)
                r = quota_new(config, store_ledger(door->store), &door->quota);
        if (r == 0)
                r = listener_open(config, -1, store_ledger(door->store), door->quota, &door->listener);
        return r == 0 ? listener_run(door->listener) : r;
}

static int serve(struct door *door)
{
        static const struct timespec second = { .tv_sec = 1 };
        char url[LISTENER_URL_SIZE];

        if (printf("%s\n", listener_url(door->listener, url)) < 0 || fflush(stdout) != 0)
                return -EIO;
        while (sigtimedwait(&door->signals, NULL, &second) < 0)
                log_tick();
        return 0;
}

int door_run(struct config *config)
{
        struct door door = { 0 };
        int r = prepare_process(&door);

        if (r == 0)
                r = open_door(&door, config);
        if (r == 0)
                r = serve(&door);
        if (door.listener != NULL && listener_stop(door.listener, STOP_MS) < 0)
                return -ETIMEDOUT; /* its loop still uses all the rest */
        listener_free(door.listener);
        quota_free(door.quota);
        store_close(door.store);
        log_close();
        return r;
}
