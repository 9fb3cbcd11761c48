/* SPDX-License-Identifier: MIT */
/* The host's clocks. */
#ifndef XBAR_HOST_CLOCK_H
#define XBAR_HOST_CLOCK_H

#include <stdint.h>
#include <time.h>

/* host_clock_ns() - CLOCK_MONOTONIC, or what else @clock says */
static inline uint64_t host_clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
