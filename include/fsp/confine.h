/* confine: what a thread may still reach of files and network, by Landlock.
 *
 * Owns      nothing.
 * Threads   binds the calling thread, and what it starts from then on, for
 *           ever; other threads of the process stay as they are.
 * Crash     nothing is kept. */
#ifndef FSP_CONFINE_H
#define FSP_CONFINE_H

enum confine {
        CONFINE_CHANGES, /* no file is made, changed, removed or run */
        CONFINE_ALL      /* nor opened or listed; and no TCP port bound or connected to */
};

/* But for what lies in folders (the last one NULL): files there may be read,
 * written, made, renamed within their folder, and removed.  What is open already
 * stays usable, and what a file is (stat) may still be asked.
 *
 * Gives the version of Landlock that holds the thread from now on, 0 when the
 * kernel has none or does not let us, -errno. */
int confine_thread(enum confine what, const char *const folders[]);

#endif
