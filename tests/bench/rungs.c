/* rungs: the least server for each step of a message's way, built as fspd is:
 * a loop and a writer thread.  Each rung does what the one before does, and one
 * thing more, but that door and ledger each have what the other lacks; what none
 * of them reaches, no server reaches that does as much.  The first rung is
 * mhd_ceiling, the last fspd itself.
 *
 * CONFIG is a fspd's. */
#include "fsp/message.h"
#include "rungs_door.h"
#include "rungs_store.h"
#include "serve.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

struct rung {
        const char *name;
        bool packs; /* and makes the digest */
        enum store_kind store;
        bool files;
        bool ledger; /* fspd's own, in the place of a store */
        bool door;   /* likewise, in the place of the loop */
};

static const struct rung rungs[] = {
        { .name = "read" },
        { .name = "pack", .packs = true },
        { .name = "flat", .packs = true, .store = STORE_FLAT },
        { .name = "row", .packs = true, .store = STORE_ROWS },
        { .name = "door", .door = true },
        { .name = "ledger", .packs = true, .ledger = true },
        { .name = "files", .packs = true, .store = STORE_FLAT, .files = true },
};

struct server {
        const struct rung *rung;
        struct config *config;
        struct serve serve;
        struct reader *reader;
        struct store *store;   /* NULL: none */
        struct ledger *ledger; /* the store's, or fspd's; NULL: no writer */
        struct request *spare;
        int bell;

        pthread_mutex_t lock; /* for all below */
        struct request *answered;
};

struct request {
        struct ledger_intake intake; /* first: the writer's callback gets it */
        struct server *server;
        struct MHD_Connection *connection;
        struct request *next; /* spare or answered */
        struct report report;
        bool written; /* the writer has answered */
        struct upload upload;
};

static struct request *take_request(struct server *server, struct MHD_Connection *connection)
{
        struct request *request = server->spare;

        if (request != NULL)
                server->spare = request->next;
        else if ((request = calloc(1, sizeof(*request))) == NULL)
                return NULL;
        request->server = server;
        request->connection = connection;
        request->written = false;
        request->upload.size = 0;
        return request;
}

static void give_request_back(void *cls, struct MHD_Connection *connection, void **context,
                              enum MHD_RequestTerminationCode code)
{
        struct server *server = cls;
        struct request *request = *context;

        (void)connection, (void)code;
        if (request == NULL)
                return;
        request->next = server->spare;
        server->spare = request;
}

static void free_requests(struct request *request)
{
        while (request != NULL) {
                struct request *next = request->next;

                ledger_intake_free(&request->intake);
                report_free(&request->report);
                free(request);
                request = next;
        }
}

/* The writer's thread: one ring serves all that are in the list by the time the loop looks. */
static void on_written(struct ledger_intake *intake)
{
        struct request *request = (struct request *)intake;
        struct server *server = request->server;
        bool first;

        (void)pthread_mutex_lock(&server->lock); /* cannot fail on this kind of mutex */
        first = server->answered == NULL;
        request->next = server->answered;
        server->answered = request;
        (void)pthread_mutex_unlock(&server->lock);
        if (first)
                (void)eventfd_write(server->bell, 1); /* never so many */
}

static void resume_answered(void *arg)
{
        struct server *server = arg;
        struct request *request;

        (void)pthread_mutex_lock(&server->lock); /* as above */
        request = server->answered;
        server->answered = NULL;
        (void)pthread_mutex_unlock(&server->lock);
        while (request != NULL) {
                struct request *next = request->next;

                request->written = true;
                MHD_resume_connection(request->connection);
                request = next;
        }
}

/* The whole body is there: the listener's steps of this rung. */
static bool read_message(struct server *server, struct request *request)
{
        const char *why;

        request->intake.report = &request->report;
        request->intake.done = on_written;
        request->intake.verdict =
                reader_read(server->reader, server->config, "text/xml", request->upload.body,
                            request->upload.size, &request->report, &why);
        return request->intake.verdict == VERDICT_ACCEPTED &&
               (!server->rung->packs || ledger_intake_prepare(&request->intake) == 0);
}

