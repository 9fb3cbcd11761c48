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
#include "jit/riscv/interp/interp.h"
#include "jit/riscv/observe.h"

static riscv_exec_fn *const actions[RISCV_OP_COUNT] = {
#define INSN(op, text, match, mask, format, action, ...) \
    [RISCV_OP_##op] = riscv__exec_##action,
#include "jit/riscv/insn.inc"
};

/* ---- Fetch ------------------------------------------------------------- */

/*
 * Where instructions come from: those that start less than `size` bytes from
 * `base` lie whole in one page of memory, at `host`. Empty: the size is 0.
 */
struct window {
    uint64_t base;
    uint64_t size;
    const uint8_t *host;
};

/* An instruction as fetched; length is 2 or 4. */
struct fetched {
    uint32_t bits;
    uint32_t length;
};

/* Instructions are read in parcels of 16 bits, the unit in which they are
 * aligned: a 4-byte one may be half rewritten, but no half is ever torn. */
static inline uint32_t load_parcel(const void *host)
{
    return (uint32_t)tlb_ram_load(__builtin_assume_aligned(host, 2), 1);
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
    *parcel = (uint32_t)tlb_ram_load(host, 1);
    return true;
}

/*
 * Point the window at the page of pc, if an inline hit vouches for the whole
 * page: one of several sections has to be looked up access by access. So has
 * memory that its owner put at an odd host address.
 */
static void move_window(const struct xbar_riscv_hart *hart,
                        struct window *window)
{
    window->base = hart->pc & TLB_PAGE_MASK;
    window->host =
        tlb_probe(&hart->tlb, hart->fetch_context, window->base, 2, TLB_EXEC);
    window->size = window->host && tlb_ram_is_aligned(window->host, 1)
                       ? TLB_PAGE_SIZE - 2
                       : 0;
}

/* Outside of the window, or across its end. False: an exception was taken. */
XBAR_COLD
static bool fetch_slow(struct xbar_riscv_hart *hart, struct window *window,
                       struct fetched *fetched)
{
    uint32_t high;

    if (!fetch_parcel(hart, hart->pc, &fetched->bits)) {
        return false;
    }
    move_window(hart, window);
    fetched->length = 2;
    if (riscv__is_compressed(fetched->bits)) {
        return true;
    }
    if (!fetch_parcel(hart, hart->pc + 2, &high)) {
        return false;
    }
    fetched->bits |= high << 16;
    fetched->length = 4;
    return true;
}

/*
 * What is at pc, which is hart->pc. False: an exception was taken.
 *
 * The length comes from a branch, not from the decoded instruction: through
 * that, the next pc would wait for three dependent loads.
 */
static inline bool fetch(struct xbar_riscv_hart *hart, struct window *window,
                         uint64_t pc, struct fetched *fetched)
{
    uint64_t offset = pc - window->base;
    const uint8_t *host;

    if (unlikely(offset >= window->size)) {
        return fetch_slow(hart, window, fetched);
    }
    host = window->host + offset;
    fetched->bits = load_parcel(host);
    fetched->length = 2;
    if (!riscv__is_compressed(fetched->bits)) {
        fetched->bits |= load_parcel(host + 2) << 16;
        fetched->length = 4;
    }
    return true;
}

/* ---- The loop ---------------------------------------------------------- */

static inline enum riscv_exec execute(struct xbar_riscv_hart *hart,
                                      uint32_t bits)
{
    const struct riscv_insn *insn =
        riscv__decode_cached(&hart->insn_cache, bits);

    return actions[insn->op](hart, insn);
}

/* One relaxed load: whoever raises it from another thread has no more to hope
 * for than soon. */
static inline bool has_attention(const struct xbar_riscv_hart *hart)
{
    return atomic_load_explicit(&hart->attention, memory_order_relaxed) != 0;
}

enum riscv_exec riscv__execute(struct xbar_riscv_hart *hart, uint32_t bits)
{
    return execute(hart, bits);
}

/* The count of the page that pc is in; NULL: it is not in the RAM that counts.
 * It was just fetched from. */
static uint64_t *count_of_page(const struct xbar_riscv_hart *hart, uint64_t pc)
{
    const SoftTLB *tlb = &hart->tlb;
    const uint8_t *host = tlb_probe(tlb, hart->fetch_context, pc, 2, TLB_EXEC);
    uint64_t offset = (uintptr_t)host - tlb->counted_host;

    return host != NULL && offset < tlb->counted_size
               ? &hart->config.interpreted[offset >> TLB_PAGE_BITS]
               : NULL;
}

/* @to_jump: no further than behind the first instruction that has anything
 * but the next one follow, and no further than the block as it is shown.
 * @shown: what is executed is
 * @breaks: stop at breakpoints
 * @counts: count instructions by page */
static XBAR_FORCE_INLINE enum riscv_stop interpret(struct xbar_riscv_hart *hart,
                                                   uint64_t budget,
                                                   bool to_jump, bool shown,
                                                   bool breaks, bool counts)
{
    struct window window;
    /* Copies of hart->pc and stats.instructions, so that the next round need
     * not wait until its loads see what this one stored. */
    uint64_t pc = hart->pc;
    uint64_t done = hart->stats.instructions;
    uint64_t end = budget > UINT64_MAX - done ? UINT64_MAX : done + budget;

    move_window(hart, &window);
    while (done < end) {
        struct fetched fetched;
        enum riscv_exec result;
        uint64_t *count = NULL;

        if (unlikely(has_attention(hart))) {
            return RISCV_STOP_ATTENTION;
        }
        if (breaks && riscv__is_break(hart, pc)) {
            return RISCV_STOP_BREAK;
        }
        if (unlikely(!fetch(hart, &window, pc, &fetched))) {
            result = EXEC_TRAP;
        } else {
            if (shown) {
                riscv__observe_begin(hart, fetched.bits, fetched.length);
            }
            if (counts) {
                count = count_of_page(hart, pc); /* before that may change */
            }
            result = execute(hart, fetched.bits);
        }
        if (counts && count != NULL) {
            *count += result != EXEC_TRAP;
        }
        if (likely(result == EXEC_NEXT)) {
            hart->pc = pc += fetched.length;
            hart->stats.instructions = ++done;
            if (shown) {
                riscv__observe_end(hart, result);
                if (to_jump && !riscv__observe_is_inside(hart)) {
                    break;
                }
            }
            continue;
        }
        if (to_jump && result == EXEC_JUMP) {
            hart->jumped =
                (struct riscv_jump){ fetched.bits, pc + fetched.length };
        }
        pc = hart->pc;
        hart->stats.instructions = done += result != EXEC_TRAP;
        if (shown) {
            riscv__observe_end(hart, result);
        }
        if (result == EXEC_WFI) {
            return RISCV_STOP_WFI;
        }
        if (to_jump) {
            break;
        }
        if (result != EXEC_JUMP) {
            window.size = 0;
        }
    }
    return RISCV_STOP_BUDGET;
}

/* Somebody is shown what is executed, or there are breakpoints, or counts. */
static XBAR_COLD enum riscv_stop interpret_watched(struct xbar_riscv_hart *hart,
                                                   uint64_t budget,
                                                   bool to_jump, bool breaks)
{
    return interpret(hart, budget, to_jump, hart->shown != NULL, breaks,
                     hart->config.interpreted != NULL);
}

static bool is_watched(const struct xbar_riscv_hart *hart)
{
    return hart->shown != NULL || hart->debug.break_count != 0 ||
           hart->config.interpreted != NULL;
}

enum riscv_stop riscv__interpret(struct xbar_riscv_hart *hart, uint64_t budget)
{
    return unlikely(is_watched(hart))
               ? interpret_watched(hart, budget, false, true)
               : interpret(hart, budget, false, false, false, false);
}

enum riscv_stop riscv__interpret_to_jump(struct xbar_riscv_hart *hart,
                                         uint64_t budget)
{
    hart->jumped.bits = 0;
    return unlikely(is_watched(hart))
               ? interpret_watched(hart, budget, true, true)
               : interpret(hart, budget, true, false, false, false);
}

enum riscv_stop riscv__interpret_one(struct xbar_riscv_hart *hart)
{
    hart->jumped.bits = 0;
    return interpret_watched(hart, 1, true, false);
}
