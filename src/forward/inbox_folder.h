/* inbox_folder: what the two ways into a folder share. */
#ifndef INBOX_FOLDER_H
#define INBOX_FOLDER_H

#include "fsp/inbox.h"
#include <stdbool.h>

/* Fills identity and former.  local: one syncfs makes a whole batch durable there. */
int inbox_folder_describe(int fd, const char *path, struct inbox *ret_inbox, bool *ret_local);
/* Of an inbox of inbox_open_folder, which keeps it. */
int inbox_folder_fd(const struct inbox *inbox);

#endif
