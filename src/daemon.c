#include "daemon.h"

#include "fsp/clock.h"
#include "fsp/control.h"
#include "fsp/forwarder.h"
#include "fsp/fsutil.h"
#include "fsp/ledger.h"
#include "fsp/listener.h"
#include "fsp/log.h"
#include "fsp/pages.h"
#include "fsp/quota.h"
#include "fsp/rebuild.h"
#include "fsp/stager.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* Together below the 20 s that a stop may take. */
#define LISTENER_STOP_MS 5000
#define FORWARDER_STOP_MS 10000
#define STOP_S 18
/* In the place of an exit status: told to stop before it had started. */
#define STOPPED_EARLY (-1)
/* A loop that has not come round for so long is not reported alive. */
#define HEARTBEAT_MS 10000
/* Bytes of an allocation that is large.  An honest message takes less, the most is libxml2's
 * for its input, 8,193; and so does SQLite, to divide a page: 28 KB, for each dozen messages. */
#define LARGE_BLOCK (32 * 1024)
#define ARENAS 2

struct daemon {
        const char *config_path;
        struct config *config;
        struct ledger *ledger;
        struct quota *quota;
        struct listener *listener;
        struct stager *stager;
        struct forwarder *forwarder;
        struct control *control;
        struct pages *pages;
        int staging_fd; /* one fspd a staging, whatever its ledger */
        sigset_t signals;
        char status[160]; /* what systemd was told last */
};

static void log_fault(void *arg, const char *text)
{
        (void)arg;
        log_mgr(LOG_ERROR, "%s", text);
}

/* The folder of a file of ours is made when only itself is missing. */
static int make_parent(const char *file)
{
        char copy[PATH_MAX];
        if (snprintf(copy, sizeof(copy), "%s", file) >= (int)sizeof(copy))
                return -ENAMETOOLONG;
        return fsutil_make_folder(dirname(copy));
}

static int open_log(struct daemon *daemon)
{
        struct log_options options = config_log_options(daemon->config, true);
        int r = fsutil_make_folder(options.directory);
        if (r == 0)
                r = log_open(&options);
        if (r < 0)
                (void)fprintf(stderr, "fspd: the log folder %s cannot be used: %s\n", options.directory,
                              strerror(-r)); /* nowhere to say that it cannot be said */
        return r < 0 ? EX_CANTCREAT : 0;
}

static int check_drives(const struct daemon *daemon)
{
        const char *const places[] = { daemon->config->staging.directory, daemon->config->ledger.file,
                                       daemon->config->log.directory };
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
                char marker[PATH_MAX];
                if (!fsutil_drive_marker(places[i], marker))
                        continue;
                log_mgr(LOG_ERROR, "%s is on a drive that must not be used: %s is there", places[i], marker);
                return EX_CANTCREAT;
        }
        return 0;
}

static bool go_on_starting(void *arg)
{
        (void)arg;
        sigset_t pending;
        (void)sd_notify(0, "EXTEND_TIMEOUT_USEC=600000000\nSTATUS=Making ledger and staging folder agree");
        return sigpending(&pending) < 0 ||
               (!sigismember(&pending, SIGTERM) && !sigismember(&pending, SIGINT));
}

static int passed_socket(void)
{
        int count = sd_listen_fds(1);
        if (count > 1)
                log_mgr(LOG_WARNING, "systemd passed %d sockets; the first one is used", count);
        return count > 0 ? SD_LISTEN_FDS_START : -1;
}

static int take_staging(struct daemon *daemon)
{
        const char *folder = daemon->config->staging.directory;
        int r = fsutil_take_folder(folder, &daemon->staging_fd);
        if (r < 0)
                log_mgr(LOG_ERROR, "The staging folder %s cannot be used: %s", folder,
                        r == -EWOULDBLOCK ? "another fspd has it open" : strerror(-r));
        return r;
}

static int open_store(struct daemon *daemon)
{
        int r = take_staging(daemon);
        if (r < 0)
                return EX_CANTCREAT;
        r = make_parent(daemon->config->ledger.file);
        if (r < 0)
                log_mgr(LOG_ERROR, "The folder of the ledger %s cannot be used: %s",
                        daemon->config->ledger.file, strerror(-r));
        if (r == 0)
                r = rebuild_open(daemon->config, go_on_starting, NULL, &daemon->ledger);
        if (r == 0)
                r = quota_new(daemon->config, daemon->ledger, &daemon->quota);
        return r == -EINTR ? STOPPED_EARLY : r < 0 ? EX_CANTCREAT : 0;
}

static int open_listener(struct daemon *daemon)
{
        char url[LISTENER_URL_SIZE];
        int r = listener_open(daemon->config, passed_socket(), daemon->ledger, daemon->quota,
                              &daemon->listener);
        if (r < 0) {
                log_mgr(LOG_ERROR, "Cannot listen on %s port %u: %s", daemon->config->listener.address,
                        daemon->config->listener.port, strerror(-r));
                return EX_UNAVAILABLE;
        }
        log_mgr(LOG_INFO, "Listening for state messages on %s", listener_url(daemon->listener, url));
        return 0;
}

