/* What surrounds the data of a chunked body: the sizes, their extensions, trailers.
 *
 * libmicrohttpd shows none of it, lets a line grow to all that it has for the
 * connection, and reads one that is not complete again from its beginning with
 * each piece that comes.  So what it has read and not given on is bounded here. */
#include "listener_private.h"

#include "head.h"
#include <sys/socket.h>

/* A chunk takes a dozen bytes beside its data, however short that is. */
#define CHUNK_SURROUNDS 16U
/* Around the data of the shortest body: of a chunk and of the last one. */
#define CHUNK_LEAST 10U

static bool is_dear(const struct request *request)
{
        uint64_t read = sweep_bytes_read(request->connection);
        uint64_t told = request->connection->bytes_past + request->total;
        uint64_t most = CHUNK_LINE_MAX + (uint64_t)request->pieces * CHUNK_SURROUNDS;
        return read != UINT64_MAX && read > told && read - told > most;
}

void chunks_begin(struct request *request, bool chunked, size_t head_size)
{
        struct connection *connection = request->connection;
        /* Where nothing was read since, this request stood behind that one already. */
        if (connection->bytes_ended > 0 && connection->bytes_ended != sweep_bytes_read(connection))
                connection->bytes_past = connection->bytes_ended;
        connection->bytes_ended = 0;
        connection->bytes_past += head_size;
        request->chunked = chunked;
        request->pieces = 0;
        request->listener->chunked_count += chunked;
}

void chunks_end(struct request *request)
{
        struct connection *connection = request->connection;
        connection->bytes_past += request->total;
        if (request->chunked) {
                uint64_t read = sweep_bytes_read(connection);
                connection->bytes_past += CHUNK_LEAST;
                connection->bytes_ended = read != UINT64_MAX ? read : 0;
                request->listener->chunked_count--;
        }
        request->chunked = false;
}

void chunks_look(struct listener *listener)
{
        for (struct connection *c = listener->connections; c; c = c->next) {
                struct request *request = c->request;
                if (!request || request->phase != PHASE_BODY || !request->chunked || !is_dear(request))
                        continue;
                request_give_up(request, VERDICT_FRAMING, "what surrounds its chunks is too long");
                memory_end(listener, c);
        }
}
