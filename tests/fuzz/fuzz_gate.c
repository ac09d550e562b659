/* The gate as it sits in libmicrohttpd: requests on a connection, whose heads
 * the gate judges by what the library made of them.  What it takes must be a
 * head that head.c takes too, byte for byte as it was sent: else another parser
 * in the path may have seen another request. */
#include "fuzz.h"
#include "http/gate.h"
#include "http/head.h"
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENGINE_MEMORY 40960U
#define ROUNDS 64 /* of the library's loop, for one input */

/* What is sent, and where the library has it. */
static struct {
        const char *bytes;
        size_t size;
        const char *uri_end, *start;
        struct MHD_Response *response;
} now;

static void *begin(void *arg, const char *uri, struct MHD_Connection *mhd)
{
        (void)arg;
        (void)mhd;
        now.uri_end = gate_uri_end(uri);
        return NULL;
}

static bool is_among(char c, const char *some, size_t count)
{
        return memchr(some, c, count) != NULL;
}

/* What was sent, as far as the library has not cut it to NUL to part words,
 * lines and a query.  A NUL, a bare CR or LF, or the colon of a nameless line
 * looks like CR LF then, and that much the gate cannot see. */
static bool is_same(const char *sent, const char *cut, size_t size, char *ret_head)
{
        size_t zeros = 0;
        for (size_t i = size; i-- > 0;) {
                zeros = cut[i] ? 0 : zeros + 1;
                bool plus = cut[i] == ' ' && sent[i] == '+';
                if (cut[i] ? sent[i] != cut[i] && !plus : !is_among(sent[i], "\r\n: ?&=", 8))
                        return false;
                ret_head[i] = sent[i];
                if (zeros > 0 && zeros % 2 == 0 && is_among(sent[i], "\r\n:", 4) &&
                    is_among(sent[i + 1], "\r\n:", 4))
                        memcpy(ret_head + i, "\r\n", 2);
        }
        return true;
}

/* Somewhere in what was sent there is this head, and it is sound. */
static bool was_sent(struct MHD_Connection *mhd, const char *cut)
{
        static char head[65536];
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
        size_t size = info->header_size, seen;
        const char *why;
        for (size_t at = 0; at + size <= now.size; at++) {
                if (is_same(now.bytes + at, cut, size, head) &&
                    head_check(head, size, &seen, &why) == VERDICT_ACCEPTED && seen == size)
                        return true;
        }
        return false;
}

static enum MHD_Result judge(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
                             const char *version, const char *data, size_t *size, void **context)
{
        static char *paths[] = { "/SMS_FSP/.sms_fsp" };
        static const struct config config = { .listener = { .paths = { paths, 1 },
                                                            .max_message_size = 4096 } };
        static char seen;
        const char *why = NULL;
        (void)arg;
        (void)data;
        if (*context) { /* a body is let pass */
                bool over = *size == 0;
                *size = 0;
                return over ? MHD_queue_response(mhd, MHD_HTTP_OK, now.response) : MHD_YES;
        }
        struct gate_head head = {
                .method = method, .url = url, .version = version, .start = now.start, .uri_end = now.uri_end
        };
        *context = &seen;
        now.start = method;
        enum verdict verdict = gate_check(mhd, &config, &head, &why);
        if (verdict == VERDICT_ACCEPTED) {
                MUST(head.on_client_path && head.length <= 4096);
                MUST(!head.chunked || head.length == 0);
        }
        if (!gate_must_close(verdict))
                MUST(was_sent(mhd, method));
        return gate_must_close(verdict) ? MHD_NO : MHD_YES;
}

static size_t leave_escaped(void *arg, struct MHD_Connection *mhd, char *text)
{
        (void)arg;
        (void)mhd;
        return strlen(text);
}

static struct MHD_Daemon *start(void)
{
        now.response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
        return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, judge, NULL,
                                MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ENGINE_MEMORY,
                                MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
                                MHD_OPTION_URI_LOG_CALLBACK, begin, NULL, MHD_OPTION_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct MHD_Daemon *daemon;
        struct sockaddr_in address = { .sin_family = AF_INET };
        char answers[4096];
        int ends[2];
        if (!daemon)
                MUST(daemon = start());
        MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
        now.bytes = (const char *)data;
        now.size = size;
        now.start = NULL;
        /* It fits: less than a socket's buffer. */
        MUST(send(ends[0], data, size, MSG_NOSIGNAL) == (ssize_t)size || size == 0);
        MUST(shutdown(ends[0], SHUT_WR) == 0);
        MUST(MHD_add_connection(daemon, ends[1], (struct sockaddr *)&address, sizeof(address)) == MHD_YES);
        ssize_t got = -1;
        for (int i = 0; i < ROUNDS && got != 0; i++) {
                MUST(MHD_run(daemon) == MHD_YES);
                got = recv(ends[0], answers, sizeof(answers), MSG_DONTWAIT);
        }
        MUST(close(ends[0]) == 0);
        while (MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections > 0)
                MUST(MHD_run(daemon) == MHD_YES);
        return 0;
}
