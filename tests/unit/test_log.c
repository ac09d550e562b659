#include "fsp/fsutil.h"
#include "fsp/log.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MGR_TAIL                                                                                             \
        "  \\$\\$<SMS_FALLBACK_STATUS_POINT><[0-9]{2}-[0-9]{2}-[0-9]{4} "                                    \
        "[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}[+-][0-9]{3}><thread=[0-9]+ \\(0x[0-9A-F]+\\)>\r\n"

/* The one that fills a time_t of 64 bits. */
#ifdef SYS_clock_gettime64
#define CLOCK_CALL SYS_clock_gettime64
#else
#define CLOCK_CALL SYS_clock_gettime
#endif

/* The C library's own is hidden by this one, so that a minute can pass at once. */
static time_t seconds_ahead;

int clock_gettime(clockid_t id, struct timespec *ret_time)
{
        int r = (int)syscall(CLOCK_CALL, id, ret_time);

        if (r == 0 && id == CLOCK_MONOTONIC)
                ret_time->tv_sec += seconds_ahead;
        return r;
}

struct place {
        char path[64];
        int fd;
};

static int make_place(void **state)
{
        static struct place place;

        (void)strcpy(place.path, "/tmp/test_log.XXXXXX");
        if (!mkdtemp(place.path) || fsutil_open_folder(place.path, &place.fd) < 0)
                return -1;
        *state = &place;
        return 0;
}

static int remove_place(void **state)
{
        static const char *const names[] = { "fspmgr.log",   "fspmgr.lo_",   "fspmgr.lo_2",     "fspmgr.lo_3",
                                             "fspisapi.log", "fspisapi.lo_", "SMSFSPSetup.log", "stderr" };
        struct place *place = *state;

        log_close();
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                (void)unlinkat(place->fd, names[i], 0); /* not every test makes each */
        fsutil_close_pointer(&place->fd);
        return rmdir(place->path);
}

static struct log_options options_for(const struct place *place)
{
        return (struct log_options){
                .directory = place->path, .level = LOG_INFO, .max_size = 1 << 20, .max_history = 1
        };
}

/* The caller frees it. */
static char *content_of(const struct place *place, const char *name)
{
        unsigned char *data;
        size_t size;

        assert_int_equal(fsutil_read_at(place->fd, name, 64 << 20, &data, &size), 0);
        assert_int_equal(strlen((char *)data), size); /* no NUL within */
        return (char *)data;
}

static void assert_content(const struct place *place, const char *name, const char *expression)
{
        char *got = content_of(place, name), whole[4096];
        regex_t regex;

        (void)snprintf(whole, sizeof(whole), "^%s$", expression);
        assert_int_equal(regcomp(&regex, whole, REG_EXTENDED | REG_NOSUB), 0);
        if (regexec(&regex, got, 0, NULL, 0) != 0)
                fail_msg("%s is not %s", got, whole);
        regfree(&regex);
        free(got);
}

static size_t count_of(const char *text, const char *what)
{
        size_t count = 0;

        for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
                count++;
        return count;
}

static void writes_both_formats(void **state)
{
        const struct place *place = *state;
        struct log_options options = options_for(place);

        assert_int_equal(log_open(&options), 0);
        log_mgr(LOG_VERBOSE, "not shown");
        log_mgr(LOG_INFO, "Successfully copied %d out of %d file(s)", 3, 3);
        log_mgr(LOG_WARNING, "late");
        log_mgr(LOG_ERROR, "gone");
        log_isapi_at(LOG_VERBOSE, "gate.c", 6, "not shown");
        log_isapi_at(LOG_INFO, "gate.c", 7, "took %s", "it");
        log_isapi_at(LOG_WARNING, "gate.c", 8, "hm");
        log_isapi_at(LOG_ERROR, "gate.c", 9, "oh");
        assert_content(place, "fspmgr.log",
                       "Successfully copied 3 out of 3 file\\(s\\)" MGR_TAIL "WARNING: late" MGR_TAIL
                       "ERROR: gone" MGR_TAIL);
#define ISAPI_MIDDLE                                                                                         \
        "\\]LOG\\]!><time=\"[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}[+-][0-9]{3}\" "                            \
        "date=\"[0-9]{2}-[0-9]{2}-[0-9]{4}\" component=\"fspisapi\" context=\"\" "
        assert_content(place, "fspisapi.log",
                       "<!\\[LOG\\[took it" ISAPI_MIDDLE
                       "type=\"1\" thread=\"[0-9]+\" file=\"gate\\.c:7\">\r\n"
                       "<!\\[LOG\\[hm" ISAPI_MIDDLE "type=\"2\" thread=\"[0-9]+\" file=\"gate\\.c:8\">\r\n"
                       "<!\\[LOG\\[oh" ISAPI_MIDDLE "type=\"3\" thread=\"[0-9]+\" file=\"gate\\.c:9\">\r\n");
}

