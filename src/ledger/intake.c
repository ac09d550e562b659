/* A message's way into the ledger. */
#include "ledger_private.h"

#include "body.h"
#include "fsp/clock.h"
#include "recent.h"
#include "rollup.h"
#include "texts.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static_assert(MESSAGE_MAX_STATES <= LEDGER_PARTS, "each part has its number");

void ledger_intake_free(struct ledger_intake *intake)
{
        free(intake->packed);
        intake->packed = NULL;
        intake->packed_room = 0;
}

static void bind_text(sqlite3_stmt *statement, int column, const char *text)
{
        /* A failed bind shows in the step that follows: NOT NULL, or misuse. */
        if (text)
                (void)sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
        else
                (void)sqlite3_bind_null(statement, column);
}

static void bind_time(sqlite3_stmt *statement, int column, int64_t ms)
{
        if (ms == CLOCK_UNKNOWN)
                (void)sqlite3_bind_null(statement, column);
        else
                (void)sqlite3_bind_int64(statement, column, ms);
}

/* As body_pack and texts_pack have left them, one behind the other. */
struct packed {
        const unsigned char *bytes;
        size_t size, texts_size; /* 0: no texts */
};

static int pack(const struct report *report, unsigned char **memory, size_t *room, struct packed *ret_packed)
{
        size_t size;
        int r = body_pack(report, memory, room, &size);
        if (r < 0)
                return r;
        *ret_packed = (struct packed){ .bytes = *memory, .size = size };
        if (size < report->size)
                ret_packed->texts_size = texts_pack(report, *memory + size, *room - size);
        return 0;
}

static int bind_texts(struct ledger *ledger, sqlite3_stmt *statement, const struct state_message *state,
                      const struct packed *packed)
{
        if (packed->texts_size > 0)
                return ledger_errno(sqlite3_bind_blob64(statement, 7, packed->bytes + packed->size,
                                                        packed->texts_size, SQLITE_STATIC));
        int r = params_write(&ledger->params, state->params, state->param_count);
        if (r < 0)
                return r;
        bind_text(statement, 8, state->details);
        return ledger_errno(sqlite3_bind_text(statement, 7, ledger->params.text, (int)ledger->params.size,
                                              SQLITE_STATIC));
}

static int insert_state(struct ledger *ledger, int64_t seq, size_t part, const struct state_message *state,
                        const struct packed *packed)
{
        sqlite3_stmt *statement = ledger_statement(ledger, STATEMENT_INSERT_STATE);
        if (!statement)
                return -ENOMEM;
        (void)sqlite3_bind_int64(statement, 1, seq * LEDGER_PARTS + (int64_t)part); /* as in bind_text */
        (void)sqlite3_bind_int64(statement, 2, state->topic_type);
        bind_text(statement, 3, state->topic_id);
        (void)sqlite3_bind_int64(statement, 4, state->state_id);
        bind_time(statement, 5, state->message_time_ms);
        bind_text(statement, 6, state->serial_number);
        int r = bind_texts(ledger, statement, state, packed);
        if (r == 0)
                r = ledger_run(ledger, statement);
        (void)sqlite3_clear_bindings(statement);
        return r;
}

