/* mhd_ceiling: reads each POST with libmicrohttpd and answers 200; nothing
 * else.  What fspd does over this is its own work.
 *
 * With a FOLDER it is the naive server instead: in the same loop a file and an
 * fsync for each request.  (ext4 makes the name durable with the file, so there
 * is no fsync of the folder.)  Nothing of a message is checked. */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

struct server {
        struct serve serve;
        int folder; /* -1: nothing is stored */
};

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **request)
{
        static int seen;
        const struct server *server = cls;

        (void)url, (void)method, (void)version, (void)upload_data; /* all are welcome */
        if (*request == NULL) {
                *request = &seen;
                return MHD_YES;
        }
        if (*upload_data_size > 0) {
                *upload_data_size = 0;
                return MHD_YES;
        }
        return MHD_queue_response(connection, MHD_HTTP_OK, server->serve.ok);
}

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
        const struct server *server = cls;
        struct upload *upload = *request;

        (void)url, (void)method, (void)version; /* all are welcome */
        if (upload == NULL) {
                *request = malloc(sizeof(*upload));
                if (*request != NULL)
                        ((struct upload *)*request)->size = 0;
                return *request != NULL ? MHD_YES : MHD_NO;
        }
        if (*upload_data_size > 0)
                return upload_take(upload, upload_data, upload_data_size) ? MHD_YES : MHD_NO;
        return store(server->folder, upload) == 0
                       ? MHD_queue_response(connection, MHD_HTTP_OK, server->serve.ok)
                       : MHD_NO;
}

static void free_upload(void *cls, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode code)
{
        (void)cls, (void)connection, (void)code;
        free(*request);
}

int main(int argc, char **argv)
{
        struct server server = { .folder = -1 };
        int r;

        if (argc > 2) {
                (void)fputs("Usage: mhd_ceiling [FOLDER]\n", stderr); /* nowhere else to say it */
                return EX_USAGE;
        }
        if (argc == 2 && (server.folder = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
                return EX_NOINPUT;
        r = argc == 2 ? serve_open(&server.serve, 0, answer_stored, free_upload, &server)
                      : serve_open(&server.serve, 0, answer, NULL, &server);
        if (r == 0)
                r = serve_announce(&server.serve);
        if (r == 0)
                r = serve_run(&server.serve, -1, NULL, NULL);
        serve_close(&server.serve);
        if (server.folder >= 0)
                (void)close(server.folder); /* only looked through */
        if (r < 0)
                (void)fprintf(stderr, "mhd_ceiling: %s\n", strerror(-r)); /* nowhere else to say it */
        return r < 0 ? EX_SOFTWARE : 0;
}
