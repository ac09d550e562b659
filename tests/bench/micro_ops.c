/* The steps, and what they need: messages, a reader, a ledger on disk. */
#include "micro.h"

#include "fsp/config.h"
#include "fsp/ledger.h"
#include "fsp/message.h"
#include "load.h"
#include "message/decode.h"
#include "message/parse.h"
#include "message/report.h"
#include "message/scan.h"
#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <semaphore.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum body { BODY_UTF16, BODY_UTF8, BODY_COUNT };

struct waiting {
        struct ledger_intake intake;
        struct report report;
        sem_t *done;
};

struct micro {
        struct message messages[BODY_COUNT];
        const unsigned char *bodies[BODY_COUNT];
        size_t sizes[BODY_COUNT];
        struct config *config;
        struct reader *reader;
        struct parser *parser;
        struct decode_buffer buffer;
        struct decoded text; /* of the UTF-16 body */
        struct report report;
        struct ledger_intake intake;
        char folder[64];
        struct ledger *ledger; /* opened by the first commit */
        struct waiting batch[MICRO_BATCH];
        sem_t all_in, done;
        uint64_t digests;
};

static int run_decode(struct micro *micro, unsigned count, enum body body)
{
        const char *why;

        for (unsigned i = 0; i < count; i++) {
                if (decode_message(&micro->buffer, micro->bodies[body], micro->sizes[body], &micro->text,
                                   &why) != VERDICT_ACCEPTED)
                        return -EBADMSG;
        }
        return 0;
}

static int run_decode_utf16(struct micro *micro, unsigned count)
{
        return run_decode(micro, count, BODY_UTF16);
}

static int run_decode_utf8(struct micro *micro, unsigned count)
{
        return run_decode(micro, count, BODY_UTF8);
}

static int run_scan(struct micro *micro, unsigned count)
{
        const char *why;
        int r = run_decode(micro, 1, BODY_UTF16);

        for (unsigned i = 0; r == 0 && i < count; i++) {
                if (scan_message(micro->text.text, micro->text.size, &why) != VERDICT_ACCEPTED)
                        r = -EBADMSG;
        }
        return r;
}

static int run_parse(struct micro *micro, unsigned count)
{
        const char *why;
        int r = run_decode(micro, 1, BODY_UTF16);

        for (unsigned i = 0; r == 0 && i < count; i++) {
                report_reset(&micro->report);
                if (parser_read(micro->parser, VALIDATE_REPORT, micro->text.text, micro->text.size,
                                &micro->report, &why) != VERDICT_ACCEPTED)
                        r = -EBADMSG;
        }
        return r;
}

/* All of the reading: decode, scan, parse, judge. */
static int run_read(struct micro *micro, unsigned count, enum body body)
{
        const char *why;

        for (unsigned i = 0; i < count; i++) {
                if (reader_read(micro->reader, micro->config, "text/xml", micro->bodies[body],
                                micro->sizes[body], &micro->report, &why) != VERDICT_ACCEPTED)
                        return -EBADMSG;
        }
        return 0;
}

static int run_read_utf16(struct micro *micro, unsigned count)
{
        return run_read(micro, count, BODY_UTF16);
}

static int run_read_utf8(struct micro *micro, unsigned count)
{
        return run_read(micro, count, BODY_UTF8);
}

static int run_digest(struct micro *micro, unsigned count)
{
        unsigned char digest[LEDGER_DIGEST_SIZE];

        for (unsigned i = 0; i < count; i++)
                ledger_digest(micro->bodies[BODY_UTF16], micro->sizes[BODY_UTF16], digest);
        return 0;
}

/* Digest and LZ4, as they are done before a message is handed to the writer. */
static int run_prepare(struct micro *micro, unsigned count)
{
        int r = run_read(micro, 1, BODY_UTF16);

        micro->intake.report = &micro->report;
        for (unsigned i = 0; r == 0 && i < count; i++) {
                r = ledger_intake_prepare(&micro->intake);
                ledger_intake_digest(&micro->intake);
        }
        return r;
}

static void note_fault(void *arg, const char *text)
{
        (void)arg;
        (void)fprintf(stderr, "micro: %s\n", text); /* nowhere else to say it */
}

static int write_config(const struct micro *micro, const char *path)
{
        FILE *out = fopen(path, "we");

        if (out == NULL)
                return -errno;
        (void)fprintf(out,
                      "[site]\ncode = MIC\n[ledger]\nfile = %s/ledger.db\n[staging]\ndirectory = %s\n"
                      "[log]\ndirectory = %s\n[admin]\nport = off\n[forwarder]\ninbox = %s/inbox\n",
                      micro->folder, micro->folder, micro->folder, micro->folder); /* fclose tells */
        return fclose(out) == 0 ? 0 : -EIO;
}

static void note_done(struct ledger_intake *intake)
{
        (void)sem_post(((struct waiting *)intake)->done); /* never so many */
}

static int prepare_batch(struct micro *micro)
{
        const char *why;

        for (unsigned i = 0; i < MICRO_BATCH; i++) {
                struct waiting *waiting = &micro->batch[i];
                int r;

                if (reader_read(micro->reader, micro->config, "text/xml", micro->bodies[BODY_UTF16],
                                micro->sizes[BODY_UTF16], &waiting->report, &why) != VERDICT_ACCEPTED)
                        return -EBADMSG;
                waiting->intake = (struct ledger_intake){ .report = &waiting->report,
                                                          .client_address = "192.0.2.7",
                                                          .done = note_done };
                waiting->done = &micro->done;
                r = ledger_intake_prepare(&waiting->intake);
                if (r < 0)
                        return r;
                ledger_intake_digest(&waiting->intake);
        }
        return 0;
}

