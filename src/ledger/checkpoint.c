/* Short checkpoints, and rare ones beside files. */
#include "checkpoint.h"

#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "ledger_private.h"

/* Beside files that are made or moved a checkpoint's flush waits for theirs, so
 * it comes seldom: after 32 MB of WAL, where the disk has so much more than
 * staging.min_free that this does not matter. */
#define PAGES_BESIDE_FILES 4000
#define PAGES_AMID_CHORES 4000 /* as seldom, since files may be on their way */
#define FILES_MS 1000          /* so long after the last ones were marked */
#define LONG_WAL_ROOM (UINT64_C(1) << 30)

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
        (void)db;
        (void)name;
        struct ledger *ledger = arg;
        ledger->wal_pages = pages;
        return SQLITE_OK;
}

void checkpoint_watch(struct ledger *ledger)
{
        (void)sqlite3_wal_hook(ledger->db, on_wal, ledger); /* gives the former hook's argument */
}

void checkpoint_note_files(struct ledger *ledger)
{
        ledger->files_ms = clock_monotonic_ms();
}

static bool may_wait(const struct ledger *ledger)
{
        struct fsutil_space space;
        if (ledger->wal_pages >= PAGES_BESIDE_FILES || clock_monotonic_ms() - ledger->files_ms >= FILES_MS ||
            fsutil_space(ledger->lock_fd, &space) < 0)
                return false;
        uint64_t reserve = space.bytes_total / 100 * ledger->batch_config->staging.min_free_percent;
        return space.bytes_free >= reserve + LONG_WAL_ROOM;
}

int checkpoint_if_due(struct ledger *ledger, bool more)
{
        if (ledger->wal_pages < (more ? PAGES_AMID_CHORES : CHECKPOINT_PAGES) || may_wait(ledger))
                return 0;
        ledger->wal_pages = 0;
        int result = sqlite3_wal_checkpoint_v2(ledger->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        return (result & 0xFF) == SQLITE_BUSY ? 0 : ledger_errno(result); /* a reader is at work */
}
