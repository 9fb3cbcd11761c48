/* SPDX-License-Identifier: MIT */
/* How long a stress test goes on: XBAR_STRESS_SECONDS, or what it says itself. */
#ifndef XBAR_TESTS_STRESS_DURATION_H
#define XBAR_TESTS_STRESS_DURATION_H

#include <stdlib.h>
#include <time.h>

static inline double stress_seconds(double otherwise)
{
    const char *text = getenv("XBAR_STRESS_SECONDS");

    return text != NULL ? strtod(text, NULL) : otherwise;
}

static inline void sleep_for_the_run(double otherwise)
{
    double seconds = stress_seconds(otherwise);
    struct timespec time = { .tv_sec = (time_t)seconds };

    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    nanosleep(&time, NULL);
}

#endif
