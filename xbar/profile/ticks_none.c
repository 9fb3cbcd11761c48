/* SPDX-License-Identifier: MIT */
#include "ticks.h"

#include "host_clock.h"

uint64_t ticks_now(void)
{
    return host_clock_ns(CLOCK_MONOTONIC);
}
