/* log_file: one log file that rolls over.  Owned by log.c, whose lock covers
 * every call. */
#ifndef FSP_BASE_LOG_FILE_H
#define FSP_BASE_LOG_FILE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

struct log_file {
        int fd; /* -1: closed */
        char path[PATH_MAX];
        uint64_t size, max_size;
        unsigned max_history;
        uint64_t lost; /* lines since log_file_take_lost */
        int lost_error;
};

/* A file that was never opened. */
#define LOG_FILE_CLOSED                                                                                      \
        {                                                                                                    \
                .fd = -1                                                                                     \
        }

int log_file_open(struct log_file *file, const char *folder, const char *name, uint64_t max_size,
                  unsigned max_history);
void log_file_close(struct log_file *file);
/* What a line could not bring about: opens a file again, or rolls it over. */
void log_file_retry(struct log_file *file);

/* Appends one whole line, or nothing: half a line is taken back. */
int log_file_write(struct log_file *file, const char *line, size_t size);

/* Lines that could not be written since the last call, and the last reason. */
uint64_t log_file_take_lost(struct log_file *file, int *ret_error);

#endif
