#include "smb_helper.h"

#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "fspd-smb"

/* Where Kerberos finds its tickets; nothing else of our environment is its
 * business. */
static const char *const passed_on[] = { "KRB5CCNAME", "KRB5_CONFIG" };
#define PASSED_ON (sizeof(passed_on) / sizeof(passed_on[0]))

/* Beside us (a build not installed), else where it is installed. */
static void find_program(char ret_path[PATH_MAX])
{
        ssize_t size = readlink("/proc/self/exe", ret_path, PATH_MAX - sizeof(PROGRAM));
        char *slash = size > 0 ? memrchr(ret_path, '/', (size_t)size) : NULL;
        if (slash) {
                strcpy(slash + 1, PROGRAM);
                if (access(ret_path, X_OK) == 0)
                        return;
        }
        strcpy(ret_path, FSP_LIBEXEC_DIR "/" PROGRAM);
}

static void make_environment(char *ret_texts[PASSED_ON + 1])
{
        size_t count = 0;
        for (size_t i = 0; i < PASSED_ON; i++) {
                const char *value = getenv(passed_on[i]);
                if (value && asprintf(&ret_texts[count], "%s=%s", passed_on[i], value) >= 0)
                        count++;
        }
        ret_texts[count] = NULL;
}

/* Standard input is the socket; what the library says to the others is noise.
 * A stop, which a service manager or a terminal tells all processes at once, is
 * fspd's to carry out: it first ends what is in hand, for which it needs us. */
static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int fd)
{
        sigset_t stops, all;
        (void)sigemptyset(&stops); /* these cannot fail */
        (void)sigaddset(&stops, SIGTERM);
        (void)sigaddset(&stops, SIGINT);
        (void)sigaddset(&stops, SIGHUP);
        (void)sigfillset(&all);
        int r = posix_spawn_file_actions_adddup2(actions, fd, STDIN_FILENO);
        for (int out = STDOUT_FILENO; r == 0 && out <= STDERR_FILENO; out++)
                r = posix_spawn_file_actions_addopen(actions, out, "/dev/null", O_WRONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
        if (r == 0)
                r = posix_spawnattr_setsigmask(attributes, &stops);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(attributes, &all);
        if (r == 0)
                r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        return -r;
}

static int spawn(int fd, pid_t *ret_pid)
{
        char path[PATH_MAX];
        char *arguments[] = { (char[]){ PROGRAM }, NULL }, *environment[PASSED_ON + 1];
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        int r = -posix_spawn_file_actions_init(&actions);
        if (r < 0)
                return r;
        r = -posix_spawnattr_init(&attributes);
        if (r < 0) {
                (void)posix_spawn_file_actions_destroy(&actions); /* only memory */
                return r;
        }
        find_program(path);
        make_environment(environment);
        r = prepare(&actions, &attributes, fd);
        if (r == 0)
                r = -posix_spawn(ret_pid, path, &actions, &attributes, arguments, environment);
        for (size_t i = 0; environment[i]; i++)
                free(environment[i]);
        (void)posix_spawnattr_destroy(&attributes); /* as above */
        (void)posix_spawn_file_actions_destroy(&actions);
        return r == -ENOENT || r == -EACCES ? -ENOPKG : r;
}

int smb_helper_start(struct smb_helper *ret_helper)
{
        static const struct timeval deadline = { .tv_sec = SMB_HELPER_DEADLINE_MS / 1000 };
        int ends[2];
        pid_t pid;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        int ours AUTO_CLOSE = ends[0], theirs AUTO_CLOSE = ends[1];
        if (setsockopt(ours, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline)) < 0 ||
            setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline)) < 0)
                return -errno;
        int r = spawn(theirs, &pid);
        if (r < 0)
                return r;
        *ret_helper = (struct smb_helper){ .pid = pid, .fd = ours };
        ours = -1;
        return 0;
}

/* As the caller is told of what the socket said. */
static int translate(int r)
{
        if (r == -EAGAIN)
                return -ETIMEDOUT;
        return r == -EPIPE ? -ECONNRESET : r;
}

int smb_helper_send(struct smb_helper *helper, enum smb_op op, uint32_t id, const struct smb_part *parts,
                    size_t count)
{
        if (helper->in_hand++ == 0)
                helper->since_ms = clock_monotonic_ms();
        return translate(smb_wire_send(helper->fd, (struct smb_head){ .id = id, .op = op }, parts, count));
}

int smb_helper_receive(struct smb_helper *helper, struct smb_head *ret_head, char **ret_content)
{
        int r = smb_wire_receive(helper->fd, ret_head, ret_content);
        if (r < 0)
                return translate(r);
        helper->in_hand--;
        helper->since_ms = clock_monotonic_ms();
        return 0;
}

void smb_helper_stop(struct smb_helper *helper)
{
        fsutil_close_pointer(&helper->fd);
        helper->fd = -1;
        (void)kill(helper->pid, SIGKILL); /* it is ours until we have waited for it */
        while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
                ;
}
