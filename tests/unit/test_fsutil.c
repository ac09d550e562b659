#include "fsp/fsutil.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
        char path[64];
        int fd;
};

static int make_place(void **state)
{
        static struct place place;

        (void)strcpy(place.path, "/tmp/test_fsutil.XXXXXX");
        if (!mkdtemp(place.path) || fsutil_open_folder(place.path, &place.fd) < 0)
                return -1;
        *state = &place;
        return 0;
}

/* Empty again is part of what each test promises. */
static int remove_place(void **state)
{
        struct place *place = *state;

        fsutil_close_pointer(&place->fd);
        return rmdir(place->path);
}

static void put_file(const struct place *place, const char *name, const void *data, size_t size)
{
        AUTO_CLOSE int fd = openat(place->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(fsutil_write_all(fd, data, size), 0);
}

static void cleanup_helpers_reset(void **state)
{
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = fd;
        char *text = strdup("x");

        (void)state;
        fsutil_close_pointer(&fd);
        assert_int_equal(fd, -1);
        assert_int_equal(fcntl(copy, F_GETFD), -1);
        fsutil_close_pointer(&fd);
        fsutil_free_pointer(&text);
        assert_null(text);
        fsutil_free_pointer(&text);
}

static void reads_back_what_was_written(void **state)
{
        const struct place *place = *state;
        static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 100000 };
        unsigned char *data = malloc(100000);

        assert_non_null(data);
        for (size_t i = 0; i < 100000; i++)
                data[i] = (unsigned char)(i * 7);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                AUTO_FREE unsigned char *got = NULL;
                size_t size = 4711;

                put_file(place, "f", data, sizes[i]);
                assert_int_equal(fsutil_read_at(place->fd, "f", sizes[i], &got, &size), 0);
                assert_int_equal(size, sizes[i]);
                assert_memory_equal(got, data, size);
                assert_int_equal(got[size], 0);
        }
        free(data);
        assert_int_equal(unlinkat(place->fd, "f", 0), 0);
}

static void reads_no_more_than_the_limit(void **state)
{
        const struct place *place = *state;
        unsigned char *got = NULL;
        char block[5000] = { 1 };
        size_t size = 4711;

        put_file(place, "f", block, sizeof(block));
        assert_int_equal(fsutil_read_at(place->fd, "f", sizeof(block) - 1, &got, &size), -EFBIG);
        assert_int_equal(fsutil_read_at(place->fd, "f", 0, &got, &size), -EFBIG);
        assert_int_equal(fsutil_read_at(place->fd, "none", 10, &got, &size), -ENOENT);
        assert_null(got);
        assert_int_equal(size, 4711);
        assert_int_equal(fsutil_read_at(place->fd, "f", SIZE_MAX, &got, &size), 0);
        assert_int_equal(size, sizeof(block));
        free(got);
        assert_int_equal(unlinkat(place->fd, "f", 0), 0);
}

static void write_all_tells_of_a_full_disk(void **state)
{
        AUTO_CLOSE int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

        (void)state;
        assert_true(fd >= 0);
        assert_int_equal(fsutil_write_all(fd, "x", 1), -ENOSPC);
        assert_int_equal(fsutil_write_all(fd, "", 0), 0);
}

static void makes_one_folder(void **state)
{
        const struct place *place = *state;
        char path[128], deep[128], file[128];
        struct stat st;
        mode_t mask = umask(022);

        (void)snprintf(path, sizeof(path), "%s/a", place->path);
        (void)snprintf(deep, sizeof(deep), "%s/x/y", place->path);
        (void)snprintf(file, sizeof(file), "%s/f", place->path);
        assert_int_equal(fsutil_make_folder(path), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0750);
        assert_int_equal(fsutil_make_folder(path), 0);
        assert_int_equal(fsutil_make_folder(deep), -ENOENT);
        put_file(place, "f", "", 0);
        assert_int_equal(fsutil_make_folder(file), -ENOTDIR);
        int fd = -1;
        assert_int_equal(fsutil_open_folder(file, &fd), -ENOTDIR);
        assert_int_equal(fd, -1);
        assert_int_equal(unlinkat(place->fd, "f", 0), 0);
        assert_int_equal(unlinkat(place->fd, "a", AT_REMOVEDIR), 0);
        (void)umask(mask);
}

