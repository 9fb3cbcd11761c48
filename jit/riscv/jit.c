/* SPDX-License-Identifier: MIT */
/*
 * The JIT engine: running blocks, and keeping them true.
 *
 *      +--> riscv__block(pc) --none--> interpret to the next jump -+
 *      |          |                                               |
 *      |    jit_host__enter: blocks, chained, until one leaves     |
 *      |          |                                               |
 *      +--- settle: where the guest is now, what was executed <----+
 *
 * Counting. A block takes its instructions off state.budget when it is
 * entered, so whoever leaves in the middle gives back what was not executed:
 *
 *     retired = base + slice - budget - (block's insns - site's insn)
 *
 * Stores to code, and fence.i: jit_code.c. Coming and going: jit_life.c.
 *
 * Threads: everything runs on the hart's thread, and a cache has one hart, so
 * chaining, patching and eviction meet nobody: see jit/cache.h.
 */
#include "jit/riscv/jit.h"

#include "jit/host_fp.h"
#include "jit/riscv/interp/interp.h"
#include "jit/riscv/observe.h"
#include "jit/riscv/region/region.h"

/* A slice bounds how late a request from another thread is seen. How long it is
 * below that is up to the run loop (clock.c). */
#define SLICE_MAX 65536

/* Hottest first: the first five survive calls out of emitted code. */
const struct jit_guest riscv__jit_guest = {
    .regs = offsetof(struct xbar_riscv_hart, x),
    .state = offsetof(struct xbar_riscv_hart, jit_state),
    .tlb = offsetof(struct xbar_riscv_hart, tlb),
    .attention = offsetof(struct xbar_riscv_hart, attention),
    .data_context = offsetof(struct xbar_riscv_hart, data_context),
    .reg0_is_zero = true,
    .hot = { 15, 14, 10, 2, 8, 11, 12, 13, 9, 16, 17 },
    .fp_regs = offsetof(struct xbar_riscv_hart, f),
    .hot_fp = { 15, 14, 13, 12, 11, 10, 0, 1, 2, 8, 9, 16, 17 },
};

/* ---- The jump cache ---------------------------------------------------- */

/* Lockstep compares after each block, so each has to leave. */
static bool may_chain(const struct xbar_riscv_hart *hart)
{
    return !(hart->config.stress & XBAR_RISCV_STRESS_CHAIN) &&
           hart->lockstep == NULL;
}

/* Evicting happens between stays in emitted code. */
static bool may_resume(const struct xbar_riscv_hart *hart)
{
    return may_chain(hart) && !(hart->config.stress & XBAR_RISCV_STRESS_EVICT);
}

static void remember_jump(struct xbar_riscv_hart *hart,
                          const struct xbar_jit_block *block)
{
    if (may_chain(hart)) {
        xbar_jit_jumps_put(&hart->jit_state.jumps, hart->jit->cache, block);
    }
}

void riscv__forget_block(void *opaque, const struct xbar_jit_block *block)
{
    struct xbar_riscv_hart *hart = opaque;

    if (hart->jit->found == block) {
        hart->jit->found = NULL;
    }
    xbar_jit_jumps_forget(&hart->jit_state.jumps, block);
    jit_host__forget_landings(&hart->jit_state,
                              xbar_jit_code(hart->jit->cache, block->code),
                              block->code_size);
    riscv__block_gone(hart, block);
}

/* ---- Counting ---------------------------------------------------------- */

/* Settle the counters, with @unexecuted of the last block not executed. */
static void settle(struct xbar_riscv_hart *hart, unsigned unexecuted)
{
    struct riscv_jit *jit = hart->jit;
    uint64_t before = hart->stats.instructions;

    hart->jit_state.budget += unexecuted;
    hart->stats.instructions =
        jit->base + jit->slice - (uint64_t)hart->jit_state.budget;
    jit->stats.instructions += hart->stats.instructions - before;
}

/* ---- Called by emitted code -------------------------------------------- */

/*
 * What clears or flushes cache blocks may touch watched bytes, which is to be
 * reported behind it, and nobody looks there. The interpreter does.
 */
static bool is_interpreters(struct xbar_riscv_hart *hart, uint32_t bits)
{
    const struct riscv_insn *insn =
        riscv__decode_cached(&hart->insn_cache, bits);

    return riscv__ops[insn->op].class == RISCV_CLASS_CBO;
}

