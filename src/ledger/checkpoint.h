/* checkpoint: when the WAL goes into the ledger.
 *
 * Threads   the writer's. */
#ifndef LEDGER_CHECKPOINT_H
#define LEDGER_CHECKPOINT_H

#include <stdbool.h>

struct ledger;

/* WAL pages after which a checkpoint follows the answers.  Whoever comes then
 * waits for it, 2 ms for so many, and fewer would cost more than they spare. */
#define CHECKPOINT_PAGES 250

void checkpoint_watch(struct ledger *ledger);      /* the connection just opened */
void checkpoint_note_files(struct ledger *ledger); /* some were made or moved */
/* more: other pages follow, and nobody waits.  0, -errno */
int checkpoint_if_due(struct ledger *ledger, bool more);

#endif
