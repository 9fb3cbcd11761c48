/* SPDX-License-Identifier: MIT */
/*
 * Homes in a region: of thirty registers, the ones that are needed next.
 *
 * Where paths meet (the head of a loop, behind an if), every path must have
 * left the same registers in the same homes: as the first of them had it
 * (translate.c), or, if none comes from before, what is used most, inner
 * loops counting more. What a loop names has homes where it begins, if there
 * are enough. In between a register comes to a home when it is read and will be
 * read again, or is written; the one that is needed last makes room. What is
 * written and not seen before it is written again ends with its last reader: it
 * is never stored, and its home is free.
 *
 * Upper halves. W-forms leave theirs to whoever asks (narrow, in
 * jit/host_region.h): most often nobody does.
 *
 *     reads the whole of it               it is made whole, in its home
 *     reads the lower half alone          nothing
 *     and, or, xor of two such            the result is narrow as well
 *     the way on needs it                 it is made whole (flow.c)
 *     the loop is left                    out of line
 *
 * A value is *known* to be the sign extension of its lower half for as long as
 * the registers say so, on every way here: such may be compared by the lower
 * halves.
 */
#include "jit/riscv/region/region.h"

static uint32_t bit(unsigned reg)
{
    return UINT32_C(1) << reg;
}

/* ---- Instructions ------------------------------------------------------ */

bool riscv__shows(const struct riscv_insn *insn)
{
    return !riscv__only_computes(insn) && insn->op != RISCV_OP_JAL;
}

/* ---- The joined state -------------------------------------------------- */

static void add_score(uint64_t *scores, const struct riscv_insn *insn,
                      uint64_t weight)
{
    scores[insn->rd] += weight;
    scores[insn->rs1] += weight;
    scores[insn->rs2] += weight;
}

static void score_all(const struct riscv_region *region, uint64_t *scores,
                      uint32_t *written)
{
    *written = 0;
    for (unsigned i = 0; i < region->part_count; i++) {
        const struct region_part *part = &region->parts[i];
        unsigned depth = part->depth < 8 ? part->depth : 8;

        for (unsigned k = 0; k < part->count; k++) {
            const struct riscv_insn *insn = &region->insns[part->first + k];

            add_score(scores, insn, UINT64_C(1) << (3 * depth));
            *written |= bit(insn->rd);
        }
    }
    scores[0] = 0; /* wired zero has no home */
}

static void join(struct jit_homes *joined, unsigned reg, unsigned home)
{
    joined->home[reg] = (uint8_t)home;
    joined->reg[home] = (uint8_t)reg;
}

void riscv__choose_homes(struct jit_homes *joined,
                         const struct riscv_region *region,
                         const struct jit_stubs *stubs)
{
    uint64_t scores[32] = { 0 };
    uint32_t chosen = 0, written;

    memset(joined, 0, sizeof(*joined));
    memset(joined->home, JIT_NO_HOME, sizeof(joined->home));
    score_all(region, scores, &written);
    for (unsigned n = 0; n < jit_host__home_count(); n++) {
        unsigned best = 0;

        for (unsigned reg = 1; reg < 32; reg++) {
            if (!(chosen & bit(reg)) && scores[reg] > scores[best]) {
                best = reg;
            }
        }
        chosen |= bit(best);
    }
    chosen &= ~UINT32_C(1);
    for (unsigned reg = 1; reg < 32; reg++) {
        unsigned home = jit_host__usual_home(stubs, reg);

        if ((chosen & bit(reg)) && home != JIT_NO_HOME) {
            join(joined, reg, home);
        }
    }
    for (unsigned reg = 1, home = 0; reg < 32; reg++) {
        if (!(chosen & bit(reg)) || joined->home[reg] != JIT_NO_HOME) {
            continue;
        }
        while (joined->reg[home] != 0) {
            home++;
        }
        join(joined, reg, home);
    }
    joined->dirty = chosen & written;
}

/* ---- What comes when --------------------------------------------------- */

/* Rotations and pairs as one instruction each (see ahead.c). */
static void rewrite(struct riscv_insn *insn, const struct riscv_note *note)
{
    *insn = riscv__instead(insn, note);
    if (insn->op == RISCV_OP_ADD && insn->rs1 == 0) { /* c.mv */
        insn->op = RISCV_OP_ADDI;
        insn->rs1 = insn->rs2;
        insn->rs2 = 0;
        insn->imm = 0;
    }
}

/* The last of the two that is written before @at: nothing waits for the
 * other. */
static bool is_later(const struct riscv_insn *insns, unsigned at, unsigned reg,
                     unsigned other)
{
    while (at-- > 0) {
        if (insns[at].rd == reg || insns[at].rd == other) {
            return insns[at].rd == reg;
        }
    }
    return false;
}

