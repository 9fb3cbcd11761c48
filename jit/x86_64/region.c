/* SPDX-License-Identifier: MIT */
/*
 * Regions: homes that change hands, parts, and the ways out.
 *
 * rcx is the scratch register of everything here: rax and rdx may hold the
 * address and the value of an access.
 */
#include "jit/x86_64/x86_64_internal.h"

#include "jit/host_region.h"

static uint32_t bit(unsigned reg)
{
    return UINT32_C(1) << reg;
}

unsigned jit_host__home_count(void)
{
    return HOME_COUNT;
}

static unsigned index_of(unsigned host)
{
    for (unsigned i = 0; i < HOME_COUNT; i++) {
        if (x86__homes[i] == host) {
            return i;
        }
    }
    return JIT_NO_HOME;
}

unsigned jit_host__usual_home(const struct jit_stubs *stubs, unsigned reg)
{
    return index_of(stubs->home[reg]);
}

/* ---- The state --------------------------------------------------------- */

static struct x86_rm field_of(const struct jit_emit *e, unsigned reg)
{
    return x86__field(e->stubs, e->guest->regs + 8 * reg);
}

static struct jit_homes *homes_of(const struct jit_emit *e)
{
    return &e->region->homes;
}

static bool has_home(const struct jit_emit *e, unsigned reg)
{
    return homes_of(e)->home[reg] != JIT_NO_HOME;
}

static void settle_in(struct jit_emit *e, unsigned reg, unsigned home)
{
    homes_of(e)->home[reg] = (uint8_t)home;
    homes_of(e)->reg[home] = (uint8_t)reg;
    e->home[reg] = x86__homes[home];
}

static void move_out(struct jit_emit *e, unsigned reg)
{
    homes_of(e)->reg[homes_of(e)->home[reg]] = 0;
    homes_of(e)->home[reg] = JIT_NO_HOME;
    e->home[reg] = NO_HOME;
}

void jit_host__use_homes(struct jit_emit *e, const struct jit_homes *homes)
{
    *homes_of(e) = *homes;
    for (unsigned reg = 0; reg < 32; reg++) {
        e->home[reg] = homes->home[reg] == JIT_NO_HOME
                           ? NO_HOME
                           : x86__homes[homes->home[reg]];
    }
}

void jit_host__usual_homes(struct jit_homes *homes,
                           const struct jit_guest *guest)
{
    memset(homes, 0, sizeof(*homes));
    memset(homes->home, JIT_NO_HOME, sizeof(homes->home));
    for (unsigned i = 0; i < HOME_COUNT; i++) {
        homes->home[guest->hot[i]] = (uint8_t)i;
        homes->reg[i] = guest->hot[i];
        homes->dirty |= bit(guest->hot[i]);
    }
}

/* ---- Moving values ----------------------------------------------------- */

static void store_home(struct jit_emit *e, unsigned reg)
{
    x86_mr(e->b, X86_MOV_MR, 8, field_of(e, reg), e->home[reg]);
    homes_of(e)->dirty &= ~bit(reg);
}

static void widen_field(struct jit_emit *e, unsigned reg)
{
    x86_rm(e->b, X86_MOVSXD, 8, RCX, field_of(e, reg));
    x86_mr(e->b, X86_MOV_MR, 8, field_of(e, reg), RCX);
    homes_of(e)->narrow &= ~bit(reg);
}

/* A value that was loaded narrow is not in its field when it is wide. */
static void widen_home(struct jit_emit *e, unsigned reg)
{
    x86_rm(e->b, X86_MOVSXD, 8, e->home[reg], x86_r(e->home[reg]));
    homes_of(e)->narrow &= ~bit(reg);
    homes_of(e)->dirty |= bit(reg);
}

void jit_host__widen(struct jit_emit *e, unsigned reg)
{
    if (!(homes_of(e)->narrow & bit(reg))) {
        return;
    }
    if (has_home(e, reg)) {
        widen_home(e, reg);
    } else {
        widen_field(e, reg);
    }
}

