/* SPDX-License-Identifier: MIT */
/*
 * How long something took, many times over: 8 classes for each power of two,
 * so that a percentile is right to one part in eight, whatever its size.
 */
#ifndef XBAR_PROFILE_HISTOGRAM_H
#define XBAR_PROFILE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS   8
#define HISTOGRAM_CLASSES (62 * HISTOGRAM_STEPS)

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint64_t classes[HISTOGRAM_CLASSES];
};

/* histogram_add() - @count times @value */
void histogram_add(struct histogram *h, uint64_t value, uint64_t count);

/* histogram_start() - the least value of class @which; 0 to HISTOGRAM_CLASSES,
 * of which the last is where the last class ends */
uint64_t histogram_start(unsigned which);

/* histogram_quantile() - the value that @part of all are at or below, to the
 * middle of its class and not above the maximum; 0 if there are none */
uint64_t histogram_quantile(const struct histogram *h, double part);

#endif
