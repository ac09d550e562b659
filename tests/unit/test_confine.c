#include "fsp/confine.h"
#include "fsp/fsutil.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WITHOUT_LANDLOCK 77

static char inside[64], beside[64];

static int make_places(void **state)
{
        (void)state;
        (void)strcpy(inside, "/tmp/test_confine.in.XXXXXX");
        (void)strcpy(beside, "/tmp/test_confine.by.XXXXXX");
        return mkdtemp(inside) && mkdtemp(beside) ? 0 : -1;
}

static int remove_places(void **state)
{
        (void)state;
        return rmdir(inside) | rmdir(beside);
}

/* 0, or the errno that it ends with. */
static int try_to_open(const char *folder, const char *name, int flags)
{
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
        AUTO_CLOSE int fd = open(path, flags | O_CLOEXEC, 0600);
        return fd < 0 ? errno : 0;
}

static int try_to_move(const char *from, const char *to, const char *folder)
{
        char a[128], b[128];
        (void)snprintf(a, sizeof(a), "%s/%s", inside, from);
        (void)snprintf(b, sizeof(b), "%s/%s", folder, to);
        return rename(a, b) < 0 ? errno : 0;
}

static int try_to_remove(const char *folder, const char *name)
{
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
        return unlink(path) < 0 ? errno : 0;
}

static int try_to_connect(uint16_t port)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
}

/* What a child finds out it tells by its exit status: the line that is not so. */
#define MUST(condition)                                                                                      \
        do {                                                                                                 \
                if (!(condition)) {                                                                          \
                        (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);        \
                        _exit(1);                                                                            \
                }                                                                                            \
        } while (0)

static void look_around_confined(void)
{
        const char *const folders[] = { inside, NULL };
        int kept = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        char byte;
        MUST(kept >= 0);
        int version = confine_thread(CONFINE_ALL, folders);
        if (version == 0)
                _exit(WITHOUT_LANDLOCK);
        MUST(version > 0);
        MUST(try_to_open("/etc", "passwd", O_RDONLY) == EACCES);
        MUST(try_to_open("/etc", "passwd", O_WRONLY) == EACCES);
        MUST(try_to_open("/", ".", O_RDONLY | O_DIRECTORY) == EACCES);
        MUST(try_to_open(beside, "made", O_WRONLY | O_CREAT) == EACCES);
        MUST(try_to_open(inside, "made", O_RDWR | O_CREAT | O_EXCL) == 0);
        MUST(try_to_move("made", "moved", inside) == 0);
        MUST(try_to_move("moved", "out", beside) != 0);
        MUST(try_to_remove(inside, "moved") == 0);
        MUST(mkdir("/tmp/test_confine.new", 0700) < 0 && errno == EACCES);
        MUST(execl("/bin/true", "true", (char *)NULL) < 0 && errno == EACCES);
        MUST(version < 4 || try_to_connect(9) == EACCES);
        MUST(read(kept, &byte, 1) == 1); /* what was open stays usable */
        _exit(0);
}

static void look_around_unchanging(void)
{
        static const char *const nowhere[] = { NULL };
        int version = confine_thread(CONFINE_CHANGES, nowhere);
        if (version == 0)
                _exit(WITHOUT_LANDLOCK);
        MUST(version > 0);
        MUST(try_to_open("/etc", "passwd", O_RDONLY) == 0);
        MUST(try_to_open(inside, "made", O_WRONLY | O_CREAT) == EACCES);
        MUST(try_to_connect(9) != EACCES);
        _exit(0);
}

static void in_a_child(void (*look)(void))
{
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
                look();
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == WITHOUT_LANDLOCK)
                skip();
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void nothing_is_reached_but_the_folder(void **state)
{
        (void)state;
        in_a_child(look_around_confined);
}

static void nothing_is_changed(void **state)
{
        (void)state;
        in_a_child(look_around_unchanging);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
        static const char *const folders[] = { "/nonexistent", NULL };
        (void)state;
        int r = confine_thread(CONFINE_ALL, folders);
        if (r == 0)
                skip();
        assert_int_equal(r, -ENOENT);
        assert_int_equal(try_to_open("/etc", "passwd", O_RDONLY), 0); /* and nothing is taken */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_reached_but_the_folder),
                cmocka_unit_test(nothing_is_changed),
                cmocka_unit_test(a_folder_that_is_not_there_is_told),
        };
        return cmocka_run_group_tests(tests, make_places, remove_places);
}
