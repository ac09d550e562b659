/* scan: XML declaration, DOCTYPE, nesting, attributes, text around the root. */
#include "message/scan.h"
#include "fsp/message.h"
#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct scan {
        const char *at, *end;
        unsigned depth, namespaces;
        bool root_seen;
        const char **ret_why;
};

static enum verdict refuse(struct scan *scan, enum verdict verdict, const char *why)
{
        *scan->ret_why = why;
        return verdict;
}

static bool is_white(char c)
{
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline bool starts_with(const struct scan *scan, const char *prefix)
{
        size_t size = strlen(prefix);

        return (size_t)(scan->end - scan->at) >= size && memcmp(scan->at, prefix, size) == 0;
}

static inline bool skip(struct scan *scan, const char *prefix)
{
        if (!starts_with(scan, prefix))
                return false;
        scan->at += strlen(prefix);
        return true;
}

static bool skip_white(struct scan *scan)
{
        const char *start = scan->at;

        while (scan->at < scan->end && is_white(*scan->at))
                scan->at++;
        return scan->at > start;
}

/* Behind the next occurrence of mark. */
static bool skip_past(struct scan *scan, const char *mark)
{
        const char *found = memmem(scan->at, (size_t)(scan->end - scan->at), mark, strlen(mark));

        if (found == NULL)
                return false;
        scan->at = found + strlen(mark);
        return true;
}

/* White space, name, '=', quoted value.  False, and nothing skipped, when
 * another name stands there; *ret_value NULL when the rest is malformed. */
static bool skip_pseudo_attribute(struct scan *scan, const char *name, const char **ret_value,
                                  size_t *ret_size)
{
        const char *start = scan->at;

        *ret_value = NULL;
        if (!skip_white(scan) || !skip(scan, name)) {
                scan->at = start;
                return false;
        }
        (void)skip_white(scan); /* may be missing */
        if (!skip(scan, "="))
                return true;
        (void)skip_white(scan); /* may be missing */
        if (scan->at == scan->end || (*scan->at != '"' && *scan->at != '\''))
                return true;
        const char quote = *scan->at++;
        const char *close = memchr(scan->at, quote, (size_t)(scan->end - scan->at));
        if (close == NULL)
                return true;
        *ret_value = scan->at;
        *ret_size = (size_t)(close - scan->at);
        scan->at = close + 1;
        return true;
}

static bool is_allowed_encoding(const char *name, size_t size)
{
        static const char *const allowed[] = { "UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE" };

        for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
                if (strlen(allowed[i]) == size && strncasecmp(allowed[i], name, size) == 0)
                        return true;
        return false;
}

static bool is_value(const char *value, size_t size, const char *wanted)
{
        return value != NULL && size == strlen(wanted) && memcmp(value, wanted, size) == 0;
}

/* <?xml version="1.0" encoding="..." standalone="..."?>, read behind "<?xml". */
static enum verdict scan_declaration(struct scan *scan)
{
        const char *value;
        size_t size = 0;

        if (!skip_pseudo_attribute(scan, "version", &value, &size) || !is_value(value, size, "1.0"))
                return refuse(scan, VERDICT_NOT_XML, "the XML declaration does not say version 1.0");
        if (skip_pseudo_attribute(scan, "encoding", &value, &size)) {
                if (value == NULL)
                        return refuse(scan, VERDICT_NOT_XML, "the XML declaration is malformed");
                if (!is_allowed_encoding(value, size))
                        return refuse(scan, VERDICT_ENCODING, "the XML declaration names another encoding");
        }
        if (skip_pseudo_attribute(scan, "standalone", &value, &size) && !is_value(value, size, "yes") &&
            !is_value(value, size, "no"))
                return refuse(scan, VERDICT_NOT_XML, "the XML declaration is malformed");
        (void)skip_white(scan); /* may be missing */
        if (!skip(scan, "?>"))
                return refuse(scan, VERDICT_NOT_XML, "the XML declaration is malformed");
        return VERDICT_ACCEPTED;
}

/* Goes on to the '>' of the tag, counting the '=' outside of quotes.  False
 * when there is no such '>'. */
static bool walk_start_tag(struct scan *scan, unsigned *ret_attributes)
{
        const char *at = scan->at, *const end = scan->end;
        unsigned attributes = 0;

        for (; at < end && *at != '>'; at++) {
                if (*at > '=')
                        continue; /* most of a name */
                if (*at == '=') {
                        attributes++;
                } else if (*at == '"' || *at == '\'') {
                        at = memchr(at + 1, *at, (size_t)(end - at - 1));
                        if (at == NULL)
                                return false;
                } else if (is_white(*at) && end - at > 5 && memcmp(at + 1, "xmlns", 5) == 0) {
                        scan->namespaces++;
                }
        }
        scan->at = at;
        *ret_attributes = attributes;
        return at < end;
}

/* Behind '<'. */
static enum verdict scan_start_tag(struct scan *scan)
{
        unsigned attributes;

        if (!walk_start_tag(scan, &attributes))
                return refuse(scan, VERDICT_NOT_XML, "a tag does not end");
        if (attributes > MESSAGE_MAX_ATTRIBUTES)
                return refuse(scan, VERDICT_TOO_COMPLEX, "too many attributes in one tag");
        if (scan->namespaces > SCAN_MAX_NAMESPACES)
                return refuse(scan, VERDICT_TOO_COMPLEX, "too many namespace declarations");
        if (scan->depth == 0 && scan->root_seen)
                return refuse(scan, VERDICT_NOT_XML, "a second root element");
        if (scan->depth == MESSAGE_MAX_DEPTH)
                return refuse(scan, VERDICT_TOO_COMPLEX, "elements are nested too deep");
        scan->root_seen = true;
        if (scan->at[-1] != '/')
                scan->depth++;
        scan->at++;
        return VERDICT_ACCEPTED;
}

/* Behind '</' and on to the end of the tag. */
static enum verdict scan_end_tag(struct scan *scan)
{
        const char *close = memchr(scan->at, '>', (size_t)(scan->end - scan->at));

        if (close == NULL || scan->depth == 0)
                return refuse(scan, VERDICT_NOT_XML, "an end tag without a start, or one that does not end");
        scan->at = close + 1;
        scan->depth--;
        return VERDICT_ACCEPTED;
}

/* Behind '<!'. */
static enum verdict scan_declared(struct scan *scan)
{
        if (skip(scan, "--"))
                return skip_past(scan, "-->") ? VERDICT_ACCEPTED
                                              : refuse(scan, VERDICT_NOT_XML, "a comment does not end");
        if (scan->depth > 0 && skip(scan, "[CDATA["))
                return skip_past(scan, "]]>") ? VERDICT_ACCEPTED
                                              : refuse(scan, VERDICT_NOT_XML, "a CDATA section does not end");
        if (skip(scan, "DOCTYPE"))
                return refuse(scan, VERDICT_DOCTYPE, "a DOCTYPE");
        return refuse(scan, VERDICT_NOT_XML, "markup that has no place in a message");
}

/* Behind '<'. */
static enum verdict scan_markup(struct scan *scan)
{
        switch (scan->at < scan->end ? *scan->at : '\0') {
        case '?':
                return refuse(scan, VERDICT_DOCTYPE, "a processing instruction");
        case '!':
                scan->at++;
                return scan_declared(scan);
        case '/':
                scan->at++;
                return scan_end_tag(scan);
        default:
                return scan_start_tag(scan);
        }
}

enum verdict scan_message(const char *text, size_t size, const char **ret_why)
{
        struct scan scan = { .at = text, .end = text + size, .ret_why = ret_why };
        enum verdict verdict = VERDICT_ACCEPTED;

        if (starts_with(&scan, "<?xml") && size > 5 && is_white(text[5])) {
                scan.at += 5;
                verdict = scan_declaration(&scan);
        }
        while (verdict == VERDICT_ACCEPTED && scan.at < scan.end) {
                const char *open = memchr(scan.at, '<', (size_t)(scan.end - scan.at));
                if (scan.depth == 0) {
                        (void)skip_white(&scan); /* may be missing */
                        if (scan.at != (open != NULL ? open : scan.end))
                                return refuse(&scan, VERDICT_NOT_XML, "text outside of the root element");
                }
                if (open == NULL)
                        break;
                scan.at = open + 1;
                verdict = scan_markup(&scan);
        }
        if (verdict == VERDICT_ACCEPTED && (scan.depth != 0 || !scan.root_seen))
                return refuse(&scan, VERDICT_NOT_XML, "the text ends before its root element does");
        return verdict;
}
