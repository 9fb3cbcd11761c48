/* SPDX-License-Identifier: MIT */
/* Marsaglia's xorshift64: for what has to be spread, not to be secret. */
#ifndef XBAR_XORSHIFT_H
#define XBAR_XORSHIFT_H

#include <stdint.h>

/* xorshift_next() - the next number; @state is not 0, and never becomes it */
static inline uint64_t xorshift_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
