/* The files on their way from staging to the inbox. */
#include "forward.h"

#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include "fsp/witness.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Files of one flush: enough that its cost is shared. */
#define BATCH 1024
#define BATCH_EACH 256 /* where each file is flushed by itself */
/* Where files are renamed and many wait: the names of a large folder lie
 * scattered over its blocks, and a flush writes a block once for all in it. */
#define BATCH_MOST 65536
/* What has been staged for long lies on the disk alone: it is asked for so many files
 * at once, and not for one after the other. */
#define AHEAD 64
#define FRESH_MS 60000 /* what came later is in memory still */
#define BATCH_MS 2000  /* one that took as long is large enough: a stop waits for it */

#define GONE "its staged file is gone, so it may have been sent; fspctl requeue sends it (again)"

struct batch {
        /* Memory only as far as it is used. */
        struct query_pending rows[BATCH_MOST];
        int64_t seqs[BATCH_MOST];
        int results[BATCH_MOST]; /* of the step in hand */
        size_t most;             /* files of this one */
        size_t count, ready;     /* read from the ledger; whole in the inbox, at the front */
        unsigned char *data;     /* of the file in hand */
        size_t room;
        int64_t fresh_ms; /* wall clock: since then */

        /* Published, but not removed from staging as yet: where files were just
         * deleted, ext4 is slow to make new ones. */
        struct message_name sent[WITNESS_MAX];
        size_t sent_count;
        int64_t shipment; /* the last one */
        bool is_left;     /* a file of these shipments is not published, or not known to be */

        /* Published, and on its way into the ledger while the next ones are read. */
        struct delivery_marking *marking;
        size_t published;
        bool leaves; /* not all of it was published */
};

static void free_batch(struct batch **batch)
{
        if (*batch)
                free((*batch)->data);
        free(*batch);
}

static int make_room(struct batch *batch, size_t size)
{
        if (size <= batch->room)
                return 0;
        unsigned char *data = realloc(batch->data, size);
        if (!data)
                return -ENOMEM;
        batch->data = data;
        batch->room = size;
        return 0;
}

/* The bytes to send; -EUCLEAN when they are not those that were staged. */
static int read_staged(struct pass *pass, struct batch *batch, const struct query_pending *row)
{
        char file[NAME_SIZE];
        size_t size;
        int r = make_room(batch, row->size + 1); /* one byte too many shows */
        if (r == 0)
                r = fsutil_read_into(pass->quarantine.staging_fd,
                                     name_format_file(&row->name, NAME_SUFFIX, file), batch->data,
                                     row->size + 1, &size);
        if (r < 0)
                return r == -ELOOP ? -EUCLEAN : r;
        return size == row->size && ledger_digest_fits(batch->data, size, row->digest) ? 0 : -EUCLEAN;
}

/* One file that the inbox does not take must not hold up the others; an inbox
 * that takes none ends the run. */
static int judge_put(struct pass *pass, const char *temporary, int r)
{
        if (r == 0)
                return 1;
        log_mgr(LOG_ERROR, "%s cannot be written to %s: %s", temporary, pass->place,
                inbox_explain(pass->place, r));
        int health = pass->inbox->kind->check(pass->inbox);
        if (health < 0)
                return health;
        return r == -ENOSPC || r == -EDQUOT || r == -EROFS || r == -EACCES || r == -EPERM || r == -EIO ? r
                                                                                                       : 0;
}

/* 1 whole in the inbox, 0 left out (quarantined or kept for the next run),
 * -EINPROGRESS on its way, -errno when the inbox or the ledger is out of reach. */
static int begin_copy(struct pass *pass, struct batch *batch, const struct query_pending *row)
{
        char temporary[NAME_SIZE];
        int r = read_staged(pass, batch, row);
        if (r == -EUCLEAN)
                return quarantine_message(&pass->quarantine, row,
                                          "the staged file is damaged: its checksum differs");
        /* Nobody but us has business there: it was sent, and the ledger has
         * lost that, or somebody removed it.  Which, is not guessed. */
        if (r == -ENOENT)
                return quarantine_message(&pass->quarantine, row, GONE);
        (void)name_format_file(&row->name, NAME_TEMPORARY_SUFFIX, temporary);
        if (r < 0) {
                log_mgr(LOG_ERROR, "%s cannot be read from staging: %s", temporary, strerror(-r));
                return 0;
        }
        r = pass->inbox->kind->put(pass->inbox, temporary, batch->data, row->size);
        return r == -EINPROGRESS ? r : judge_put(pass, temporary, r);
}

