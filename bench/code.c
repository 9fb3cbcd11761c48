/* SPDX-License-Identifier: MIT */
/*
 * The translation cache, seen from the guest: what translating costs, how
 * blocks lead to one another, and what happens when code changes or no longer
 * fits.
 *
 * Each program is an endless round of a known number of instructions that
 * adds a known number to t0. It is run round by round, so a jump that went
 * anywhere else shows in t0.
 */
#include "bench.h"
#include "guest.h"
#include "rv64.h"

#include <stdlib.h>

#define PAGE_WORDS     1024u
#define STRAIGHT_WORDS 8192u
#define EVICT_WORDS    (128u << 10)
#define EVICT_LIMIT    ((size_t)256 << 10)
#define TABLE_ENTRIES  256u

struct program {
    struct guest *guest;
    uint32_t *code;   /* what build() makes, from GUEST_CODE on */
    unsigned variant; /* of code that changes: 0 or 1 */
    int (*fill)(struct program *p);
    /* Of one round. */
    uint64_t insns;
    uint64_t operations;
    uint64_t adds; /* to t0 */
};

static void put(struct program *p, size_t at, uint32_t insn)
{
    p->code[at] = insn;
}

static int32_t offset_to(size_t from, size_t to)
{
    return ((int32_t)to - (int32_t)from) * 4;
}

static void put_jump(struct program *p, size_t at, unsigned rd, size_t to)
{
    put(p, at, rv_jal(rd, offset_to(at, to)));
}

static uint64_t address_of(size_t word)
{
    return GUEST_CODE + word * 4;
}

static void set_x(struct program *p, unsigned reg, uint64_t value)
{
    xbar_riscv_set_x(p->guest->hart, reg, value);
}

static void set_round(struct program *p, uint64_t operations, uint64_t insns,
                      uint64_t adds)
{
    p->operations = operations;
    p->insns = insns;
    p->adds = adds;
}

/* ---- Straight code ----------------------------------------------------- */

/* A fence.i, @words of what @insn gives, and back. @adds: those of t0. */
static int make_straight(struct program *p, size_t words,
                         uint32_t (*insn)(size_t i, uint32_t step))
{
    const uint32_t step = 1 + p->variant;
    uint64_t adds = 0;

    put(p, 0, rv_fence_i());
    for (size_t i = 1; i < words - 1; i++) {
        const uint32_t each = insn(i, step);

        put(p, i, each);
        adds += each == rv_addi(RV_T0, RV_T0, (int32_t)step) ? step : 0;
    }
    put_jump(p, words - 1, RV_ZERO, 0);
    set_round(p, words, words, adds);
    set_x(p, RV_S0, GUEST_DATA);
    return 0;
}

static uint32_t alu_insn(size_t i, uint32_t step)
{
    const int32_t imm = (int32_t)step;

    switch (i % 4) {
    case 0:
        return rv_addi(RV_T0, RV_T0, imm);
    case 1:
        return rv_add(RV_A0, RV_A0, step == 1 ? RV_T0 : RV_A1);
    case 2:
        return rv_addi(RV_A1, RV_A0, imm);
    default:
        return rv_mul(RV_A2, RV_A1, step == 1 ? RV_A1 : RV_A0);
    }
}

static uint32_t memory_insn(size_t i, uint32_t step)
{
    const int32_t at = (int32_t)(i % 64 * 8 + 8 * step);

    switch (i % 4) {
    case 0:
        return rv_addi(RV_T0, RV_T0, (int32_t)step);
    case 1:
        return rv_ld(RV_A0, at, RV_S0);
    case 2:
        return rv_sd(RV_A0, at, RV_S0);
    default:
        return rv_lw(RV_A1, at, RV_S0);
    }
}

/* Blocks of two: t0 is never 0, so each branch is taken, to what follows. */
static uint32_t branch_insn(size_t i, uint32_t step)
{
    return i % 2 ? rv_addi(RV_T0, RV_T0, (int32_t)step)
                 : rv_bne(RV_T0, step == 1 ? RV_ZERO : RV_A5, 4);
}

static uint32_t fp_insn(size_t i, uint32_t step)
{
    return i % 4 ? rv_fadd_d((unsigned)(i % 8), (unsigned)(i % 8), step)
                 : rv_addi(RV_T0, RV_T0, (int32_t)step);
}

/* About what compilers make: of 20 instructions four load, two store, and three
 * branch. */
