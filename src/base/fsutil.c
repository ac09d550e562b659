/* fsutil: see include/fsp/fsutil.h. */
#include "fsp/fsutil.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static_assert(sizeof(off_t) == 8, "files over 2 GB, also where a word has 32 bits");

#define FOLDER_MODE 0750
#define MARKER_NAME "NO_SMS_ON_DRIVE.SMS"
#define READ_FIRST 4096 /* bytes, before the first growth */

void fsutil_close_pointer(int *fd)
{
        if (*fd >= 0)
                (void)close(*fd); /* who needs to know closes it and sets -1 */
        *fd = -1;
}

void fsutil_free_pointer(void *pointer)
{
        void **held = pointer;

        free(*held);
        *held = NULL;
}

int fsutil_write_all(int fd, const void *data, size_t size)
{
        const char *next = data;

        while (size > 0) {
                ssize_t n = write(fd, next, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EIO; /* no file we write to may stand still */
                next += n;
                size -= (size_t)n;
        }
        return 0;
}

/* One step of reading: 1 when there may be more, 0 at the end. */
static int read_some(int fd, unsigned char *data, size_t room, size_t *size)
{
        ssize_t n = read(fd, data + *size, room - *size);

        if (n < 0)
                return errno == EINTR ? 1 : -errno;
        *size += (size_t)n;
        return n > 0;
}

int fsutil_read_at(int folder, const char *name, size_t limit, unsigned char **ret_data, size_t *ret_size)
{
        AUTO_CLOSE int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        AUTO_FREE unsigned char *data = NULL;
        size_t size = 0, room = 0;
        int r = 1;

        if (fd < 0)
                return -errno;
        if (limit > SIZE_MAX / 4)
                limit = SIZE_MAX / 4; /* so that no growth below can overflow */
        while (r > 0) {
                if (size == room) {
                        if (size > limit)
                                return -EFBIG;
                        /* Room for one byte over the limit shows what is too big. */
                        room = room ? room * 2 : READ_FIRST;
                        if (room > limit + 1)
                                room = limit + 1;
                        unsigned char *grown = realloc(data, room + 1);
                        if (!grown)
                                return -ENOMEM;
                        data = grown;
                }
                r = read_some(fd, data, room, &size);
        }
        if (r < 0)
                return r;
        if (size > limit)
                return -EFBIG;
        data[size] = '\0';
        *ret_data = data;
        *ret_size = size;
        data = NULL;
        return 0;
}

static int open_to_read(int folder, const char *name)
{
        return openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
}

void fsutil_read_ahead(int folder, const char *name)
{
        AUTO_CLOSE int fd = open_to_read(folder, name);
        if (fd >= 0)
                (void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED); /* a hint */
}

int fsutil_read_into(int folder, const char *name, void *data, size_t size, size_t *ret_size)
{
        AUTO_CLOSE int fd = open_to_read(folder, name);
        ssize_t n;

        if (fd < 0)
                return -errno;
        /* A read of an ordinary file stops short at its end only. */
        do {
                n = read(fd, data, size);
        } while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        *ret_size = (size_t)n;
        return 0;
}

int fsutil_make_folder(const char *path)
{
        struct stat st;

        if (mkdir(path, FOLDER_MODE) == 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        if (stat(path, &st) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int fsutil_write_whole(int folder, const char *temporary, const char *final, const void *data, size_t size)
{
        AUTO_CLOSE int fd =
                openat(folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
        int r;

        if (fd < 0)
                return -errno;
        r = fsutil_write_all(fd, data, size);
        if (r == 0 && renameat(folder, temporary, folder, final) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(folder, temporary, 0); /* the next try begins it anew */
        return r;
}

int fsutil_write_new(int folder, const char *name, const void *data, size_t size)
{
        AUTO_CLOSE int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
        int r;

        if (fd < 0)
                return -errno;
        r = fsutil_write_all(fd, data, size);
        if (r < 0)
                (void)unlinkat(folder, name, 0); /* what is left will be found torn */
        return r;
}

int fsutil_open_folder(const char *path, int *ret_fd)
{
        return fsutil_open_folder_at(AT_FDCWD, path, ret_fd);
}

int fsutil_open_folder_at(int folder, const char *name, int *ret_fd)
{
        int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

int fsutil_take_folder(const char *path, int *ret_fd)
{
        AUTO_CLOSE int fd = -1;
        int r = fsutil_make_folder(path);

        if (r == 0)
                r = fsutil_open_folder(path, &fd);
        if (r < 0)
                return r;
        if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
                return -EWOULDBLOCK;
        *ret_fd = fd;
        fd = -1;
        return 0;
}

static int make_and_fill(int folder, const char *name)
{
        AUTO_CLOSE int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        int r;

        if (fd < 0)
                return -errno;
        r = fsutil_write_all(fd, name, strlen(name));
        /* A share may tell of a full disk only here. */
        if (close(fd) < 0 && r == 0)
                r = -errno;
        fd = -1;
        return r;
}

int fsutil_check_writable(const char *path)
{
        static atomic_uint tries;
        AUTO_CLOSE int folder = -1;
        char from[64], to[64];
        unsigned try = atomic_fetch_add(&tries, 1);
        int r = fsutil_open_folder(path, &folder);

        if (r < 0)
                return r;
        /* Both names end in .tmp: the folder may be an inbox, whose owner
         * leaves such files alone. */
        (void)snprintf(from, sizeof(from), ".fspd-%ld-%u-a.tmp", (long)getpid(), try);
        (void)snprintf(to, sizeof(to), ".fspd-%ld-%u-b.tmp", (long)getpid(), try);
        r = make_and_fill(folder, from);
        if (r == 0 && renameat(folder, from, folder, to) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(folder, from, 0); /* the first fault is the one to tell */
                return r;
        }
        return unlinkat(folder, to, 0) < 0 ? -errno : 0;
}

/* Cuts the last segment of an absolute path off; false at the root. */
static bool climb(char *path)
{
        char *slash = strrchr(path, '/');

        if (!slash || path[1] == '\0')
                return false;
        slash[slash == path] = '\0';
        return true;
}

/* The real name of path or of its nearest parent that exists. */
static bool resolve_existing(const char *path, char ret_real[PATH_MAX])
{
        char name[PATH_MAX];
        size_t size = strlen(path);

        if (size >= sizeof(name))
                return false;
        memcpy(name, path, size + 1);
        while (!realpath(name, ret_real)) {
                char *slash = strrchr(name, '/');
                if (!slash) {
                        if (strcmp(name, ".") == 0)
                                return false;
                        (void)strcpy(name, "."); /* a relative name without a folder */
                } else if (!climb(name)) {
                        return false;
                }
        }
        return true;
}

bool fsutil_drive_marker(const char *path, char *ret_marker)
{
        char root[PATH_MAX], parent[PATH_MAX], marker[PATH_MAX + sizeof("/" MARKER_NAME)];
        struct stat here, above;

        if (!resolve_existing(path, root) || stat(root, &here) < 0)
                return false;
        memcpy(parent, root, sizeof(parent));
        while (climb(parent) && stat(parent, &above) == 0 && above.st_dev == here.st_dev)
                memcpy(root, parent, sizeof(root));
        int size = snprintf(marker, sizeof(marker), "%s/%s", root[1] ? root : "", MARKER_NAME);
        if (size < 0 || size >= PATH_MAX || access(marker, F_OK) < 0)
                return false;
        memcpy(ret_marker, marker, (size_t)size + 1);
        return true;
}

int fsutil_space(int fd, struct fsutil_space *ret_space)
{
        struct statvfs vfs;

        while (fstatvfs(fd, &vfs) < 0) {
                if (errno != EINTR)
                        return -errno;
        }
        *ret_space = (struct fsutil_space){
                .bytes_total = (uint64_t)vfs.f_blocks * vfs.f_frsize,
                .bytes_free = (uint64_t)vfs.f_bavail * vfs.f_frsize,
                .inodes_total = vfs.f_files,
                .inodes_free = vfs.f_favail,
        };
        return 0;
}

bool fsutil_is_mount_point(const char *path)
{
        AUTO_CLOSE int folder = -1;
        struct stat here, above;

        /* Opening it first makes an automounter mount what belongs there. */
        if (fsutil_open_folder(path, &folder) < 0)
                return false;
        return fstat(folder, &here) == 0 && fstatat(folder, "..", &above, 0) == 0 &&
               here.st_dev != above.st_dev;
}
