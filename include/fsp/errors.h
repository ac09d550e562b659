/* errors: what the error codes in messages mean.
 *
 * Owns      the table made at build time from src/message/errors.tsv: the codes
 *           of Windows, WinHTTP, CryptoAPI, Windows Installer and Configuration
 *           Manager that its clients meet, each with its source.
 * Threads   constant data, pure functions.
 *
 * A code is 1 to 0xFFFFFFFF, however it was written: -2147012889, 2147954407
 * and 0x80072EE7 are the same one. */
#ifndef FSP_ERRORS_H
#define FSP_ERRORS_H

#include <stddef.h>
#include <stdint.h>

#define ERRORS_NONE INT64_C(-1)

struct errors_row {
        int64_t code;
        const char *name, *text, *source;
};

/* NULL when the catalogue has no such code; a Win32 code wrapped as HRESULT
 * (0x8007xxxx) finds the plain one's row, and the other way round. */
const struct errors_row *errors_find(int64_t code);
const struct errors_row *errors_rows(size_t *ret_count);

/* A whole text that reads as a code: decimal, negative or not, or 0x and hex
 * digits, blanks around it.  ERRORS_NONE for anything else, and for 0. */
int64_t errors_parse(const char *text);
/* The ErrorCode="..." of StateDetails, found as text, nothing is parsed as XML.
 * ERRORS_NONE when there is none (details may be NULL). */
int64_t errors_in_details(const char *details);
/* The first parameter that reads as a code (params_json: an array of strings,
 * or NULL), else the one in the details. */
int64_t errors_in_state(const char *params_json, const char *details);

/* "0x80072EE7", or "1603" for a plain code below 0x80000000. */
#define ERRORS_TEXT_SIZE 16
const char *errors_format(int64_t code, char ret_text[ERRORS_TEXT_SIZE]);

#endif
