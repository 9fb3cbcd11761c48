/* SPDX-License-Identifier: MIT */
/* Random accesses, for the tests of traces. */
#ifndef XBAR_TESTS_BOARD_TRACE_RANDOM_H
#define XBAR_TESTS_BOARD_TRACE_RANDOM_H

#include "trace/record.h"

static uint64_t random_state;

static inline uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static inline uint64_t below(uint64_t limit)
{
    return random64() % limit;
}

static inline struct trace_site random_site(unsigned variety)
{
    struct trace_site site = {
        .size = (uint8_t)(1 << below(4)),
        .flags = (uint8_t)below(TRACE_SITE_FLAGS + 1),
        .result = below(8) ? 0 : 2,
        .pc = 0x80000000 + 2 * below(variety),
    };

    site.offset = below(0x1000 / 8) * 8;
    return site;
}

static inline uint64_t random_value(unsigned size)
{
    uint64_t value = below(2) ? random64() : below(256);

    return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

#endif
