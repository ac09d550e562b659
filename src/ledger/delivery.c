/* Each way a message can go, as a job of the writer. */
#include "ledger_private.h"

#include "fsp/clock.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const delivery_names[DELIVERY_COUNT] = {
        [DELIVERY_RECEIVED] = "received",       [DELIVERY_STAGED] = "staged",
        [DELIVERY_COPIED] = "copied",           [DELIVERY_FORWARDED] = "forwarded",
        [DELIVERY_QUARANTINED] = "quarantined",
};

const char *delivery_name(enum delivery delivery)
{
        assert(delivery < DELIVERY_COUNT);
        return delivery_names[delivery];
}

int delivery_parse(const char *name, enum delivery *ret_delivery)
{
        for (int i = 0; i < DELIVERY_COUNT; i++) {
                if (strcmp(name, delivery_names[i]) == 0) {
                        *ret_delivery = (enum delivery)i;
                        return 0;
                }
        }
        return -EINVAL;
}

/* Rows of one commit: enough that its cost is shared, few enough that intake
 * hardly waits for it. */
#define MARK_STEP 1024

struct mark {
        struct ledger_job job;
        enum statement statement;
        enum delivery to;
        const int64_t *seqs; /* of those that are left */
        size_t left;
        int64_t inbox;      /* MARK_COPIED */
        const char *reason; /* MARK_QUARANTINED */
        int64_t shipment;   /* made by MARK_COPIED, ended by MARK_FORWARDED */
};

/* 1 when the row is in a state that this one follows, 0, -errno. */
static int look_at(struct ledger *ledger, int64_t seq, enum delivery to, int *ret_from, int64_t *ret_size)
{
        sqlite3_stmt *statement = LEDGER_BOUND(ledger, STATEMENT_MARK_LOOK, seq);
        if (!statement)
                return -ENOMEM;
        int result = sqlite3_step(statement);
        bool found = result == SQLITE_ROW;
        int64_t size = sqlite3_column_int64(statement, 0);
        int from = sqlite3_column_int(statement, 1);
        (void)sqlite3_reset(statement); /* repeats the result of step */
        if (!found)
                return ledger_errno(result);
        *ret_from = from;
        *ret_size = size;
        return to == DELIVERY_QUARANTINED ? from < DELIVERY_FORWARDED : from == (int)to - 1;
}

static int mark_one(struct ledger *ledger, const struct mark *mark, int64_t seq, int64_t now_ms)
{
        int from = 0;
        int64_t size = 0;
        sqlite3_stmt *statement = LEDGER_BOUND(ledger, mark->statement, seq, now_ms);
        int r = statement ? look_at(ledger, seq, mark->to, &from, &size) : -ENOMEM;
        if (r <= 0)
                return r;
        if (mark->to == DELIVERY_COPIED)
                (void)sqlite3_bind_int64(statement, 3, mark->inbox); /* cannot fail on a prepared parameter */
        if (mark->to == DELIVERY_QUARANTINED)
                (void)sqlite3_bind_text(statement, 3, mark->reason, -1, SQLITE_STATIC);
        r = ledger_run(ledger, statement);
        if (r < 0)
                return r;
        ledger_count(ledger, (enum delivery)from, mark->to, size);
        if (mark->to == DELIVERY_FORWARDED && seq > ledger->forwarded_seq)
                ledger->forwarded_seq = seq;
        return mark->to == DELIVERY_FORWARDED && ledger->batch_config->ledger.archive_size == 0
                       ? ledger_forget_body(ledger, seq)
                       : 0;
}

static size_t step_of(const struct mark *mark)
{
        return mark->left < MARK_STEP ? mark->left : MARK_STEP;
}

/* At the copy, before the first file can appear, so that a crash cannot make
 * the throttle forget; when all have appeared, the time is set to then.  Each
 * commit of copied makes the number higher, so that a lost one shows (witness.h). */