void jit_host__give_home(struct jit_emit *e, unsigned reg, unsigned home,
                         bool load)
{
    settle_in(e, reg, home);
    if (load) {
        x86_rm(e->b, X86_MOV_RM, 8, x86__homes[home], field_of(e, reg));
    }
}

void jit_host__take_home(struct jit_emit *e, unsigned reg, bool keep)
{
    if (keep && (homes_of(e)->dirty & bit(reg))) {
        store_home(e, reg);
    }
    homes_of(e)->dirty &= ~bit(reg);
    move_out(e, reg);
}

void jit_host__share_home(struct jit_emit *e, unsigned from, unsigned to)
{
    unsigned home = homes_of(e)->home[from];

    jit_host__take_home(e, from, false);
    settle_in(e, to, home);
    e->home[from] = x86__homes[home];
}

void jit_host__end_sharing(struct jit_emit *e, unsigned from)
{
    e->home[from] = NO_HOME;
}

/* ---- Values that are nowhere ------------------------------------------- */

void jit_host__be_lazy(struct jit_emit *e, unsigned reg, struct jit_lazy value)
{
    struct jit_homes *h = homes_of(e);

    if (has_home(e, reg)) {
        move_out(e, reg);
    }
    h->dirty &= ~bit(reg);
    h->narrow &= ~bit(reg);
    h->lazy |= bit(reg);
    h->value[reg] = value;
}

static void compute_field(struct jit_emit *e, unsigned reg)
{
    const struct jit_lazy *value = &homes_of(e)->value[reg];

    x86_rm(e->b, X86_MOV_RM, 4, RCX,
           has_home(e, value->from) ? x86_r(e->home[value->from])
                                    : field_of(e, value->from));
    x86_mi(e->b, value->right ? X86_SHR_MI8 : X86_SHL_MI8, 4, x86_r(RCX),
           value->by);
    if (!value->right) {
        x86_rm(e->b, X86_MOVSXD, 8, RCX, x86_r(RCX));
    }
    x86_mr(e->b, X86_MOV_MR, 8, field_of(e, reg), RCX);
}

void jit_host__compute(struct jit_emit *e, unsigned reg)
{
    if (homes_of(e)->lazy & bit(reg)) {
        compute_field(e, reg);
        homes_of(e)->lazy &= ~bit(reg);
    }
}

/* As lazy as in @to: what is not there is computed, what is there is dropped. */
static void match_lazy(struct jit_emit *e, const struct jit_homes *to)
{
    for (unsigned reg = 1; reg < 32; reg++) {
        if (!(to->lazy & bit(reg))) {
            jit_host__compute(e, reg);
        }
    }
    for (unsigned reg = 1; reg < 32; reg++) {
        if (to->lazy & bit(reg)) {
            jit_host__be_lazy(e, reg, to->value[reg]);
        }
    }
}

/* All fields as if nothing had homes. Those keep what they have, but for upper
 * halves. Leaves the state alone: the hot path does not come by here. */
static void sync(struct jit_emit *e)
{
    const struct jit_homes *h = homes_of(e);

    for (unsigned reg = 1; reg < 32; reg++) {
        if (h->lazy & bit(reg)) {
            compute_field(e, reg);
        } else if (h->dirty & bit(reg)) {
            if (h->narrow & bit(reg)) {
                x86_rm(e->b, X86_MOVSXD, 8, e->home[reg], x86_r(e->home[reg]));
            }
            x86_mr(e->b, X86_MOV_MR, 8, field_of(e, reg), e->home[reg]);
        } else if (h->narrow & bit(reg)) {
            x86_rm(e->b, X86_MOVSXD, 8, RCX, field_of(e, reg));
            x86_mr(e->b, X86_MOV_MR, 8, field_of(e, reg), RCX);
        }
    }
}

/* ---- From one state to another ----------------------------------------- */

