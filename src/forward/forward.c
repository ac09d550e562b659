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

/* Files of one flush, and of one commit for each of the two transitions. */
#define BATCH 256

struct batch {
        struct query_pending rows[BATCH];
        int64_t seqs[BATCH];
        size_t count, ready; /* read from the ledger; whole in the inbox, at the front */
};

/* The bytes to send; -EUCLEAN when they are not those that were staged. */
static int read_staged(struct pass *pass, const struct query_pending *row, unsigned char **ret_data,
                       size_t *ret_size)
{
        char file[NAME_SIZE];
        unsigned char digest[LEDGER_DIGEST_SIZE];
        (void)name_format_file(&row->name, NAME_SUFFIX, file);
        int r = fsutil_read_at(pass->quarantine.staging_fd, file, row->size, ret_data, ret_size);
        if (r < 0)
                return r == -EFBIG ? -EUCLEAN : r;
        ledger_digest(*ret_data, *ret_size, digest);
        if (*ret_size == row->size && memcmp(digest, row->digest, sizeof(digest)) == 0)
                return 0;
        free(*ret_data);
        *ret_data = NULL;
        return -EUCLEAN;
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
static int begin_copy(struct pass *pass, const struct query_pending *row)
{
        char temporary[NAME_SIZE];
        AUTO_FREE unsigned char *data = NULL;
        size_t size;
        int r = read_staged(pass, row, &data, &size);
        if (r == -EUCLEAN)
                return quarantine_message(&pass->quarantine, row,
                                          "the staged file is damaged: its checksum differs");
        /* Nobody but us has business there: it was sent, and the ledger has
         * lost that, or somebody removed it.  Which, is not guessed. */
        if (r == -ENOENT)
                return quarantine_message(
                        &pass->quarantine, row,
                        "its staged file is gone, so it may have been sent; fspctl requeue sends it (again)");
        (void)name_format_file(&row->name, NAME_TEMPORARY_SUFFIX, temporary);
        if (r < 0) {
                log_mgr(LOG_ERROR, "%s cannot be read from staging: %s", temporary, strerror(-r));
                return 0;
        }
        r = pass->inbox->kind->put(pass->inbox, temporary, data, size);
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

static int copy_batch(struct pass *pass, struct batch *batch)
{
        int results[BATCH], r = 0;
        size_t begun = 0;
        batch->ready = 0;
        while (r >= 0 && begun < batch->count) {
                results[begun] = begin_copy(pass, &batch->rows[begun]);
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
        unsigned char digest[LEDGER_DIGEST_SIZE];
        AUTO_FREE unsigned char *data = NULL;
        size_t size;
        (void)name_format_file(&row->name, NAME_SUFFIX, file);
        if (inbox->kind->read(inbox, file, row->size, &data, &size) < 0)
                return false;
        ledger_digest(data, size, digest);
        return size == row->size && memcmp(digest, row->digest, sizeof(digest)) == 0;
}

static int begin_publish(struct inbox *inbox, const struct query_pending *row)
{
        char temporary[NAME_SIZE], final[NAME_SIZE];
        return inbox->kind->publish(inbox, name_format_file(&row->name, NAME_TEMPORARY_SUFFIX, temporary),
                                    name_format_file(&row->name, NAME_SUFFIX, final));
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
        if (r != -EEXIST) {
                /* Of many on their way, the first to fail speaks for all. */
                if (r != pass->stuck)
                        log_mgr(LOG_ERROR, "%s cannot be renamed in %s: %s", temporary, pass->place,
                                inbox_explain(pass->place, r));
                return r;
        }
        bool same = is_same_file(inbox, row);
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
        int results[BATCH], r = 0;
        size_t begun = 0, published = 0;
        while (r == 0 && begun < batch->ready) {
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

static void remove_staged(struct pass *pass, const struct query_pending *rows, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                char file[NAME_SIZE];
                /* What stays behind is a leftover, swept at the next start. */
                if (unlinkat(pass->quarantine.staging_fd, name_format_file(&rows[i].name, NAME_SUFFIX, file),
                             0) < 0 &&
                    errno != ENOENT)
                        log_mgr(LOG_WARNING, "%s cannot be removed from staging: %s", file, strerror(errno));
        }
}

/* From "whole under .tmp, durably" to "there": nothing between may be left out. */
static int publish_batch(struct pass *pass, struct batch *batch)
{
        int64_t shipment;
        int r = delivery_mark_copied(pass->ledger, batch->seqs, batch->ready, pass->inbox_id, &shipment);
        if (r < 0)
                return r;
        throttle_charge(pass->throttle, batch->ready, clock_monotonic_ms());
        r = witness_write(pass->quarantine.staging_fd, shipment, batch->rows, batch->ready);
        if (r < 0)
                return r; /* nothing is renamed yet: the next run goes on from copied */
        size_t published;
        r = publish_all(pass, batch, &published);
        int settled = published > 0 ? pass->inbox->kind->settle(pass->inbox) : 0;
        if (settled < 0)
                return settled; /* the next run finds what has become of them */
        int marked =
                published > 0 ? delivery_mark_forwarded(pass->ledger, batch->seqs, published, shipment) : 0;
        if (marked < 0)
                return marked;
        remove_staged(pass, batch->rows, published);
        if (published == batch->ready)
                witness_settle(pass->quarantine.staging_fd, shipment);
        pass->copied += published;
        return r < 0 ? r : 0;
}

int forward_staged(struct pass *pass)
{
        AUTO_FREE struct batch *batch = calloc(1, sizeof(*batch));
        if (!batch)
                return -ENOMEM;
        int64_t after_seq = 0;
        uint64_t left = pass->due;
        int r = 0;
        while (r == 0 && left > 0 && !*pass->stop) {
                uint64_t allowance = throttle_allowance(pass->throttle, pass->config, clock_monotonic_ms());
                allowance = allowance < left ? allowance : left;
                size_t limit = allowance < BATCH ? (size_t)allowance : BATCH;
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
        }
        pass->fault = r;
        return r;
}
