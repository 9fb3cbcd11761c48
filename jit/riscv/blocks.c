/* SPDX-License-Identifier: MIT */
/*
 * Translated code from outside: what there is, and how often it ran.
 *
 * A block that is profiled counts each entry behind its prologue. Whoever
 * leaves it in the middle says how much of it was not executed, so that
 *
 *     executions - left[0] - ... - left[i] = times that instruction i retired
 *
 * and the sum over all blocks, those that are gone included, is what the
 * budget says was retired in translated code: to the instruction.
 */
#include "jit/riscv/jit.h"

static uint64_t instructions_in(const struct xbar_jit_block *block)
{
    uint64_t count = block->profile->executions * block->insns;

    for (unsigned i = 0; i < block->insns; i++) {
        count -= block->profile->left[i] * (block->insns - i);
    }
    return count;
}

/* @block as the embedder sees it. */
static struct xbar_riscv_block describe(const struct xbar_jit_cache *cache,
                                        const struct xbar_jit_block *block)
{
    struct xbar_riscv_block shown = {
        .pc = block->key.pc,
        .phys = block->key.page,
        .mode = block->key.mode,
        .insns = block->insns,
        .guest = block->bytes,
        .guest_size = block->guest_size,
        .code = xbar_jit_code(cache, block->code),
        .code_size = block->code_size,
        .hot_size = block->hot_size,
    };

    if (block->profile != NULL) {
        shown.executions = block->profile->executions;
        shown.instructions = instructions_in(block);
        shown.starts = block->profile->starts;
        shown.left = block->profile->left;
    }
    return shown;
}

void riscv__block_gone(struct xbar_riscv_hart *hart,
                       const struct xbar_jit_block *block)
{
    struct riscv_jit *jit = hart->jit;

    if (block->profile == NULL) {
        return;
    }
    jit->stats.gone_executions += block->profile->executions;
    jit->stats.gone_instructions += instructions_in(block);
    riscv__add_accesses(&jit->gone, block);
    if (hart->config.block_gone != NULL) {
        struct xbar_riscv_block shown = describe(jit->cache, block);

        hart->config.block_gone(hart->config.block_gone_opaque, &shown);
    }
}

_Static_assert(XBAR_RISCV_RETURNS_MAX == JIT_RAS_SIZE, "all of them");

unsigned xbar_riscv_get_returns(const struct xbar_riscv_hart *hart,
                                uint64_t *pcs, unsigned max)
{
    const struct jit_state *state = &hart->jit_state;
    size_t top = state->ras_top / sizeof(state->ras[0]);
    unsigned count = 0;

    while (hart->jit != NULL && count < max && count < JIT_RAS_SIZE) {
        uint64_t pc = state->ras[(top - count) % JIT_RAS_SIZE].pc;

        if (pc == 1) {
            break;
        }
        pcs[count++] = pc;
    }
    return count;
}

struct visit {
    const struct xbar_jit_cache *cache;
    xbar_riscv_block_fn *cb;
    void *opaque;
};

static bool visit_block(void *opaque, const struct xbar_jit_block *block)
{
    const struct visit *visit = opaque;
    struct xbar_riscv_block shown = describe(visit->cache, block);

    return visit->cb(visit->opaque, &shown);
}

void xbar_riscv_for_each_block(const struct xbar_riscv_hart *hart,
                               xbar_riscv_block_fn *cb, void *opaque)
{
    if (hart->jit != NULL) {
        struct visit visit = {
            .cache = hart->jit->cache,
            .cb = cb,
            .opaque = opaque,
        };

        xbar_jit_for_each(hart->jit->cache, visit_block, &visit);
    }
}

void riscv__jit_get_stats(const struct xbar_riscv_hart *hart,
                          struct xbar_riscv_jit_stats *stats)
{
    struct xbar_jit_stats cache;

    if (hart->jit == NULL) {
        *stats = (struct xbar_riscv_jit_stats){ 0 };
        return;
    }
    xbar_jit_get_stats(hart->jit->cache, &cache);
    *stats = hart->jit->stats;
    stats->blocks = cache.translated;
    stats->blocks_live = cache.live;
    stats->guest_insns = cache.guest_insns;
    stats->links = cache.links;
    stats->invalidated = cache.invalidated;
    stats->evicted = cache.evicted;
    stats->recalled = cache.recalled;
    stats->code_bytes = cache.code.bytes_live;
    stats->code_bytes_ever = cache.code.bytes_committed;
}
