/* The writer for people.  Rows are printed by the page, so that a million of
 * them need no memory; each page has its header and fits its own columns. */
#include "admin/cmd.h"
#include "fsp/catalog.h"
#include "fsp/fsutil.h"
#include "fsp/text.h"
#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_LINES 1000
#define PIPE_WIDTH 100000 /* nothing is cut or left out where nobody counts columns */

struct table {
        struct libscols_table *lines;
        size_t shown[32]; /* the columns that this terminal has room for */
        size_t shown_count;
};

/* NO_COLOR: see no-color.org. */
static bool wants_colour(const struct format *format)
{
        const char *refused = getenv("NO_COLOR"), *kind = getenv("TERM");

        return format->terminal && !(refused && *refused) && !(kind && strcmp(kind, "dumb") == 0);
}

/* What is wrong stands out, what wants somebody to look a little; NULL: as it is. */
static const char *row_colour(const json_t *row)
{
        const char *state_class = json_string_value(json_object_get(row, "class"));
        const char *delivery = json_string_value(json_object_get(row, "delivery"));

        switch (catalog_mood(state_class ? state_class : "")) {
        case CATALOG_BAD:
                return "red";
        case CATALOG_WARNING:
                return "yellow";
        case CATALOG_GOOD:
        case CATALOG_NEUTRAL:
                break;
        }
        return delivery && strcmp(delivery, "quarantined") == 0 ? "yellow" : NULL;
}

static int add_columns(const struct format *format, struct table *table)
{
        size_t width = format->terminal ? scols_table_get_termwidth(table->lines) : PIPE_WIDTH;
        size_t i;

        for (i = 0; i < format->column_count; i++) {
                const struct format_column *column = &format->columns[i];
                int flags = (column->right ? SCOLS_FL_RIGHT : 0) | (column->cut ? SCOLS_FL_TRUNC : 0);

                if (column->from_width > width)
                        continue;
                if (table->shown_count == sizeof(table->shown) / sizeof(table->shown[0]))
                        return -E2BIG;
                if (!scols_table_new_column(table->lines, column->title, 0, flags))
                        return -ENOMEM;
                table->shown[table->shown_count++] = i;
        }
        return 0;
}

static int table_begin(struct format *format)
{
        struct table *table = calloc(1, sizeof(*table));

        if (!table)
                return -ENOMEM;
        format->state = table;
        table->lines = scols_new_table();
        if (!table->lines)
                return -ENOMEM;
        /* Behind a pager there is a terminal as well. */
        if (format->terminal)
                scols_table_set_termforce(table->lines, SCOLS_TERMFORCE_ALWAYS);
        /* The cells are escaped already; scols would hide our own umlauts. */
        if (scols_table_enable_noencoding(table->lines, 1) < 0 ||
            scols_table_enable_colors(table->lines, wants_colour(format)) < 0 ||
            scols_table_set_stream(table->lines, format->out) < 0)
                return -EINVAL;
        return add_columns(format, table);
}

static int print_page(struct table *table)
{
        if (scols_table_is_empty(table->lines))
                return 0;
        if (scols_print_table(table->lines) < 0)
                return -EIO;
        scols_table_remove_lines(table->lines);
        return 0;
}

/* One long name must not push all else off the screen. */
static void cut_text(char *text, unsigned most)
{
        const unsigned char *next = (const unsigned char *)text;
        size_t left = strlen(text);
        uint32_t code;

        for (; left > 0 && most > 0; most--) {
                size_t length = text_utf8_next(next, left, &code); /* escaped text is UTF-8 */

                next += length;
                left -= length;
        }
        text[strlen(text) - left] = '\0';
}

static int table_row(struct format *format, const json_t *row)
{
        struct table *table = format->state;
        struct libscols_line *line = scols_table_new_line(table->lines, NULL);
        const char *colour = row_colour(row);
        size_t i;

        if (!line || (colour && scols_line_set_color(line, colour) < 0))
                return -ENOMEM;
        for (i = 0; i < table->shown_count; i++) {
                const struct format_column *column = &format->columns[table->shown[i]];
                char *text AUTO_FREE = format_cell(json_object_get(row, column->key));
                char *escaped AUTO_FREE = text ? format_escape(text) : NULL;

                if (!escaped)
                        return -ENOMEM;
                if (format->terminal && column->most > 0)
                        cut_text(escaped, column->most);
                if (scols_line_set_data(line, i, escaped) < 0)
                        return -ENOMEM;
        }
        format->rows++;
        return format->rows % PAGE_LINES == 0 ? print_page(table) : 0;
}

static int table_end(struct format *format)
{
        struct table *table = format->state;
        int r;

        if (!table)
                return 0;
        r = table->lines ? print_page(table) : 0;
        scols_unref_table(table->lines);
        free(table);
        format->state = NULL;
        return r;
}

const struct format_kind format_table = { table_begin, table_row, table_end };
