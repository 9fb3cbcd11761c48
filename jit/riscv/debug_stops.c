/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints, watchpoints and single steps.
 *
 * A breakpoint is where no block begins and none goes on: translated code ends
 * before it, and what is executed there is the interpreter's, which looks for
 * breakpoints before each instruction while there are any.
 *
 *      block . . . . . .|            clipped in make_block()
 *                       | break      riscv__block() says NULL: interpret()
 *                       |            stops, and passes once it was reported
 *
 * So blocks across a new one go, and so do regions, none of which is made of a
 * page with a breakpoint.
 *
 * A watchpoint is the TLB's (tlb_watch()): what it tells is noted, and raises
 * attention, which every engine honours behind the instruction.
 */
#include <errno.h>
#include <string.h>

#include "engine/alloc.h"
#include "jit/riscv/debug.h"
#include "jit/riscv/jit.h"

static struct xbar_engine *engine_of(const struct xbar_riscv_hart *hart)
{
    return xbar_address_space_engine(hart->config.as);
}

/*
 * Room for one more in @array of @room entries of @size. Return: false if
 * there is no memory, and nothing changed.
 */
static bool reserve(struct xbar_riscv_hart *hart, void **array, size_t count,
                    size_t *room, size_t size)
{
    size_t more = *room ? 2 * *room : 8;
    void *grown;

    if (count < *room) {
        return true;
    }
    grown = xbar_alloc(engine_of(hart), more * size);
    if (grown == NULL) {
        return false;
    }
    if (*array != NULL) {
        memcpy(grown, *array, count * size);
        xbar_free(engine_of(hart), *array, *room * size);
    }
    *array = grown;
    *room = more;
    return true;
}

/* ---- Breakpoints ------------------------------------------------------- */

/* The count of breakpoints: not found. */
static size_t find_break(const struct riscv_debug *debug, uint64_t pc)
{
    size_t i = 0;

    while (i < debug->break_count && debug->breaks[i] != pc) {
        i++;
    }
    return i;
}

bool riscv__find_break(const struct xbar_riscv_hart *hart, uint64_t pc)
{
    return find_break(&hart->debug, pc) < hart->debug.break_count;
}

unsigned riscv__clip_to_break(const struct xbar_riscv_hart *hart, uint64_t pc,
                              unsigned size)
{
    const struct riscv_debug *debug = &hart->debug;

    for (size_t i = 0; i < debug->break_count; i++) {
        uint64_t distance = debug->breaks[i] - pc;

        if (distance != 0 && distance < size) {
            size = (unsigned)distance;
        }
    }
    return size;
}

bool riscv__page_has_break(const struct xbar_riscv_hart *hart, uint64_t pc)
{
    const struct riscv_debug *debug = &hart->debug;

    for (size_t i = 0; i < debug->break_count; i++) {
        if (((debug->breaks[i] ^ pc) & TLB_PAGE_MASK) == 0) {
            return true;
        }
    }
    return false;
}

static void make_filter(struct riscv_debug *debug)
{
    debug->break_filter = 0;
    for (size_t i = 0; i < debug->break_count; i++) {
        debug->break_filter |= riscv__break_bit(debug->breaks[i]);
    }
}

static bool holds_pc(void *opaque, const struct xbar_jit_block *block)
{
    return *(const uint64_t *)opaque - block->key.pc < block->guest_size;
}

int xbar_riscv_add_breakpoint(struct xbar_riscv_hart *hart, uint64_t pc)
{
    struct riscv_debug *debug = &hart->debug;
    void *array = debug->breaks;
    bool has_room;

    if (riscv__find_break(hart, pc)) {
        return 0;
    }
    has_room = reserve(hart, &array, debug->break_count, &debug->break_room,
                       sizeof(uint64_t));
    debug->breaks = array;
    if (!has_room) {
        return -ENOMEM;
    }
    debug->breaks[debug->break_count++] = pc;
    make_filter(debug);
    if (hart->jit != NULL) {
        xbar_jit_check_all(hart->jit->cache, holds_pc, &pc);
        hart->jit->is_cold = false;
    }
    return 0;
}

int xbar_riscv_remove_breakpoint(struct xbar_riscv_hart *hart, uint64_t pc)
{
    struct riscv_debug *debug = &hart->debug;
    size_t i = find_break(debug, pc);

    if (i == debug->break_count) {
        return -ENOENT;
    }
    debug->breaks[i] = debug->breaks[--debug->break_count];
    make_filter(debug);
    return 0;
}

/* ---- Watchpoints ------------------------------------------------------- */

#define DATA_CONTEXTS ((1u << CTX_FETCH_M) - 1)

static_assert(CTX_S + 3 < CTX_FETCH_M, "fetches have contexts of their own");

