/* The state message a client would send after a failed installation, padded
 * with text that is neither random nor one letter: what a server compresses
 * here it could compress in earnest. */
#include "load.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const struct body_kind body_kinds[] = {
        { "utf16-4k", 2, 4096 },
        { "utf8-2k", 1, 2048 },
};

/* Each run of SLOT characters (dashes may part it) holds the token's digits
 * from the first on. */
#define SLOT '#'

static const char text_start[] =
        "<Report><ReportHeader><Identification><Machine><ClientInstalled>0</ClientInstalled>"
        "<ClientType>1</ClientType><ClientID>GUID:########-####-####-8000-00155D0A1B2C</ClientID>"
        "<ClientVersion>5.00.9096.1000</ClientVersion><NetBIOSName>PC############</NetBIOSName>"
        "<CodePage>850</CodePage><SystemDefaultLCID>2057</SystemDefaultLCID><Priority>5</Priority>"
        "</Machine></Identification><ReportDetails><ReportContent>State Message Data</ReportContent>"
        "<ReportType>Full</ReportType><Date>20260115093012.123000+000</Date><Version>1.0</Version>"
        "<Format>1.0</Format></ReportDetails></ReportHeader>\r\n"
        "<ReportBody><StateMessage MessageTime=\"20260115093012.123000+000\" SerialNumber=\"17\">"
        "<Topic ID=\"{0D94311F-CB7B-4E73-94B1-75878081111C}\" Type=\"800\" IDType=\"0\" User=\"\" "
        "UserSID=\"\"/>"
        "<State ID=\"308\" Criticality=\"0\"/><StateDetails Type=\"1\"><![CDATA["
        "<ClientDeploymentMessage ErrorCode=\"-2147012889\"><Client Baseline=\"1\" BaselineCookie=\"\" "
        "Platform=\"2\" Langs=\"\"/></ClientDeploymentMessage>]]></StateDetails>"
        "<UserParameters Flags=\"0\" "
        "Count=\"3\"><Param>################</Param><Param>0x80072ee7</Param><Param>";

static const char text_end[] = "</Param></UserParameters></StateMessage></ReportBody></Report>\r\n";

static const char padding[] =
        "Download of http://mp04.branch.example.com:80/CCM_Client/x64/client.msi stopped after 3 of 7 tries. "
        "The name of the server could not be resolved; adapters up: Ethernet0 10.44.7.131/22 gateway "
        "10.44.4.1, "
        "Wi-Fi 192.168.178.26/24. Search list corp.example.com, branch.example.com; servers asked "
        "10.44.4.10, "
        "10.12.0.53, 192.168.178.1, no answer within 12000 ms. Free space on C: 48,113 MB of 243,198 MB, "
        "page "
        "file 9,728 MB. Windows 10.0.19045.4412 x64, last start 2026-01-14 07:52:41, user none. Boundary "
        "group "
        "unknown, site code from command line P01, fallback source not allowed. Next try in 10 minutes; "
        "installation ends after seven days, on 2026-01-22. Prerequisites already there: vcredist_x64 14.38, "
        "WindowsUpdateAgent 30-x64, msxml6, still missing: MicrosoftPolicyPlatformSetup, ConfigMgr language "
        "packs de fr it. Proxy detected by WPAD: none. TLS 1.2 on. Clock differs from the domain by -2.4 s.";

const struct body_kind *message_find_body(const char *name)
{
        for (size_t i = 0; i < sizeof(body_kinds) / sizeof(*body_kinds); i++) {
                if (strcmp(body_kinds[i].name, name) == 0)
                        return &body_kinds[i];
        }
        return NULL;
}

static int append(struct message *message, const char *text, size_t length, unsigned unit)
{
        bool in_slot = false;
        uint8_t digit = 0;

        for (size_t i = 0; i < length; i++) {
                if (text[i] == SLOT) {
                        if (message->slot_count == MESSAGE_SLOTS_MAX)
                                return -E2BIG;
                        if (!in_slot)
                                digit = 0;
                        message->slots[message->slot_count].offset = (uint32_t)message->size;
                        message->slots[message->slot_count++].digit = digit++;
                }
                in_slot = text[i] == SLOT || (in_slot && text[i] == '-');
                message->bytes[message->size++] = (unsigned char)text[i];
                if (unit == 2)
                        message->bytes[message->size++] = 0;
        }
        return 0;
}

static int append_head(struct message *message, const struct load_options *options)
{
        char head[1024];
        int length = snprintf(head, sizeof(head),
                              "%s %s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ccmhttp\r\n"
                              "Content-Type: text/xml\r\nContent-Length: %zu\r\n%s\r\n",
                              options->put ? "PUT" : "POST", options->path,
                              options->put ? "/################.xml" : "", options->host, options->body->size,
                              options->new_connection ? "Connection: close\r\n" : "");

        if (length < 0 || (size_t)length >= sizeof(head))
                return -ENAMETOOLONG;
        return append(message, head, (size_t)length, 1);
}

static int append_body(struct message *message, const struct body_kind *body)
{
        const char *declaration = body->unit == 2 ? "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n"
                                                  : "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n";
        size_t start = message->size, left;
        int r;

        if (body->unit == 2) {
                message->bytes[message->size++] = 0xff;
                message->bytes[message->size++] = 0xfe;
        }
        r = append(message, declaration, strlen(declaration), body->unit);
        if (r == 0)
                r = append(message, text_start, sizeof(text_start) - 1, body->unit);
        if (r < 0)
                return r;
        left = (body->size - (message->size - start)) / body->unit - (sizeof(text_end) - 1);
        if (left > sizeof(padding) - 1)
                return -ERANGE;
        r = append(message, padding, left, body->unit);
        return r < 0 ? r : append(message, text_end, sizeof(text_end) - 1, body->unit);
}

int message_make(struct message *message, const struct load_options *options)
{
        int r;

        *message = (struct message){ .bytes = malloc(1024 + options->body->size) };
        if (message->bytes == NULL)
                return -ENOMEM;
        if (getrandom(&message->run, sizeof(message->run), 0) != (ssize_t)sizeof(message->run))
                return -EIO;
        r = append_head(message, options);
        return r < 0 ? r : append_body(message, options->body);
}

void message_free(struct message *message)
{
        free(message->bytes);
}

void message_print_token(const struct message *message, uint32_t number, char ret_token[TOKEN_DIGITS + 1])
{
        static const char digits[] = "0123456789ABCDEF";
        uint64_t value = (uint64_t)number << 32 | message->run;

        for (unsigned i = 0; i < TOKEN_DIGITS; i++)
                ret_token[i] = digits[value >> (4 * (TOKEN_DIGITS - 1 - i)) & 15];
        ret_token[TOKEN_DIGITS] = '\0';
}

void message_patch(struct message *message, uint32_t number)
{
        char token[TOKEN_DIGITS + 1];

        message_print_token(message, number, token);
        for (unsigned i = 0; i < message->slot_count; i++)
                message->bytes[message->slots[i].offset] = (unsigned char)token[message->slots[i].digit];
}
