/* SPDX-License-Identifier: MIT */
/*
 * What holds where paths meet: which values are surely the sign extension of
 * their lower half, which of those come without their upper half, which are
 * shifts or copies of others (lazy.c), and how far it is to the next use
 * of a register.
 *
 *     known      on every way here: on the first that is found, less what the
 *                others take away
 *     narrow     on some way here, of what is known
 *     distance   on the shortest way from here; ways out of a loop are long
 *
 * Nothing is known where a region is entered. That is why loops are peeled
 * (peel.c): behind the first time through it, what the loop leaves is.
 */
#include "jit/riscv/region/region.h"

#define LEAVES_LOOP 256 /* how much longer a way is that leads out of one */

static uint32_t bit(unsigned reg)
{
    return UINT32_C(1) << reg;
}

/* ---- Instructions ------------------------------------------------------ */

static bool is_bitwise(enum riscv_op op)
{
    return op == RISCV_OP_AND || op == RISCV_OP_OR || op == RISCV_OP_XOR ||
           op == RISCV_OP_ANDI || op == RISCV_OP_ORI || op == RISCV_OP_XORI;
}

/* A move: from rs1 or, of c.mv, rs2. */
static bool is_copy(const struct riscv_insn *insn)
{
    return (insn->op == RISCV_OP_ADDI && insn->imm == 0) ||
           (insn->op == RISCV_OP_ADD && (insn->rs1 == 0 || insn->rs2 == 0));
}

/* Known values stay what they are. */
static bool is_copy_of_known(const struct riscv_insn *insn, uint32_t known)
{
    return is_copy(insn) || (insn->op == RISCV_OP_ADDIW && insn->imm == 0 &&
                             (known & bit(insn->rs1)));
}

static unsigned copied(const struct riscv_insn *insn)
{
    return insn->rs1 | insn->rs2; /* one of them is 0 */
}

/* Results that the host leaves narrow if it is told to. */
static bool has_narrow_result(const struct riscv_insn *insn)
{
    return riscv__reads(insn->op) == RISCV_READS_LOWER &&
           !(insn->op == RISCV_OP_SRLIW && insn->imm != 0);
}

static bool is_known_result(const struct riscv_insn *insn)
{
    switch (insn->op) {
    case RISCV_OP_DIVW:
    case RISCV_OP_DIVUW:
    case RISCV_OP_REMW:
    case RISCV_OP_REMUW:
    case RISCV_OP_SLT:
    case RISCV_OP_SLTU:
    case RISCV_OP_SLTI:
    case RISCV_OP_SLTIU:
    case RISCV_OP_LUI:
    case RISCV_OP_LB:
    case RISCV_OP_LBU:
    case RISCV_OP_LH:
    case RISCV_OP_LHU:
    case RISCV_OP_LW:
        return true;
    case RISCV_OP_ANDI:
        return insn->imm >= 0;
    case RISCV_OP_SRLI:
        return insn->imm > 32;
    case RISCV_OP_SRAI:
        return insn->imm >= 32;
    case RISCV_OP_ADDI:
        return insn->rs1 == 0;
    case RISCV_OP_SEXT_B:
    case RISCV_OP_SEXT_H:
    case RISCV_OP_ZEXT_H:
        return true;
    default:
        return riscv__reads(insn->op) == RISCV_READS_LOWER;
    }
}

static uint32_t sources_of(const struct riscv_insn *insn)
{
    return bit(insn->rs1) | bit(insn->rs2);
}

/* Is it a part of the lower half, extended? */
static bool extends_lower(const struct riscv_insn *insn)
{
    return insn->op == RISCV_OP_SEXT_B || insn->op == RISCV_OP_SEXT_H ||
           insn->op == RISCV_OP_ZEXT_H || insn->op == RISCV_OP_SLLI_UW ||
           (insn->op == RISCV_OP_ADD_UW && insn->rs2 == 0);
}

/* Does it need no more than lower halves, whatever becomes of its result? */
static bool reads_lower(const struct riscv_insn *insn, uint32_t known,
                        bool narrow_result)
{
    switch (riscv__ops[insn->op].class) {
    case RISCV_CLASS_LOAD:
    case RISCV_CLASS_STORE:
        return false;
    case RISCV_CLASS_BRANCH:
        return (sources_of(insn) & ~known) == 0;
    default:
        break;
    }
    switch (riscv__reads(insn->op)) {
    case RISCV_READS_LOWER:
        return true;
    case RISCV_READS_ALL:
        return extends_lower(insn);
    case RISCV_READS_LOWER_FOR_LOWER:
        return narrow_result || is_copy(insn) ||
               (insn->op == RISCV_OP_ANDI && insn->imm >= 0) ||
               (insn->op == RISCV_OP_SLLI && insn->imm >= 32) ||
               (is_bitwise(insn->op) && (sources_of(insn) & ~known) == 0);
    default:
        return false;
    }
}