static uint32_t help_execute(void *vcpu, uint32_t bits, uint64_t pc,
                             const void *return_address)
{
    struct xbar_riscv_hart *hart = vcpu;

    if (unlikely(hart->observer != NULL)) {
        riscv__settle_at(hart, return_address); /* it may trap */
    }
    hart->pc = pc;
    hart->jit->fault_cause = 0;
    if (unlikely(hart->debug.watches.count != 0) &&
        is_interpreters(hart, bits)) {
        hart->jit->is_cold = true;
        return 1;
    }
    return riscv__execute(hart, bits) == EXEC_TRAP;
}

/*
 * An instruction that is looked at, and maybe executed here. What it accesses
 * its block says by itself, but for what clears cache blocks (counts.c).
 */
#define CBO_LOG2 (TLB_SIZES - 1)

static uint32_t help_look(void *vcpu, const void *what,
                          const void *return_address)
{
    struct xbar_riscv_hart *hart = vcpu;
    unsigned context = hart->data_context;
    uint64_t accesses[2][TLB_SIZES];
    bool trapped;

    riscv__settle_at(hart, return_address);
    hart->jit->fault_cause = 0;
    if (likely(!hart->config.count_blocks)) {
        return riscv__observe_look(hart, what);
    }
    memcpy(accesses, hart->accesses.of[context], sizeof(accesses));
    trapped = riscv__observe_look(hart, what);
    memcpy(accesses[TLB_WRITE] + CBO_LOG2,
           hart->accesses.of[context][TLB_WRITE] + CBO_LOG2, sizeof(uint64_t));
    memcpy(hart->accesses.of[context], accesses, sizeof(accesses));
    return trapped;
}

/* ---- Going on without leaving ------------------------------------------ */

/* The code at hart->pc if the jump cache has it, checked as emitted code does:
 * it was made for this mode, and the page shows the same memory. */
static const uint8_t *remembered_code(struct xbar_riscv_hart *hart,
                                      uint32_t mode)
{
    uint64_t pc = hart->pc;
    const TLBEntry *entry = &hart->tlb.l1[hart->fetch_context][tlb_index(pc)];

    if ((pc ^ entry->tag[TLB_EXEC]) >= TLB_PAGE_SIZE) {
        return NULL;
    }
    return xbar_jit_jumps_find(&hart->jit_state.jumps, pc, mode, entry->addend);
}

/* The block at hart->pc; if there is none, run_once() need not ask again. */
static struct xbar_jit_block *block_at_pc(struct xbar_riscv_hart *hart)
{
    struct xbar_jit_block *block = riscv__block(hart);

    hart->jit->is_cold = block == NULL;
    return block;
}

/* Translated code was left, or may be about to be: what its flags are worth. */
static void take_fp_flags(struct xbar_riscv_hart *hart)
{
    hart->fflags |= (uint8_t)jit_host__fp_end(&hart->jit_state);
}

/* The return stack is of @mode from here on. */
static void begin_returns(struct xbar_riscv_hart *hart, uint32_t mode)
{
    if (mode != hart->jit->mode) {
        jit_host__forget_returns(&hart->jit_state);
        hart->jit->mode = mode;
    }
}

/* A block of @mode is about to run: its contexts, its FPU. */
static void begin_mode(struct xbar_riscv_hart *hart, uint32_t mode)
{
    begin_returns(hart, mode);
    hart->jit_state.fp_live = (mode & MODE_FP) != 0;
    if (mode & MODE_FP) {
        jit_host__fp_begin(&hart->jit_state, riscv__host_rounding(mode));
    }
}

static const uint8_t *leave_code(struct xbar_riscv_hart *hart)
{
    hart->jit_state.fp_live = false;
    return jit_host__leave_code(hart->jit->stubs);
}

static const uint8_t *code_at_pc(struct xbar_riscv_hart *hart)
{
    uint32_t mode = riscv__jit_mode(hart);
    const uint8_t *code = remembered_code(hart, mode);
    const struct xbar_jit_block *block;

    if (code == NULL) {
        block = block_at_pc(hart);
        if (block == NULL) {
            return leave_code(hart);
        }
        mode = block->key.mode; /* FP may just have become live */
        remember_jump(hart, block);
        code = xbar_jit_code(hart->jit->cache, block->code);
    }
    begin_mode(hart, mode);
    return code;
}

