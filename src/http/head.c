#include "head.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_token_character(unsigned char c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c && strchr("!#$%&'*+-.^_`|~", c));
}

size_t head_token_length(const char *text, size_t size)
{
        size_t length = 0;
        while (length < size && is_token_character((unsigned char)text[length]))
                length++;
        return length;
}

/* METHOD SP URI SP HTTP/1.x, with nothing more between. */
static const char *check_request_line(const char *line, size_t size)
{
        size_t method = head_token_length(line, size);
        if (method == 0 || method == size || line[method] != ' ')
                return "the request line has no method";
        const char *uri = line + method + 1, *end = line + size;
        const char *blank = uri;
        while (blank < end && (unsigned char)*blank > 0x20 && *blank != 0x7F)
                blank++;
        if (blank == uri || blank == end || *blank != ' ')
                return "the request line has no version, or a control character";
        if (end - blank != 9 ||
            (memcmp(blank + 1, "HTTP/1.1", 8) != 0 && memcmp(blank + 1, "HTTP/1.0", 8) != 0))
                return "neither HTTP/1.0 nor HTTP/1.1";
        return NULL;
}

bool head_is_length(const char *value, size_t size)
{
        while (size && (*value == ' ' || *value == '\t')) {
                value++;
                size--;
        }
        size_t digits = 0;
        while (digits < size && value[digits] >= '0' && value[digits] <= '9')
                digits++;
        return digits > 0 && digits <= 18 && digits == size;
}

static bool is_name(const char *line, size_t size, const char *name)
{
        return strlen(name) == size && strncasecmp(line, name, size) == 0;
}

const char *head_framing_fault(const struct head_framing *framing, bool http_1_1)
{
        if (framing->hosts > 1)
                return "two Host headers";
        if (framing->hosts == 0 && http_1_1)
                return "no Host header";
        if (framing->lengths + framing->transfer_codings > 1)
                return "more than one Content-Length or Transfer-Encoding";
        return framing->transfer_codings && !http_1_1 ? "Transfer-Encoding on HTTP/1.0" : NULL;
}

static const char *check_field_line(const char *line, size_t size, struct head_framing *framing)
{
        size_t name = head_token_length(line, size);
        if (name == 0 || name == size || line[name] != ':')
                return line[0] == ' ' || line[0] == '\t' ? "a folded header line"
                                                         : "a header name that is no token";
        for (size_t i = name + 1; i < size; i++) {
                unsigned char c = (unsigned char)line[i];
                if ((c < 0x20 && c != '\t') || c == 0x7F)
                        return "a control character in a header";
        }
        if (is_name(line, name, "Host")) {
                framing->hosts++;
        } else if (is_name(line, name, "Transfer-Encoding")) {
                framing->transfer_codings++;
        } else if (is_name(line, name, "Content-Length")) {
                framing->lengths++;
                return head_is_length(line + name + 1, size - name - 1) ? NULL
                                                                        : "Content-Length is no number";
        }
        return NULL;
}

/* libmicrohttpd would read it again and again while it grows. */
static const char *chunk_line_fault(const char *line, size_t size)
{
        return size >= CHUNK_LINE_MAX && !memchr(line, '\n', CHUNK_LINE_MAX)
                       ? "what surrounds its chunks is too long"
                       : NULL;
}

enum verdict head_check(const char *bytes, size_t size, size_t *ret_size, const char **ret_why)
{
        size_t at = 0;
        unsigned lines = 0;
        bool http_1_1 = false;
        struct head_framing framing = { 0 };
        *ret_size = 0;
        *ret_why = NULL;
        for (;;) {
                const char *line = bytes + at;
                size_t left = (size < HEAD_MAX ? size : HEAD_MAX) - at;
                const char *end = memchr(line, '\n', left);
                if (!end)
                        return size < HEAD_MAX ? VERDICT_ACCEPTED : VERDICT_HEAD_TOO_LARGE;
                size_t length = (size_t)(end - line);
                if (length == 0 || line[length - 1] != '\r') {
                        *ret_why = "a line that does not end in CR LF";
                        return VERDICT_FRAMING;
                }
                length--;
                if (length == 0 && at > 0) {
                        *ret_why = head_framing_fault(&framing, http_1_1);
                        if (!*ret_why && framing.transfer_codings > 0)
                                *ret_why = chunk_line_fault(bytes + at + 2, size - at - 2);
                        *ret_size = *ret_why ? 0 : at + 2;
                        return *ret_why ? VERDICT_FRAMING : VERDICT_ACCEPTED;
                }
                *ret_why =
                        at == 0 ? check_request_line(line, length) : check_field_line(line, length, &framing);
                http_1_1 = http_1_1 || (at == 0 && !*ret_why && line[length - 1] == '1');
                if (*ret_why)
                        return VERDICT_FRAMING;
                at += length + 2;
                if (++lines > HEAD_MAX_LINES)
                        return VERDICT_HEAD_TOO_LARGE;
        }
}

bool head_is_followed_by_its_body(const char *bytes, size_t head_size, size_t size)
{
        uint64_t body = 0;
        const char *end = bytes + head_size;
        for (const char *line = bytes; line < end;
             line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1) {
                size_t name = head_token_length(line, (size_t)(end - line));
                if (is_name(line, name, "Transfer-Encoding"))
                        return false;
                if (is_name(line, name, "Content-Length"))
                        body = strtoull(line + name + 1, NULL, 10); /* a number: the head is sound */
        }
        return body == size - head_size;
}
