/* text: numbers, durations and sizes out of strings, and comparing.
 *
 * Owns      nothing.  Threads: pure functions. */
#ifndef FSP_TEXT_H
#define FSP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Only decimal digits, at least one, the whole string.  -EINVAL when it is not
 * that, -ERANGE when it does not fit. */
int text_parse_u64(const char *text, uint64_t *ret_value);
/* N, or N with s, m, h, d; in milliseconds.  -EINVAL, -ERANGE. */
int text_parse_duration(const char *text, int64_t *ret_ms);
/* N, or N with K, M, G (1024).  -EINVAL, -ERANGE. */
int text_parse_size(const char *text, uint64_t *ret_bytes);
/* The shortest form that reads back as the same value. */
#define TEXT_UNIT_SIZE 24
const char *text_format_duration(int64_t ms, char ret_text[TEXT_UNIT_SIZE]);
const char *text_format_size(uint64_t bytes, char ret_text[TEXT_UNIT_SIZE]);

/* ASCII only, whatever the locale. */
bool text_equal_nocase(const char *a, const char *b);
bool text_has_suffix(const char *text, const char *suffix);
/* '*' stands for any run of characters, ASCII case is ignored. */
bool text_matches_glob(const char *pattern, const char *text);

/* Dotted version numbers, each part as a number, missing parts as 0: "4.00" <
 * "5.00.9096.1000".  A part that is no number ends the comparison there. */
int text_compare_versions(const char *a, const char *b);

/* Length in bytes of the valid UTF-8 sequence (no surrogate, nothing over
 * U+10FFFF, shortest form) at text and its code point; 0 when there is none. */
size_t text_utf8_next(const unsigned char *text, size_t size, uint32_t *ret_code_point);

#endif
