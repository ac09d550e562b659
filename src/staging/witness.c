#include "fsp/witness.h"

#include "fsp/fsutil.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FILE_NAME ".renaming"
#define NEW_NAME ".renaming.tmp"
#define ATTRIBUTE "user.fspd.batch"
#define FIRST_LINE_SIZE 32
#define NUMBER_SIZE 24

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

void witness_settle(int staging_fd, int64_t batch)
{
        char number[NUMBER_SIZE];
        int length = snprintf(number, sizeof(number), "%" PRId64, batch);
        /* Without the number the names must stay; and they may, in any case. */
        if (fsetxattr(staging_fd, ATTRIBUTE, number, (size_t)length, 0) == 0)
                (void)unlinkat(staging_fd, FILE_NAME, 0);
}

/* The number of the last batch that is over; 0: unknown. */
static int64_t read_settled(int staging_fd)
{
        char number[NUMBER_SIZE] = "";
        ssize_t length = fgetxattr(staging_fd, ATTRIBUTE, number, sizeof(number) - 1);
        int64_t batch;
        return length > 0 && sscanf(number, "%" SCNd64, &batch) == 1 ? batch : 0;
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
        int64_t settled = read_settled(staging_fd);
        if (settled > witness.batch)
                witness.batch = settled;
        *ret_witness = witness;
        return 0;
}
