#include "fsp/quarantine.h"

#include "fsp/fsutil.h"
#include "fsp/log.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int write_from_ledger(const struct quarantine *quarantine, const struct query_pending *row,
                             const char *file)
{
        char temporary[NAME_SIZE];
        AUTO_FREE unsigned char *body = NULL;
        size_t size;
        int r = query_body(quarantine->query, row->name.seq, &body, &size);
        if (r < 0)
                return r;
        return fsutil_write_whole(quarantine->corrupt_fd,
                                  name_format_file(&row->name, NAME_TEMPORARY_SUFFIX, temporary), file, body,
                                  size);
}

int quarantine_message(const struct quarantine *quarantine, const struct query_pending *row,
                       const char *reason)
{
        char file[NAME_SIZE];
        (void)name_format_file(&row->name, NAME_SUFFIX, file);
        int r = delivery_mark_quarantined(quarantine->ledger, row->name.seq, reason);
        if (r < 0)
                return r;
        log_mgr(LOG_ERROR, "%s is quarantined: %s", file, reason);
        int moved = renameat(quarantine->staging_fd, file, quarantine->corrupt_fd, file) < 0 ? -errno : 0;
        if (moved == -ENOENT)
                moved = write_from_ledger(quarantine, row, file);
        if (moved < 0)
                log_mgr(LOG_ERROR, "%s cannot be put into the folder " QUARANTINE_FOLDER ": %s", file,
                        strerror(-moved));
        return 0;
}

void quarantine_forget(const char *staging_directory, const struct message_name *name)
{
        char path[PATH_MAX], file[NAME_SIZE];
        int length = snprintf(path, sizeof(path), "%s/" QUARANTINE_FOLDER "/%s", staging_directory,
                              name_format_file(name, NAME_SUFFIX, file));
        if (length < (int)sizeof(path) && unlink(path) < 0 && errno != ENOENT)
                log_mgr(LOG_WARNING, "%s cannot be removed: %s", path, strerror(errno));
}
