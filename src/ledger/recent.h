/* recent: what was received lately, to tell duplicates.
 *
 * An index of digests in the ledger would take a page of the WAL for each
 * message, since digests fall anywhere in it.  So the newest ones stand in
 * memory, and go into the table `seen` many at a time and in order, in the
 * transactions of the messages that come after them.
 *
 * A digest found is only a hint; the message's own row decides.  So what a crash
 * or a rollback leaves behind does no harm, and what memory lost is read again
 * from the rows: those after the sequence up to which `seen` is complete.
 *
 * `seen` has generations.  When the newest is older than duplicates are told,
 * another begins, and the one before the last is removed step by step.
 *
 * Threads   the writer's alone (before it runs: the opener's). */
#ifndef RECENT_H
#define RECENT_H

#include <stdint.h>

struct ledger;
struct recent;

/* Reads the rows that are not in `seen`, young enough to be told: at the open,
 * when last_seq is known, and after each rollback. */
int recent_load(struct ledger *ledger);
void recent_free(struct recent *recent); /* NULL is allowed */

/* In a transaction each, and -errno like it. */
int recent_add(struct ledger *ledger, const unsigned char *digest, int64_t seq);
/* Moves some of them into `seen`, after rows were added. */
int recent_move(struct ledger *ledger);

#define RECENT_MOST 4
/* How many messages may have that digest (at most RECENT_MOST), or -errno. */
int recent_find(struct ledger *ledger, const unsigned char *digest, int64_t ret_seqs[RECENT_MOST]);

/* In no transaction: removes some of what is too old.  1 when there is more, 0, -errno. */
int recent_tidy(struct ledger *ledger);

#endif
