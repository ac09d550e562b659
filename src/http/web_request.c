#include "web_request.h"

#include "fsp/text.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define HOST_SIZE 64

static bool is_port(const char *text)
{
        uint64_t port;
        return *text == '\0' || (*text == ':' && text_parse_u64(text + 1, &port) == 0 && port <= UINT16_MAX);
}

bool web_host_is_ours(const char *host)
{
        char name[HOST_SIZE];
        struct in6_addr address;
        bool brackets = *host == '[';
        host += brackets;
        size_t length = strcspn(host, brackets ? "]" : ":");
        if (length == 0 || length >= sizeof(name))
                return false;
        memcpy(name, host, length);
        name[length] = '\0';
        const char *rest = host + length;
        if (brackets)
                return *rest == ']' && is_port(rest + 1) && inet_pton(AF_INET6, name, &address) == 1;
        return is_port(rest) &&
               (text_equal_nocase(name, "localhost") || inet_pton(AF_INET, name, &address) == 1);
}

static int hex_value(char digit)
{
        if (!isxdigit((unsigned char)digit))
                return -1;
        return isdigit((unsigned char)digit) ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

static bool is_clean(const char *text)
{
        size_t left = strlen(text);
        while (left > 0) {
                uint32_t code_point;
                size_t length = text_utf8_next((const unsigned char *)text, left, &code_point);
                if (length == 0 || code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0))
                        return false;
                text += length;
                left -= length;
        }
        return true;
}

bool web_decode(char *text)
{
        const char *from = text;
        char *to = text;
        for (; *from; from++) {
                if (*from != '%') {
                        *to++ = *from;
                        continue;
                }
                int high = hex_value(from[1]);
                int low = high < 0 ? -1 : hex_value(from[2]);
                if (low < 0 || (high == 0 && low == 0))
                        return false;
                *to++ = (char)(high << 4 | low);
                from += 2;
        }
        *to = '\0';
        return is_clean(text);
}

bool web_route_fits(const char *route, const char *path, const char **ret_item, size_t *ret_size)
{
        const char *star = strchr(route, '*');
        if (!star) {
                *ret_item = NULL;
                *ret_size = 0;
                return strcmp(route, path) == 0;
        }
        size_t before = (size_t)(star - route);
        if (strncmp(route, path, before) != 0)
                return false;
        size_t size = strcspn(path + before, "/");
        if (size == 0 || strcmp(star + 1, path + before + size) != 0)
                return false;
        *ret_item = path + before;
        *ret_size = size;
        return true;
}
