/* SPDX-License-Identifier: MIT */
/*
 * Code for a region, part after part.
 *
 * A region takes the place of the plain block at its head's pc. Whoever goes
 * there enters the region; whatever leaves it goes on in plain blocks, in the
 * parts' own included, which are still there.
 */
#include "jit/riscv/translate/translate.h"
#include "engine/alloc.h"
#include "jit/riscv/region/region.h"

/* As many slices end in a block until its loop is translated as a whole: that
 * takes as long as some thousands of instructions. */
#define HOT   4
#define AGAIN 3 /* times as many */

#define GROUPS 16 /* others are checked access by access */

/* Accesses of a part that are checked together: from the first to the last,
 * they are translated once more, out of line. */
struct region_missed {
    struct riscv_group group;
    struct jit_group host;
    unsigned part;
    unsigned slot;
    const struct jit_homes *hint;
    struct region_moment moment;
    struct jit_homes before; /* the state there, and behind them */
    struct jit_homes behind;
};

struct region_work {
    struct xbar_riscv_hart *hart;
    struct riscv_source source; /* of the head */
    struct jit_emit e;
    struct riscv_region region;
    struct riscv_region found; /* it, before loops were peeled */
    struct region_flow flow;
    struct region_budget budget;
    struct region_entries entries;
    struct region_homes homes;
    struct jit_region host;
    unsigned links;
    unsigned slot; /* of the part at hand, as in struct region_part_counts */
    struct region_counts *counts; /* NULL: nobody counts */
    struct riscv_group next;      /* group of the part at hand */
    unsigned missed_count;
    struct region_missed missed[GROUPS];
    struct jit_point points[JIT_COLD_MAX];
};

/* ---- Instructions ------------------------------------------------------ */

/* Operations that read rs1 and rs2 before, or while, they write rd. */
static bool may_share(enum jit_alu op)
{
    return op < JIT_ANDN || op == JIT_RORW ||
           (op >= JIT_SH1ADD && op <= JIT_SH3ADD) || op == JIT_SEXT_B ||
           op == JIT_SEXT_H || op == JIT_ZEXT_H;
}

static bool commutes(enum jit_alu op)
{
    return op == JIT_ADD || op == JIT_AND || op == JIT_OR || op == JIT_XOR ||
           op == JIT_ADDW || op == JIT_MUL || op == JIT_MULW;
}

/* Is rs2 done with, and rs1 not? Then it is better the first. */
static bool is_better_swapped(const struct region_homes *homes, unsigned i)
{
    const struct riscv_insn *insn = &homes->insns[i];
    const struct region_next *next = &homes->next[i];

    return insn->rs1 != insn->rd && insn->rs2 != insn->rd && insn->rs2 != 0 &&
           next->rs2_written && !next->rs1_written;
}

static void swap_sources(struct region_homes *homes, unsigned i)
{
    struct riscv_insn *insn = &homes->insns[i];
    struct region_next *next = &homes->next[i];
    struct region_next old = *next;
    uint8_t rs1 = insn->rs1;

    insn->rs1 = insn->rs2;
    insn->rs2 = rs1;
    next->rs1 = old.rs2;
    next->rs1_written = old.rs2_written;
    next->rs2 = old.rs1;
    next->rs2_written = old.rs1_written;
}

static void translate_alu(struct region_work *w, unsigned i)
{
    struct region_homes *homes = &w->homes;
    const struct riscv_insn *insn = &homes->insns[i];
    struct jit_operand b;
    enum jit_alu op = riscv__alu(insn, &b);

    if (!b.is_imm && commutes(op) && is_better_swapped(homes, i)) {
        swap_sources(homes, i);
        (void)riscv__alu(insn, &b);
    }
    riscv__place_sources(homes, i);
    riscv__place_result(homes, i, may_share(op));
    w->e.narrow = riscv__reads(insn->op) == RISCV_READS_LOWER;
    if (insn->op == RISCV_OP_AUIPC) {
        jit_host__set(&w->e, insn->rd,
                      w->region.pc + w->e.pc_offset +
                          (uint64_t)(int64_t)insn->imm);
    } else {
        jit_host__alu(&w->e, op, insn->rd, insn->rs1, b);
    }
}