static bool has_attention(const struct xbar_riscv_hart *hart)
{
    return atomic_load_explicit(&hart->attention, memory_order_relaxed) != 0;
}

/* The last instruction of a block as it was shown. */
static const struct instrument_insn *
shown_at(const struct xbar_riscv_hart *hart, const void *return_address)
{
    const struct xbar_jit_site *site;
    const struct xbar_jit_block *block =
        xbar_jit_recover(hart->jit->cache, return_address, &site);
    const struct instrument_block *shown = block->shown;

    return &shown->insns[site->insn];
}

/*
 * The last instruction of a block, of a kind that may change mode, contexts,
 * what is fetched, or trap. It is counted like the others, at the block's
 * entry, and given back if it does not retire.
 */
static const uint8_t *help_resume(void *vcpu, uint32_t bits, uint64_t pc,
                                  const void *return_address)
{
    struct xbar_riscv_hart *hart = vcpu;
    uint64_t fences = hart->stats.fence_i;
    enum riscv_exec result;
    const struct instrument_insn *shown = NULL;

    hart->pc = pc;
    take_fp_flags(hart);
    settle(hart, 1);
    if (unlikely(hart->shown != NULL)) {
        shown = shown_at(hart, return_address);
    }
    result = riscv__execute(hart, bits);
    if (result == EXEC_TRAP) {
        if (unlikely(hart->config.count_blocks)) {
            const struct xbar_jit_site *site;
            const struct xbar_jit_block *block =
                xbar_jit_recover(hart->jit->cache, return_address, &site);

            riscv__block_left(block, site);
        }
    } else {
        hart->pc +=
            result == EXEC_NEXT ? riscv__is_compressed(bits) ? 2 : 4 : 0;
        hart->jit_state.budget--;
        settle(hart, 0);
        if (unlikely(shown != NULL)) {
            instrument__count(&shown->place);
        }
    }
    riscv__synchronize_since(hart, fences);
    if (has_attention(hart) || !may_resume(hart)) {
        return leave_code(hart);
    }
    return code_at_pc(hart);
}

/* ---- Leaving ----------------------------------------------------------- */

/* @count instructions in the interpreter, which is @interpret. */
static inline enum riscv_stop
step_by(struct xbar_riscv_hart *hart, uint64_t count,
        enum riscv_stop (*interpret)(struct xbar_riscv_hart *, uint64_t))
{
    uint64_t before = hart->stats.instructions;
    uint64_t fences = hart->stats.fence_i;
    enum riscv_stop stop = interpret(hart, count);

    hart->jit_state.budget -= (int64_t)(hart->stats.instructions - before);
    riscv__synchronize_since(hart, fences);
    return stop;
}

/* One instruction, or none if the slice is over. */
static enum riscv_stop step(struct xbar_riscv_hart *hart, uint64_t count)
{
    return step_by(hart, count, riscv__interpret);
}

void riscv__jit_note_jump(struct xbar_riscv_hart *hart)
{
    const struct riscv_insn *insn =
        riscv__decode_cached(&hart->insn_cache, hart->jumped.bits);
    bool calls = riscv__calls(insn);
    uint32_t mode;

    if (hart->jumped.bits == 0 || (!calls && !riscv__returns(insn))) {
        return;
    }
    mode = riscv__jit_mode(hart);
    begin_returns(hart, mode);
    if (calls) {
        jit_host__add_return(hart->jit->stubs, &hart->jit_state,
                             hart->jumped.next, (mode & MODE_FP) != 0);
    } else {
        jit_host__take_return(&hart->jit_state, hart->pc);
    }
}

/* What has no block. In lockstep that is one instruction: there may be a block
 * behind it, and that is to be compared. */
static enum riscv_stop step_to_jump(struct xbar_riscv_hart *hart)
{
    enum riscv_stop stop;

    if (hart->lockstep != NULL) {
        return step(hart, 1);
    }
    stop = step_by(hart, (uint64_t)hart->jit_state.budget,
                   riscv__interpret_to_jump);
    riscv__jit_note_jump(hart);
    return stop;
}

