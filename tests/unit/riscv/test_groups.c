/* SPDX-License-Identifier: MIT */
/* Which accesses are checked together. */
#include "jit/riscv/groups.h"

#include "encode.h"
#include "exec.h"
#include "jit/riscv/ahead.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX          40u

static const struct riscv_group_rules plain = { .gap = 2 };

static void decode_all(struct riscv_insn *insns, const uint32_t *code,
                       unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        riscv__decode(&insns[i], code[i]);
    }
}

static uint32_t load(unsigned rd, unsigned base, int offset)
{
    return encode(RISCV_OP_LD, rd, base, 0, offset);
}

static uint32_t store(unsigned base, int offset)
{
    return encode(RISCV_OP_SW, 0, base, 15, offset);
}

/* ---- Single cases ------------------------------------------------------ */

static void one_base(void **state)
{
    const uint32_t code[] = {
        INSN_NOP, store(2, 24),   store(2, 8),
        INSN_NOP, store(2, -200), encode(RISCV_OP_FENCE_I, 0, 0, 0, 0)
    };
    struct riscv_insn insns[COUNT(code)];
    struct riscv_group group;

    (void)state;
    decode_all(insns, code, COUNT(code));
    assert_true(riscv__find_group(insns, COUNT(code), 0, plain, &group));
    assert_int_equal(group.first, 1);
    assert_int_equal(group.last, 4);
    assert_int_equal(group.check_count, 1);
    assert_int_equal(group.checks[0].base, 2);
    assert_true(group.checks[0].writes);
    assert_int_equal(group.checks[0].low, -200);
    assert_int_equal(group.checks[0].high, 24);
    assert_false(riscv__find_group(insns, COUNT(code), 5, plain, &group));
    assert_int_equal(group.first, COUNT(code));
}

/* What is alone is in it only between others. */
static void several_bases(void **state)
{
    const uint32_t code[] = { load(10, 7, 0), load(11, 8, 0), load(12, 9, 64),
                              load(13, 8, 8), store(9, 0),    load(14, 6, 0) };
    struct riscv_insn insns[COUNT(code)];
    struct riscv_group group;

    (void)state;
    decode_all(insns, code, COUNT(code));
    assert_true(riscv__find_group(insns, COUNT(code), 0, plain, &group));
    assert_int_equal(group.first, 1);
    assert_int_equal(group.last, 3);
    assert_int_equal(group.check_count, 2);
    assert_int_equal(group.checks[0].base, 8);
    assert_int_equal(group.checks[0].high, 8);
    assert_int_equal(group.checks[1].base, 9);
    assert_false(group.checks[1].writes);
    assert_int_equal(group.checks[1].low, 64);
    assert_int_equal(group.checks[1].high, 64);
}

/* Two accesses by one base with @between. */
static bool are_together(uint32_t first, uint32_t between, uint32_t second,
                         struct riscv_group_rules rules)
{
    const uint32_t code[] = { first, between, second };
    struct riscv_insn insns[COUNT(code)];
    struct riscv_group group;

    decode_all(insns, code, COUNT(code));
    return riscv__find_group(insns, COUNT(code), 0, rules, &group);
}

static void what_comes_between(void **state)
{
    const uint32_t a = load(10, 8, 0), b = load(11, 8, 8);
    const struct riscv_group_rules fp = { .gap = 2, .fp = true };
    const struct riscv_group_rules close = { .gap = 0 };
    const uint32_t flw = encode(RISCV_OP_FLW, 8, 8, 0, 4);

    (void)state;
    assert_true(are_together(a, INSN_NOP, b, plain));
    assert_true(are_together(a, encode(RISCV_OP_MUL, 9, 8, 10, 0), b, plain));
    assert_true(are_together(a, load(12, 9, 0), b, plain));
    assert_true(are_together(a, INSN_NOP, load(8, 8, 8), plain));
    assert_true(are_together(a, flw, b, fp)); /* f8 is no base */

    assert_false(are_together(a, INSN_NOP, b, close));
    assert_false(are_together(a, INSN_NOP, store(8, 8), plain));
    assert_false(are_together(a, insn_addi(8, 8, 16), b, plain));
    assert_false(are_together(load(8, 8, 0), INSN_NOP, b, plain));
    assert_false(are_together(a, load(8, 9, 0), b, plain));
    assert_false(are_together(a, flw, b, plain));
    assert_false(are_together(a, encode(RISCV_OP_FADD_D, 1, 1, 1, 0), b, fp));
    assert_false(
        are_together(a, encode(RISCV_OP_AMOADD_D, 12, 9, 13, 0), b, plain));
    assert_false(are_together(a, encode(RISCV_OP_FENCE, 0, 0, 0, 0), b, plain));
    assert_false(are_together(a, encode(RISCV_OP_BEQ, 0, 9, 9, 8), b, plain));
    assert_false(
        are_together(a, encode(RISCV_OP_CBO_ZERO, 0, 9, 0, 0), b, plain));
}

