/* A state message report, with the elements that Microsoft's state message
 * schema documents and the values that published captures show. */
#include "admin/cmd_send.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include "fsp/text.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_TOPIC "800" /* client deployment */
#define DEFAULT_STATE "100" /* deployment started */
#define CLIENT_VERSION "5.00.9096.1000"
#define NETBIOS_LENGTH 15

#define GUID_SIZE 37
static int make_guid(char ret_guid[GUID_SIZE])
{
        unsigned char b[16];

        if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
                return -EIO;
        b[6] = (unsigned char)((b[6] & 0x0F) | 0x40); /* RFC 9562: random */
        b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
        (void)snprintf(ret_guid, GUID_SIZE,
                       "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", b[0], b[1],
                       b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                       b[15]); /* always fits */
        return 0;
}

/* This host's name as Windows would have it. */
static int make_netbios_name(char ret_name[NETBIOS_LENGTH + 1])
{
        char host[HOST_NAME_MAX + 1] = "";
        size_t i;

        if (gethostname(host, sizeof(host) - 1) < 0)
                return -errno;
        for (i = 0; i < NETBIOS_LENGTH && host[i] && host[i] != '.'; i++)
                ret_name[i] = (char)toupper((unsigned char)host[i]);
        ret_name[i] = '\0';
        return 0;
}

#define CIM_SIZE 32
static int make_cim_time(int64_t wall_ms, char ret_text[CIM_SIZE])
{
        time_t seconds = (time_t)(wall_ms / 1000);
        char date[16];
        struct tm tm;

        if (!gmtime_r(&seconds, &tm) || strftime(date, sizeof(date), "%Y%m%d%H%M%S", &tm) == 0)
                return -EOVERFLOW;
        (void)snprintf(ret_text, CIM_SIZE, "%s.%03d000+000", date, (int)(wall_ms % 1000)); /* always fits */
        return 0;
}

static bool is_xml_character(uint32_t code)
{
        return code == '\t' || code == '\n' || code == '\r' ||
               (code >= 0x20 && code != 0xFFFE && code != 0xFFFF);
}

/* -EINVAL when XML cannot carry it. */
static int put_escaped(FILE *out, const char *text)
{
        const unsigned char *next = (const unsigned char *)text;
        size_t left = strlen(text);

        while (left > 0) {
                uint32_t code;
                size_t length = text_utf8_next(next, left, &code);

                if (length == 0 || !is_xml_character(code))
                        return -EINVAL;
                if (code < 0x20 || strchr("&<>\"'", (int)(code < 0x80 ? code : 'x')))
                        (void)fprintf(out, "&#%u;", (unsigned)code); /* fclose tells */
                else
                        (void)fwrite(next, 1, length, out); /* fclose tells */
                next += length;
                left -= length;
        }
        return 0;
}

/* before and after are markup as it stands; value is escaped. */
static int put_element(FILE *out, const char *before, const char *value, const char *after)
{
        int r;

        (void)fputs(before, out); /* fclose tells */
        r = put_escaped(out, value);
        (void)fputs(after, out);
        if (r < 0)
                cmd_complain("a value cannot stand in XML: %s is no UTF-8 or has a control character",
                             LOG_FIELD(value, strlen(value)));
        return r;
}

struct report_values {
        const char *client_id, *name, *topic, *state;
        const char **params;
        size_t param_count;
        char time[CIM_SIZE], topic_id[GUID_SIZE];
};

static int write_header(FILE *out, const struct report_values *values)
{
        int r = put_element(
                out,
                "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n"
                "<Report><ReportHeader><Identification><Machine><ClientInstalled>0</ClientInstalled>"
                "<ClientType>1</ClientType><ClientID>",
                values->client_id, "</ClientID><ClientVersion>" CLIENT_VERSION "</ClientVersion>");

        if (r == 0)
                r = put_element(
                        out, "<NetBIOSName>", values->name,
                        "</NetBIOSName><CodePage>437</CodePage><SystemDefaultLCID>1033</SystemDefaultLCID>"
                        "</Machine></Identification><ReportDetails>"
                        "<ReportContent>State Message Data</ReportContent><ReportType>Full</ReportType>");
        (void)fprintf(
                out,
                "<Date>%s</Date><Version>1.0</Version><Format>1.0</Format></ReportDetails></ReportHeader>",
                values->time); /* fclose tells */
        return r;
}

