/* capture: each request and our answer, as files, for the first contact with
 * a real client (its wire format is unpublished).
 *
 * In the folder listener.capture, for each request
 *   TIME-NUMBER.head    the request line and headers, as received
 *   TIME-NUMBER.body    the body as received (without chunk framing)
 *   TIME-NUMBER.answer  peer, time, our status and reason
 * at most listener.capture_limit requests; what is there at the start counts.
 *
 * Threads   capture_open: the main thread, since the loop's reaches no files;
 *           all others: the loop.  The files are written by a thread of
 *           capture's own, so that no answer ever waits for them.  Its queue is
 *           bounded: what does not fit is counted and said in the log.
 * Crash     nothing is synced. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "fsp/verdict.h"
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture;
struct capture_record {
        struct capture_record *next;
        int64_t received_ms;
        char *uri; /* raw; NULL once it stands in the head */
        char *head;
        size_t head_size;
        unsigned char *body;
        size_t body_size;
        char peer[64];
        enum verdict verdict;
        bool unanswered; /* whatever the verdict would have been */
};

int capture_open(const char *folder, unsigned limit, struct capture **ret_capture);
/* Says in the log that it is in force from here on. */
void capture_announce(const struct capture *capture, const char *folder);
/* What a queue leaves of listener.memory for others; capture may be NULL.  A
 * closed one's counts for as long as its thread has not written it all. */
size_t capture_leaves(size_t memory, const struct capture *capture);
/* Off (NULL), or capture_limit is reached. */
bool capture_is_over(const struct capture *capture);
/* What is queued is still written, by its own thread, which then ends by itself;
 * waited for at most wait_ms.  NULL is allowed. */
void capture_close(struct capture *capture, int64_t wait_ms);

/* NULL when the limit is reached or memory is short. */
struct capture_record *capture_begin(struct capture *capture, const char *uri);
/* The head of a connection's later request, put together again from what
 * libmicrohttpd made of it: byte for byte where gate.c finds it canonical. */
void capture_head(struct capture_record *record, struct MHD_Connection *mhd, const char *method,
                  const char *version);
/* Takes head, which is malloc'd. */
void capture_raw_head(struct capture_record *record, char *head, size_t size);
/* Takes the record.  memory: listener.memory, a share of which all queues may
 * take together. */
void capture_submit(struct capture *capture, struct capture_record *record, size_t memory);
void capture_discard(struct capture_record *record);

#endif