/* Minutes west of UTC: New York +300, Berlin -060, Delhi -330. */
static void writes_the_bias(void **state)
{
        static const struct {
                const char *zone, *bias;
        } rows[] = { { "EST5", "+300" }, { "CET-1", "-060" }, { "IST-5:30", "-330" }, { "UTC0", "+000" } };
        const struct place *place = *state;
        struct log_options options = options_for(place);
        char *got, mark[16];

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                assert_int_equal(setenv("TZ", rows[i].zone, 1), 0);
                assert_int_equal(log_reopen(&options), 0);
                log_mgr(LOG_INFO, "x");
                log_isapi_at(LOG_INFO, "f", 1, "x");
                got = content_of(place, "fspmgr.log");
                (void)snprintf(mark, sizeof(mark), "%s><thread", rows[i].bias);
                assert_non_null(strstr(got, mark));
                free(got);
                got = content_of(place, "fspisapi.log");
                (void)snprintf(mark, sizeof(mark), "%s\" date", rows[i].bias);
                assert_non_null(strstr(got, mark));
                free(got);
        }
}

static void nobody_forges_a_line(void **state)
{
        static const char text[] = "x\r\n<![LOG[forged]LOG]!><time=\"\">\n  $$<SMS><1>";
        const struct place *place = *state;
        struct log_options options = options_for(place);

        assert_int_equal(log_open(&options), 0);
        log_mgr(LOG_INFO, "%s%s", LOG_FIELD("$$", 2), "<tail");
        log_mgr(LOG_INFO, "%s", text);
        log_isapi(LOG_INFO, "%s", text);
        static const struct {
                const char *name, *marker;
                size_t count;
        } rows[] = { { "fspmgr.log", "$$<", 2 },       { "fspmgr.log", "\n", 2 },
                     { "fspmgr.log", "<![LOG[", 0 },   { "fspisapi.log", "<![LOG[", 1 },
                     { "fspisapi.log", "]LOG]!>", 1 }, { "fspisapi.log", "\n", 1 },
                     { "fspisapi.log", "$$<", 0 } };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char *got = content_of(place, rows[i].name);
                assert_int_equal(count_of(got, rows[i].marker), rows[i].count);
                free(got);
        }
}

static void a_long_text_leaves_the_tail_whole(void **state)
{
        const struct place *place = *state;
        struct log_options options = options_for(place);
        char *text = malloc(100000);

        assert_non_null(text);
        memset(text, '\n', 99999);
        text[99999] = '\0';
        assert_int_equal(log_open(&options), 0);
        log_mgr(LOG_ERROR, "%s", text);
        free(text);
        assert_content(place, "fspmgr.log", "ERROR: (\\\\x0A)+" MGR_TAIL);
        struct stat st;
        assert_int_equal(fstatat(place->fd, "fspmgr.log", &st, 0), 0);
        assert_true(st.st_size > 4000 && st.st_size < 4400);
}

static void rolls_over_before_the_size_is_passed(void **state)
{
        static const char *const names[] = { "fspmgr.lo_3", "fspmgr.lo_2", "fspmgr.lo_", "fspmgr.log" };
        const struct place *place = *state;
        struct log_options options = options_for(place);
        unsigned next = 0;

        options.max_size = 1024;
        options.max_history = 3;
        assert_int_equal(log_open(&options), 0);
        for (unsigned i = 0; i < 100; i++)
                log_mgr(LOG_INFO, "line %03u", i);
        for (size_t i = 0; i < 4; i++) {
                char *got = content_of(place, names[i]);
                size_t size = strlen(got);

                assert_true(size <= 1024 && size > 900 * (i < 3));
                for (char *p = strstr(got, "line "); p; p = strstr(p + 1, "line ")) {
                        unsigned number = (unsigned)strtoul(p + 5, NULL, 10);
                        assert_true(next == 0 || number == next);
                        next = number + 1;
                }
                free(got);
        }
        assert_int_equal(next, 100);
        assert_int_equal(faccessat(place->fd, "fspmgr.lo_4", F_OK, 0), -1);
}

static void keeps_no_history_when_told(void **state)
{
        const struct place *place = *state;
        struct log_options options = options_for(place);

        options.max_size = 1024;
        options.max_history = 0;
        assert_int_equal(log_open(&options), 0);
        for (unsigned i = 0; i < 100; i++)
                log_mgr(LOG_INFO, "line %03u", i);
        assert_int_equal(faccessat(place->fd, "fspmgr.lo_", F_OK, 0), -1);
        char *got = content_of(place, "fspmgr.log");
        assert_true(strlen(got) <= 1024);
        assert_non_null(strstr(got, "line 099"));
        free(got);
}

