/* listener: the gate, from a client's connection to the answer.
 *
 * Owns      the listening socket, all client connections, and the loop thread
 *           in which libmicrohttpd runs and messages are read and judged.
 * Threads   every function may be called from the main thread; listener_view
 *           from any.  A request belongs to the loop, but for the time between
 *           ledger_submit and its done callback, when it is suspended and
 *           belongs to the writer.
 * Crash     nothing is kept: a client without an answer still owns its message.
 *
 * Protocol facts: POST to /SMS_FSP/.sms_fsp, anonymous, clear text; see
 * fspd-protocol(7) for the sources and what is uncertain. */
#ifndef FSP_LISTENER_H
#define FSP_LISTENER_H

#include "fsp/config.h"
#include "fsp/histogram.h"
#include "fsp/ledger.h"
#include "fsp/quota.h"
#include "fsp/verdict.h"
#include <stdint.h>

struct listener;

/* Binds listener.address and .port, or takes socket (from systemd; -1: none).
 * Nothing is accepted before listener_run.  -errno when it cannot listen. */
int listener_open(struct config *config, int socket, struct ledger *ledger, struct quota *quota,
                  struct listener **ret_listener);
int listener_run(struct listener *listener); /* -errno when the loop cannot start */
/* A new configuration: all keys but address, port, connections and idle_timeout. */
void listener_reload(struct listener *listener, struct config *config);
/* Accepts no more, answers what is in hand, closes all.  -ETIMEDOUT when that
 * takes longer than deadline_ms (whole seconds of it) from now (a disk that hangs): the loop is left behind,
 * and the process must end by _exit. */
int listener_stop(struct listener *listener, int64_t deadline_ms);
void listener_free(struct listener *listener); /* after stop; NULL is allowed */

/* "http://ADDRESS:PORT/PATH", of the socket in use. */
#define LISTENER_URL_SIZE 256
const char *listener_url(struct listener *listener, char ret_url[LISTENER_URL_SIZE]);

/* What an accepted message is about, by its first topic: 800, 1000, 1001, others. */
enum listener_topic { TOPIC_DEPLOYMENT, TOPIC_COMMUNICATION, TOPIC_CERTIFICATE, TOPIC_OTHER };
#define LISTENER_TOPICS 4

struct listener_view {
        uint64_t
                verdicts[VERDICT_COUNT]; /* requests on a client path, and refusals before a path was known */
        uint64_t topics[LISTENER_TOPICS];
        unsigned connections; /* open now */
        int64_t heartbeat_ms; /* monotonic: when the loop last came round */
};
struct listener_view listener_view(struct listener *listener);
/* From a request's head to its answer, microseconds. */
struct histogram_view listener_request_us(struct listener *listener);

#endif
