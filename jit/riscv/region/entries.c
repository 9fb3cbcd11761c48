/* SPDX-License-Identifier: MIT */
/*
 * How parts begin: which registers have homes there, and what is known of them.
 *
 * The first way that leads to a part says it. Others bring the registers there,
 * so what few of them need has no home where several meet, and what a loop names
 * has one from its beginning on, if there are enough.
 */
#include "jit/riscv/region/region.h"

/* ---- Registers of loops ------------------------------------------------ */

static uint32_t names_of(const struct riscv_region *region, unsigned first,
                         unsigned last)
{
    uint32_t named = 0;

    for (unsigned i = first; i <= last; i++) {
        const struct region_part *part = &region->parts[i];

        for (unsigned k = 0; k < part->count; k++) {
            const struct riscv_insn *insn = &region->insns[part->first + k];

            named |= UINT32_C(1) << insn->rd | UINT32_C(1) << insn->rs1 |
                     UINT32_C(1) << insn->rs2;
        }
    }
    return named & ~UINT32_C(1);
}

/* Parts that are in no loop: all that the region names. */
static void find_names(struct region_entries *entries)
{
    const struct riscv_region *region = entries->region;
    uint32_t all = names_of(region, 0, region->part_count - 1u);

    for (unsigned i = 0; i < region->part_count; i++) {
        unsigned head = region->parts[i].head;

        if (region->parts[i].depth == 0) {
            entries->named[i] = all;
        } else if (head != i) {
            entries->named[i] = entries->named[head];
        } else {
            entries->named[i] =
                names_of(region, i, riscv__last_of_loop(region, i));
        }
    }
}

/* Are there more registers in the loop around the part than homes? */
static bool is_crowded(const struct region_entries *entries, unsigned part)
{
    return (unsigned)__builtin_popcount(entries->named[part]) >
           jit_host__home_count();
}

/* ---- Where ways meet --------------------------------------------------- */

/* What no way from part @part reads before it writes it has no home. */
static void drop_unread(struct region_entries *entries, unsigned part)
{
    struct jit_homes *state = &entries->states[part];

    for (unsigned home = 0; home < jit_host__home_count(); home++) {
        unsigned reg = state->reg[home];

        if (reg != 0 && entries->flow->distance[part][reg] == REGION_FAR) {
            state->reg[home] = 0;
            state->home[reg] = JIT_NO_HOME;
            state->dirty &= ~(UINT32_C(1) << reg);
        }
    }
}

/* What is lazy on the first way may stay it if it is the same on all others. */
static void settle_lazy(struct region_entries *entries, unsigned part)
{
    struct jit_homes *state = &entries->states[part];
    uint32_t lazy = state->lazy;

    for (uint32_t left = lazy; left != 0; left &= left - 1) {
        unsigned reg = (unsigned)__builtin_ctz(left);
        const struct region_fact *fact = &entries->flow->facts[part][reg];

        if ((fact->kind != REGION_LEFT && fact->kind != REGION_RIGHT) ||
            (lazy >> fact->from & 1)) {
            state->lazy &= ~(UINT32_C(1) << reg);
            continue;
        }
        state->value[reg] = (struct jit_lazy){
            .from = fact->from,
            .by = fact->by,
            .right = fact->kind == REGION_RIGHT,
        };
    }
}

/* A home for what the loop names: a free one, or the one whose register, which
 * the loop does not name, is needed last. */
static unsigned spare_home(const struct region_entries *entries, unsigned part)
{
    const struct jit_homes *state = &entries->states[part];
    const uint16_t *distance = entries->flow->distance[part];
    unsigned found = JIT_NO_HOME;

    for (unsigned home = 0; home < jit_host__home_count(); home++) {
        unsigned reg = state->reg[home];

        if (reg == 0) {
            return home;
        }
        if (!(entries->named[part] >> reg & 1) &&
            (found == JIT_NO_HOME ||
             distance[reg] > distance[state->reg[found]])) {
            found = home;
        }
    }
    return found;
}

/* All that a loop names has homes from its beginning on, so that nothing is
 * loaded, or stored, each time round. */
static void settle_loop(struct region_entries *entries, unsigned part)
{
    struct jit_homes *state = &entries->states[part];
    uint32_t left = entries->named[part] & ~state->lazy;

    for (; left != 0; left &= left - 1) {
        unsigned reg = (unsigned)__builtin_ctz(left), home;

        if (state->home[reg] != JIT_NO_HOME) {
            continue;
        }
        home = spare_home(entries, part);
        state->home[state->reg[home]] = JIT_NO_HOME;
        state->dirty &= ~(UINT32_C(1) << state->reg[home]);
        state->reg[home] = (uint8_t)reg;
        state->home[reg] = (uint8_t)home;
    }
}

void riscv__settle(struct region_entries *entries, unsigned part,
                   const struct jit_homes *now)
{
    struct jit_homes *state = &entries->states[part];

    if (entries->settled[part]) {
        return;
    }
    entries->settled[part] = true;
    *state = *now;
    if (!entries->region->parts[part].joins) {
        return;
    }
    if (is_crowded(entries, part)) {
        drop_unread(entries, part);
    }
    settle_lazy(entries, part);
    if (entries->region->parts[part].checks && !is_crowded(entries, part)) {
        settle_loop(entries, part);
    }
    state->narrow = entries->flow->upper[part].narrow & ~state->lazy;
    for (unsigned home = 0; home < jit_host__home_count(); home++) {
        state->dirty |=
            entries->written & UINT32_C(1) << state->reg[home] & ~UINT32_C(1);
    }
}

/* ---- All of a region --------------------------------------------------- */

const struct jit_homes *riscv__entry(struct region_entries *entries,
                                     unsigned part)
{
    if (!entries->settled[part]) {
        entries->settled[part] = true;
        entries->states[part] = entries->common;
    }
    return &entries->states[part];
}

const struct jit_homes *
riscv__homes_of_loop(const struct region_entries *entries, unsigned part)
{
    unsigned head = entries->region->parts[part].head;

    return entries->settled[head] ? &entries->states[head] : &entries->common;
}

void riscv__plan_entries(struct region_entries *entries,
                         const struct riscv_region *region,
                         const struct region_flow *flow,
                         struct jit_homes *states,
                         const struct jit_stubs *stubs)
{
    entries->region = region;
    entries->flow = flow;
    entries->states = states;
    memset(entries->settled, 0, sizeof(entries->settled));
    entries->written = 0;
    for (unsigned i = 0; i < region->insn_count; i++) {
        entries->written |= UINT32_C(1) << region->insns[i].rd;
    }
    find_names(entries);
    riscv__choose_homes(&entries->common, region, stubs);
    if (!region->parts[0].joins) { /* one comes by there but once: as usual */
        entries->settled[0] = true;
        jit_host__usual_homes(&states[0], &riscv__jit_guest);
    } else {
        (void)riscv__entry(entries, 0);
    }
}