/* What became of a copy on its way; quiet: why is known, and said. */
static int end_copy(struct pass *pass, const struct query_pending *row, bool quiet)
{
        char temporary[NAME_SIZE];
        (void)name_format_file(&row->name, NAME_TEMPORARY_SUFFIX, temporary);
        int r = pass->inbox->kind->await(pass->inbox, temporary);
        return quiet && r < 0 ? 0 : judge_put(pass, temporary, r);
}

/* A stop does not wait for more than a batch of the usual size. */
static bool is_cut(const struct pass *pass, size_t done)
{
        return done >= BATCH && *pass->stop;
}

static void read_ahead(const struct pass *pass, const struct batch *batch, size_t from, size_t to)
{
        char file[NAME_SIZE];
        for (size_t i = from; i < to && i < batch->count; i++) {
                if (batch->rows[i].name.time_ms >= batch->fresh_ms)
                        continue;
                fsutil_read_ahead(pass->quarantine.staging_fd,
                                  name_format_file(&batch->rows[i].name, NAME_SUFFIX, file));
        }
}

static int copy_batch(struct pass *pass, struct batch *batch)
{
        int *results = batch->results, r = 0;
        size_t begun = 0;
        batch->ready = 0;
        batch->fresh_ms = clock_wall_ms() - FRESH_MS;
        read_ahead(pass, batch, 0, AHEAD);
        while (r >= 0 && begun < batch->count && !is_cut(pass, begun)) {
                read_ahead(pass, batch, begun + AHEAD, begun + AHEAD + 1);
                results[begun] = begin_copy(pass, batch, &batch->rows[begun]);
                r = results[begun] == -EINPROGRESS ? 0 : results[begun];
                begun++;
        }
        for (size_t i = 0; i < begun; i++) {
                if (results[i] == -EINPROGRESS)
                        results[i] = end_copy(pass, &batch->rows[i], r < 0);
                if (results[i] == 1) {
                        batch->rows[batch->ready] = batch->rows[i];
                        batch->seqs[batch->ready++] = batch->rows[i].name.seq;
                } else if (r >= 0)
                        r = results[i];
        }
        if (is_cut(pass, batch->ready))
                batch->ready = BATCH; /* the others stay staged */
        /* In an inbox that fills up, what is whole goes on. */
        int flushed = batch->ready > 0 ? pass->inbox->kind->flush(pass->inbox) : 0;
        if (flushed < 0)
                batch->ready = 0;
        return flushed < 0 ? flushed : r < 0 ? r : 0;
}

/* Is the file under that name, unread as yet by the site server, ours already? */
static bool is_same_file(struct inbox *inbox, const struct query_pending *row)
{
        char file[NAME_SIZE];
        AUTO_FREE unsigned char *data = NULL;
        size_t size;
        (void)name_format_file(&row->name, NAME_SUFFIX, file);
        if (inbox->kind->read(inbox, file, row->size, &data, &size) < 0)
                return false;
        return size == row->size && ledger_digest_fits(data, size, row->digest);
}

static int begin_publish(struct inbox *inbox, const struct query_pending *row)
{
        char temporary[NAME_SIZE], final[NAME_SIZE];
        return inbox->kind->publish(inbox, name_format_file(&row->name, NAME_TEMPORARY_SUFFIX, temporary),
                                    name_format_file(&row->name, NAME_SUFFIX, final));
}

/* What was to be renamed out of staging has been taken away since it was read. */
static bool is_gone(struct inbox *inbox, const char *temporary, int r)
{
        return r == -ENOENT && inbox->renames && inbox->kind->exists(inbox, temporary) == 0;
}

