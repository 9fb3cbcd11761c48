/* SPDX-License-Identifier: MIT */
/*
 * Facts, against what the interpreter finds in registers; rotations that are
 * found, and such as must not be.
 */
#include "jit/riscv/region/region.h"

#include "encode.h"
#include "exec.h"
#include "tests/guest/insn_scale.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Facts ------------------------------------------------------------- */

static uint64_t value_of(const struct region_fact *fact, uint64_t from)
{
    uint32_t lower = (uint32_t)from;

    lower = fact->kind == REGION_LEFT ? lower << fact->by : lower >> fact->by;
    return (uint64_t)(int64_t)(int32_t)lower;
}

static bool is_true(const struct region_fact *facts, const uint64_t *x)
{
    for (unsigned reg = 1; reg < 32; reg++) {
        const struct region_fact *fact = &facts[reg];

        if (fact->kind == REGION_COPY &&
            (uint32_t)x[reg] != (uint32_t)x[fact->from]) {
            return false;
        }
        if (fact->kind > REGION_COPY &&
            x[reg] != value_of(fact, x[fact->from])) {
            return false;
        }
    }
    return true;
}

static uint32_t any_insn(uint64_t *seed)
{
    static const uint8_t ops[] = {
        RISCV_OP_SLLIW, RISCV_OP_SRLIW, RISCV_OP_SRAIW, RISCV_OP_ADDI,
        RISCV_OP_ADDIW, RISCV_OP_ADD,   RISCV_OP_ADDW,  RISCV_OP_SUBW,
        RISCV_OP_SLLI,  RISCV_OP_OR,    RISCV_OP_MUL,
    };
    enum riscv_op op = (enum riscv_op)ops[rig_random(seed) % COUNT(ops)];
    unsigned fields = riscv__formats[riscv__ops[op].format].fields;
    unsigned rd = (unsigned)(rig_random(seed) % 7);
    unsigned rs1 = (unsigned)(rig_random(seed) % 7);
    unsigned rs2 = (unsigned)(rig_random(seed) % 7);
    int imm = (int)(rig_random(seed) % 32);

    if (rig_random(seed) % 2) { /* copies, mostly */
        imm = riscv__formats[riscv__ops[op].format].imm == RISCV_IMM_SHIFT ? imm
                                                                           : 0;
        rs2 = 0;
    }
    return encode(op, rd, rs1, fields & RISCV_RS2 ? rs2 : 0, imm);
}

static void facts_are_true(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = 4711;
    unsigned found = 0;

    for (size_t i = 0; i < insn_scale(2000); i++) {
        struct region_fact facts[32] = { { REGION_ANYTHING, 0, 0 } };

        for (unsigned reg = 1; reg < 8; reg++) {
            rig->hart->x[reg] = rig_random(&seed);
        }
        for (unsigned k = 0; k < 60; k++) {
            uint32_t bits = any_insn(&seed);
            struct riscv_insn insn;

            riscv__decode(&insn, bits);
            exec_ok(rig, bits);
            riscv__step_facts(facts, &insn, (uint32_t)rig_random(&seed));
            assert_true(is_true(facts, rig->hart->x));
            for (unsigned reg = 1; reg < 8; reg++) {
                found += facts[reg].kind > REGION_COPY;
            }
        }
    }
    print_message("%u shifts known\n", found);
    assert_true(found > insn_scale(20000));
}

/* A shift goes over to a copy when what it is of changes, but not to one that
 * must not be used. */
static void through_a_copy(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_SRLIW, 9, 12, 0, 2),  /* s1 = a2 >> 2 */
        encode(RISCV_OP_ADDIW, 17, 12, 0, 0), /* a7 = a2 */
        encode(RISCV_OP_ADD, 12, 12, 11, 0),
    };

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        struct region_fact facts[32] = { { REGION_ANYTHING, 0, 0 } };

        for (unsigned i = 0; i < COUNT(code); i++) {
            struct riscv_insn insn;

            riscv__decode(&insn, code[i]);
            riscv__step_facts(facts, &insn, k ? UINT32_C(1) << 17 : 0);
        }
        assert_int_equal(facts[9].kind, k ? REGION_ANYTHING : REGION_RIGHT);
        if (k == 0) {
            assert_int_equal(facts[9].from, 17);
            assert_int_equal(facts[9].by, 2);
        }
        assert_int_equal(facts[17].kind, REGION_ANYTHING);
    }
}

