/* linger: closing a connection without destroying the answer on its way.
 *
 * A socket closed with unread bytes in it makes the kernel send a reset, which
 * can overtake the answer.  So when a request is refused before its body has
 * come, the socket is kept a little longer, and what still comes is dropped.
 *
 * Threads   the loop's. */
#ifndef LINGER_H
#define LINGER_H

#include <stdbool.h>
#include <stdint.h>

#define LINGER_MAX 256

struct lingering {
        struct {
                int fd;
                int64_t until_ms;
                uint64_t dropped;
        } sockets[LINGER_MAX];
        unsigned count;
};

/* Takes a copy of fd, whose owner closes it as usual.  When there are too many
 * already, or no descriptor is left, the answer takes its chance. */
void linger_add(struct lingering *linger, int epoll_fd, int fd, int64_t now_ms);
/* Takes fd itself; watched: the loop's epoll set has it already. */
void linger_take(struct lingering *linger, int epoll_fd, int fd, bool watched, int64_t now_ms);
/* Something came on fd. */
void linger_drain(struct lingering *linger, int fd);
/* Ends those whose time is over; all of them with INT64_MAX. */
void linger_expire(struct lingering *linger, int64_t now_ms);

#endif
