/* src/ledger/damage.c: what in a WAL shows that synced commits are lost, and
 * what a crash, or two, may leave. */
#include "ledger/ledger_private.h"
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE 4096
#define FRAME (24 + PAGE)
#define FRAMES_MAX 64

struct ledger_file {
        char folder[32], path[64], wal[80];
        sqlite3 *db;
        unsigned frames, ends; /* ends: frames that end a transaction */
        unsigned end[FRAMES_MAX];
};

static void run(struct ledger_file *file, const char *sql)
{
        assert_int_equal(sqlite3_exec(file->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void peek(const struct ledger_file *file, unsigned frame, off_t at, void *bytes, size_t size)
{
        int fd = open(file->wal, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, bytes, size, 32 + (off_t)frame * FRAME + at), size);
        (void)close(fd); /* only read */
}

static void poke(const struct ledger_file *file, unsigned frame, off_t at, const void *bytes, size_t size)
{
        int fd = open(file->wal, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, bytes, size, 32 + (off_t)frame * FRAME + at), size);
        assert_int_equal(close(fd), 0);
}

static void flip(const struct ledger_file *file, unsigned frame)
{
        unsigned char byte;
        peek(file, frame, 24 + 100, &byte, 1);
        byte ^= 1;
        poke(file, frame, 24 + 100, &byte, 1);
}

/* Four transactions of several frames each. */
static int make(void **state)
{
        struct ledger_file *file = calloc(1, sizeof(*file));
        struct stat st;
        assert_non_null(file);
        strcpy(file->folder, "/tmp/fspd-damage-XXXXXX");
        assert_non_null(mkdtemp(file->folder));
        (void)snprintf(file->path, sizeof(file->path), "%s/ledger.db", file->folder); /* fits */
        (void)snprintf(file->wal, sizeof(file->wal), "%s-wal", file->path);           /* likewise */
        assert_int_equal(sqlite3_open(file->path, &file->db), SQLITE_OK);
        run(file, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
                  "CREATE TABLE t(a)");
        for (int i = 0; i < 3; i++)
                run(file, "INSERT INTO t VALUES(randomblob(12000))");
        assert_int_equal(stat(file->wal, &st), 0);
        file->frames = (unsigned)((st.st_size - 32) / FRAME);
        assert_in_range(file->frames, 9, FRAMES_MAX);
        for (unsigned i = 0; i < file->frames; i++) {
                static const unsigned char none[4];
                unsigned char size[4];
                peek(file, i, 4, size, sizeof(size));
                if (memcmp(size, none, sizeof(none)) != 0)
                        file->end[file->ends++] = i;
        }
        assert_int_equal(file->ends, 4);
        assert_true(file->end[3] - file->end[2] >= 3);
        *state = file;
        return 0;
}

static int end(void **state)
{
        struct ledger_file *file = *state;
        char name[96];
        (void)sqlite3_close(file->db); /* of a WAL that no longer adds up: as it may be */
        static const char *const parts[] = { "", "-wal", "-shm" };
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
                (void)snprintf(name, sizeof(name), "%s%s", file->path, parts[i]); /* fits */
                (void)unlink(name);                                               /* it may be gone */
        }
        (void)rmdir(file->folder); /* as it may be */
        free(file);
        return 0;
}

static void a_whole_one_has_lost_nothing(void **state)
{
        struct ledger_file *file = *state;
        assert_false(ledger_wal_has_lost(file->path));
}

static void damage_before_two_ends_is_a_loss(void **state)
{
        struct ledger_file *file = *state;
        flip(file, file->end[1] + 1);
        assert_true(ledger_wal_has_lost(file->path));
}

static void a_damaged_end_and_a_whole_one_after_it_is_a_loss(void **state)
{
        struct ledger_file *file = *state;
        flip(file, file->end[2]);
        assert_true(ledger_wal_has_lost(file->path));
}

static void a_last_transaction_that_a_power_cut_tore_is_none(void **state)
{
        struct ledger_file *file = *state;
        flip(file, file->end[2] + 1);
        assert_false(ledger_wal_has_lost(file->path));
}

/* The last transaction was cut short before its last page; the next start then
 * wrote over its first frame, and was cut short after the frame's header. */
static void two_crashes_on_each_other_are_none(void **state)
{
        struct ledger_file *file = *state;
        static const unsigned char zeros[PAGE], header[] = { 0, 0, 0, 3 },
                                                sums[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
        poke(file, file->end[3], 24, zeros, sizeof(zeros));
        poke(file, file->end[2] + 1, 4, header, sizeof(header));
        poke(file, file->end[2] + 1, 16, sums, sizeof(sums));
        assert_false(ledger_wal_has_lost(file->path));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_whole_one_has_lost_nothing, make, end),
                cmocka_unit_test_setup_teardown(damage_before_two_ends_is_a_loss, make, end),
                cmocka_unit_test_setup_teardown(a_damaged_end_and_a_whole_one_after_it_is_a_loss, make, end),
                cmocka_unit_test_setup_teardown(a_last_transaction_that_a_power_cut_tore_is_none, make, end),
                cmocka_unit_test_setup_teardown(two_crashes_on_each_other_are_none, make, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