static void translate_load(struct region_work *w, unsigned i)
{
    const struct riscv_insn *insn = &w->homes.insns[i];
    struct jit_access access = riscv__load_of(insn);

    access.is_indexed = insn->rs2 != 0;
    access.narrow = insn->op == RISCV_OP_LW && w->homes.next[i].narrow;
    access.index = insn->rs2;
    access.scale = w->homes.scale[i];
    jit_host__load(&w->e, &access);
}

static void translate_insn(struct region_work *w, unsigned i)
{
    const struct riscv_insn *insn = &w->homes.insns[i];

    if (w->homes.is_lazy[i]) {
        riscv__put_off(&w->homes, i);
        return;
    }
    switch ((enum riscv_class)riscv__ops[insn->op].class) {
    case RISCV_CLASS_LOAD:
        riscv__place_sources(&w->homes, i);
        riscv__place_result(&w->homes, i, false);
        translate_load(w, i);
        break;
    case RISCV_CLASS_STORE:
        riscv__place_sources(&w->homes, i);
        riscv__place_result(&w->homes, i, false);
        riscv__translate_store(&w->e, insn);
        break;
    case RISCV_CLASS_JUMP:
        break; /* the part's way on */
    default:
        translate_alu(w, i);
        break;
    }
    riscv__note_result(&w->homes, i);
    riscv__note_computed(&w->e, insn, w->region.pc + w->e.pc_offset);
}

/* ---- Ways -------------------------------------------------------------- */

/* Out of part @part. */
static struct jit_way make_way(struct region_work *w, unsigned part,
                               const struct region_edge *edge)
{
    struct jit_way way = { .leaves = edge->leaves, .part = edge->part };

    if (edge->leaves) {
        way.link = (uint8_t)w->links++;
        way.pc = w->region.pc + (uint64_t)(int64_t)edge->offset;
        way.same_page = ((way.pc ^ w->region.pc) & TLB_PAGE_MASK) == 0;
        way.counter = w->counts != NULL ? &w->counts->parts[part].gone : NULL;
    } else {
        riscv__settle(&w->entries, edge->part, &w->host.homes);
    }
    return way;
}

static void translate_branch(struct region_work *w, unsigned part)
{
    struct region_homes *homes = &w->homes;
    const struct region_part *p = &w->region.parts[part];
    unsigned i = p->count - 1u;
    const struct riscv_insn *insn = &homes->insns[i];
    uint32_t compared = UINT32_C(1) << insn->rs1 | UINT32_C(1) << insn->rs2;
    struct jit_way way;
    bool narrow;

    riscv__place_sources(homes, i);
    /* Asked of what is here: a state to be matched may call narrow what is not,
     * and then nothing is known of the other one. */
    narrow = w->host.homes.narrow & compared;
    way = make_way(w, part, &p->taken);
    if (!p->taken.leaves && w->region.parts[p->taken.part].checks &&
        !(w->host.entries[p->taken.part].lazy & compared)) {
        /* A loop's end, or its beginning: the usual way. */
        jit_host__match_homes(&w->e, &w->host.entries[p->taken.part]);
    }
    jit_host__go_if(&w->e, riscv__condition(insn), insn->rs1, insn->rs2, narrow,
                    &way);
}

static void go_on(struct region_work *w, unsigned part)
{
    const struct region_edge *next = &w->region.parts[part].next;
    struct jit_way way = make_way(w, part, next);

    if (next->leaves || next->part != part + 1) {
        jit_host__go(&w->e, &way);
    } else {
        jit_host__match_homes(&w->e, &w->host.entries[next->part]);
    }
}

static void set_place(struct region_work *w, const struct region_part *p,
                      unsigned i)
{
    w->e.insn = (uint16_t)(w->slot + i);
    w->e.pc_offset = p->offset;
    w->e.length = 0;
    if (p->count != 0) {
        w->e.pc_offset = w->region.offsets[p->first + i];
        w->e.length = w->region.insns[p->first + i].length;
    }
    w->host.unexecuted = p->count - i + w->host.ahead;
}

