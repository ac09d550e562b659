/* cmd_pager: a long table on a terminal is shown by the page. */
#ifndef ADMIN_CMD_PAGER_H
#define ADMIN_CMD_PAGER_H

#include "admin/format.h"
#include <sys/types.h>

struct cmd_pager {
        pid_t pid;    /* 0: none */
        int terminal; /* standard output as it was */
};

/* Standard output goes through $PAGER, else less, when format is a table on a
 * terminal.  Where that cannot be, it goes to the terminal. */
void cmd_pager_begin(struct cmd_pager *pager, const struct format *format);
/* Waits until the reader has done. */
void cmd_pager_end(struct cmd_pager *pager);

#endif
