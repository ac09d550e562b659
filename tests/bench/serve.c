/* The loop that the least servers share. */
#include "serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#define CONNECTIONS 19000
#define BACKLOG 4096

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
        (void)number;
        stop = 1;
}

static int prepare_process(void)
{
        struct sigaction action = { .sa_handler = on_signal };
        struct rlimit limit;

        if (sigaction(SIGTERM, &action, NULL) < 0 || sigaction(SIGINT, &action, NULL) < 0 ||
            getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        limit.rlim_cur = limit.rlim_max;
        return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

int serve_open(struct serve *serve, unsigned port, MHD_AccessHandlerCallback handle,
               MHD_RequestCompletedCallback completed, void *arg)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                       .sin_port = htons((uint16_t)port) };
        int r = prepare_process();

        if (r < 0)
                return r;
        serve->ok = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
        if (serve->ok == NULL)
                return -ENOMEM;
        serve->daemon = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, arg, MHD_OPTION_SOCK_ADDR,
                (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
                MHD_OPTION_LISTEN_BACKLOG_SIZE, BACKLOG, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U,
                MHD_OPTION_NOTIFY_COMPLETED, completed, arg, MHD_OPTION_END);
        return serve->daemon == NULL ? -EADDRNOTAVAIL : 0;
}

static int wait_ms(struct MHD_Daemon *daemon)
{
        MHD_UNSIGNED_LONG_LONG ms;

        return MHD_get_timeout(daemon, &ms) == MHD_YES && ms < 500 ? (int)ms : 500;
}

unsigned serve_port(const struct serve *serve)
{
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_BIND_PORT);

        return info == NULL ? 0 : info->port;
}

int serve_announce(const struct serve *serve)
{
        int r = printf("http://127.0.0.1:%u/\n", serve_port(serve));

        return r < 0 || fflush(stdout) != 0 ? -EIO : 0;
}

int serve_run(struct serve *serve, int bell, void (*on_bell)(void *arg), void *arg)
{
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_EPOLL_FD);

        if (info == NULL)
                return -ENOTSUP;
        while (!stop) {
                struct pollfd wait[] = { { .fd = info->epoll_fd, .events = POLLIN },
                                         { .fd = bell, .events = POLLIN } };
                eventfd_t rings;

                if (poll(wait, 2, wait_ms(serve->daemon)) < 0 && errno != EINTR)
                        return -errno;
                if (wait[1].revents != 0) {
                        (void)eventfd_read(bell, &rings); /* only to be silent again */
                        on_bell(arg);
                }
                if (MHD_run(serve->daemon) != MHD_YES)
                        return -EIO;
        }
        return 0;
}

void serve_close(struct serve *serve)
{
        if (serve->daemon != NULL)
                MHD_stop_daemon(serve->daemon);
        if (serve->ok != NULL)
                MHD_destroy_response(serve->ok);
}

bool upload_take(struct upload *upload, const char *data, size_t *size)
{
        if (*size > UPLOAD_MAX - upload->size)
                return false;
        memcpy(upload->body + upload->size, data, *size);
        upload->size += *size;
        *size = 0;
        return true;
}
