#include "admin/cmd_setup.h"
#include "admin/cmd.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAEMON_USER "fspd"
#define DEFAULT_LOG_FOLDER "/var/log/fspd"
#define EXAMPLE_CONFIG "/usr/share/doc/fspd/examples/fspd.ini"
#define EXAMPLE_LIMIT (1024 * 1024)
#define TRY_TIMEOUT_MS 30000

static const char minimal_config[] = "; Every other key has a default: see fspd.ini(5).\n"
                                     "[site]\n"
                                     "; code = P01\n"
                                     "\n"
                                     "[forwarder]\n"
                                     "; inbox = /mnt/siteserver/inboxes/auth/statesys.box/incoming\n";

/* One line to SMSFSPSetup.log and standard output. */
static void __attribute__((format(printf, 2, 3))) say(struct setup *setup, const char *format, ...)
{
        char text[SETUP_REASON_SIZE + 64];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments); /* may be cut */
        va_end(arguments);
        if (!setup->log_folder)
                (void)puts(text); /* main looks at the stream */
        else if (log_setup(setup->log_folder, "%s", text) < 0 && !*setup->failure)
                (void)snprintf(setup->failure, sizeof(setup->failure), "%s/SMSFSPSetup.log cannot be written",
                               setup->log_folder); /* may be cut */
}

void setup_pass(struct setup *setup, const char *format, ...)
{
        char text[SETUP_REASON_SIZE];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments); /* may be cut */
        va_end(arguments);
        say(setup, "Checking %s", text);
}

void setup_fail(struct setup *setup, const char *format, ...)
{
        char text[SETUP_REASON_SIZE];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments); /* may be cut */
        va_end(arguments);
        if (!*setup->failure)
                (void)strcpy(setup->failure, text); /* of the same size */
        say(setup, "Checking %s", text);
}

static int become_daemon_user(const struct setup *setup)
{
        if (!setup->has_daemon_user)
                return 0;
        if (initgroups(DAEMON_USER, setup->gid) < 0 || setgid(setup->gid) < 0 || setuid(setup->uid) < 0)
                return -errno;
        return 0;
}

/* The child of setup_try: its answer goes through the pipe. */
static void __attribute__((noreturn))
try_in_child(const struct setup *setup, int (*check)(const struct config *config, const char *path),
             const char *path, int pipe_fd)
{
        int r = become_daemon_user(setup);

        if (r == 0)
                r = check(setup->config, path);
        _exit(fsutil_write_all(pipe_fd, &r, sizeof(r)) == 0 ? 0 : 1);
}

