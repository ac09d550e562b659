/* pace: how long the stager lets messages pass, and when intake must wait for it.
 *
 * Owns      nothing.  Threads: the stager's.  It reads no clock: each time is
 * given, and monotonic. */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
        int64_t since_ms;     /* the first bell of this burst */
        int64_t allowance_ms; /* how long it may pass as a storm */
        int64_t spent_ms;     /* how long it did */
        int64_t worked_us;    /* on its files, since it began */
        int64_t file_us;      /* what a file takes, by the latest batches */
};

void pace_init(struct pace *pace, int64_t now_ms);
void pace_begin(struct pace *pace, int64_t now_ms); /* all was a file; a burst begins */
/* May the burst pass a little longer, while so many wait for their files? */
bool pace_let_pass(struct pace *pace, int64_t waiting, int64_t now_ms);
/* A batch took so long; files: 0 where it was too small to tell what a file takes. */
void pace_learn(struct pace *pace, int64_t files, int64_t took_us);
/* Would one that comes now be a file too late?  Not asked of a storm with an allowance. */
bool pace_is_late(const struct pace *pace, int64_t waiting, int64_t now_ms);

#endif