uint32_t riscv__reads_whole(const struct riscv_insn *insn, uint32_t known,
                            bool narrow_result)
{
    bool is_store = riscv__ops[insn->op].class == RISCV_CLASS_STORE;

    if (reads_lower(insn, known, narrow_result)) {
        return 0;
    }
    return is_store && riscv__ops[insn->op].access != 8 ? bit(insn->rs1)
                                                        : sources_of(insn);
}

void riscv__step_upper(struct region_upper *upper,
                       const struct riscv_insn *insn, bool narrow_result)
{
    uint32_t result = bit(insn->rd) & ~bit(0);
    uint32_t sources = sources_of(insn);
    bool narrow = false, known = is_known_result(insn);

    if (is_copy_of_known(insn, upper->known)) {
        narrow = upper->narrow & bit(copied(insn));
        known = upper->known & bit(copied(insn));
    } else if (has_narrow_result(insn)) {
        narrow = true;
    } else if (insn->op == RISCV_OP_LW) {
        narrow = narrow_result;
    } else if (riscv__reads(insn->op) == RISCV_READS_LOWER_FOR_LOWER &&
               narrow_result) {
        narrow = true;
    } else if (is_bitwise(insn->op) && !known &&
               (sources & ~upper->known) == 0) {
        narrow = upper->narrow & sources;
        known = true;
    }
    upper->known = known ? upper->known | result : upper->known & ~result;
    upper->narrow = narrow ? upper->narrow | result : upper->narrow & ~result;
}

/* ---- Upper halves ------------------------------------------------------ */

/* What is behind a part. */
struct behind {
    struct region_upper upper;
    struct region_fact facts[32];
};

/* @behind is what is before @part, and then what is behind it. */
static void step_part(const struct riscv_region *region,
                      const struct region_flow *flow,
                      const struct region_part *part, struct behind *behind)
{
    struct region_upper *upper = &behind->upper;

    for (unsigned i = 0; i < part->count; i++) {
        const struct riscv_insn *insn = &region->insns[part->first + i];
        bool narrow = flow->notes[part->first + i].narrow;

        upper->narrow &= ~riscv__reads_whole(insn, upper->known, narrow);
        riscv__step_upper(upper, insn, narrow);
        riscv__step_facts(behind->facts, insn, 0);
    }
}

/* @behind leads along @edge. True: that changed what is said of its part. */
static bool meet(struct region_flow *flow, const struct region_edge *edge,
                 const struct behind *behind)
{
    struct region_upper *there = &flow->upper[edge->part];
    struct region_upper old = *there;
    bool changed;

    if (edge->leaves) {
        return false;
    }
    if (!flow->reached[edge->part]) {
        flow->reached[edge->part] = true;
        *there = behind->upper;
        there->narrow &= there->known;
        memcpy(flow->facts[edge->part], behind->facts, sizeof(behind->facts));
        return true;
    }
    there->known &= behind->upper.known;
    there->narrow = (there->narrow | behind->upper.narrow) & there->known;
    changed = riscv__meet_facts(flow->facts[edge->part], behind->facts);
    return changed || there->known != old.known || there->narrow != old.narrow;
}

static bool step_all(const struct riscv_region *region,
                     struct region_flow *flow)
{
    bool changed = false;

    for (unsigned i = 0; i < region->part_count; i++) {
        const struct region_part *part = &region->parts[i];
        struct behind behind = { .upper = flow->upper[i] };

        if (!flow->reached[i]) {
            continue;
        }
        memcpy(behind.facts, flow->facts[i], sizeof(behind.facts));
        step_part(region, flow, part, &behind);
        changed |= meet(flow, &part->next, &behind);
        if (part->branches) {
            changed |= meet(flow, &part->taken, &behind);
        }
    }
    return changed;
}

/* What is known before each instruction of a part. */
static void list_known(const struct riscv_insn *insns,
                       const struct riscv_note *notes, unsigned count,
                       uint32_t known, uint32_t *list)
{
    struct region_upper upper = { .known = known };

    for (unsigned i = 0; i < count; i++) {
        list[i] = upper.known;
        riscv__step_upper(&upper, &insns[i], notes[i].narrow);
    }
}

/* Of what is behind @part: known on all ways that do not leave. */
static uint32_t known_behind(const struct region_flow *flow,
                             const struct region_part *part)
{
    uint32_t known = UINT32_MAX;

    if (!part->next.leaves) {
        known &= flow->upper[part->next.part].known;
    }
    if (part->branches && !part->taken.leaves) {
        known &= flow->upper[part->taken.part].known;
    }
    return known;
}

/* Is all of what is loaded at @i read by nobody in the part, nor due behind it?
 * The host extends it at once, or an instruction later. */
