#include "admin/format.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_SEPARATOR "; "

static int stream_result(FILE *out)
{
        return ferror(out) ? -EIO : 0;
}

json_t *format_text(const char *text)
{
        json_t *value;
        char *escaped;

        if (!text)
                return json_null();
        value = json_string(text);
        if (value)
                return value;
        escaped = format_escape(text);
        value = escaped ? json_string(escaped) : NULL;
        free(escaped);
        return value;
}

json_t *format_time(int64_t wall_ms)
{
        char text[CLOCK_TEXT_SIZE];

        return wall_ms == CLOCK_UNKNOWN ? json_null() : json_string(clock_format_rfc3339(wall_ms, text));
}

char *format_escape(const char *text)
{
        size_t size = strlen(text);
        size_t room = size * 4 + 1;
        char *escaped = malloc(room);

        if (escaped)
                (void)log_escape(escaped, room, text, size); /* the length is not needed */
        return escaped;
}

json_t *format_row(const struct format_column *columns, size_t count, const void *item)
{
        json_t *row = json_object();
        size_t i;

        for (i = 0; row && i < count; i++)
                if (json_object_set_new(row, columns[i].key, columns[i].get(item)) < 0) {
                        json_decref(row);
                        return NULL;
                }
        return row;
}

static int put_value(FILE *out, const json_t *value);

static int put_list(FILE *out, const json_t *list)
{
        size_t i;
        json_t *item;
        int result;

        json_array_foreach(list, i, item)
        {
                if (i > 0 && fputs(LIST_SEPARATOR, out) == EOF)
                        return -EIO;
                result = put_value(out, item);
                if (result < 0)
                        return result;
        }
        return 0;
}

static int put_value(FILE *out, const json_t *value)
{
        if (!value)
                return 0;
        switch (json_typeof(value)) {
        case JSON_NULL:
                return 0;
        case JSON_STRING:
                return fputs(json_string_value(value), out) == EOF ? -EIO : 0;
        case JSON_ARRAY:
                return put_list(out, value);
        case JSON_TRUE:
        case JSON_FALSE:
        case JSON_INTEGER:
        case JSON_REAL:
        case JSON_OBJECT:
                return json_dumpf(value, out, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6)) < 0
                               ? -EIO
                               : 0;
        }
        return 0;
}

char *format_cell(const json_t *value)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        int result;

        if (!out)
                return NULL;
        result = put_value(out, value);
        if (fclose(out) == EOF || result < 0) {
                free(text);
                return NULL;
        }
        return text;
}

static const char *skip_digits(const char *text)
{
        while (isdigit((unsigned char)*text))
                text++;
        return text;
}

/* A decimal number: not "nan", "0x1" or " 1", which strtod would take. */
static bool is_number(const char *text)
{
        const char *digits = text + (*text == '+' || *text == '-');
        const char *end = skip_digits(digits);

        if (end == digits)
                return false;
        if (*end == '.')
                end = skip_digits(end + 1);
        if (*end == 'e' || *end == 'E') {
                digits = end + 1 + (end[1] == '+' || end[1] == '-');
                end = skip_digits(digits);
                if (end == digits)
                        return false;
        }
        return *end == '\0';
}

int format_csv_cell(FILE *out, const char *text)
{
        bool formula = *text && strchr("=+-@\t\r", *text) && !is_number(text);

        if (!formula && !strpbrk(text, "\",\r\n"))
                return fputs(text, out) == EOF ? -EIO : 0;
        (void)fputc('"', out); /* the stream remembers a fault: stream_result */
        if (formula)
                (void)fputc('\'', out);
        for (; *text; text++) {
                if (*text == '"')
                        (void)fputc('"', out);
                (void)fputc(*text, out);
        }
        (void)fputc('"', out);
        return stream_result(out);
}

static int csv_begin(struct format *format)
{
        size_t i;

        for (i = 0; i < format->column_count; i++)
                (void)fprintf(format->out, "%s%s", i > 0 ? "," : "", format->columns[i].key);
        (void)fputs("\r\n", format->out);
        return stream_result(format->out);
}

static int csv_cell(const struct format *format, const json_t *value)
{
        char *text AUTO_FREE = format_cell(value);
        char *escaped AUTO_FREE = NULL;

        if (!text)
                return -ENOMEM;
        if (!format->terminal)
                return format_csv_cell(format->out, text);
        escaped = format_escape(text);
        return escaped ? format_csv_cell(format->out, escaped) : -ENOMEM;
}

static int csv_row(struct format *format, const json_t *row)
{
        size_t i;
        int result;

        for (i = 0; i < format->column_count; i++) {
                if (i > 0)
                        (void)fputc(',', format->out);
                result = csv_cell(format, json_object_get(row, format->columns[i].key));
                if (result < 0)
                        return result;
        }
        (void)fputs("\r\n", format->out);
        format->rows++;
        return stream_result(format->out);
}

static int csv_end(struct format *format)
{
        return stream_result(format->out);
}

/* Only ASCII leaves us: no code point in it can steer a terminal. */
#define JSON_FLAGS (JSON_ENSURE_ASCII | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6))

static int json_begin(struct format *format)
{
        return fputc('[', format->out) == EOF ? -EIO : 0;
}

static int json_row(struct format *format, const json_t *row)
{
        (void)fputs(format->rows > 0 ? ",\n" : "\n", format->out); /* the stream remembers a fault */
        if (json_dumpf(row, format->out, JSON_FLAGS) < 0)
                return -EIO;
        format->rows++;
        return stream_result(format->out);
}

static int json_end(struct format *format)
{
        return fputs(format->rows > 0 ? "\n]\n" : "]\n", format->out) == EOF ? -EIO : 0;
}

const struct format_kind format_json = { json_begin, json_row, json_end };
const struct format_kind format_csv = { csv_begin, csv_row, csv_end };

int format_json_value(FILE *out, const json_t *value, bool indented)
{
        if (json_dumpf(value, out, JSON_FLAGS | (indented ? JSON_INDENT(2) : 0)) < 0)
                return -EIO;
        return fputc('\n', out) == EOF ? -EIO : 0;
}
