/* What texts and what combinations are allowed: see config_key.h. */
#include "config_key.h"
#include "fsp/smb_url.h"
#include "fsp/text.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const char *check_site_code(const char *text)
{
        return strlen(text) == 3 && strspn(text, DIGITS LETTERS) == 3 ? NULL : "no site code";
}

const char *check_address(const char *text)
{
        struct in6_addr address;

        return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1
                       ? NULL
                       : "no numeric address";
}

static bool has_control_character(const char *text)
{
        for (; *text; text++) {
                if ((unsigned char)*text < ' ' || *text == '\x7f')
                        return true;
        }
        return false;
}

static bool has_parent_segment(const char *path)
{
        for (const char *p = strstr(path, "/.."); p; p = strstr(p + 1, "/..")) {
                if (p[3] == '/' || p[3] == '\0')
                        return true;
        }
        return false;
}

const char *check_url_path(const char *text)
{
        if (text[0] != '/')
                return "does not begin with /";
        if (strpbrk(text, "%?# ") || has_control_character(text))
                return "a path with %, ?, #, white space or a control character";
        return has_parent_segment(text) ? "a path with a .. segment" : NULL;
}

const char *check_path(const char *text)
{
        if (text[0] != '/')
                return "does not begin with /";
        return has_control_character(text) ? "a path with a control character" : NULL;
}

const char *check_socket(const char *text)
{
        if (strlen(text) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
                return "longer than the kernel admits for a socket";
        return check_path(text);
}

const char *check_inbox(const char *text)
{
        struct smb_url url;

        return smb_url_is(text) ? smb_url_parse(text, &url) : check_path(text);
}

/* What systemd passes (LoadCredential=) is in a folder for the service alone;
 * its mode may show the bits of an access list. */
static bool is_passed(const char *path)
{
        const char *folder = getenv("CREDENTIALS_DIRECTORY");
        size_t size = folder ? strlen(folder) : 0;

        return size > 0 && strncmp(path, folder, size) == 0 && path[size] == '/' &&
               !has_parent_segment(path + size);
}

const char *check_credentials(const char *text)
{
        const char *wrong;
        struct stat st;

        /* The name of a credential: only the service itself can look. */
        if (text[0] != '/')
                return strpbrk(text, "/") || has_control_character(text) ? "neither a full path nor a name"
                                                                         : NULL;
        wrong = check_path(text);
        if (wrong)
                return wrong;
        if (stat(text, &st) < 0)
                return strerrordesc_np(errno);
        if (!S_ISREG(st.st_mode))
                return "not a regular file";
        return (st.st_mode & (S_IRWXG | S_IRWXO)) != 0 && !is_passed(text) ? "open to group or others" : NULL;
}

const char *check_version(const char *text)
{
        for (const char *part = text;; part++) {
                size_t digits = strspn(part, DIGITS);
                if (digits == 0 || (part[digits] && part[digits] != '.'))
                        return "no version";
                part += digits;
                if (!*part)
                        return NULL;
        }
}

const char *check_topic(const char *text)
{
        uint64_t number;

        if (strcmp(text, "*") == 0)
                return NULL;
        return text_parse_u64(text, &number) == 0 && number <= UINT32_MAX ? NULL : "no topic number";
}

/* Both protocols as one: IPv4 mapped into IPv6. */
static bool parse_address(const char *text, struct in6_addr *ret_address, bool *ret_is_any)
{
        struct in_addr four;

        if (inet_pton(AF_INET6, text, ret_address) == 1) {
                *ret_is_any = IN6_IS_ADDR_UNSPECIFIED(ret_address);
                return true;
        }
        if (inet_pton(AF_INET, text, &four) != 1)
                return false;
        *ret_address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
        memcpy(&ret_address->s6_addr[12], &four, sizeof(four));
        *ret_is_any = four.s_addr == INADDR_ANY;
        return true;
}

static bool is_four(const struct in6_addr *address)
{
        return IN6_IS_ADDR_V4MAPPED(address);
}

/* Would listening on both be refused?  "::" takes IPv4 too. */
static bool is_same_address(const char *a, const char *b)
{
        struct in6_addr x, y;
        bool x_any, y_any;

        if (!parse_address(a, &x, &x_any) || !parse_address(b, &y, &y_any))
                return false;
        if (x_any && (!is_four(&x) || is_four(&y)))
                return true;
        if (y_any && (!is_four(&y) || is_four(&x)))
                return true;
        return memcmp(&x, &y, sizeof(x)) == 0;
}

/* By name only: nothing but the configuration is looked at. */
static bool is_same_path(const char *a, const char *b)
{
        if (smb_url_is(a) || smb_url_is(b))
                return smb_url_equal(a, b);
        while (*a || *b) {
                /* Slashes more than one, and at the end, say nothing. */
                while (a[0] == '/' && (a[1] == '/' || a[1] == '\0'))
                        a++;
                while (b[0] == '/' && (b[1] == '/' || b[1] == '\0'))
                        b++;
                if (*a != *b)
                        return false;
                if (*a) {
                        a++;
                        b++;
                }
        }
        return true;
}

void config_check_together(const struct config *config,
                           void (*fault)(void *arg, const char *section, const char *name, const char *wrong),
                           void *arg)
{
        const struct config_list *topics = &config->policy.topics;
        const char *inbox = config->forwarder.inbox, *fallback = config->forwarder.inbox_fallback;
        const char *staging = config->staging.directory;

        /* A field whose own value was at fault is NULL or 0 here. */
        if (config->listener.memory > 0 && config->listener.memory < config->listener.max_message_size)
                fault(arg, "listener", "memory", "less than max_message_size");
        for (size_t i = 0; topics->count > 1 && i < topics->count; i++) {
                if (strcmp(topics->items[i], "*") == 0) {
                        fault(arg, "policy", "topics", "* beside others");
                        break;
                }
        }
        if (staging && inbox && is_same_path(staging, inbox))
                fault(arg, "forwarder", "inbox", "the same as staging.directory");
        if (staging && fallback && is_same_path(staging, fallback))
                fault(arg, "forwarder", "inbox_fallback", "the same as staging.directory");
        if (inbox && fallback && is_same_path(inbox, fallback))
                fault(arg, "forwarder", "inbox_fallback", "the same as inbox");
        if (config->admin.port > 0 && config->listener.port == (unsigned)config->admin.port &&
            config->listener.address && config->admin.address &&
            is_same_address(config->listener.address, config->admin.address))
                fault(arg, "admin", "port", "taken by listener.address and listener.port");
}