/* r: what begin_publish said. */
static int end_publish(struct pass *pass, struct inbox *inbox, const struct query_pending *row, int r)
{
        char temporary[NAME_SIZE];
        (void)name_format_file(&row->name, NAME_TEMPORARY_SUFFIX, temporary);
        if (r == -EINPROGRESS)
                r = inbox->kind->await(inbox, temporary);
        if (r == 0)
                return 1;
        if (is_gone(inbox, temporary, r)) {
                r = quarantine_message(&pass->quarantine, row, GONE);
                return r < 0 ? r : 0;
        }
        if (r != -EEXIST) {
                /* Of many on their way, the first to fail speaks for all. */
                if (r != pass->stuck)
                        log_mgr(LOG_ERROR, "%s cannot be renamed in %s: %s", temporary, pass->place,
                                inbox_explain(pass->place, r));
                return r;
        }
        bool same = is_same_file(inbox, row);
        if (same || !inbox->renames)                         /* else it is the one that goes to quarantine */
                (void)inbox->kind->remove(inbox, temporary); /* a .tmp is left alone by the site server */
        if (same)
                return 1;
        r = quarantine_message(&pass->quarantine, row, "the inbox has another file of that name");
        return r < 0 ? r : 0;
}

int forward_publish(struct pass *pass, struct inbox *inbox, const struct query_pending *row)
{
        return end_publish(pass, inbox, row, begin_publish(inbox, row));
}

/* The published ones move to the front of the batch. */
static int publish_all(struct pass *pass, struct batch *batch, size_t *ret_published)
{
        int *results = batch->results, r = 0;
        size_t begun = 0, published = 0;
        while (r == 0 && begun < batch->ready && !is_cut(pass, begun)) { /* the next start renames them */
                results[begun] = begin_publish(pass->inbox, &batch->rows[begun]);
                if (results[begun] < 0 && results[begun] != -EINPROGRESS && results[begun] != -EEXIST)
                        r = pass->inbox->kind->check(pass->inbox);
                begun++;
        }
        for (size_t i = 0; i < begun; i++) {
                bool awaited = results[i] == -EINPROGRESS;
                int result = end_publish(pass, pass->inbox, &batch->rows[i], results[i]);
                if (result == 1) {
                        batch->rows[published] = batch->rows[i];
                        batch->seqs[published++] = batch->rows[i].name.seq;
                } else if (result < 0) {
                        pass->stuck = result; /* stays copied: the next run looks at it */
                        if (awaited && r == 0)
                                r = pass->inbox->kind->check(pass->inbox);
                }
        }
        *ret_published = published;
        return r;
}

/* By order, it may be on its way again already: then the file is of use. */
static bool is_over(struct pass *pass, const struct message_name *name)
{
        int64_t seq;
        enum delivery delivery;
        int r = query_find(pass->query, name, &seq, &delivery);
        return r == -ENOENT || (r == 0 && delivery == DELIVERY_FORWARDED);
}

static void remove_sent(struct pass *pass, struct batch *batch)
{
        for (size_t i = 0; i < batch->sent_count; i++) {
                char file[NAME_SIZE];
                if (!is_over(pass, &batch->sent[i]))
                        continue;
                /* What stays behind is a leftover, swept at the next start. */
                if (unlinkat(pass->quarantine.staging_fd,
                             name_format_file(&batch->sent[i], NAME_SUFFIX, file), 0) < 0 &&
                    errno != ENOENT)
                        log_mgr(LOG_WARNING, "%s cannot be removed from staging: %s", file, strerror(errno));
        }
        if (batch->sent_count > 0 && !batch->is_left)
                witness_settle(pass->quarantine.staging_fd, batch->shipment);
        batch->sent_count = 0;
}

/* Their names are kept by the witness until their staged files are removed. */
static int bear_witness(struct pass *pass, struct batch *batch)
{
        if (pass->inbox->renames)
                return witness_count(pass->quarantine.staging_fd, batch->shipment);
        if (batch->sent_count + batch->ready > WITNESS_MAX)
                remove_sent(pass, batch);
        struct message_name *names = batch->sent + batch->sent_count;
        for (size_t i = 0; i < batch->ready; i++)
                names[i] = batch->rows[i].name;
        return witness_write(pass->quarantine.staging_fd, batch->shipment, names, batch->ready,
                             batch->sent_count > 0);
}