static int charge_throttle(struct ledger *ledger, struct mark *mark, int64_t now_ms)
{
        bool copies = mark->statement == STATEMENT_MARK_COPIED;
        if (copies && mark->shipment > 0) {
                int r = LEDGER_RUN(ledger, STATEMENT_GROW_SHIPMENT, mark->shipment, now_ms,
                                   (int64_t)step_of(mark));
                mark->shipment++;
                return r;
        }
        bool begins = copies || mark->shipment == DELIVERY_NEW_SHIPMENT;
        bool ends = mark->statement == STATEMENT_MARK_FORWARDED && mark->shipment > 0;
        if (!begins && !ends)
                return 0;
        if (ends)
                return LEDGER_RUN(ledger, STATEMENT_SHIPMENT_DONE, mark->shipment, now_ms);
        size_t files = copies ? step_of(mark) : mark->left;
        int r = LEDGER_RUN(ledger, STATEMENT_INSERT_SHIPMENT, now_ms, (int64_t)files);
        if (r == 0)
                mark->shipment = sqlite3_last_insert_rowid(ledger->db);
        return r;
}

static int run_mark(struct ledger *ledger, struct ledger_job *job)
{
        struct mark *mark = (struct mark *)job;
        int64_t now_ms = clock_wall_ms();
        size_t step = step_of(mark);
        int r = 0;
        for (size_t i = 0; r == 0 && i < step; i++)
                r = mark_one(ledger, mark, mark->seqs[i], now_ms);
        return r == 0 ? charge_throttle(ledger, mark, now_ms) : r;
}

/* A step is committed: is there another one? */
static bool go_on(struct ledger_job *job)
{
        struct mark *mark = (struct mark *)job;
        size_t step = step_of(mark);
        mark->seqs += step;
        mark->left -= step;
        return mark->left > 0;
}

static int carry_out(struct ledger *ledger, struct mark *mark)
{
        struct ledger_waiter waiter;
        mark->job.run = run_mark;
        ledger_begin_call(ledger, &mark->job, go_on, &waiter);
        return ledger_end_call(&waiter);
}

int delivery_mark_staged(struct ledger *ledger, const int64_t *seqs, size_t count)
{
        struct mark mark = {
                .statement = STATEMENT_MARK_STAGED, .to = DELIVERY_STAGED, .seqs = seqs, .left = count
        };
        return carry_out(ledger, &mark);
}

int delivery_mark_copied(struct ledger *ledger, const int64_t *seqs, size_t count, int64_t inbox,
                         int64_t *ret_shipment)
{
        struct mark mark = { .statement = STATEMENT_MARK_COPIED,
                             .to = DELIVERY_COPIED,
                             .seqs = seqs,
                             .left = count,
                             .inbox = inbox };
        int r = carry_out(ledger, &mark);
        if (r == 0)
                *ret_shipment = mark.shipment;
        return r;
}

static struct mark forwarded(const int64_t *seqs, size_t count, int64_t shipment)
{
        return (struct mark){ .job.run = run_mark,
                              .statement = STATEMENT_MARK_FORWARDED,
                              .to = DELIVERY_FORWARDED,
                              .seqs = seqs,
                              .left = count,
                              .shipment = shipment };
}

int delivery_mark_forwarded(struct ledger *ledger, const int64_t *seqs, size_t count, int64_t shipment)
{
        struct mark mark = forwarded(seqs, count, shipment);
        return carry_out(ledger, &mark);
}

struct delivery_marking {
        struct mark mark;
        struct ledger_waiter waiter;
        int64_t seqs[];
};

int delivery_begin_forwarded(struct ledger *ledger, const int64_t *seqs, size_t count, int64_t shipment,
                             struct delivery_marking **ret_marking)
{
        struct delivery_marking *marking = malloc(sizeof(*marking) + count * sizeof(*seqs));
        if (!marking)
                return -ENOMEM;
        memcpy(marking->seqs, seqs, count * sizeof(*seqs));
        marking->mark = forwarded(marking->seqs, count, shipment);
        ledger_begin_call(ledger, &marking->mark.job, go_on, &marking->waiter);
        *ret_marking = marking;
        return 0;
}