/* False: this rung has no writer. */
static bool hand_over(struct server *server, struct request *request)
{
        if (server->ledger == NULL)
                return false;
        MHD_suspend_connection(request->connection);
        ledger_submit(server->ledger, &request->intake);
        return true;
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *size,
                              void **context)
{
        struct server *server = cls;
        struct request *request = *context;

        (void)url, (void)method, (void)version; /* all are welcome */
        if (request == NULL)
                return (*context = take_request(server, connection)) != NULL ? MHD_YES : MHD_NO;
        if (*size > 0)
                return upload_take(&request->upload, data, size) ? MHD_YES : MHD_NO;
        if (!request->written) {
                if (!read_message(server, request))
                        return MHD_NO;
                if (hand_over(server, request))
                        return MHD_YES;
        }
        return request->intake.verdict == VERDICT_ACCEPTED
                       ? MHD_queue_response(connection, MHD_HTTP_OK, server->serve.ok)
                       : MHD_NO;
}

static void print_fault(void *arg, const char *text)
{
        (void)arg;
        (void)fprintf(stderr, "rungs: %s\n", text); /* nowhere else to say it */
}

static int open_server(struct server *server, const char *config)
{
        const struct rung *rung = server->rung;
        int r;

        tzset(); /* reads a file, once; in fspd the log has done so */
        server->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (server->bell < 0 || sodium_init() < 0)
                return -EIO;
        (void)pthread_mutex_init(&server->lock, NULL); /* cannot fail with default attributes */
        r = config_load(config, print_fault, NULL, &server->config);
        if (r == 0)
                r = reader_new(&server->reader);
        if (r == 0 && rung->store != STORE_NONE)
                r = store_open(server->config, rung->store, rung->files, &server->store);
        if (r == 0 && server->store != NULL)
                server->ledger = store_ledger(server->store);
        if (r == 0 && rung->ledger)
                r = ledger_open(server->config, NULL, &server->ledger);
        return r == 0 ? serve_open(&server->serve, answer, give_request_back, server) : r;
}

static void close_server(struct server *server)
{
        store_close(server->store);
        if (server->rung->ledger)
                ledger_close(server->ledger);
        if (server->serve.daemon != NULL)
                resume_answered(server); /* the engine stops only when none is suspended */
        serve_close(&server->serve);
        free_requests(server->spare);
        reader_free(server->reader);
        config_unref(server->config);
        if (server->bell >= 0)
                (void)close(server->bell); /* nobody rings any more */
}

static int run_loop(struct server *server, const char *path)
{
        int r = open_server(server, path);

        if (r == 0)
                r = serve_run(&server->serve, server->bell, resume_answered, server);
        close_server(server);
        return r;
}

static int run_door(const char *path)
{
        struct config *config = NULL;
        int r = config_load(path, print_fault, NULL, &config);

        if (r == 0)
                r = door_run(config);
        config_unref(config);
        return r;
}

static const struct rung *find_rung(const char *name)
{
        for (size_t i = 0; i < sizeof(rungs) / sizeof(rungs[0]); i++) {
                if (strcmp(rungs[i].name, name) == 0)
                        return &rungs[i];
        }
        return NULL;
}

int main(int argc, char **argv)
{
        struct server server = { .rung = argc == 3 ? find_rung(argv[1]) : NULL };
        int r;

        if (server.rung == NULL) {
                (void)fputs("Usage: rungs read|pack|flat|row|door|ledger|files CONFIG\n",
                            stderr); /* likewise */
                return EX_USAGE;
        }
        r = server.rung->door ? run_door(argv[2]) : run_loop(&server, argv[2]);
        if (r < 0)
                (void)fprintf(stderr, "rungs: %s\n", strerror(-r)); /* nowhere else to say it */
        return r < 0 ? EX_SOFTWARE : 0;
}
