/* Lists of any length, read and sent piece by piece. */
#include "admin/web_site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int web_wants_csv(const struct web_request *request, struct web_answer *answer, bool *ret_csv)
{
        const char *format = web_parameter(request, "format");

        if (format && strcmp(format, "csv") != 0 && strcmp(format, "json") != 0) {
                (void)fputs("format is json or csv\n", answer->out); /* a memory stream: its end tells */
                return -EINVAL;
        }
        *ret_csv = format && strcmp(format, "csv") == 0;
        return 0;
}

static int next_piece(void *state, FILE *out)
{
        struct web_listing *listing = state;
        struct format *format = &listing->format;
        uint64_t wanted = listing->left < WEB_PIECE_ROWS ? listing->left : WEB_PIECE_ROWS;
        uint64_t count = 0;
        int r = 0;

        format->out = out;
        if (!listing->begun)
                r = format->kind->begin(format);
        listing->begun = true;
        if (r == 0 && wanted > 0)
                r = listing->piece(listing, wanted, &count);
        listing->left -= count;
        if (r < 0)
                return r;
        if (count == wanted && listing->left > 0)
                return 1;
        return format->kind->end(format);
}

int web_listing_start(struct web_listing *listing, struct site *site, const struct web_request *request,
                      const struct format_column *columns, size_t column_count, uint64_t limit,
                      struct web_answer *answer)
{
        bool csv;
        int r;

        answer->state = listing;
        answer->close = free;
        r = web_wants_csv(request, answer, &csv);
        if (r < 0)
                return r;
        listing->site = site;
        listing->format = (struct format){ .kind = csv ? &format_csv : &format_json,
                                           .columns = columns,
                                           .column_count = column_count };
        listing->left = limit ? limit : UINT64_MAX;
        answer->type = csv ? WEB_CSV : WEB_JSON;
        /* The first piece at once: what is wrong with the ledger is then a status of its own. */
        r = next_piece(listing, answer->out);
        if (r == 1)
                answer->more = next_piece;
        return r < 0 ? r : 0;
}
