/* SPDX-License-Identifier: MIT */
/*
 * Lockstep: it says nothing while the engines agree, on loads, stores,
 * devices, faults and code that changes; and it names the block when emitted
 * code is made to do something else.
 */
#include <errno.h>
#include <string.h>

#include "encode.h"
#include "jit/riscv/jit.h"
#include "rig.h"
#include "tests/unit/counting_alloc.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define CODE     0x1000u
#define FENCE_I  0x0000100fu
#define HANDLER  0x8000u

static int set_up(void **state)
{
    static struct rig rig;
    static const uint32_t handler = INSN_SELF;

    rig_open(&rig);
    rig_open_pmp(&rig);
    rig_code(&rig, HANDLER, &handler, 1);
    rig.hart->mtvec = RAM_ADDR + HANDLER;
    rig.hart->pc = RAM_ADDR + CODE;
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_LOCKSTEP), 0);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    return 0;
}

static const uint32_t loop[] = {
    0x0005b603u, /* ld   a2, 0(a1) */
    0x00a60633u, /* add  a2, a2, a0 */
    0x00c5b023u, /* sd   a2, 0(a1) */
    0x00858593u, /* addi a1, a1, 8 */
    0xfff50513u, /* addi a0, a0, -1 */
    0xfe0516e3u, /* bnez a0, -20 */
    INSN_SELF,
};
#define LOOP_COUNT (sizeof(loop) / sizeof(loop[0]))

static void start_loop(struct rig *rig)
{
    rig_code(rig, CODE, loop, LOOP_COUNT);
    rig->hart->x[10] = 100;
    rig->hart->x[11] = RAM_ADDR + 0x10000;
}

static void test_agreement_is_silent(void **state)
{
    struct rig *rig = *state;
    uint64_t first, last;

    start_loop(rig);
    assert_int_equal(xbar_riscv_run(rig->hart, 601), XBAR_RISCV_EXIT_BUDGET);
    assert_null(xbar_riscv_mismatch(rig->hart));
    memcpy(&first, rig->mem + 0x10000, 8);
    memcpy(&last, rig->mem + 0x10000 + 99 * 8, 8);
    assert_int_equal(first, 100);
    assert_int_equal(last, 1);
}

static void test_devices_act_once(void **state)
{
    struct rig *rig = *state;
    const uint32_t code[] = { insn_sd(10, 6, 0),
                              encode(RISCV_OP_LD, 11, 6, 0, 8), INSN_SELF };

    rig_code(rig, CODE, code, 3);
    rig->hart->x[6] = RIG_IO;
    rig->hart->x[10] = 77;
    assert_int_equal(xbar_riscv_run(rig->hart, 3), XBAR_RISCV_EXIT_BUDGET);
    assert_null(xbar_riscv_mismatch(rig->hart));
    assert_int_equal(rig->io_writes, 1);
    assert_int_equal(rig->hart->x[11], 77);
}

static void test_faults_agree(void **state)
{
    struct rig *rig = *state;
    const uint32_t code[] = { insn_addi(10, 0, 1), insn_sd(10, 6, 0),
                              insn_addi(10, 0, 2) };

    rig_code(rig, CODE, code, 3);
    rig->hart->x[6] = 0x40000000;
    assert_int_equal(xbar_riscv_run(rig->hart, 5), XBAR_RISCV_EXIT_BUDGET);
    assert_null(xbar_riscv_mismatch(rig->hart));
    assert_int_equal(rig->hart->mcause, CAUSE_STORE_ACCESS);
    assert_int_equal(rig->hart->mepc, RAM_ADDR + CODE + 4);
    assert_int_equal(rig->hart->x[10], 1);
}

/* Emitted code from other bytes than the block says it was made of. */
static void forge_bytes(struct rig *rig, unsigned offset, uint32_t insn)
{
    struct xbar_jit_block *block;

    tlb_enter(&rig->hart->tlb);
    rig->hart->pc = RAM_ADDR + CODE;
    block = riscv__block(rig->hart);
    tlb_leave(&rig->hart->tlb);
    assert_non_null(block);
    memcpy(block->bytes + offset, &insn, sizeof(insn));
}

static void expect_mismatch(struct rig *rig, const char *text)
{
    const char *report;

    assert_int_equal(xbar_riscv_run(rig->hart, 601), XBAR_RISCV_EXIT_MISMATCH);
    report = xbar_riscv_mismatch(rig->hart);
    assert_non_null(report);
    if (strstr(report, text) == NULL) {
        print_error("no '%s' in:\n%s", text, report);
    }
    assert_non_null(strstr(report, text));
    assert_non_null(strstr(report, "block at 0000000080001000"));
    /* It stays so until the engine is set anew. */
    assert_int_equal(xbar_riscv_run(rig->hart, 1), XBAR_RISCV_EXIT_MISMATCH);
    assert_int_equal(xbar_riscv_set_engine(rig->hart, XBAR_RISCV_INTERP), 0);
    assert_null(xbar_riscv_mismatch(rig->hart));
}

