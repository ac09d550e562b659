/* An inbox that is a folder, on a local disk or a mounted share. */
#include "inbox_folder.h"

#include "fsp/fsutil.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define XFS_MAGIC 0x58465342
/* The kernel's struct xfs_fsop_geom_v1, whose header it does not install. */
struct xfs_geometry {
        uint32_t sizes[8];
        uint64_t blocks[4];
        unsigned char uuid[16];
        uint32_t others[7];
};
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)

#define FS_NAME_SIZE 48

struct folder {
        struct inbox inbox;
        int fd;
        char *path;
        bool require_mount;
        /* Where one syncfs makes a whole batch durable.  Elsewhere (cifs, nfs,
         * fuse) it promises too little, and each file is synced by itself. */
        bool local;
};

static struct folder *folder_of(struct inbox *inbox)
{
        return (struct folder *)inbox;
}

static bool is_local(uint64_t magic)
{
        static const uint64_t local[] = { EXT4_SUPER_MAGIC, XFS_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
                                          F2FS_SUPER_MAGIC };
        for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
                if (magic == local[i])
                        return true;
        }
        return false;
}

/* What tells a file system from all others.  What statfs says of it comes from
 * its UUID (ext4, btrfs), but on xfs from its device's number, which another
 * start may give to another one. */
static void name_file_system(int fd, const struct statfs *fs, char ret_name[FS_NAME_SIZE],
                             char ret_former[FS_NAME_SIZE])
{
        static_assert(offsetof(struct xfs_geometry, others[7]) == 108, "as the kernel has it"); /* unpadded */
        struct xfs_geometry xfs;
        int fsid[2];
        memcpy(fsid, &fs->f_fsid, sizeof(fsid));
        (void)sprintf(ret_former, "fs=%08x%08x", (unsigned)fsid[0], (unsigned)fsid[1]); /* it fits */
        if (fs->f_type != XFS_MAGIC || ioctl(fd, XFS_GEOMETRY, &xfs) < 0) {
                strcpy(ret_name, ret_former);
                return;
        }
        char *to = stpcpy(ret_name, "uuid=");
        for (size_t i = 0; i < sizeof(xfs.uuid); i++)
                to += sprintf(to, "%02x", xfs.uuid[i]);
}

/* Path, file system and inode: an unmounted share is another place, and so is
 * a folder that was removed and made anew, though it may get the old inode. */
int inbox_folder_describe(int fd, const char *path, struct inbox *ret_inbox, bool *ret_local)
{
        char name[FS_NAME_SIZE], former_name[FS_NAME_SIZE];
        int generation = 0;
        struct stat st;
        struct statfs fs;
        if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
                return -errno;
        bool local = is_local((uint64_t)fs.f_type);
        if (local)
                (void)ioctl(fd, FS_IOC_GETVERSION, &generation); /* tmpfs has none: 0 */
        name_file_system(fd, &fs, name, former_name);
        unsigned long type = (unsigned long)fs.f_type;
        unsigned long long inode = st.st_ino;
        int length = snprintf(ret_inbox->identity, INBOX_IDENTITY_SIZE,
                              "folder type=%lx %s inode=%llu generation=%x %s", type, name, inode,
                              (unsigned)generation, path);
        int former = snprintf(ret_inbox->former, INBOX_IDENTITY_SIZE, "folder type=%lx %s inode=%llu %s",
                              type, former_name, inode, path);
        if (length >= INBOX_IDENTITY_SIZE || former >= INBOX_IDENTITY_SIZE)
                return -ENAMETOOLONG;
        *ret_local = local;
        return 0;
}

int inbox_folder_fd(const struct inbox *inbox)
{
        return ((const struct folder *)inbox)->fd;
}