static int insert_states(struct ledger *ledger, int64_t seq, const struct report *report,
                         const struct packed *packed)
{
        for (size_t i = 0; i < report->state_count; i++) {
                int r = insert_state(ledger, seq, i, &report->states[i], packed);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int insert_body(struct ledger *ledger, int64_t seq, const struct packed *packed)
{
        sqlite3_stmt *statement = ledger_statement(ledger, STATEMENT_INSERT_BODY);
        if (!statement)
                return -ENOMEM;
        (void)sqlite3_bind_int64(statement, 1, seq);
        if (sqlite3_bind_blob64(statement, 2, packed->bytes, packed->size, SQLITE_STATIC) != SQLITE_OK)
                return -ENOMEM;
        int r = ledger_run(ledger, statement);
        (void)sqlite3_clear_bindings(statement);
        return r;
}

struct row {
        struct message_name name;
        int64_t received_ms;
        enum delivery delivery;
        const unsigned char *digest;
        const char *client_address;
        const char *reason;
};

static int insert_message(struct ledger *ledger, const struct row *row, const struct report *report,
                          const struct packed *packed)
{
        sqlite3_stmt *statement = ledger_statement(ledger, STATEMENT_INSERT_MESSAGE);
        if (!statement)
                return -ENOMEM;
        (void)sqlite3_bind_int64(statement, 1, row->name.seq); /* as in bind_text */
        (void)sqlite3_bind_int64(statement, 2, row->name.time_ms);
        (void)sqlite3_bind_int64(statement, 3, row->name.node);
        (void)sqlite3_bind_int64(statement, 4, row->received_ms);
        (void)sqlite3_bind_int64(statement, 5, row->delivery);
        (void)sqlite3_bind_blob(statement, 6, row->digest, LEDGER_DIGEST_SIZE, SQLITE_STATIC);
        (void)sqlite3_bind_int64(statement, 7, (int64_t)report->size);
        bind_text(statement, 8, row->client_address);
        bind_text(statement, 9, report->client_id);
        bind_text(statement, 10, report->netbios_name);
        bind_text(statement, 11, report->client_version);
        bind_time(statement, 12, row->delivery == DELIVERY_STAGED ? row->received_ms : CLOCK_UNKNOWN);
        bind_time(statement, 13, row->delivery == DELIVERY_QUARANTINED ? clock_wall_ms() : CLOCK_UNKNOWN);
        bind_text(statement, 14, row->reason);
        (void)sqlite3_bind_int64(statement, 15,
                                 ledger_seal(&row->name, row->delivery, report->size, 0, row->digest));
        int r = ledger_run(ledger, statement);
        (void)sqlite3_clear_bindings(statement);
        if (r == 0)
                r = recent_add(ledger, row->digest, row->name.seq);
        if (r == 0)
                r = insert_states(ledger, row->name.seq, report, packed);
        return r < 0 ? r : insert_body(ledger, row->name.seq, packed);
}

/* Is that row the same message, received after since_ms?  1 and its name, 0, -errno. */
static int is_duplicate(struct ledger *ledger, struct ledger_intake *intake, const unsigned char *digest,
                        int64_t seq, int64_t since_ms)
{
        sqlite3_stmt *statement = ledger_statement(ledger, STATEMENT_DUPLICATE);
        if (!statement)
                return -ENOMEM;
        (void)sqlite3_bind_int64(statement, 1, seq); /* as in bind_text */
        (void)sqlite3_bind_blob(statement, 2, digest, LEDGER_DIGEST_SIZE, SQLITE_STATIC);
        (void)sqlite3_bind_int64(statement, 3, (int64_t)intake->report->size);
        (void)sqlite3_bind_int64(statement, 4, since_ms);
        int result = sqlite3_step(statement);
        if (result == SQLITE_ROW)
                intake->name = (struct message_name){ .seq = sqlite3_column_int64(statement, 0),
                                                      .time_ms = sqlite3_column_int64(statement, 1),
                                                      .node = (unsigned)sqlite3_column_int(statement, 2) };
        (void)sqlite3_reset(statement); /* repeats the result of step */
        /* A damaged row of the past is no reason to refuse, nor to fail. */
        return result == SQLITE_ROW ? name_is_sound(&intake->name) : ledger_errno(result);
}

static int find_digest(struct ledger *ledger, struct ledger_intake *intake, const unsigned char *digest,
                       int64_t since_ms)
{
        int64_t seqs[RECENT_MOST];
        int count = recent_find(ledger, digest, seqs), r = count < 0 ? count : 0;
        for (int i = 0; r == 0 && i < count; i++)
                r = is_duplicate(ledger, intake, digest, seqs[i], since_ms);
        return r;
}

/* The same bytes within policy.deduplicate?  1 and their name, 0, -errno. */
static int find_duplicate(struct ledger *ledger, struct ledger_intake *intake, int64_t now_ms)
{
        int64_t window_ms = ledger->batch_config->policy.deduplicate_ms;
        if (window_ms == 0)
                return 0;
        int r = find_digest(ledger, intake, intake->digest, now_ms - window_ms);
        if (r == 0 && ledger->former_digests_ms > now_ms - window_ms) {
                unsigned char former[LEDGER_DIGEST_SIZE];
                ledger_former_digest(intake->report->bytes, intake->report->size, former);
                r = find_digest(ledger, intake, former, now_ms - window_ms);
        }
        return r;
}

/* Names never go backwards, whatever the wall clock does, and one that shows
 * a sequence begun anew shows a later time. */
static struct message_name next_name(struct ledger *ledger, int64_t now_ms)
{
        ledger->last_seq++;
        if (now_ms > ledger->last_name_ms)
                ledger->last_name_ms = now_ms;
        else if ((uint32_t)ledger->last_seq == 0)
                ledger->last_name_ms++;
        return (struct message_name){ ledger->last_name_ms, ledger->node, ledger->last_seq };
}

static int run_intake(struct ledger *ledger, struct ledger_job *job)
{
        struct ledger_intake *intake = (struct ledger_intake *)job;
        int64_t now_ms = clock_wall_ms();
        ledger_intake_digest(intake);
        int r = find_duplicate(ledger, intake, now_ms);
        if (r != 0) {
                intake->verdict = VERDICT_DUPLICATE;
                return r < 0 ? r : 0;
        }
        intake->verdict = VERDICT_ACCEPTED;
        intake->name = next_name(ledger, now_ms);
        struct row row = { .name = intake->name,
                           .received_ms = now_ms,
                           .delivery = DELIVERY_RECEIVED,
                           .digest = intake->digest,
                           .client_address = intake->client_address };
        const struct packed packed = { intake->packed, intake->packed_size, intake->texts_size };
        r = insert_message(ledger, &row, intake->report, &packed);
        if (r == 0)
                ledger_count(ledger, LEDGER_NOWHERE, DELIVERY_RECEIVED, (int64_t)intake->report->size);
        return r;
}

static void intake_done(struct ledger_job *job, int result)
{
        struct ledger_intake *intake = (struct ledger_intake *)job;
        if (result < 0)
                intake->verdict = VERDICT_STORE_FAULT;
        intake->done(intake);
}

int ledger_intake_prepare(struct ledger_intake *intake)
{
        const struct report *report = intake->report;
        struct packed packed = { 0 };
        int r = pack(report, &intake->packed, &intake->packed_room, &packed);
        intake->packed_size = packed.size;
        intake->texts_size = packed.texts_size;
        intake->has_digest = false;
        return r;
}

void ledger_intake_digest(struct ledger_intake *intake)
{
        if (!intake->has_digest)
                ledger_digest(intake->report->bytes, intake->report->size, intake->digest);
        intake->has_digest = true;
}

void ledger_submit(struct ledger *ledger, struct ledger_intake *intake)
{
        assert(intake->packed && intake->done);
        intake->job.run = run_intake;
        intake->job.done = intake_done;
        ledger_submit_message(ledger, &intake->job);
}

struct import {
        struct ledger_job job;
        const struct delivery_import *imports;
        size_t count;
        unsigned char *memory; /* what is packed there */
        size_t room;
};

/* The name on disk shows the low 32 bits of seq; the row takes the first
 * number with these bits that is free. */
static int free_seq(struct ledger *ledger, int64_t *seq)
{
        for (;; *seq += INT64_C(1) << 32) {
                sqlite3_stmt *statement = ledger_statement(ledger, STATEMENT_REQUEUE_LOOK);
                if (!statement)
                        return -ENOMEM;
                (void)sqlite3_bind_int64(statement, 1, *seq); /* as in bind_text */
                int result = sqlite3_step(statement);
                (void)sqlite3_reset(statement); /* repeats the result of step */
                if (result != SQLITE_ROW)
                        return ledger_errno(result);
        }
}

static int import_one(struct ledger *ledger, struct import *job, const struct delivery_import *import)
{
        enum delivery delivery = import->reason ? DELIVERY_QUARANTINED : DELIVERY_STAGED;
        unsigned char digest[LEDGER_DIGEST_SIZE];
        struct packed packed;
        struct row row = { .name = import->name,
                           .received_ms = import->name.time_ms,
                           .delivery = delivery,
                           .digest = digest,
                           .client_address = "", /* the file does not tell */
                           .reason = import->reason };
        ledger_digest(import->report.bytes, import->report.size, digest);
        int r = pack(&import->report, &job->memory, &job->room, &packed);
        if (r == 0)
                r = free_seq(ledger, &row.name.seq);
        if (r == 0)
                r = insert_message(ledger, &row, &import->report, &packed);
        if (r == 0 && row.name.seq <= ledger->rolled_seq)
                r = rollup_reset(ledger);
        if (r < 0)
                return r;
        if (row.name.seq > ledger->last_seq)
                ledger->last_seq = row.name.seq;
        if (row.name.time_ms > ledger->last_name_ms)
                ledger->last_name_ms = row.name.time_ms;
        ledger_count(ledger, LEDGER_NOWHERE, delivery, (int64_t)import->report.size);
        return 0;
}

static int run_import(struct ledger *ledger, struct ledger_job *job)
{
        struct import *import = (struct import *)job;
        int r = 0;
        for (size_t i = 0; r == 0 && i < import->count; i++)
                r = import_one(ledger, import, &import->imports[i]);
        return r;
}

int delivery_import(struct ledger *ledger, const struct delivery_import *imports, size_t count)
{
        struct import import = { .job.run = run_import, .imports = imports, .count = count };
        int r = ledger_call(ledger, &import.job);
        free(import.memory);
        return r;
}
