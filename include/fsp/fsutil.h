/* fsutil: files and folders, with every result checked.
 *
 * Owns      nothing.  Threads: all functions may run anywhere; they block on
 *           the file system they are asked about.
 * Crash     each function says what is durable when it returns 0. */
#ifndef FSP_FSUTIL_H
#define FSP_FSUTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* int fd AUTO_CLOSE = -1;   char *p AUTO_FREE = NULL; */
void fsutil_close_pointer(int *fd);
void fsutil_free_pointer(void *pointer);
#define AUTO_CLOSE __attribute__((cleanup(fsutil_close_pointer)))
#define AUTO_FREE __attribute__((cleanup(fsutil_free_pointer)))

/* Writes all of it, through short writes and EINTR.  Not durable.  -errno: part
 * of it may have been written. */
int fsutil_write_all(int fd, const void *data, size_t size);
/* Reads to the end, at most limit bytes (-EFBIG beyond).  *ret_data is
 * malloc'd, with a NUL after the last byte. */
int fsutil_read_at(int folder, const char *name, size_t limit, unsigned char **ret_data, size_t *ret_size);
/* Reads a file that others may have put there, but no link, into size bytes of
 * data: as many as it has, or as fit. */
int fsutil_read_into(int folder, const char *name, void *data, size_t size, size_t *ret_size);
/* That file will be read soon: the disk may begin with it.  A hint, which fails unsaid. */
void fsutil_read_ahead(int folder, const char *name);

/* Makes one folder (0750) when it is missing and its parent is there.  Not
 * durable.  -ENOTDIR when something else is in the way. */
int fsutil_make_folder(const char *path);
/* Opens a folder to work in with the *at() calls; the second one within another. */
int fsutil_open_folder(const char *path, int *ret_fd);
int fsutil_open_folder_at(int folder, const char *name, int *ret_fd);
/* Makes it as fsutil_make_folder and holds it until ret_fd is closed:
 * -EWOULDBLOCK when somebody else does, -EACCES or -EROFS when nothing can be
 * written there.  A full disk is no hindrance, nor is a file system that cannot
 * lock folders. */
int fsutil_take_folder(const char *path, int *ret_fd);
/* Writes temporary, anew if it is there, and renames it to final: the file
 * appears whole or not at all.  Not durable before a sync of the folder's file
 * system. */
int fsutil_write_whole(int folder, const char *temporary, const char *final, const void *data, size_t size);
/* Writes a file that is not there yet, else -EEXIST; a crash may leave a part
 * of it.  Not durable, as above. */
int fsutil_write_new(int folder, const char *name, const void *data, size_t size);
/* 0 when a file can be made, renamed and deleted in path; tries it with names
 * that end in .tmp.  Else the first fault. */
int fsutil_check_writable(const char *path);

/* "The root of the file system that holds path contains NO_SMS_ON_DRIVE.SMS".
 * path need not exist: its nearest existing parent counts.  *ret_marker (PATH_MAX
 * bytes) is the marker's full name when there is one. */
bool fsutil_drive_marker(const char *path, char *ret_marker);

struct fsutil_space {
        uint64_t bytes_total, bytes_free;   /* free: to us without being root */
        uint64_t inodes_total, inodes_free; /* 0 total: the file system has no such bound */
};
/* Of the file system that fd is on. */
int fsutil_space(int fd, struct fsutil_space *ret_space);

/* Is path the root of a mount, that is on another file system than its parent? */
bool fsutil_is_mount_point(const char *path);

#endif
