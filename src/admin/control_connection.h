/* control_connection: one line in, one line out, on a non-blocking stream
 * socket; see include/fsp/control.h.
 *
 * Owns      the descriptor and the answer.  Threads: one at a time. */
#ifndef ADMIN_CONTROL_CONNECTION_H
#define ADMIN_CONTROL_CONNECTION_H

#include "fsp/control.h"
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum connection_phase {
        CONNECTION_FREE,
        CONNECTION_READING,
        CONNECTION_WAITING, /* for the run that its order asked for */
        CONNECTION_WRITING,
};

struct control_connection {
        enum connection_phase phase;
        int fd;
        int64_t deadline_ms; /* monotonic: the end of this phase */
        uint64_t run;        /* the one it waits for */
        char request[CONTROL_MAX_REQUEST];
        size_t request_size;
        char *answer;
        size_t answer_size, answer_sent;
};

/* Takes fd, which is non-blocking. */
void control_connection_start(struct control_connection *connection, int fd, int64_t deadline_ms);
/* Closes it; the place is free again. */
void control_connection_end(struct control_connection *connection);

/* 1 when the line is whole: request has request_size bytes, without the line
 * end.  0: more is to come.  -EMSGSIZE over CONTROL_MAX_REQUEST, -EPIPE the
 * peer has gone, other -errno. */
int control_connection_read(struct control_connection *connection);

/* Turns to writing answer (taken over; NULL is -ENOMEM) as one line. */
int control_connection_answer(struct control_connection *connection, json_t *answer, int64_t deadline_ms);

/* 1 when all is sent, 0: more is to be sent, -errno. */
int control_connection_write(struct control_connection *connection);

#endif
