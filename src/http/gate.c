#include "gate.h"

#include "fsp/text.h"
#include "head.h"
#include <string.h>
#include <strings.h>

/* What the walk over the headers finds. */
struct walk {
        const char *next; /* where the next header must begin in memory */
        bool broken;      /* a name that is no token, a control character, a gap */
        struct head_framing framing;
        unsigned expectations;
        const char *length, *transfer_coding, *expectation;
        bool coded;
        struct gate_head *head;
};

static bool is_field_value(const char *text, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char)text[i];
                if ((c < 0x20 && c != '\t') || c == 0x7F)
                        return false;
        }
        return true;
}

/* There were CR and LF, as far as it shows. */
static bool is_line_end(const char *text)
{
        return text[0] == '\0' && text[1] == '\0';
}

/* libmicrohttpd 0.9.75 parses in place: it overwrites the ends of lines with
 * NULs and hands out pointers into the head.  So a head written with CR LF and
 * without folding is one unbroken row: each name begins two bytes behind the
 * value before it.  A bare LF, a folded line or a NUL leaves a gap. */
static bool follows(struct walk *walk, const char *name, size_t name_size, const char *value,
                    size_t value_size)
{
        bool ok = name == walk->next && value > name + name_size;
        for (const char *blank = name + name_size + 1; ok && blank < value; blank++)
                ok = *blank == ' ' || *blank == '\t';
        walk->next = value + value_size + 2;
        return ok && is_line_end(value + value_size);
}

static void note(struct walk *walk, const char *name, const char *value)
{
        if (text_equal_nocase(name, "Host")) {
                walk->framing.hosts++;
        } else if (text_equal_nocase(name, "Content-Length")) {
                walk->framing.lengths++;
                walk->length = value;
        } else if (text_equal_nocase(name, "Transfer-Encoding")) {
                walk->framing.transfer_codings++;
                walk->transfer_coding = value;
        } else if (text_equal_nocase(name, "Content-Encoding")) {
                walk->coded = walk->coded || !text_equal_nocase(value, "identity");
        } else if (text_equal_nocase(name, "Expect")) {
                walk->expectations++;
                walk->expectation = value;
        } else if (text_equal_nocase(name, "Content-Type")) {
                walk->head->content_type = value;
        } else if (text_equal_nocase(name, "X-Forwarded-For")) {
                walk->head->forwarded_for = value;
        }
}

static enum MHD_Result walk_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                   const char *value, size_t value_size)
{
        (void)kind;
        struct walk *walk = arg;
        if (!value || head_token_length(name, name_size) != name_size || name_size == 0 ||
            !is_field_value(value, value_size) || !follows(walk, name, name_size, value, value_size)) {
                walk->broken = true;
                return MHD_NO;
        }
        note(walk, name, value);
        return MHD_YES;
}

const char *gate_uri_end(const char *uri)
{
        for (; *uri; uri++) {
                if ((unsigned char)*uri <= 0x20 || (unsigned char)*uri == 0x7F)
                        return NULL;
        }
        return uri;
}

/* Exactly one way to tell where the body ends. */
static enum verdict check_length(const struct walk *walk, bool http_1_1, struct gate_head *head,
                                 const char **ret_why)
{
        *ret_why = head_framing_fault(&walk->framing, http_1_1);
        if (*ret_why)
                return VERDICT_FRAMING;
        if (walk->framing.transfer_codings == 1) {
                *ret_why = "unknown Transfer-Encoding";
                head->chunked = true;
                return text_equal_nocase(walk->transfer_coding, "chunked") ? VERDICT_ACCEPTED
                                                                           : VERDICT_FRAMING;
        }
        if (walk->framing.lengths == 1) {
                *ret_why = "Content-Length is no number";
                return head_is_length(walk->length, strlen(walk->length)) &&
                                       text_parse_u64(walk->length, &head->length) == 0
                               ? VERDICT_ACCEPTED
                               : VERDICT_FRAMING;
        }
        return VERDICT_ACCEPTED;
}