/* remove_place sees that nothing is left behind. */
static void tries_whether_a_folder_can_be_written(void **state)
{
        const struct place *place = *state;

        assert_int_equal(fsutil_check_writable(place->path), 0);
        assert_int_equal(fsutil_check_writable("/tmp/there/is/no/such/folder"), -ENOENT);
        assert_true(fsutil_check_writable("/proc/self") < 0);
}

static void finds_the_drive_marker_only_at_the_root(void **state)
{
        const struct place *place = *state;
        char below[128], marker[PATH_MAX] = "untouched";

        /* Somewhere below the root of its file system the marker says nothing. */
        put_file(place, "NO_SMS_ON_DRIVE.SMS", "", 0);
        (void)snprintf(below, sizeof(below), "%s/not/there/yet", place->path);
        assert_false(fsutil_drive_marker(below, marker));
        assert_string_equal(marker, "untouched");
        assert_int_equal(unlinkat(place->fd, "NO_SMS_ON_DRIVE.SMS", 0), 0);
}

enum { FOUND, NOT_FOUND, CANNOT_MOUNT };

/* In a child with mounts of its own, so that nobody else meets the marker. */
static int look_for_marker(const struct place *place)
{
        char below[128], name[128], marker[PATH_MAX] = "";

        if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0 ||
            mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("none", place->path, "tmpfs", 0, NULL) < 0)
                return CANNOT_MOUNT;
        (void)snprintf(name, sizeof(name), "%s/NO_SMS_ON_DRIVE.SMS", place->path);
        (void)snprintf(below, sizeof(below), "%s/not/there/yet", place->path);
        if (!fsutil_is_mount_point(place->path) || fsutil_drive_marker(below, marker) ||
            creat(name, 0600) < 0)
                return NOT_FOUND;
        return fsutil_drive_marker(below, marker) && strcmp(marker, name) == 0 ? FOUND : NOT_FOUND;
}

static void finds_the_drive_marker(void **state)
{
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0)
                _exit(look_for_marker(*state));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == CANNOT_MOUNT)
                skip();
        assert_int_equal(WEXITSTATUS(status), FOUND);
}

static void knows_space(void **state)
{
        const struct place *place = *state;
        struct fsutil_space space;

        assert_int_equal(fsutil_space(place->fd, &space), 0);
        assert_true(space.bytes_total > 0 && space.bytes_free <= space.bytes_total);
        assert_true(space.inodes_free <= space.inodes_total);
        assert_int_equal(fsutil_space(-1, &space), -EBADF);
}

static void knows_mount_points(void **state)
{
        const struct place *place = *state;

        assert_true(fsutil_is_mount_point("/proc"));
        assert_false(fsutil_is_mount_point(place->path));
        assert_false(fsutil_is_mount_point("/there/is/no/such/folder"));
}

static bool is_in_memory(int fd, size_t size)
{
        unsigned char resident = 0;
        void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

        assert_true(map != MAP_FAILED);
        assert_int_equal(mincore(map, size, &resident), 0);
        assert_int_equal(munmap(map, size), 0);
        return resident & 1;
}

static void what_is_read_soon_comes_into_memory(void **state)
{
        const struct place *place = *state;
        char data[512];

        memset(data, 'x', sizeof(data));
        put_file(place, "cold", data, sizeof(data));
        fsutil_read_ahead(place->fd, "not-there"); /* is only a hint that fails */
        int fd = openat(place->fd, "cold", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fsync(fd), 0);
        assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        bool has_disk = !is_in_memory(fd, sizeof(data));
        if (has_disk) {
                fsutil_read_ahead(place->fd, "cold");
                for (int i = 0; i < 5000 && !is_in_memory(fd, sizeof(data)); i++)
                        (void)poll(NULL, 0, 1);
                assert_true(is_in_memory(fd, sizeof(data)));
        }
        fsutil_close_pointer(&fd);
        assert_int_equal(unlinkat(place->fd, "cold", 0), 0);
        if (!has_disk)
                skip(); /* the folder lies in memory */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_place, remove_place)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cleanup_helpers_reset),
                TEST(reads_back_what_was_written),
                TEST(reads_no_more_than_the_limit),
                cmocka_unit_test(write_all_tells_of_a_full_disk),
                TEST(makes_one_folder),
                TEST(what_is_read_soon_comes_into_memory),
                TEST(tries_whether_a_folder_can_be_written),
                TEST(finds_the_drive_marker_only_at_the_root),
                TEST(finds_the_drive_marker),
                TEST(knows_space),
                TEST(knows_mount_points),
        };

        return cmocka_run_group_tests_name("fsutil", tests, NULL, NULL);
}
