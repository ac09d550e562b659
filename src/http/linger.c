#include "linger.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_MS 2000
#define LINGER_BYTES (1024U * 1024U)

static void end(struct lingering *linger, unsigned i)
{
        (void)close(linger->sockets[i].fd); /* nothing of ours is in it */
        linger->sockets[i] = linger->sockets[--linger->count];
}

/* Takes and drops what came; "nothing more will, or it was too much". */
static bool drain(struct lingering *linger, unsigned i)
{
        static char waste[16384];
        ssize_t n;
        do {
                n = recv(linger->sockets[i].fd, waste, sizeof(waste), MSG_DONTWAIT);
                if (n > 0)
                        linger->sockets[i].dropped += (uint64_t)n;
        } while ((n > 0 && linger->sockets[i].dropped <= LINGER_BYTES) || (n < 0 && errno == EINTR));
        return n >= 0 || errno != EAGAIN;
}

void linger_look(struct lingering *linger, int64_t now_ms)
{
        for (unsigned i = linger->count; i > 0; i--) {
                if (drain(linger, i - 1) || linger->sockets[i - 1].until_ms <= now_ms)
                        end(linger, i - 1);
        }
        if (linger->count > 0)
                linger->look_ms = now_ms + LINGER_LOOK_MS;
}

void linger_take(struct lingering *linger, int fd, int64_t now_ms)
{
        if (linger->count == 0)
                linger->look_ms = now_ms + LINGER_LOOK_MS;
        else if (linger->count == LINGER_MAX)
                linger_look(linger, now_ms); /* most are over by now */
        if (linger->count == LINGER_MAX || shutdown(fd, SHUT_WR) < 0) {
                (void)close(fd); /* as in end */
                return;
        }
        linger->sockets[linger->count].fd = fd;
        linger->sockets[linger->count].until_ms = now_ms + LINGER_MS;
        linger->sockets[linger->count].dropped = 0;
        linger->count++;
}

void linger_add(struct lingering *linger, int fd, int64_t now_ms)
{
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (copy >= 0)
                linger_take(linger, copy, now_ms);
}
