/* SPDX-License-Identifier: MIT */
/*
 * A thread that has something done at equal times.
 *
 *   sampler thread    sleeps until the next time, calls ask(), ...
 *   whoever is asked  sampler_is_due(): once for each time, however late
 */
#ifndef XBAR_SAMPLER_H
#define XBAR_SAMPLER_H

#include <xbar/xbar.h>

struct sampler;

/*
 * sampler_start() - call @ask each @period_us from a thread of its own
 *
 * Return: NULL with @errp set.
 */
struct sampler *sampler_start(unsigned period_us, void (*ask)(void *opaque),
                              void *opaque, Error **errp) XBAR_MUST_CHECK;

/* sampler_stop() - no more calls once it returns; NULL is fine */
void sampler_stop(struct sampler *sampler);

/* sampler_is_due() - was ask() called since? NULL: never */
bool sampler_is_due(struct sampler *sampler);

#endif
