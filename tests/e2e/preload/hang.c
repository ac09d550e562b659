/* A file system that hangs: while the file named by FSP_HANG_SWITCH exists,
 * every call that opens, renames, lists or asks about something in the folder
 * named by FSP_HANG_FOLDER waits, as on a share whose server is frozen. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool is_inside(int folder, const char *path)
{
        const char *hung = getenv("FSP_HANG_FOLDER");
        char link[64], full[PATH_MAX] = "";
        if (!hung || !path)
                return false;
        if (path[0] == '/')
                return strncmp(path, hung, strlen(hung)) == 0;
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
        ssize_t size = readlink(link, full, sizeof(full) - 1);
        return size > 0 && strncmp(full, hung, strlen(hung)) == 0;
}

static void hang(int folder, const char *path)
{
        const char *lever = getenv("FSP_HANG_SWITCH");
        struct stat unused;
        int (*real_stat)(int, const char *, struct stat *, int) = dlsym(RTLD_NEXT, "fstatat");
        if (!lever || !is_inside(folder, path))
                return;
        while (real_stat(AT_FDCWD, lever, &unused, 0) == 0)
                (void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
}

#define REAL(name) __typeof__(&name) real = dlsym(RTLD_NEXT, #name)

#define OPEN_LIKE(name)                                                                                      \
        int name(const char *path, int flags, ...)                                                           \
        {                                                                                                    \
                va_list list;                                                                                \
                va_start(list, flags);                                                                       \
                mode_t mode = va_arg(list, mode_t);                                                          \
                va_end(list);                                                                                \
                hang(AT_FDCWD, path);                                                                        \
                REAL(name);                                                                                  \
                return real(path, flags, mode);                                                              \
        }
OPEN_LIKE(open)
OPEN_LIKE(open64)

#define OPENAT_LIKE(name)                                                                                    \
        int name(int folder, const char *path, int flags, ...)                                               \
        {                                                                                                    \
                va_list list;                                                                                \
                va_start(list, flags);                                                                       \
                mode_t mode = va_arg(list, mode_t);                                                          \
                va_end(list);                                                                                \
                hang(folder, path);                                                                          \
                REAL(name);                                                                                  \
                return real(folder, path, flags, mode);                                                      \
        }
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)

int rename(const char *from, const char *to)
{
        hang(AT_FDCWD, to);
        REAL(rename);
        return real(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
        hang(to_folder, to);
        REAL(renameat);
        return real(from_folder, from, to_folder, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
        hang(to_folder, to);
        REAL(renameat2);
        return real(from_folder, from, to_folder, to, flags);
}

int stat(const char *path, struct stat *ret)
{
        hang(AT_FDCWD, path);
        REAL(stat);
        return real(path, ret);
}

int fstatat(int folder, const char *path, struct stat *ret, int flags)
{
        hang(folder, path);
        REAL(fstatat);
        return real(folder, path, ret, flags);
}

DIR *opendir(const char *path)
{
        hang(AT_FDCWD, path);
        REAL(opendir);
        return real(path);
}
