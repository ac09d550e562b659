/* web_viewer: what a request asks of clients and reports.
 *
 * All of it belongs to the web's thread. */
#ifndef ADMIN_WEB_VIEWER_H
#define ADMIN_WEB_VIEWER_H

#include "fsp/viewer.h"
#include "fsp/web.h"
#include <stdio.h>

struct site;

struct web_viewer_filter {
        struct viewer_filter filter;
        char client[256], state_class[64];
};
/* -EINVAL, with a line in answer->out. */
int web_viewer_read(const struct web_request *request, struct web_answer *answer,
                    struct web_viewer_filter *ret_filter);
/* To be called where filter lies in the end: its strings stand in it. */
const struct viewer_filter *web_viewer_filter(struct web_viewer_filter *filter);
/* web_clients.c: a page of the clients, or of a report's; report: VIEWER_REPORT_COUNT for all of them. */
int web_viewer_clients(struct site *site, FILE *out, const struct web_request *request,
                       struct web_viewer_filter *filter, enum viewer_report report);
/* The list goes on after this client. */
void web_viewer_after(struct viewer_filter *filter, const struct viewer_client *client);

#endif