static int folder_put(struct inbox *inbox, const char *name, const void *data, size_t size)
{
        struct folder *folder = folder_of(inbox);
        int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
                return -errno;
        struct stat st;
        int r = fsutil_write_all(fd, data, size);
        if (r == 0 && !folder->local && fsync(fd) < 0)
                r = -errno;
        if (r == 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r == 0 && st.st_size != (off_t)size)
                r = -EIO;
        if (close(fd) < 0 && r == 0) /* on a share it can fail even after a good fsync */
                r = -errno;
        if (r < 0)
                (void)unlinkat(folder->fd, name, 0); /* the next put truncates it if not now */
        return r;
}

/* Names, too: a .tmp that is not there any more after a crash counts as renamed. */
static int sync_names(const struct folder *folder)
{
        if (fsync(folder->fd) == 0 || errno == EINVAL) /* EINVAL: folders cannot be synced there */
                return 0;
        return -errno;
}

static int folder_flush(struct inbox *inbox)
{
        struct folder *folder = folder_of(inbox);
        if (!folder->local)
                return sync_names(folder);
        return syncfs(folder->fd) < 0 ? -errno : 0;
}

static int folder_exists(struct inbox *inbox, const char *name)
{
        struct stat st;
        if (fstatat(folder_of(inbox)->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

static int folder_publish(struct inbox *inbox, const char *temporary, const char *final)
{
        int fd = folder_of(inbox)->fd;
        if (renameat2(fd, temporary, fd, final, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
                return -errno;
        /* A file system that cannot promise it.  Only we make such names, so
         * nothing can come between the look and the rename. */
        int there = folder_exists(inbox, final);
        if (there != 0)
                return there < 0 ? there : -EEXIST;
        return renameat(fd, temporary, fd, final) < 0 ? -errno : 0;
}

static int folder_settle(struct inbox *inbox)
{
        return sync_names(folder_of(inbox));
}

static int folder_remove(struct inbox *inbox, const char *name)
{
        return unlinkat(folder_of(inbox)->fd, name, 0) < 0 ? -errno : 0;
}

static int folder_read(struct inbox *inbox, const char *name, size_t limit, unsigned char **ret_data,
                       size_t *ret_size)
{
        return fsutil_read_at(folder_of(inbox)->fd, name, limit, ret_data, ret_size);
}

static int open_checked(const char *path, bool require_mount, int *ret_fd)
{
        if (require_mount && !fsutil_is_mount_point(path))
                return access(path, F_OK) < 0 ? -errno : -ENODEV;
        return fsutil_open_folder(path, ret_fd);
}

static int folder_check(struct inbox *inbox)
{
        struct folder *folder = folder_of(inbox);
        AUTO_CLOSE int fd = -1;
        struct inbox now;
        bool local;
        int r = open_checked(folder->path, folder->require_mount, &fd);
        if (r == 0)
                r = inbox_folder_describe(fd, folder->path, &now, &local);
        if (r == 0 && strcmp(now.identity, folder->inbox.identity) != 0)
                r = -ESTALE;
        return r;
}

static void folder_close(struct inbox *inbox)
{
        struct folder *folder = folder_of(inbox);
        fsutil_close_pointer(&folder->fd);
        free(folder->path);
        free(folder);
}

static const struct inbox_kind folder_kind = {
        .put = folder_put,
        .flush = folder_flush,
        .exists = folder_exists,
        .publish = folder_publish,
        .settle = folder_settle,
        .remove = folder_remove,
        .read = folder_read,
        .check = folder_check,
        .close = folder_close,
};

int inbox_open_folder(const char *path, bool require_mount, struct inbox **ret_inbox)
{
        struct folder *folder = calloc(1, sizeof(*folder));
        if (!folder)
                return -ENOMEM;
        folder->inbox.kind = &folder_kind;
        folder->fd = -1;
        folder->require_mount = require_mount;
        folder->path = strdup(path);
        int r = folder->path ? open_checked(path, require_mount, &folder->fd) : -ENOMEM;
        if (r == 0)
                r = inbox_folder_describe(folder->fd, path, &folder->inbox, &folder->local);
        folder->inbox.flushes_all = folder->local;
        if (r < 0) {
                folder_close(&folder->inbox);
                return r;
        }
        *ret_inbox = &folder->inbox;
        return 0;
}
