#include "admin/control_connection.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void control_connection_start(struct control_connection *connection, int fd, int64_t deadline_ms)
{
        assert(connection->phase == CONNECTION_FREE);
        connection->phase = CONNECTION_READING;
        connection->fd = fd;
        connection->deadline_ms = deadline_ms;
        connection->request_size = 0;
        connection->answer = NULL;
        connection->answer_size = connection->answer_sent = 0;
}

void control_connection_end(struct control_connection *connection)
{
        assert(connection->phase != CONNECTION_FREE);
        (void)close(connection->fd); /* a socket has nothing left to lose */
        free(connection->answer);
        connection->answer = NULL;
        connection->phase = CONNECTION_FREE;
}

int control_connection_read(struct control_connection *connection)
{
        char *place = connection->request + connection->request_size;
        size_t room = sizeof(connection->request) - connection->request_size;
        ssize_t got;
        char *end;

        if (room == 0)
                return -EMSGSIZE;
        got = recv(connection->fd, place, room, 0);
        if (got < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (got == 0)
                return -EPIPE;
        end = memchr(place, '\n', (size_t)got);
        connection->request_size += (size_t)got;
        if (end) {
                connection->request_size = (size_t)(end - connection->request);
                return 1;
        }
        return connection->request_size == sizeof(connection->request) ? -EMSGSIZE : 0;
}

int control_connection_answer(struct control_connection *connection, json_t *answer, int64_t deadline_ms)
{
        size_t size = answer ? json_dumpb(answer, NULL, 0, JSON_COMPACT) : 0;
        char *line = size > 0 ? malloc(size + 1) : NULL;
        bool whole =
                line && json_dumpb(answer, line, size, JSON_COMPACT) == size; /* it needs memory each time */

        json_decref(answer);
        if (!whole) {
                free(line);
                return -ENOMEM;
        }
        line[size] = '\n';
        connection->phase = CONNECTION_WRITING;
        connection->deadline_ms = deadline_ms;
        connection->answer = line;
        connection->answer_size = size + 1;
        return 0;
}

int control_connection_write(struct control_connection *connection)
{
        size_t left = connection->answer_size - connection->answer_sent;
        ssize_t sent = send(connection->fd, connection->answer + connection->answer_sent, left, MSG_NOSIGNAL);

        if (sent < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        connection->answer_sent += (size_t)sent;
        return connection->answer_sent == connection->answer_size ? 1 : 0;
}
