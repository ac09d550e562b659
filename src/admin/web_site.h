/* What the files of the web side share: the handlers of its routes.
 *
 * All of it belongs to the web's thread. */
#ifndef ADMIN_WEB_SITE_H
#define ADMIN_WEB_SITE_H

#include "admin/format.h"
#include "admin/message_filter.h"
#include "admin/status.h"
#include "fsp/query.h"
#include "fsp/web.h"

#define WEB_JSON "application/json"
#define WEB_CSV "text/csv; charset=utf-8; header=present"
#define WEB_HTML "text/html; charset=utf-8"

struct site {
        struct control_parts parts;
        struct query *query;
        int64_t started_ms; /* wall */
};

typedef int web_handler_fn(void *arg, const struct web_request *request, struct web_answer *answer);

/* web_health.c, web_metrics.c */
web_handler_fn web_health, web_health_full, web_metrics;
/* web_api.c */
web_handler_fn web_api_status, web_api_messages, web_api_message, web_api_raw, web_api_hours;
/* web_api_clients.c */
web_handler_fn web_api_clients, web_api_reports, web_api_report;
/* web_overview.c, web_messages.c, web_clients.c, web_client.c, web_reports.c */
web_handler_fn web_overview, web_messages, web_message, web_clients, web_client, web_reports, web_report;
/* web_asset.c */
web_handler_fn web_asset;

/* What q, since, until, ... of a request ask for.  -EINVAL: ret_filter->why says what is wrong. */
int web_filter_read(const struct web_request *request, struct message_filter *ret_filter);

/* Long lists go out in pieces.  A kind of list begins with this. */
#define WEB_PIECE_ROWS 200
struct web_listing {
        struct site *site;
        struct format format;
        uint64_t left; /* rows still wanted */
        bool begun;
        /* Writes at most limit rows through format; *ret_count of them. */
        int (*piece)(struct web_listing *listing, uint64_t limit, uint64_t *ret_count);
};
/* Takes over the malloc'd listing (piece filled in), whatever it returns.  limit 0: all rows.
 * JSON, or CSV where format=csv asks for it; -EINVAL for another format. */
int web_listing_start(struct web_listing *listing, struct site *site, const struct web_request *request,
                      const struct format_column *columns, size_t column_count, uint64_t limit,
                      struct web_answer *answer);
/* json (the default) or csv?  -EINVAL, with a line in answer->out. */
int web_wants_csv(const struct web_request *request, struct web_answer *answer, bool *ret_csv);

#endif
