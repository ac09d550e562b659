/* log: what fspd says, in the formats that CMTrace and its like read.
 *
 * Owns      the three log files, their rollover, the one place where hostile
 *           text is made harmless, and the bound on what a stranger can cause.
 * Threads   every function may be called from any thread at any time; a line
 *           is written whole by one write(2).
 * Crash     nothing is synced; a log may lose its last lines in a power cut.
 *
 * Formats (source: open log viewers and real excerpts, see docs/INTERNALS.md):
 *
 *   fspmgr.log: TEXT  $$<SMS_FALLBACK_STATUS_POINT><MM-DD-YYYY HH:MM:SS.mmm+BIAS><thread=N (0xHEX)>
 *
 *   fspisapi.log: <![LOG[TEXT]LOG]!><time="..." date="..." component="fspisapi" ... file="FILE:LINE">
 *
 *   SMSFSPSetup.log: <MM/DD/YY HH:MM:SS> TEXT
 *
 * BIAS is minutes west of UTC, signed, three digits.  Lines end with CR LF.
 *
 * Viewers colour an fspmgr.log line red on "error" or "fail" and yellow on
 * "warn".  So log_mgr() at LOG_ERROR puts "ERROR: " and at LOG_WARNING
 * "WARNING: " before the text, and a good line's wording has none of them. */
#ifndef FSP_LOG_H
#define FSP_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_VERBOSE, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_options {
        const char *directory; /* must exist */
        enum log_level level;  /* lower ones are not written */
        uint64_t max_size;     /* bytes; a file that reaches it rolls over to .lo_ */
        unsigned max_history;  /* 0 keeps none, 1 .lo_, N also .lo_2 … .lo_N (oldest last) */
        bool to_stderr;        /* also show fspmgr lines there; with <N> priorities under the journal */
};

/* Opens fspmgr.log and fspisapi.log for appending.  -errno when it cannot;
 * until then, and after log_close(), lines go to standard error only. */
int log_open(const struct log_options *options);
/* New options and fresh files (SIGHUP).  On -errno the old ones stay in force. */
int log_reopen(const struct log_options *options);
void log_close(void);

/* The activity of the role: start, stop, runs, faults. */
void log_mgr(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the listener did.  Strangers cause these lines, so they share a budget
 * of LOG_FLOOD_BYTES a minute; what is over is counted and said in one line
 * when the minute is over.  Each text that came from outside goes through
 * log_field() first. */
#define LOG_FLOOD_BYTES (1000U * 1000U)
void log_isapi_at(enum log_level level, const char *file, int line, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* Would a line be left out now?  Then it is counted as one that was, where the budget is why. */
bool log_isapi_omits(enum log_level level);
/* What stands behind level is made only for a line that is written. */
#define log_isapi(level, ...)                                                                                \
        (log_isapi_omits(level) ? (void)0 : log_isapi_at(level, FSP_FILE_NAME, __LINE__, __VA_ARGS__))
/* The file's name without folders; the build defines it for each file. */
#ifndef FSP_FILE_NAME
#define FSP_FILE_NAME __FILE__
#endif

/* Appends to SMSFSPSetup.log in directory and shows the line on standard
 * output.  -errno when the file cannot be written; it is shown all the same. */
int log_setup(const char *directory, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* To be called about once a second by one thread: says what was suppressed. */
void log_tick(void);

/* Makes size bytes of hostile text printable: at most LOG_FIELD_BYTES of them,
 * non-printing ones (C0, C1, DEL, bidirectional controls, U+2028, U+2029,
 * bytes that are no UTF-8) as \xNN a byte, the formats' own markers broken up;
 * "..." follows where it was cut.  NULL gives "-".
 *     log_isapi(LOG_INFO, "from %s", LOG_FIELD(name, strlen(name))); */
#define LOG_FIELD_BYTES 128
struct log_field {
        char text[LOG_FIELD_BYTES * 4 + 4];
};
const char *log_field(struct log_field *buffer, const void *text, size_t size);
#define LOG_FIELD(text, size) log_field(&(struct log_field){ { 0 } }, (text), (size))

/* Lines not written since the start because a stranger caused too many. */
uint64_t log_suppressed(void);

/* The same escaping for any output, without the cut: at most ret_size - 1
 * bytes into ret, always terminated; gives the length. */
size_t log_escape(char *ret, size_t ret_size, const void *text, size_t size);

#endif
