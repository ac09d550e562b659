#include "admin/cmd.h"
#include "admin/cmd_setup.h"
#include "fsp/fsutil.h"
#include "fsp/inbox.h"
#include "fsp/quarantine.h"
#include "fsp/smb_url.h"
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STATUS_WAIT_MS 10000

static int try_folder(const struct config *config, const char *path)
{
        (void)config; /* a folder is a folder */
        return fsutil_check_writable(path);
}

static void check_folder(struct setup *setup, const char *what, const char *path)
{
        char marker[PATH_MAX];
        int r = setup_make_folder(setup, path, marker);

        if (r == -EXDEV) {
                setup_fail(setup, "%s %s: %s forbids the use of this file system", what, path, marker);
                return;
        }
        if (r == 0)
                r = setup_try(setup, try_folder, path);
        if (r < 0)
                setup_fail(setup, "%s %s: %s", what, path, strerror(-r));
        else
                setup_pass(setup, "%s %s: it can be written", what, path);
}

static void check_folder_of(struct setup *setup, const char *what, const char *file)
{
        char *copy AUTO_FREE = strdup(file); /* dirname writes into it */

        if (copy)
                check_folder(setup, what, dirname(copy));
        else
                setup_fail(setup, "%s: %s", what, strerror(ENOMEM));
}

void setup_check_folders(struct setup *setup)
{
        const struct config *config = setup->config;
        char corrupt[PATH_MAX];

        check_folder_of(setup, "the ledger's folder", config->ledger.file);
        check_folder(setup, "the staging folder", config->staging.directory);
        if (snprintf(corrupt, sizeof(corrupt), "%s/" QUARANTINE_FOLDER, config->staging.directory) <
            (int)sizeof(corrupt))
                check_folder(setup, "the quarantine folder", corrupt);
        else
                setup_fail(setup, "the quarantine folder: %s", strerror(ENAMETOOLONG));
        check_folder(setup, "the log folder", config->log.directory);
        check_folder_of(setup, "the control socket's folder", config->admin.socket);
}

static const char *explain_inbox(const char *place, int fault)
{
        if (smb_url_is(place))
                return inbox_explain(place, fault);
        switch (-fault) {
        case ENOENT:
                return "it is not there, and fspd makes no inbox folder";
        case ENODEV:
                return "nothing is mounted there (forwarder.require_mount)";
        case ETIMEDOUT:
                return "its server does not answer";
        default: /* errno, a foreign list */
                return inbox_explain(place, fault);
        }
}

static int try_inbox(const struct config *config, const char *place)
{
        if (smb_url_is(place))
                return inbox_try(config, place);
        if (inbox_is_ours(config, place))
                return -ENOTUNIQ;
        if (config->forwarder.require_mount) {
                if (access(place, F_OK) < 0)
                        return -errno;
                if (!fsutil_is_mount_point(place))
                        return -ENODEV;
        }
        return fsutil_check_writable(place);
}

static void check_inbox(struct setup *setup, const char *what, const char *place)
{
        int r = setup_try(setup, try_inbox, place);

        if (r < 0)
                setup_fail(setup, "%s %s: %s", what, place, explain_inbox(place, r));
        else
                setup_pass(setup, "%s %s: files can be written, renamed and deleted", what, place);
}

void setup_check_inboxes(struct setup *setup)
{
        check_inbox(setup, "the inbox", setup->config->forwarder.inbox);
        if (*setup->config->forwarder.inbox_fallback)
                check_inbox(setup, "the second inbox", setup->config->forwarder.inbox_fallback);
}

/* In per cent, the scarcer of bytes and inodes. */
static int measure_free(const char *path, unsigned *ret_percent)
{
        struct fsutil_space space;
        int fd AUTO_CLOSE = -1;
        uint64_t bytes, inodes = 100;
        int r = fsutil_open_folder(path, &fd);

        if (r == 0)
                r = fsutil_space(fd, &space);
        if (r < 0)
                return r;
        bytes = space.bytes_total > 0
                        ? (uint64_t)(100.0 * (double)space.bytes_free / (double)space.bytes_total)
                        : 0;
        if (space.inodes_total > 0)
                inodes = (uint64_t)(100.0 * (double)space.inodes_free / (double)space.inodes_total);
        *ret_percent = (unsigned)(bytes < inodes ? bytes : inodes);
        return 0;
}

static void check_space_at(struct setup *setup, const char *path)
{
        unsigned wanted = setup->config->staging.min_free_percent, percent;
        int r = measure_free(path, &percent);

        if (r < 0)
                setup_fail(setup, "the space at %s: %s", path, strerror(-r));
        else if (percent < wanted)
                setup_fail(setup, "the space at %s: only %u %% free, staging.min_free keeps %u %%", path,
                           percent, wanted);
        else
                setup_pass(setup, "the space at %s: %u %% free, %u %% is kept", path, percent, wanted);
}

void setup_check_space(struct setup *setup)
{
        char *copy AUTO_FREE = strdup(setup->config->ledger.file); /* dirname writes into it */

        check_space_at(setup, setup->config->staging.directory);
        if (copy)
                check_space_at(setup, dirname(copy));
        else
                setup_fail(setup, "the space: %s", strerror(ENOMEM));
}

/* 0, -EINVAL for an address that is none, other -errno. */
static int try_bind(const char *address, unsigned port)
{
        const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                                        .ai_socktype = SOCK_STREAM };
        struct addrinfo *found;
        int fd AUTO_CLOSE = -1;
        char service[16];
        int r = 0, on = 1, off = 0;

        (void)snprintf(service, sizeof(service), "%u", port); /* always fits */
        if (getaddrinfo(address, service, &hints, &found) != 0)
                return -EINVAL;
        fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            (found->ai_family == AF_INET6 &&
             setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
            bind(fd, found->ai_addr, found->ai_addrlen) < 0)
                r = -errno;
        freeaddrinfo(found);
        return r;
}

/* Does our own daemon run, and listen on that port? */
static bool is_ours(const struct config *config, unsigned port)
{
        char part[16];
        const char *listen;
        json_t *status;
        bool ours;

        if (cmd_ask(config, "status", STATUS_WAIT_MS, &status) != CMD_DONE)
                return false;
        (void)snprintf(part, sizeof(part), ":%u/", port); /* always fits */
        listen = json_string_value(json_object_get(status, "listen"));
        ours = listen && strstr(listen, part);
        json_decref(status);
        return ours;
}

void setup_check_port(struct setup *setup)
{
        const char *address = setup->config->listener.address;
        unsigned port = setup->config->listener.port;
        int r = try_bind(address, port);

        if (r == 0 && port == 0)
                setup_pass(setup, "the port on %s: any free one will be taken", address);
        else if (r == -EADDRINUSE && is_ours(setup->config, port))
                setup_pass(setup, "port %u of %s: fspd has it", port, address);
        else if (r == -EADDRINUSE)
                setup_fail(setup, "port %u of %s: another program has it", port, address);
        else if (r == -EACCES)
                setup_pass(setup, "port %u of %s: only root can try it", port, address);
        else if (r < 0)
                setup_fail(setup, "port %u of %s: %s", port, address, strerror(-r));
        else
                setup_pass(setup, "port %u of %s: it is free", port, address);
}
