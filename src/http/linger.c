#include "linger.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_MS 2000
#define LINGER_BYTES (1024U * 1024U)

static void end(struct lingering *linger, unsigned i)
{
        (void)close(linger->sockets[i].fd); /* nothing of ours is in it */
        linger->sockets[i] = linger->sockets[--linger->count];
}

static void keep(struct lingering *linger, int epoll_fd, int operation, int fd, int64_t now_ms)
{
        struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.fd = fd };
        if (linger->count == LINGER_MAX || shutdown(fd, SHUT_WR) < 0 ||
            epoll_ctl(epoll_fd, operation, fd, &event) < 0) {
                (void)close(fd); /* as in end */
                return;
        }
        linger->sockets[linger->count].fd = fd;
        linger->sockets[linger->count].until_ms = now_ms + LINGER_MS;
        linger->sockets[linger->count].dropped = 0;
        linger->count++;
}

void linger_add(struct lingering *linger, int epoll_fd, int fd, int64_t now_ms)
{
        int copy = linger->count < LINGER_MAX ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
        if (copy >= 0)
                keep(linger, epoll_fd, EPOLL_CTL_ADD, copy, now_ms);
}

void linger_take(struct lingering *linger, int epoll_fd, int fd, bool watched, int64_t now_ms)
{
        keep(linger, epoll_fd, watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, now_ms);
}

void linger_drain(struct lingering *linger, int fd)
{
        static char waste[16384];
        for (unsigned i = 0; i < linger->count; i++) {
                if (linger->sockets[i].fd != fd)
                        continue;
                ssize_t n = recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
                if (n > 0)
                        linger->sockets[i].dropped += (uint64_t)n;
                bool over = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
                if (over || linger->sockets[i].dropped > LINGER_BYTES)
                        end(linger, i);
                return;
        }
}

void linger_expire(struct lingering *linger, int64_t now_ms)
{
        for (unsigned i = linger->count; i > 0; i--) {
                if (linger->sockets[i - 1].until_ms <= now_ms)
                        end(linger, i - 1);
        }
}
