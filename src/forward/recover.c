/* What a crash left between copied and forwarded.
 *
 * N.tmp present: the rename did not happen, so it is done now.  Absent: it
 * did.  That holds only in the very inbox the row names. */
#include "forward.h"

#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include "fsp/witness.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 256

struct recovery {
        struct pass *pass;
        int64_t id;                       /* of the inbox last looked up; 0: none */
        struct inbox *opened;             /* another one than the pass's: ours to close */
        struct inbox *inbox;              /* where rows of id are to be decided; NULL: nowhere now */
        bool gone;                        /* an inbox of the past that is out of reach */
        const struct query_pending *rows; /* of this batch */
        size_t count;
        bool witnessed; /* it is: no rename before that */
        int64_t arrived[BATCH], published[BATCH];
        struct query_pending done[BATCH];
        size_t arrived_count, published_count, done_count;
        uint64_t waiting;
};

static bool is_configured(const struct pass *pass, const char *place)
{
        return strcmp(place, pass->config->forwarder.inbox) == 0 ||
               strcmp(place, pass->config->forwarder.inbox_fallback) == 0;
}

/* That it cannot be opened now says nothing of the place. */
static bool is_passing(int fault)
{
        return fault == -EMFILE || fault == -ENFILE || fault == -ENOMEM || fault == -EAGAIN || fault == -EIO;
}

/* Finds the inbox that rows of this id were begun in. */
static int find_inbox(struct recovery *recovery, int64_t id)
{
        struct pass *pass = recovery->pass;
        AUTO_FREE char *identity = NULL;
        AUTO_FREE char *place = NULL;
        if (recovery->id == id)
                return 0;
        if (recovery->opened)
                recovery->opened->kind->close(recovery->opened);
        recovery->opened = recovery->inbox = NULL;
        recovery->gone = false;
        recovery->id = id;
        if (id == pass->inbox_id) {
                recovery->inbox = pass->inbox;
                return 0;
        }
        int r = query_inbox(pass->query, id, &identity, &place);
        if (r == -ENOENT) { /* a ledger that was damaged: nobody knows where it was */
                recovery->gone = true;
                return 0;
        }
        if (r < 0)
                return r;
        r = inbox_open_again(pass->config, place, pass->quarantine.staging_fd, identity, &recovery->opened);
        if (r == 0)
                recovery->inbox = recovery->opened;
        /* The place of a configured inbox may come back (a share not mounted);
         * one that is configured no more is not waited for. */
        recovery->gone = !recovery->inbox && !is_configured(pass, place) && !is_passing(r);
        if (is_passing(r))
                log_mgr(LOG_ERROR, "The inbox %s, where messages are half-way, cannot be opened now: %s",
                        place, inbox_explain(place, r));
        return 0;
}

/* The crash may have come before the batch was witnessed. */
static int bear_witness(struct recovery *recovery)
{
        int64_t shipment;
        if (recovery->witnessed)
                return 0;
        struct message_name names[BATCH];
        for (size_t i = 0; i < recovery->count; i++)
                names[i] = recovery->rows[i].name;
        int r = query_last_shipment(recovery->pass->query, &shipment);
        if (r == 0)
                r = witness_write(recovery->pass->quarantine.staging_fd, shipment, names, recovery->count,
                                  false);
        recovery->witnessed = r == 0;
        return r;
}

static int decide(struct recovery *recovery, const struct query_pending *row)
{
        char temporary[NAME_SIZE];
        int there = recovery->inbox->kind->exists(
                recovery->inbox, name_format_file(&row->name, NAME_TEMPORARY_SUFFIX, temporary));
        if (there < 0)
                return there;
        if (there == 0) {
                /* Its absence counts only while this is certainly the place. */
                int r = recovery->inbox->kind->check(recovery->inbox);
                if (r < 0)
                        return r;
                recovery->arrived[recovery->arrived_count++] = row->name.seq;
        } else {
                int r = bear_witness(recovery);
                if (r < 0)
                        return r;
                r = forward_publish(recovery->pass, recovery->inbox, row);
                if (r < 0) {
                        /* One file must not hold up the others. */
                        int health = recovery->inbox->kind->check(recovery->inbox);
                        recovery->pass->stuck = r;
                        return health;
                }
                if (r == 0)
                        return 0;
                recovery->published[recovery->published_count++] = row->name.seq;
        }
        recovery->done[recovery->done_count++] = *row;
        return 0;
}

