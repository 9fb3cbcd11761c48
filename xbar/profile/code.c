/* SPDX-License-Identifier: MIT */
#include "code.h"

#include <stdlib.h>

#include "step.h"

#define CAPACITY_MIN 4096

#define OPCODE_JAL 0x6f
#define LINK_A     1 /* ra, and the alternate link register */
#define LINK_B     5

void code_end(struct code *code)
{
    free(code->insns);
    *code = (struct code){ 0 };
}

/* The place of @pc: its own, or free. */
static struct code_insn *find_slot(const struct code *code, uint64_t pc)
{
    size_t i = (size_t)((pc * UINT64_C(0x9e3779b97f4a7c15)) >> 20);

    for (;; i++) {
        struct code_insn *slot = &code->insns[i & (code->capacity - 1)];

        if (!slot->length || slot->pc == pc) {
            return slot;
        }
    }
}

static bool grow(struct code *code)
{
    struct code old = *code;

    code->capacity = old.capacity ? 2 * old.capacity : CAPACITY_MIN;
    code->insns = calloc(code->capacity, sizeof(*code->insns));
    if (!code->insns) {
        *code = old;
        return false;
    }
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.insns[i].length) {
            *find_slot(code, old.insns[i].pc) = old.insns[i];
        }
    }
    free(old.insns);
    return true;
}

/* NULL: memory is short. */
static struct code_insn *get(struct code *code, uint64_t pc)
{
    struct code_insn *slot;

    if (code->count * 4 >= code->capacity * 3 && !grow(code)) {
        code->is_cut = true;
        return NULL;
    }
    slot = find_slot(code, pc);
    if (!slot->length) {
        code->count++;
        slot->pc = pc;
        slot->length = 2;
    }
    return slot;
}

static uint32_t bits_at(const struct xbar_riscv_block *block, unsigned offset)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < 4 && offset + i < block->guest_size; i++) {
        bits |= (uint32_t)block->guest[offset + i] << 8 * i;
    }
    return bits;
}

/* Where a jal that links leads to. False: it is none. */
static bool find_callee(uint64_t pc, uint32_t bits, uint64_t *callee)
{
    unsigned rd = bits >> 7 & 31;
    uint32_t offset = (bits >> 21 & 0x3ff) << 1 | (bits >> 20 & 1) << 11 |
                      (bits & 0xff000) | (bits >> 31) << 20;

    if ((bits & 0x7f) != OPCODE_JAL || (rd != LINK_A && rd != LINK_B)) {
        return false;
    }
    *callee = pc + (uint64_t)((int64_t)((uint64_t)offset << 43) >> 43);
    return true;
}

static void note_call_target(struct code *code, uint64_t pc)
{
    struct code_insn *insn = get(code, pc);

    if (insn) {
        insn->is_call_target = true;
    }
}

void code_add(struct code *code, const struct xbar_riscv_block *block)
{
    uint64_t count = block->executions;
    unsigned offset = 0;
    uint64_t callee;

    for (unsigned i = 0; i < block->insns; i++) {
        uint64_t pc = block->pc + offset;
        uint32_t bits = bits_at(block, offset);
        unsigned length = (bits & 3) == 3 ? 4 : 2;
        struct code_insn *insn = get(code, pc);

        count -= block->left ? block->left[i] : 0;
        if (insn) {
            insn->count += count;
            insn->bits = bits;
            insn->length = (uint8_t)length;
        }
        if (find_callee(pc, bits, &callee)) {
            note_call_target(code, callee);
        }
        offset += length;
    }
}

/* What is called by pointer may look like a jal: half of what is before it, and
 * itself. But that leads anywhere. */
void code_add_call(struct code *code, const struct xbar_riscv_hart *hart,
                   uint64_t pc, uint64_t inside)
{
    uint8_t bytes[4];
    uint64_t callee;
    uint32_t bits;

    if (pc < 4 || xbar_riscv_debug_read(hart, pc - 4, bytes, 4) != 4) {
        return;
    }
    bits = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
    if (find_callee(pc - 4, bits, &callee) &&
        inside - callee <= CODE_REACH_MAX) {
        note_call_target(code, callee);
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = ((const struct code_insn *)a)->pc;
    uint64_t y = ((const struct code_insn *)b)->pc;

    return (x > y) - (x < y);
}

/* ---- Functions that no jal calls --------------------------------------- */

/* Its bits have some of the next instruction's, if it is short. */
static struct step step_of(const struct code_insn *insn)
{
    return step_decode(insn->length == 2 ? insn->bits & 0xffff : insn->bits);
}

static bool takes_stack(const struct code_insn *insn)
{
    struct step step = step_of(insn);

    return step.kind == STEP_MOVES_SP && step.imm < 0;
}

/* What is behind it is reached from elsewhere. */
static bool never_goes_on(const struct code_insn *insn)
{
    enum step_kind kind = step_of(insn).kind;

    return kind == STEP_JUMPS || kind == STEP_RETURNS;
}

/*
 * What is called by pointer is no target of a jal. Most of it begins with taking
 * stack, where nothing that was executed goes on to.
 */
static void find_prologues(struct code *code)
{
    for (size_t i = 0; i < code->count; i++) {
        struct code_insn *insn = &code->insns[i];
        const struct code_insn *before = i ? insn - 1 : NULL;
        bool is_reached = before && before->pc + before->length == insn->pc &&
                          !never_goes_on(before);

        if (takes_stack(insn) && !is_reached) {
            insn->is_call_target = true;
        }
    }
}

static void note_targets(struct code *code)
{
    uint32_t target = CODE_NONE;

    for (size_t i = 0; i < code->count; i++) {
        if (code->insns[i].is_call_target) {
            target = (uint32_t)i;
        }
        code->insns[i].target = target;
    }
}

void code_sort(struct code *code)
{
    size_t count = 0;

    for (size_t i = 0; i < code->capacity; i++) {
        if (code->insns[i].length) {
            code->insns[count++] = code->insns[i];
        }
    }
    code->capacity = 0;
    if (count) {
        qsort(code->insns, count, sizeof(*code->insns), compare);
    }
    find_prologues(code);
    note_targets(code);
}

uint64_t code_call_target(const struct code *code, uint64_t pc)
{
    size_t i = code_find(code, pc + 1);
    uint32_t target = i ? code->insns[i - 1].target : CODE_NONE;

    return target == CODE_NONE ? UINT64_MAX : code->insns[target].pc;
}

size_t code_find(const struct code *code, uint64_t pc)
{
    size_t low = 0;
    size_t high = code->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (code->insns[middle].pc < pc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
