/* parse: the XML library, its events handed on to facts.
 *
 * The context is used again and again, but its dictionary of names only
 * grows, so a context that strangers have filled is renewed. */
#include "message/parse.h"
#include "message/facts.h"
#include "message/report.h"
#include <assert.h>
#include <errno.h>
#include <libxml/SAX2.h>
#include <libxml/globals.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#define MAX_DICTIONARY 1024 /* names; those of reports are about fifty */

struct parser {
        xmlParserCtxt *context;
        /* of the message in hand */
        struct facts facts;
        bool begun;           /* an element was seen */
        enum verdict verdict; /* other than VERDICT_ACCEPTED: stopped, nothing more counts */
        const char *why;
};

static void stop(struct parser *parser, enum verdict verdict, const char *why)
{
        if (parser->verdict != VERDICT_ACCEPTED)
                return;
        parser->verdict = verdict;
        parser->why = why;
        xmlStopParser(parser->context);
}

static void on_start_element(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                             int namespace_count, const xmlChar **namespaces, int attribute_count,
                             int defaulted_count, const xmlChar **attributes)
{
        struct parser *parser = arg;

        (void)prefix, (void)namespace_count, (void)namespaces; /* the URI says it all */
        (void)defaulted_count;                                 /* only a DOCTYPE makes any */
        parser->begun = true;
        if (parser->verdict != VERDICT_ACCEPTED)
                return;
        enum verdict verdict = facts_enter(&parser->facts, (const char *)name, (const char *)uri,
                                           (const struct facts_attribute *)(const void *)attributes,
                                           (size_t)attribute_count);
        if (verdict == VERDICT_TOO_COMPLEX)
                stop(parser, verdict, "too many StateMessage elements");
        else if (verdict != VERDICT_ACCEPTED)
                stop(parser, verdict, NULL);
}

static void on_end_element(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
        struct parser *parser = arg;

        (void)name, (void)prefix, (void)uri; /* the start's, or the text is not well-formed */
        if (parser->verdict == VERDICT_ACCEPTED)
                facts_leave(&parser->facts);
}

static void on_text(void *arg, const xmlChar *text, int size)
{
        struct parser *parser = arg;

        if (parser->verdict == VERDICT_ACCEPTED)
                facts_text(&parser->facts, (const char *)text, (size_t)size);
}

/* The scan lets neither of these two through: a second lock on the same door. */
static void on_doctype(void *arg, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
        (void)name, (void)public_id, (void)system_id; /* whatever it is */
        stop(arg, VERDICT_DOCTYPE, "a DOCTYPE");
}

static void on_instruction(void *arg, const xmlChar *target, const xmlChar *data)
{
        (void)target, (void)data; /* whatever it is */
        stop(arg, VERDICT_DOCTYPE, "a processing instruction");
}

/* Stopping at the first error keeps a text full of them cheap; that there is
 * a handler keeps the library from writing to standard error. */
static void on_error(void *arg, xmlError *error)
{
        if (error->level == XML_ERR_WARNING)
                return;
        if (error->code == XML_ERR_NO_MEMORY)
                stop(arg, VERDICT_BUSY, NULL);
        else if (error->domain == XML_FROM_NAMESPACE)
                stop(arg, VERDICT_NOT_XML, "not well-formed with regard to namespaces");
        else
                stop(arg, VERDICT_NOT_XML, "not well-formed");
}

static int renew_context(struct parser *parser)
{
        xmlParserCtxt *context = xmlNewParserCtxt();

        if (context == NULL)
                return -ENOMEM;
        *context->sax = (xmlSAXHandler){
                .initialized = XML_SAX2_MAGIC,
                .startElementNs = on_start_element,
                .endElementNs = on_end_element,
                .characters = on_text,
                .ignorableWhitespace = on_text,
                .cdataBlock = on_text,
                .internalSubset = on_doctype,
                .processingInstruction = on_instruction,
                .serror = on_error,
        };
        context->userData = parser;
        xmlFreeParserCtxt(parser->context);
        parser->context = context;
        return 0;
}

int parser_new(struct parser **ret_parser)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        (void)pthread_once(&once, xmlInitParser); /* cannot fail with these arguments */
        struct parser *parser = calloc(1, sizeof *parser);
        if (parser == NULL || renew_context(parser) < 0) {
                free(parser);
                return -ENOMEM;
        }
        *ret_parser = parser;
        return 0;
}

void parser_free(struct parser *parser)
{
        if (parser == NULL)
                return;
        xmlFreeParserCtxt(parser->context);
        free(parser);
}

/* xmlCtxtReadMemory would copy the text, and ask the copy for more at its end again and again.
 * Makes no document, as no handler here builds one; the flags tell all. */
static bool read_in_place(xmlParserCtxt *context, const char *text)
{
        xmlCtxtReset(context);
        xmlParserInput *input = xmlNewStringInputStream(context, (const xmlChar *)text);
        if (!input || inputPush(context, input) < 0) {
                xmlFreeInputStream(input);
                return false;
        }
        (void)xmlCtxtUseOptions(context, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC); /* both are known */
        (void)xmlParseDocument(context);                                          /* as above */
        return true;
}

enum verdict parser_read(struct parser *parser, enum config_validate validate, const char *text, size_t size,
                         struct report *report, const char **ret_why)
{
        assert(size <= INT_MAX);
        /* libxml2 makes its state of this thread at first use, and does not
         * look whether it got it. */
        if (!xmlGetGlobalState() || report_prepare(report, size) < 0)
                return VERDICT_BUSY;
        if (xmlDictSize(parser->context->dict) > MAX_DICTIONARY && renew_context(parser) < 0)
                return VERDICT_BUSY;
        xmlParserCtxt *context = parser->context;
        *parser = (struct parser){ .context = context, .facts = { .report = report } };

        if (!read_in_place(context, text))
                return VERDICT_BUSY;
        if (context->errNo == XML_ERR_NO_MEMORY)
                return VERDICT_BUSY; /* not the message's fault */
        if (parser->verdict != VERDICT_ACCEPTED) {
                *ret_why = parser->why;
                return parser->verdict;
        }
        if (!context->wellFormed || !context->nsWellFormed)
                return VERDICT_NOT_XML;
        if (!parser->begun) /* without memory for its input the library reads nothing, and says nothing */
                return VERDICT_BUSY;
        const char *missing = facts_missing(&parser->facts);
        if (missing == NULL || validate == VALIDATE_WELLFORMED)
                return VERDICT_ACCEPTED;
        *ret_why = missing;
        return VERDICT_NOT_A_REPORT;
}
