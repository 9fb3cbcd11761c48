/* SPDX-License-Identifier: MIT */
#include "ticks.h"

#include <x86intrin.h>

uint64_t ticks_now(void)
{
    return __rdtsc();
}