static void test_another_result_is_named(void **state)
{
    start_loop(*state);
    forge_bytes(*state, 16, insn_addi(10, 10, -2));
    expect_mismatch(*state, "x10 ");
}

static void test_another_store_is_named(void **state)
{
    start_loop(*state);
    forge_bytes(*state, 8, insn_sd(12, 11, 8));
    expect_mismatch(*state, "1 of 2 loads and stores");
}

static void test_another_way_is_named(void **state)
{
    start_loop(*state);
    forge_bytes(*state, 20, encode(RISCV_OP_BEQ, 0, 10, 0, -20));
    expect_mismatch(*state, "pc ");
}

/* ---- Changing engines -------------------------------------------------- */

/* Without going through the interpreter, there and back. */
static void test_engines_change_in_place(void **state)
{
    static const enum xbar_riscv_engine turns[] = {
        XBAR_RISCV_INTERP, XBAR_RISCV_JIT, XBAR_RISCV_LOCKSTEP, XBAR_RISCV_JIT,
        XBAR_RISCV_LOCKSTEP
    };
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
        assert_int_equal(xbar_riscv_set_engine(rig->hart, turns[i]), 0);
        start_loop(rig);
        rig->hart->pc = RAM_ADDR + CODE;
        assert_int_equal(xbar_riscv_run(rig->hart, 601),
                         XBAR_RISCV_EXIT_BUDGET);
        assert_null(xbar_riscv_mismatch(rig->hart));
    }
}

/* Emitted code reads the plain ones by itself, so the shadow must have them. */
static void test_registers_are_read_alike(void **state)
{
    struct rig *rig = *state;

    rig->hart->pc = RAM_ADDR + CODE;
    for (unsigned csr = 0; csr < 4096; csr++) {
        uint32_t code[] = { FENCE_I, 0 };
        struct jit_field field;
        uint64_t value = 0;

        if (!riscv__csr_is_plain(csr, PRIV_M, false, &field)) {
            continue;
        }
        if (csr >> 10 != 3) { /* writable: 5, or what it makes of that */
            assert_true(riscv__csr_write(rig->hart, csr, 5));
        }
        assert_true(riscv__csr_read(rig->hart, csr, &value));
        code[1] = insn_csr(2, 10, csr, 0);
        address_space_write(&rig->as, RAM_ADDR + CODE, MEMTXATTRS_UNSPECIFIED,
                            code, sizeof(code));
        rig->hart->pc = RAM_ADDR + CODE;
        assert_int_equal(xbar_riscv_run(rig->hart, 2), XBAR_RISCV_EXIT_BUDGET);
        assert_int_equal(rig->hart->x[10], value);
        assert_null(xbar_riscv_mismatch(rig->hart));
    }
}

/* Whichever allocation fails on the way to lockstep, the engine stays. */
static void fail_from(struct rig *rig, struct counting_alloc *alloc,
                      enum xbar_riscv_engine from)
{
    int err = -ENOMEM;

    for (long n = 1; err != 0; n++) {
        assert_int_equal(xbar_riscv_set_engine(rig->hart, from), 0);
        counting_alloc_fail(alloc, n);
        err = xbar_riscv_set_engine(rig->hart, XBAR_RISCV_LOCKSTEP);
        counting_alloc_fail(alloc, 0);
        if (err != 0) {
            assert_int_equal(err, -ENOMEM);
            assert_int_equal(rig->hart->jit != NULL, from == XBAR_RISCV_JIT);
            assert_null(rig->hart->lockstep);
        }
    }
    assert_non_null(rig->hart->lockstep);
}

static void test_a_failed_change_is_none(void **state)
{
    struct counting_alloc alloc = { .hooks = { .alloc = counting_alloc_get,
                                               .free = counting_alloc_put,
                                               .opaque = &alloc } };
    const struct xbar_engine_config engine = { .allocator = &alloc.hooks };
    const struct xbar_riscv_config config = { .hartid = 0 };
    struct rig rig;

    (void)state;
    rig_open_in(&rig, &engine, &config);
    fail_from(&rig, &alloc, XBAR_RISCV_INTERP);
    fail_from(&rig, &alloc, XBAR_RISCV_JIT);
    /* Back to the JIT needs no memory. */
    counting_alloc_fail(&alloc, 1);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    counting_alloc_fail(&alloc, 0);
    assert_non_null(rig.hart->jit);
    assert_null(rig.hart->lockstep);
    rig_close(&rig);
    assert_int_equal(atomic_load(&alloc.live_bytes), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_agreement_is_silent),
        TEST(test_devices_act_once),
        TEST(test_faults_agree),
        TEST(test_another_result_is_named),
        TEST(test_another_store_is_named),
        TEST(test_another_way_is_named),
        TEST(test_engines_change_in_place),
        TEST(test_registers_are_read_alike),
        cmocka_unit_test(test_a_failed_change_is_none),
    };
#undef TEST

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