/* Where the code of instruction @i of part @part begins, or that of the last
 * ends. */
static void note_start(const struct region_work *w, unsigned part, unsigned i)
{
    if (w->counts != NULL) {
        w->e.block->profile->starts[w->slot + i] =
            (uint16_t)(code_buf__offset(w->e.b) - w->counts->parts[part].code);
    }
}

/* ---- Groups ------------------------------------------------------------ */

static void find_group(struct region_work *w, unsigned from)
{
    const struct region_part *p = w->homes.part;
    const struct riscv_group_rules rules = { .gap = REGION_INSNS };

    (void)riscv__find_group(w->homes.insns, p->count, from, rules, &w->next);
}

/* Before instruction @i of part @part: does a group begin there? Its bases are
 * made whole first. */
static void enter_group(struct region_work *w, unsigned part, unsigned i)
{
    struct region_missed *missed;

    if (w->next.first != i || w->missed_count == GROUPS) {
        return;
    }
    missed = &w->missed[w->missed_count++];
    missed->group = w->next;
    missed->part = part;
    missed->slot = w->slot;
    missed->hint = w->homes.hint;
    for (unsigned k = 0; k < missed->group.check_count; k++) {
        jit_host__compute(&w->e, missed->group.checks[k].base);
        jit_host__widen(&w->e, missed->group.checks[k].base);
    }
    riscv__note_moment(&w->homes, &missed->moment);
    missed->before = w->host.homes;
    jit_host__begin_group(&w->e, missed->group.checks,
                          missed->group.check_count, &missed->host);
}

static void leave_group(struct region_work *w, unsigned i)
{
    struct region_missed *missed;

    if (w->e.trust != JIT_KNOWN) {
        return;
    }
    missed = &w->missed[w->missed_count - 1];
    if (missed->group.last == i) {
        jit_host__end_group(&w->e, &missed->host);
        missed->behind = w->host.homes;
        find_group(w, i + 1);
    }
}

static void translate_missed(struct region_work *w,
                             const struct region_missed *missed)
{
    const struct region_part *p = &w->region.parts[missed->part];

    jit_host__use_homes(&w->e, &missed->before);
    w->slot = missed->slot;
    w->host.ahead = w->budget.ahead[missed->part];
    w->homes.hint = missed->hint;
    riscv__begin_part(&w->homes, missed->part);
    riscv__use_moment(&w->homes, &missed->moment);
    jit_host__begin_missed(&w->e, &missed->host);
    for (unsigned i = missed->group.first; i <= missed->group.last; i++) {
        set_place(w, p, i);
        translate_insn(w, i);
    }
    jit_host__match_homes(&w->e, &missed->behind);
    jit_host__end_missed(&w->e, &missed->host);
}

/* ---- Parts ------------------------------------------------------------- */

/* A part that is a loop by itself. */
static bool is_small(const struct region_work *w, unsigned part)
{
    return w->counts != NULL &&
           w->counts->parts[part].begins == w->counts->parts[part].ends;
}

static void begin_code(struct region_work *w, unsigned part)
{
    const struct region_part *p = &w->region.parts[part];
    struct region_part_counts *counts =
        w->counts != NULL ? &w->counts->parts[part] : NULL;
    uint64_t *counter =
        counts != NULL && counts->is_counted ? &counts->count : NULL;

    w->host.is_small = is_small(w, part);
    jit_host__part(&w->e, part, w->budget.charge[part], p->checks, counter);
    if (counts != NULL && part != 0) { /* the entry is the first part's */
        counts->code = w->host.at[part];
    }
}

