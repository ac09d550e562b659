/* cmd_setup: the prerequisites, one check each.
 *
 * A check looks, makes what is ours to make, and says in one line what it
 * found.  As root it looks through the eyes of the daemon's user. */
#ifndef ADMIN_CMD_SETUP_H
#define ADMIN_CMD_SETUP_H

#include "fsp/config.h"
#include <stdbool.h>
#include <sys/types.h>

#define SETUP_REASON_SIZE 1024

struct setup {
        const char *config_path;
        const struct config *config; /* NULL: it cannot be loaded */
        const char *log_folder;      /* NULL: lines are only shown */
        bool has_daemon_user;        /* we are root and that user exists */
        uid_t uid;
        gid_t gid;
        char failure[SETUP_REASON_SIZE]; /* the first; "": none */
};

/* "Checking WHAT: ...", a line of its own; of a fault the first is the reason
 * why the installation has failed. */
void setup_pass(struct setup *setup, const char *format, ...) __attribute__((format(printf, 2, 3)));
void setup_fail(struct setup *setup, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes the folder and its parents, for the daemon's user.  -EXDEV when a drive marker forbids
 * it, named in ret_marker (PATH_MAX bytes). */
int setup_make_folder(const struct setup *setup, const char *path, char *ret_marker);
/* check(config, path) as the daemon's user, in at most 30 s; else -ETIMEDOUT. */
int setup_try(const struct setup *setup, int (*check)(const struct config *config, const char *path),
              const char *path);

/* cmd_setup_checks.c: all that need a configuration, in order. */
void setup_check_folders(struct setup *setup);
void setup_check_inboxes(struct setup *setup);
void setup_check_space(struct setup *setup);
void setup_check_port(struct setup *setup);

#endif
