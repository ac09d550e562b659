#include "fsp/pages.h"

#include "admin/web_site.h"
#include "fsp/clock.h"
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct pages {
        struct site site;
        struct web *web;
        struct config *config; /* what parts points into */
        char ledger_file[PATH_MAX];
        const char *folders[3];
};

static const struct web_route routes[] = {
        { "/", web_overview },
        { "/messages", web_messages },
        { "/messages/*", web_message },
        { "/clients", web_clients },
        { "/clients/*", web_client },
        { "/client", web_client },
        { "/reports", web_reports },
        { "/reports/*", web_report },
        { "/static/*", web_asset },
        { "/healthz", web_health },
        { "/healthz/full", web_health_full },
        { "/metrics", web_metrics },
        { "/api/v1/status", web_api_status },
        { "/api/v1/hours", web_api_hours },
        { "/api/v1/messages", web_api_messages },
        { "/api/v1/messages/*", web_api_message },
        { "/api/v1/messages/*/raw", web_api_raw },
        { "/api/v1/clients", web_api_clients },
        { "/api/v1/reports", web_api_reports },
        { "/api/v1/reports/*", web_api_report },
};

/* One reader's question must not keep a monitor waiting for long. */
#define ANSWER_WITHIN_MS 3000
/* Messages: some tens of milliseconds. */
#define UNCOUNTED 2000

static void begin(void *arg)
{
        const struct site *site = arg;

        query_within(site->query, ANSWER_WITHIN_MS, UNCOUNTED);
}

int pages_start(struct config *config, const struct control_parts *parts, struct pages **ret_pages)
{
        struct pages *pages = calloc(1, sizeof(*pages));
        struct web_options options = { .address = config->admin.address,
                                       .port = (unsigned)config->admin.port,
                                       .routes = routes,
                                       .route_count = sizeof(routes) / sizeof(routes[0]),
                                       .begin = begin };
        int r = pages ? query_open(config->ledger.file, &pages->site.query) : -ENOMEM;
        if (r == 0) {
                pages->config = config_ref(config);
                pages->site.parts = *parts;
                pages->site.started_ms = clock_wall_ms();
                options.arg = &pages->site;
                options.folders = pages->folders;
                (void)snprintf(pages->ledger_file, PATH_MAX, "%s", config->ledger.file); /* it was opened */
                pages->folders[0] = dirname(pages->ledger_file);
                pages->folders[1] = config->log.directory;
                r = web_start(&options, &pages->web);
        }
        if (r < 0) {
                pages_stop(pages);
                return r;
        }
        *ret_pages = pages;
        return 0;
}

void pages_stop(struct pages *pages)
{
        if (!pages)
                return;
        web_stop(pages->web);
        query_close(pages->site.query);
        config_unref(pages->config);
        free(pages);
}

const char *pages_url(const struct pages *pages)
{
        return web_url(pages->web);
}
