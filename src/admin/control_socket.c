#include "admin/control_socket.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_MODE 0660
#define SOCKET_BACKLOG 32

static int set_address(const char *path, struct sockaddr_un *ret_address)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        (void)strcpy(address.sun_path, path); /* measured above */
        *ret_address = address;
        return 0;
}

int control_socket_connect(const char *path, int *ret_fd)
{
        int fd AUTO_CLOSE = -1;
        struct sockaddr_un address;
        int r = set_address(path, &address);

        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        *ret_fd = fd;
        fd = -1;
        return 0;
}

/* Removes the socket of a daemon that is no more. */
static int make_room(const char *path)
{
        int fd AUTO_CLOSE = -1;
        struct stat info;
        int r;

        if (lstat(path, &info) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(info.st_mode))
                return -EEXIST;
        r = control_socket_connect(path, &fd);
        if (r == 0 || r == -EAGAIN) /* its queue is full: alive */
                return -EADDRINUSE;
        if (r != -ECONNREFUSED && r != -ENOENT)
                return r;
        return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

int control_socket_listen(const char *path, int *ret_fd)
{
        int fd AUTO_CLOSE = -1;
        struct sockaddr_un address;
        int r = set_address(path, &address);

        if (r == 0)
                r = make_room(path);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        /* Nobody can connect before listen(), so the mode is in force in time. */
        if (chmod(path, SOCKET_MODE) < 0 || listen(fd, SOCKET_BACKLOG) < 0) {
                r = -errno;
                (void)unlink(path); /* ours, and of no use to anyone */
                return r;
        }
        *ret_fd = fd;
        fd = -1;
        return 0;
}

void control_socket_close(const char *path, int fd)
{
        (void)unlink(path); /* a file left behind is replaced at the next start */
        (void)close(fd);    /* a socket has nothing left to lose */
}
