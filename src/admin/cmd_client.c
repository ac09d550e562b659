/* The client's side of the control socket: see include/fsp/control.h. */
#include "admin/cmd.h"
#include "admin/control_socket.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_LIMIT (16U * 1024 * 1024)

/* 0, -ETIMEDOUT, other -errno. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
        for (;;) {
                int64_t left_ms = deadline_ms - clock_monotonic_ms();
                struct pollfd slot = { .fd = fd, .events = events };
                int r = left_ms <= 0 ? 0 : poll(&slot, 1, (int)left_ms);

                if (r > 0)
                        return 0;
                if (r == 0)
                        return -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
}

static int send_order(int fd, const char *line, size_t length, int64_t deadline_ms)
{
        size_t sent = 0;

        while (sent < length) {
                int r = wait_for(fd, POLLOUT, deadline_ms);
                ssize_t n;

                if (r < 0)
                        return r;
                n = send(fd, line + sent, length - sent, MSG_NOSIGNAL);
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                sent += n > 0 ? (size_t)n : 0;
        }
        return 0;
}

/* All that comes until the daemon closes. */
static int receive_answer(int fd, FILE *text, int64_t deadline_ms)
{
        char piece[8192];
        size_t total = 0;

        for (;;) {
                int r = wait_for(fd, POLLIN, deadline_ms);
                ssize_t n;

                if (r < 0)
                        return r;
                n = recv(fd, piece, sizeof(piece), 0);
                if (n == 0)
                        return 0;
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (n > 0 && fwrite(piece, 1, (size_t)n, text) != (size_t)n)
                        return -ENOMEM;
                total += n > 0 ? (size_t)n : 0;
                if (total > ANSWER_LIMIT)
                        return -EFBIG;
        }
}

static int exchange(int fd, const char *line, int64_t timeout_ms, json_t **ret_answer)
{
        int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
        char *text AUTO_FREE = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        json_t *answer;
        int r;

        if (!out)
                return -ENOMEM;
        r = send_order(fd, line, strlen(line), deadline_ms);
        if (r == 0)
                r = send_order(fd, "\n", 1, deadline_ms);
        if (r == 0)
                r = receive_answer(fd, out, deadline_ms);
        if (fclose(out) == EOF && r == 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        if (size == 0)
                return -EPIPE;
        answer = json_loadb(text, size, 0, NULL);
        if (!json_is_object(answer)) {
                json_decref(answer);
                return -EBADMSG;
        }
        *ret_answer = answer;
        return 0;
}

static int complain(const char *path, int fault)
{
        switch (-fault) {
        case ENOENT:
        case ECONNREFUSED:
                cmd_complain("fspd is not running (nobody answers on the socket %s): start it with systemctl "
                             "start fspd",
                             path);
                return CMD_NOT_RUNNING;
        case EACCES:
                cmd_complain("this user may not give orders to fspd (socket %s)", path);
                return CMD_WRONG;
        case ETIMEDOUT:
                cmd_complain("fspd does not answer on the socket %s", path);
                return CMD_WRONG;
        case EPIPE:
        case ECONNRESET:
                cmd_complain("fspd went away before it answered");
                return CMD_WRONG;
        default: /* errno, a foreign list */
                cmd_complain("socket %s: %s", path, strerror(-fault));
                return CMD_WRONG;
        }
}

int cmd_ask(const struct config *config, const char *order, int64_t timeout_ms, json_t **ret_answer)
{
        return cmd_ask_object(config, json_pack("{s:s}", "order", order), timeout_ms, ret_answer);
}

int cmd_ask_object(const struct config *config, json_t *order, int64_t timeout_ms, json_t **ret_answer)
{
        char *line AUTO_FREE = order ? json_dumps(order, JSON_COMPACT) : NULL;
        const char *path = config->admin.socket;
        int fd AUTO_CLOSE = -1;
        json_t *answer = NULL;
        const char *refusal;
        int r = line ? control_socket_connect(path, &fd) : -ENOMEM;

        json_decref(order);
        if (r == 0)
                r = exchange(fd, line, timeout_ms, &answer);
        if (r < 0)
                return complain(path, r);
        refusal = json_string_value(json_object_get(answer, "error"));
        if (refusal) {
                cmd_complain("fspd refuses: %s", refusal);
                json_decref(answer);
                return CMD_WRONG;
        }
        *ret_answer = answer;
        return CMD_DONE;
}
