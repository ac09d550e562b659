#include "admin/cmd_pager.h"
#include "admin/cmd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The table is made for the terminal, though a pipe lies between. */
static void keep_width(void)
{
        struct winsize size;
        char columns[16];

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return;
        (void)snprintf(columns, sizeof(columns), "%u", (unsigned)size.ws_col); /* five digits */
        (void)setenv("COLUMNS", columns, 1);                                   /* without memory it is 80 */
}

static void __attribute__((noreturn)) run_pager(int from)
{
        const char *pager = getenv("PAGER");

        (void)setenv("LESS", "FRX", 0); /* lets colours through; else they show as text */
        if (dup2(from, STDIN_FILENO) >= 0) {
                if (pager)
                        (void)execl("/bin/sh", "sh", "-c", pager, (char *)NULL); /* comes back only in vain */
                else
                        (void)execlp("less", "less", (char *)NULL);
                (void)execlp("cat", "cat", (char *)NULL);
        }
        _exit(127);
}

void cmd_pager_begin(struct cmd_pager *pager, const struct format *format)
{
        const char *wanted = getenv("PAGER");
        int ends[2];

        *pager = (struct cmd_pager){ .terminal = -1 };
        if (!format->terminal || format->kind != &format_table || (wanted && *wanted == '\0') ||
            pipe2(ends, O_CLOEXEC) < 0)
                return;
        keep_width();
        pager->terminal = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        pager->pid = pager->terminal < 0 ? -1 : fork();
        if (pager->pid == 0)
                run_pager(ends[0]);
        if (pager->pid < 0 || dup2(ends[1], STDOUT_FILENO) < 0) {
                if (pager->terminal >= 0)
                        (void)close(pager->terminal); /* nothing was written */
                pager->terminal = -1;
        }
        (void)close(ends[0]); /* as above */
        (void)close(ends[1]);
}

void cmd_pager_end(struct cmd_pager *pager)
{
        if (pager->terminal < 0)
                return;
        (void)fflush(stdout);                       /* main looks at the stream */
        (void)dup2(pager->terminal, STDOUT_FILENO); /* ends the pipe; both are open */
        (void)close(pager->terminal);
        while (waitpid(pager->pid, NULL, 0) < 0 && errno == EINTR)
                ;
}