/* No more checks than there is room for. */
static void many_bases(void **state)
{
    uint32_t code[2 * JIT_CHECKS + 2];
    struct riscv_insn insns[COUNT(code)];
    struct riscv_group group;

    (void)state;
    for (unsigned i = 0; i < COUNT(code); i++) {
        code[i] = load(10, 11 + i % (JIT_CHECKS + 1), (int)i);
    }
    decode_all(insns, code, COUNT(code));
    assert_false(riscv__find_group(insns, COUNT(code), 0, plain, &group));
    code[4] = load(10, 14, 1);
    decode_all(insns, code, COUNT(code));
    assert_true(riscv__find_group(insns, COUNT(code), 0, plain, &group));
    assert_int_equal(group.first, 0);
    assert_int_equal(group.last, 8); /* the next has another base */
    assert_int_equal(group.check_count, JIT_CHECKS);
}

/* ---- Any code ---------------------------------------------------------- */

static uint32_t any_insn(uint64_t *seed)
{
    static const uint8_t ops[] = {
        RISCV_OP_LD,  RISCV_OP_LBU, RISCV_OP_SD,       RISCV_OP_SH,
        RISCV_OP_ADD, RISCV_OP_LUI, RISCV_OP_AMOADD_W, RISCV_OP_LD,
        RISCV_OP_SD,  RISCV_OP_FLD, RISCV_OP_FSD,
    };
    enum riscv_op op = (enum riscv_op)ops[rig_random(seed) % COUNT(ops)];
    unsigned fields = riscv__formats[riscv__ops[op].format].fields;

    return encode(op, fields & RISCV_RD ? (unsigned)(rig_random(seed) % 20) : 0,
                  fields & RISCV_RS1 ? (unsigned)(rig_random(seed) % 6) : 0,
                  fields & RISCV_RS2 ? (unsigned)(rig_random(seed) % 6) : 0,
                  op == RISCV_OP_LUI || op == RISCV_OP_AMOADD_W
                      ? 0
                      : (int)(rig_random(seed) % 4096) - 2048);
}

static bool is_store(const struct riscv_insn *insn)
{
    return riscv__ops[insn->op].class == RISCV_CLASS_STORE;
}

/* The check that says that @insn hits. */
static unsigned covering(const struct riscv_group *group,
                         const struct riscv_insn *insn)
{
    for (unsigned i = 0; i < group->check_count; i++) {
        const struct jit_check *check = &group->checks[i];

        if (check->base == insn->rs1 && check->writes == is_store(insn) &&
            check->low <= insn->imm && insn->imm <= check->high) {
            return i;
        }
    }
    return JIT_CHECKS;
}

/* Return: accesses. */
static unsigned check_group(const struct riscv_insn *insns,
                            const struct riscv_group *group,
                            struct riscv_group_rules rules)
{
    unsigned accesses = 0, gap = 0, members[JIT_CHECKS + 1] = { 0 };
    uint32_t written = 0;

    for (unsigned i = group->first; i <= group->last; i++) {
        const struct riscv_insn *insn = &insns[i];
        bool is_load = riscv__ops[insn->op].class == RISCV_CLASS_LOAD;
        bool is_fp = riscv__formats[riscv__ops[insn->op].format].fp != 0;

        assert_true(rules.fp || !is_fp);
        if (!is_load && !is_store(insn)) {
            assert_true(riscv__only_computes(insn));
            assert_true(++gap <= rules.gap);
        } else {
            assert_true(covering(group, insn) < JIT_CHECKS);
            assert_false(written >> insn->rs1 & 1);
            members[covering(group, insn)]++;
            accesses++;
            gap = 0;
        }
        if (insn->rd != 0 && !is_fp) {
            written |= UINT32_C(1) << insn->rd;
        }
    }
    assert_true(members[covering(group, &insns[group->first])] > 1);
    assert_true(members[covering(group, &insns[group->last])] > 1);
    return accesses;
}

static void all_that_is_found_holds(void **state)
{
    uint64_t seed = 31;
    unsigned found = 0, accesses = 0;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        const struct riscv_group_rules rules = {
            .gap = (unsigned)(rig_random(&seed) % 4),
            .fp = rig_random(&seed) % 2,
        };
        struct riscv_insn insns[MAX];
        struct riscv_group group;

        for (unsigned i = 0; i < MAX; i++) {
            riscv__decode(&insns[i], any_insn(&seed));
        }
        for (unsigned from = 0;
             riscv__find_group(insns, MAX, from, rules, &group);
             from = group.last + 1u) {
            assert_true(group.first >= from && group.last < MAX);
            accesses += check_group(insns, &group, rules);
            found++;
        }
    }
    print_message("%u groups of %u accesses\n", found, accesses);
    assert_true(found > 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_base),
        cmocka_unit_test(several_bases),
        cmocka_unit_test(what_comes_between),
        cmocka_unit_test(many_bases),
        cmocka_unit_test(all_that_is_found_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
