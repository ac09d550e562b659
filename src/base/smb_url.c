#include "fsp/smb_url.h"

#include "fsp/text.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PREFIX "smb://"
#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

bool smb_url_is(const char *text)
{
        return strncasecmp(text, PREFIX, strlen(PREFIX)) == 0;
}

/* Copies size bytes; false when they are too many or none. */
static bool take(const char *text, size_t size, char *ret, size_t ret_size)
{
        if (size == 0 || size >= ret_size)
                return false;
        memcpy(ret, text, size);
        ret[size] = '\0';
        return true;
}

static const char *parse_server(const char *text, size_t size, struct smb_url *ret_url)
{
        char server[sizeof(ret_url->server) + sizeof(":65535")];
        uint64_t port = SMB_PORT;

        if (memchr(text, '@', size))
                return "an account in the address (it belongs into forwarder.credentials)";
        if (!take(text, size, server, sizeof(server)))
                return "no server";
        char *colon = strchr(server, ':');
        if (colon) {
                *colon = '\0';
                if (text_parse_u64(colon + 1, &port) < 0 || port == 0 || port > 65535)
                        return "no port";
        }
        /* An IPv6 address is not for libsmbclient; a name can lead to one. */
        if (strspn(server, DIGITS LETTERS ".-_") != strlen(server) ||
            !take(server, strlen(server), ret_url->server, sizeof(ret_url->server)))
                return "no server";
        ret_url->port = (unsigned)port;
        return NULL;
}

/* What Windows takes in no name, and what an URL would read otherwise. */
static bool is_name(const char *name, size_t size)
{
        if (size == 0 || (name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.'))))
                return false;
        for (size_t i = 0; i < size; i++) {
                if ((unsigned char)name[i] < ' ' || strchr("\\:*?\"<>|%\x7f", name[i]))
                        return false;
        }
        return true;
}

static const char *parse_path(const char *text, struct smb_url *ret_url)
{
        size_t used = 0;

        ret_url->path[0] = '\0';
        while (*text) {
                size_t size = strcspn(text, "/");
                if (!is_name(text, size))
                        return "a folder's name that Windows does not have";
                if (used + size + 2 > sizeof(ret_url->path))
                        return "too long";
                if (used)
                        ret_url->path[used++] = '/';
                memcpy(ret_url->path + used, text, size);
                used += size;
                ret_url->path[used] = '\0';
                text += size + strspn(text + size, "/");
        }
        return NULL;
}

const char *smb_url_parse(const char *text, struct smb_url *ret_url)
{
        const char *wrong, *server, *share;
        struct smb_url url;

        if (!smb_url_is(text))
                return "does not begin with " PREFIX;
        if (strchr(text, '\\'))
                return "with backslashes";
        server = text + strlen(PREFIX);
        share = server + strcspn(server, "/");
        wrong = parse_server(server, (size_t)(share - server), &url);
        if (wrong)
                return wrong;
        share += strspn(share, "/");
        size_t size = strcspn(share, "/");
        if (!is_name(share, size) || !take(share, size, url.share, sizeof(url.share)))
                return "no share";
        wrong = parse_path(share + size + strspn(share + size, "/"), &url);
        if (!wrong)
                *ret_url = url;
        return wrong;
}

bool smb_url_equal(const char *a, const char *b)
{
        struct smb_url x, y;

        return !smb_url_parse(a, &x) && !smb_url_parse(b, &y) && x.port == y.port &&
               text_equal_nocase(x.server, y.server) && text_equal_nocase(x.share, y.share) &&
               text_equal_nocase(x.path, y.path);
}
