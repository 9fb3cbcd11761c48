/* SPDX-License-Identifier: MIT */
/*
 * Loads and stores.
 *
 *   address --inline probe--> RAM, by one host access
 *              |
 *              +-- anything else --> tlb_load_slow(), tlb_store_slow():
 *                  page walk, devices, accesses that cross a page
 *
 * Misaligned ones are carried out, never trapped. What faults has no effect:
 * registers are written after the access, and the TLB resolves all of a
 * crossing store before its first byte is written.
 */
#include "jit/riscv/fp/fp.h"
#include "jit/riscv/interp/interp.h"
#include "jit/riscv/observe.h"

enum riscv_exec riscv__memory_fault(struct xbar_riscv_hart *hart,
                                    unsigned access_fault)
{
    const struct xbar_tlb_fault *fault = &hart->tlb.fault;

    /* riscv__walk() gives the cause + 1. */
    riscv__raise(hart,
                 fault->code > 0 ? (unsigned)fault->code - 1 : access_fault,
                 fault->va);
    return EXEC_TRAP;
}

static inline uint64_t address_of(const struct xbar_riscv_hart *hart,
                                  const struct riscv_insn *insn)
{
    return riscv__rs1(hart, insn) + riscv__imm(insn);
}

static int load_slow(struct xbar_riscv_hart *hart, uint64_t va,
                     unsigned size_log2, uint64_t *value)
{
    if (unlikely(hart->shown != NULL)) {
        return riscv__observed_load(hart, va, size_log2, value);
    }
    return tlb_load_slow(&hart->tlb, hart->data_context, va, size_log2, value);
}

static int store_slow(struct xbar_riscv_hart *hart, uint64_t va,
                      unsigned size_log2, uint64_t value)
{
    if (unlikely(hart->shown != NULL)) {
        return riscv__observed_store(hart, va, size_log2, value);
    }
    return tlb_store_slow(&hart->tlb, hart->data_context, va, size_log2, value);
}

/* False: an exception was taken. */
static inline bool load(struct xbar_riscv_hart *hart, uint64_t va,
                        unsigned size_log2, uint64_t *value)
{
    const void *host = tlb_probe(&hart->tlb, hart->data_context, va,
                                 1u << size_log2, TLB_READ);

    if (likely(host)) {
        *value = tlb_ram_load(host, size_log2);
        tlb_count_host(&hart->tlb, TLB_READ, size_log2, host);
        if (unlikely(hart->shown != NULL)) {
            riscv__observe_memory(hart, va, 1u << size_log2, XBAR_ACCESS_READ,
                                  *value, 0);
        }
    } else if (load_slow(hart, va, size_log2, value)) {
        riscv__memory_fault(hart, CAUSE_LOAD_ACCESS);
        return false;
    }
    riscv__count_access(hart, TLB_READ, size_log2);
    return true;
}

static inline enum riscv_exec store(struct xbar_riscv_hart *hart, uint64_t va,
                                    unsigned size_log2, uint64_t value)
{
    void *host = tlb_probe(&hart->tlb, hart->data_context, va, 1u << size_log2,
                           TLB_WRITE);

    if (likely(host)) {
        tlb_ram_store(host, size_log2, value);
        tlb_count_host(&hart->tlb, TLB_WRITE, size_log2, host);
        if (unlikely(hart->shown != NULL)) {
            riscv__observe_memory(hart, va, 1u << size_log2, XBAR_ACCESS_WRITE,
                                  0, value);
        }
    } else if (store_slow(hart, va, size_log2, value)) {
        return riscv__memory_fault(hart, CAUSE_STORE_ACCESS);
    }
    riscv__count_access(hart, TLB_WRITE, size_log2);
    return EXEC_NEXT;
}

/* type: what the loaded bytes are, so that widening it extends its sign. */
#define LOAD(name, size_log2, type)                                   \
    enum riscv_exec riscv__exec_##name(struct xbar_riscv_hart *hart,  \
                                       const struct riscv_insn *insn) \
    {                                                                 \
        uint64_t value;                                               \
                                                                      \
        if (!load(hart, address_of(hart, insn), size_log2, &value)) { \
            return EXEC_TRAP;                                         \
        }                                                             \
        return riscv__put(hart, insn, (uint64_t)(type)value);         \
    }

#define STORE(name, size_log2)                                        \
    enum riscv_exec riscv__exec_##name(struct xbar_riscv_hart *hart,  \
                                       const struct riscv_insn *insn) \
    {                                                                 \
        return store(hart, address_of(hart, insn), size_log2,         \
                     riscv__rs2(hart, insn));                         \
    }

/* clang-format off */
LOAD(lb,  0, int8_t)
LOAD(lh,  1, int16_t)
LOAD(lw,  2, int32_t)
LOAD(ld,  3, uint64_t)
LOAD(lbu, 0, uint8_t)
LOAD(lhu, 1, uint16_t)
LOAD(lwu, 2, uint32_t)
STORE(sb, 0)
STORE(sh, 1)
STORE(sw, 2)
STORE(sd, 3)
/* clang-format on */

/* ---- Floating point ---------------------------------------------------- */

static inline enum riscv_exec load_fp(struct xbar_riscv_hart *hart,
                                      const struct riscv_insn *insn,
                                      unsigned size_log2)
{
    uint64_t value;

    if (!riscv__fp_enabled(hart)) {
        return riscv__illegal(hart, insn);
    }
    if (!load(hart, address_of(hart, insn), size_log2, &value)) {
        return EXEC_TRAP;
    }
    hart->f[insn->rd] = size_log2 == 2 ? fp__box((uint32_t)value) : value;
    riscv__fp_dirty(hart);
    return EXEC_NEXT;
}

/* A single is stored as its bits are, whether or not it is boxed. */
static inline enum riscv_exec store_fp(struct xbar_riscv_hart *hart,
                                       const struct riscv_insn *insn,
                                       unsigned size_log2)
{
    if (!riscv__fp_enabled(hart)) {
        return riscv__illegal(hart, insn);
    }
    return store(hart, address_of(hart, insn), size_log2, hart->f[insn->rs2]);
}

enum riscv_exec riscv__exec_flw(struct xbar_riscv_hart *hart,
                                const struct riscv_insn *insn)
{
    return load_fp(hart, insn, 2);
}

enum riscv_exec riscv__exec_fld(struct xbar_riscv_hart *hart,
                                const struct riscv_insn *insn)
{
    return load_fp(hart, insn, 3);
}

enum riscv_exec riscv__exec_fsw(struct xbar_riscv_hart *hart,
                                const struct riscv_insn *insn)
{
    return store_fp(hart, insn, 2);
}

enum riscv_exec riscv__exec_fsd(struct xbar_riscv_hart *hart,
                                const struct riscv_insn *insn)
{
    return store_fp(hart, insn, 3);
}