/* Until the ledger has what was published. */
static int await_marking(struct pass *pass, struct batch *batch)
{
        bool waits = batch->marking;
        int r = delivery_await(&batch->marking);
        if (!waits || r < 0)
                return r;
        pass->copied += batch->published;
        batch->is_left = batch->leaves;
        return 0;
}

static int begin_marking(struct pass *pass, struct batch *batch, size_t published)
{
        int r = delivery_begin_forwarded(pass->ledger, batch->seqs, published, batch->shipment,
                                         &batch->marking);
        if (r < 0)
                return r;
        batch->published = published;
        for (size_t i = 0; !pass->inbox->renames && i < published; i++)
                batch->sent[batch->sent_count++] = batch->rows[i].name;
        return 0;
}

/* From "whole under .tmp, durably" to "there": nothing between may be left out. */
static int publish_batch(struct pass *pass, struct batch *batch)
{
        int r = await_marking(pass, batch);
        if (r == 0)
                r = delivery_mark_copied(pass->ledger, batch->seqs, batch->ready, pass->inbox_id,
                                         &batch->shipment);
        if (r < 0)
                return r;
        bool was_left = batch->is_left;
        batch->is_left = true; /* until all is well */
        throttle_charge(pass->throttle, batch->ready, clock_monotonic_ms());
        r = bear_witness(pass, batch);
        if (r < 0)
                return r; /* nothing is renamed yet: the next run goes on from copied */
        size_t published;
        r = publish_all(pass, batch, &published);
        int settled = published > 0 ? pass->inbox->kind->settle(pass->inbox) : 0;
        if (settled < 0)
                return settled; /* the next run finds what has become of them */
        batch->leaves = was_left || published < batch->ready;
        int marked = published > 0 ? begin_marking(pass, batch, published) : 0;
        return marked < 0 ? marked : r < 0 ? r : 0;
}

/* Large ones hold the file system's journal for long: only while nobody sends. */
static size_t pace(const struct pass *pass, const struct batch *batch, int64_t took_ms)
{
        if (!pass->inbox->renames)
                return batch->most;
        if (ledger_totals(pass->ledger).received > 0)
                return BATCH;
        if (took_ms >= BATCH_MS)
                return batch->most > BATCH ? batch->most / 2 : BATCH;
        bool grows = batch->count == batch->most && batch->most < BATCH_MOST && took_ms < BATCH_MS / 2;
        return grows ? batch->most * 2 : batch->most;
}

int forward_staged(struct pass *pass)
{
        __attribute__((cleanup(free_batch))) struct batch *batch = calloc(1, sizeof(*batch));
        if (!batch)
                return -ENOMEM;
        batch->most = pass->inbox->flushes_all ? BATCH : BATCH_EACH;
        int64_t after_seq = 0;
        uint64_t left = pass->due;
        int r = 0;
        while (r == 0 && left > 0 && !*pass->stop) {
                int64_t begun_ms = clock_monotonic_ms();
                uint64_t allowance = throttle_allowance(pass->throttle, pass->config, begun_ms);
                allowance = allowance < left ? allowance : left;
                size_t limit = allowance < batch->most ? (size_t)allowance : batch->most;
                if (limit == 0)
                        break;
                r = query_pending(pass->query, DELIVERY_STAGED, after_seq, limit, batch->rows, &batch->count);
                if (r < 0 || batch->count == 0)
                        break;
                after_seq = batch->rows[batch->count - 1].name.seq;
                pass->tried += batch->count;
                left -= batch->count;
                r = copy_batch(pass, batch);
                int published = batch->ready > 0 ? publish_batch(pass, batch) : 0;
                r = r < 0 ? r : published;
                batch->most = pace(pass, batch, clock_monotonic_ms() - begun_ms);
        }
        int marked = await_marking(pass, batch);
        remove_sent(pass, batch);
        pass->fault = marked < 0 ? marked : r;
        return pass->fault;
}
