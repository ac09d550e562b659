/* What the files of the ledger room share. */
#ifndef LEDGER_PRIVATE_H
#define LEDGER_PRIVATE_H

#include "fsp/delivery.h"
#include "fsp/histogram.h"
#include "fsp/params.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

/* The statements of the writing connection; their text stands in statements.c. */
enum statement {
        STATEMENT_BEGIN,
        STATEMENT_COMMIT,
        STATEMENT_ROLLBACK,
        STATEMENT_DUPLICATE,
        STATEMENT_SEEN_LOOK,
        STATEMENT_SEEN_ADD,
        STATEMENT_SEEN_PROGRESS,
        STATEMENT_SEEN_PROGRESS_LOOK,
        STATEMENT_SEEN_ROWS,
        STATEMENT_SEEN_FORGET,
        STATEMENT_INSERT_MESSAGE,
        STATEMENT_INSERT_STATE,
        STATEMENT_INSERT_BODY,
        STATEMENT_MARK_LOOK,
        STATEMENT_MARK_STAGED,
        STATEMENT_MARK_COPIED,
        STATEMENT_MARK_FORWARDED,
        STATEMENT_MARK_QUARANTINED,
        STATEMENT_REQUEUE_LOOK,
        STATEMENT_REQUEUE,
        STATEMENT_REQUEUE_SINCE,
        STATEMENT_OLDEST,
        STATEMENT_KEEP_TEXTS,
        STATEMENT_DELETE_BODY,
        STATEMENT_FIND_INBOX,
        STATEMENT_INSERT_INBOX,
        STATEMENT_INSERT_SHIPMENT,
        STATEMENT_GROW_SHIPMENT,
        STATEMENT_SHIPMENT_DONE,
        STATEMENT_DELETE_SHIPMENTS,
        STATEMENT_RESUME_SHIPMENTS,
        STATEMENT_PROBE,
        STATEMENT_COUNT_HOUR,
        STATEMENT_DELETE_HOURS,
        STATEMENT_EXPIRED,
        STATEMENT_NEXT_EXPIRED,
        STATEMENT_DELETE_MESSAGE,
        STATEMENT_DELETE_STATES,
        STATEMENT_ARCHIVED,
        STATEMENT_VACUUM,
        STATEMENT_ROLLED,
        STATEMENT_LOOK_LINK,
        STATEMENT_KEEP_LINK,
        STATEMENT_FORGET_LINK,
        STATEMENT_STEP_BACK,
        STATEMENT_FORGET_CLIENT,
        STATEMENT_FORGET_STATES,
        STATEMENT_FORGET_NAMES,
        STATEMENT_FORGET_KINDS,
        STATEMENT_FORGET_SPANS,
        STATEMENT_COUNT
};

struct ledger_queue {
        struct ledger_job *first, **last; /* last: nothing while first is NULL */
};

struct ledger {
        /* Constant after open. */
        char *path;
        int lock_fd; /* flock on PATH.lock: one fspd a ledger */
        unsigned node;
        int64_t former_digests_ms; /* rows received up to then may have them; 0: none has */
        bool wal_has_lost;         /* as it lay there before SQLite looked at it */
        bool suspect;              /* commits were lost since it was last written */

        /* Under lock. */
        pthread_mutex_t lock;
        pthread_cond_t wake;
        struct ledger_queue orders, messages;
        int64_t pace_left, pace_until_ms; /* so many messages may be taken until then; monotonic */
        struct config *config;
        bool stopping;
        void (*ring)(void *arg);
        void *ring_arg;

        /* The writer's (before it runs: the opener's). */
        pthread_t thread;
        sqlite3 *db;
        sqlite3_stmt *statements[STATEMENT_COUNT];
        struct config *batch_config;
        struct recent *recent;
        struct params_text params;
        int64_t last_seq, last_name_ms;
        int64_t delta[DELIVERY_COUNT], delta_bytes; /* of the open transaction */
        int64_t delta_room;                         /* likewise: received_room */
        int64_t accepted, forwarded;                /* by the open transaction */
        int wal_pages;
        int64_t files_ms;                  /* monotonic: files were made or moved */
        int64_t retry_ms, retention_ms;    /* monotonic: when to try again, to tidy again */
        int64_t expired_seq, archived_seq; /* how far the sweeps of retention.c are; 0: none */
        int64_t archived_to;               /* where that of the bodies ends */
        int64_t forwarded_seq;             /* the highest one since it began; 0: none */
        int64_t rolled_seq, roll_ms;       /* the cursor of rollup.h; when to move it again */
        int64_t roll_messages;             /* its last step */
        int64_t batch_ms, rush_ms;         /* the last batch; the first of those in a row */

        /* Read by anyone. */
        _Atomic int64_t totals[DELIVERY_COUNT];
        _Atomic int64_t bytes, received_room;
        _Atomic uint64_t commits;
        struct histogram batch; /* jobs in a transaction */
        _Atomic int fault;      /* 0 while online, else -errno */
};

/* job.c: a job's caller who waits, now or later: the job's done is wrapped. */
struct ledger_waiter {
        struct ledger_job job;
        struct ledger *ledger;
        struct ledger_job *inner;
        bool (*go_on)(struct ledger_job *inner);
        pthread_mutex_t lock;
        pthread_cond_t over;
        bool finished;
        int result;
};
/* go_on, or NULL: asked after each commit, in the writer's thread; true: the job
 * is run once more, after those that others have submitted meanwhile. */
void ledger_begin_call(struct ledger *ledger, struct ledger_job *job, bool (*go_on)(struct ledger_job *job),
                       struct ledger_waiter *waiter);