/* What the block did is over, and nothing else was done yet. */
static void compare(struct xbar_riscv_hart *hart, bool trapped)
{
    if (unlikely(hart->lockstep != NULL)) {
        riscv__lockstep_check(hart, hart->jit->running, trapped);
    }
}

static struct xbar_jit_block *leave_site(struct xbar_riscv_hart *hart,
                                         const struct xbar_jit_site **site)
{
    struct xbar_jit_block *block =
        xbar_jit_recover(hart->jit->cache, hart->jit_state.site, site);

    xbar_assert(block != NULL);
    settle(hart, riscv__unexecuted(block, *site));
    riscv__block_left(block, *site);
    return block;
}

/* A block was left in the middle: hart->pc is where to go on. */
static void leave_shown(struct xbar_riscv_hart *hart,
                        const struct xbar_jit_block *block,
                        const struct xbar_jit_site *site, bool counts)
{
    if (unlikely(hart->shown != NULL)) {
        riscv__observe_left(hart, block->shown, site->insn, counts);
    }
}

/* The same outside of emitted code: run_once() goes on with it. */
static struct xbar_jit_block *find_next(struct xbar_riscv_hart *hart)
{
    hart->jit->found = block_at_pc(hart);
    return hart->jit->found;
}

/* A stub named it, so it is there. */
static struct xbar_jit_block *named_block(const struct xbar_riscv_hart *hart,
                                          uint32_t id)
{
    struct xbar_jit_block *block = xbar_jit_by_id(hart->jit->cache, id);

    xbar_assert(block != NULL);
    return block;
}

/* An unlinked exit: find where it leads, and chain it if that is lawful. */
static void follow_link(struct xbar_riscv_hart *hart, uint32_t data)
{
    struct xbar_jit_cache *cache = hart->jit->cache;
    struct xbar_jit_block *from = named_block(hart, data / XBAR_JIT_LINKS);
    struct xbar_jit_link *link = &from->links[data % XBAR_JIT_LINKS];
    uint64_t dropped = xbar_jit_dropped(cache);
    struct xbar_jit_block *to;

    settle(hart, 0);
    hart->pc = link->target_pc;
    compare(hart, false);
    to = find_next(hart);
    if (to == NULL || !may_chain(hart) || dropped != xbar_jit_dropped(cache) ||
        to->key.mode != from->key.mode || link->to != NULL) {
        return;
    }
    /* Within a page nothing is checked: both must be of the same memory. */
    if (link->addend_at != 0 || xbar_jit_addend(to) == xbar_jit_addend(from)) {
        xbar_jit_chain(cache, from, data % XBAR_JIT_LINKS, to);
    }
}

/*
 * Either the second page of @block was not in its slot: whoever looks for the
 * block puts it there. Or the slice was cut (jit_life.c), or is too short for it.
 * The next one may be longer, so that what is left of this one is worth
 * interpreting only if it is all there is.
 */
static enum riscv_stop stop_before(struct xbar_riscv_hart *hart,
                                   struct xbar_jit_block *block)
{
    struct riscv_jit *jit = hart->jit;
    uint64_t left;

    settle(hart, riscv__counted(block));
    hart->pc = block->key.pc;
    if (hart->jit_state.budget < 0) {
        return RISCV_STOP_BUDGET; /* a region had given its reserve back */
    }
    left = (uint64_t)hart->jit_state.budget;
    if (left >= block->insns && !block->is_region) {
        return RISCV_STOP_BUDGET;
    }
    if (left < jit->slice) {
        jit->slice -= left;
        hart->jit_state.budget = 0;
        riscv__region_heat(hart, block);
        return RISCV_STOP_BUDGET;
    }
    return step_to_jump(hart);
}

/* hart->pc is where to go on. False: a trap or the attention loop is next. */
static enum riscv_stop leave(struct xbar_riscv_hart *hart, struct jit_exit exit)
{
    const struct xbar_jit_site *site;
    struct xbar_jit_block *block;

