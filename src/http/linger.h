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
/* They are looked at in turn, so often, and not watched: most end within a
 * millisecond, and in a flood to be woken for each would cost the most of it. */
#define LINGER_LOOK_MS 50

struct lingering {
        struct {
                int fd;
                int64_t until_ms;
                uint64_t dropped;
        } sockets[LINGER_MAX];
        unsigned count;
        int64_t look_ms; /* monotonic; when to look again, while there are any */
};

/* Takes fd, which no epoll set has.  When there are too many already, the answer
 * takes its chance. */
void linger_take(struct lingering *linger, int fd, int64_t now_ms);
/* The same of a copy of fd, whose owner closes it as usual. */
void linger_add(struct lingering *linger, int fd, int64_t now_ms);
/* Drops what has come and ends those that are over; all of them with INT64_MAX. */
void linger_look(struct lingering *linger, int64_t now_ms);

#endif
