/* SPDX-License-Identifier: MIT */
/*
 * Loops translated as a whole, against the interpreter: random ones, nested,
 * with ifs and ways out in them, over memory, devices and nothing at all. The
 * hart is stopped again and again, wherever its budget ends, and everything
 * compared: registers, memory, pc, what a trap says, instructions retired.
 *
 * XBAR_SEED=N runs just the program of one; 20 times as many with XBAR_LONG=1.
 */
#include "jit/riscv/region/region.h"

#include <stdlib.h>

#include "random_loops.h"
#include "tests/guest/insn_scale.h"

#define PAUSES 24u

/* ---- Running it -------------------------------------------------------- */

static void compare(const struct rig *a, const struct rig *b)
{
    assert_memory_equal(a->hart->x, b->hart->x, sizeof(a->hart->x));
    assert_int_equal(a->hart->pc, b->hart->pc);
    assert_int_equal(a->hart->mepc, b->hart->mepc);
    assert_int_equal(a->hart->mcause, b->hart->mcause);
    assert_int_equal(a->hart->mtval, b->hart->mtval);
    assert_int_equal(a->io_writes, b->io_writes);
    assert_int_equal(a->hart->stats.instructions, b->hart->stats.instructions);
    assert_memory_equal(a->mem + DATA, b->mem + DATA, WINDOW + 8);
    assert_memory_equal(a->mem + RIG_RAM_SIZE - 4 * WINDOW,
                        b->mem + RIG_RAM_SIZE - 4 * WINDOW, 4 * WINDOW);
}

static void check_agreement(const struct rig *rig)
{
    const char *mismatch = xbar_riscv_mismatch(rig->hart);

    if (mismatch != NULL) {
        print_message("%s", mismatch);
    }
    assert_null(mismatch);
}

static void run_both(struct rig *a, struct rig *b, struct program *p)
{
    start(a, p);
    start(b, p);
    for (unsigned i = 0; i < PAUSES; i++) {
        /* Often short, so that a region is left, or not entered, anywhere. */
        uint64_t insns = 1 + draw(p, i % 3 ? 60 : 3000);

        assert_int_equal(xbar_riscv_run(a->hart, insns),
                         XBAR_RISCV_EXIT_BUDGET);
        (void)xbar_riscv_run(b->hart, insns);
        check_agreement(b);
        compare(a, b);
    }
}

static const struct variant {
    enum xbar_riscv_engine engine;
    unsigned programs;
    struct xbar_riscv_config config;
} variants[] = {
    { XBAR_RISCV_JIT, 1200, { .stress = XBAR_RISCV_STRESS_REGION } },
    { XBAR_RISCV_JIT,
      400,
      { .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_BASELINE |
                  XBAR_RISCV_STRESS_SPAN } },
    { XBAR_RISCV_JIT,
      400,
      { .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_TLB } },
    { XBAR_RISCV_JIT,
      200,
      { .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_CHAIN } },
    { XBAR_RISCV_JIT,
      100,
      { .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_EVICT } },
    { XBAR_RISCV_JIT,
      200,
      { .stress = XBAR_RISCV_STRESS_REGION, .code_limit = 4096 } },
    { XBAR_RISCV_LOCKSTEP, 400, { .stress = XBAR_RISCV_STRESS_REGION } },
};

static bool is_region(void *opaque, const struct xbar_riscv_block *block)
{
    *(unsigned *)opaque += block->insns > RISCV_BLOCK_INSNS / 2;
    return true;
}

