/* log: see include/fsp/log.h. */
#include "fsp/log.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "log_file.h"
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define TEXT_BYTES 4096               /* of one line's text, escaped */
#define LINE_BYTES (TEXT_BYTES + 512) /* with what the formats put around it */
#define MINUTE_MS 60000
#define SETUP_MAX_SIZE (UINT64_C(2) << 20)

static const struct {
        const char *prefix; /* viewers colour an fspmgr line by these words */
        const char *priority;
        int type; /* of the client format */
} levels[] = {
        [LOG_VERBOSE] = { "", SD_DEBUG, 1 },
        [LOG_INFO] = { "", SD_INFO, 1 },
        [LOG_WARNING] = { "WARNING: ", SD_WARNING, 2 },
        [LOG_ERROR] = { "ERROR: ", SD_ERR, 3 },
};

/* All of it is under the lock. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
        bool open;
        struct log_file mgr, isapi;
        enum log_level level;
        bool to_stderr, to_journal;
        /* The minute that runs since the first line after the last one. */
        int64_t minute_ms;
        uint64_t minute_bytes, minute_suppressed, suppressed;
} state = { .mgr = LOG_FILE_CLOSED, .isapi = LOG_FILE_CLOSED, .level = LOG_INFO };

static void unlock_pointer(pthread_mutex_t **held)
{
        (void)pthread_mutex_unlock(*held); /* cannot fail: this thread holds it */
}

static pthread_mutex_t *lock(void)
{
        (void)pthread_mutex_lock(&mutex); /* cannot fail: it is no recursive one */
        return &mutex;
}

#define LOCK_SCOPE() __attribute__((cleanup(unlock_pointer), unused)) pthread_mutex_t *held = lock()

/* Standard error is the journal's own when the journal names just that file. */
static bool is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == (dev_t)device && st.st_ino == (ino_t)inode;
}

struct moment {
        struct tm tm;
        int ms, bias; /* bias: minutes west of UTC */
};

static struct moment local_now(void)
{
        int64_t now_ms = clock_wall_ms();
        time_t seconds = (time_t)(now_ms / 1000);
        struct moment moment = { .ms = (int)(now_ms % 1000) };

        if (localtime_r(&seconds, &moment.tm))
                moment.bias = (int)(-moment.tm.tm_gmtoff / 60);
        return moment;
}

/* The caller's text, escaped as a whole: it is one line whatever it is made of. */
__attribute__((format(printf, 2, 0))) static size_t make_text(char ret_text[TEXT_BYTES], const char *format,
                                                              va_list arguments)
{
        char raw[TEXT_BYTES];
        int size = vsnprintf(raw, sizeof(raw), format, arguments);

        if (size < 0)
                size = snprintf(raw, sizeof(raw), "(no text for format %s)", format);
        size_t length = (size_t)size < sizeof(raw) ? (size_t)size : sizeof(raw) - 1;
        return log_escape(ret_text, TEXT_BYTES, raw, length);
}

static size_t make_mgr_line(char ret_line[LINE_BYTES], enum log_level level, const char *text)
{
        struct moment now = local_now();
        char stamp[32];
        pid_t thread = gettid();

        (void)strftime(stamp, sizeof(stamp), "%m-%d-%Y %H:%M:%S", &now.tm); /* fits for a thousand years */
        int size =
                snprintf(ret_line, LINE_BYTES,
                         "%s%s  $$<SMS_FALLBACK_STATUS_POINT><%s.%03d%+04d><thread=%d (0x%X)>\r\n",
                         levels[level].prefix, text, stamp, now.ms, now.bias, (int)thread, (unsigned)thread);
        return size < 0 ? 0 : (size_t)size;
}

static size_t make_isapi_line(char ret_line[LINE_BYTES], enum log_level level, const char *file, int line,
                              const char *text)
{
        struct moment now = local_now();
        char date[16], time[16];

        (void)strftime(date, sizeof(date), "%m-%d-%Y", &now.tm);
        (void)strftime(time, sizeof(time), "%H:%M:%S", &now.tm);
        int size = snprintf(
                ret_line, LINE_BYTES,
                "<![LOG[%s]LOG]!><time=\"%s.%03d%+04d\" date=\"%s\" component=\"fspisapi\" context=\"\" "
                "type=\"%d\" thread=\"%d\" file=\"%.64s:%d\">\r\n",
                text, time, now.ms, now.bias, date, levels[level].type, (int)gettid(), file, line);
        return size < 0 ? 0 : (size_t)size;
}

static void show(enum log_level level, const char *text)
{
        char line[LINE_BYTES];
        int size = snprintf(line, sizeof(line), "%s%s%s\n", state.to_journal ? levels[level].priority : "",
                            levels[level].prefix, text);

        if (size > 0)
                (void)fsutil_write_all(STDERR_FILENO, line,
                                       (size_t)size); /* there is nowhere left to say it */
}

static void tell_lost(struct log_file *file);

static void write_mgr(enum log_level level, const char *text)
{
        char line[LINE_BYTES];
        bool written = state.open && log_file_write(&state.mgr, line, make_mgr_line(line, level, text)) == 0;

        if (!written || state.to_stderr)
                show(level, text);
        if (written)
                tell_lost(&state.mgr);
}

