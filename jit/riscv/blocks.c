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
 * budget says was retired in translated code: to the instruction. The parts of
 * a region are blocks by themselves then (region/count.c).
 */
#include "jit/riscv/jit.h"
#include "jit/riscv/region/region.h"

static uint64_t instructions_in(const struct xbar_riscv_block *block)
{
    uint64_t count = block->executions * block->insns;

    for (unsigned i = 0; i < block->insns; i++) {
        count -= block->left[i] * (block->insns - i);
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
        shown.starts = block->profile->starts;
        shown.left = block->profile->left;
        shown.instructions = instructions_in(&shown);
    }
    return shown;
}

/* Part @i of @block, of which all that is known is what a part has of its own:
 * the last one has all that is out of line. */
static void describe_part(struct xbar_riscv_block *shown,
                          const struct xbar_jit_block *block, unsigned i)
{
    const struct region_counts *counts = block->profile->own;
    const struct region_part_counts *part = &counts->parts[i];
    bool is_last = i == counts->part_count - 1;

    shown->pc = block->key.pc + part->offset;
    shown->insns = part->insns;
    shown->guest = block->bytes + part->offset;
    shown->guest_size = part->size;
    shown->code += part->code;
    shown->hot_size = (is_last ? block->hot_size : part[1].code) - part->code;
    shown->code_size = (is_last ? block->code_size : part[1].code) - part->code;
    shown->starts = block->profile->starts + part->slot;
    shown->left = block->profile->left + part->slot;
}

/* Parts without instructions only lead on. */
static bool show_parts(const struct xbar_jit_cache *cache,
                       const struct xbar_jit_block *block,
                       xbar_riscv_block_fn *cb, void *opaque)
{
    const struct region_counts *counts = block->profile->own;
    uint64_t runs[JIT_PARTS];
    bool goes_on = true;

    riscv__solve_counts(counts, block->profile->left, runs);
    for (unsigned i = 0; i < counts->part_count && goes_on; i++) {
        struct xbar_riscv_block shown = describe(cache, block);

        describe_part(&shown, block, i);
        shown.executions = runs[i];
        shown.instructions = instructions_in(&shown);
        goes_on = shown.insns == 0 || cb(opaque, &shown);
    }
    return goes_on;
}

bool riscv__show_block(const struct xbar_jit_cache *cache,
                       const struct xbar_jit_block *block,
                       xbar_riscv_block_fn *cb, void *opaque)
{
    struct xbar_riscv_block shown;

    if (block->is_region && block->profile != NULL) {
        return show_parts(cache, block, cb, opaque);
    }
    shown = describe(cache, block);
    return cb(opaque, &shown);
}

static bool keep_counts(void *opaque, const struct xbar_riscv_block *block)
{
    struct xbar_riscv_hart *hart = opaque;
    struct riscv_jit *jit = hart->jit;

    jit->stats.gone_executions += block->executions;
    jit->stats.gone_instructions += block->instructions;
    riscv__add_accesses(&jit->gone, block);
    if (hart->config.block_gone != NULL) {
        hart->config.block_gone(hart->config.block_gone_opaque, block);
    }
    return true;
}

void riscv__block_gone(struct xbar_riscv_hart *hart,
                       const struct xbar_jit_block *block)
{
    if (block->profile != NULL) {
        (void)riscv__show_block(hart->jit->cache, block, keep_counts, hart);
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

    return riscv__show_block(visit->cache, block, visit->cb, visit->opaque);
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
    stats->replaced = cache.replaced;
    stats->code_bytes = cache.code.bytes_live;
    stats->code_bytes_ever = cache.code.bytes_committed;
}
