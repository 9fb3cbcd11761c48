/* SPDX-License-Identifier: MIT */
/*
 * Data accesses of all engines, added up.
 *
 * The interpreter counts each one. Translated code does not: a block says how
 * often each of its instructions retired, and those say what they access.
 */
#include "jit/riscv/jit.h"

/* ---- Blocks ------------------------------------------------------------ */

static uint32_t bits_at(const struct xbar_riscv_block *block, unsigned offset)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < 4 && offset + i < block->guest_size; i++) {
        bits |= (uint32_t)block->guest[offset + i] << 8 * i;
    }
    return bits;
}

static bool is_load_reserved(const struct riscv_insn *insn)
{
    return insn->op == RISCV_OP_LR_W || insn->op == RISCV_OP_LR_D;
}

static bool is_store_conditional(const struct riscv_insn *insn)
{
    return insn->op == RISCV_OP_SC_W || insn->op == RISCV_OP_SC_D;
}

/* What is executed in place, at least: the rest counts by itself. */
static bool reads(const struct riscv_insn *insn)
{
    enum riscv_class class = (enum riscv_class)riscv__ops[insn->op].class;

    return class == RISCV_CLASS_LOAD ||
           (class == RISCV_CLASS_AMO && !is_store_conditional(insn));
}

static bool writes(const struct riscv_insn *insn)
{
    enum riscv_class class = (enum riscv_class)riscv__ops[insn->op].class;

    return class == RISCV_CLASS_STORE ||
           (class == RISCV_CLASS_AMO && !is_load_reserved(insn));
}

static void add_insn(uint64_t of[2][TLB_SIZES], const struct riscv_insn *insn,
                     uint64_t count)
{
    int access = riscv__ops[insn->op].access;
    unsigned size_log2;

    if (access == 0) {
        return;
    }
    size_log2 =
        (unsigned)__builtin_ctz((unsigned)(access < 0 ? -access : access));
    of[TLB_READ][size_log2] += reads(insn) ? count : 0;
    of[TLB_WRITE][size_log2] += writes(insn) ? count : 0;
}

void riscv__add_accesses(struct riscv_accesses *accesses,
                         const struct xbar_riscv_block *block)
{
    unsigned context = block->mode >> MODE_DATA_SHIFT & 15;
    uint64_t count = block->executions;
    unsigned offset = 0;

    for (unsigned i = 0; i < block->insns; i++) {
        struct riscv_insn insn;

        riscv__decode(&insn, bits_at(block, offset));
        count -= block->left[i];
        add_insn(accesses->of[context], &insn, count);
        offset += insn.length;
    }
}

static bool add_block(void *opaque, const struct xbar_riscv_block *block)
{
    if (block->left != NULL) {
        riscv__add_accesses(opaque, block);
    }
    return true;
}

/* ---- Modes ------------------------------------------------------------- */

static unsigned mode_of(unsigned context)
{
    switch ((enum riscv_context)context) {
    case CTX_M:
    case CTX_FETCH_M:
        return PRIV_M;
    case CTX_U:
    case CTX_U_MXR:
    case CTX_FETCH_U:
        return PRIV_U;
    default:
        return PRIV_S;
    }
}

static void add_fills(struct xbar_tlb_fills *sum,
                      const struct xbar_tlb_fills *fills)
{
    sum->walks += fills->walks;
    sum->l2_hits += fills->l2_hits;
}

static void add_context(struct xbar_riscv_counts *counts, unsigned context,
                        uint64_t of[2][TLB_SIZES],
                        const struct xbar_tlb_fills *fills)
{
    struct xbar_riscv_mode_counts *mode = &counts->mode[mode_of(context)];
    bool is_fetch = context >= CTX_FETCH_M;

    add_fills(is_fetch ? &mode->fetches : &mode->data, fills);
    for (unsigned size = 0; size < TLB_SIZES; size++) {
        mode->accesses[TLB_READ][size] += of[TLB_READ][size];
        mode->accesses[TLB_WRITE][size] += of[TLB_WRITE][size];
    }
}

static void add_all(struct riscv_accesses *sum,
                    const struct riscv_accesses *accesses)
{
    for (unsigned context = 0; context < CTX_COUNT; context++) {
        for (unsigned size = 0; size < TLB_SIZES; size++) {
            sum->of[context][TLB_READ][size] +=
                accesses->of[context][TLB_READ][size];
            sum->of[context][TLB_WRITE][size] +=
                accesses->of[context][TLB_WRITE][size];
        }
    }
}

void xbar_riscv_get_counts(const struct xbar_riscv_hart *hart,
                           struct xbar_riscv_counts *counts)
{
    struct riscv_accesses accesses = hart->accesses;

    *counts = (struct xbar_riscv_counts){ 0 };
    if (hart->jit != NULL) {
        add_all(&accesses, &hart->jit->gone);
        xbar_riscv_for_each_block(hart, add_block, &accesses);
    }
    for (unsigned context = 0; context < CTX_COUNT; context++) {
        add_context(counts, context, accesses.of[context],
                    &hart->tlb.stats.fills[context]);
    }
}
