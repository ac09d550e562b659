/* mhd_ceiling: reads each POST with libmicrohttpd and answers 200; nothing
 * else.  What fspd does over this is its own work.  The daemon runs in our own
 * loop, as in src/http, since its internal epoll thread stalls at times.
 *
 * With a FOLDER it is the naive server instead: in the same loop a file and an
 * fsync for each request.  (ext4 makes the name durable with the file, so there
 * is no fsync of the folder.)  Nothing of a message is checked. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#define CONNECTIONS 19000
#define BACKLOG 4096
#define BODY_MAX 65536

static volatile sig_atomic_t stop;

struct naive {
        struct MHD_Response *response;
        int folder;
};

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

struct upload {
        size_t size;
        char body[BODY_MAX];
};

static int store(int folder, const struct upload *upload)
{
        static unsigned files;
        char name[32];
        int fd, r = 0;

        (void)snprintf(name, sizeof(name), "%u.xml", files++); /* always fits */
        fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        if (fd < 0)
                return -errno;
        if (write(fd, upload->body, upload->size) != (ssize_t)upload->size || fsync(fd) < 0)
                r = -EIO;
        return close(fd) == 0 ? r : -EIO;
}

static enum MHD_Result answer_stored(void *cls, struct MHD_Connection *connection, const char *url,
                                     const char *method, const char *version, const char *upload_data,
                                     size_t *upload_data_size, void **request)
{
        const struct naive *naive = cls;
        struct upload *upload = *request;

        (void)url, (void)method, (void)version; /* all are welcome */
        if (upload == NULL) {
                *request = malloc(sizeof(*upload));
                if (*request != NULL)
                        ((struct upload *)*request)->size = 0;
                return *request != NULL ? MHD_YES : MHD_NO;
        }
        if (*upload_data_size > BODY_MAX - upload->size)
                return MHD_NO;
        if (*upload_data_size > 0) {
                memcpy(upload->body + upload->size, upload_data, *upload_data_size);
                upload->size += *upload_data_size;
                *upload_data_size = 0;
                return MHD_YES;
        }
        return store(naive->folder, upload) == 0
                       ? MHD_queue_response(connection, MHD_HTTP_OK, naive->response)
                       : MHD_NO;
}

static void free_upload(void *cls, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode code)
{
        (void)cls, (void)connection, (void)code;
        free(*request);
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

static struct MHD_Daemon *start(struct naive *naive)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        bool stores = naive->folder >= 0;

        return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, stores ? answer_stored : answer,
                                stores ? (void *)naive : (void *)naive->response, MHD_OPTION_SOCK_ADDR,
                                (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
                                MHD_OPTION_LISTEN_BACKLOG_SIZE, BACKLOG, MHD_OPTION_NOTIFY_COMPLETED,
                                stores ? free_upload : NULL, NULL, MHD_OPTION_END);
}

static int prepare(struct naive *naive, const char *folder)
{
        struct sigaction action = { .sa_handler = on_signal };
        struct rlimit limit;

        naive->response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
        if (naive->response == NULL || sigaction(SIGTERM, &action, NULL) < 0 ||
            sigaction(SIGINT, &action, NULL) < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return EX_OSERR;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                return EX_OSERR;
        if (folder != NULL)
                naive->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return folder != NULL && naive->folder < 0 ? EX_NOINPUT : 0;
}

int main(int argc, char **argv)
{
        struct naive naive = { .folder = -1 };
        struct MHD_Daemon *daemon;
        int r;

        if (argc > 2) {
                (void)fputs("Usage: mhd_ceiling [FOLDER]\n", stderr); /* nowhere else to say it */
                return EX_USAGE;
        }
        r = prepare(&naive, argv[1]);
        if (r != 0)
                return r;
        daemon = start(&naive);
        if (daemon == NULL)
                return EX_UNAVAILABLE;
        r = serve(daemon);
        MHD_stop_daemon(daemon);
        MHD_destroy_response(naive.response);
        if (naive.folder >= 0)
                (void)close(naive.folder); /* only looked through */
        if (r < 0)
                (void)fprintf(stderr, "mhd_ceiling: %s\n", strerror(-r)); /* nowhere else to say it */
        return r < 0 ? EX_SOFTWARE : 0;
}
