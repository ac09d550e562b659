/* cmd_clients: lists of clients, for the commands that show them. */
#ifndef ADMIN_CMD_CLIENTS_H
#define ADMIN_CMD_CLIENTS_H

#include "admin/cmd.h"
#include "fsp/viewer.h"

/* Shows the clients of a report, or, for NULL, all of them.  Complains itself. */
int cmd_show_clients(const struct cmd_arguments *arguments, const struct config *config,
                     const enum viewer_report *report, const struct viewer_filter *filter);

#endif