static int write_body(FILE *out, const struct report_values *values)
{
        int r = 0;
        size_t i;

        (void)fprintf(out,
                      "<ReportBody><StateMessage MessageTime=\"%s\" SerialNumber=\"0\">"
                      "<Topic ID=\"{%s}\" Type=\"%s\" IDType=\"0\" User=\"\" UserSID=\"\"/>"
                      "<State ID=\"%s\" Criticality=\"0\"/><UserParameters Flags=\"0\" Count=\"%zu\">",
                      values->time, values->topic_id, values->topic, values->state,
                      values->param_count); /* fclose tells */
        for (i = 0; r == 0 && i < values->param_count; i++)
                r = put_element(out, "<Param>", values->params[i], "</Param>");
        (void)fputs("</UserParameters></StateMessage></ReportBody></Report>\r\n", out); /* fclose tells */
        return r;
}

static int write_report(const struct report_values *values, char **ret_text)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        int r;

        if (!out)
                return -ENOMEM;
        r = write_header(out, values);
        if (r == 0)
                r = write_body(out, values);
        if (fclose(out) == EOF && r == 0)
                r = -ENOMEM;
        if (r < 0)
                free(text);
        else
                *ret_text = text;
        return r;
}

static unsigned char *put_unit(unsigned char *place, uint32_t unit)
{
        *place++ = (unsigned char)(unit & 0xFF);
        *place++ = (unsigned char)(unit >> 8);
        return place;
}

/* UTF-16LE with a BOM. */
static int encode(const char *text, unsigned char **ret_bytes, size_t *ret_size)
{
        size_t left = strlen(text);
        const unsigned char *next = (const unsigned char *)text;
        unsigned char *bytes = malloc(2 * left + 2); /* no character gets more than twice as long */
        unsigned char *place;

        if (!bytes)
                return -ENOMEM;
        place = put_unit(bytes, 0xFEFF);
        while (left > 0) {
                uint32_t code = 0;
                size_t length = text_utf8_next(next, left, &code); /* checked by put_escaped */

                if (code >= 0x10000) {
                        place = put_unit(place, 0xD800 + ((code - 0x10000) >> 10));
                        place = put_unit(place, 0xDC00 + ((code - 0x10000) & 0x3FF));
                } else
                        place = put_unit(place, code);
                next += length;
                left -= length;
        }
        *ret_bytes = bytes;
        *ret_size = (size_t)(place - bytes);
        return 0;
}

static int check_number(const char *option, const char *text)
{
        uint64_t value;

        if (text_parse_u64(text, &value) == 0 && value <= INT64_MAX)
                return 0;
        cmd_complain("--%s %s: give a number", option, text);
        return -EINVAL;
}

int cmd_make_report(const struct cmd_arguments *arguments, unsigned char **ret_bytes, size_t *ret_size)
{
        char client_id[sizeof("GUID:") + GUID_SIZE], guid[GUID_SIZE], name[NETBIOS_LENGTH + 1];
        struct report_values values = {
                .client_id = arguments->client_id ? arguments->client_id : client_id,
                .name = arguments->name ? arguments->name : name,
                .topic = arguments->topic ? arguments->topic : DEFAULT_TOPIC,
                .state = arguments->state ? arguments->state : DEFAULT_STATE,
                .params = arguments->params,
                .param_count = arguments->param_count,
        };
        char *text AUTO_FREE = NULL;
        int r;

        if (check_number("topic", values.topic) < 0 || check_number("state", values.state) < 0)
                return -EINVAL;
        r = make_guid(guid);
        if (r == 0)
                r = make_guid(values.topic_id);
        if (r == 0)
                r = make_netbios_name(name);
        if (r == 0)
                r = make_cim_time(clock_wall_ms(), values.time);
        if (r < 0)
                return r;
        (void)snprintf(client_id, sizeof(client_id), "GUID:%s", guid); /* always fits */
        r = write_report(&values, &text);
        return r < 0 ? r : encode(text, ret_bytes, ret_size);
}
