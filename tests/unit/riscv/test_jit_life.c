/* SPDX-License-Identifier: MIT */
/* The JIT engine comes, works, goes, and comes anew. */
#include "jit/riscv/jit.h"

#include <errno.h>

#include "encode.h"
#include "rig.h"
#include "tests/unit/flatview/counting_alloc.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define CODE     0x1000u
#define ROUNDS   100

static void open_counting(struct rig *rig, struct counting_alloc *alloc)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    const struct xbar_engine_config engine = { .allocator = &alloc->hooks };

    *alloc = (struct counting_alloc){ .hooks = { .alloc = counting_alloc_get,
                                                 .free = counting_alloc_put,
                                                 .opaque = alloc } };
    rig_open_in(rig, &engine, &config);
}

/* Count to ROUNDS, with a jump through a register in each round. */
static void count(struct rig *rig)
{
    const uint32_t code[] = {
        insn_addi(10, 10, 1),
        encode(RISCV_OP_BEQ, 0, 10, 11, 8),
        encode(RISCV_OP_JALR, 0, 12, 0, 0),
        INSN_SELF,
    };

    rig_code(rig, CODE, code, 4);
    rig->hart->pc = RAM_ADDR + CODE;
    rig->hart->x[10] = 0;
    rig->hart->x[11] = ROUNDS;
    rig->hart->x[12] = RAM_ADDR + CODE;
    assert_int_equal(xbar_riscv_run(rig->hart, 3 * ROUNDS),
                     XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(rig->hart->x[10], ROUNDS);
}

/* The jump cache and the return stack must not name code that is gone. */
static void test_engines_come_and_go(void **state)
{
    struct xbar_riscv_jit_stats stats;
    struct counting_alloc alloc;
    struct rig rig;

    (void)state;
    open_counting(&rig, &alloc);
    for (unsigned i = 0; i < 3; i++) {
        long live = atomic_load(&alloc.live_bytes);

        assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
        assert_true(atomic_load(&alloc.live_bytes) > live);
        count(&rig);
        riscv__jit_get_stats(rig.hart, &stats);
        assert_true(stats.blocks > 0); /* anew: nothing was kept */
        assert_true(stats.instructions > 2 * ROUNDS);
        assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_INTERP), 0);
        /* The first one had the memory engine keep a list of code pages. */
        assert_true(i == 0 || atomic_load(&alloc.live_bytes) == live);
        riscv__jit_get_stats(rig.hart, &stats);
        assert_int_equal(stats.blocks, 0);
        count(&rig);
    }
    rig_close(&rig);
    assert_int_equal(atomic_load(&alloc.live_bytes), 0);
}

/* Whichever allocation fails, the interpreter stays, and nothing is lost. */
static void test_no_memory_for_one(void **state)
{
    struct counting_alloc alloc;
    struct rig rig;
    long live;
    int err;
    long n = 0;

    (void)state;
    open_counting(&rig, &alloc);
    live = atomic_load(&alloc.live_bytes);
    do {
        counting_alloc_fail(&alloc, ++n);
        err = xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT);
        counting_alloc_fail(&alloc, 0);
        if (err) {
            assert_int_equal(err, -ENOMEM);
            assert_null(rig.hart->jit);
            assert_int_equal(atomic_load(&alloc.live_bytes), live);
            count(&rig);
        }
    } while (err);
    assert_true(n > 4);
    count(&rig);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engines_come_and_go),
        cmocka_unit_test(test_no_memory_for_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
