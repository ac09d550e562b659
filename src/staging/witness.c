#include "fsp/witness.h"

#include "fsp/fsutil.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME ".renaming"

int witness_write(int staging_fd, const struct query_pending *rows, size_t count)
{
        assert(count <= WITNESS_MAX);
        AUTO_FREE char *text = malloc(count * NAME_SIZE + 1);
        if (!text)
                return -ENOMEM;
        size_t size = 0;
        for (size_t i = 0; i < count; i++) {
                char id[NAME_SIZE];
                size += (size_t)sprintf(text + size, "%s\n", name_format_id(&rows[i].name, id));
        }
        AUTO_CLOSE int fd =
                openat(staging_fd, FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
                return -errno;
        int r = fsutil_write_all(fd, text, size);
        if (r == 0 && (fsync(fd) < 0 || fsync(staging_fd) < 0))
                r = -errno;
        return r;
}

int witness_clear(int staging_fd)
{
        return unlinkat(staging_fd, FILE_NAME, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int witness_read(int staging_fd, struct message_name **ret_names, size_t *ret_count)
{
        AUTO_FREE unsigned char *text = NULL;
        size_t size, count = 0;
        int r = fsutil_read_at(staging_fd, FILE_NAME, (size_t)WITNESS_MAX * NAME_SIZE, &text, &size);
        if (r < 0 && r != -ENOENT)
                return r;
        struct message_name *names = calloc(WITNESS_MAX, sizeof(*names));
        if (!names)
                return -ENOMEM;
        /* A line cut short by a power cut was never acted upon. */
        for (char *line = (char *)text, *end; line && count < WITNESS_MAX && (end = strchr(line, '\n'));
             line = end + 1) {
                *end = '\0';
                if (name_parse(line, NULL, &names[count]) == 0)
                        count++;
        }
        *ret_names = names;
        *ret_count = count;
        return 0;
}