static bool is_narrow_load(const struct riscv_insn *insns,
                           const struct riscv_note *notes, unsigned count,
                           unsigned i, const uint32_t *known, uint32_t behind)
{
    unsigned reg = insns[i].rd;

    if (insns[i].op != RISCV_OP_LW || reg == 0) {
        return false;
    }
    for (unsigned k = i + 1; k < count; k++) {
        if (riscv__reads_whole(&insns[k], known[k], notes[k].narrow) &
            bit(reg)) {
            return false;
        }
        if (insns[k].rd == reg) {
            return true;
        }
    }
    return behind & bit(reg);
}

static void find_narrow_loads(const struct riscv_region *region,
                              struct region_flow *flow, unsigned part)
{
    const struct region_part *p = &region->parts[part];
    const struct riscv_insn *insns = &region->insns[p->first];
    struct riscv_note *notes = &flow->notes[p->first];
    uint32_t known[REGION_INSNS];
    uint32_t behind = known_behind(flow, p);

    list_known(insns, notes, p->count, flow->upper[part].known, known);
    for (unsigned i = 0; i < p->count; i++) {
        notes[i].narrow |=
            is_narrow_load(insns, notes, p->count, i, known, behind);
    }
}

/* What is known does not depend on which loads are narrow. */
static void find_upper(const struct riscv_region *region,
                       struct region_flow *flow)
{
    for (unsigned i = 0; i < region->part_count; i++) {
        const struct region_part *part = &region->parts[i];

        riscv__look_ahead_at(&flow->notes[part->first],
                             &region->insns[part->first], part->count);
    }
    memset(flow->reached, 0, sizeof(flow->reached));
    memset(flow->upper, 0, sizeof(flow->upper));
    memset(flow->facts, 0, sizeof(flow->facts));
    flow->reached[0] = true;
    flow->upper[0].known = bit(0);
    while (step_all(region, flow)) {
        /* What is known only shrinks, and where it does not narrow grows. */
    }
    for (unsigned i = 0; i < region->part_count; i++) {
        if (flow->reached[i]) {
            find_narrow_loads(region, flow, i);
        }
    }
    while (step_all(region, flow)) {
        /* Now with loads. */
    }
}

/* ---- Distances --------------------------------------------------------- */

/* The ways that begin with @edge, out of @part. */
static void add_way(const struct riscv_region *region,
                    const struct region_flow *flow,
                    const struct region_part *part,
                    const struct region_edge *edge, uint16_t *distance)
{
    unsigned longer;

    if (edge->leaves) {
        return;
    }
    longer = region->parts[edge->part].depth < part->depth ? LEAVES_LOOP : 0;
    for (unsigned reg = 1; reg < 32; reg++) {
        unsigned way = flow->distance[edge->part][reg] + longer;

        if (way < distance[reg]) {
            distance[reg] = (uint16_t)way;
        }
    }
}

void riscv__distances_behind(const struct riscv_region *region,
                             const struct region_flow *flow,
                             const struct region_part *part, uint16_t *distance)
{
    for (unsigned reg = 0; reg < 32; reg++) {
        distance[reg] = REGION_FAR;
    }
    add_way(region, flow, part, &part->next, distance);
    if (part->branches) {
        add_way(region, flow, part, &part->taken, distance);
    }
}

/* From the beginning of @part. */
static void measure_part(const struct riscv_region *region,
                         struct region_flow *flow, unsigned i)
{
    const struct region_part *part = &region->parts[i];
    uint16_t *distance = flow->distance[i];

    riscv__distances_behind(region, flow, part, distance);
    for (unsigned reg = 0; reg < 32; reg++) {
        unsigned way = distance[reg] + part->count;

        distance[reg] = (uint16_t)(way < REGION_FAR ? way : REGION_FAR);
    }
    for (unsigned k = part->count; k-- > 0;) {
        const struct riscv_insn *insn = &region->insns[part->first + k];

        distance[insn->rd] = REGION_FAR;
        distance[insn->rs1] = (uint16_t)k;
        distance[insn->rs2] = (uint16_t)k;
    }
}

/* Twice, for what is behind a way back. */
static void measure(const struct riscv_region *region, struct region_flow *flow)
{
    for (unsigned i = 0; i < region->part_count; i++) {
        for (unsigned reg = 0; reg < 32; reg++) {
            flow->distance[i][reg] = REGION_FAR;
        }
    }
    for (unsigned sweep = 0; sweep < 2; sweep++) {
        for (unsigned i = region->part_count; i-- > 0;) {
            measure_part(region, flow, i);
        }
    }
}

void riscv__find_flow(const struct riscv_region *region,
                      struct region_flow *flow)
{
    find_upper(region, flow);
    measure(region, flow);
}
