/* ledger: the memory.  A message is a row; a 200 is a committed row.
 *
 * Owns      the SQLite file, the one connection that writes it, the writer
 *           thread, and the way in.  The ways on are in delivery.h.
 * Threads   every function may be called from any thread.  Those that change
 *           something are carried out by the writer, many callers in one
 *           transaction; ledger_submit returns at once, the others wait for
 *           the commit.
 * Crash     what has been answered or returned with 0 is on disk for certain
 *           (WAL, synchronous=FULL).  After a fault of the disk the connection
 *           is closed and opened again; meanwhile everything is refused. */
#ifndef FSP_LEDGER_H
#define FSP_LEDGER_H

#include "fsp/config.h"
#include "fsp/histogram.h"
#include "fsp/message.h"
#include "fsp/name.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_DIGEST_SIZE 16
/* Tells duplicates and damage: BLAKE2b of the message's bytes (RFC 7693).  Where there
 * is an even number of them and each second is NUL, but for a byte order mark FF FE in
 * front, of the first of each two after that mark; the personal string is then "UTF-16",
 * with the mark "UTF-16 BOM". */
void ledger_digest(const void *bytes, size_t size, unsigned char ret_digest[LEDGER_DIGEST_SIZE]);
/* Is that the bytes' digest?  Up to version 4 of the ledger it was of all bytes, always. */
bool ledger_digest_fits(const void *bytes, size_t size, const unsigned char digest[LEDGER_DIGEST_SIZE]);

struct ledger;

/* The file of a damaged ledger.  progress is called now and then while it is
 * read; when it says false, the work is left: -EINTR. */
struct ledger_damaged {
        const char *path;
        bool (*progress)(void *arg);
        void *progress_arg;
};

/* Opens or makes the file and starts the writer.  -EUCLEAN when it is no
 * ledger or damaged (see rebuild.h); other -errno when it cannot be used.
 * damaged: NULL, or the one whose sound rows are taken over into this new one. */
int ledger_open(struct config *config, const struct ledger_damaged *damaged, struct ledger **ret_ledger);
void ledger_close(struct ledger *ledger); /* commits what was submitted; NULL is allowed */
void ledger_reload(struct ledger *ledger, struct config *config);

/* One piece of work for the writer; the base of all that follows. */
struct ledger_job {
        struct ledger_job *next;
        /* In the writer's transaction.  0, or -errno: the whole batch is rolled back. */
        int (*run)(struct ledger *ledger, struct ledger_job *job);
        /* After the commit (0) or the rollback (-errno); the job is the caller's again. */
        void (*done)(struct ledger_job *job, int result);
};
/* Returns at once; done is called in the writer's thread. */
void ledger_submit_job(struct ledger *ledger, struct ledger_job *job);
/* Submits and waits; the result that done would get.  Never from the writer's thread. */
int ledger_call(struct ledger *ledger, struct ledger_job *job);

/* A message on its way in.  The submitter fills the first group and calls
 * ledger_intake_prepare (packing) in its own thread, and may make the digest there. */
struct ledger_intake {
        struct ledger_job job;
        const struct report *report;
        char client_address[46];
        void (*done)(struct ledger_intake *intake);
        /* the writer's answer: VERDICT_ACCEPTED, _DUPLICATE or _STORE_FAULT */
        enum verdict verdict;
        struct message_name name;
        /* private */
        bool has_digest;
        unsigned char digest[LEDGER_DIGEST_SIZE];
        unsigned char *packed;
        size_t packed_size, texts_size, packed_room; /* the texts lie behind what packed_size says */
};
int ledger_intake_prepare(struct ledger_intake *intake); /* -ENOMEM */
/* After that.  What is left out the writer does: 2 us for 4 KB. */
void ledger_intake_digest(struct ledger_intake *intake);
/* Returns at once; done is called in the writer's thread, with the verdict set. */
void ledger_submit(struct ledger *ledger, struct ledger_intake *intake);
void ledger_intake_free(struct ledger_intake *intake); /* its buffer, not itself */

/* Somebody has read a row that is not what was written: no more is taken or
 * changed (fault -EUCLEAN); the next start sets the ledger aside. */
void ledger_doubt(struct ledger *ledger);
/* Found at the open: the ledger is sound, but later commits are missing, so a
 * message may have gone further than its row says. */
bool ledger_is_suspect(struct ledger *ledger);

struct ledger_totals {
        uint64_t received, staged, copied, quarantined; /* messages now in that state */
        uint64_t bytes;                                 /* of all four */
        uint64_t received_room; /* bytes of disk that the files of those received will take */
        bool online;            /* commits work */
        int fault;              /* -errno of the last fault while not online */
};
struct ledger_totals ledger_totals(struct ledger *ledger);
/* Receipt of the oldest one not forwarded; CLOCK_UNKNOWN: none. */
int64_t ledger_oldest_ms(struct ledger *ledger);
/* Jobs a transaction, since the start. */
struct histogram_view ledger_batches(struct ledger *ledger);
uint64_t ledger_commits(struct ledger *ledger); /* transactions since the start */

const char *ledger_path(struct ledger *ledger);

/* Rings after a commit that received messages: the stager's bell. */
void ledger_on_received(struct ledger *ledger, void (*ring)(void *arg), void *arg);
/* No more than so many of the messages that wait or come are taken in the next
 * for_ms; after that, or once this is said again, the others.  Nobody is held
 * back at a stop or a fault, nor is anything but messages. */
void ledger_pace(struct ledger *ledger, int64_t messages, int64_t for_ms);

#endif