static void run_variant(const struct variant *variant, unsigned number)
{
    const char *one = getenv("XBAR_SEED");
    size_t programs = insn_scale(variant->programs);
    struct program *p = test_malloc(sizeof(*p));
    struct rig rig[2];
    unsigned regions = 0;

    open_rig(&rig[0], &variant->config, XBAR_RISCV_INTERP);
    open_rig(&rig[1], &variant->config, variant->engine);
    for (size_t i = 0; i < programs; i++) {
        uint64_t seed = one ? strtoull(one, NULL, 0) : 1000 * number + i;

        make_program(p, seed);
        run_both(&rig[0], &rig[1], p);
        xbar_riscv_for_each_block(rig[1].hart, is_region, &regions);
        if (one) {
            break;
        }
    }
    print_message("variant %u: %zu programs, %u large regions\n", number,
                  programs, regions);
    assert_true(one || variant->config.code_limit != 0 ||
                variant->config.stress & XBAR_RISCV_STRESS_EVICT ||
                regions > programs / 8);
    rig_close(&rig[0]);
    rig_close(&rig[1]);
    test_free(p);
}

static void random_loops(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(variants); i++) {
        run_variant(&variants[i], i);
    }
}

/* Without stress: plain blocks first, a region once the loop is hot. */
static void loops_get_hot(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    struct program *p = test_malloc(sizeof(*p));
    struct rig rig[2];

    (void)state;
    open_rig(&rig[0], &config, XBAR_RISCV_INTERP);
    open_rig(&rig[1], &config, XBAR_RISCV_JIT);
    for (unsigned i = 0; i < 20; i++) {
        make_program(p, 1000000 + i);
        start(&rig[0], p);
        start(&rig[1], p);
        for (unsigned k = 0; k < 2; k++) {
            rig[k].hart->x[OUTER] = 100000;
            rig[k].hart->x[STRAY] = RAM_ADDR + DATA;
        }
        for (unsigned k = 0; k < 6; k++) {
            uint64_t insns = 200000 + draw(p, 1000);

            (void)xbar_riscv_run(rig[0].hart, insns);
            (void)xbar_riscv_run(rig[1].hart, insns);
            compare(&rig[0], &rig[1]);
        }
    }
    rig_close(&rig[0]);
    rig_close(&rig[1]);
    test_free(p);
}

/* ---- Loops with something about them ----------------------------------- */

static bool is_larger_than_blocks(void *opaque,
                                  const struct xbar_riscv_block *block)
{
    *(unsigned *)opaque += block->insns > RISCV_BLOCK_INSNS;
    return true;
}

/* The same code in both, from @x on, to its end at INSN_SELF. Returns how many
 * regions of more instructions than blocks have came of it. */
static unsigned run_code(const struct program *p, const uint64_t *x)
{
    const struct xbar_riscv_config config = {
        .stress = XBAR_RISCV_STRESS_REGION,
    };
    struct rig rig[2];
    unsigned regions = 0;

    open_rig(&rig[0], &config, XBAR_RISCV_INTERP);
    open_rig(&rig[1], &config, XBAR_RISCV_JIT);
    for (unsigned k = 0; k < 2; k++) {
        start(&rig[k], p);
        memcpy(rig[k].hart->x, x, sizeof(rig[k].hart->x));
    }
    for (unsigned i = 0; i < 40; i++) {
        (void)xbar_riscv_run(rig[0].hart, 500);
        (void)xbar_riscv_run(rig[1].hart, 500);
        compare(&rig[0], &rig[1]);
    }
    xbar_riscv_for_each_block(rig[1].hart, is_larger_than_blocks, &regions);
    rig_close(&rig[0]);
    rig_close(&rig[1]);
    return regions;
}

/* One way back leaves a0 narrow. On the other it is compared, whole, with a1,
 * of which nothing is known: their lower halves are equal. */
static void what_a_branch_compares(void **state)
{
    struct program *p = test_calloc(1, sizeof(*p));
    uint64_t x[32] = { [12] = 4, [OUTER] = 50 };

    (void)state;
    put(p, encode(RISCV_OP_ADDI, OUTER, OUTER, 0, -1));
    put(p, encode(RISCV_OP_ADDW, 10, 12, 0, 0));
    put(p, encode(RISCV_OP_ANDI, 13, OUTER, 0, 1));
    put(p, encode(RISCV_OP_BNE, 0, 13, 0, -12));
    put(p, encode(RISCV_OP_BEQ, 0, OUTER, 0, 12));
    put(p, encode(RISCV_OP_BNE, 0, 10, 11, -20));
    put(p, encode(RISCV_OP_ADDI, 14, 0, 0, 1)); /* not reached */
    put(p, INSN_SELF);
    for (unsigned i = 0; i < 2; i++) {
        x[11] = i ? 4 : UINT64_C(0x500000004);
        (void)run_code(p, x);
    }
    test_free(p);
}

