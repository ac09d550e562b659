/* config_fixture: a configuration file in a folder of its own, and what
 * config_load says of it.  For the tests of config. */
#ifndef FSP_TESTS_CONFIG_FIXTURE_H
#define FSP_TESTS_CONFIG_FIXTURE_H

#include "fsp/config.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LEAST "[site]\ncode=P01\n[forwarder]\ninbox=/srv/inbox\n"
#define LEAST_LINES 4
#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

struct faults {
        char text[16384];
        unsigned count;
};

static char folder[64], file[96];

static int make_folder(void **state)
{
        (void)state;
        (void)strcpy(folder, "/tmp/test_config.XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void)snprintf(file, sizeof(file), "%s/fspd.ini", folder);
        return 0;
}

static int remove_folder(void **state)
{
        (void)state;
        (void)unlink(file); /* not every test makes it */
        return rmdir(folder);
}

/* What stands before it in each fault is cut off: the file's name. */
static void note_fault(void *arg, const char *text)
{
        struct faults *faults = arg;
        size_t size = strlen(file), used = strlen(faults->text);

        assert_int_equal(strncmp(text, file, size), 0);
        assert_int_equal(text[size], ':');
        assert_null(strchr(text, '\n'));
        (void)snprintf(faults->text + used, sizeof(faults->text) - used, "%s\n", text + size + 1);
        faults->count++;
}

static void no_fault(void *arg, const char *text)
{
        (void)arg;
        fail_msg("fault: %s", text);
}

static void write_file(const char *path, const void *data, size_t size, mode_t mode)
{
        AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(fchmod(fd, mode), 0);
        assert_int_equal(fsutil_write_all(fd, data, size), 0);
}

static struct config *load_text(const char *text)
{
        struct config *config = NULL;

        write_file(file, text, strlen(text), 0600);
        assert_int_equal(config_load(file, no_fault, NULL, &config), 0);
        assert_non_null(config);
        return config;
}

static void assert_faults_of(const void *text, size_t size, const char *expected)
{
        struct config *config = NULL;
        struct faults faults = { .count = 0 };

        write_file(file, text, size, 0600);
        assert_int_equal(config_load(file, note_fault, &faults, &config), -EINVAL);
        assert_null(config);
        assert_string_equal(faults.text, expected);
}

static void assert_faults(const char *text, const char *expected)
{
        assert_faults_of(text, strlen(text), expected);
}

#endif
