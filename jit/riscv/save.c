/* SPDX-License-Identifier: MIT */
/*
 * A hart's state as a value. What the guest's is lies in two spans of the
 * structure, but for what other threads write; what is the host's stays where
 * it is, and is put right where it depends on the rest:
 *
 *     contexts         part of the first span
 *     TLB              what no longer holds goes: riscv__mmu_restored()
 *     translated code  is found by address, mode and memory; memory that was
 *                      put back is told by who does that, and the next run
 *                      compares: riscv__code_follow()
 *     time             deterministic: made of what is saved; the host's: goes
 *                      on from what it was
 *
 * Saving has the next run compare code as well, with all of memory: what runs
 * on from here, and what runs from here again, start from code that is true.
 */
#include <errno.h>
#include <string.h>

#include "engine/alloc.h"
#include "jit/host.h"
#include "jit/riscv/hart_internal.h"
#include "jit/riscv/jit.h"

struct span {
    size_t first;
    size_t size;
};

#define SPAN(from, to)                                  \
    {                                                   \
        offsetof(struct xbar_riscv_hart, from),         \
            offsetof(struct xbar_riscv_hart, to) -      \
                offsetof(struct xbar_riscv_hart, from), \
    }

static const struct span spans[] = {
    SPAN(x, attention),
    SPAN(reservation, superpages),
};

#define SPANS (sizeof(spans) / sizeof(spans[0]))
#define SPANS_SIZE                                  \
    (offsetof(struct xbar_riscv_hart, attention) -  \
     offsetof(struct xbar_riscv_hart, x) +          \
     offsetof(struct xbar_riscv_hart, superpages) - \
     offsetof(struct xbar_riscv_hart, reservation))

struct xbar_riscv_state {
    struct xbar_engine *engine;
    uint64_t hartid;
    uint64_t timebase_hz;
    uint32_t insns_per_tick;
    bool waiting;
    bool at_break;
    uint64_t break_pc;
    bool has_hit;
    struct xbar_riscv_hit hit;
    uint64_t irq_lines;
    uint64_t timecmp;
    uint64_t time_offset; /* deterministic */
    uint64_t time;        /* the host's */
    uint64_t instructions;
    uint8_t bytes[SPANS_SIZE];
};

static bool is_running(const struct xbar_riscv_hart *hart)
{
    return atomic_load(&hart->runner) != 0;
}

static void copy_out(const struct xbar_riscv_hart *hart, uint8_t *to)
{
    for (unsigned i = 0; i < SPANS; i++) {
        memcpy(to, (const uint8_t *)hart + spans[i].first, spans[i].size);
        to += spans[i].size;
    }
}

static void copy_in(struct xbar_riscv_hart *hart, const uint8_t *from)
{
    for (unsigned i = 0; i < SPANS; i++) {
        memcpy((uint8_t *)hart + spans[i].first, from, spans[i].size);
        from += spans[i].size;
    }
}

static void save(struct xbar_riscv_hart *hart, struct xbar_riscv_state *state)
{
    const struct riscv_debug *debug = &hart->debug;

    state->hartid = hart->config.hartid;
    state->timebase_hz = hart->config.timebase_hz;
    state->insns_per_tick = hart->config.insns_per_tick;
    state->waiting = hart->waiting;
    state->at_break = debug->at_break;
    state->break_pc = debug->break_pc;
    state->has_hit = debug->has_hit;
    state->hit = debug->hit;
    state->irq_lines = atomic_load(&hart->irq_lines);
    state->timecmp = atomic_load(&hart->timecmp);
    state->time_offset = atomic_load(&hart->time_offset);
    state->time = xbar_riscv_time(hart);
    state->instructions = hart->stats.instructions;
    copy_out(hart, state->bytes);
}

int xbar_riscv_save(struct xbar_riscv_hart *hart, struct xbar_riscv_state **to)
{
    struct xbar_engine *engine = xbar_address_space_engine(hart->config.as);

    *to = NULL;
    if (is_running(hart)) {
        return -EBUSY;
    }
    *to = xbar_alloc(engine, sizeof(**to));
    if (*to == NULL) {
        return -ENOMEM;
    }
    (*to)->engine = engine;
    save(hart, *to);
    hart->debug.is_stale = true;
    return 0;
}

void xbar_riscv_state_free(struct xbar_riscv_state *state)
{
    if (state != NULL) {
        xbar_free(state->engine, state, sizeof(*state));
    }
}

static void restore_time(struct xbar_riscv_hart *hart,
                         const struct xbar_riscv_state *state)
{
    hart->stats.instructions = state->instructions;
    atomic_store(&hart->retired_seen, state->instructions);
    atomic_store(&hart->timecmp, state->timecmp);
    if (hart->config.insns_per_tick != 0) {
        atomic_store(&hart->time_offset, state->time_offset);
    } else {
        xbar_riscv_set_time(hart, state->time);
    }
}

static void restore_stops(struct xbar_riscv_hart *hart,
                          const struct xbar_riscv_state *state)
{
    struct riscv_debug *debug = &hart->debug;

    hart->waiting = state->waiting;
    debug->at_break = state->at_break;
    debug->break_pc = state->break_pc;
    debug->has_hit = state->has_hit;
    debug->hit = state->hit;
}

static bool has_same_rules(const struct riscv_pmp *a, const struct riscv_pmp *b)
{
    return memcmp(a->cfg, b->cfg, sizeof(a->cfg)) == 0 &&
           memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

/* What was found for the pc that was. */
static void forget_code(struct xbar_riscv_hart *hart)
{
    if (hart->jit != NULL) {
        hart->jit->is_cold = false;
        hart->jit->found = NULL;
        jit_host__forget_returns(&hart->jit_state);
    }
    hart->debug.is_back = true;
}

int xbar_riscv_restore(struct xbar_riscv_hart *hart,
                       const struct xbar_riscv_state *state)
{
    struct riscv_pmp pmp = hart->pmp;
    uint64_t satp = hart->satp;

    if (is_running(hart)) {
        return -EBUSY;
    }
    if (state->hartid != hart->config.hartid ||
        state->timebase_hz != hart->config.timebase_hz ||
        state->insns_per_tick != hart->config.insns_per_tick) {
        return -EINVAL;
    }
    copy_in(hart, state->bytes);
    atomic_store(&hart->irq_lines, state->irq_lines);
    restore_time(hart, state);
    restore_stops(hart, state);
    riscv__mmu_restored(hart, satp, !has_same_rules(&pmp, &hart->pmp));
    forget_code(hart);
    return 0;
}
