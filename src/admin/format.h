/* format: rows for programs and people, behind one table of writers.
 *
 * A row is a JSON object; a writer shows it as one line of a table
 * (cmd_table.c), as an element of a JSON array, or as a CSV record.  Rows are
 * written as they come, so that a million of them need no memory.
 *
 * Owns      nothing.  Threads: one struct format belongs to one thread.
 * Errors    -errno of the stream, -ENOMEM. */
#ifndef ADMIN_FORMAT_H
#define ADMIN_FORMAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct format_column {
        const char *key;                  /* in the row */
        json_t *(*get)(const void *item); /* makes the value, where rows are made from items */
        const char *title;                /* of the table; CSV writes the key */
        bool right;                       /* table: numbers to the right */
        bool cut;                         /* table: may be cut to fit the terminal */
        unsigned most;                    /* table: characters of a cell on a terminal; 0: no bound */
        unsigned from_width;              /* table: left out on narrower terminals */
};

struct format;
struct format_kind {
        int (*begin)(struct format *format);
        int (*row)(struct format *format, const json_t *row);
        int (*end)(struct format *format); /* also after a fault */
};
struct format {
        const struct format_kind *kind;
        FILE *out;
        const struct format_column *columns;
        size_t column_count;
        bool terminal; /* out is one: what strangers wrote must not steer it */
        uint64_t rows; /* written so far */
        void *state;   /* the kind's own */
};

extern const struct format_kind format_json, format_csv;

/* The value as one cell: "" for null, lists joined by "; ".  malloc'd; NULL
 * when memory is short. */
char *format_cell(const json_t *value);

/* One CSV cell (RFC 4180).  A spreadsheet takes a cell that begins with
 * = + - @, tab or CR for a formula: unless it reads as a number, it gets a
 * leading '. */
int format_csv_cell(FILE *out, const char *text);

/* text without anything that could steer a terminal; malloc'd. */
char *format_escape(const char *text);

/* The row of an item: all keys that can be got.  NULL when memory is short. */
json_t *format_row(const struct format_column *columns, size_t count, const void *item);

/* A JSON string, or null for NULL.  Text that is no UTF-8 is escaped. */
json_t *format_text(const char *text);
/* An RFC 3339 time, or null for CLOCK_UNKNOWN. */
json_t *format_time(int64_t wall_ms);

/* value on a line (or, indented, several) of its own. */
int format_json_value(FILE *out, const json_t *value, bool indented);

#endif