int ledger_end_call(struct ledger_waiter *waiter);
void ledger_submit_message(struct ledger *ledger, struct ledger_job *job);
/* The writer's, with the lock held. */
void ledger_await_jobs(struct ledger *ledger, int64_t until_ms);
/* At most so many, orders first; each kind in the order they came.  NULL: none. */
struct ledger_job *ledger_take_jobs(struct ledger *ledger, int64_t most);

/* schema.c */
int ledger_connect(const char *path, bool create, sqlite3 **ret_db);
int ledger_load(struct ledger *ledger); /* last_seq, totals, node; -EUCLEAN when damaged */
void ledger_mark_stopped(struct ledger *ledger);
/* -errno for a result code of SQLite; 0 for OK, ROW and DONE. */
int ledger_errno(int result);

/* statements.c */
sqlite3_stmt *ledger_statement(struct ledger *ledger,
                               enum statement which); /* reset; NULL: out of memory or damage */
void ledger_finalize(struct ledger *ledger);
/* The same with ?1, ?2 and so on bound to these numbers. */
sqlite3_stmt *ledger_bind(struct ledger *ledger, enum statement which, const int64_t *numbers, int count);
#define LEDGER_BOUND(ledger, which, ...)                                                                     \
        ledger_bind(ledger, which, (const int64_t[]){ __VA_ARGS__ },                                         \
                    (int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)))
/* Steps a statement that gives no row, then resets it; NULL: why there is none. */
int ledger_run(struct ledger *ledger, sqlite3_stmt *statement);
int ledger_run_simple(struct ledger *ledger, enum statement which);
#define LEDGER_RUN(ledger, which, ...) ledger_run(ledger, LEDGER_BOUND(ledger, which, __VA_ARGS__))
/* The one number that a statement gives, then resets it.  -ENOENT: no row, or null. */
int ledger_step_number(sqlite3_stmt *statement, int64_t *ret_number);
/* The same of sql, on any connection. */
int ledger_read_number(sqlite3 *db, const char *sql, int64_t *ret_number);

/* digest.c: of all bytes, as up to version 4 of the ledger. */
void ledger_former_digest(const void *bytes, size_t size, unsigned char ret_digest[LEDGER_DIGEST_SIZE]);

/* seal.c */
int64_t ledger_seal(const struct message_name *name, enum delivery delivery, size_t size, int64_t inbox,
                    const unsigned char *digest);
int ledger_seal_schema(sqlite3 *db);
int ledger_check_schema(sqlite3 *db); /* -EUCLEAN: not the tables that were sealed */

/* functions.c */
int ledger_add_functions(sqlite3 *db);

/* damage.c: 0, or -EUCLEAN when rows or pages are not what we wrote.
 * *ret_suspect: all is sound, but later commits are missing. */
int ledger_verify(const char *path, sqlite3 *db, bool wal_has_lost, bool *ret_suspect);
bool ledger_wal_has_lost(const char *path);

/* salvage.c: what is sound in another, damaged ledger is copied into db. */
int ledger_salvage(sqlite3 *db, const struct ledger_damaged *damaged, bool *ret_suspect);

/* writer.c */
/* What a file of size bytes takes of a disk, in C and in SQL. */
#define LEDGER_FILE_ROOM(size) (((size) + 4095) / 4096 * 4096)
void ledger_count(struct ledger *ledger, enum delivery from, enum delivery to, int64_t size);
#define LEDGER_NOWHERE ((enum delivery)DELIVERY_COUNT) /* no row yet, or none any more */

/* intake.c */
#define LEDGER_PARTS 1024 /* state.id is seq * LEDGER_PARTS + part */
/* In SQL: the ids of the states of some messages, and from an id back. */
#define LEDGER_TEXT_OF(number) #number
#define LEDGER_TEXT(number) LEDGER_TEXT_OF(number)
#define LEDGER_FIRST_STATE(seq) seq " * " LEDGER_TEXT(LEDGER_PARTS)
#define LEDGER_LAST_PART LEDGER_TEXT(LEDGER_PARTS) " - 1"
#define LEDGER_STATES(first, last)                                                                           \
        "BETWEEN " LEDGER_FIRST_STATE(first) " AND " LEDGER_FIRST_STATE(last) " + " LEDGER_LAST_PART
#define LEDGER_SEQ(id) "(" id " / " LEDGER_TEXT(LEDGER_PARTS) ")"
#define LEDGER_PART(id) "(" id " % " LEDGER_TEXT(LEDGER_PARTS) ")"
/* What state s of message m says, however it is kept: see texts.h. */
#define LEDGER_UNPACK(what)                                                                                  \
        "packed_" what "(s.params, m.size, (SELECT b.data FROM main.body b WHERE b.seq = m.seq))"
#define LEDGER_PARAMS "iif(typeof(s.params) = 'blob', " LEDGER_UNPACK("params") ", s.params)"
#define LEDGER_DETAILS "iif(typeof(s.params) = 'blob', " LEDGER_UNPACK("details") ", s.details)"

/* hour.c: what the open transaction accepted and forwarded, in its hour. */
int ledger_count_hour(struct ledger *ledger);
int ledger_forget_hours(struct ledger *ledger);

/* retention.c: one small step; 1 when there is more to do, 0, -errno.  busy: others
 * wait, or soon will, so the file does not shrink. */
int ledger_tidy(struct ledger *ledger, bool busy);
/* The body of that message goes; what its state says stays. */
int ledger_forget_body(struct ledger *ledger, int64_t seq);

#endif