/* On one way back s0 is lazy, the shift of a rotation; on the other it is the
 * same shift, but compared before it may be forgotten. */
static void what_a_branch_forgets(void **state)
{
    struct program *p = test_calloc(1, sizeof(*p));
    uint64_t x[32] = { [8] = 77, [14] = 0x12345678, [OUTER] = 50 };

    (void)state;
    put(p, encode(RISCV_OP_ADDI, OUTER, OUTER, 0, -1));
    put(p, encode(RISCV_OP_SRLIW, 8, 14, 0, 6));
    put(p, encode(RISCV_OP_SLLIW, 10, 14, 0, 26));
    put(p, encode(RISCV_OP_OR, 10, 10, 8, 0));
    put(p, encode(RISCV_OP_ANDI, 13, OUTER, 0, 1));
    put(p, encode(RISCV_OP_BNE, 0, 13, 0, -20));
    put(p, encode(RISCV_OP_SRLIW, 8, 14, 0, 6));
    put(p, encode(RISCV_OP_BEQ, 0, OUTER, 0, 12));
    put(p, encode(RISCV_OP_BNE, 0, 8, 11, -32));
    put(p, encode(RISCV_OP_ADDI, 15, 0, 0, 1));
    put(p, INSN_SELF);
    for (unsigned i = 0; i < 2; i++) {
        x[11] = i ? 0x12345678 >> 6 : 77;
        (void)run_code(p, x);
    }
    test_free(p);
}

/* Twice does not fit, once does. */
static void a_loop_that_is_not_peeled(void **state)
{
    struct program *p = test_calloc(1, sizeof(*p));
    uint64_t x[32] = { [BASE] = RAM_ADDR + DATA, [OUTER] = 50 };

    (void)state;
    for (unsigned i = 0; i < JIT_COLD_MAX * 2 / 3; i++) {
        put(p, encode(i % 2 ? RISCV_OP_LW : RISCV_OP_SW, i % 2 ? 10 : 0, BASE,
                      i % 2 ? 0 : 10, 4 * (int)(i % 64)));
    }
    put(p, encode(RISCV_OP_ADDIW, 10, 10, 0, 1));
    put_loop(p, OUTER, 0);
    put(p, INSN_SELF);
    assert_int_equal(run_code(p, x), 1);
    test_free(p);
}

/* In slices of @insns from the beginning on. */
static void run_slices(struct rig *rig, const struct program *p, uint64_t insns)
{
    static const uint64_t x[32] = { [9] = 1, [OUTER] = 9 };

    for (unsigned k = 0; k < 2; k++) {
        start(&rig[k], p);
        memcpy(rig[k].hart->x, x, sizeof(x));
    }
    for (unsigned i = 0; i < 12; i++) {
        for (unsigned k = 0; k < 2; k++) {
            assert_int_equal(xbar_riscv_run(rig[k].hart, insns),
                             XBAR_RISCV_EXIT_BUDGET);
        }
        compare(&rig[0], &rig[1]);
    }
}

/* Who leaves in the middle of a loop gets back what is paid for of its rest,
 * whichever of two ways leaves, behind an if and before one: after slices of
 * each size. */
