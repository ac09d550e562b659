/* control: the orders, over the Unix socket admin.socket, and what they say.
 *
 * One order a connection: the client sends one JSON object and a line end, at
 * most CONTROL_MAX_REQUEST bytes; the daemon answers one JSON object and a
 * line end and closes.
 *   {"order":"status"}   the object of `fspctl status --json`
 *   {"order":"forward"}  {"tried":Y,"copied":X,"fault":null or text}, when the
 *                        run is over; {"timeout":true} after 60 s
 *   {"order":"requeue","ids":[...]}, {"order":"resend","since":"RFC 3339"}
 *                        {"requeued":N,"refused":[{"id":...,"why":...}]}
 *   {"order":"drain"}    new messages are refused from here on
 * A refused order answers {"error":"text"}.  Who may open the socket file
 * (mode 0660) may order.
 *
 * Owns      the socket file and one thread.
 * Threads   control_start, control_stop: the main thread.  The thread reads
 *           the parts by their public headers only and rings bells; it never
 *           touches staging or inbox. */
#ifndef FSP_CONTROL_H
#define FSP_CONTROL_H

#include "fsp/config.h"
#include "fsp/forwarder.h"
#include "fsp/ledger.h"
#include "fsp/listener.h"
#include "fsp/quota.h"
#include "fsp/stager.h"

#define CONTROL_MAX_REQUEST 65536
#define CONTROL_FORWARD_TIMEOUT_MS 60000

/* The running daemon, as admin sees it.  All must live until control_stop and pages_stop. */
struct control_parts {
        struct ledger *ledger;
        struct quota *quota;
        struct listener *listener;
        struct stager *stager;
        struct forwarder *forwarder;
        const char *site_code;
        const char *admin_url; /* NULL: no page */
        const char *staging_directory;
};
struct control;
/* -EADDRINUSE when another fspd answers on the socket; a dead one's file is
 * replaced.  Other -errno when the socket cannot be made. */
int control_start(struct config *config, const struct control_parts *parts, struct control **ret_control);
void control_stop(
        struct control *control); /* waits for the thread; removes the socket file; NULL is allowed */

#endif