static uint32_t mixed_insn(size_t i, uint32_t step)
{
    switch (i % 20) {
    case 1:
    case 4:
    case 10:
    case 16:
        return rv_ld(RV_A0, (int32_t)(i % 64 * 8 + 8 * step), RV_S0);
    case 8:
    case 14:
        return rv_sd(RV_A2, (int32_t)(i % 64 * 8 + 8 * step), RV_S0);
    case 5:
    case 11:
    case 19:
        return branch_insn(0, step);
    default:
        return alu_insn(i, step);
    }
}

static int fill_mixed(struct program *p)
{
    return make_straight(p, STRAIGHT_WORDS, mixed_insn);
}

static int fill_alu(struct program *p)
{
    return make_straight(p, STRAIGHT_WORDS, alu_insn);
}

static int fill_memory(struct program *p)
{
    return make_straight(p, STRAIGHT_WORDS, memory_insn);
}

static int fill_branch(struct program *p)
{
    return make_straight(p, STRAIGHT_WORDS, branch_insn);
}

/* FS = Dirty: floating point is on, and nothing is left to note of its use. */
static int fill_fp(struct program *p)
{
    uint64_t mstatus;

    if (xbar_riscv_get_csr(p->guest->hart, 0x300, &mstatus) ||
        xbar_riscv_set_csr(p->guest->hart, 0x300, mstatus | 3u << 13)) {
        return -1;
    }
    return make_straight(p, STRAIGHT_WORDS, fp_insn);
}

static int fill_evict(struct program *p)
{
    return make_straight(p, EVICT_WORDS, alu_insn);
}

/* ---- Jumps ------------------------------------------------------------- */

/* 32 blocks of two, @stride words apart, in an order that strides, too. */
static int make_chain(struct program *p, size_t stride)
{
    size_t at = 0;

    for (unsigned i = 1; i <= 32; i++) {
        const size_t next = i * 13 % 32 * stride;

        put(p, at, rv_addi(RV_T0, RV_T0, 1));
        put_jump(p, at + 1, RV_ZERO, next);
        at = next;
    }
    set_round(p, 32, 64, 32);
    return 0;
}

static int fill_jump_near(struct program *p)
{
    return make_chain(p, 16);
}

static int fill_jump_far(struct program *p)
{
    return make_chain(p, PAGE_WORDS + 16);
}

/* Two indirect jumps that always go to the same place: to each other. */
static int fill_indirect_one(struct program *p)
{
    put(p, 0, rv_addi(RV_T0, RV_T0, 1));
    put(p, 1, rv_jalr(RV_ZERO, 0, RV_T1));
    put(p, 64, rv_addi(RV_T0, RV_T0, 1));
    put(p, 65, rv_jalr(RV_ZERO, 0, RV_T2));
    set_x(p, RV_T1, address_of(64));
    set_x(p, RV_T2, address_of(0));
    set_round(p, 2, 4, 2);
    return 0;
}

/*
 * One indirect jump that goes to 64 places, as a guest's interpreter has it:
 * words 0 to 2 fetch the next of a table of addresses and jump there.
 */
static int fill_indirect_many(struct program *p)
{
    uint64_t table[TABLE_ENTRIES];
    uint64_t seed = BENCH_SEED;

    put(p, 0, rv_ld(RV_T1, 0, RV_S0));
    put(p, 1, rv_addi(RV_S0, RV_S0, 8));
    put(p, 2, rv_jalr(RV_ZERO, 0, RV_T1));
    for (size_t i = 1; i <= 64; i++) {
        put(p, i * 16, rv_addi(RV_T0, RV_T0, 1));
        put_jump(p, i * 16 + 1, RV_ZERO, 0);
    }
    put(p, 65 * 16, rv_add(RV_S0, RV_S1, RV_ZERO)); /* the table again */
    put_jump(p, 65 * 16 + 1, RV_ZERO, 0);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        table[i] = address_of((1 + bench_random(&seed) % 64) * 16);
    }
    table[TABLE_ENTRIES - 1] = address_of(65 * 16);
    guest_put(p->guest, GUEST_DATA, (const uint32_t *)(const void *)table,
              TABLE_ENTRIES * 2);
    set_x(p, RV_S0, GUEST_DATA);
    set_x(p, RV_S1, GUEST_DATA);
    set_round(p, TABLE_ENTRIES, TABLE_ENTRIES * 5, TABLE_ENTRIES - 1);
    return 0;
}

/* ---- Calls ------------------------------------------------------------- */

