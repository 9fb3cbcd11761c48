/* SPDX-License-Identifier: MIT */
/*
 * Atomics. All are sequentially consistent, so .aq and .rl ask for nothing
 * more.
 *
 * lr/sc is a compare-and-swap: lr notes address, size and the value it read,
 * sc swaps if memory still holds that value. sc fails, too, on any other
 * address or size, and after a trap, an xRET or an earlier sc. What this
 * cannot see is a value that was changed and changed back in between (ABA);
 * code that would be misled by it also breaks on other cas-based emulators.
 *
 * Targets must be RAM and naturally aligned: anything else is the exception
 * that the privileged specification allows for it. That holds for the host,
 * too: RAM of the embedder's at an odd address has no atomics.
 */
#include "jit/riscv/interp/interp.h"
#include "jit/riscv/observe.h"

/* Bytes, 4 or 8, from the row. */
static unsigned size_of(const struct riscv_insn *insn)
{
    return riscv__ops[insn->op].access < 0 ? 4 : 8;
}

static uint64_t extend(uint64_t value, unsigned size)
{
    return size == 4 ? riscv__sext32(value) : value;
}

static uint64_t load_atomic(const void *host, unsigned size)
{
    if (size == 4) {
        return __atomic_load_n((const uint32_t *)host, __ATOMIC_SEQ_CST);
    }
    return __atomic_load_n((const uint64_t *)host, __ATOMIC_SEQ_CST);
}

static void count(struct xbar_riscv_hart *hart, enum xbar_tlb_access access,
                  unsigned size, const void *host)
{
    unsigned size_log2 = size == 4 ? 2 : 3;

    riscv__count_access(hart, access, size_log2);
    tlb_count_host(&hart->tlb, access, size_log2, host);
}

static void observe(struct xbar_riscv_hart *hart, const struct riscv_insn *insn,
                    unsigned kinds, uint64_t loaded, uint64_t stored)
{
    if (unlikely(hart->shown != NULL)) {
        riscv__observe_memory(hart, riscv__rs1(hart, insn), size_of(insn),
                              kinds, loaded, stored);
    }
}

