/* cmd_ledger: the commands that read the ledger's file themselves, so that
 * they work without the daemon. */
#ifndef ADMIN_CMD_LEDGER_H
#define ADMIN_CMD_LEDGER_H

#include "admin/format.h"
#include "fsp/config.h"
#include "fsp/query.h"

/* Complains itself: CMD_DONE or CMD_WRONG. */
int cmd_open_ledger(const struct config *config, struct query **ret_query);
/* "fspctl: the ledger FILE: ..."; gives CMD_WRONG. */
int cmd_complain_ledger(const struct config *config, int fault);

/* Shows a list of the ledger's through format, by the pager where there is one:
 * write puts its rows, limit at most (0: all), which a person is told where
 * they are so many.  Complains itself. */
int cmd_show_list(const struct config *config, struct format *format, uint64_t limit,
                  int (*write)(void *arg, struct query *query), void *arg);

#endif