/* The page, where it is wanted, and then the orders. */
static int open_admin(struct daemon *daemon)
{
        const struct config *config = daemon->config;
        struct control_parts parts = { .ledger = daemon->ledger,
                                       .quota = daemon->quota,
                                       .listener = daemon->listener,
                                       .stager = daemon->stager,
                                       .forwarder = daemon->forwarder,
                                       .site_code = config->site.code,
                                       .staging_directory = config->staging.directory };
        int r = config->admin.port < 0 ? 0 : pages_start(daemon->config, &parts, &daemon->pages);
        if (r < 0) {
                log_mgr(LOG_ERROR, "The web page cannot be served on %s port %d: %s", config->admin.address,
                        config->admin.port, strerror(-r));
                return EX_UNAVAILABLE;
        }
        if (daemon->pages) {
                parts.admin_url = pages_url(daemon->pages);
                log_mgr(LOG_INFO, "Web page at %s", parts.admin_url);
        }
        r = make_parent(config->admin.socket);
        if (r == 0)
                r = control_start(daemon->config, &parts, &daemon->control);
        if (r < 0)
                log_mgr(LOG_ERROR, "The control socket %s cannot be used: %s", config->admin.socket,
                        strerror(-r));
        return r < 0 ? EX_CANTCREAT : 0;
}

static int start_threads(struct daemon *daemon)
{
        int r = stager_start(daemon->config, daemon->ledger, &daemon->stager);
        if (r == 0)
                r = forwarder_start(daemon->config, daemon->ledger, stager_catch_up, daemon->stager,
                                    &daemon->forwarder);
        if (r < 0) {
                log_mgr(LOG_ERROR, "Staging and forwarding cannot start: %s", strerror(-r));
                return EX_SOFTWARE;
        }
        int status = open_admin(daemon);
        if (status)
                return status;
        r = listener_run(daemon->listener);
        if (r < 0)
                log_mgr(LOG_ERROR, "The listener cannot start: %s", strerror(-r));
        return r < 0 ? EX_SOFTWARE : 0;
}

static int start(struct daemon *daemon)
{
        int status = check_drives(daemon); /* before the first file is made */
        if (status == 0)
                status = open_log(daemon);
        if (status)
                return status;
        log_mgr(LOG_INFO, "fspd " FSP_VERSION " starts, site code %s", daemon->config->site.code);
        status = open_store(daemon);
        if (status == 0)
                status = open_listener(daemon);
        return status ? status : start_threads(daemon);
}

/* The thread that hangs
 * in its system call still uses ledger and configuration, so nothing of that
 * is freed, and the process ends at once.  All that was acknowledged is on
 * disk; the next start goes on from there. */
static void abandon(const char *what, int status)
{
        log_mgr(LOG_WARNING, "%s hangs: what is in hand is left for the next start", what);
        log_mgr(LOG_INFO, "fspd stopped");
        log_close();
        _exit(status);
}

/* The last bound, whoever hangs: a disk is not asked for its consent. */
static void *end_by_force(void *status)
{
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_sec = STOP_S }, NULL);
        _exit((int)(intptr_t)status);
}

static void stop(struct daemon *daemon, int status)
{
        pthread_t timer;
        int r = pthread_create(&timer, NULL, end_by_force, (void *)(intptr_t)status);
        if (r != 0)
                log_mgr(LOG_WARNING, "The stop has no bound: %s", strerror(r));
        (void)sd_notify(0, "STOPPING=1"); /* no supervisor, no matter */
        bool left = daemon->listener && listener_stop(daemon->listener, LISTENER_STOP_MS) < 0;
        pages_stop(daemon->pages);
        control_stop(daemon->control);
        if (forwarder_stop(daemon->forwarder, FORWARDER_STOP_MS) < 0)
                abandon("The inbox", status);
        if (left)
                abandon("The listener", status);
        stager_stop(daemon->stager);
        listener_free(daemon->listener);
        quota_free(daemon->quota);
        ledger_close(daemon->ledger);
        fsutil_close_pointer(&daemon->staging_fd);
        log_mgr(LOG_INFO, "fspd stopped");
        log_close();
}

static void say_difference(void *arg, const char *section, const char *key)
{
        static const char *const at_start[][2] = {
                { "listener", "address" },     { "listener", "port" },
                { "listener", "connections" }, { "listener", "idle_timeout" },
                { "staging", "directory" },    { "ledger", "file" },
                { "admin", "socket" },         { "admin", "address" },
                { "admin", "port" },           { "site", "code" }
        };
        (void)arg;
        for (size_t i = 0; i < sizeof(at_start) / sizeof(at_start[0]); i++) {
                if (strcmp(section, at_start[i][0]) == 0 && strcmp(key, at_start[i][1]) == 0) {
                        log_mgr(LOG_WARNING, "[%s] %s has changed: that takes a restart", section, key);
                        return;
                }
        }
        log_mgr(LOG_INFO, "[%s] %s has changed", section, key);
}