static void take_homes(struct jit_emit *e, const struct jit_homes *to)
{
    for (unsigned home = 0; home < HOME_COUNT; home++) {
        unsigned reg = homes_of(e)->reg[home];

        if (reg != 0 && to->home[reg] == JIT_NO_HOME) {
            if (!(to->narrow & bit(reg))) {
                jit_host__widen(e, reg);
            }
            jit_host__take_home(e, reg, true);
        }
    }
}

/* Move what is in another home than it will have, as long as those are free.
 */
static void move_homes(struct jit_emit *e, const struct jit_homes *to)
{
    bool moved;

    do {
        moved = false;
        for (unsigned home = 0; home < HOME_COUNT; home++) {
            unsigned reg = homes_of(e)->reg[home];

            if (reg == 0 || to->home[reg] == home ||
                homes_of(e)->reg[to->home[reg]] != 0) {
                continue;
            }
            move_out(e, reg);
            settle_in(e, reg, to->home[reg]);
            x86_rr(e->b, X86_MOV_MR, 8, e->home[reg], x86__homes[home]);
            moved = true;
        }
    } while (moved);
}

/* What is still elsewhere goes by way of rcx: of each circle one. */
static void break_circles(struct jit_emit *e, const struct jit_homes *to)
{
    for (unsigned home = 0; home < HOME_COUNT; home++) {
        unsigned reg = homes_of(e)->reg[home];

        if (reg != 0 && to->home[reg] != home) {
            x86_rr(e->b, X86_MOV_MR, 8, RCX, e->home[reg]);
            move_out(e, reg);
            move_homes(e, to);
            settle_in(e, reg, to->home[reg]);
            x86_rr(e->b, X86_MOV_MR, 8, e->home[reg], RCX);
        }
    }
}

static void give_homes(struct jit_emit *e, const struct jit_homes *to)
{
    for (unsigned home = 0; home < HOME_COUNT; home++) {
        unsigned reg = to->reg[home];

        if (reg != 0 && !has_home(e, reg)) {
            jit_host__give_home(e, reg, home, true);
        }
    }
}

void jit_host__match_homes(struct jit_emit *e, const struct jit_homes *to)
{
    struct jit_homes *h = homes_of(e);

    match_lazy(e, to);
    take_homes(e, to);
    move_homes(e, to);
    break_circles(e, to);
    give_homes(e, to);
    for (unsigned reg = 1; reg < 32; reg++) {
        if (!(to->narrow & bit(reg))) {
            jit_host__widen(e, reg);
        }
        if (h->dirty & ~to->dirty & bit(reg)) {
            store_home(e, reg);
        }
    }
    *h = *to;
}

/* Would that take no code? */
static bool matches(const struct jit_homes *h, const struct jit_homes *to)
{
    for (unsigned home = 0; home < HOME_COUNT; home++) {
        if (to->reg[home] != 0 && h->reg[home] != to->reg[home]) {
            return false;
        }
    }
    return (h->narrow & ~to->narrow) == 0 && (h->dirty & ~to->dirty) == 0 &&
           (h->lazy & ~to->lazy) == 0;
}

/* ---- Parts ------------------------------------------------------------- */

static void change_budget(struct jit_emit *e, enum x86_alu op, uint32_t by)
{
    if (by != 0) {
        x86_alu_imm(e->b, op, 8, x86_r(BUDGET), (int32_t)by);
    }
}

void jit_host__region_prologue(struct jit_emit *e, unsigned charge)
{
    struct jit_cold *cold;
    struct jit_homes usual;

    jit_host__usual_homes(&usual, e->guest);
    jit_host__use_homes(e, &usual);
    cold = x86__cold(e, COLD_REGION_ENTRY);
    if (cold == NULL) {
        return;
    }
    e->region->points[cold - e->cold].refund = e->region->reserve + charge;
    change_budget(e, X86_ALU_SUB, e->region->reserve + charge);
    cold->jump_at = x86_jcc(e->b, CC_S, NULL);
    change_budget(e, X86_ALU_ADD, charge);
    x86__start_tallies(e);
    jit_host__match_homes(e, &e->region->entries[0]);
}

