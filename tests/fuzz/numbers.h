/* SPDX-License-Identifier: MIT */
/* Numbers that the fuzz targets' tests go by. */
#ifndef XBAR_TESTS_FUZZ_NUMBERS_H
#define XBAR_TESTS_FUZZ_NUMBERS_H

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static inline uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

#endif
