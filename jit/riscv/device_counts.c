/* SPDX-License-Identifier: MIT */
/*
 * Accesses to devices, counted (config.device).
 *
 * The TLB tells of each one that comes through C. Translated code calls plain
 * devices by itself (jit/x86_64/device.c), and what is polled is the same
 * register again and again: so it only takes 1 off the credit of the cursor
 * that is there for the register, and comes through C when that is used up, or
 * the cursor is another register's.
 *
 *     told in C, timed           told as one: credit - what is left of it
 *        | cursor goes there        | cursor goes elsewhere, or the slice ends
 *        v                          v
 *     ---A---a-a-a-a-a-a-a-a---A----a-a-a-B---
 *              not timed: as A was
 *
 * With a clock the credit is some 32, as looking at the clock twice takes longer
 * than most devices do. How many varies, so that nothing is in step with it, and
 * does not depend on how long the access took: else what takes long now and then,
 * like what fills a buffer that is written at times, would seem to take less.
 * Only what took hundreds of times as long as the one before, as the host did
 * something else, stands for itself.
 *
 * A cursor has a section, which is there at least until the hart is quiescent
 * (tlb_safepoint): nothing is left in cursors then.
 */
#include "jit/riscv/jit.h"

#define CREDIT_MIN    24
#define CREDIT_SPREAD 16 /* a power of two */
#define CREDIT_ALL    INT64_MAX
#define OUTLIER       256 /* times as long */

static struct jit_device_cursor *cursor_of(struct xbar_riscv_hart *hart,
                                           enum xbar_tlb_access access,
                                           unsigned size_log2, hwaddr phys)
{
    return &hart->jit_state.devices[access][size_log2]
                                   [phys >> size_log2 & (JIT_DEVICES - 1)];
}

static void tell(const struct xbar_riscv_hart *hart,
                 const struct jit_device_cursor *cursor,
                 enum xbar_tlb_access access, unsigned size_log2,
                 uint64_t count)
{
    const FlatRange *section = cursor->section;

    hart->config.counts->elsewhere[access][size_log2] += count;
    hart->config.device(hart->config.device_opaque, section,
                        cursor->phys + section->mr_delta, access, size_log2,
                        count, cursor->ticks);
}

/* The cursor is nobody's afterwards. One that was used up is at -1. */
static void settle(const struct xbar_riscv_hart *hart,
                   struct jit_device_cursor *cursor,
                   enum xbar_tlb_access access, unsigned size_log2)
{
    int64_t left = cursor->credit > 0 ? cursor->credit : 0;
    uint64_t count = (uint64_t)(cursor->given - left);

    if (cursor->section != NULL && count != 0) {
        tell(hart, cursor, access, size_log2, count);
    }
    cursor->section = NULL;
}

static int64_t choose_credit(struct riscv_jit *jit,
                             const struct xbar_riscv_hart *hart,
                             uint64_t before, uint64_t ticks)
{
    if (hart->config.ticks == NULL) {
        return CREDIT_ALL;
    }
    if (ticks > OUTLIER * before) {
        return 0;
    }
    jit->chance = jit->chance * UINT64_C(6364136223846793005) + 1;
    return CREDIT_MIN + (int64_t)(jit->chance >> 60) % CREDIT_SPREAD;
}

void riscv__device_told(void *opaque, const FlatRange *section, hwaddr offset,
                        enum xbar_tlb_access access, unsigned size_log2,
                        uint64_t ticks)
{
    struct xbar_riscv_hart *hart = opaque;
    hwaddr phys = offset - section->mr_delta;
    struct jit_device_cursor *cursor;
    uint64_t before;

    hart->config.device(hart->config.device_opaque, section, offset, access,
                        size_log2, 1, ticks);
    if (hart->jit == NULL || !hart->jit_state.bare || size_log2 > 3) {
        return;
    }
    cursor = cursor_of(hart, access, size_log2, phys);
    before =
        cursor->section == section && cursor->phys == phys ? cursor->ticks : 0;
    settle(hart, cursor, access, size_log2);
    cursor->section = section;
    cursor->phys = phys;
    cursor->ticks = ticks;
    cursor->given = choose_credit(hart->jit, hart, before, ticks);
    cursor->credit = cursor->given;
    hart->jit->has_cursors = true;
}

void riscv__settle_devices(struct xbar_riscv_hart *hart)
{
    struct jit_state *state = &hart->jit_state;

    if (hart->jit == NULL || !hart->jit->has_cursors) {
        return;
    }
    hart->jit->has_cursors = false;
    for (unsigned access = 0; access < 2; access++) {
        for (unsigned size = 0; size < 4; size++) {
            for (unsigned i = 0; i < JIT_DEVICES; i++) {
                settle(hart, &state->devices[access][size][i],
                       (enum xbar_tlb_access)access, size);
            }
        }
    }
}