    switch ((enum jit_exit_kind)exit.kind) {
    case JIT_EXIT_LINK:
        follow_link(hart, exit.data);
        return RISCV_STOP_BUDGET;
    case JIT_EXIT_INDIRECT:
        settle(hart, 0);
        hart->pc = hart->jit_state.pc;
        hart->jit->stats.jump_misses++;
        compare(hart, false);
        block = find_next(hart);
        if (block != NULL) {
            remember_jump(hart, block);
        }
        return RISCV_STOP_BUDGET;
    case JIT_EXIT_BUDGET:
        return stop_before(hart, named_block(hart, exit.data));
    case JIT_EXIT_FAULT:
        block = leave_site(hart, &site);
        if (hart->jit->fault_cause != 0) {
            hart->pc = block->key.pc + site->pc_offset;
            riscv__memory_fault(hart, hart->jit->fault_cause);
        }
        compare(hart, true);
        return RISCV_STOP_BUDGET;
    case JIT_EXIT_STEP:
        block = leave_site(hart, &site);
        hart->pc = block->key.pc + site->pc_offset;
        leave_shown(hart, block, site, false);
        compare(hart, false);
        /* The block's own instructions may have been the last allowed. */
        return step(hart, hart->jit_state.budget > 0);
    case JIT_EXIT_ATTENTION:
        block = leave_site(hart, &site);
        hart->pc = block->key.pc + site->pc_offset;
        leave_shown(hart, block, site, true);
        compare(hart, false);
        return RISCV_STOP_ATTENTION;
    case JIT_EXIT_RESUME:
        return RISCV_STOP_BUDGET;
    }
    return RISCV_STOP_ATTENTION;
}

static struct jit_exit enter(struct xbar_riscv_hart *hart,
                             const struct xbar_jit_block *block)
{
    struct riscv_jit *jit = hart->jit;
    struct jit_exit exit = jit_host__enter(
        jit->stubs, hart, xbar_jit_code(jit->cache, block->code),
        (block->key.mode & MODE_FP) != 0);

    take_fp_flags(hart);
    return exit;
}

/* The block at hart->pc. */
static struct xbar_jit_block *next_block(struct xbar_riscv_hart *hart)
{
    struct xbar_jit_block *block = hart->jit->found;

    hart->jit->found = NULL;
    if (block == NULL) {
        block = riscv__block(hart);
    }
    if (unlikely(hart->config.stress & XBAR_RISCV_STRESS_REGION) &&
        block != NULL) {
        riscv__region_heat(hart, block);
        block = riscv__block(hart);
    }
    return block;
}

static enum riscv_stop run_once(struct xbar_riscv_hart *hart)
{
    struct xbar_jit_block *block = NULL;
    struct jit_exit exit;

    if (unlikely(hart->config.stress & XBAR_RISCV_STRESS_EVICT)) {
        xbar_jit_check_all(hart->jit->cache, NULL, NULL);
    }
    if (!hart->jit->is_cold) {
        block = next_block(hart);
    }
    hart->jit->is_cold = false;
    if (block == NULL) {
        return step_to_jump(hart);
    }
    begin_mode(hart, block->key.mode);
    hart->jit->running = block;
    if (unlikely(hart->lockstep != NULL)) {
        riscv__lockstep_begin(hart);
    }
    exit = enter(hart, block);
    hart->jit->stats.exits++;
    return leave(hart, exit);
}

/* Lockstep keeps a log of what is done between two comparisons. */
static uint64_t slice_max(const struct xbar_riscv_hart *hart)
{
    return hart->lockstep == NULL ? SLICE_MAX : RISCV_LOCKSTEP_INSNS;
}

enum riscv_stop riscv__jit_run(struct xbar_riscv_hart *hart, uint64_t budget)
{
    struct riscv_jit *jit = hart->jit;

    jit->slice = budget < slice_max(hart) ? budget : slice_max(hart);
    jit->base = hart->stats.instructions;
    jit->found = NULL;
    hart->jit_state.budget = (int64_t)jit->slice;
    while (hart->jit_state.budget > 0) {
        enum riscv_stop stop;

        if (has_attention(hart)) {
            return RISCV_STOP_ATTENTION;
        }
        stop = run_once(hart);
        if (stop != RISCV_STOP_BUDGET) {
            return stop;
        }
    }
    return RISCV_STOP_BUDGET;
}

void riscv__jit_choose_helpers(struct xbar_riscv_hart *hart)
{
    struct jit_helpers *helpers = &hart->jit_state.helpers;

    helpers->execute = help_execute;
    helpers->resume = help_resume;
    helpers->look = help_look;
    riscv__choose_access_helpers(hart);
    riscv__heat_choose(hart);
}
