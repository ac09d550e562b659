/* cmd_send: a state message as a client makes one.  cmd_report.c writes it,
 * cmd_send.c brings it to the server. */
#ifndef ADMIN_CMD_SEND_H
#define ADMIN_CMD_SEND_H

#include "admin/cmd.h"

/* The report that the arguments ask for, in UTF-16LE with a BOM, malloc'd.
 * -EINVAL when a value is no UTF-8 or has a character that XML cannot carry,
 * or --topic or --state is no number (complained of already). */
int cmd_make_report(const struct cmd_arguments *arguments, unsigned char **ret_bytes, size_t *ret_size);

#endif