static void ways_out_before_the_end(void **state)
{
    const struct xbar_riscv_config config = {
        .stress = XBAR_RISCV_STRESS_REGION,
    };
    struct program *p = test_calloc(1, sizeof(*p));
    struct rig rig[2];

    (void)state;
    put(p, encode(RISCV_OP_ANDI, 10, OUTER, 0, 1));
    put(p, encode(RISCV_OP_BEQ, 0, 10, 0, 12)); /* an if */
    put(p, encode(RISCV_OP_ADD, 11, 11, 9, 0));
    put(p, encode(RISCV_OP_SLLI, 12, 11, 0, 3));
    put(p, encode(RISCV_OP_ANDI, 10, OUTER, 0, 3));
    put(p, encode(RISCV_OP_BNE, 0, 10, 9, 8)); /* one in four leaves */
    put_call(p);
    put(p, encode(RISCV_OP_XOR, 12, 12, 11, 0));
    put(p, encode(RISCV_OP_BNE, 0, 10, 0, 8)); /* then three in four */
    put(p, encode(RISCV_OP_JAL, 0, 0, 0, 8));
    put_call(p);
    put(p, encode(RISCV_OP_BEQ, 0, 10, 9, 8)); /* an if */
    put(p, encode(RISCV_OP_ADDI, 13, 13, 0, 1));
    put(p, encode(RISCV_OP_ADDI, 14, 14, 0, 1));
    put_loop(p, OUTER, 0);
    put(p, INSN_SELF);
    open_rig(&rig[0], &config, XBAR_RISCV_INTERP);
    open_rig(&rig[1], &config, XBAR_RISCV_JIT);
    for (uint64_t insns = 1; insns < 160; insns++) {
        run_slices(rig, p, insns);
    }
    rig_close(&rig[0]);
    rig_close(&rig[1]);
    test_free(p);
}

struct hottest {
    uint64_t executions;
    unsigned fields; /* that its code moves to, or from */
};

/* mov [rbp+d8], r and the other way, of 8 bytes. */
static bool count_fields(void *opaque, const struct xbar_riscv_block *block)
{
    struct hottest *hottest = opaque;

    if (block->executions <= hottest->executions) {
        return true;
    }
    *hottest = (struct hottest){ .executions = block->executions };
    for (unsigned i = 0; i + 3 < block->hot_size; i++) {
        const uint8_t *at = block->code + i;

        hottest->fields += (at[0] & 0xfb) == 0x48 &&
                           (at[1] == 0x89 || at[1] == 0x8b) &&
                           (at[2] & 0xc7) == 0x45;
    }
    return true;
}

/* As many registers as there are homes, none of which they have outside; some
 * are written before they are read. */
static void few_registers_stay_at_home(void **state)
{
    static const uint8_t regs[] = { 5, 6, 7, 18, 19, 20, 21, 22, 23, OUTER };
    const struct xbar_riscv_config config = {
        .stress = XBAR_RISCV_STRESS_REGION,
        .count_blocks = true,
    };
    struct program *p = test_calloc(1, sizeof(*p));
    struct rig rig;
    struct hottest hottest = { 0 };

    (void)state;
    for (unsigned i = 0; i + 1 < COUNT(regs); i++) {
        put(p, encode(i % 2 ? RISCV_OP_ADD : RISCV_OP_SLLI, regs[i],
                      regs[i % 2 ? i - 1 : i + 1], i % 2 ? regs[i] : 0,
                      i % 2 ? 0 : 1));
    }
    put(p, encode(RISCV_OP_ADDI, OUTER, OUTER, 0, -1));
    put(p, encode(RISCV_OP_BNE, 0, OUTER, 0, -4 * (int)p->count));
    put(p, INSN_SELF);
    open_rig(&rig, &config, XBAR_RISCV_JIT);
    start(&rig, p);
    rig.hart->x[OUTER] = 10000;
    for (unsigned i = 0; i < 8; i++) {
        (void)xbar_riscv_run(rig.hart, 5000);
    }
    xbar_riscv_for_each_block(rig.hart, count_fields, &hottest);
    assert_true(hottest.executions > 500);
    assert_int_equal(hottest.fields, 0);
    rig_close(&rig);
    test_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_loops),
        cmocka_unit_test(loops_get_hot),
        cmocka_unit_test(what_a_branch_compares),
        cmocka_unit_test(what_a_branch_forgets),
        cmocka_unit_test(a_loop_that_is_not_peeled),
        cmocka_unit_test(ways_out_before_the_end),
        cmocka_unit_test(few_registers_stay_at_home),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