/* The writer takes whatever waits.  This keeps it busy until a whole batch
 * does, so that each commit is of the same size. */
struct gate {
        struct ledger_job job;
        sem_t *all_in;
};

static int run_gate(struct ledger *ledger, struct ledger_job *job)
{
        int r;

        (void)ledger;
        do
                r = sem_wait(((struct gate *)job)->all_in);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : 0;
}

static void gate_done(struct ledger_job *job, int result)
{
        (void)job, (void)result;
}

static int commit_batch(struct micro *micro)
{
        struct gate gate = { { .run = run_gate, .done = gate_done }, &micro->all_in };

        ledger_submit_job(micro->ledger, &gate.job);
        for (unsigned i = 0; i < MICRO_BATCH; i++) {
                struct ledger_intake *intake = &micro->batch[i].intake;

                micro->digests +=
                        UINT64_C(0x9e3779b97f4a7c15); /* no two alike, and anywhere, as digests are */
                memcpy(intake->digest, &micro->digests, sizeof(micro->digests));
                ledger_submit(micro->ledger, intake);
        }
        if (sem_post(&micro->all_in) < 0)
                return -errno;
        for (unsigned i = 0; i < MICRO_BATCH; i++) {
                while (sem_wait(&micro->done) < 0) {
                        if (errno != EINTR)
                                return -errno;
                }
        }
        for (unsigned i = 0; i < MICRO_BATCH; i++) {
                if (micro->batch[i].intake.verdict != VERDICT_ACCEPTED)
                        return -EIO;
        }
        return 0;
}

/* The row, its state, its body, and its share of the commit, on disk. */
static int run_commit(struct micro *micro, unsigned count)
{
        int r = 0;

        if (micro->ledger == NULL)
                r = ledger_open(micro->config, NULL, &micro->ledger);
        if (r == 0 && micro->batch[0].intake.report == NULL)
                r = prepare_batch(micro);
        for (unsigned i = 0; r == 0 && i < count; i += MICRO_BATCH)
                r = commit_batch(micro);
        return r;
}

const struct micro_op micro_ops[] = {
        { "decode-utf16-4k", run_decode_utf16 },
        { "decode-utf8-2k", run_decode_utf8 },
        { "scan", run_scan },
        { "parse", run_parse },
        { "read-utf16-4k", run_read_utf16 },
        { "read-utf8-2k", run_read_utf8 },
        { "digest", run_digest },
        { "digest-and-pack", run_prepare },
        { "commit", run_commit },
};
const size_t micro_op_count = sizeof(micro_ops) / sizeof(micro_ops[0]);

const struct micro_op *micro_find_op(const char *name)
{
        for (size_t i = 0; i < micro_op_count; i++) {
                if (strcmp(micro_ops[i].name, name) == 0)
                        return &micro_ops[i];
        }
        return NULL;
}

/* The same bytes each time. */
static int make_bodies(struct micro *micro)
{
        static const char *const names[BODY_COUNT] = { [BODY_UTF16] = "utf16-4k", [BODY_UTF8] = "utf8-2k" };

        for (unsigned i = 0; i < BODY_COUNT; i++) {
                struct load_options options = { .host = "localhost",
                                                .path = "/",
                                                .body = message_find_body(names[i]) };
                struct message *message = &micro->messages[i];
                int r = message_make(message, &options);

                if (r < 0)
                        return r;
                message->run = 1;
                message_patch(message, 1);
                micro->sizes[i] = options.body->size;
                micro->bodies[i] = message->bytes + message->size - options.body->size;
        }
        return 0;
}

static int make_ground(struct micro *micro)
{
        char path[96];
        int r;

        if (sodium_init() < 0 || sem_init(&micro->all_in, 0, 0) < 0 || sem_init(&micro->done, 0, 0) < 0)
                return -EIO;
        tzset(); /* reads a file, once; in the daemon the log has done so */
        if (mkdtemp(micro->folder) == NULL)
                return -errno;
        (void)snprintf(path, sizeof(path), "%s/fspd.ini", micro->folder); /* always fits */
        r = write_config(micro, path);
        return r < 0 ? r : config_load(path, note_fault, NULL, &micro->config);
}

int micro_new(struct micro **ret_micro)
{
        struct micro *micro = calloc(1, sizeof(*micro));
        int r;

        if (micro == NULL)
                return -ENOMEM;
        (void)strcpy(micro->folder, "/var/tmp/fspd-micro.XXXXXX"); /* on a disk, for the commits */
        r = make_ground(micro);
        if (r == 0)
                r = make_bodies(micro);
        if (r == 0)
                r = reader_new(&micro->reader);
        if (r == 0)
                r = parser_new(&micro->parser);
        if (r < 0) {
                micro_free(micro);
                return r;
        }
        *ret_micro = micro;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

void micro_free(struct micro *micro)
{
        if (micro == NULL)
                return;
        ledger_close(micro->ledger);
        for (unsigned i = 0; i < MICRO_BATCH; i++) {
                ledger_intake_free(&micro->batch[i].intake);
                report_free(&micro->batch[i].report);
        }
        ledger_intake_free(&micro->intake);
        report_free(&micro->report);
        reader_free(micro->reader);
        parser_free(micro->parser);
        decode_buffer_free(&micro->buffer);
        if (micro->config != NULL)
                config_unref(micro->config);
        for (unsigned i = 0; i < BODY_COUNT; i++)
                message_free(&micro->messages[i]);
        (void)nftw(micro->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS); /* or it is left below /var/tmp */
        free(micro);
}
