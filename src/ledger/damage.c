/* Is this ledger what we last wrote?  Asked before it is opened for work. */
#include "ledger_private.h"

#include "fsp/fsutil.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The WAL, as https://www.sqlite.org/fileformat2.html#walformat has it. */
#define WAL_HEADER 32
#define FRAME_HEADER 24
/* Up to this size each start reads the whole ledger; above it, only one that
 * has reason for doubt. */
#define SMALL_LEDGER (UINT64_C(64) * 1024 * 1024)

struct wal {
        int fd;
        uint32_t page_size;
        bool big_endian; /* of the checksums */
        unsigned char salts[8];
        uint32_t sum[2];
};

static uint32_t be32(const unsigned char *at)
{
        return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t word(const struct wal *wal, const unsigned char *at)
{
        uint32_t value = be32(at);
        return wal->big_endian ? value : __builtin_bswap32(value);
}

static void add_to_sum(struct wal *wal, const unsigned char *data, size_t size)
{
        for (size_t i = 0; i < size; i += 8) {
                wal->sum[0] += word(wal, data + i) + wal->sum[1];
                wal->sum[1] += word(wal, data + i + 4) + wal->sum[0];
        }
}

static bool read_header(struct wal *wal)
{
        unsigned char header[WAL_HEADER];
        if (pread(wal->fd, header, sizeof(header), 0) != sizeof(header))
                return false;
        wal->big_endian = be32(header) & 1;
        wal->page_size = be32(header + 8);
        memcpy(wal->salts, header + 16, sizeof(wal->salts));
        add_to_sum(wal, header, 24);
        bool known = (be32(header) & ~1U) == 0x377f0682 && wal->page_size >= 512 && wal->page_size <= 65536;
        return known && wal->sum[0] == be32(header + 24) && wal->sum[1] == be32(header + 28);
}

/* How many transactions of this WAL's time end behind its first broken frame.
 * One may have been cut short by a crash, before its commit was answered.  Of
 * two, the first had been synced: it was damaged later.
 *
 * Each frame's sum goes on from that of the frame before.  An end counts that is
 * whole by this measure, or that the next frame goes on from: not the header of
 * one whose page was never written, nor what an earlier crash had left there. */
static unsigned lost_commits(struct wal *wal, off_t size)
{
        static unsigned char frame[FRAME_HEADER + 65536];
        size_t frame_size = FRAME_HEADER + wal->page_size;
        bool broken = false, is_doubtful_end = false;
        unsigned commits = 0;
        for (off_t at = WAL_HEADER; at + (off_t)frame_size <= size; at += (off_t)frame_size) {
                if (pread(wal->fd, frame, frame_size, at) != (ssize_t)frame_size)
                        break;
                add_to_sum(wal, frame, 8);
                add_to_sum(wal, frame + FRAME_HEADER, wal->page_size);
                bool ours = memcmp(frame + 8, wal->salts, 8) == 0;
                bool whole = ours && wal->sum[0] == be32(frame + 16) && wal->sum[1] == be32(frame + 20);
                commits += whole && is_doubtful_end;
                broken = broken || !whole;
                bool is_end = broken && ours && be32(frame + 4) != 0;
                commits += is_end && whole;
                is_doubtful_end = is_end && !whole;
                wal->sum[0] = be32(frame + 16);
                wal->sum[1] = be32(frame + 20);
        }
        return commits;
}

/* What a crash never does to a WAL: no file, no header, a size between frames,
 * synced transactions that no longer add up. */
bool ledger_wal_has_lost(const char *path)
{
        char name[PATH_MAX];
        struct stat st;
        struct wal wal = { .fd = -1 };
        if (snprintf(name, sizeof(name), "%s-wal", path) >= (int)sizeof(name))
                return false;
        AUTO_CLOSE int fd = open(name, O_RDONLY | O_CLOEXEC);
        wal.fd = fd;
        if (fd < 0 || fstat(fd, &st) < 0 || !read_header(&wal))
                return true;
        /* A crash ends it after a frame, after a frame's header, or, in a power
         * cut, with a block of the file system. */
        off_t rest = (st.st_size - WAL_HEADER) % (off_t)(FRAME_HEADER + wal.page_size);
        bool as_after_a_crash = rest == 0 || rest == FRAME_HEADER || st.st_size % st.st_blksize == 0;
        return !as_after_a_crash || lost_commits(&wal, st.st_size) > 1;
}

static int check_pages(sqlite3 *db)
{
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &statement, NULL);
        if (result == SQLITE_OK)
                result = sqlite3_step(statement);
        const char *text = result == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "ok";
        int r = text && strcmp(text, "ok") == 0 ? ledger_errno(result) : -EUCLEAN;
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        return r;
}

int ledger_verify(const char *path, sqlite3 *db, bool wal_has_lost, bool *ret_suspect)
{
        struct stat st;
        int64_t running = 0, broken = 0;
        /* 'running' is written at each start and reaches the ledger's own file
         * at once; an orderly stop takes it back. */
        int r = ledger_check_schema(db);
        if (r < 0)
                return r;
        r = ledger_read_number(db, "SELECT count(*) FROM meta WHERE key = 'running'", &running);
        bool suspect = running > 0 && wal_has_lost;
        if (r == 0)
                r = ledger_read_number(
                        db,
                        "SELECT count(*) FROM message WHERE delivery <> 3"
                        " AND seal IS NOT seal(seq, name_ms, node, delivery, size, inbox, digest)",
                        &broken);
        if (r == 0 && broken > 0)
                r = -EUCLEAN;
        bool small = stat(path, &st) == 0 && (uint64_t)st.st_size <= SMALL_LEDGER;
        if (r == 0 && (small || suspect))
                r = check_pages(db);
        if (r == 0)
                *ret_suspect = suspect;
        return r;
}