static void reload(struct daemon *daemon)
{
        struct config *config;
        (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
                         (long long)clock_monotonic_us()); /* as in stop */
        int r = config_load(daemon->config_path, log_fault, NULL, &config);
        if (r < 0) {
                log_mgr(LOG_ERROR, "The configuration %s is refused; the old one stays in force",
                        daemon->config_path);
                struct log_options options = config_log_options(daemon->config, true);
                r = log_reopen(&options);
        } else {
                struct log_options options = config_log_options(config, true);
                r = log_reopen(&options);
                config_differences(daemon->config, config, say_difference, NULL);
                ledger_reload(daemon->ledger, config);
                quota_reload(daemon->quota, config);
                listener_reload(daemon->listener, config);
                forwarder_reload(daemon->forwarder, config);
                config_unref(daemon->config);
                daemon->config = config;
                log_mgr(LOG_INFO, "The configuration %s is in force", daemon->config_path);
        }
        if (r < 0)
                log_mgr(LOG_ERROR, "The logs cannot be reopened: %s", strerror(-r));
        (void)sd_notify(0, "READY=1"); /* as in stop */
}

static void tell_supervisor(struct daemon *daemon)
{
        if (clock_monotonic_ms() - listener_view(daemon->listener).heartbeat_ms < HEARTBEAT_MS)
                (void)sd_notify(0, "WATCHDOG=1"); /* as in stop */
        struct ledger_totals totals = ledger_totals(daemon->ledger);
        struct forwarder_view view = forwarder_view(daemon->forwarder);
        char status[sizeof(daemon->status)], next[CLOCK_TEXT_SIZE] = "now";
        if (!view.running)
                (void)clock_format_rfc3339(view.next_run_ms / 1000 * 1000, next);
        (void)snprintf(
                status, sizeof(status), "STATUS=%llu staged, last run copied %llu of %llu, next run %s",
                (unsigned long long)(totals.received + totals.staged + totals.copied),
                (unsigned long long)view.last.copied, (unsigned long long)view.last.tried, next); /* fits */
        if (strcmp(status, daemon->status) == 0)
                return;
        strcpy(daemon->status, status);
        (void)sd_notify(0, status); /* as in stop */
}

/* The exit status. */
static int serve(struct daemon *daemon)
{
        static const struct timespec second = { .tv_sec = 1 };
        tell_supervisor(daemon);       /* a status that is asked for at once is there */
        (void)sd_notify(0, "READY=1"); /* as in stop */
        for (;;) {
                switch (sigtimedwait(&daemon->signals, NULL, &second)) {
                case SIGTERM:
                case SIGINT:
                        log_mgr(LOG_INFO, "fspd stops");
                        return EX_OK;
                case SIGHUP:
                        reload(daemon);
                        break;
                case SIGUSR1:
                        (void)forwarder_ring(daemon->forwarder); /* nobody waits for this run */
                        break;
                default: /* a second has passed */
                        break;
                }
                log_tick();
                tell_supervisor(daemon);
                if (ledger_totals(daemon->ledger).fault == -EUCLEAN) {
                        log_mgr(LOG_ERROR,
                                "The ledger is damaged: fspd ends, to be started anew and rebuild it");
                        return EX_SOFTWARE;
                }
        }
}

/* Large bodies are mappings of their own: given back, they are the system's
 * again at once, whatever lies between them.  Fewer arenas than threads, since
 * each keeps what it once had. */
static void bound_heap(void)
{
        (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK); /* a libc without it does with more memory */
        (void)mallopt(M_ARENA_MAX, ARENAS);
        (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* likewise; a huge page is there as a whole */
}

static int block_signals(struct daemon *daemon)
{
        (void)sigemptyset(&daemon->signals); /* these cannot fail */
        (void)sigaddset(&daemon->signals, SIGTERM);
        (void)sigaddset(&daemon->signals, SIGINT);
        (void)sigaddset(&daemon->signals, SIGHUP);
        (void)sigaddset(&daemon->signals, SIGUSR1);
        (void)signal(SIGPIPE, SIG_IGN);
        return -pthread_sigmask(SIG_BLOCK, &daemon->signals, NULL);
}

int daemon_run(const char *config_path, struct config *config)
{
        struct daemon daemon = { .config_path = config_path, .config = config, .staging_fd = -1 };
        bound_heap();
        /* Whoever starts it: the group may read ledger, logs and what goes to the inbox, others nothing. */
        (void)umask(S_IWGRP | S_IRWXO);
        if (sodium_init() < 0 || block_signals(&daemon) < 0) {
                (void)fprintf(stderr,
                              "fspd: cannot start: no random numbers or signals\n"); /* as in open_log */
                config_unref(daemon.config);
                return EX_SOFTWARE;
        }
        int status = start(&daemon);
        if (status == 0)
                status = serve(&daemon);
        if (status == STOPPED_EARLY)
                status = EX_OK;
        stop(&daemon, status);
        config_unref(daemon.config);
        return status;
}