/* Is that at @i an address that the load behind it overwrites? Then it is part
 * of the load, which is @i + 1. */
static void find_indexed(struct region_homes *homes, unsigned i)
{
    struct riscv_insn *add = &homes->insns[i], *load = add + 1;
    unsigned scale = 0;

    switch (add->op) {
    case RISCV_OP_ADD:
        break;
    case RISCV_OP_SH1ADD:
    case RISCV_OP_SH2ADD:
    case RISCV_OP_SH3ADD:
        scale = add->op == RISCV_OP_SH1ADD   ? 1
                : add->op == RISCV_OP_SH2ADD ? 2
                                             : 3;
        break;
    default:
        return;
    }
    if (riscv__ops[load->op].class != RISCV_CLASS_LOAD || add->rd == 0 ||
        load->rs1 != add->rd || load->rd != add->rd || add->rs1 == 0 ||
        add->rs2 == 0) {
        return;
    }
    load->rs1 = add->rs2;
    load->rs2 = add->rs1;
    if (scale == 0 && is_later(homes->insns, i, add->rs2, add->rs1)) {
        load->rs1 = add->rs1;
        load->rs2 = add->rs2;
    }
    homes->scale[i + 1] = (uint8_t)scale;
    *add = (struct riscv_insn){ .op = RISCV_OP_ADDI };
}

/* Rotations become one instruction in the way of lazy.c, or else in that
 * of ahead.c. */
static void decide_forms(struct region_homes *homes, const uint16_t *distance)
{
    const struct region_part *part = homes->part;
    const struct riscv_insn *old = &homes->region->insns[part->first];
    const struct riscv_note *notes = &homes->flow->notes[part->first];

    memset(homes->is_lazy, 0, sizeof(homes->is_lazy));
    riscv__find_rotations(&(struct region_rotations){
        .insns = homes->insns,
        .count = part->count,
        .distance = distance,
        .is_lazy = homes->is_lazy,
    });
    for (unsigned i = 0; i < part->count; i++) {
        homes->next[i].narrow = notes[i].narrow;
        if (!homes->is_lazy[i] && homes->insns[i].op == old[i].op) {
            rewrite(&homes->insns[i], &notes[i]);
        }
    }
    for (unsigned i = 0; i + 1 < part->count; i++) {
        if (!homes->is_lazy[i]) {
            find_indexed(homes, i);
        }
    }
}

static void look_back(struct region_homes *homes, unsigned i)
{
    const struct riscv_insn *insn = &homes->insns[i];
    struct region_next *next = &homes->next[i];

    next->rd = homes->event[insn->rd];
    next->rs1 = homes->event[insn->rs1];
    next->rs2 = homes->event[insn->rs2];
    next->rd_written = homes->written & bit(insn->rd);
    next->rs1_written = homes->written & bit(insn->rs1);
    next->rs2_written = homes->written & bit(insn->rs2);
    homes->event[insn->rd] = (uint16_t)i;
    homes->written |= bit(insn->rd);
    homes->event[insn->rs1] = (uint16_t)i;
    homes->event[insn->rs2] = (uint16_t)i;
    homes->written &= ~(bit(insn->rs1) | bit(insn->rs2));
    homes->visible[i] =
        riscv__shows(insn) ? (uint16_t)i : homes->visible[i + 1];
}

/* Who reads each register first behind the part. */
static void look_behind(struct region_homes *homes, const uint16_t *distance)
{
    for (unsigned reg = 0; reg < 32; reg++) {
        unsigned event = homes->part->count + distance[reg];

        homes->event[reg] =
            (uint16_t)(event < REGION_FAR ? event : REGION_NEVER);
    }
}

void riscv__begin_part(struct region_homes *homes, unsigned index)
{
    const struct region_part *part = &homes->region->parts[index];
    uint16_t distance[32];

    homes->part = part;
    homes->known = homes->flow->upper[index].known;
    homes->written = 0;
    homes->gone = 0;
    memcpy(homes->facts, homes->flow->facts[index], sizeof(homes->facts));
    memcpy(homes->insns, &homes->region->insns[part->first],
           part->count * sizeof(homes->insns[0]));
    riscv__distances_behind(homes->region, homes->flow, part, distance);
    decide_forms(homes, distance);
    look_behind(homes, distance);
    homes->visible[part->count] = part->count;
    for (unsigned i = part->count; i-- > 0;) {
        look_back(homes, i);
    }
}

