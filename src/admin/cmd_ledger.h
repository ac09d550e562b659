/* cmd_ledger: the commands that read the ledger's file themselves, so that
 * they work without the daemon. */
#ifndef ADMIN_CMD_LEDGER_H
#define ADMIN_CMD_LEDGER_H

#include "fsp/config.h"
#include "fsp/query.h"

/* Complains itself: CMD_DONE or CMD_WRONG. */
int cmd_open_ledger(const struct config *config, struct query **ret_query);
/* "fspctl: the ledger FILE: ..."; gives CMD_WRONG. */
int cmd_complain_ledger(const struct config *config, int fault);

#endif
