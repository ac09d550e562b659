/* histogram: how often a value fell where, for the monitors.
 *
 * Owns      nothing but its counters, which begin at 0 ({ .unit = U }).  What a
 *           value counts (microseconds, jobs) is its owner's to say.
 * Threads   histogram_add and histogram_look: any, without a lock.  A look
 *           while values are added may miss the newest. */
#ifndef FSP_HISTOGRAM_H
#define FSP_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BOUNDS 16

struct histogram {
        uint64_t unit; /* the lowest bound; each further one is twice the one before */
        _Atomic uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* the last: above all bounds */
        _Atomic uint64_t sum;
};
void histogram_add(struct histogram *histogram, uint64_t value);

struct histogram_view {
        uint64_t bounds[HISTOGRAM_BOUNDS];
        uint64_t at_most[HISTOGRAM_BOUNDS]; /* values that are no larger than the bound */
        uint64_t count, sum;
};
struct histogram_view histogram_look(const struct histogram *histogram);

#endif
