#include "admin/web_html.h"

#include "admin/web_site.h"
#include "fsp/clock.h"
#include "fsp/log.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Beyond it a moment is told by its date. */
#define RECENT_MS (INT64_C(48) * 3600 * 1000)

static void put_character(FILE *out, char character)
{
        switch (character) {
        case '&':
                (void)fputs("&amp;", out);
                break;
        case '<':
                (void)fputs("&lt;", out);
                break;
        case '>':
                (void)fputs("&gt;", out);
                break;
        case '"':
                (void)fputs("&quot;", out);
                break;
        case '\'':
                (void)fputs("&#39;", out);
                break;
        default: /* every other one is itself */
                (void)fputc(character, out);
        }
}

static void put_stretch(FILE *out, const char *text, size_t size)
{
        size_t room = size * 4 + 1;
        char *escaped = malloc(room);
        if (!escaped)
                return; /* the stream will not have room either */
        size_t length = log_escape(escaped, room, text, size);
        for (size_t i = 0; i < length; i++)
                put_character(out, escaped[i]);
        free(escaped);
}

static void put_text(FILE *out, const char *text)
{
        if (text)
                put_stretch(out, text, strlen(text));
        else
                (void)fputs("–", out);
}

static void put_component(FILE *out, const char *text)
{
        for (; *text; text++) {
                if (isalnum((unsigned char)*text) || strchr("-._~", *text))
                        (void)fputc(*text, out);
                else
                        (void)fprintf(out, "%%%02X", (unsigned)(unsigned char)*text);
        }
}

void html(FILE *out, const char *format, ...)
{
        va_list arguments;
        va_start(arguments, format);
        for (; *format; format++) {
                if (*format != '%') {
                        (void)fputc(*format, out);
                        continue;
                }
                switch (*++format) {
                case 's':
                        put_text(out, va_arg(arguments, const char *));
                        break;
                case 'u':
                        put_component(out, va_arg(arguments, const char *));
                        break;
                case 'd':
                        (void)fprintf(out, "%" PRId64, va_arg(arguments, int64_t));
                        break;
                default: /* %% */
                        (void)fputc('%', out);
                }
        }
        va_end(arguments);
}

void html_lines(FILE *out, const char *text)
{
        while (*text) {
                size_t size = strcspn(text, "\n\t");
                bool crlf = size > 0 && text[size] == '\n' && text[size - 1] == '\r';
                put_stretch(out, text, size - crlf);
                text += size;
                if (*text)
                        (void)fputc(*text++, out);
        }
}

void html_age(FILE *out, int64_t ms)
{
        static const struct {
                int64_t ms;
                const char *name;
        } units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "min" }, { 1000, "s" } };
        size_t i = 0;
        while (i < 3 && ms < 2 * units[i].ms)
                i++;
        (void)fprintf(out, "%" PRId64 " %s", ms > 0 ? ms / units[i].ms : 0, units[i].name);
}

void html_time(FILE *out, int64_t wall_ms, int64_t now_ms)
{
        char text[CLOCK_TEXT_SIZE];
        if (wall_ms == CLOCK_UNKNOWN) {
                (void)fputs("–", out);
                return;
        }
        (void)clock_format_rfc3339(wall_ms, text);
        html(out, "<time datetime=\"%s\" title=\"%s\">", text, text);
        if (wall_ms - now_ms > RECENT_MS || now_ms - wall_ms > RECENT_MS) {
                (void)fprintf(out, "%.10s %.5s</time>", text, text + 11); /* day and minute */
                return;
        }
        if (wall_ms > now_ms)
                (void)fputs("in ", out);
        html_age(out, wall_ms > now_ms ? wall_ms - now_ms : now_ms - wall_ms);
        (void)fputs(wall_ms > now_ms ? "</time>" : " ago</time>", out);
}

static const struct html_asset *find_asset(const char *name)
{
        const struct html_asset *asset = html_assets;
        while (asset->name && strcmp(asset->name, name) != 0)
                asset++;
        return asset->name ? asset : NULL;
}

static void put_navigation(FILE *out, const char *section)
{
        static const char *const entries[][2] = { { "/", "Overview" },
                                                  { "/messages", "Messages" },
                                                  { "/clients", "Clients" },
                                                  { "/reports", "Reports" } };
        for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
                (void)fprintf(out, "<li><a href=\"%s\"%s>%s</a></li>\n", entries[i][0],
                              strcmp(entries[i][1], section) == 0 ? " aria-current=\"page\"" : "",
                              entries[i][1]);
}

#define MAIN_MARK "{{main}}"

/* The shell has three marks, in this order. */
void html_begin(struct web_answer *answer, const char *title, const char *section)
{
        static const char *const marks[] = { "{{title}}", "{{navigation}}", MAIN_MARK };
        const char *rest = (const char *)find_asset("shell.html")->bytes;
        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
                const char *mark = strstr(rest, marks[i]);
                (void)fwrite(rest, 1, (size_t)(mark - rest), answer->out); /* see the header */
                rest = mark + strlen(marks[i]);
                if (i == 0)
                        html(answer->out, "%s", title);
                else if (i == 1)
                        put_navigation(answer->out, section);
        }
        answer->type = WEB_HTML;
}

void html_end(struct web_answer *answer)
{
        const char *shell = (const char *)find_asset("shell.html")->bytes;
        (void)fputs(strstr(shell, MAIN_MARK) + strlen(MAIN_MARK), answer->out);
}

void html_table(FILE *out, const char *label, const struct html_column *columns, size_t count)
{
        html(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table><thead><tr>",
             label);
        for (size_t i = 0; i < count; i++)
                (void)fprintf(out, "<th scope=\"col\"%s%s%s>%s</th>", columns[i].class ? " class=\"" : "",
                              columns[i].class ? columns[i].class : "", columns[i].class ? "\"" : "",
                              columns[i].title);
        (void)fputs("</tr></thead><tbody>\n", out);
}

void html_table_end(FILE *out)
{
        (void)fputs("</tbody></table></div>\n", out);
}

static void put_query(FILE *out, const struct web_request *request)
{
        for (size_t i = 0; i < request->parameter_count; i++)
                if (*request->parameters[i].value && strcmp(request->parameters[i].name, "before") != 0)
                        html(out, "&amp;%u=%u", request->parameters[i].name, request->parameters[i].value);
}

void html_further(FILE *out, const struct web_request *request, const char *before, const char *label)
{
        html(out, "<p><a rel=\"next\" href=\"?before=%u", before);
        put_query(out, request);
        html(out, "\">%s</a></p>\n", label);
}

void html_links(FILE *out, const char *path, const struct web_request *request)
{
        static const char *const formats[][2] = { { "json", "JSON" }, { "csv", "CSV" } };
        (void)fputs("<p class=\"links\">This as ", out);
        for (size_t i = 0; i < 2; i++) {
                html(out, "<a href=\"%s?format=%s", path, formats[i][0]);
                put_query(out, request);
                html(out, "\">%s</a>%s", formats[i][1], i == 0 ? " or " : "");
        }
        (void)fputs("</p>\n", out);
}

int web_asset(void *arg, const struct web_request *request, struct web_answer *answer)
{
        const struct html_asset *asset = find_asset(request->item);
        (void)arg;
        if (!asset) {
                (void)fputs("There is no such file\n", answer->out);
                return -ENOENT;
        }
        answer->type = asset->type;
        return fwrite(asset->bytes, 1, asset->size, answer->out) == asset->size ? 0 : -ENOMEM;
}
