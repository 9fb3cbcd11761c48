/* SPDX-License-Identifier: MIT */
/*
 * The interpreter: the reference that other engines are compared with, so it
 * prefers being plainly right. What makes it fast enough nevertheless:
 *
 *   pc --window--> host bytes --decoder's cache--> struct riscv_insn
 *                                                        |
 *      +-------------------------------------------------+
 *      v
 *   actions[op](hart, insn) --enum riscv_exec--> pc, count, window
 *
 * - The window is the host address of the page that pc is in. It saves the
 *   TLB probe while pc stays there, and is forgotten after everything that
 *   could change how addresses are translated: an exception, a CSR
 *   instruction, a fence, an xRET. What other threads or device callbacks
 *   change arrives as attention, and then the function returns.
 * - Decoded instructions are cached by their bits, not by their address: a
 *   guest may rewrite its code at will, and a fence.i has nothing to do.
 *
 * Use: riscv__interpret(), by the run loop in hart.c.
 */
#include "jit/riscv/interp.h"

static riscv_exec_fn *const actions[RISCV_OP_COUNT] = {
#define INSN(op, text, match, mask, format, action, ...) \
    [RISCV_OP_##op] = riscv__exec_##action,
#include "jit/riscv/insn.inc"
};

/* ---- Fetch ------------------------------------------------------------- */

/*
 * The page instructions come from: [base, base + 4096) is at host. Valid
 * until something changes translation; empty if host is NULL, which no
 * address falls into.
 */
struct window {
    uint64_t base;
    const uint8_t *host;
};

/* Instructions are read in parcels of 16 bits, the unit in which they are
 * aligned: a 4-byte one may be half rewritten, but no half is ever torn. */
static inline uint32_t load_parcel(const void *host)
{
    return (uint32_t)tlb_ram_load(host, 1);
}

/* A parcel the slow way. False: an exception was taken, at the parcel. */
static bool fetch_parcel(struct xbar_riscv_hart *hart, uint64_t va,
                         uint32_t *parcel)
{
    void *host;

    if (tlb_host(&hart->tlb, hart->fetch_context, va, 2, TLB_EXEC, &host)) {
        riscv__memory_fault(hart, CAUSE_FETCH_ACCESS);
        return false;
    }
    *parcel = load_parcel(host);
    return true;
}

/*
 * Point the window at the page of pc, if an inline hit vouches for the whole
 * page: a page of several sections has to be looked up access by access.
 */
static void move_window(const struct xbar_riscv_hart *hart,
                        struct window *window)
{
    uint64_t base = hart->pc & TLB_PAGE_MASK;

    window->base = base;
    window->host =
        tlb_probe(&hart->tlb, hart->fetch_context, base, 2, TLB_EXEC);
}

/* Outside of the window, or across its end. False: an exception was taken. */
XBAR_COLD
static bool fetch_slow(struct xbar_riscv_hart *hart, struct window *window,
                       uint32_t *bits)
{
    uint32_t low, high;

    if (!fetch_parcel(hart, hart->pc, &low)) {
        return false;
    }
    move_window(hart, window);
    if (riscv__is_compressed(low)) {
        *bits = low;
        return true;
    }
    if (!fetch_parcel(hart, hart->pc + 2, &high)) {
        return false;
    }
    *bits = low | high << 16;
    return true;
}

/* The bits at pc. False: an exception was taken. */
static inline bool fetch(struct xbar_riscv_hart *hart, struct window *window,
                         uint32_t *bits)
{
    uint64_t offset = hart->pc - window->base;
    const uint8_t *host;
    uint32_t low;

    if (unlikely(offset > TLB_PAGE_SIZE - 4 || !window->host)) {
        return fetch_slow(hart, window, bits);
    }
    host = window->host + offset;
    low = load_parcel(host);
    *bits = riscv__is_compressed(low) ? low : low | load_parcel(host + 2) << 16;
    return true;
}

/* ---- The loop ---------------------------------------------------------- */

/* Fetches, decodes and executes one instruction. */
static inline enum riscv_exec step(struct xbar_riscv_hart *hart,
                                   struct window *window)
{
    const struct riscv_insn *insn;
    enum riscv_exec result;
    uint32_t bits;

    if (unlikely(!fetch(hart, window, &bits))) {
        return EXEC_TRAP;
    }
    insn = riscv__decode_cached(&hart->insn_cache, bits);
    result = actions[insn->op](hart, insn);
    if (result == EXEC_NEXT) {
        hart->pc += insn->length;
    }
    return result;
}

enum riscv_stop riscv__interpret(struct xbar_riscv_hart *hart, uint64_t budget)
{
    uint64_t done = hart->stats.instructions;
    uint64_t end = budget > UINT64_MAX - done ? UINT64_MAX : done + budget;
    struct window window = { 0, NULL };

    while (hart->stats.instructions < end) {
        enum riscv_exec result;

        /* One relaxed load; whoever raises it from another thread has no more
         * to hope for than soon. */
        if (unlikely(atomic_load_explicit(&hart->attention,
                                          memory_order_relaxed) != 0)) {
            return RISCV_STOP_ATTENTION;
        }
        result = step(hart, &window);
        hart->stats.instructions += result != EXEC_TRAP;
        if (unlikely(result >= EXEC_SYNC)) {
            window.host = NULL;
            if (result == EXEC_WFI) {
                return RISCV_STOP_WFI;
            }
        }
    }
    return RISCV_STOP_BUDGET;
}
