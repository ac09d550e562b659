/* The status as one row: apart from what gathers it, which the tool does not link. */
#include "admin/status.h"

#include <errno.h>
#include <stdio.h>

const struct format_column status_columns[] = {
        { .key = "availability", .title = "Availability" },
        { .key = "reasons", .title = "Because" },
        { .key = "site_code", .title = "Site code" },
        { .key = "version", .title = "Version" },
        { .key = "listen", .title = "Listening on" },
        { .key = "admin", .title = "Web page" },
        { .key = "staged", .title = "Staged" },
        { .key = "oldest_staged_seconds", .title = "Oldest, seconds" },
        { .key = "quarantined", .title = "Quarantined" },
        { .key = "received", .title = "Received" },
        { .key = "forwarded", .title = "Forwarded" },
        { .key = "duplicates", .title = "Duplicates" },
        { .key = "refused", .title = "Refused" },
        { .key = "last_run_started", .title = "Last run" },
        { .key = "last_run_tried", .title = "  tried" },
        { .key = "last_run_copied", .title = "  copied" },
        { .key = "last_run_seconds", .title = "  seconds" },
        { .key = "next_run", .title = "Next run" },
        { .key = "draining", .title = "Draining" },
        { .key = "connections", .title = "Connections" },
};
const size_t status_column_count = sizeof(status_columns) / sizeof(status_columns[0]);

int status_spread(json_t *row)
{
        json_t *run = json_object_get(row, "last_run");
        const char *key;
        json_t *value;

        json_object_foreach(run, key, value)
        {
                char name[64];

                (void)snprintf(name, sizeof(name), "last_run_%s", key); /* our own short keys */
                if (json_object_set(row, name, value) < 0)
                        return -ENOMEM;
        }
        return 0;
}