static void write_isapi(enum log_level level, const char *file, int line_number, const char *text)
{
        char line[LINE_BYTES];
        size_t size = make_isapi_line(line, level, file, line_number, text);

        state.minute_bytes += size;
        if (!state.open)
                show(level, text);
        else if (log_file_write(&state.isapi, line, size) == 0)
                tell_lost(&state.isapi);
}

/* Called after a line was written, so what went wrong before is over. */
static void tell_lost(struct log_file *file)
{
        char text[PATH_MAX + 128];
        int error;
        uint64_t lost = log_file_take_lost(file, &error);

        if (lost == 0)
                return;
        (void)snprintf(text, sizeof(text), "%llu line(s) of %s not written: %s", (unsigned long long)lost,
                       file->path, strerrordesc_np(-error));
        if (LOG_WARNING >= state.level)
                write_mgr(LOG_WARNING, text);
}

/* Ends the minute of the flood budget when it is over and says what it cost. */
static void end_minute(void)
{
        int64_t now_ms = clock_monotonic_ms();
        uint64_t count = state.minute_suppressed;
        char text[128];

        if (now_ms - state.minute_ms < MINUTE_MS)
                return;
        state.minute_ms = now_ms;
        state.minute_bytes = 0;
        state.minute_suppressed = 0;
        if (count == 0 || state.level > LOG_WARNING)
                return;
        (void)snprintf(text, sizeof(text), "%llu line(s) not written: more than 1 MB in a minute",
                       (unsigned long long)count);
        write_isapi(LOG_WARNING, FSP_FILE_NAME, __LINE__, text);
}

static int open_files(const struct log_options *options, struct log_file *ret_mgr, struct log_file *ret_isapi)
{
        int r = log_file_open(ret_mgr, options->directory, "fspmgr.log", options->max_size,
                              options->max_history);

        if (r < 0)
                return r;
        r = log_file_open(ret_isapi, options->directory, "fspisapi.log", options->max_size,
                          options->max_history);
        if (r < 0)
                log_file_close(ret_mgr);
        return r;
}

int log_open(const struct log_options *options)
{
        struct log_file mgr, isapi;
        int r = open_files(options, &mgr, &isapi);

        if (r < 0)
                return r;
        LOCK_SCOPE();
        tzset(); /* localtime_r may leave it out */
        log_file_close(&state.mgr);
        log_file_close(&state.isapi);
        state.mgr = mgr;
        state.isapi = isapi;
        state.level = options->level;
        state.to_stderr = options->to_stderr;
        state.to_journal = is_journal();
        state.open = true;
        return 0;
}

int log_reopen(const struct log_options *options)
{
        return log_open(options);
}

void log_close(void)
{
        LOCK_SCOPE();
        state.open = false;
        log_file_close(&state.mgr);
        log_file_close(&state.isapi);
}

void log_mgr(enum log_level level, const char *format, ...)
{
        char text[TEXT_BYTES];
        va_list arguments;
        LOCK_SCOPE();

        if (level < state.level)
                return;
        va_start(arguments, format);
        (void)make_text(text, format, arguments);
        va_end(arguments);
        write_mgr(level, text);
}

static void suppress(void)
{
        state.minute_suppressed++;
        state.suppressed++;
}

bool log_isapi_omits(enum log_level level)
{
        LOCK_SCOPE();

        if (level < state.level)
                return true;
        end_minute();
        if (state.minute_suppressed == 0)
                return false;
        suppress(); /* full: a flood costs no formatting */
        return true;
}

void log_isapi_at(enum log_level level, const char *file, int line, const char *format, ...)
{
        char text[TEXT_BYTES];
        va_list arguments;
        LOCK_SCOPE();

        if (level < state.level)
                return;
        va_start(arguments, format);
        size_t size = make_text(text, format, arguments);
        va_end(arguments);
        /* What stands around the text counts too, and the summary needs room. */
        if (state.minute_bytes + size + (LINE_BYTES - TEXT_BYTES) > LOG_FLOOD_BYTES)
                suppress();
        else
                write_isapi(level, file, line, text);
}

int log_setup(const char *directory, const char *format, ...)
{
        struct log_file file = LOG_FILE_CLOSED;
        char text[TEXT_BYTES], line[LINE_BYTES], time[16];
        struct moment now = local_now();
        va_list arguments;
        int r;

        va_start(arguments, format);
        (void)make_text(text, format, arguments);
        va_end(arguments);
        (void)strftime(time, sizeof(time), "%H:%M:%S", &now.tm);
        int size = snprintf(line, sizeof(line), "<%02d/%02d/%02d %s> %s\r\n", now.tm.tm_mon + 1,
                            now.tm.tm_mday, now.tm.tm_year % 100, time, text);
        if (size < 0)
                return -EINVAL;
        LOCK_SCOPE();
        (void)printf("%s\n", text); /* for the eye; the file is what counts */
        (void)fflush(stdout);
        r = log_file_open(&file, directory, "SMSFSPSetup.log", SETUP_MAX_SIZE, 1);
        if (r < 0)
                return r;
        r = log_file_write(&file, line, (size_t)size);
        log_file_close(&file);
        return r;
}

void log_tick(void)
{
        LOCK_SCOPE();

        if (state.open) {
                log_file_retry(&state.mgr);
                log_file_retry(&state.isapi);
        }
        if (state.minute_suppressed > 0)
                end_minute();
}

uint64_t log_suppressed(void)
{
        LOCK_SCOPE();
        return state.suppressed;
}