void jit_host__part(struct jit_emit *e, unsigned part, unsigned charge,
                    bool checks, uint64_t *counter)
{
    struct jit_cold *cold;

    if (checks) {
        x86__align_code(e);
    }
    e->region->at[part] = code_buf__offset(e->b);
    if (counter != NULL) {
        jit_host__count(e, counter, 1);
    }
    if (!checks) {
        change_budget(e, X86_ALU_SUB, charge);
        return;
    }
    x86_alu_imm(e->b, X86_ALU_SUB, 8, x86_r(BUDGET), (int32_t)charge);
    cold = x86__cold(e, COLD_REGION_CHECK);
    if (cold != NULL) {
        cold->jump_at = x86_jcc(e->b, CC_S, NULL);
    }
}

static void note_jump(struct jit_emit *e, uint32_t at, unsigned part)
{
    struct jit_region *region = e->region;

    if (region->jump_count == 3 * JIT_PARTS) {
        e->failed = true;
        return;
    }
    region->jumps[region->jump_count].at = at;
    region->jumps[region->jump_count++].part = (uint8_t)part;
}

void x86__patch_parts(struct jit_emit *e)
{
    const struct jit_region *region = e->region;

    for (unsigned i = 0; i < region->jump_count && !e->b->full; i++) {
        x86_patch(e->b, region->jumps[i].at,
                  e->b->start + region->at[region->jumps[i].part]);
    }
}

/* ---- Ways -------------------------------------------------------------- */

static bool is_straight(const struct jit_emit *e, const struct jit_way *way)
{
    return !way->leaves && matches(homes_of(e), &e->region->entries[way->part]);
}

/* The instruction at hand was executed when @way is gone. */
static struct jit_cold *cold_way(struct jit_emit *e, const struct jit_way *way)
{
    struct jit_cold *cold = x86__cold(e, COLD_REGION_WAY);

    if (cold != NULL) {
        struct jit_point *point = &e->region->points[cold - e->cold];

        point->way = *way;
        point->refund = e->region->reserve + e->region->ahead;
    }
    return cold;
}

void jit_host__go(struct jit_emit *e, const struct jit_way *way)
{
    struct jit_cold *cold;

    if (!way->leaves) {
        jit_host__match_homes(e, &e->region->entries[way->part]);
        note_jump(e, x86_jmp(e->b, NULL), way->part);
        return;
    }
    cold = cold_way(e, way);
    if (cold != NULL) {
        cold->jump_at = x86_jmp(e->b, NULL);
    }
}

void jit_host__go_if(struct jit_emit *e, enum jit_condition cc, unsigned rs1,
                     unsigned rs2, bool narrow, const struct jit_way *way)
{
    enum x86_condition x86_cc = x86__conditions[cc];
    struct jit_cold *cold;

    x86__compare(e, narrow ? 4 : 8, rs1, rs2);
    if (is_straight(e, way)) {
        note_jump(e, x86_jcc(e->b, x86_cc, NULL), way->part);
        return;
    }
    cold = cold_way(e, way);
    if (cold != NULL) {
        cold->jump_at = x86_jcc(e->b, x86_cc, NULL);
    }
}

/* The usual homes, whose fields are whole. */
static void restore_usual(struct jit_emit *e)
{
    const struct jit_homes *h = homes_of(e);

    for (unsigned i = 0; i < HOME_COUNT; i++) {
        unsigned reg = e->guest->hot[i];

        if (h->reg[i] != reg || (h->narrow & ~h->dirty & bit(reg))) {
            x86_rm(e->b, X86_MOV_RM, 8, x86__homes[i], field_of(e, reg));
        }
    }
}

