/* What we accept must be accepted by a parser of other make, with the same
 * facts read by code of other make: an XML text that two parsers read in two
 * ways is a message that the site server may read in a third. */
#include "fsp/message.h"
#include "fuzz.h"
#include <expat.h>
#include <stdbool.h>
#include <string.h>

#define SEPARATOR '\1' /* no character of XML, so in no name and no URI */
#define PATH_SIZE 4096

struct reading {
        char path[PATH_SIZE]; /* of the open elements; unknown ones as "?" */
        char namespace[PATH_SIZE];
        unsigned depth;
        unsigned long long topic, state;
        unsigned count, params;
        long long sums; /* over all StateMessages */
        char name[PATH_SIZE];
        size_t name_size;
        bool name_done;
};

static const char machine[] = "/Report/ReportHeader/Identification/Machine";
static const char message[] = "/Report/ReportBody/StateMessage";

static bool is_at(const struct reading *reading, const char *parent, const char *name)
{
        size_t size = strlen(parent);
        return strncmp(reading->path, parent, size) == 0 && reading->path[size] == '/' &&
               strcmp(reading->path + size + 1, name) == 0;
}

/* The local name where the namespace is the root's, else "?". */
static const char *local_name(struct reading *reading, const char *name)
{
        const char *separator = strchr(name, SEPARATOR);
        size_t size = separator ? (size_t)(separator - name) : 0;
        if (size >= PATH_SIZE)
                return "?";
        if (reading->depth == 0) {
                memcpy(reading->namespace, name, size);
                reading->namespace[size] = '\0';
        }
        bool same = strlen(reading->namespace) == size && memcmp(reading->namespace, name, size) == 0;
        return same ? (separator ? separator + 1 : name) : "?";
}

static unsigned long long number(const char **attributes, const char *name)
{
        for (size_t i = 0; attributes[i]; i += 2)
                if (strcmp(attributes[i], name) == 0)
                        return strtoull(attributes[i + 1], NULL, 10);
        return 0;
}

static void on_start(void *arg, const char *name, const char **attributes)
{
        struct reading *reading = arg;
        const char *local = local_name(reading, name);
        size_t used = strlen(reading->path);
        reading->depth++;
        if (strlen(local) > 20)
                local = "?"; /* no name that matters is so long */
        MUST(used + strlen(local) + 2 < PATH_SIZE);
        reading->path[used] = '/';
        strcpy(reading->path + used + 1, local);
        if (strcmp(reading->path, message) == 0)
                reading->count++;
        else if (is_at(reading, message, "Topic"))
                reading->sums += (long long)number(attributes, "Type");
        else if (is_at(reading, message, "State"))
                reading->sums += 3 * (long long)number(attributes, "ID");
        else if (is_at(reading, message, "UserParameters/Param"))
                reading->params++;
}

static void on_end(void *arg, const char *name)
{
        struct reading *reading = arg;
        (void)name;
        if (is_at(reading, machine, "NetBIOSName") && !reading->name_done) {
                for (size_t i = 0; i < reading->name_size && !reading->name_done; i++)
                        reading->name_done = !strchr(" \t\r\n", reading->name[i]);
                if (!reading->name_done)
                        reading->name_size = 0; /* of white space only: the next one counts */
        }
        *strrchr(reading->path, '/') = '\0';
        reading->depth--;
}

static void on_text(void *arg, const char *text, int size)
{
        struct reading *reading = arg;
        if (reading->name_done || !is_at(reading, machine, "NetBIOSName"))
                return;
        for (int i = 0; i < size && reading->name_size < PATH_SIZE; i++)
                reading->name[reading->name_size++] = text[i];
}

static const char *coding(const unsigned char **bytes, size_t *size)
{
        const unsigned char *b = *bytes;
        size_t mark = 0;
        const char *name = "UTF-8";
        if (*size >= 3 && memcmp(b, "\xEF\xBB\xBF", 3) == 0)
                mark = 3;
        else if (*size >= 2 && ((b[0] == 0xFF && b[1] == 0xFE) || (b[0] && !b[1])))
                name = "UTF-16LE", mark = b[0] == 0xFF ? 2 : 0;
        else if (*size >= 2 && ((b[0] == 0xFE && b[1] == 0xFF) || (!b[0] && b[1])))
                name = "UTF-16BE", mark = b[0] == 0xFE ? 2 : 0;
        *bytes += mark;
        *size -= mark;
        return name;
}

/* Names of XML 1.0's fifth edition, which the other parser does not know yet. */
static bool is_newer_edition(XML_Parser parser, const unsigned char *bytes, size_t size)
{
        if (XML_GetErrorCode(parser) != XML_ERROR_INVALID_TOKEN)
                return false;
        for (size_t i = 0; i < size; i++)
                if (bytes[i] >= 0x80)
                        return true;
        return size > 1 && (!bytes[0] || !bytes[1]); /* UTF-16: not looked at closer */
}

static void compare(const struct reading *reading, const struct report *report)
{
        long long sums = 0;
        unsigned params = 0, most = 0;
        for (size_t i = 0; i < report->state_count; i++) {
                sums += report->states[i].topic_type + 3 * report->states[i].state_id;
                params += (unsigned)report->states[i].param_count;
                most += report->states[i].param_count == MESSAGE_MAX_PARAMS;
        }
        MUST(reading->count == report->state_count);
        MUST(reading->sums == sums);
        MUST(reading->params == params || (most && reading->params > params));
        if (reading->name_size == PATH_SIZE)
                return;
        size_t start = 0, end = reading->name_size;
        while (start < end && strchr(" \t\r\n", reading->name[start]))
                start++;
        while (end > start && strchr(" \t\r\n", reading->name[end - 1]))
                end--;
        const char *name = report->netbios_name ? report->netbios_name : "";
        MUST(strlen(name) == end - start && memcmp(name, reading->name + start, end - start) == 0);
}

static void read_again(const struct report *report)
{
        struct reading *reading = calloc(1, sizeof(*reading));
        const unsigned char *bytes = report->bytes;
        size_t size = report->size;
        const char *name = coding(&bytes, &size);
        XML_Parser parser = XML_ParserCreateNS(name, SEPARATOR);
        MUST(reading && parser);
        XML_SetUserData(parser, reading);
        XML_SetElementHandler(parser, on_start, on_end);
        XML_SetCharacterDataHandler(parser, on_text);
        bool taken = XML_Parse(parser, (const char *)bytes, (int)size, 1) == XML_STATUS_OK;
        if (!taken && !is_newer_edition(parser, bytes, size)) {
                (void)fprintf(stderr, "the other parser says: %s\n",
                              XML_ErrorString(XML_GetErrorCode(parser)));
                abort();
        }
        if (taken)
                compare(reading, report);
        XML_ParserFree(parser);
        free(reading);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct reader *reader;
        static struct report report;
        static char *topics[] = { "*" };
        static const struct config policy = { .policy = { .min_client_version = "0",
                                                          .topics = { topics, 1 } } };
        const char *why;
        if (!reader)
                MUST(reader_new(&reader) == 0);
        if (reader_read(reader, &policy, NULL, data, size, &report, &why) == VERDICT_ACCEPTED)
                read_again(&report);
        return 0;
}
