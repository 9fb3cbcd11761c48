/* SPDX-License-Identifier: MIT */
/*
 * What a benchmark guest is made of. A program defines guest_round(), and
 * guest_prepare() if it has something to set up; the rest is the runtime's:
 *
 *   start-up -> guest_machine() -> [Sv39, S-mode] -> guest_prepare()
 *            -> guest_round() as often as the image's header says -> finisher
 *
 * Rounds are alike: each returns the same value, which the image knows as
 * EXPECTED, and a different one ends the run as failed. So any number of
 * rounds checks itself. A program without a checksum returns GUEST_GOOD or
 * GUEST_BAD.
 *
 * Kernels that say nothing about RISC-V are also built for the host, with
 * native.c in the place of the runtime.
 */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include <stddef.h>
#include <stdint.h>

#define GUEST_BAD  0u
#define GUEST_GOOD 1u

/* Fail codes of the test finisher, which become the exit status. */
#define GUEST_FAIL_RESULT 1u /* a round returned something else */
#define GUEST_FAIL_TRAP   2u /* a trap that nobody asked for */

#define NOINLINE __attribute__((noinline, noclone))

uint64_t guest_round(void);

/* Once, in the mode of the rounds. The runtime has an empty one. */
void guest_prepare(void);

/* Once, in M-mode, before anything else. The runtime has an empty one. */
void guest_machine(void);

/* xorshift64: the data of kernels, the same everywhere. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x;
}

/* FNV's way of folding a word into a checksum. */
static inline uint64_t fold(uint64_t sum, uint64_t word)
{
    return (sum ^ word) * UINT64_C(0x100000001b3);
}

#endif
