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

/* Somewhere in what was sent there is a head that is sound, and says this. */
static bool was_sent(const struct gate_head *head)
{
        for (size_t at = 0; at < now.size; at++) {
                size_t size, method = strlen(head->method), url = strlen(head->url);
                const char *why, *bytes = now.bytes + at;
                if (now.size - at < method + url + 2 || memcmp(bytes, head->method, method) != 0 ||
                    memcmp(bytes + method + 1, head->url, url) != 0)
                        continue;
                if (head_check(bytes, now.size - at, &size, &why) == VERDICT_ACCEPTED && size > 0)
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
                MUST(was_sent(&head));
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

/* NUL LF leaves the same bytes in the library's memory as CR LF; and a line of one
 * colon or NUL ends a head, with one CR less as if it were empty.  So much the
 * gate cannot see. */
static void as_the_library_has_it(char *sent, size_t size)
{
        for (size_t i = 1; i < size; i++) {
                if (sent[i - 1] == '\0' && sent[i] == '\n')
                        sent[i - 1] = '\r';
                if (sent[i - 1] != '\n' || (sent[i] != ':' && sent[i] != '\0'))
                        continue;
                if (i + 1 < size && sent[i + 1] == '\n' && i > 1 && sent[i - 2] == '\r')
                        sent[i] = '\r';
                else if (i + 2 < size && sent[i + 1] == '\r' && sent[i + 2] == '\n')
                        memcpy(sent + i - 1, "\r\n", 2);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct MHD_Daemon *daemon;
        struct sockaddr_in address = { .sin_family = AF_INET };
        static char sent[65536];
        char answers[4096];
        int ends[2];
        if (!daemon)
                MUST(daemon = start());
        MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
        MUST(size <= sizeof(sent));
        memcpy(sent, data, size);
        as_the_library_has_it(sent, size);
        now.bytes = sent;
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
