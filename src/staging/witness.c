#include "fsp/witness.h"

#include "fsp/fsutil.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME ".renaming"
#define NEW_NAME ".renaming.tmp"
#define FIRST_LINE_SIZE 32

int witness_write(int staging_fd, int64_t batch, const struct query_pending *rows, size_t count)
{
        assert(count <= WITNESS_MAX);
        AUTO_FREE char *text = malloc(FIRST_LINE_SIZE + count * NAME_SIZE);
        if (!text)
                return -ENOMEM;
        size_t size = (size_t)sprintf(text, "batch %" PRId64 "\n", batch);
        for (size_t i = 0; i < count; i++) {
                char id[NAME_SIZE];
                size += (size_t)sprintf(text + size, "%s\n", name_format_id(&rows[i].name, id));
        }
        AUTO_CLOSE int fd =
                openat(staging_fd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
                return -errno;
        int r = fsutil_write_all(fd, text, size);
        if (r == 0 && (fsync(fd) < 0 || renameat(staging_fd, NEW_NAME, staging_fd, FILE_NAME) < 0 ||
                       fsync(staging_fd) < 0))
                r = -errno;
        return r;
}

int witness_read(int staging_fd, struct witness *ret_witness)
{
        AUTO_FREE unsigned char *text = NULL;
        size_t size;
        int r = fsutil_read_at(staging_fd, FILE_NAME, FIRST_LINE_SIZE + (size_t)WITNESS_MAX * NAME_SIZE,
                               &text, &size);
        if (r < 0 && r != -ENOENT)
                return r;
        struct witness witness = { .names = calloc(WITNESS_MAX, sizeof(*witness.names)) };
        if (!witness.names)
                return -ENOMEM;
        if (text && sscanf((char *)text, "batch %" SCNd64, &witness.batch) != 1)
                witness.batch = 0;
        for (char *line = (char *)text, *end;
             line && witness.count < WITNESS_MAX && (end = strchr(line, '\n')); line = end + 1) {
                *end = '\0';
                if (name_parse(line, NULL, &witness.names[witness.count]) == 0)
                        witness.count++;
        }
        *ret_witness = witness;
        return 0;
}
