/* daemon: builds the rooms in order, waits for signals, takes the rooms down in
 * reverse. */
#ifndef DAEMON_H
#define DAEMON_H

#include "fsp/config.h"

/* Until it is told to stop; the exit status.  Takes over the caller's reference
 * to config; the file is read again when a signal asks for it. */
int daemon_run(const char *config_path, struct config *config);

#endif
