/* rungs_door: fspd's own door before the least store. */
#ifndef FSP_BENCH_RUNGS_DOOR_H
#define FSP_BENCH_RUNGS_DOOR_H

#include "fsp/config.h"

/* Prints the URL and serves until SIGTERM or SIGINT, in so many loops.  Before any thread is there.  0 or
 * -errno */
#define DOOR_LOOPS_MAX 2
int door_run(struct config *config, unsigned loops);

#endif
