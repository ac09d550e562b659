#include "rebuild_ledger.h"

#include "fsp/fsutil.h"
#include "fsp/log.h"
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STAMP_SIZE 32

/* The ledger's own file is moved last: where it has gone, all have. */
static const char *const parts[] = { "-shm", "-wal", "" };
#define PART_COUNT (sizeof(parts) / sizeof(parts[0]))

static int name_part(const char *path, const char *part, char ret_name[PATH_MAX])
{
        return snprintf(ret_name, PATH_MAX, "%s%s", path, part) >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int name_aside(const char *path, const char *stamp, const char *part, char ret_name[PATH_MAX])
{
        return snprintf(ret_name, PATH_MAX, "%s.damaged-%s%s", path, stamp, part) >= PATH_MAX ? -ENAMETOOLONG
                                                                                              : 0;
}

static int sync_folder_of(const char *path)
{
        char copy[PATH_MAX];
        AUTO_CLOSE int fd = -1;
        int r = name_part(path, "", copy);
        if (r == 0)
                r = fsutil_open_folder(dirname(copy), &fd);
        if (r == 0 && fsync(fd) < 0 && errno != EINVAL) /* EINVAL: folders cannot be synced there */
                r = -errno;
        return r;
}

/* From before the first file is moved until the new ledger is complete, a link
 * beside it says which one is being taken over: half of a ledger that is found
 * after a crash must not pass for the whole. */
static int name_mark(const char *path, char ret_name[PATH_MAX])
{
        return name_part(path, ".salvage", ret_name);
}

static int set_mark(const char *path, const char *stamp)
{
        char mark[PATH_MAX];
        int r = name_mark(path, mark);
        if (r < 0)
                return r;
        return symlink(stamp, mark) < 0 ? -errno : sync_folder_of(path);
}

/* 1 and its stamp, 0 when there is none, -errno. */
static int read_mark(const char *path, char ret_stamp[STAMP_SIZE])
{
        char mark[PATH_MAX];
        int r = name_mark(path, mark);
        if (r < 0)
                return r;
        ssize_t size = readlink(mark, ret_stamp, STAMP_SIZE - 1);
        if (size < 0)
                return errno == ENOENT ? 0 : -errno;
        ret_stamp[size] = '\0';
        return strchr(ret_stamp, '/') ? -EINVAL : 1;
}

int rebuild_ledger_settle(const struct config *config)
{
        char mark[PATH_MAX];
        int r = name_mark(config->ledger.file, mark);
        if (r < 0)
                return r;
        if (unlink(mark) < 0)
                return errno == ENOENT ? 0 : -errno;
        return sync_folder_of(config->ledger.file);
}

static int set_aside(const char *path, const char *stamp)
{
        char from[PATH_MAX], to[PATH_MAX];
        for (size_t i = 0; i < PART_COUNT; i++) {
                int r = name_part(path, parts[i], from);
                if (r == 0)
                        r = name_aside(path, stamp, parts[i], to);
                if (r < 0)
                        return r;
                if (rename(from, to) < 0 && errno != ENOENT)
                        return -errno;
        }
        log_mgr(LOG_ERROR,
                "The ledger %s is damaged; it is set aside as %s and made anew from what is sound in it and "
                "from the staged files",
                path, to);
        return sync_folder_of(path);
}

static int begin_salvage(const char *path, char ret_stamp[STAMP_SIZE])
{
        time_t now = time(NULL);
        struct tm tm;
        if (!gmtime_r(&now, &tm) || strftime(ret_stamp, STAMP_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
                return -EOVERFLOW;
        int r = set_mark(path, ret_stamp);
        return r < 0 ? r : set_aside(path, ret_stamp);
}

/* A salvage was cut short: what it had made is removed. */
static int resume_salvage(struct config *config, const char *stamp)
{
        const char *path = config->ledger.file;
        struct ledger *half = NULL;
        char name[PATH_MAX];
        int r = name_aside(path, stamp, "", name);
        if (r < 0)
                return r;
        if (access(name, F_OK) < 0)
                return errno == ENOENT ? set_aside(path, stamp) : -errno;
        r = ledger_open(config, NULL, &half); /* is nobody at work on it? */
        if (r < 0 && r != -EUCLEAN)
                return r;
        ledger_close(half);
        for (size_t i = 0; i < PART_COUNT; i++) {
                r = name_part(path, parts[i], name);
                if (r < 0)
                        return r;
                if (unlink(name) < 0 && errno != ENOENT)
                        return -errno;
        }
        log_mgr(LOG_WARNING, "The ledger %s is made anew once more: the last time did not come to its end",
                path);
        return 0;
}

int rebuild_ledger_open(struct config *config, bool (*progress)(void *arg), void *arg,
                        struct ledger **ret_ledger)
{
        char stamp[STAMP_SIZE], aside[PATH_MAX];
        struct ledger_damaged damaged = { .path = aside, .progress = progress, .progress_arg = arg };
        int r = read_mark(config->ledger.file, stamp);
        if (r < 0)
                return r;
        if (r == 1) {
                r = resume_salvage(config, stamp);
        } else {
                r = ledger_open(config, NULL, ret_ledger);
                if (r == -EUCLEAN) /* a read that failed once looks like this, too */
                        r = ledger_open(config, NULL, ret_ledger);
                if (r != -EUCLEAN)
                        return r;
                r = begin_salvage(config->ledger.file, stamp);
        }
        if (r == 0)
                r = name_aside(config->ledger.file, stamp, "", aside);
        return r < 0 ? r : ledger_open(config, &damaged, ret_ledger);
}
