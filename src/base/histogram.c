#include "fsp/histogram.h"

void histogram_add(struct histogram *histogram, uint64_t value)
{
        unsigned i = 0;
        while (i < HISTOGRAM_BOUNDS && value > histogram->unit << i)
                i++;
        histogram->counts[i]++;
        histogram->sum += value;
}

struct histogram_view histogram_look(const struct histogram *histogram)
{
        struct histogram_view view = { .sum = histogram->sum };
        for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++) {
                view.count += histogram->counts[i];
                view.bounds[i] = histogram->unit << i;
                view.at_most[i] = view.count;
        }
        view.count += histogram->counts[HISTOGRAM_BOUNDS];
        return view;
}
