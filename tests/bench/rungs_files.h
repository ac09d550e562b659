/* rungs_files: a thread that makes a file of each message in a flat file, one
 * syncfs a group, as the stager does of the ledger's. */
#ifndef FSP_BENCH_RUNGS_FILES_H
#define FSP_BENCH_RUNGS_FILES_H

#include <stdint.h>

/* In the flat file before each message. */
struct flat_head {
        uint32_t packed_size, size;
};

struct files;

int files_open(const char *flat, const char *folder, struct files **ret_files);
/* So many messages are in the flat file. */
void files_offer(struct files *files, uint64_t messages);
void files_close(struct files *files); /* ends the group at hand; NULL is allowed */

#endif