static void leave(struct jit_emit *e, const struct jit_point *point)
{
    const struct jit_way *way = &point->way;
    struct jit_cold link = { .link = way->link };

    sync(e);
    restore_usual(e);
    x86__settle_tallies(e);
    if (way->counter != NULL) {
        jit_host__count(e, way->counter, 1);
    }
    change_budget(e, X86_ALU_ADD, point->refund);
    x86__leave(e, &link, way->pc, way->same_page);
}

/* ---- Out of line ------------------------------------------------------- */

static const struct jit_point *point_of(const struct jit_emit *e,
                                        const struct jit_cold *cold)
{
    return &e->region->points[cold - e->cold];
}

void x86__note_point(struct jit_emit *e, const struct jit_cold *cold)
{
    struct jit_point *point = &e->region->points[cold - e->cold];

    point->homes = e->region->homes;
    point->refund = e->region->reserve + e->region->unexecuted;
}

void x86__use_point(struct jit_emit *e, const struct jit_cold *cold)
{
    jit_host__use_homes(e, &point_of(e, cold)->homes);
}

void x86__region_call(struct jit_emit *e, const struct jit_cold *cold)
{
    sync(e);
    x86__settle_tallies(e);
    change_budget(e, X86_ALU_ADD, point_of(e, cold)->refund);
}

void x86__region_return(struct jit_emit *e, const struct jit_cold *cold)
{
    change_budget(e, X86_ALU_SUB, point_of(e, cold)->refund);
    x86__start_tallies(e);
    for (unsigned i = HOME_SAVED; i < HOME_COUNT; i++) {
        if (homes_of(e)->reg[i] != 0) {
            x86_rm(e->b, X86_MOV_RM, 8, x86__homes[i],
                   field_of(e, homes_of(e)->reg[i]));
        }
    }
}

void x86__region_wrote(struct jit_emit *e, unsigned reg)
{
    struct jit_homes *h = homes_of(e);

    h->narrow &= ~bit(reg);
    h->lazy &= ~bit(reg);
    h->dirty |= has_home(e, reg) ? bit(reg) : 0;
}

void x86__region_done(struct jit_emit *e, const struct jit_cold *cold)
{
    unsigned reg = cold->kind == COLD_LOAD ? cold->access.reg : 0;

    if (!x86__is_zero(e, reg) && cold->access.narrow) {
        homes_of(e)->narrow |= bit(reg);
        jit_host__widen(e, reg);
    }
    if (!x86__is_zero(e, reg) && has_home(e, reg)) {
        x86_mr(e->b, X86_MOV_MR, 8, field_of(e, reg), e->home[reg]);
    }
    change_budget(e, X86_ALU_ADD, point_of(e, cold)->refund - 1);
}

static void cold_entry(struct jit_emit *e, const struct jit_cold *cold)
{
    x86_patch_here(e->b, cold->jump_at);
    change_budget(e, X86_ALU_ADD, point_of(e, cold)->refund);
    x86_load_imm(e->b, RCX, e->block->id);
    x86__jump_stub(e, e->stubs->set[e->fp].exit_budget);
}

static void cold_check(struct jit_emit *e, const struct jit_cold *cold)
{
    x86_patch_here(e->b, cold->jump_at);
    x86__region_call(e, cold);
    x86__call_stub(e, x86__stubs(e)->exit_attention);
    x86__site(e, cold, false);
}

void x86__cold_region(struct jit_emit *e, const struct jit_cold *cold)
{
    const struct jit_point *point = point_of(e, cold);

    switch ((enum cold_kind)cold->kind) {
    case COLD_REGION_ENTRY:
        cold_entry(e, cold);
        break;
    case COLD_REGION_CHECK:
        cold_check(e, cold);
        break;
    default:
        x86_patch_here(e->b, cold->jump_at);
        if (point->way.leaves) {
            leave(e, point);
        } else {
            jit_host__match_homes(e, &e->region->entries[point->way.part]);
            note_jump(e, x86_jmp(e->b, NULL), point->way.part);
        }
        break;
    }
}