void riscv__note_moment(const struct region_homes *homes,
                        struct region_moment *moment)
{
    memcpy(moment->event, homes->event, sizeof(moment->event));
    memcpy(moment->facts, homes->facts, sizeof(moment->facts));
    moment->written = homes->written;
    moment->known = homes->known;
    moment->gone = homes->gone;
}

void riscv__use_moment(struct region_homes *homes,
                       const struct region_moment *moment)
{
    memcpy(homes->event, moment->event, sizeof(homes->event));
    memcpy(homes->facts, moment->facts, sizeof(homes->facts));
    homes->written = moment->written;
    homes->known = moment->known;
    homes->gone = moment->gone;
}

/* ---- Giving out -------------------------------------------------------- */

static struct jit_homes *state(const struct region_homes *homes)
{
    return &homes->e->region->homes;
}

static bool has_home(const struct region_homes *homes, unsigned reg)
{
    return state(homes)->home[reg] != JIT_NO_HOME;
}

/* Is @reg what a lazy value is computed from? */
static bool is_source(const struct region_homes *homes, unsigned reg)
{
    const struct jit_homes *h = state(homes);

    for (uint32_t left = h->lazy; left != 0; left &= left - 1) {
        if (h->value[__builtin_ctz(left)].from == reg) {
            return true;
        }
    }
    return false;
}

/* Is the value of @reg written over before it is read, or seen by anybody,
 * from instruction @i on? */
static bool is_dead(const struct region_homes *homes, unsigned reg, unsigned i)
{
    return (homes->written & bit(reg)) &&
           homes->event[reg] < homes->visible[i] && !is_source(homes, reg);
}

/* When @reg's value is needed; never, if it is dead. */
static unsigned needed(const struct region_homes *homes, unsigned reg,
                       unsigned i)
{
    if (homes->written & bit(reg)) {
        return REGION_NEVER;
    }
    return is_dead(homes, reg, i) ? REGION_NEVER : homes->event[reg];
}

static unsigned free_home(const struct region_homes *homes, unsigned reg)
{
    unsigned own = homes->hint->home[reg];
    unsigned found = JIT_NO_HOME;

    if (own != JIT_NO_HOME && state(homes)->reg[own] == 0) {
        return own;
    }
    for (unsigned home = 0; home < jit_host__home_count(); home++) {
        if (state(homes)->reg[home] != 0) {
            continue;
        }
        if (homes->hint->reg[home] == 0) {
            return home; /* nobody wants it back */
        }
        found = home;
    }
    return found;
}

/* The home whose register is needed last, if that is later than @than. */
static unsigned last_home(const struct region_homes *homes, unsigned i,
                          unsigned than)
{
    unsigned found = JIT_NO_HOME;

    for (unsigned home = 0; home < jit_host__home_count(); home++) {
        unsigned reg = state(homes)->reg[home];
        unsigned when = needed(homes, reg, i);

        if (!(homes->pinned & bit(home)) && when > than) {
            than = when;
            found = home;
        }
    }
    return found;
}

/* A home for @reg, which is needed at @when, before instruction @i; or none. */
static unsigned make_room(struct region_homes *homes, unsigned reg, unsigned i,
                          unsigned when)
{
    unsigned home = free_home(homes, reg);

    if (home == JIT_NO_HOME) {
        home = last_home(homes, i, when);
        if (home != JIT_NO_HOME) {
            unsigned old = state(homes)->reg[home];
            bool is_lost = is_dead(homes, old, i);

            homes->gone |= is_lost ? bit(old) : 0;
            jit_host__take_home(homes->e, old, !is_lost);
        }
    }
    return home;
}

static void pin(struct region_homes *homes, unsigned reg)
{
    if (has_home(homes, reg)) {
        homes->pinned |= bit(state(homes)->home[reg]);
    }
}

static void place_source(struct region_homes *homes, unsigned reg, unsigned i,
                         unsigned next, bool next_is_write)
{
    unsigned home;

    if (reg == 0 || has_home(homes, reg) || next == REGION_NEVER ||
        next_is_write) {
        return; /* its field will do */
    }
    home = make_room(homes, reg, i, next);
    if (home != JIT_NO_HOME) {
        jit_host__give_home(homes->e, reg, home, true);
        pin(homes, reg);
    }
}

static void widen_sources(struct region_homes *homes, unsigned i)
{
    const struct riscv_insn *insn = &homes->insns[i];
    uint32_t whole =
        riscv__reads_whole(insn, homes->known, homes->next[i].narrow);

    if (whole & bit(insn->rs1)) {
        jit_host__widen(homes->e, insn->rs1);
    }
    if (whole & bit(insn->rs2)) {
        jit_host__widen(homes->e, insn->rs2);
    }
}

