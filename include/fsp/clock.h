/* clock: the two clocks and how times are written and read.
 *
 * Owns      nothing.  Threads: all functions are pure or read a clock.
 * Intervals are measured on the monotonic clock only; the wall clock names
 * moments for people and may jump. */
#ifndef FSP_CLOCK_H
#define FSP_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_UNKNOWN INT64_MIN

int64_t clock_wall_ms(void);      /* since 1970-01-01 UTC */
int64_t clock_monotonic_ms(void); /* since some moment before the start; survives no restart */
int64_t clock_monotonic_us(void);

/* "2026-11-21T10:00:00.123Z", in ret_text, which is returned. */
#define CLOCK_TEXT_SIZE 32
const char *clock_format_rfc3339(int64_t wall_ms, char ret_text[CLOCK_TEXT_SIZE]);

/* CIM datetime yyyymmddHHMMSS.ffffff±UUU (DMTF DSP0004; UUU minutes from UTC,
 * "***" or nothing taken as UTC), as in StateMessage/@MessageTime, or an
 * RFC 3339 time.  CLOCK_UNKNOWN when it is neither. */
int64_t clock_parse_message_time(const char *text);

/* What an administrator writes: RFC 3339 (seconds, fraction and offset may be
 * left out: local time then), YYYY-MM-DD (local midnight), 90s 15m 2h 3d 4w
 * (ago), now, today, yesterday.  -EINVAL when it is none of them. */
int clock_parse_when(const char *text, int64_t now_ms, int64_t *ret_wall_ms);

#endif
