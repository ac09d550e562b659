#include "credentials.h"

#include "fsp/fsutil.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_LIMIT 4096

/* One line; a password may hold blanks and =, so nothing is trimmed from it. */
static int read_line(char *line, struct credentials *credentials)
{
        const struct {
                const char *name;
                char *value;
        } keys[] = { { "username", credentials->user },     { "user", credentials->user },
                     { "password", credentials->password }, { "pass", credentials->password },
                     { "domain", credentials->domain },     { "dom", credentials->domain } };

        line += strspn(line, " \t");
        line[strcspn(line, "\r")] = '\0';
        if (!*line || *line == '#')
                return 0;
        char *value = strchr(line, '=');
        if (!value)
                return -ENOKEY;
        *value++ = '\0';
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                if (strcasecmp(line, keys[i].name) != 0)
                        continue;
                if (strlen(value) >= CREDENTIALS_SIZE)
                        return -ENOKEY;
                strcpy(keys[i].value, value);
                return 0;
        }
        return -ENOKEY;
}

static void split_user(struct credentials *credentials)
{
        char *name = strchr(credentials->user, '\\');
        if (!name)
                return;
        *name++ = '\0';
        if (!*credentials->domain)
                strcpy(credentials->domain, credentials->user);
        memmove(credentials->user, name, strlen(name) + 1);
}

int credentials_read(const char *path, struct credentials *ret_credentials)
{
        struct credentials credentials = { 0 };
        unsigned char *text;
        size_t size;
        char *rest = NULL;
        int r = fsutil_read_at(AT_FDCWD, path, FILE_LIMIT, &text, &size);

        if (r < 0)
                return r == -ENOMEM ? r : -ENOKEY;
        for (char *line = strtok_r((char *)text, "\n", &rest); r == 0 && line;
             line = strtok_r(NULL, "\n", &rest))
                r = read_line(line, &credentials);
        explicit_bzero(text, size);
        free(text);
        split_user(&credentials);
        if (r == 0 && !*credentials.user)
                r = -ENOKEY;
        if (r == 0)
                *ret_credentials = credentials;
        explicit_bzero(&credentials, sizeof(credentials));
        return r;
}