/* Told by the TLB, in the middle of an instruction. */
static void note_hit(void *opaque, const struct xbar_tlb_watch *watch,
                     uint64_t first, enum xbar_tlb_access access)
{
    struct xbar_riscv_hart *hart = opaque;
    struct riscv_debug *debug = &hart->debug;

    if (!debug->has_hit) {
        debug->has_hit = true;
        debug->hit = (struct xbar_riscv_hit){ *watch, first, access };
    }
    atomic_fetch_or_explicit(&hart->attention, ATTN_WATCH,
                             memory_order_relaxed);
}

static size_t find_watch(const struct riscv_debug *debug,
                         const struct xbar_tlb_watch *watch)
{
    size_t i = 0;

    while (i < debug->watches.count && (debug->watch[i].va != watch->va ||
                                        debug->watch[i].size != watch->size ||
                                        debug->watch[i].prot != watch->prot)) {
        i++;
    }
    return i;
}

/* The TLB forgets what it knew of them. */
static void tell_tlb(struct xbar_riscv_hart *hart)
{
    struct riscv_debug *debug = &hart->debug;

    debug->watches.watch = debug->watch;
    debug->watches.contexts = DATA_CONTEXTS;
    debug->watches.touched = note_hit;
    debug->watches.opaque = hart;
    tlb_watch(&hart->tlb, debug->watches.count ? &debug->watches : NULL);
}

static bool is_valid(const struct xbar_tlb_watch *watch)
{
    const unsigned both = TLB_PROT_READ | TLB_PROT_WRITE;

    return watch->size != 0 && watch->size - 1 <= UINT64_MAX - watch->va &&
           (watch->prot & both) != 0 && (watch->prot & ~both) == 0;
}

int xbar_riscv_add_watchpoint(struct xbar_riscv_hart *hart,
                              const struct xbar_tlb_watch *watch)
{
    struct riscv_debug *debug = &hart->debug;
    void *array = debug->watch;
    bool has_room;

    if (!is_valid(watch)) {
        return -EINVAL;
    }
    if (find_watch(debug, watch) < debug->watches.count) {
        return 0;
    }
    has_room = reserve(hart, &array, debug->watches.count, &debug->watch_room,
                       sizeof(*watch));
    debug->watch = array;
    if (!has_room) {
        return -ENOMEM;
    }
    debug->watch[debug->watches.count++] = *watch;
    tell_tlb(hart);
    return 0;
}

int xbar_riscv_remove_watchpoint(struct xbar_riscv_hart *hart,
                                 const struct xbar_tlb_watch *watch)
{
    struct riscv_debug *debug = &hart->debug;
    size_t i = find_watch(debug, watch);

    if (i == debug->watches.count) {
        return -ENOENT;
    }
    debug->watch[i] = debug->watch[--debug->watches.count];
    tell_tlb(hart);
    return 0;
}

void xbar_riscv_remove_stops(struct xbar_riscv_hart *hart)
{
    struct riscv_debug *debug = &hart->debug;

    debug->break_count = 0;
    make_filter(debug);
    if (debug->watches.count != 0) {
        debug->watches.count = 0;
        tell_tlb(hart);
    }
    debug->has_hit = false;
}

struct xbar_riscv_hit xbar_riscv_watch_hit(const struct xbar_riscv_hart *hart)
{
    return hart->debug.hit;
}

/* ---- Running ----------------------------------------------------------- */

enum riscv_stop riscv__step_one(struct xbar_riscv_hart *hart)
{
    uint64_t fences = hart->stats.fence_i;
    enum riscv_stop stop = riscv__interpret_one(hart);

    if (stop != RISCV_STOP_ATTENTION) {
        hart->debug.at_break = false;
    }
    if (hart->jit != NULL) {
        riscv__synchronize_since(hart, fences);
        riscv__jit_note_jump(hart);
    }
    return stop;
}

enum riscv_stop riscv__pass_break(struct xbar_riscv_hart *hart, bool *passed)
{
    *passed = hart->pc == hart->debug.break_pc;
    if (!*passed) {
        hart->debug.at_break = false;
        return RISCV_STOP_BUDGET;
    }
    return riscv__step_one(hart);
}

void riscv__note_break(struct xbar_riscv_hart *hart)
{
    hart->debug.at_break = true;
    hart->debug.break_pc = hart->pc;
}

void riscv__debug_begin(struct xbar_riscv_hart *hart)
{
    if (hart->debug.is_stale && hart->jit != NULL) {
        riscv__code_synchronize(hart);
    } else if (hart->debug.is_back && hart->jit != NULL) {
        riscv__code_follow(hart);
    }
    hart->debug.is_stale = false;
    hart->debug.is_back = false;
}

void riscv__debug_free(struct xbar_riscv_hart *hart)
{
    struct riscv_debug *debug = &hart->debug;
    struct xbar_engine *engine = engine_of(hart);

    xbar_free(engine, debug->breaks, debug->break_room * sizeof(uint64_t));
    xbar_free(engine, debug->watch, debug->watch_room * sizeof(*debug->watch));
}
