/* wal_file: the WAL, handed to the system in few writes.
 *
 * SQLite writes each page of a commit in two calls, its head and itself, and pays for
 * each: a commit of eight pages is sixteen.  What it writes to the WAL lies here until
 * it asks for a flush, reads, or writes elsewhere; then it is one call.
 *
 * Sound for synchronous = FULL alone: there SQLite shows a commit to others only after
 * its flush (https://www.sqlite.org/walformat.html: a reader goes by the WAL's index,
 * written after that).  Not so the pages of a checkpoint, so the database itself is
 * the system's own file.
 *
 * Errors    what cannot be written is told at the flush; that commit fails then, as if
 *           one of its writes had.
 * Threads   as SQLite's files: one connection, one thread at a time. */
#ifndef LEDGER_WAL_FILE_H
#define LEDGER_WAL_FILE_H

/* For sqlite3_open_v2; NULL, the system's own, when it cannot be had. */
const char *wal_file_vfs(void);

#endif
