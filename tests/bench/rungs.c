/* rungs: the least server for each step of a message's way, built as fspd is:
 * a loop and a writer thread; or as it might be, with two loops.  Each rung does what the one before does,
 * and one thing more, but that door and ledger each have what the other lacks; what none of them reaches, no
 * server reaches that does as much.  The first rung is mhd_ceiling, the last fspd itself.
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
        bool twice;  /* two loops, each with connections of its own */
};
#define LOOPS_MAX 2

static const struct rung rungs[] = {
        { .name = "read" },
        { .name = "pack", .packs = true },
        { .name = "flat", .packs = true, .store = STORE_FLAT },
        { .name = "flat2", .packs = true, .store = STORE_FLAT, .twice = true },
        { .name = "row", .packs = true, .store = STORE_ROWS },
        { .name = "row2", .packs = true, .store = STORE_ROWS, .twice = true },
        { .name = "door", .door = true },
        { .name = "door2", .door = true, .twice = true },
        { .name = "ledger", .packs = true, .ledger = true },
        { .name = "ledger2", .packs = true, .ledger = true, .twice = true },
        { .name = "files", .packs = true, .store = STORE_FLAT, .files = true },
};

struct loop {
        struct server *server;
        struct serve serve;
        struct reader *reader;
        struct request *spare;
        int bell;
        pthread_t thread; /* of all but the first */
        int result;       /* its own */

        pthread_mutex_t lock; /* for all below */
        struct request *answered;
};

struct server {
        const struct rung *rung;
        struct config *config;
        struct store *store;   /* NULL: none */
        struct ledger *ledger; /* the store's, or fspd's; NULL: no writer */
        struct loop loops[LOOPS_MAX];
        unsigned loop_count; /* opened */
};

struct request {
        struct ledger_intake intake; /* first: the writer's callback gets it */
        struct loop *loop;
        struct MHD_Connection *connection;
        struct request *next; /* spare or answered */
        struct report report;
        bool written; /* the writer has answered */
        struct upload upload;
};

static struct request *take_request(struct loop *loop, struct MHD_Connection *connection)
{
        struct request *request = loop->spare;

        if (request != NULL)
                loop->spare = request->next;
        else if ((request = calloc(1, sizeof(*request))) == NULL)
                return NULL;
        request->loop = loop;
        request->connection = connection;
        request->written = false;
        request->upload.size = 0;
        return request;
}

static void give_request_back(void *cls, struct MHD_Connection *connection, void **context,
                              enum MHD_RequestTerminationCode code)
{
        struct loop *loop = cls;
        struct request *request = *context;

        (void)connection, (void)code;
        if (request == NULL)
                return;
        request->next = loop->spare;
        loop->spare = request;
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
        struct loop *loop = request->loop;
        bool first;

        (void)pthread_mutex_lock(&loop->lock); /* cannot fail on this kind of mutex */
        first = loop->answered == NULL;
        request->next = loop->answered;
        loop->answered = request;
        (void)pthread_mutex_unlock(&loop->lock);
        if (first)
                (void)eventfd_write(loop->bell, 1); /* never so many */
}

static void resume_answered(void *arg)
{
        struct loop *loop = arg;
        struct request *request;

        (void)pthread_mutex_lock(&loop->lock); /* as above */
        request = loop->answered;
        loop->answered = NULL;
        (void)pthread_mutex_unlock(&loop->lock);
        while (request != NULL) {
                struct request *next = request->next;

                request->written = true;
                MHD_resume_connection(request->connection);
                request = next;
        }
}

/* The whole body is there: the listener's steps of this rung. */
static bool read_message(struct loop *loop, struct request *request)
{
        const char *why;

        request->intake.report = &request->report;
        request->intake.done = on_written;
        request->intake.verdict =
                reader_read(loop->reader, loop->server->config, "text/xml", request->upload.body,
                            request->upload.size, &request->report, &why);
        if (request->intake.verdict != VERDICT_ACCEPTED || !loop->server->rung->packs)
                return request->intake.verdict == VERDICT_ACCEPTED;
        int r = ledger_intake_prepare(&request->intake);
        ledger_intake_digest(&request->intake);
        return r == 0;
}

