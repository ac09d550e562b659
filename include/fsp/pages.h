/* pages: the read-only web side on the admin address: the page for people,
 * JSON and CSV for programs, health and metrics for monitors.
 *
 * Owns      the table of routes and, through web.h, a socket and a thread with
 *           a reading connection to the ledger.
 * Threads   pages_start, pages_stop: the main thread, while all the parts live.
 * Crash     nothing is kept. */
#ifndef FSP_PAGES_H
#define FSP_PAGES_H

#include "fsp/control.h"

struct pages;
/* On admin.address and admin.port, which must not be off.  -errno when it cannot listen. */
int pages_start(struct config *config, const struct control_parts *parts, struct pages **ret_pages);
void pages_stop(struct pages *pages); /* NULL is allowed */
/* "http://ADDRESS:PORT/", until pages_stop. */
const char *pages_url(const struct pages *pages);

#endif