int setup_try(const struct setup *setup, int (*check)(const struct config *config, const char *path),
              const char *path)
{
        int ends[2], r = -EPIPE;
        struct pollfd slot;
        pid_t child;

        if (fflush(stdout) == EOF || pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        child = fork();
        if (child == 0)
                try_in_child(setup, check, path, ends[1]);
        (void)close(ends[1]); /* a pipe has nothing to lose */
        slot = (struct pollfd){ .fd = ends[0], .events = POLLIN };
        if (child < 0)
                r = -errno;
        else if (poll(&slot, 1, TRY_TIMEOUT_MS) <= 0)
                r = -ETIMEDOUT; /* the child hangs in the kernel: it is left behind */
        else {
                if (read(ends[0], &r, sizeof(r)) != (ssize_t)sizeof(r))
                        r = -EPIPE;
                (void)waitpid(child, NULL, 0); /* it has said all */
        }
        (void)close(ends[0]); /* a pipe has nothing to lose */
        return r;
}

static int make_missing(const struct setup *setup, const char *path)
{
        char *copy AUTO_FREE = strdup(path); /* dirname writes into it */
        int r;

        if (!copy)
                return -ENOMEM;
        if (access(path, F_OK) == 0 || errno != ENOENT)
                return fsutil_make_folder(path); /* says whether it is one */
        r = make_missing(setup, dirname(copy));
        if (r == 0)
                r = fsutil_make_folder(path);
        if (r == 0 && setup->has_daemon_user && lchown(path, setup->uid, setup->gid) < 0)
                r = -errno;
        return r;
}

int setup_make_folder(const struct setup *setup, const char *path, char *ret_marker)
{
        return fsutil_drive_marker(path, ret_marker) ? -EXDEV : make_missing(setup, path);
}

static int write_config(const char *path)
{
        unsigned char *example AUTO_FREE = NULL;
        char *copy AUTO_FREE = strdup(path); /* dirname writes into it */
        int fd AUTO_CLOSE = -1;
        size_t size;
        int r;

        if (!copy)
                return -ENOMEM;
        /* Its folder is root's, not the daemon's. */
        if (mkdir(dirname(copy), 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        if (fsutil_read_at(AT_FDCWD, EXAMPLE_CONFIG, EXAMPLE_LIMIT, &example, &size) == 0)
                r = fsutil_write_all(fd, example, size);
        else
                r = fsutil_write_all(fd, minimal_config, sizeof(minimal_config) - 1);
        if (r < 0)
                (void)unlink(path); /* half a file would only mislead */
        return r;
}

static void say_fault(void *arg, const char *text)
{
        setup_fail(arg, "the configuration: %s", text);
}

static struct config *check_config(struct setup *setup)
{
        const char *path = setup->config_path;
        struct config *config;
        int r;

        if (access(path, F_OK) < 0 && errno == ENOENT) {
                r = write_config(path);
                if (r < 0)
                        setup_fail(setup, "the configuration %s: it cannot be made: %s", path, strerror(-r));
                else
                        setup_fail(setup,
                                   "the configuration %s: it was missing and has been made; edit "
                                   "site.code and forwarder.inbox in it, then run fspctl setup again",
                                   path);
                return NULL;
        }
        return config_load(path, say_fault, setup, &config) == 0 ? config : NULL;
}

/* Where the lines go; the folder is made before the first of them. */
static void prepare_log(struct setup *setup)
{
        char marker[PATH_MAX];

        if (setup->config && setup_make_folder(setup, setup->config->log.directory, marker) == 0)
                setup->log_folder = setup->config->log.directory;
        else if (!setup->config && strcmp(setup->config_path, CONFIG_DEFAULT_PATH) == 0 &&
                 access(DEFAULT_LOG_FOLDER, W_OK) == 0)
                setup->log_folder = DEFAULT_LOG_FOLDER;
}

/* Made by root, but the daemon's users read it, as they do the other logs. */
static void hand_over_log(const struct setup *setup)
{
        char path[PATH_MAX];

        if (!setup->has_daemon_user || !setup->log_folder ||
            snprintf(path, sizeof(path), "%s/SMSFSPSetup.log", setup->log_folder) >= (int)sizeof(path))
                return;
        if (lchown(path, setup->uid, setup->gid) < 0)
                cmd_complain("%s: %s", path, strerror(errno));
}

static void find_daemon_user(struct setup *setup)
{
        const struct passwd *user = geteuid() == 0 ? getpwnam(DAEMON_USER) : NULL;

        setup->has_daemon_user = user;
        if (user) {
                setup->uid = user->pw_uid;
                setup->gid = user->pw_gid;
        }
}

static void ignore_fault(void *arg, const char *text)
{
        (void)arg; /* check_config says it again, in its place */
        (void)text;
}

int cmd_setup(const struct cmd_arguments *arguments, const struct config *none)
{
        struct setup setup = { .config_path = arguments->config_path };
        struct config *config = NULL;

        (void)none; /* a missing or faulty one is for us to say */
        find_daemon_user(&setup);
        (void)config_load(setup.config_path, ignore_fault, NULL, &config); /* only for the log's place */
        setup.config = config;
        prepare_log(&setup);
        say(&setup, "Installing the SMSFSP");
        if (config)
                setup_pass(&setup, "the configuration %s: it is complete", setup.config_path);
        else
                setup.config = config = check_config(&setup);
        if (config) {
                setup_check_folders(&setup);
                setup_check_inboxes(&setup);
                setup_check_space(&setup);
                setup_check_port(&setup);
        }
        if (*setup.failure)
                say(&setup, "Installation failed: %s", setup.failure);
        else
                say(&setup, "Installation was successful");
        hand_over_log(&setup);
        config_unref(config); /* setup speaks of its log folder */
        return *setup.failure ? CMD_WRONG : CMD_DONE;
}
