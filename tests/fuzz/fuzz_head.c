/* The gate's pure functions, on raw bytes. */
#include "fuzz.h"
#include "http/gate.h"
#include "http/head.h"
#include "http/limits.h"
#include <string.h>

/* What an accepted head can never hold, said anew. */
static void look_at_accepted(const char *head, size_t size)
{
        MUST(size >= 4 && size <= HEAD_MAX && memcmp(head + size - 4, "\r\n\r\n", 4) == 0);
        MUST(!memchr(head, '\0', size));
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char)head[i];
                MUST(c != '\n' || head[i - 1] == '\r');
                MUST(c != '\r' || head[i + 1] == '\n');
                MUST(c >= 0x20 || c == '\r' || c == '\n' || c == '\t');
                MUST(i < 2 || head[i - 1] != '\n' || (c != ' ' && c != '\t'));
        }
        const char *end = memchr(head, '\r', size);
        MUST(memcmp(end - 9, " HTTP/1.0", 9) == 0 || memcmp(end - 9, " HTTP/1.1", 9) == 0);
}

static void look_at_head(const char *bytes, size_t size)
{
        size_t head_size, again;
        const char *why;
        enum verdict verdict = head_check(bytes, size, &head_size, &why);
        MUST(verdict == VERDICT_ACCEPTED || verdict == VERDICT_FRAMING || verdict == VERDICT_HEAD_TOO_LARGE);
        MUST(head_size <= size);
        if (head_size == 0)
                return;
        MUST(verdict == VERDICT_ACCEPTED);
        look_at_accepted(bytes, head_size);
        if (head_is_followed_by_its_body(bytes, head_size, size))
                MUST(!head_is_followed_by_its_body(bytes, head_size, size + 1));
        /* However it comes in pieces: never refused before, never whole before. */
        for (size_t part = 0; part < head_size; part += 1 + head_size / 16)
                MUST(head_check(bytes, part, &again, &why) == VERDICT_ACCEPTED && again == 0);
}

static void look_at_texts(const char *bytes, size_t size)
{
        static char *paths[] = { "/SMS_FSP/.sms_fsp" };
        static const struct config config = { .listener.paths = { paths, 1 } };
        struct client_address address;
        char *text = strndup(bytes, size), formatted[INET6_ADDRSTRLEN];
        MUST(text);
        if (gate_is_client_path(&config, text))
                MUST(strlen(text) >= strlen(paths[0]) && !strpbrk(text, "%@#?"));
        if (limits_parse_hop(text, strlen(text), &address) == 0)
                MUST(*limits_format(&address, formatted));
        if (head_is_length(text, strlen(text)))
                MUST(strspn(text, " \t0123456789") == strlen(text));
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        /* A copy of just this size, so that a read beyond it is seen. */
        char *bytes = malloc(size ? size : 1);
        MUST(bytes);
        if (size)
                memcpy(bytes, data, size);
        look_at_head(bytes, size);
        look_at_texts(bytes, size);
        free(bytes);
        return 0;
}