int delivery_await(struct delivery_marking **marking)
{
        int r = *marking ? ledger_end_call(&(*marking)->waiter) : 0;
        free(*marking);
        *marking = NULL;
        return r;
}

int delivery_mark_quarantined(struct ledger *ledger, int64_t seq, const char *reason)
{
        struct mark mark = { .statement = STATEMENT_MARK_QUARANTINED,
                             .to = DELIVERY_QUARANTINED,
                             .seqs = &seq,
                             .left = 1,
                             .reason = reason };
        return carry_out(ledger, &mark);
}

struct requeue {
        struct ledger_job job;
        int64_t seq;
        int outcome; /* a refusal is no fault: it must not roll back the others */
};

static int run_requeue(struct ledger *ledger, struct ledger_job *job)
{
        struct requeue *requeue = (struct requeue *)job;
        sqlite3_stmt *look = LEDGER_BOUND(ledger, STATEMENT_REQUEUE_LOOK, requeue->seq);
        if (!look)
                return -ENOMEM;
        int result = sqlite3_step(look);
        int delivery = sqlite3_column_int(look, 0);
        int64_t size = sqlite3_column_int64(look, 1);
        bool kept = sqlite3_column_int(look, 2);
        (void)sqlite3_reset(look); /* repeats the result of step */
        if (result != SQLITE_ROW) {
                requeue->outcome = -ENOENT;
                return ledger_errno(result);
        }
        bool ended = delivery >= DELIVERY_COPIED; /* a copied one waits for an inbox that may be no more */
        requeue->outcome = !ended ? -EALREADY : !kept ? -ENODATA : 0;
        if (requeue->outcome < 0)
                return 0;
        ledger_count(ledger, (enum delivery)delivery, DELIVERY_RECEIVED, size);
        return LEDGER_RUN(ledger, STATEMENT_REQUEUE, requeue->seq);
}

int delivery_requeue(struct ledger *ledger, int64_t seq)
{
        struct requeue requeue = { .job.run = run_requeue, .seq = seq };
        int r = ledger_call(ledger, &requeue.job);
        return r < 0 ? r : requeue.outcome;
}

#define SINCE_STEP 500

struct requeue_since {
        struct ledger_job job;
        int64_t since_ms, after_seq;
        size_t count; /* of this step */
        int64_t seqs[SINCE_STEP];
};

static int run_requeue_since(struct ledger *ledger, struct ledger_job *job)
{
        struct requeue_since *step = (struct requeue_since *)job;
        sqlite3_stmt *statement =
                LEDGER_BOUND(ledger, STATEMENT_REQUEUE_SINCE, step->after_seq, step->since_ms, SINCE_STEP);
        if (!statement)
                return -ENOMEM;
        int result;
        step->count = 0;
        while ((result = sqlite3_step(statement)) == SQLITE_ROW)
                step->seqs[step->count++] = sqlite3_column_int64(statement, 0);
        (void)sqlite3_reset(statement); /* repeats the result of step */
        int r = ledger_errno(result);
        for (size_t i = 0; r == 0 && i < step->count; i++) {
                struct requeue requeue = { .seq = step->seqs[i] };
                r = run_requeue(ledger, &requeue.job);
        }
        return r;
}

int delivery_requeue_since(struct ledger *ledger, int64_t since_ms, uint64_t *ret_count)
{
        struct requeue_since step = { .job.run = run_requeue_since, .since_ms = since_ms };
        uint64_t count = 0;
        int r;
        do {
                r = ledger_call(ledger, &step.job);
                if (r < 0)
                        return r;
                count += step.count;
                step.after_seq = step.count ? step.seqs[step.count - 1] : step.after_seq;
        } while (step.count == SINCE_STEP);
        *ret_count = count;
        return 0;
}

struct resume {
        struct ledger_job job;
        int64_t last;
};