static void translate_part(struct region_work *w, unsigned part)
{
    const struct region_part *p = &w->region.parts[part];

    jit_host__use_homes(&w->e, riscv__entry(&w->entries, part));
    w->host.ahead = w->budget.ahead[part];
    set_place(w, p, 0);
    begin_code(w, part);
    w->homes.hint = riscv__homes_of_loop(&w->entries, part);
    riscv__begin_part(&w->homes, part);
    riscv__forget_computed(&w->e);
    find_group(w, 0);
    for (unsigned i = 0; i + p->branches < p->count; i++) {
        set_place(w, p, i);
        note_start(w, part, i);
        enter_group(w, part, i);
        translate_insn(w, i);
        leave_group(w, i);
    }
    if (p->branches) {
        set_place(w, p, p->count - 1u);
        note_start(w, part, p->count - 1u);
        translate_branch(w, part);
    }
    note_start(w, part, p->count);
    go_on(w, part);
    w->host.is_small = false;
    w->slot += p->count + 1u;
}

/* ---- Blocks ------------------------------------------------------------ */

/* What is known beforehand. */
static void plan(struct region_work *w)
{
    memset(&w->host, 0, sizeof(w->host));
    w->links = 0;
    w->slot = 0;
    w->missed_count = 0;
    for (unsigned i = 0; i < w->region.part_count; i++) {
        w->host.reserve += w->region.parts[i].count;
    }
    riscv__plan_budget(&w->region, &w->budget);
    riscv__find_flow(&w->region, &w->flow);
    riscv__plan_entries(&w->entries, &w->region, &w->flow, w->host.entries,
                        w->hart->jit->stubs);
}

static void begin(struct region_work *w, struct xbar_jit_block *block,
                  struct code_buf *b)
{
    struct riscv_jit *jit = w->hart->jit;

    block->home[0] = w->source.home[0];
    block->home[1] = w->source.home[1];
    block->is_region = true;
    block->insns = (uint16_t)w->region.insn_count;
    block->guest_size = (uint16_t)w->region.size;
    w->e = (struct jit_emit){
        .b = b,
        .cache = jit->cache,
        .block = block,
        .guest = &riscv__jit_guest,
        .stubs = jit->stubs,
        .vcpu = w->hart,
        .cold = jit->cold,
        .computed = jit->computed,
        .region = &w->host,
        .data_context = w->hart->data_context,
        .fetch_context = w->hart->fetch_context,
        .fp = (w->source.key.mode & MODE_FP) != 0,
        .counts_pages = riscv__counts_pages(w->hart),
    };
    riscv__find_leaps(w->hart, w->e.leaps);
    plan(w);
    block->reserve = (uint16_t)(w->host.reserve + w->budget.ahead_max);
    w->host.points = w->points;
    w->homes.e = &w->e;
    w->homes.region = &w->region;
    w->homes.flow = &w->flow;
}

/* False: memory is short. */
static bool start_counting(struct region_work *w)
{
    struct xbar_jit_block *block = w->e.block;

    w->counts = NULL;
    if (!w->hart->config.count_blocks) {
        return true;
    }
    if (!xbar_jit_add_profile(w->e.cache, block, riscv__count_slots(&w->region),
                              riscv__counts_size(&w->region))) {
        return false;
    }
    w->counts = block->profile->own;
    riscv__plan_counts(&w->region, w->counts);
    for (unsigned i = 0; i < w->region.part_count; i++) {
        w->host.tallies |= is_small(w, i);
    }
    return true;
}

/* The plain block makes room, which is not missed until then: it is still hot. */
static void drop_plain(struct region_work *w)
{
    struct xbar_jit_cache *cache = w->hart->jit->cache;
    struct xbar_jit_block *plain = xbar_jit_find(cache, &w->source.key);

    if (plain != NULL) {
        xbar_jit_drop(cache, plain);
    }
}