/* The head as a whole: canonical, and of a bearable size. */
static enum verdict check_shape(struct MHD_Connection *mhd, const struct gate_head *head, struct walk *walk,
                                const char **ret_why)
{
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
        *ret_why = "the head is not written as HTTP asks: CR LF line ends, no folded lines, no control "
                   "characters";
        if (!info)
                return VERDICT_FRAMING;
        if (info->header_size > HEAD_MAX) {
                *ret_why = NULL;
                return VERDICT_HEAD_TOO_LARGE;
        }
        const char *line_end = head->version + strlen(head->version);
        walk->next = line_end + 2;
        bool line_ok = is_line_end(line_end) && head->url == head->method + strlen(head->method) + 1 &&
                       head_token_length(head->method, strlen(head->method)) == strlen(head->method) &&
                       head->uri_end && head->uri_end + 1 == head->version;
        int fields = MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, walk_header, walk);
        if (fields >= HEAD_MAX_LINES) {
                *ret_why = NULL;
                return VERDICT_HEAD_TOO_LARGE;
        }
        bool first = !head->start || head->method == head->start;
        bool whole = head->method + info->header_size == walk->next + 2 && is_line_end(walk->next);
        return first && line_ok && !walk->broken && whole ? VERDICT_ACCEPTED : VERDICT_FRAMING;
}

/* Clients of a proxy name the whole "http://HOST/PATH"; RFC 9112 section 3.2.2
 * wants servers to take that.  NULL when what stands there is no such thing. */
static const char *path_of(const char *url)
{
        static const char scheme[] = "http://";
        if (strncasecmp(url, scheme, sizeof(scheme) - 1) != 0)
                return url;
        const char *host = url + sizeof(scheme) - 1;
        size_t size = strcspn(host, "/?#@");
        return size > 0 && host[size] == '/' ? host + size : NULL;
}

bool gate_is_client_path(const struct config *config, const char *url)
{
        const char *path = path_of(url);
        if (!path)
                return false;
        for (size_t i = 0; i < config->listener.paths.count; i++) {
                if (text_equal_nocase(path, config->listener.paths.items[i]))
                        return true;
        }
        return false;
}

bool gate_must_close(enum verdict verdict)
{
        return verdict == VERDICT_FRAMING || verdict == VERDICT_NO_LENGTH ||
               verdict == VERDICT_HEAD_TOO_LARGE || verdict == VERDICT_TOO_LARGE;
}

enum verdict gate_check(struct MHD_Connection *mhd, const struct config *config, struct gate_head *head,
                        const char **ret_why)
{
        struct walk walk = { .head = head };
        bool http_1_1 = strcmp(head->version, "HTTP/1.1") == 0;
        *ret_why = "neither HTTP/1.0 nor HTTP/1.1";
        if (!http_1_1 && strcmp(head->version, "HTTP/1.0") != 0)
                return VERDICT_FRAMING;
        enum verdict verdict = check_shape(mhd, head, &walk, ret_why);
        if (verdict == VERDICT_ACCEPTED)
                verdict = check_length(&walk, http_1_1, head, ret_why);
        if (verdict != VERDICT_ACCEPTED)
                return verdict;
        *ret_why = NULL;
        head->expects = walk.expectations == 1 && text_equal_nocase(walk.expectation, "100-continue");
        head->on_client_path = gate_is_client_path(config, head->url);
        if (!head->on_client_path)
                return VERDICT_PATH;
        if (strcmp(head->method, "POST") != 0 && strcmp(head->method, "CCM_POST") != 0)
                return VERDICT_METHOD;
        if (walk.framing.lengths + walk.framing.transfer_codings == 0)
                return VERDICT_NO_LENGTH;
        if (head->length > config->listener.max_message_size)
                return VERDICT_TOO_LARGE;
        if (walk.coded)
                return VERDICT_CONTENT_CODING;
        return walk.expectations > 0 && !head->expects ? VERDICT_EXPECTATION : VERDICT_ACCEPTED;
}