void riscv__place_sources(struct region_homes *homes, unsigned i)
{
    const struct riscv_insn *insn = &homes->insns[i];
    const struct region_next *next = &homes->next[i];

    jit_host__compute(homes->e, insn->rs1);
    jit_host__compute(homes->e, insn->rs2);
    homes->pinned = 0;
    pin(homes, insn->rs1);
    pin(homes, insn->rs2);
    place_source(homes, insn->rs1, i, next->rs1, next->rs1_written);
    place_source(homes, insn->rs2, i, next->rs2, next->rs2_written);
    widen_sources(homes, i);
}

/* From here on, what is asked of the instruction's registers is asked of what
 * is behind it. */
static void step_over(struct region_homes *homes, unsigned i)
{
    const struct riscv_insn *insn = &homes->insns[i];
    const struct region_next *next = &homes->next[i];
    const struct {
        uint8_t reg;
        bool written;
        uint16_t next;
    } steps[] = { { insn->rs1, next->rs1_written, next->rs1 },
                  { insn->rs2, next->rs2_written, next->rs2 },
                  { insn->rd, next->rd_written, next->rd } };

    for (unsigned k = 0; k < 3; k++) {
        homes->event[steps[k].reg] = steps[k].next;
        homes->written &= ~bit(steps[k].reg);
        homes->written |= steps[k].written ? bit(steps[k].reg) : 0;
    }
}

/* The lower half of instruction @i's rd changes: lazy values are computed from
 * others that are the same, or at last. */
static void before_write(struct region_homes *homes, unsigned i)
{
    const struct riscv_insn *insn = &homes->insns[i];
    struct jit_homes *h = state(homes);
    unsigned other;

    if (riscv__keeps_lower(insn) || !is_source(homes, insn->rd)) {
        return;
    }
    other = riscv__same_lower(homes->facts, insn->rd, homes->gone | h->lazy);
    for (uint32_t left = h->lazy & ~bit(insn->rd); left != 0;
         left &= left - 1) {
        unsigned reg = (unsigned)__builtin_ctz(left);

        if (h->value[reg].from != insn->rd) {
            continue;
        }
        if (other != 0) {
            h->value[reg].from = (uint8_t)other;
        } else {
            jit_host__compute(homes->e, reg);
        }
    }
}

void riscv__place_result(struct region_homes *homes, unsigned i, bool may_share)
{
    const struct riscv_insn *insn = &homes->insns[i];
    bool is_read = insn->rd == insn->rs1 || insn->rd == insn->rs2;
    unsigned home;

    before_write(homes, i);
    step_over(homes, i);
    homes->shares = false;
    if (insn->rd == 0 || has_home(homes, insn->rd)) {
        return;
    }
    if (may_share && !is_read && insn->rs1 != insn->rs2 &&
        has_home(homes, insn->rs1) && is_dead(homes, insn->rs1, i + 1)) {
        jit_host__share_home(homes->e, insn->rs1, insn->rd);
        homes->gone |= bit(insn->rs1);
        homes->shares = true;
        return;
    }
    home = make_room(homes, insn->rd, i, needed(homes, insn->rd, i + 1));
    if (home != JIT_NO_HOME) {
        jit_host__give_home(homes->e, insn->rd, home, is_read);
    }
}

static void step_facts(struct region_homes *homes, unsigned i)
{
    const struct riscv_insn *insn = &homes->insns[i];

    riscv__step_facts(homes->facts, insn, homes->gone | state(homes)->lazy);
    homes->gone &= ~bit(insn->rd);
}

void riscv__put_off(struct region_homes *homes, unsigned i)
{
    const struct riscv_insn *insn = &homes->insns[i];

    jit_host__compute(homes->e, insn->rs1);
    before_write(homes, i);
    step_over(homes, i);
    jit_host__be_lazy(homes->e, insn->rd,
                      (struct jit_lazy){
                          .from = insn->rs1,
                          .by = (uint8_t)insn->imm,
                          .right = insn->op == RISCV_OP_SRLIW,
                      });
    homes->known |= bit(insn->rd);
    step_facts(homes, i);
}

void riscv__note_result(struct region_homes *homes, unsigned i)
{
    const struct riscv_insn *insn = &homes->insns[i];
    struct jit_homes *h = state(homes);
    uint32_t result = bit(insn->rd) & ~bit(0);
    struct region_upper upper = { homes->known, h->narrow };

    riscv__step_upper(&upper, insn, homes->next[i].narrow);
    homes->known = upper.known;
    h->narrow = upper.narrow;
    h->lazy &= ~result;
    step_facts(homes, i);
    if (has_home(homes, insn->rd)) {
        h->dirty |= result;
    }
    if (homes->shares) {
        jit_host__end_sharing(homes->e, insn->rs1);
    }
}
