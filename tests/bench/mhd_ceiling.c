/* mhd_ceiling: reads each POST with libmicrohttpd and answers 200; nothing
 * else.  What fspd does over this is its own work.  The daemon runs in our own
 * loop, as in src/http, since its internal epoll thread stalls at times. */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#define CONNECTIONS 19000
#define BACKLOG 4096

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
        (void)number;
        stop = 1;
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **request)
{
        static int seen;

        (void)url, (void)method, (void)version, (void)upload_data; /* all are welcome */
        if (*request == NULL) {
                *request = &seen;
                return MHD_YES;
        }
        if (*upload_data_size > 0) {
                *upload_data_size = 0;
                return MHD_YES;
        }
        return MHD_queue_response(connection, MHD_HTTP_OK, cls);
}

static int serve(struct MHD_Daemon *daemon)
{
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
        const union MHD_DaemonInfo *port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);

        if (info == NULL || port == NULL)
                return -ENOTSUP;
        if (printf("http://127.0.0.1:%u/\n", (unsigned)port->port) < 0 || fflush(stdout) != 0)
                return -EIO;
        while (!stop) {
                struct pollfd wait = { .fd = info->epoll_fd, .events = POLLIN };
                MHD_UNSIGNED_LONG_LONG timeout_ms;
                int ms = MHD_get_timeout(daemon, &timeout_ms) == MHD_YES && timeout_ms < 500 ? (int)timeout_ms
                                                                                             : 500;

                if (poll(&wait, 1, ms) < 0 && errno != EINTR)
                        return -errno;
                if (MHD_run(daemon) != MHD_YES)
                        return -EIO;
        }
        return 0;
}

int main(int argc, char **argv)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct sigaction action = { .sa_handler = on_signal };
        struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
        struct MHD_Daemon *daemon;
        struct rlimit limit;
        int r;

        if (argc > 2) {
                (void)fputs("Usage: mhd_ceiling [PORT]\n", stderr); /* nowhere else to say it */
                return EX_USAGE;
        }
        address.sin_port = htons((uint16_t)(argc == 2 ? strtoul(argv[1], NULL, 10) : 0));
        if (response == NULL || sigaction(SIGTERM, &action, NULL) < 0 ||
            sigaction(SIGINT, &action, NULL) < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return EX_OSERR;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                return EX_OSERR;
        daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, response, MHD_OPTION_SOCK_ADDR,
                                  (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
                                  MHD_OPTION_LISTEN_BACKLOG_SIZE, BACKLOG, MHD_OPTION_END);
        if (daemon == NULL)
                return EX_UNAVAILABLE;
        r = serve(daemon);
        MHD_stop_daemon(daemon);
        MHD_destroy_response(response);
        if (r < 0)
                (void)fprintf(stderr, "mhd_ceiling: %s\n", strerror(-r)); /* nowhere else to say it */
        return r < 0 ? EX_SOFTWARE : 0;
}