/* Eight calls of functions that are @stride words apart, and return. */
static int make_calls(struct program *p, size_t stride)
{
    for (size_t i = 0; i < 8; i++) {
        const size_t function = (i + 1) * stride;

        put_jump(p, i, RV_RA, function);
        put(p, function, rv_addi(RV_T0, RV_T0, 1));
        put(p, function + 1, rv_jalr(RV_ZERO, 0, RV_RA));
    }
    put_jump(p, 8, RV_ZERO, 0);
    set_round(p, 8, 8 * 3 + 1, 8);
    return 0;
}

static int fill_call_near(struct program *p)
{
    return make_calls(p, 32);
}

static int fill_call_far(struct program *p)
{
    return make_calls(p, PAGE_WORDS + 32);
}

/* Functions that call one another 16 deep, with ra on the stack. */
static int fill_call_deep(struct program *p)
{
    put_jump(p, 0, RV_RA, 16);
    put_jump(p, 1, RV_ZERO, 0);
    for (size_t i = 1; i < 16; i++) {
        const size_t at = i * 16;

        put(p, at, rv_addi(RV_T0, RV_T0, 1));
        put(p, at + 1, rv_addi(RV_SP, RV_SP, -16));
        put(p, at + 2, rv_sd(RV_RA, 0, RV_SP));
        put_jump(p, at + 3, RV_RA, at + 16);
        put(p, at + 4, rv_ld(RV_RA, 0, RV_SP));
        put(p, at + 5, rv_addi(RV_SP, RV_SP, 16));
        put(p, at + 6, rv_jalr(RV_ZERO, 0, RV_RA));
    }
    put(p, 256, rv_addi(RV_T0, RV_T0, 1));
    put(p, 257, rv_jalr(RV_ZERO, 0, RV_RA));
    set_x(p, RV_SP, GUEST_DATA + 4096);
    set_round(p, 16, 2 + 15 * 7 + 2, 16);
    return 0;
}

/* ---- Code that changes ------------------------------------------------- */

/* A fence.i with nothing to do. */
static int fill_fence(struct program *p)
{
    put(p, 0, rv_fence_i());
    put(p, 1, rv_addi(RV_T0, RV_T0, 1));
    put_jump(p, 2, RV_ZERO, 0);
    set_round(p, 1, 3, 1);
    return 0;
}

/* A store beside code, in its page: nothing to translate again. */
static int fill_store_beside(struct program *p)
{
    const size_t function = PAGE_WORDS;

    put(p, 0, rv_addi(RV_T1, RV_T1, 1));
    put(p, 1, rv_sw(RV_T1, 1024, RV_S0));
    put(p, 2, rv_fence_i());
    put_jump(p, 3, RV_RA, function);
    put_jump(p, 4, RV_ZERO, 0);
    put(p, function, rv_addi(RV_T0, RV_T0, 1));
    put(p, function + 1, rv_jalr(RV_ZERO, 0, RV_RA));
    set_x(p, RV_S0, address_of(function));
    set_round(p, 1, 7, 1);
    return 0;
}

/* A function whose first instruction becomes addi t0, t0, 2, and 1 again. */
static int fill_patch(struct program *p)
{
    const size_t function = PAGE_WORDS;
    const uint32_t one = rv_addi(RV_T0, RV_T0, 1);
    const uint32_t two = rv_addi(RV_T0, RV_T0, 2);

    for (size_t i = 0; i < 2; i++) {
        put(p, i * 4, rv_xor(RV_T1, RV_T1, RV_T2));
        put(p, i * 4 + 1, rv_sw(RV_T1, 0, RV_S0));
        put(p, i * 4 + 2, rv_fence_i());
        put_jump(p, i * 4 + 3, RV_RA, function);
    }
    put_jump(p, 8, RV_ZERO, 0);
    put(p, function, one);
    put(p, function + 1, rv_jalr(RV_ZERO, 0, RV_RA));
    set_x(p, RV_S0, address_of(function));
    set_x(p, RV_T1, one);
    set_x(p, RV_T2, one ^ two);
    set_round(p, 2, 2 * 6 + 1, 3);
    return 0;
}

/* ---- Running ----------------------------------------------------------- */

enum program_id {
    ALU,
    MEMORY,
    BRANCH,
    MIXED,
    FP,
    EVICT,
    JUMP_NEAR,
    JUMP_FAR,
    INDIRECT_ONE,
    INDIRECT_MANY,
    CALL_NEAR,
    CALL_FAR,
    CALL_DEEP,
    FENCE,
    STORE_BESIDE,
    PATCH,
};