/* False: this rung has no writer. */
static bool hand_over(struct loop *loop, struct request *request)
{
        if (loop->server->ledger == NULL)
                return false;
        MHD_suspend_connection(request->connection);
        ledger_submit(loop->server->ledger, &request->intake);
        return true;
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *size,
                              void **context)
{
        struct loop *loop = cls;
        struct request *request = *context;

        (void)url, (void)method, (void)version; /* all are welcome */
        if (request == NULL)
                return (*context = take_request(loop, connection)) != NULL ? MHD_YES : MHD_NO;
        if (*size > 0)
                return upload_take(&request->upload, data, size) ? MHD_YES : MHD_NO;
        if (!request->written) {
                if (!read_message(loop, request))
                        return MHD_NO;
                if (hand_over(loop, request))
                        return MHD_YES;
        }
        return request->intake.verdict == VERDICT_ACCEPTED
                       ? MHD_queue_response(connection, MHD_HTTP_OK, loop->serve.ok)
                       : MHD_NO;
}

static void print_fault(void *arg, const char *text)
{
        (void)arg;
        (void)fprintf(stderr, "rungs: %s\n", text); /* nowhere else to say it */
}

static int open_loop(struct server *server)
{
        struct loop *loop = &server->loops[server->loop_count];
        unsigned port = server->loop_count > 0 ? serve_port(&server->loops[0].serve) : 0;
        int r;

        server->loop_count++; /* from here on it is to be closed */
        loop->server = server;
        (void)pthread_mutex_init(&loop->lock, NULL); /* cannot fail with default attributes */
        loop->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (loop->bell < 0)
                return -errno;
        r = reader_new(&loop->reader);
        return r == 0 ? serve_open(&loop->serve, port, answer, give_request_back, loop) : r;
}

static int open_server(struct server *server, const char *config)
{
        const struct rung *rung = server->rung;
        int r;

        tzset(); /* reads a file, once; in fspd the log has done so */
        if (sodium_init() < 0)
                return -EIO;
        r = config_load(config, print_fault, NULL, &server->config);
        if (r == 0 && rung->store != STORE_NONE)
                r = store_open(server->config, rung->store, rung->files, &server->store);
        if (r == 0 && server->store != NULL)
                server->ledger = store_ledger(server->store);
        if (r == 0 && rung->ledger)
                r = ledger_open(server->config, NULL, &server->ledger);
        if (r == 0)
                r = open_loop(server);
        return r == 0 && rung->twice ? open_loop(server) : r;
}

static void close_loop(struct loop *loop)
{
        if (loop->serve.daemon != NULL)
                resume_answered(loop); /* the engine stops only when none is suspended */
        serve_close(&loop->serve);
        free_requests(loop->spare);
        reader_free(loop->reader);
        if (loop->bell >= 0)
                (void)close(loop->bell); /* nobody rings any more */
}

static void close_server(struct server *server)
{
        store_close(server->store);
        if (server->rung->ledger)
                ledger_close(server->ledger);
        for (unsigned i = 0; i < server->loop_count; i++)
                close_loop(&server->loops[i]);
        config_unref(server->config);
}

static void *run_loop(void *arg)
{
        struct loop *loop = arg;

        loop->result = serve_run(&loop->serve, loop->bell, resume_answered, loop);
        return NULL;
}

static int run_loops(struct server *server)
{
        unsigned started = 1;
        int r = serve_announce(&server->loops[0].serve);

        for (; r == 0 && started < server->loop_count; started++)
                r = -pthread_create(&server->loops[started].thread, NULL, run_loop, &server->loops[started]);
        if (r < 0)
                return r;
        (void)run_loop(&server->loops[0]);
        r = server->loops[0].result;
        for (unsigned i = 1; i < started; i++) {
                (void)pthread_join(server->loops[i].thread, NULL); /* it was created and is joined once */
                r = r == 0 ? server->loops[i].result : r;
        }
        return r;
}

static int run_server(struct server *server, const char *path)
{
        int r = open_server(server, path);

        if (r == 0)
                r = run_loops(server);
        close_server(server);
        return r;
}

static int run_door(const char *path, unsigned loops)
{
        struct config *config = NULL;
        int r = config_load(path, print_fault, NULL, &config);

        if (r == 0)
                r = door_run(config, loops);
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
                (void)fputs(
                        "Usage: rungs read|pack|flat|flat2|row|row2|door|door2|ledger|ledger2|files CONFIG\n",
                        stderr); /* likewise */
                return EX_USAGE;
        }
        r = server.rung->door ? run_door(argv[2], server.rung->twice ? DOOR_LOOPS_MAX : 1)
                              : run_server(&server, argv[2]);
        if (r < 0)
                (void)fprintf(stderr, "rungs: %s\n", strerror(-r)); /* nowhere else to say it */
        return r < 0 ? EX_SOFTWARE : 0;
}
