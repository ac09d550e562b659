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

/* 1 whole in the inbox, 0 left out (quarantined or kept for the next run),
 * -errno when the inbox or the ledger is out of reach. */
static int copy_one(struct pass *pass, const struct query_pending *row)
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
        if (r == 0)
                return 1;
        log_mgr(LOG_ERROR, "%s cannot be written to %s: %s", temporary, pass->place, strerror(-r));
        /* One file that the inbox does not take must not hold up the others;
         * an inbox that takes none ends the run. */
        int health = pass->inbox->kind->check(pass->inbox);
        if (health < 0)
                return health;
        return r == -ENOSPC || r == -EDQUOT || r == -EROFS || r == -EACCES || r == -EPERM || r == -EIO ? r
                                                                                                       : 0;
}

static int copy_batch(struct pass *pass, struct batch *batch)
{
        int r = 0;
        batch->ready = 0;
        for (size_t i = 0; r >= 0 && i < batch->count; i++) {
                r = copy_one(pass, &batch->rows[i]);
                if (r == 1) {
                        batch->rows[batch->ready] = batch->rows[i];
                        batch->seqs[batch->ready++] = batch->rows[i].name.seq;
                }
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

int forward_publish(struct pass *pass, struct inbox *inbox, const struct query_pending *row)
{
        char temporary[NAME_SIZE], final[NAME_SIZE];
        (void)name_format_file(&row->name, NAME_TEMPORARY_SUFFIX, temporary);
        (void)name_format_file(&row->name, NAME_SUFFIX, final);
        int r = inbox->kind->publish(inbox, temporary, final);
        if (r == 0)
                return 1;
        if (r != -EEXIST) {
                log_mgr(LOG_ERROR, "%s cannot be renamed in %s: %s", temporary, pass->place, strerror(-r));
                return r;
        }
        bool same = is_same_file(inbox, row);
        (void)inbox->kind->remove(inbox, temporary); /* a .tmp is left alone by the site server */
        if (same)
                return 1;
        r = quarantine_message(&pass->quarantine, row, "the inbox has another file of that name");
        return r < 0 ? r : 0;
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
        size_t published = 0;
        for (size_t i = 0; r >= 0 && i < batch->ready; i++) {
                r = forward_publish(pass, pass->inbox, &batch->rows[i]);
                if (r < 0) {
                        pass->stuck = r; /* stays copied: the next run looks at it */
                        r = pass->inbox->kind->check(pass->inbox);
                } else if (r == 1) {
                        batch->rows[published] = batch->rows[i];
                        batch->seqs[published++] = batch->rows[i].name.seq;
                }
        }
        int settled = published > 0 ? pass->inbox->kind->settle(pass->inbox) : 0;
        if (settled < 0)
                return settled; /* the next run finds what has become of them */
        int marked =
                published > 0 ? delivery_mark_forwarded(pass->ledger, batch->seqs, published, shipment) : 0;
        if (marked < 0)
                return marked;
        remove_staged(pass, batch->rows, published);
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