static void what_all_ways_say(void **state)
{
    struct region_fact a[32] = { [1] = { REGION_LEFT, 5, 3 },
                                 [2] = { REGION_LEFT, 5, 3 },
                                 [3] = { REGION_COPY, 6, 0 },
                                 [4] = { REGION_RIGHT, 7, 9 } };
    struct region_fact b[32] = { [1] = { REGION_LEFT, 5, 3 },
                                 [2] = { REGION_LEFT, 5, 4 },
                                 [3] = { REGION_COPY, 7, 0 },
                                 [4] = { REGION_LEFT, 7, 9 },
                                 [8] = { REGION_LEFT, 7, 9 } };

    (void)state;
    assert_true(riscv__meet_facts(a, b));
    assert_int_equal(a[1].kind, REGION_LEFT);
    for (unsigned reg = 2; reg < 32; reg++) {
        assert_int_equal(a[reg].kind, REGION_ANYTHING);
    }
    assert_false(riscv__meet_facts(a, b));
}

/* ---- Rotations --------------------------------------------------------- */

struct found {
    struct riscv_insn insns[8];
    bool is_lazy[8];
};

/* Is the last of @code, before which anything may be, a rotation then? Behind
 * it, @read is read. */
static bool find(struct found *found, const uint32_t *code, unsigned count,
                 unsigned read)
{
    uint16_t distance[32];

    memset(found, 0, sizeof(*found));
    for (unsigned reg = 0; reg < 32; reg++) {
        distance[reg] = reg == read ? 0 : REGION_FAR;
    }
    for (unsigned i = 0; i < count; i++) {
        riscv__decode(&found->insns[i], code[i]);
    }
    riscv__find_rotations(&(struct region_rotations){
        found->insns, count, distance, found->is_lazy });
    return found->insns[count - 1].op == RISCV_OP_RORIW;
}

static void a_rotation(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_SRLIW, 8, 14, 0, 6),
        encode(RISCV_OP_LW, 13, 5, 0, 0),
        encode(RISCV_OP_SLLIW, 10, 14, 0, 26),
        encode(RISCV_OP_OR, 10, 10, 8, 0),
    };
    struct found found;

    (void)state;
    assert_true(find(&found, code, COUNT(code), 0));
    assert_true(found.is_lazy[0] && found.is_lazy[2]);
    assert_false(found.is_lazy[1] || found.is_lazy[3]);
    assert_int_equal(found.insns[3].rs1, 14);
    assert_int_equal(found.insns[3].rs2, 0);
    assert_int_equal(found.insns[3].rd, 10);
    assert_int_equal(found.insns[3].imm, 6);
    /* Somebody reads the rotated value, or one of the shifts. */
    assert_true(find(&found, code, COUNT(code), 10));
    assert_false(find(&found, code, COUNT(code), 8));
}

static void no_rotation(void **state)
{
    const uint32_t right = encode(RISCV_OP_SRLIW, 8, 14, 0, 6);
    const uint32_t left = encode(RISCV_OP_SLLIW, 10, 14, 0, 26);
    const uint32_t or = encode(RISCV_OP_OR, 10, 10, 8, 0);
    const uint32_t codes[][4] = {
        { encode(RISCV_OP_LW, 14, 5, 0, 0), right, left, or }, /* one is */
        { right, encode(RISCV_OP_LW, 14, 5, 0, 0), left, or },
        { right, left, encode(RISCV_OP_LW, 14, 5, 0, 0), or },
        { right, left, encode(RISCV_OP_ADDI, 5, 8, 0, 1), or },
        { right, left, encode(RISCV_OP_SW, 0, 5, 10, 0), or },
        { right, left, encode(RISCV_OP_ADDI, 8, 8, 0, 1), or },
        { INSN_NOP, right, encode(RISCV_OP_SLLIW, 10, 14, 0, 25), or },
        { INSN_NOP, right, encode(RISCV_OP_SLLIW, 10, 15, 0, 26), or },
        { INSN_NOP, right, encode(RISCV_OP_SLLI, 10, 14, 0, 26), or },
        { INSN_NOP, right, encode(RISCV_OP_SLLIW, 14, 14, 0, 26),
          encode(RISCV_OP_OR, 10, 14, 8, 0) },
        { INSN_NOP, INSN_NOP, left, or },
        { INSN_NOP, right, left, encode(RISCV_OP_OR, 10, 10, 10, 0) },
        { INSN_NOP, right, left, encode(RISCV_OP_OR, 10, 10, 0, 0) },
    };

    (void)state;
    for (unsigned i = 0; i < COUNT(codes); i++) {
        struct found found;

        assert_int_equal(find(&found, codes[i], 4, 0), i == 0);
        assert_int_equal(found.is_lazy[1], i == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_true),    cmocka_unit_test(through_a_copy),
        cmocka_unit_test(what_all_ways_say), cmocka_unit_test(a_rotation),
        cmocka_unit_test(no_rotation),
    };

    return cmocka_run_group_tests(tests, exec_open, exec_close);
}
