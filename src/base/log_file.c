/* log_file: see log_file.h. */
#include "log_file.h"
#include "fsp/fsutil.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0640

static int open_path(struct log_file *file)
{
        /* fspctl setup writes as root into a folder of the daemon's user: no link leads it elsewhere. */
        AUTO_CLOSE int fd = open(
                file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, FILE_MODE);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        file->size = (uint64_t)st.st_size;
        file->fd = fd;
        fd = -1;
        return 0;
}

int log_file_open(struct log_file *file, const char *folder, const char *name, uint64_t max_size,
                  unsigned max_history)
{
        *file = (struct log_file)LOG_FILE_CLOSED;
        /* Room for the longest suffix of a rolled one. */
        int size = snprintf(file->path, sizeof(file->path) - sizeof("_4294967295"), "%s/%s", folder, name);
        if (size < 0 || (size_t)size >= sizeof(file->path) - sizeof("_4294967295"))
                return -ENAMETOOLONG;
        file->max_size = max_size;
        file->max_history = max_history;
        return open_path(file);
}

void log_file_close(struct log_file *file)
{
        fsutil_close_pointer(&file->fd);
}

/* "x.log" is x.lo_ once rolled, then x.lo_2, x.lo_3 … */
static void rolled_name(const struct log_file *file, unsigned age, char ret_name[PATH_MAX])
{
        size_t stem = strlen(file->path) - 1;

        (void)snprintf(ret_name, PATH_MAX, "%.*s_", (int)stem, file->path); /* log_file_open left room */
        if (age > 1)
                (void)snprintf(ret_name + stem + 1, PATH_MAX - stem - 1, "%u", age);
}

/* A name that cannot be moved stays in the way of nothing: the file then just
 * goes on growing, which loses no line. */
static void roll(struct log_file *file)
{
        char from[PATH_MAX], to[PATH_MAX];
        int r;

        for (unsigned age = file->max_history; age > 1; age--) {
                rolled_name(file, age - 1, from);
                rolled_name(file, age, to);
                (void)rename(from, to); /* most often there is none yet */
        }
        rolled_name(file, 1, to);
        r = file->max_history > 0 ? rename(file->path, to) : unlink(file->path);
        if (r < 0 && errno != ENOENT)
                return;
        log_file_close(file);
        (void)open_path(file); /* closed then: the caller sees it */
}

void log_file_retry(struct log_file *file)
{
        if (file->fd < 0 && file->path[0])
                (void)open_path(file); /* the next tick tries again */
        else if (file->size > file->max_size)
                roll(file); /* likewise; who wrote the line may be confined to another folder */
}

static int note_lost(struct log_file *file, int error)
{
        file->lost++;
        file->lost_error = error;
        return error;
}

int log_file_write(struct log_file *file, const char *line, size_t size)
{
        ssize_t n;

        if (file->fd >= 0 && file->size > 0 && file->size + size > file->max_size)
                roll(file);
        if (file->fd < 0)
                return note_lost(file, -EBADF);
        do
                n = write(file->fd, line, size);
        while (n < 0 && errno == EINTR);
        if (n == (ssize_t)size) {
                file->size += size;
                return 0;
        }
        int error = n < 0 ? -errno : -ENOSPC;
        if (n > 0 && ftruncate(file->fd, (off_t)file->size) < 0)
                file->size += (size_t)n; /* the half line has to stay */
        return note_lost(file, error);
}

uint64_t log_file_take_lost(struct log_file *file, int *ret_error)
{
        uint64_t lost = file->lost;

        *ret_error = file->lost_error;
        file->lost = 0;
        return lost;
}