/* Host order on both sides. */
static bool compare_and_swap(void *host, unsigned size, uint64_t expected,
                             uint64_t desired)
{
    if (size == 4) {
        uint32_t old = (uint32_t)expected;

        return __atomic_compare_exchange_n((uint32_t *)host, &old,
                                           (uint32_t)desired, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    return __atomic_compare_exchange_n((uint64_t *)host, &expected, desired,
                                       false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* Guest values as memory has them, and back. */
static uint64_t swap(uint64_t value, unsigned size)
{
    return tlb_ram_swap(value, size == 4 ? 2 : 3);
}

static bool is_misaligned(uint64_t address, unsigned size)
{
    return (address & (size - 1)) != 0;
}

/*
 * The host address of the target, checked for @access. NULL: an exception was
 * taken.
 */
static void *target(struct xbar_riscv_hart *hart, const struct riscv_insn *insn,
                    enum xbar_tlb_access access)
{
    bool reads = access == TLB_READ;
    unsigned cause = reads ? CAUSE_LOAD_ACCESS : CAUSE_STORE_ACCESS;
    uint64_t va = riscv__rs1(hart, insn);
    unsigned size = size_of(insn);
    void *host;

    if (is_misaligned(va, size)) {
        riscv__raise(
            hart, reads ? CAUSE_LOAD_MISALIGNED : CAUSE_STORE_MISALIGNED, va);
        return NULL;
    }
    if (tlb_host(&hart->tlb, hart->data_context, va, size, access, &host)) {
        riscv__memory_fault(hart, cause);
        return NULL;
    }
    if (is_misaligned((uintptr_t)host, size)) {
        riscv__raise(hart, cause, va);
        return NULL;
    }
    return host;
}

/* ---- lr and sc --------------------------------------------------------- */

enum riscv_exec riscv__exec_lr(struct xbar_riscv_hart *hart,
                               const struct riscv_insn *insn)
{
    unsigned size = size_of(insn);
    const void *host = target(hart, insn, TLB_READ);
    uint64_t value;

    if (!host) {
        return EXEC_TRAP;
    }
    value = extend(swap(load_atomic(host, size), size), size);
    hart->reservation = (struct riscv_reservation){
        .valid = true,
        .size_log2 = size == 4 ? 2 : 3,
        .va = riscv__rs1(hart, insn),
        .value = value,
    };
    count(hart, TLB_READ, size, host);
    observe(hart, insn, XBAR_ACCESS_READ, value, 0);
    return riscv__put(hart, insn, value);
}

static bool is_reserved(const struct riscv_reservation *reservation,
                        uint64_t va, unsigned size)
{
    return reservation->valid && reservation->va == va &&
           1u << reservation->size_log2 == size;
}

enum riscv_exec riscv__exec_sc(struct xbar_riscv_hart *hart,
                               const struct riscv_insn *insn)
{
    struct riscv_reservation *reservation = &hart->reservation;
    unsigned size = size_of(insn);
    void *host = target(hart, insn, TLB_WRITE); /* even if it is to fail */
    bool done;

    if (!host) {
        return EXEC_TRAP;
    }
    done = is_reserved(reservation, riscv__rs1(hart, insn), size) &&
           compare_and_swap(host, size, swap(reservation->value, size),
                            swap(riscv__rs2(hart, insn), size));
    reservation->valid = false;
    count(hart, TLB_WRITE, size, host);
    if (done) {
        observe(hart, insn, XBAR_ACCESS_WRITE, 0, riscv__rs2(hart, insn));
    }
    return riscv__put(hart, insn, !done);
}

/* ---- Read, modify, write ----------------------------------------------- */

/* Words come sign-extended. That keeps their unsigned order, so one function
 * serves both sizes. */
typedef uint64_t amo_fn(uint64_t old, uint64_t operand);

static enum riscv_exec amo(struct xbar_riscv_hart *hart,
                           const struct riscv_insn *insn, amo_fn *modify)
{
    unsigned size = size_of(insn);
    uint64_t operand = extend(riscv__rs2(hart, insn), size);
    void *host = target(hart, insn, TLB_WRITE);
    uint64_t raw, old;

    if (!host) {
        return EXEC_TRAP;
    }
    do {
        raw = load_atomic(host, size);
        old = extend(swap(raw, size), size);
    } while (
        !compare_and_swap(host, size, raw, swap(modify(old, operand), size)));
    count(hart, TLB_READ, size, host);
    count(hart, TLB_WRITE, size, host);
    observe(hart, insn, XBAR_ACCESS_READ | XBAR_ACCESS_WRITE, old,
            modify(old, operand));
    return riscv__put(hart, insn, old);
}

#define AMO(name, value)                                              \
    static uint64_t modify_##name(uint64_t old, uint64_t operand)     \
    {                                                                 \
        (void)old;                                                    \
        return value;                                                 \
    }                                                                 \
                                                                      \
    enum riscv_exec riscv__exec_##name(struct xbar_riscv_hart *hart,  \
                                       const struct riscv_insn *insn) \
    {                                                                 \
        return amo(hart, insn, modify_##name);                        \
    }

/* clang-format off */
AMO(amoswap, operand)
AMO(amoadd,  old + operand)
AMO(amoxor,  old ^ operand)
AMO(amoand,  old & operand)
AMO(amoor,   old | operand)
AMO(amomin,  (int64_t)old < (int64_t)operand ? old : operand)
AMO(amomax,  (int64_t)old > (int64_t)operand ? old : operand)
AMO(amominu, old < operand ? old : operand)
AMO(amomaxu, old > operand ? old : operand)
/* clang-format on */