/* False: there was no room for it, or no memory. */
static bool translate(struct region_work *w)
{
    struct xbar_jit_cache *cache = w->hart->jit->cache;
    size_t lease = xbar_jit_lease_size(cache, JIT_REGION_CODE);
    struct xbar_emit_buffer buffer;
    struct code_buf b;
    struct xbar_jit_block *block =
        xbar_jit_begin(cache, &w->source.key, lease, &buffer);

    if (block == NULL) {
        return false;
    }
    code_buf__open(&b, &buffer);
    begin(w, block, &b);
    if (!xbar_jit_add_links(cache, block, w->region.leaving + 1) ||
        !start_counting(w)) {
        xbar_jit_abort(cache, block);
        return false;
    }
    jit_host__region_prologue(&w->e, w->budget.charge[0]);
    for (unsigned i = 0; i < w->region.part_count && !b.full; i++) {
        translate_part(w, i);
    }
    block->hot_size = code_buf__offset(&b);
    for (unsigned i = 0; i < w->missed_count && !b.full; i++) {
        translate_missed(w, &w->missed[i]);
    }
    jit_host__epilogue(&w->e);
    if (b.full || w->e.failed) {
        xbar_jit_abort(cache, block);
        return false;
    }
    code_buf__close(&b, &buffer);
    drop_plain(w);
    return xbar_jit_finish(cache, block, &buffer,
                           w->region.page + (w->region.pc & ~TLB_PAGE_MASK)) ==
           0;
}

/* Peeled, if there is room for that much code. Without any, the plain block
 * stays. */
static void translate_peeled(struct region_work *w)
{
    w->found = w->region;
    riscv__peel_loops(&w->region);
    if (!translate(w) && w->region.part_count != w->found.part_count) {
        w->region = w->found;
        (void)translate(w);
    }
}

/* ---- Hot code ---------------------------------------------------------- */

struct wanted {
    const struct xbar_riscv_hart *hart;
    struct xbar_jit_key key;
};

/* What was never executed has no block. */
static bool was_executed(void *opaque, uint64_t pc)
{
    struct wanted *wanted = opaque;

    if (wanted->hart->config.stress & XBAR_RISCV_STRESS_REGION) {
        return true;
    }
    wanted->key.pc = pc;
    return xbar_jit_find(wanted->hart->jit->cache, &wanted->key) != NULL;
}

/* The loop that hart->pc is in: w->source and w->region. */
static bool find(struct region_work *w, bool innermost)
{
    struct xbar_riscv_hart *hart = w->hart;
    uint64_t pc = hart->pc, head;
    struct wanted wanted = { .hart = hart };

    if (!riscv__find_source(hart, &w->source) || w->source.host2 != NULL) {
        return false;
    }
    riscv__code_watch(hart, pc, w->source.home);
    riscv__copy_page(&w->source, w->region.page);
    wanted.key = w->source.key;
    if (!riscv__find_region(&w->region, pc, innermost, was_executed, &wanted)) {
        return false;
    }
    head = w->region.pc;
    w->source.key.pc = head;
    w->source.home[0] -= pc - head;
    return true;
}

static void make_region(struct xbar_riscv_hart *hart, bool innermost)
{
    struct xbar_engine *engine = xbar_address_space_engine(hart->config.as);
    struct region_work *w = xbar_alloc(engine, sizeof(*w));

    if (w == NULL) {
        return;
    }
    w->hart = hart;
    if (find(w, innermost)) {
        struct xbar_jit_cache *cache = hart->jit->cache;
        struct xbar_jit_block *there = xbar_jit_find(cache, &w->source.key);

        if (there == NULL || !there->is_region) {
            translate_peeled(w);
        }
    }
    xbar_free(engine, w, sizeof(*w));
}

/* Once for each hot loop, and once more for a part of it that is still executed
 * outside: the smallest loop around that, then. */
void riscv__region_heat(struct xbar_riscv_hart *hart,
                        struct xbar_jit_block *block)
{
    unsigned hot = hart->config.stress & XBAR_RISCV_STRESS_REGION ? 1 : HOT;

    if (block->is_region || block->heat == AGAIN * hot || hart->shown != NULL ||
        riscv__page_has_break(hart, block->key.pc)) {
        return; /* what is shown, or ends early, are plain blocks */
    }
    block->heat++;
    if (block->heat == hot || block->heat == AGAIN * hot) {
        make_region(hart, block->heat > hot);
    }
}
