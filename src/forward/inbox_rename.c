/* A folder on the file system, and in the mount, that staging is on: the staged
 * file itself is renamed into it.  It is whole on disk already, so nothing is
 * copied, and it stands in for N.tmp: what is still in staging was not renamed. */
#include "inbox_folder.h"

#include "fsp/fsutil.h"
#include "fsp/name.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define XFS_MAGIC 0x58465342
#define ATTRIBUTE_SIZE 1024

struct renaming {
        struct inbox inbox;
        struct inbox *folder; /* the same place, as one to copy into */
        int staging_fd;
        struct stat sample; /* a file of ours as it is in both folders */
        bool rewritten;     /* a staged file, since the last flush */
};

static struct renaming *renaming_of(struct inbox *inbox)
{
        return (struct renaming *)inbox;
}

/* The staged file that N.tmp stands for. */
static const char *staged_name(const char *temporary, char ret_name[NAME_SIZE])
{
        size_t length = strlen(temporary) - strlen(NAME_TEMPORARY_SUFFIX);
        (void)snprintf(ret_name, NAME_SIZE, "%.*s" NAME_SUFFIX, (int)length,
                       temporary); /* as long as it was */
        return ret_name;
}

static int rewrite(struct renaming *renaming, const char *temporary, const char *file, const void *data,
                   size_t size)
{
        AUTO_CLOSE int fd = openat(renaming->staging_fd, temporary,
                                   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
                return -errno;
        int r = fsutil_write_all(fd, data, size);
        /* The file in its place is whole for certain, and so must this one be first. */
        if (r == 0 &&
            (fsync(fd) < 0 || renameat(renaming->staging_fd, temporary, renaming->staging_fd, file) < 0))
                r = -errno;
        renaming->rewritten = true;
        return r;
}

/* Its bytes are those given.  One that somebody else has put there, or that
 * has another name as well, is written anew: what arrives is as a copy would be. */
static int renaming_put(struct inbox *inbox, const char *name, const void *data, size_t size)
{
        struct renaming *renaming = renaming_of(inbox);
        const struct stat *sample = &renaming->sample;
        char file[NAME_SIZE];
        struct stat st;
        if (fstatat(renaming->staging_fd, staged_name(name, file), &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (st.st_mode == sample->st_mode && st.st_uid == sample->st_uid && st.st_gid == sample->st_gid &&
            st.st_nlink == 1 && st.st_size == (off_t)size)
                return 0;
        return rewrite(renaming, name, file, data, size);
}

static int renaming_flush(struct inbox *inbox)
{
        struct renaming *renaming = renaming_of(inbox);
        if (renaming->rewritten && fsync(renaming->staging_fd) < 0)
                return -errno;
        renaming->rewritten = false;
        return 0;
}

static int renaming_exists(struct inbox *inbox, const char *name)
{
        char file[NAME_SIZE];
        struct stat st;
        if (fstatat(renaming_of(inbox)->staging_fd, staged_name(name, file), &st, AT_SYMLINK_NOFOLLOW) == 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

static int renaming_publish(struct inbox *inbox, const char *temporary, const char *final)
{
        struct renaming *renaming = renaming_of(inbox);
        char file[NAME_SIZE];
        return renameat2(renaming->staging_fd, staged_name(temporary, file),
                         inbox_folder_fd(renaming->folder), final, RENAME_NOREPLACE) < 0
                       ? -errno
                       : 0;
}

/* One transaction of the file system holds both folders' part of a rename. */
static int renaming_settle(struct inbox *inbox)
{
        struct inbox *folder = renaming_of(inbox)->folder;
        return folder->kind->settle(folder);
}

static int renaming_remove(struct inbox *inbox, const char *name)
{
        char file[NAME_SIZE];
        return unlinkat(renaming_of(inbox)->staging_fd, staged_name(name, file), 0) < 0 ? -errno : 0;
}

static int renaming_read(struct inbox *inbox, const char *name, size_t limit, unsigned char **ret_data,
                         size_t *ret_size)
{
        struct inbox *folder = renaming_of(inbox)->folder;
        return folder->kind->read(folder, name, limit, ret_data, ret_size);
}

static int renaming_check(struct inbox *inbox)
{
        struct renaming *renaming = renaming_of(inbox);
        struct stat st;
        if (fstat(renaming->staging_fd, &st) < 0)
                return -errno;
        if (st.st_nlink == 0) /* removed: nothing is found in it any more */
                return -ESTALE;
        return renaming->folder->kind->check(renaming->folder);
}

static void renaming_close(struct inbox *inbox)
{
        struct renaming *renaming = renaming_of(inbox);
        if (renaming->folder)
                renaming->folder->kind->close(renaming->folder);
        fsutil_close_pointer(&renaming->staging_fd);
        free(renaming);
}

static const struct inbox_kind renaming_kind = {
        .put = renaming_put,
        .flush = renaming_flush,
        .exists = renaming_exists,
        .publish = renaming_publish,
        .settle = renaming_settle,
        .remove = renaming_remove,
        .read = renaming_read,
        .check = renaming_check,
        .close = renaming_close,
};

/* Of one file system, and reached by one mount: else EXDEV. */
static bool is_same_mount(int one, int other)
{
        struct statx a, b;
        struct statfs fs;
        if (statx(one, "", AT_EMPTY_PATH, STATX_MNT_ID, &a) < 0 ||
            statx(other, "", AT_EMPTY_PATH, STATX_MNT_ID, &b) < 0 || fstatfs(one, &fs) < 0)
                return false;
        /* Where a rename between folders is one transaction, and the sync of one of them its end. */
        if (fs.f_type != EXT4_SUPER_MAGIC && fs.f_type != XFS_MAGIC && fs.f_type != TMPFS_MAGIC)
                return false;
        return (a.stx_mask & b.stx_mask & STATX_MNT_ID) && a.stx_mnt_id == b.stx_mnt_id &&
               a.stx_dev_major == b.stx_dev_major && a.stx_dev_minor == b.stx_dev_minor;
}

static bool has_same_attributes(int one, int other)
{
        static const char *const names[] = { "system.posix_acl_access", "security.selinux",
                                             "security.SMACK64" };
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                char a[ATTRIBUTE_SIZE], b[ATTRIBUTE_SIZE];
                ssize_t size = fgetxattr(one, names[i], a, sizeof(a));
                ssize_t size_other = fgetxattr(other, names[i], b, sizeof(b)); /* -1: there is none */
                if (size != size_other || (size > 0 && memcmp(a, b, (size_t)size) != 0))
                        return false;
        }
        return true;
}

/* Quota's project, and encryption, which a rename does not change either. */
static bool has_same_flags(int one, int other)
{
        struct fsxattr a = { 0 }, b = { 0 };
        int flags = 0, flags_other = 0;
        (void)ioctl(one, FS_IOC_FSGETXATTR, &a); /* some have none: all 0 */
        (void)ioctl(other, FS_IOC_FSGETXATTR, &b);
        (void)ioctl(one, FS_IOC_GETFLAGS, &flags);
        (void)ioctl(other, FS_IOC_GETFLAGS, &flags_other);
        return a.fsx_projid == b.fsx_projid && !((flags | flags_other) & FS_ENCRYPT_FL);
}

/* A file that is made in the one folder has owner, mode, rights and labels as one
 * that is made in the other: these have no name, so that none can be left behind. */
static bool is_alike(int staging_fd, int folder_fd, struct stat *ret_sample)
{
        AUTO_CLOSE int one = openat(staging_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0640);
        AUTO_CLOSE int other = openat(folder_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0640);
        struct stat st;
        if (one < 0 || other < 0 || fstat(one, ret_sample) < 0 || fstat(other, &st) < 0)
                return false;
        return st.st_uid == ret_sample->st_uid && st.st_gid == ret_sample->st_gid &&
               st.st_mode == ret_sample->st_mode && has_same_attributes(one, other) &&
               has_same_flags(one, other);
}

/* Staging is part of what the absence of a file is believed of. */
static int name_both(struct renaming *renaming)
{
        struct inbox staging;
        bool local;
        int r = inbox_folder_describe(renaming->staging_fd, "", &staging, &local);
        if (r < 0)
                return r;
        int length = snprintf(renaming->inbox.identity, INBOX_IDENTITY_SIZE, "renamed from %s%s",
                              staging.identity, renaming->folder->identity);
        if (length >= INBOX_IDENTITY_SIZE)
                return -EXDEV;
        strcpy(renaming->inbox.former, renaming->inbox.identity);
        return 0;
}

int inbox_open_renaming(const char *path, bool require_mount, int staging_fd, bool to_put,
                        struct inbox **ret_inbox)
{
        struct renaming *renaming = calloc(1, sizeof(*renaming));
        if (!renaming)
                return -ENOMEM;
        renaming->inbox.kind = &renaming_kind;
        renaming->inbox.renames = renaming->inbox.flushes_all = true;
        renaming->staging_fd = fcntl(staging_fd, F_DUPFD_CLOEXEC, 0);
        int r = renaming->staging_fd < 0 ? -errno : inbox_open_folder(path, require_mount, &renaming->folder);
        if (r == 0 &&
            (!is_same_mount(staging_fd, inbox_folder_fd(renaming->folder)) ||
             (to_put && !is_alike(staging_fd, inbox_folder_fd(renaming->folder), &renaming->sample))))
                r = -EXDEV;
        if (r == 0)
                r = name_both(renaming);
        if (r < 0) {
                renaming_close(&renaming->inbox);
                return r;
        }
        *ret_inbox = &renaming->inbox;
        return 0;
}
