/* src/ledger/wal_file.h: what is committed is in the files, and in few writes. */
#include "ledger/wal_file.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[96];
static sqlite3 *db, *other; /* other: by the system's own files */

static void run(sqlite3 *connection, const char *sql)
{
        assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
}

static int64_t ask(sqlite3 *connection, const char *sql)
{
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_prepare_v2(connection, sql, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        int64_t value = sqlite3_column_int64(statement, 0);
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        return value;
}

static int insert(unsigned bytes)
{
        char sql[96];
        (void)snprintf(sql, sizeof(sql), "INSERT INTO t(b) VALUES(randomblob(%u))", bytes);
        return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static void open_writer(void)
{
        const char *vfs = wal_file_vfs();
        assert_non_null(vfs);
        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
                         SQLITE_OK);
        run(db, "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "PRAGMA wal_autocheckpoint = 0; CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, b)");
}

static int begin(void **state)
{
        (void)state;
        strcpy(folder, "/tmp/fspd-wal-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/x.db", folder);
        open_writer();
        assert_int_equal(sqlite3_open_v2(path, &other, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        return 0;
}

static int end(void **state)
{
        (void)state;
        char command[128];
        assert_int_equal(sqlite3_close(other), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        (void)snprintf(command, sizeof(command), "rm -r %s", folder);
        return system(command) == 0 ? 0 : -1;
}

/* What a power cut right after the flush would leave. */
static void copy_files(const char *to)
{
        char command[640];
        (void)snprintf(command, sizeof(command), "cp %s %s && cp %s-wal %s-wal", path, to, path, to);
        assert_int_equal(system(command), 0);
}

static void each_commit_is_in_the_files_and_seen_by_others(void **state)
{
        (void)state;
        static const unsigned sizes[] = { 1, 100000, 8000, 122000, 122880, 500000, 16000, 1 };
        char copy[128];
        sqlite3 *db_copy = NULL;
        (void)snprintf(copy, sizeof(copy), "%s/copy.db", folder);
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
                assert_int_equal(insert(sizes[i]), SQLITE_OK);
                assert_int_equal(ask(other, "SELECT count(*) FROM t"), i + 1);
                copy_files(copy);
                assert_int_equal(sqlite3_open(copy, &db_copy), SQLITE_OK);
                assert_int_equal(ask(db_copy, "SELECT count(*) FROM t"), i + 1);
                assert_int_equal(ask(db_copy, "SELECT length(b) FROM t ORDER BY id DESC LIMIT 1"), sizes[i]);
                assert_int_equal(ask(db_copy, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"),
                                 1);
                assert_int_equal(sqlite3_close(db_copy), SQLITE_OK);
                if (i % 3 == 2) /* the next one begins the WAL anew */
                        run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
        }
}

static int64_t count_writes(void)
{
        char text[512] = "";
        int fd = open("/proc/thread-self/io", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                skip(); /* a kernel that does not count */
        assert_true(read(fd, text, sizeof(text) - 1) > 0);
        assert_int_equal(close(fd), 0);
        const char *found = strstr(text, "syscw: ");
        assert_non_null(found);
        return strtoll(found + strlen("syscw: "), NULL, 10);
}

static void a_commit_is_one_write(void **state)
{
        (void)state;
        assert_int_equal(insert(1), SQLITE_OK);
        int64_t before = count_writes();
        assert_int_equal(insert(10 * 8192), SQLITE_OK);
        assert_int_equal(count_writes() - before, 1);
        before = count_writes();
        assert_int_equal(insert(100 * 8192), SQLITE_OK);
        assert_in_range(count_writes() - before, 7, 8); /* of at most 120 KB */
}

static void what_did_not_fit_the_cache_is_read_again_and_rolled_back(void **state)
{
        (void)state;
        run(db, "PRAGMA cache_size = 4; BEGIN");
        for (unsigned i = 0; i < 60; i++)
                assert_int_equal(insert(20000), SQLITE_OK);
        assert_int_equal(ask(db, "SELECT sum(length(b)) FROM t"), 60 * 20000);
        assert_int_equal(ask(other, "SELECT count(*) FROM t"), 0);
        run(db, "ROLLBACK");
        assert_int_equal(ask(db, "SELECT count(*) FROM t"), 0);
        run(db, "BEGIN");
        for (unsigned i = 0; i < 60; i++)
                assert_int_equal(insert(20000), SQLITE_OK);
        run(db, "COMMIT");
        assert_int_equal(ask(other, "SELECT sum(length(b)) FROM t"), 60 * 20000);
        assert_int_equal(ask(other, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

static void what_cannot_be_written_fails_the_commit_and_nothing_else(void **state)
{
        (void)state;
        struct rlimit limit, small;
        assert_int_equal(insert(1000), SQLITE_OK);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_ptr_not_equal(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
        small = (struct rlimit){ .rlim_cur = 64 * 1024, .rlim_max = limit.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        int result = insert(90000);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_true(result == SQLITE_FULL || result == SQLITE_IOERR);
        assert_int_equal(ask(other, "SELECT count(*) FROM t"), 1);
        assert_int_equal(sqlite3_close(db), SQLITE_OK); /* as the writer does after a fault */
        open_writer();
        assert_int_equal(ask(db, "SELECT count(*) FROM t"), 1);
        assert_int_equal(insert(90000), SQLITE_OK);
        assert_int_equal(ask(other, "SELECT sum(length(b)) FROM t"), 91000);
        assert_int_equal(ask(other, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(each_commit_is_in_the_files_and_seen_by_others, begin, end),
                cmocka_unit_test_setup_teardown(a_commit_is_one_write, begin, end),
                cmocka_unit_test_setup_teardown(what_did_not_fit_the_cache_is_read_again_and_rolled_back,
                                                begin, end),
                cmocka_unit_test_setup_teardown(what_cannot_be_written_fails_the_commit_and_nothing_else,
                                                begin, end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