static void goes_on_in_the_file_there_is(void **state)
{
        const struct place *place = *state;
        struct log_options options = options_for(place);
        struct stat st;
        mode_t mask = umask(0);

        assert_int_equal(log_open(&options), 0);
        (void)umask(mask);
        log_mgr(LOG_INFO, "one");
        assert_int_equal(unlinkat(place->fd, "fspmgr.log", 0), 0);
        assert_int_equal(log_reopen(&options), 0);
        log_mgr(LOG_INFO, "two");
        assert_int_equal(log_reopen(&options), 0);
        log_mgr(LOG_INFO, "three");
        assert_content(place, "fspmgr.log", "two" MGR_TAIL "three" MGR_TAIL);
        assert_int_equal(fstatat(place->fd, "fspisapi.log", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
}

static void a_bad_reopen_changes_nothing(void **state)
{
        const struct place *place = *state;
        struct log_options options = options_for(place), bad = options;

        assert_int_equal(log_open(&options), 0);
        bad.directory = "/there/is/no/such/folder";
        bad.level = LOG_ERROR;
        assert_int_equal(log_reopen(&bad), -ENOENT);
        log_mgr(LOG_INFO, "still here");
        assert_content(place, "fspmgr.log", "still here" MGR_TAIL);
}

/* What function writes to standard error; the caller frees it. */
static char *stderr_of(const struct place *place, void (*function)(void))
{
        int saved = dup(STDERR_FILENO);
        int fd = openat(place->fd, "stderr", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(saved >= 0 && fd >= 0);
        assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
        function();
        assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        fsutil_close_pointer(&fd);
        fsutil_close_pointer(&saved);
        return content_of(place, "stderr");
}

static void say_two_lines(void)
{
        log_mgr(LOG_ERROR, "bad\n");
        log_isapi(LOG_INFO, "stranger");
}

static const struct place *open_place;

static void open_for_journal_and_say(void)
{
        struct log_options options = options_for(open_place);
        struct stat st;
        char stream[64];

        options.to_stderr = true;
        assert_int_equal(fstat(STDERR_FILENO, &st), 0);
        (void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
        assert_int_equal(log_open(&options), 0);
        say_two_lines();
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void shows_lines_on_standard_error(void **state)
{
        const struct place *place = *state;
        struct log_options options = options_for(place);
        char *got;

        got = stderr_of(place, say_two_lines);
        assert_string_equal(got, "ERROR: bad\\x0A\nstranger\n");
        free(got);
        assert_int_equal(log_open(&options), 0);
        got = stderr_of(place, say_two_lines);
        assert_string_equal(got, "");
        free(got);
        options.to_stderr = true;
        assert_int_equal(log_reopen(&options), 0);
        got = stderr_of(place, say_two_lines);
        assert_string_equal(got, "ERROR: bad\\x0A\n");
        free(got);
        open_place = place;
        got = stderr_of(place, open_for_journal_and_say);
        assert_string_equal(got, "<3>ERROR: bad\\x0A\n");
        free(got);
}

static const struct rlimit *file_limit;

static void say_beyond_the_limit(void)
{
        struct rlimit before;

        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ file_limit->rlim_cur, before.rlim_max }),
                         0);
        log_mgr(LOG_INFO, "lost one");
        log_mgr(LOG_INFO, "lost two");
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

/* A file size limit stands for the full disk: the first line fits in part. */
static void a_full_disk_loses_whole_lines_and_says_so(void **state)
{
        const struct place *place = *state;
        struct log_options options = options_for(place);
        struct stat st;
        char *got;

        assert_int_equal(log_open(&options), 0);
        log_mgr(LOG_INFO, "before");
        assert_int_equal(fstatat(place->fd, "fspmgr.log", &st, 0), 0);
        file_limit = &(struct rlimit){ .rlim_cur = (rlim_t)st.st_size + 10 };
        void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
        got = stderr_of(place, say_beyond_the_limit);
        (void)signal(SIGXFSZ, before);
        assert_non_null(strstr(got, "lost one\n"));
        assert_non_null(strstr(got, "lost two\n"));
        free(got);
        log_mgr(LOG_INFO, "after");
        assert_content(place, "fspmgr.log",
                       "before" MGR_TAIL "after" MGR_TAIL
                       "WARNING: 2 line\\(s\\) of [^ ]*/fspmgr.log not written: [A-Za-z ]+" MGR_TAIL);
}

static void strangers_share_a_budget(void **state)
{
        const struct place *place = *state;
        struct log_options options = options_for(place);
        uint64_t before = log_suppressed();
        struct stat st;

        options.max_size = 16 << 20;
        assert_int_equal(log_open(&options), 0);
        seconds_ahead += 61; /* away from the minute of the other tests */
        size_t made = 0;
        for (int i = 0; i < 10000; i++)
                log_isapi(LOG_INFO, "line %05zu of a stranger who wants to fill the disk with lines", made++);
        for (int i = 0; i < 100; i++)
                log_isapi(LOG_INFO, "short ones fit no better");
        log_tick(); /* the minute is not over */
        log_mgr(LOG_INFO, "our own lines have no such bound");
        assert_int_equal(fstatat(place->fd, "fspisapi.log", &st, 0), 0);
        assert_true(st.st_size <= LOG_FLOOD_BYTES);
        char *got = content_of(place, "fspisapi.log");
        size_t written = count_of(got, "\n");
        free(got);
        assert_true(written > 1000);
        assert_int_equal(made, written + 1); /* of the others nothing was made */
        assert_int_equal(log_suppressed() - before, 10100 - written);
        assert_content(place, "fspmgr.log", "our own lines have no such bound" MGR_TAIL);

        assert_int_equal(unlinkat(place->fd, "fspisapi.log", 0), 0);
        assert_int_equal(log_reopen(&options), 0);
        seconds_ahead += 61;
        log_tick();
        log_tick();
        log_isapi_at(LOG_INFO, "f", 1, "a new minute");
        char expected[512];
        (void)snprintf(expected, sizeof(expected),
                       "<!\\[LOG\\[%zu line\\(s\\) not written: more than 1 MB in a "
                       "minute\\]LOG[^\n]*type=\"2\"[^\n]*\n"
                       "<!\\[LOG\\[a new minute[^\n]*\n",
                       10100 - written);
        assert_content(place, "fspisapi.log", expected);
}

static void setup_lines_are_added(void **state)
{
        const struct place *place = *state;

        assert_int_equal(log_setup(place->path, "Installing the SMSFSP"), 0);
        assert_int_equal(log_setup(place->path, "Installation %s\n", "was successful"), 0);
#define SETUP_HEAD "<[0-9]{2}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}> "
        assert_content(place, "SMSFSPSetup.log",
                       SETUP_HEAD "Installing the SMSFSP\r\n" SETUP_HEAD
                                  "Installation was successful\\\\x0A\r\n");
        assert_int_equal(log_setup("/there/is/no/such/folder", "shown all the same"), -ENOENT);
}

#define THREADS 4
#define LINES_EACH 500

/* As root into a folder of the daemon's user: what that put there leads nowhere. */
static void no_link_leads_a_line_elsewhere(void **state)
{
        const struct place *place = *state;
        struct stat st;

        assert_int_equal(symlinkat("victim", place->fd, "SMSFSPSetup.log"), 0);
        assert_int_equal(log_setup(place->path, "shown all the same"), -ELOOP);
        assert_int_equal(fstatat(place->fd, "victim", &st, 0), -1);
        assert_int_equal(unlinkat(place->fd, "SMSFSPSetup.log", 0), 0);
}

static void *say_many(void *arg)
{
        for (int i = 0; i < LINES_EACH; i++)
                log_mgr(LOG_INFO, "thread %s line %d end", (const char *)arg, i);
        return NULL;
}

static void threads_write_whole_lines(void **state)
{
        static char names[THREADS][2] = { "a", "b", "c", "d" };
        const struct place *place = *state;
        struct log_options options = options_for(place);
        pthread_t threads[THREADS];
        size_t lines = 0;

        assert_int_equal(log_open(&options), 0);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, say_many, names[i]), 0);
        for (int i = 0; i < 20; i++)
                assert_int_equal(log_reopen(&options), 0);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        char *got = content_of(place, "fspmgr.log"), *rest = NULL;
        for (char *line = strtok_r(got, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                assert_int_equal(strncmp(line, "thread ", 7), 0);
                assert_non_null(strstr(line, " end  $$<"));
                assert_int_equal(line[strlen(line) - 1], '\r');
                lines++;
        }
        free(got);
        assert_int_equal(lines, THREADS * LINES_EACH);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_place, remove_place)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(writes_both_formats),
                TEST(writes_the_bias),
                TEST(nobody_forges_a_line),
                TEST(a_long_text_leaves_the_tail_whole),
                TEST(rolls_over_before_the_size_is_passed),
                TEST(keeps_no_history_when_told),
                TEST(goes_on_in_the_file_there_is),
                TEST(a_bad_reopen_changes_nothing),
                TEST(shows_lines_on_standard_error),
                TEST(a_full_disk_loses_whole_lines_and_says_so),
                TEST(setup_lines_are_added),
                TEST(no_link_leads_a_line_elsewhere),
                TEST(threads_write_whole_lines),
                TEST(strangers_share_a_budget), /* the last: it uses a minute up */
        };

        return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
