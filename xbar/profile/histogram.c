/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#define STEP_BITS 3 /* log2 of HISTOGRAM_STEPS */

/*
 * Below 8 each value is a class; above, the three bits behind the highest one
 * say which of the 8 of its power of two.
 *
 *     value   1 b b b x x x x          class = 8 * (power - 2) + bbb
 */
static unsigned class_of(uint64_t value)
{
    unsigned power;

    if (value < HISTOGRAM_STEPS) {
        return (unsigned)value;
    }
    power = 63 - (unsigned)__builtin_clzll(value);
    return HISTOGRAM_STEPS * (power - STEP_BITS + 1) +
           (unsigned)(value >> (power - STEP_BITS) & (HISTOGRAM_STEPS - 1));
}

uint64_t histogram_start(unsigned which)
{
    unsigned shift;

    if (which < 2 * HISTOGRAM_STEPS) {
        return which;
    }
    shift = which / HISTOGRAM_STEPS - 1;
    return shift + STEP_BITS >= 64
               ? UINT64_MAX
               : (uint64_t)(HISTOGRAM_STEPS + which % HISTOGRAM_STEPS) << shift;
}

void histogram_add(struct histogram *h, uint64_t value, uint64_t count)
{
    h->count += count;
    h->sum += value * count;
    h->max = value > h->max ? value : h->max;
    h->classes[class_of(value)] += count;
}

uint64_t histogram_quantile(const struct histogram *h, double part)
{
    double wanted = part * (double)h->count;
    uint64_t seen = 0;

    if (h->count == 0) {
        return 0;
    }
    for (unsigned i = 0; i < HISTOGRAM_CLASSES; i++) {
        uint64_t start = histogram_start(i);
        uint64_t middle = start + (histogram_start(i + 1) - start) / 2;

        seen += h->classes[i];
        if (h->classes[i] && (double)seen >= wanted) {
            return middle < h->max ? middle : h->max;
        }
    }
    return h->max;
}