static int (*const fills[])(struct program *p) = {
    [ALU] = fill_alu,
    [MEMORY] = fill_memory,
    [BRANCH] = fill_branch,
    [MIXED] = fill_mixed,
    [FP] = fill_fp,
    [EVICT] = fill_evict,
    [JUMP_NEAR] = fill_jump_near,
    [JUMP_FAR] = fill_jump_far,
    [INDIRECT_ONE] = fill_indirect_one,
    [INDIRECT_MANY] = fill_indirect_many,
    [CALL_NEAR] = fill_call_near,
    [CALL_FAR] = fill_call_far,
    [CALL_DEEP] = fill_call_deep,
    [FENCE] = fill_fence,
    [STORE_BESIDE] = fill_store_beside,
    [PATCH] = fill_patch,
};

static int write_code(struct program *p)
{
    int err = p->fill(p);

    guest_put(p->guest, GUEST_CODE, p->code, EVICT_WORDS);
    return err;
}

static void *setup(int64_t id)
{
    struct program *p = calloc(1, sizeof(*p));

    if (!p) {
        return NULL;
    }
    p->code = calloc(EVICT_WORDS, sizeof(*p->code));
    p->guest = guest_new(XBAR_RISCV_JIT, id == EVICT ? EVICT_LIMIT : 0);
    p->fill = fills[id];
    return p->code && p->guest && write_code(p) == 0 ? p : NULL;
}

static void teardown(void *context)
{
    struct program *p = context;

    guest_free(p->guest);
    free(p->code);
    free(p);
}

static void run(void *context, uint64_t operations)
{
    struct program *p = context;
    const uint64_t rounds = operations / p->operations;
    const uint64_t before = xbar_riscv_get_x(p->guest->hart, RV_T0);

    guest_run(p->guest, rounds * p->insns);
    guest_expect(p->guest, RV_T0, before + rounds * p->adds);
}

/* All code is gone, and its memory was never touched: a first start. */
static void prepare_first(void *context)
{
    struct program *p = context;

    if (xbar_riscv_set_engine(p->guest->hart, XBAR_RISCV_INTERP) ||
        xbar_riscv_set_engine(p->guest->hart, XBAR_RISCV_JIT)) {
        p->guest->wrong = "the engine cannot be set again";
    }
}

/* All code is other code, which the fence.i at its start will see. */
static void prepare_again(void *context)
{
    struct program *p = context;

    p->variant ^= 1;
    if (write_code(p)) {
        p->guest->wrong = "the guest's code cannot be written";
    }
}

static const char *check(void *context)
{
    struct program *p = context;

    return guest_check(p->guest);
}

static const char *check_evicted(void *context)
{
    struct program *p = context;

    return guest_jit_stats(p->guest).evicted ? guest_check(p->guest)
                                             : "no code was ever evicted";
}

static const char *check_invalidated(void *context)
{
    struct program *p = context;

    return guest_jit_stats(p->guest).invalidated ? guest_check(p->guest)
                                                 : "no code was dropped";
}

#define FIELDS(label, id, size)                             \
    .name = label, .arg = (id), .setup = setup, .run = run, \
    .teardown = teardown, .batch = (size)
#define ROW(label, id, size)                    \
    {                                           \
        FIELDS(label, id, size), .check = check \
    }
#define AGAIN(label, id)                                              \
    {                                                                 \
        FIELDS(label, id, STRAIGHT_WORDS), .prepare = prepare_again,  \
                                           .check = check_invalidated \
    }

static const struct bench rows[] = {
    { FIELDS("code/translate_first", ALU, STRAIGHT_WORDS),
      .prepare = prepare_first, .check = check },
    AGAIN("code/translate_alu", ALU),
    AGAIN("code/translate_memory", MEMORY),
    AGAIN("code/translate_branches", BRANCH),
    AGAIN("code/translate_fp", FP),
    AGAIN("code/translate_mixed", MIXED),
    { FIELDS("code/evict", EVICT, EVICT_WORDS), .check = check_evicted },
    ROW("code/jump_near", JUMP_NEAR, 1 << 16),
    ROW("code/jump_far", JUMP_FAR, 1 << 16),
    ROW("code/indirect_one", INDIRECT_ONE, 1 << 16),
    ROW("code/indirect_many", INDIRECT_MANY, 1 << 16),
    ROW("code/call_near", CALL_NEAR, 1 << 16),
    ROW("code/call_far", CALL_FAR, 1 << 16),
    ROW("code/call_deep", CALL_DEEP, 1 << 16),
    ROW("code/fence_i", FENCE, 4096),
    ROW("code/store_beside", STORE_BESIDE, 4096),
    { FIELDS("code/patch", PATCH, 4096), .check = check_invalidated },
};

const struct bench_table bench_code = BENCH_TABLE(rows);
