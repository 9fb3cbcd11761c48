/* SPDX-License-Identifier: MIT */
/*
 * Which code is worth translating.
 *
 * Translating a block costs as much as interpreting it some twenty times, and
 * much code runs once or twice: what boots, what is loaded, what is patched
 * before each use. So a block is made of code that was met often enough, and
 * until then the interpreter runs it, from jump to jump.
 *
 *     met: a jump, an exit or a trap leads to code that has no block
 *
 * Counts are kept by a hash of the place in host memory, and nobody notices
 * when two places share one: what is translated sets it back to 0, so a place
 * waits for as many meetings as there are places that share its count, times
 * the threshold, and then has its block. Counts outlive the blocks: code that
 * is dropped because it changed is met anew, unless it has changed back.
 *
 *     7   6         0
 *   +---+-----------+    met: by code that had no block
 *   |had|    met    |    had: some code with this count was translated once, so
 *   +---+-----------+         it is worth looking for its block
 */
#include "jit/riscv/jit.h"

#define HAD     0x80
#define MET_MAX 0x7f

/*
 * Meetings before code is translated. Any number from 4 to 64 boots U-Boot
 * in about the same time.
 */
#define TRANSLATE_AFTER 16

static uint8_t *count_of(struct riscv_jit *jit, uint64_t home, uint32_t mode)
{
    uint64_t mixed = (home >> 1 ^ mode) * UINT64_C(0x9e3779b97f4a7c15);

    return &jit->heat[mixed >> (64 - RISCV_HEAT_BITS)];
}

void riscv__heat_choose(struct xbar_riscv_hart *hart)
{
    unsigned after = hart->config.translate_after;

    if (after == 0) {
        after = hart->config.count_blocks ? 1 : TRANSLATE_AFTER;
    }
    if (after > MET_MAX) {
        after = MET_MAX;
    }
    /* What is interpreted is not compared. */
    hart->jit->translate_after = hart->lockstep != NULL ? 1 : (uint8_t)after;
}

bool riscv__heat_had(struct xbar_riscv_hart *hart, uint64_t home, uint32_t mode)
{
    return *count_of(hart->jit, home, mode) & HAD;
}

bool riscv__heat_meet(struct xbar_riscv_hart *hart, uint64_t home,
                      uint32_t mode)
{
    struct riscv_jit *jit = hart->jit;
    uint8_t *count = count_of(jit, home, mode);

    if (jit->translate_after > 1 &&
        (*count & MET_MAX) + 1 < jit->translate_after) {
        ++*count;
        return false;
    }
    *count &= HAD;
    return true;
}

void riscv__heat_made(struct xbar_riscv_hart *hart, uint64_t home,
                      uint32_t mode)
{
    *count_of(hart->jit, home, mode) |= HAD;
}