static int run_resume(struct ledger *ledger, struct ledger_job *job)
{
        return LEDGER_RUN(ledger, STATEMENT_RESUME_SHIPMENTS, ((struct resume *)job)->last, clock_wall_ms());
}

int delivery_resume_shipments(struct ledger *ledger, int64_t last)
{
        struct resume resume = { .job.run = run_resume, .last = last };
        return ledger_call(ledger, &resume.job);
}

struct inbox_look {
        struct ledger_job job;
        const char *identity, *place;
        int64_t inbox;
        bool changed; /* it is new, and not the first */
};

static int run_inbox(struct ledger *ledger, struct ledger_job *job)
{
        struct inbox_look *look = (struct inbox_look *)job;
        sqlite3_stmt *find = ledger_statement(ledger, STATEMENT_FIND_INBOX);
        sqlite3_stmt *insert = ledger_statement(ledger, STATEMENT_INSERT_INBOX);
        if (!find || !insert)
                return -ENOMEM;
        (void)sqlite3_bind_text(find, 1, look->identity, -1, SQLITE_STATIC); /* as above */
        int result = sqlite3_step(find);
        look->inbox = sqlite3_column_int64(find, 0);
        (void)sqlite3_reset(find); /* repeats the result of step */
        if (result != SQLITE_DONE)
                return ledger_errno(result);
        (void)sqlite3_bind_text(insert, 1, look->identity, -1, SQLITE_STATIC); /* as above */
        (void)sqlite3_bind_text(insert, 2, look->place, -1, SQLITE_STATIC);
        int r = ledger_run(ledger, insert);
        look->inbox = sqlite3_last_insert_rowid(ledger->db);
        look->changed = look->inbox > 1;
        return r;
}

int delivery_inbox(struct ledger *ledger, const char *identity, const char *place, int64_t *ret_inbox)
{
        struct inbox_look look = { .job.run = run_inbox, .identity = identity, .place = place };
        int r = ledger_call(ledger, &look.job);
        if (r < 0)
                return r;
        *ret_inbox = look.inbox;
        return look.changed;
}

struct oldest {
        struct ledger_job job;
        int64_t received_ms;
};

static int run_oldest(struct ledger *ledger, struct ledger_job *job)
{
        struct oldest *oldest = (struct oldest *)job;
        for (int delivery = DELIVERY_RECEIVED; delivery <= DELIVERY_COPIED; delivery++) {
                sqlite3_stmt *statement = LEDGER_BOUND(ledger, STATEMENT_OLDEST, delivery);
                int64_t ms;
                int r = statement ? ledger_step_number(statement, &ms) : -ENOMEM;
                if (r < 0 && r != -ENOENT)
                        return r;
                if (r == 0 && (oldest->received_ms == CLOCK_UNKNOWN || ms < oldest->received_ms))
                        oldest->received_ms = ms;
        }
        return 0;
}

int64_t ledger_oldest_ms(struct ledger *ledger)
{
        struct oldest oldest = { .job.run = run_oldest, .received_ms = CLOCK_UNKNOWN };
        return ledger_call(ledger, &oldest.job) == 0 ? oldest.received_ms : CLOCK_UNKNOWN;
}

struct ledger_totals ledger_totals(struct ledger *ledger)
{
        return (struct ledger_totals){ .received = (uint64_t)ledger->totals[DELIVERY_RECEIVED],
                                       .staged = (uint64_t)ledger->totals[DELIVERY_STAGED],
                                       .copied = (uint64_t)ledger->totals[DELIVERY_COPIED],
                                       .quarantined = (uint64_t)ledger->totals[DELIVERY_QUARANTINED],
                                       .bytes = (uint64_t)ledger->bytes,
                                       .received_room = (uint64_t)ledger->received_room,
                                       .online = ledger->fault == 0,
                                       .fault = ledger->fault };
}

uint64_t ledger_commits(struct ledger *ledger)
{
        return ledger->commits;
}

const char *ledger_path(struct ledger *ledger)
{
        return ledger->path;
}
