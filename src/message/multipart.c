/* multipart: boundary, delimiter lines, part headers. */
#include "message/multipart.h"
#include <errno.h>
#include <string.h>
#include <strings.h>

struct span {
        const unsigned char *at, *end;
};

static bool is_blank(unsigned char c)
{
        return c == ' ' || c == '\t';
}

/* RFC 9110's token characters. */
static bool is_token_character(unsigned char c)
{
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool multipart_is_type(const char *content_type)
{
        if (content_type == NULL)
                return false;
        while (is_blank((unsigned char)*content_type))
                content_type++;
        return strncasecmp(content_type, "multipart/", strlen("multipart/")) == 0;
}

/* A token or quoted-string at text into value, cut when it does not fit (its
 * length then says so).  Gives the place behind it. */
static const char *read_value(const char *text, char *value, size_t value_size, size_t *ret_length)
{
        const bool quoted = *text == '"';
        size_t length = 0;

        if (quoted)
                text++;
        while (*text != '\0' && (quoted ? *text != '"' : *text != ';' && !is_blank((unsigned char)*text))) {
                if (quoted && *text == '\\' && text[1] != '\0')
                        text++;
                if (length < value_size)
                        value[length] = *text;
                length++;
                text++;
        }
        if (quoted && *text == '"')
                text++;
        *ret_length = length;
        return text;
}

/* "--" and the boundary parameter; -EINVAL when there is none, or too long a one. */
static int read_delimiter(const char *content_type, char delimiter[2 + MULTIPART_MAX_BOUNDARY],
                          size_t *ret_size)
{
        const char *text = strchr(content_type, ';');

        while (text != NULL && *text == ';') {
                do
                        text++;
                while (is_blank((unsigned char)*text));
                size_t name_length = strcspn(text, "=;"), length;
                const char *name = text;
                text += name_length;
                if (*text != '=')
                        continue;
                text = read_value(text + 1, delimiter + 2, MULTIPART_MAX_BOUNDARY, &length);
                while (is_blank((unsigned char)*text))
                        text++;
                if (name_length != strlen("boundary") || strncasecmp(name, "boundary", name_length) != 0)
                        continue;
                if (length == 0 || length > MULTIPART_MAX_BOUNDARY)
                        return -EINVAL;
                delimiter[0] = delimiter[1] = '-';
                *ret_size = 2 + length;
                return 0;
        }
        return -EINVAL;
}

/* Behind the line end at span->at (CR LF or LF); false when none stands there. */
static bool skip_line_end(struct span *span)
{
        const unsigned char *at = span->at;

        if (at < span->end && *at == '\r')
                at++;
        if (at == span->end || *at != '\n')
                return false;
        span->at = at + 1;
        return true;
}

/* Finds the next delimiter line.  *ret_content_end is where what stands before
 * it ends, *ret_closing tells "--" behind it; *rest goes on behind the line. */
static bool find_delimiter(struct span *rest, const char *delimiter, size_t size,
                           const unsigned char **ret_content_end, bool *ret_closing)
{
        const unsigned char *start = rest->at;
        struct span after = *rest;

        while ((after.at = memmem(after.at, (size_t)(after.end - after.at), delimiter, size)) != NULL) {
                const unsigned char *found = after.at;
                after.at += size;
                if (found != start && found[-1] != '\n')
                        continue;
                bool closing = after.end - after.at >= 2 && memcmp(after.at, "--", 2) == 0;
                if (closing)
                        after.at += 2;
                while (after.at < after.end && is_blank(*after.at))
                        after.at++;
                if (!skip_line_end(&after) && !(closing && after.at == after.end))
                        continue;
                if (found > start)
                        found--;
                if (found > start && found[-1] == '\r')
                        found--;
                *ret_content_end = found;
                *ret_closing = closing;
                *rest = after;
                return true;
        }
        return false;
}

/* Does "name:" stand there? */
static bool at_header_line(const struct span *span)
{
        const unsigned char *at = span->at;

        while (at < span->end && is_token_character(*at))
                at++;
        return at > span->at && at < span->end && *at == ':';
}

/* Leaves the part's content.  RFC 2046 wants an empty line also where there
 * is no header; a part that begins with neither is taken as all content. */
static int skip_part_header(struct span *part)
{
        if (skip_line_end(part) || !at_header_line(part))
                return 0;
        while (!skip_line_end(part)) {
                const unsigned char *line_end = memchr(part->at, '\n', (size_t)(part->end - part->at));
                if (line_end == NULL)
                        return -EINVAL;
                part->at = line_end + 1;
        }
        return 0;
}

int multipart_split(const char *content_type, const unsigned char *body, size_t size,
                    struct multipart_part ret_parts[MULTIPART_MAX_PARTS], size_t *ret_count)
{
        char delimiter[2 + MULTIPART_MAX_BOUNDARY];
        size_t delimiter_size, count = 0;
        struct span rest = { body, body + size };
        const unsigned char *content_end;
        bool closing;

        int r = read_delimiter(content_type, delimiter, &delimiter_size);
        if (r < 0)
                return r;
        if (!find_delimiter(&rest, delimiter, delimiter_size, &content_end, &closing))
                return -EINVAL;
        while (!closing) {
                struct span part = { rest.at, NULL };
                if (!find_delimiter(&rest, delimiter, delimiter_size, &content_end, &closing))
                        return -EINVAL;
                part.end = content_end;
                r = skip_part_header(&part);
                if (r < 0)
                        return r;
                if (count == MULTIPART_MAX_PARTS)
                        return -E2BIG;
                ret_parts[count++] = (struct multipart_part){ part.at, (size_t)(part.end - part.at) };
        }
        *ret_count = count;
        return 0;
}
