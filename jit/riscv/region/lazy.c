/* SPDX-License-Identifier: MIT */
/*
 * Values that need not be computed. Without Zbb a rotation takes two shifts
 * into spare registers, of which nobody asks for more than the `or`:
 *
 *     srliw s1, a2, 2      s1 is lazy: a2 >> 2
 *     slliw t5, a2, 30     t5 is lazy
 *     or    t5, s1, t5     t5 = a2 rotated
 *     ...
 *     mv    a7, a2         a7 has the same lower half
 *     mv    a2, a1         s1 is a7 >> 2, from here on
 *     ...                  a load that faults, a way out: s1 is computed there
 *     srliw s1, ...        and nowhere, if the loop goes on
 *
 * ahead.c knows rotations, too, of which nobody can ever see the shifts; it is
 * left those that overwrite what is rotated.
 *
 * So it must be known which registers are shifts, or copies, of others. That is
 * a fact about lower halves, wherever values are.
 */
#include "jit/riscv/region/region.h"

/* ---- Facts ------------------------------------------------------------- */

/* The register whose lower half @insn copies, or 0. */
static unsigned copied(const struct riscv_insn *insn)
{
    switch (insn->op) {
    case RISCV_OP_ADDI:
    case RISCV_OP_ADDIW:
        return insn->imm == 0 ? insn->rs1 : 0;
    case RISCV_OP_ADD:
    case RISCV_OP_ADDW:
        return insn->rs1 == 0 || insn->rs2 == 0 ? insn->rs1 | insn->rs2 : 0;
    default:
        return 0;
    }
}

bool riscv__keeps_lower(const struct riscv_insn *insn)
{
    return insn->rd == 0 || copied(insn) == insn->rd;
}

static struct region_fact fact_of(const struct riscv_insn *insn)
{
    struct region_fact fact = { .kind = REGION_ANYTHING };
    bool left = insn->op == RISCV_OP_SLLIW, right = insn->op == RISCV_OP_SRLIW;

    if (copied(insn) != 0) {
        fact.kind = REGION_COPY;
        fact.from = (uint8_t)copied(insn);
    } else if ((left || right) && insn->imm != 0 && insn->rs1 != 0 &&
               insn->rs1 != insn->rd) {
        fact.kind = left ? REGION_LEFT : REGION_RIGHT;
        fact.from = insn->rs1;
        fact.by = (uint8_t)insn->imm;
    }
    return fact;
}

unsigned riscv__same_lower(const struct region_fact *facts, unsigned reg,
                           uint32_t but)
{
    if (facts[reg].kind == REGION_COPY && !(but >> facts[reg].from & 1)) {
        return facts[reg].from;
    }
    for (unsigned i = 1; i < 32; i++) {
        if (facts[i].kind == REGION_COPY && facts[i].from == reg &&
            !(but >> i & 1)) {
            return i;
        }
    }
    return 0;
}

void riscv__step_facts(struct region_fact *facts, const struct riscv_insn *insn,
                       uint32_t but)
{
    unsigned rd = insn->rd, other;

    if (riscv__keeps_lower(insn)) {
        return;
    }
    other = riscv__same_lower(facts, rd, but);
    for (unsigned i = 1; i < 32; i++) {
        if (facts[i].kind == REGION_ANYTHING || facts[i].from != rd) {
            continue;
        }
        facts[i].from = (uint8_t)other;
        if (other == 0 || other == i) {
            facts[i] = (struct region_fact){ .kind = REGION_ANYTHING };
        }
    }
    facts[rd] = fact_of(insn);
}

bool riscv__meet_facts(struct region_fact *facts,
                       const struct region_fact *others)
{
    bool changed = false;

    for (unsigned i = 1; i < 32; i++) {
        if (facts[i].kind != REGION_ANYTHING &&
            (facts[i].kind != others[i].kind ||
             facts[i].from != others[i].from || facts[i].by != others[i].by)) {
            facts[i] = (struct region_fact){ .kind = REGION_ANYTHING };
            changed = true;
        }
    }
    return changed;
}

/* ---- Rotations --------------------------------------------------------- */

static bool reads(const struct riscv_insn *insn, unsigned reg)
{
    return insn->rs1 == reg || insn->rs2 == reg;
}

/* The instruction that writes @reg last before @at, or -1. */
static int writer(const struct riscv_insn *insns, unsigned at, unsigned reg)
{
    for (unsigned i = at; i-- > 0;) {
        if (insns[i].rd == reg) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_read_between(const struct riscv_insn *insns, unsigned from,
                            unsigned to, unsigned reg)
{
    for (unsigned i = from + 1; i < to; i++) {
        if (reads(&insns[i], reg)) {
            return true;
        }
    }
    return false;
}

/* Is @reg written, on every way from behind @at, before it is read? */
static bool is_unread_behind(const struct region_rotations *r, unsigned at,
                             unsigned reg)
{
    if (r->insns[at].rd == reg) {
        return true;
    }
    for (unsigned i = at + 1; i < r->count; i++) {
        if (reads(&r->insns[i], reg)) {
            return false;
        }
        if (r->insns[i].rd == reg) {
            return true;
        }
    }
    return r->distance[reg] == REGION_FAR;
}

static bool are_parts(const struct riscv_insn *left,
                      const struct riscv_insn *right)
{
    return left->op == RISCV_OP_SLLIW && right->op == RISCV_OP_SRLIW &&
           left->rs1 == right->rs1 && left->rs1 != 0 && left->rd != right->rd &&
           left->imm != 0 && right->imm != 0 && left->imm + right->imm == 32;
}

/* The shift at @i, one of two, the first of which is at @first: of the rotated
 * value, which is still there at @k, and for the instruction there. */
static bool is_spare(const struct region_rotations *r, unsigned first,
                     unsigned i, unsigned k)
{
    unsigned from = r->insns[i].rs1;

    return writer(r->insns, k, from) < (int)first &&
           !is_read_between(r->insns, i, k, r->insns[i].rd) &&
           is_unread_behind(r, k, r->insns[i].rd);
}

static void find_rotation(const struct region_rotations *r, unsigned k)
{
    struct riscv_insn *insn = &r->insns[k];
    int a = writer(r->insns, k, insn->rs1), b = writer(r->insns, k, insn->rs2);
    unsigned i = (unsigned)(a < b ? a : b), j = (unsigned)(a < b ? b : a);
    const struct riscv_insn *left, *right;

    if (insn->rs1 == 0 || insn->rs2 == 0 || a < 0 || b < 0 || a == b) {
        return;
    }
    left = &r->insns[r->insns[i].op == RISCV_OP_SLLIW ? i : j];
    right = &r->insns[r->insns[i].op == RISCV_OP_SLLIW ? j : i];
    if (are_parts(left, right) && is_spare(r, i, i, k) &&
        is_spare(r, i, j, k)) {
        r->is_lazy[i] = true;
        r->is_lazy[j] = true;
        insn->op = RISCV_OP_RORIW;
        insn->rs1 = right->rs1;
        insn->rs2 = 0;
        insn->imm = right->imm;
    }
}

void riscv__find_rotations(const struct region_rotations *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        if (r->insns[i].op == RISCV_OP_OR) {
            find_rotation(r, i);
        }
    }
}
