/* errors: codes found in texts, and what they mean. */
#include "fsp/errors.h"
#include "fsp/params.h"
#include "message/errors_table.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_MAX INT64_C(0xFFFFFFFF)
#define WIN32_AS_HRESULT INT64_C(0x80070000)
#define MAX_LENGTH 32 /* of a text that may be a code */

static const struct errors_row *find_exactly(int64_t code)
{
        size_t low = 0, high = errors_table_count;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (errors_table[middle].code < code)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < errors_table_count && errors_table[low].code == code ? &errors_table[low] : NULL;
}

const struct errors_row *errors_find(int64_t code)
{
        const struct errors_row *row = find_exactly(code);

        if (!row && (code & ~INT64_C(0xFFFF)) == WIN32_AS_HRESULT)
                row = find_exactly(code & 0xFFFF);
        else if (!row && code > 0 && code <= 0xFFFF)
                row = find_exactly(code | WIN32_AS_HRESULT);
        return row;
}

const struct errors_row *errors_rows(size_t *ret_count)
{
        *ret_count = errors_table_count;
        return errors_table;
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The code written in the first size bytes of text. */
static int64_t parse(const char *text, size_t size)
{
        char digits[MAX_LENGTH];
        bool negative, hexadecimal;
        char *end;

        for (; size > 0 && is_blank(*text); size--)
                text++;
        while (size > 0 && is_blank(text[size - 1]))
                size--;
        negative = size > 0 && *text == '-';
        hexadecimal = size > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
        size_t prefix = negative ? 1 : hexadecimal ? 2 : 0;
        text += prefix;
        size -= prefix;
        if (size == 0 || size >= sizeof(digits))
                return ERRORS_NONE;
        memcpy(digits, text, size);
        digits[size] = '\0';
        if (!(hexadecimal ? isxdigit((unsigned char)*digits) : isdigit((unsigned char)*digits)))
                return ERRORS_NONE; /* strtoull would take blanks and signs */
        errno = 0;
        unsigned long long value = strtoull(digits, &end, hexadecimal ? 16 : 10);
        if (errno != 0 || *end != '\0' || value == 0 || value > (negative ? 1ULL << 31 : (1ULL << 32) - 1))
                return ERRORS_NONE;
        return negative ? CODE_MAX + 1 - (int64_t)value : (int64_t)value;
}

int64_t errors_parse(const char *text)
{
        return parse(text, strlen(text));
}

/* The value's end, and the value behind NAME = "; NULL when it is something else. */
static const char *attribute_value(const char *text, const char **ret_end)
{
        while (is_blank(*text))
                text++;
        if (*text++ != '=')
                return NULL;
        while (is_blank(*text))
                text++;
        if (*text != '"' && *text != '\'')
                return NULL;
        const char *end = strchr(text + 1, *text);
        if (!end)
                return NULL;
        *ret_end = end;
        return text + 1;
}

int64_t errors_in_details(const char *details)
{
        static const char name[] = "ErrorCode";
        const char *at = details ? strstr(details, name) : NULL;

        for (; at; at = strstr(at + 1, name)) {
                bool whole = at > details && is_blank(at[-1]); /* not the end of another name */
                const char *end, *value = whole ? attribute_value(at + sizeof(name) - 1, &end) : NULL;

                if (value)
                        return parse(value, (size_t)(end - value));
        }
        return ERRORS_NONE;
}

int64_t errors_in_state(const char *params_json, const char *details)
{
        struct params_text text = { 0 };
        int64_t code = ERRORS_NONE;

        for (const char *param; code == ERRORS_NONE && (param = params_next(&params_json, &text));)
                code = errors_parse(param);
        params_free(&text);
        return code == ERRORS_NONE ? errors_in_details(details) : code;
}

const char *errors_format(int64_t code, char ret_text[ERRORS_TEXT_SIZE])
{
        if (code > INT32_MAX)
                (void)snprintf(ret_text, ERRORS_TEXT_SIZE, "0x%08" PRIX32, (uint32_t)code); /* it fits */
        else
                (void)snprintf(ret_text, ERRORS_TEXT_SIZE, "%" PRId32, (int32_t)code);
        return ret_text;
}
