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
#define FIRST_LINE_SIZE 32 /* of each batch */
/* With as many batches as names, the most there can be. */
#define FILE_SIZE ((size_t)WITNESS_MAX * (FIRST_LINE_SIZE + NAME_SIZE))
#define NUMBER_SIZE 24

/* The names of before are on disk already: what a crash leaves of the new ones
 * has not been renamed. */
static int append(int staging_fd, const char *text, size_t size)
{
        AUTO_CLOSE int fd = openat(staging_fd, FILE_NAME, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        int r = fsutil_write_all(fd, text, size);
        return r == 0 && fsync(fd) < 0 ? -errno : r;
}

static int replace(int staging_fd, const char *text, size_t size)
{
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

int witness_write(int staging_fd, int64_t batch, const struct message_name *names, size_t count, bool more)
{
        assert(count <= WITNESS_MAX);
        AUTO_FREE char *text = malloc(FIRST_LINE_SIZE + count * NAME_SIZE);
        if (!text)
                return -ENOMEM;
        size_t size = (size_t)sprintf(text, "batch %" PRId64 "\n", batch);
        for (size_t i = 0; i < count; i++) {
                char id[NAME_SIZE];
                size += (size_t)sprintf(text + size, "%s\n", name_format_id(&names[i], id));
        }
        return more ? append(staging_fd, text, size) : replace(staging_fd, text, size);
}

static bool keep_number(int staging_fd, int64_t batch)
{
        char number[NUMBER_SIZE];
        int length = snprintf(number, sizeof(number), "%" PRId64, batch);
        return fsetxattr(staging_fd, ATTRIBUTE, number, (size_t)length, 0) == 0;
}

int witness_count(int staging_fd, int64_t batch)
{
        return keep_number(staging_fd, batch) ? 0 : witness_write(staging_fd, batch, NULL, 0, false);
}

void witness_settle(int staging_fd, int64_t batch)
{
        /* Without the number the names must stay; and they may, in any case. */
        if (keep_number(staging_fd, batch))
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

static int compare(const void *a, const void *b)
{
        const struct message_name *left = a, *right = b;
        if (left->seq != right->seq)
                return left->seq < right->seq ? -1 : 1;
        if (left->time_ms != right->time_ms)
                return left->time_ms < right->time_ms ? -1 : 1;
        return (left->node > right->node) - (left->node < right->node);
}

bool witness_has(const struct witness *witness, const struct message_name *name)
{
        return witness->count > 0 &&
               bsearch(name, witness->names, witness->count, sizeof(*name), compare) != NULL;
}

int witness_read(int staging_fd, struct witness *ret_witness)
{
        AUTO_FREE unsigned char *text = NULL;
        size_t size;
        int r = fsutil_read_at(staging_fd, FILE_NAME, FILE_SIZE, &text, &size);
        if (r < 0 && r != -ENOENT)
                return r;
        struct witness witness = { .names = calloc(WITNESS_MAX, sizeof(*witness.names)) };
        if (!witness.names)
                return -ENOMEM;
        for (char *line = (char *)text, *end;
             line && witness.count < WITNESS_MAX && (end = strchr(line, '\n')); line = end + 1) {
                int64_t batch;
                *end = '\0';
                if (sscanf(line, "batch %" SCNd64, &batch) == 1)
                        witness.batch = batch > witness.batch ? batch : witness.batch;
                else if (name_parse(line, NULL, &witness.names[witness.count]) == 0)
                        witness.count++;
        }
        qsort(witness.names, witness.count, sizeof(*witness.names), compare);
        int64_t settled = read_settled(staging_fd);
        if (settled > witness.batch)
                witness.batch = settled;
        *ret_witness = witness;
        return 0;
}