static int recover_one(struct recovery *recovery, const struct query_pending *row)
{
        int r = find_inbox(recovery, row->inbox);
        if (r < 0)
                return r;
        if (recovery->inbox)
                return decide(recovery, row);
        if (!recovery->gone) {
                recovery->waiting++;
                return 0;
        }
        return quarantine_message(
                &recovery->pass->quarantine, row,
                "it was on its way to an inbox that is configured no more and cannot be reached;"
                " fspctl requeue sends it to the new one");
}

static int commit_batch(struct recovery *recovery)
{
        struct pass *pass = recovery->pass;
        int r = recovery->inbox && recovery->done_count ? recovery->inbox->kind->settle(recovery->inbox) : 0;
        if (r == 0 && recovery->arrived_count)
                r = delivery_mark_forwarded(pass->ledger, recovery->arrived, recovery->arrived_count, 0);
        if (r == 0 && recovery->published_count) {
                throttle_charge(pass->throttle, recovery->published_count, clock_monotonic_ms());
                r = delivery_mark_forwarded(pass->ledger, recovery->published, recovery->published_count,
                                            DELIVERY_NEW_SHIPMENT);
        }
        if (r < 0)
                return r;
        for (size_t i = 0; i < recovery->done_count; i++) {
                char file[NAME_SIZE];
                /* What stays is a leftover, swept at the next start. */
                (void)unlinkat(pass->quarantine.staging_fd,
                               name_format_file(&recovery->done[i].name, NAME_SUFFIX, file), 0);
        }
        pass->tried += recovery->published_count;
        pass->copied += recovery->published_count;
        if (recovery->done_count)
                log_mgr(LOG_INFO, "Finished an interrupted run: %zu file(s) had arrived, %zu are renamed now",
                        recovery->arrived_count, recovery->published_count);
        recovery->arrived_count = recovery->published_count = recovery->done_count = 0;
        return 0;
}

/* Rows of one inbox at a time, so that one settle serves them. */
static int recover_batch(struct recovery *recovery, const struct query_pending *rows, size_t count)
{
        int r = 0;
        recovery->rows = rows;
        recovery->count = count;
        recovery->witnessed = false;
        for (size_t i = 0; r == 0 && i < count && !*recovery->pass->stop; i++) {
                if (i > 0 && rows[i].inbox != rows[i - 1].inbox)
                        r = commit_batch(recovery);
                if (r == 0)
                        r = recover_one(recovery, &rows[i]);
        }
        int committed = commit_batch(recovery);
        return r < 0 ? r : committed;
}

/* No row is copied any more. */
static int settle_witness(struct pass *pass)
{
        int64_t shipment;
        int r = query_last_shipment(pass->query, &shipment);
        if (r == 0)
                witness_settle(pass->quarantine.staging_fd, shipment);
        return r;
}

int forward_recover(struct pass *pass)
{
        AUTO_FREE struct recovery *recovery = calloc(1, sizeof(*recovery));
        AUTO_FREE struct query_pending *rows = calloc(BATCH, sizeof(*rows));
        if (!recovery || !rows)
                return -ENOMEM;
        recovery->pass = pass;
        int64_t after_seq = 0;
        size_t count = 0;
        int r;
        do {
                r = query_pending(pass->query, DELIVERY_COPIED, after_seq, BATCH, rows, &count);
                if (r < 0 || count == 0)
                        break;
                after_seq = rows[count - 1].name.seq;
                r = recover_batch(recovery, rows, count);
        } while (r == 0 && !*pass->stop);
        if (recovery->opened)
                recovery->opened->kind->close(recovery->opened);
        if (r == 0 && !recovery->waiting && !pass->stuck && !*pass->stop)
                r = settle_witness(pass);
        if (recovery->waiting)
                pass->stuck = -ESTALE;
        if (recovery->waiting)
                log_mgr(LOG_ERROR,
                        "%llu message(s) were half-way into %s when it was another folder or file system; "
                        "they wait until"
                        " it is back (is it mounted?), or for fspctl requeue",
                        (unsigned long long)recovery->waiting, pass->place);
        pass->fault = r;
        return r;
}
