/* SPDX-License-Identifier: MIT */
#include "jit/cache.h"

/* A pc that no address probes this slot by: an empty slot needs no flag. */
static uint64_t foreign_pc(unsigned index)
{
    return index == xbar_jit_jump_index(1) ? 2 : 1;
}

static void empty(struct xbar_jit_jumps *jumps, unsigned index)
{
    jumps->slot[index] = (struct xbar_jit_jump){ .pc = foreign_pc(index) };
}

void xbar_jit_jumps_clear(struct xbar_jit_jumps *jumps)
{
    for (unsigned i = 0; i < 1u << XBAR_JIT_JUMP_BITS; i++) {
        empty(jumps, i);
    }
}

void xbar_jit_jumps_put(struct xbar_jit_jumps *jumps,
                        const struct xbar_jit_cache *cache,
                        const struct xbar_jit_block *block)
{
    jumps->slot[xbar_jit_jump_index(block->key.pc)] = (struct xbar_jit_jump){
        .pc = block->key.pc,
        .code = xbar_jit_code(cache, block->code),
        .addend = xbar_jit_addend(block),
        .mode = block->key.mode,
    };
}

void xbar_jit_jumps_forget(struct xbar_jit_jumps *jumps,
                           const struct xbar_jit_block *block)
{
    unsigned index = xbar_jit_jump_index(block->key.pc);

    if (jumps->slot[index].pc == block->key.pc) {
        empty(jumps, index);
    }
}
