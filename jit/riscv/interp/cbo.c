/* SPDX-License-Identifier: MIT */
/*
 * Cache blocks (Zicbom, Zicboz). There is no cache to manage: what cleans,
 * flushes or invalidates a block only asks whether it may.
 *
 *            below M        in U, too          may touch a block that
 *   inval    menvcfg.CBIE   senvcfg.CBIE       can be read or written
 *   clean, flush    .CBCFE         .CBCFE      the same
 *   zero            .CBZE          .CBZE       can be written, and is memory
 *
 * CBIE may turn an invalidation into a flush: here they are one. Faults are a
 * store's, and tell the address as it was given, anywhere in the block.
 */
#include "jit/riscv/interp/interp.h"
#include "jit/riscv/observe.h"

#define BLOCK_WORDS (RISCV_CACHE_BLOCK / sizeof(uint64_t))
#define BLOCK_LOG2  6

_Static_assert(RISCV_CACHE_BLOCK == 1 << BLOCK_LOG2, "one block");

static bool is_enabled(const struct xbar_riscv_hart *hart, uint64_t bits)
{
    return hart->priv == PRIV_M ||
           ((hart->menvcfg & bits) &&
            (hart->priv == PRIV_S || (hart->senvcfg & bits)));
}

/* A store fault, by what the TLB or the walker says. */
static enum riscv_exec fault(struct xbar_riscv_hart *hart,
                             const struct riscv_insn *insn, int code)
{
    riscv__raise(hart, code > 0 ? (unsigned)code - 1 : CAUSE_STORE_ACCESS,
                 riscv__rs1(hart, insn));
    return EXEC_TRAP;
}

/* Is there anything at all, whatever it is? */
static bool is_there(const struct xbar_riscv_hart *hart, hwaddr phys)
{
    const FlatView *view = address_space_to_flatview(hart->config.as);

    return !(flatview_lookup(view, phys)->flags & FLAT_RANGE_UNASSIGNED);
}

static enum riscv_exec manage(struct xbar_riscv_hart *hart,
                              const struct riscv_insn *insn, uint64_t enable)
{
    uint64_t va = riscv__rs1(hart, insn);
    struct xbar_tlb_walk walk;
    int code;

    if (!is_enabled(hart, enable)) {
        return riscv__illegal(hart, insn);
    }
    code = riscv__walk(hart, hart->data_context, va, TLB_READ, &walk);
    if (code) {
        code = riscv__walk(hart, hart->data_context, va, TLB_WRITE, &walk);
    }
    if (code || !is_there(hart, walk.phys | (va & ~TLB_PAGE_MASK))) {
        return fault(hart, insn, code);
    }
    return EXEC_NEXT;
}

enum riscv_exec riscv__exec_cbo_inval(struct xbar_riscv_hart *hart,
                                      const struct riscv_insn *insn)
{
    return manage(hart, insn, ENVCFG_CBIE);
}

/* Flushing is the same to us. */
enum riscv_exec riscv__exec_cbo_clean(struct xbar_riscv_hart *hart,
                                      const struct riscv_insn *insn)
{
    return manage(hart, insn, ENVCFG_CBCFE);
}

enum riscv_exec riscv__exec_cbo_zero(struct xbar_riscv_hart *hart,
                                     const struct riscv_insn *insn)
{
    uint64_t va = riscv__rs1(hart, insn) & ~(uint64_t)(RISCV_CACHE_BLOCK - 1);
    void *host;

    if (!is_enabled(hart, ENVCFG_CBZE)) {
        return riscv__illegal(hart, insn);
    }
    host = tlb_probe(&hart->tlb, hart->data_context, va, RISCV_CACHE_BLOCK,
                     TLB_WRITE);
    if (!host && tlb_host(&hart->tlb, hart->data_context, va, RISCV_CACHE_BLOCK,
                          TLB_WRITE, &host)) {
        return fault(hart, insn, hart->tlb.fault.code);
    }
    for (unsigned i = 0; i < BLOCK_WORDS; i++) {
        tlb_ram_store((uint64_t *)host + i, 3, 0);
    }
    riscv__count_access(hart, TLB_WRITE, BLOCK_LOG2);
    tlb_count_host(&hart->tlb, TLB_WRITE, BLOCK_LOG2, host);
    if (unlikely(hart->shown != NULL)) {
        riscv__observe_memory(hart, va, RISCV_CACHE_BLOCK, XBAR_ACCESS_WRITE, 0,
                              0);
    }
    return EXEC_NEXT;
}
