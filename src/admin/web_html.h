/* web_html: the page's text, with all that a client wrote made harmless in one
 * place.
 *
 * Owns      the shell around every view and the embedded files of src/admin/web.
 * Threads   pure functions; the stream is one of memory, whose end tells
 *           whether all of it found room. */
#ifndef ADMIN_WEB_HTML_H
#define ADMIN_WEB_HTML_H

#include "fsp/query.h"
#include "fsp/web.h"
#include <stdint.h>
#include <stdio.h>

/* Writes format with, in place of
 *   %s  a text, escaped: for elements and for attributes in quotes; NULL is –
 *   %u  a text as one component of an address
 *   %d  an int64_t, %% a per cent sign. */
void html(FILE *out, const char *format, ...);
/* Text whose lines are kept, for <pre>. */
void html_lines(FILE *out, const char *text);
/* <time>: how long ago, with the moment itself; – for CLOCK_UNKNOWN. */
void html_time(FILE *out, int64_t wall_ms, int64_t now_ms);
/* A duration as people say it: "3 min". */
void html_age(FILE *out, int64_t ms);

/* The page's frame; section: the entry of the navigation that it belongs to.
 * Sets the answer's type. */
void html_begin(struct web_answer *answer, const char *title, const char *section);
void html_end(struct web_answer *answer);
struct html_column {
        const char *title, *class; /* class: NULL is none */
};
/* A table up to its first row; label: its name for who does not see it. */
void html_table(FILE *out, const char *label, const struct html_column *columns, size_t count);
void html_table_end(FILE *out);
/* The way to where a list goes on: the same request, with this as its "before". */
void html_further(FILE *out, const struct web_request *request, const char *before, const char *label);
/* "JSON CSV" of what this view shows: path of the API and the query to it. */
void html_links(FILE *out, const char *path, const struct web_request *request);

struct html_asset {
        const char *name, *type;
        const unsigned char *bytes;
        size_t size;
};
/* Made at build time from src/admin/web; ends with a NULL name. */
extern const struct html_asset html_assets[];

#endif
