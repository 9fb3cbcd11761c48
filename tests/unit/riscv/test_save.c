/* SPDX-License-Identifier: MIT */
/*
 * Tests of jit/riscv/save.c: a hart that becomes what it was. With memory and
 * all else: test_machine_snapshot.c.
 */
#include "tests/unit/riscv/runner.h"

#include <errno.h>

#include "tests/unit/counting_alloc.h"
#include "tests/unit/riscv/encode.h"
#include "tests/unit/riscv/paging.h"

#define CODE    ((uint64_t)RIG_RAM)
#define HANDLER 0x2000u
#define DATA    0x10000u

static enum xbar_riscv_engine engine;
static struct rig rig;

static void open_as(const struct xbar_riscv_config *config)
{
    rig_open_with(&rig, config);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, engine), 0);
}

static int setup(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 5,
                                              .insns_per_tick = 10 };

    (void)state;
    open_as(&config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static struct xbar_riscv_state *save(void)
{
    struct xbar_riscv_state *state;

    assert_int_equal(xbar_riscv_save(rig.hart, &state), 0);
    assert_non_null(state);
    return state;
}

static void restore(const struct xbar_riscv_state *state)
{
    assert_int_equal(xbar_riscv_restore(rig.hart, state), 0);
}

/* ---- All that a debugger can read -------------------------------------- */

struct registers {
    int found[XBAR_RISCV_REGS];
    uint64_t value[XBAR_RISCV_REGS];
};

static void read_registers(struct registers *to)
{
    for (unsigned i = 0; i < XBAR_RISCV_REGS; i++) {
        to->value[i] = 0;
        to->found[i] = xbar_riscv_get_reg(rig.hart, i, &to->value[i]);
    }
}

static void check_registers(const struct registers *expected)
{
    static struct registers now;

    read_registers(&now);
    for (unsigned i = 0; i < XBAR_RISCV_REGS; i++) {
        char name[XBAR_RISCV_REG_NAME_MAX] = "?";

        xbar_riscv_reg_name(i, name);
        if (now.found[i] != expected->found[i] ||
            now.value[i] != expected->value[i]) {
            fail_msg("%s is %llx, was %llx", name,
                     (unsigned long long)now.value[i],
                     (unsigned long long)expected->value[i]);
        }
    }
}

/* Write all that can be written. The privilege stays, so that CSRs do. */
static void scramble(uint64_t *random)
{
    for (unsigned i = 0; i < XBAR_RISCV_REG_PRIV; i++) {
        xbar_riscv_set_reg(rig.hart, i, rig_random(random));
    }
    xbar_riscv_set_csr(rig.hart, 0x180, /* satp: bare, or it is dropped */
                       rig_random(random) & 1 ? UINT64_C(8) << 60 : 0);
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_S_EXT, rig_random(random) & 1);
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_M_SOFT, rig_random(random) & 1);
    xbar_riscv_set_time(rig.hart, rig_random(random));
    xbar_riscv_set_timecmp(rig.hart, rig_random(random));
    xbar_riscv_set_reg(rig.hart, XBAR_RISCV_REG_PRIV,
                       (unsigned[]){ 0, 1, 3 }[rig_random(random) % 3]);
}

static void test_every_register(void **state)
{
    static struct registers was[3];
    struct xbar_riscv_state *saved[3];
    uint64_t random = 1;

    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 3; i++) {
            scramble(&random);
            read_registers(&was[i]);
            saved[i] = save();
        }
        for (unsigned i = 0; i < 6; i++) {
            unsigned which = (unsigned)(rig_random(&random) % 3);

            scramble(&random);
            restore(saved[which]);
            check_registers(&was[which]);
        }
        for (unsigned i = 0; i < 3; i++) {
            xbar_riscv_state_free(saved[i]);
        }
        xbar_riscv_set_reg(rig.hart, XBAR_RISCV_REG_PRIV, PRIV_M);
    }
}

/* ---- What goes on from there ------------------------------------------- */

/*
 * A timer interrupt each 30 ticks, of which the handler counts x20, and a loop
 * with a multiplication in it, so that where it came shows.
 */
static void load_ticking_loop(void)
{
    const uint32_t code[] = {
        insn_addi(5, 5, 1),
        encode(RISCV_OP_MUL, 6, 6, 5, 0),
        encode(RISCV_OP_ADD, 6, 6, 5, 0),
        encode(RISCV_OP_ADD, 6, 6, 20, 0),
        0xff1ff06f, /* j .-16 */
    };
    const uint32_t handler[] = {
        insn_addi(20, 20, 1),
        insn_csr(2, 7, 0xc01, 0),         /* csrr t2, time */
        insn_addi(7, 7, 30),              /* and again */
        insn_csr(1, 0, 0x14d, 7),         /* csrw stimecmp, t2 */
        encode(RISCV_OP_XOR, 6, 6, 7, 0), /* when was it? */
        INSN_MRET,
    };

    rig_code(&rig, 0, code, 5);
    rig_code(&rig, HANDLER, handler, 6);
    rig.hart->x[6] = 1;
    set_csr(&rig, 0x305, CODE + HANDLER);
    set_csr(&rig, 0x30a, ENVCFG_STCE);
    set_csr(&rig, 0x14d, 30);
    set_csr(&rig, 0x304, MIP_STIP);
    set_csr(&rig, 0x300, MSTATUS_MIE);
}

static void trace(uint64_t *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        run_exactly(&rig, 97);
        values[i] = rig.hart->x[6] ^ rig.hart->pc << 40 ^
                    rig.hart->x[20] << 16 ^ xbar_riscv_time(rig.hart);
    }
}

static void test_the_same_again(void **state)
{
    struct xbar_riscv_state *start;
    uint64_t first[200];
    uint64_t again[200];

    (void)state;
    load_ticking_loop();
    run_exactly(&rig, 1234);
    start = save();
    trace(first, 200);
    assert_true(rig.hart->x[20] > 50);
    for (unsigned i = 0; i < 3; i++) {
        restore(start);
        trace(again, 200);
        assert_memory_equal(first, again, sizeof(first));
    }
    xbar_riscv_state_free(start);
}

static void test_counts_go_back(void **state)
{
    struct xbar_riscv_state *start;
    struct xbar_riscv_stats stats;

    (void)state;
    load_ticking_loop();
    run_exactly(&rig, 1000);
    start = save();
    run_exactly(&rig, 1000);
    restore(start);
    xbar_riscv_get_stats(rig.hart, &stats);
    assert_int_equal(stats.instructions, 1000);
    assert_int_equal(get_csr(&rig, 0xb02), 1000);
    assert_true(stats.interrupts >= 2); /* the host's, of both */
    xbar_riscv_state_free(start);
}

/* An sc in between ended the reservation of the lr. */
static void test_reservation(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_LR_D, 5, 10, 0, 0),
        encode(RISCV_OP_SC_D, 6, 10, 11, 0),
        encode(RISCV_OP_SC_D, 7, 10, 11, 0),
    };
    struct xbar_riscv_state *reserved;
    struct xbar_riscv_state *none;

    (void)state;
    rig_code(&rig, 0, code, 3);
    rig.hart->x[10] = CODE + DATA;
    run_exactly(&rig, 1);
    reserved = save();
    run_exactly(&rig, 1);
    none = save();
    assert_int_equal(rig.hart->x[6], 0);
    restore(reserved);
    rig.hart->x[6] = 9;
    run_exactly(&rig, 1);
    assert_int_equal(rig.hart->x[6], 0);
    restore(reserved);
    restore(none);
    run_exactly(&rig, 1);
    assert_int_equal(rig.hart->x[7], 1);
    xbar_riscv_state_free(reserved);
    xbar_riscv_state_free(none);
}

/* It waits again, and time moves on from there again. */
static void test_waiting(void **state)
{
    const uint32_t code[] = { INSN_WFI, insn_addi(5, 5, 1), INSN_SELF };
    struct xbar_riscv_state *waits;

    (void)state;
    rig_code(&rig, 0, code, 3);
    set_csr(&rig, 0x304, MIP_MTIP);
    xbar_riscv_set_timecmp(rig.hart, 5000);
    run_exactly(&rig, 1);
    assert_true(rig.hart->waiting);
    waits = save();
    for (unsigned i = 0; i < 3; i++) {
        run_exactly(&rig, 2);
        assert_int_equal(xbar_riscv_time(rig.hart), 5000);
        xbar_riscv_set_timecmp(rig.hart, 9000);
        restore(waits);
        assert_true(rig.hart->waiting);
        assert_int_equal(xbar_riscv_time(rig.hart), 0);
        assert_int_equal(rig.hart->x[5], 0);
    }
    xbar_riscv_state_free(waits);
}

/* A breakpoint that was reported is not reported again. */
static void test_breakpoint(void **state)
{
    struct xbar_riscv_state *at_break;
    struct xbar_riscv_state *before;

    (void)state;
    load_counting_loop(&rig);
    before = save();
    assert_int_equal(xbar_riscv_add_breakpoint(rig.hart, CODE + 4), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, 100), XBAR_RISCV_EXIT_BREAK);
    at_break = save();
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(xbar_riscv_run(rig.hart, 100), XBAR_RISCV_EXIT_BREAK);
        assert_int_equal(rig.hart->x[5], 2);
        restore(at_break);
        assert_int_equal(rig.hart->x[5], 1);
    }
    restore(before);
    assert_int_equal(xbar_riscv_run(rig.hart, 100), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(rig.hart->x[5], 1);
    xbar_riscv_state_free(at_break);
    xbar_riscv_state_free(before);
}

static void test_interrupt_lines(void **state)
{
    struct xbar_riscv_state *up;

    (void)state;
    load_counting_loop(&rig);
    set_csr(&rig, 0x305, CODE);
    set_csr(&rig, 0x304, MIP_MSIP);
    set_csr(&rig, 0x300, MSTATUS_MIE);
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_M_SOFT, true);
    up = save();
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_M_SOFT, false);
    run_exactly(&rig, 1);
    assert_int_equal(get_csr(&rig, 0x342), 0);
    restore(up);
    run_exactly(&rig, 1);
    assert_int_equal(get_csr(&rig, 0x342), CAUSE_IRQ | XBAR_RISCV_IRQ_M_SOFT);
    xbar_riscv_state_free(up);
}

/* ---- The TLB ----------------------------------------------------------- */

/* The same address was mapped elsewhere, and its page tables went back. */
static void test_page_tables(void **state)
{
    const uint32_t code[] = { encode(RISCV_OP_LD, 5, 6, 0, 0), INSN_SELF };
    const uint64_t values[2] = { 0x1111, 0x2222 };
    struct xbar_riscv_state *start;

    (void)state;
    rig_open_pmp(&rig);
    rig_code(&rig, 0, code, 2);
    memcpy(rig.mem + DATA, &values[0], 8);
    memcpy(rig.mem + DATA + 0x1000, &values[1], 8);
    paging_map(&rig, 5, DATA, PTE_R);
    paging_enter(&rig, PRIV_S);
    rig.hart->x[6] = 5 * 0x1000;
    start = save();
    for (unsigned i = 0; i < 4; i++) {
        paging_map(&rig, 5, DATA + i % 2 * 0x1000, PTE_R);
        restore(start);
        run_exactly(&rig, 1);
        assert_int_equal(rig.hart->x[5], values[i % 2]);
    }
    xbar_riscv_state_free(start);
}

static uint64_t walks(void)
{
    struct xbar_riscv_stats stats;

    xbar_riscv_get_stats(rig.hart, &stats);
    return stats.tlb.walks;
}

/* In M-mode, and where satp is bare. */
static void test_entries_without_tables_stay(void **state)
{
    struct xbar_riscv_state *start;
    uint64_t before;

    (void)state;
    load_counting_loop(&rig);
    rig_open_pmp(&rig);
    for (unsigned i = 0; i < 2; i++) {
        start = save();
        run_exactly(&rig, 100);
        before = walks();
        restore(start);
        run_exactly(&rig, 100);
        assert_int_equal(walks(), before);
        xbar_riscv_state_free(start);
        rig.hart->priv = PRIV_S;
        riscv__update_contexts(rig.hart);
    }
}

/* A page that M-mode may not read any more, and then may again. */
static void test_pmp_rules(void **state)
{
    const uint32_t code[] = { encode(RISCV_OP_LD, 5, 6, 0, 0), INSN_SELF };
    struct xbar_riscv_state *closed;
    struct xbar_riscv_state *open;

    (void)state;
    rig_code(&rig, 0, code, 2);
    set_csr(&rig, 0x305, CODE + 4);
    rig.hart->x[6] = CODE + DATA;
    open = save();
    run_exactly(&rig, 1);
    restore(open);
    set_csr(&rig, 0x3b0, (CODE + DATA) >> 2 | 0x1ff);
    set_csr(&rig, 0x3a0, 0x98); /* locked, NAPOT, nothing is allowed */
    closed = save();
    for (unsigned i = 0; i < 3; i++) {
        restore(open);
        run_exactly(&rig, 1);
        assert_int_equal(get_csr(&rig, 0x342), 0);
        restore(closed);
        run_exactly(&rig, 1);
        assert_int_equal(get_csr(&rig, 0x342), CAUSE_LOAD_ACCESS);
    }
    xbar_riscv_state_free(open);
    xbar_riscv_state_free(closed);
}

/* ---- Code -------------------------------------------------------------- */

/* What runs on from a snapshot begins as what runs from it again: with code as
 * memory has it, though nobody executed a fence.i. */
static void test_code_is_true_from_there_on(void **state)
{
    const uint32_t other = insn_addi(5, 5, 100);
    struct xbar_riscv_state *start;

    (void)state;
    load_counting_loop(&rig);
    run_exactly(&rig, 100);
    address_space_write(&rig.as, CODE, MEMTXATTRS_UNSPECIFIED, &other, 4);
    start = save();
    for (unsigned i = 0; i < 2; i++) {
        run_exactly(&rig, 2);
        assert_int_equal(rig.hart->x[5], 150);
        restore(start);
    }
    xbar_riscv_state_free(start);
}

/* ---- Time of the host -------------------------------------------------- */

static void test_host_time_goes_on(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 5 };
    struct xbar_riscv_state *start;
    uint64_t then;

    (void)state;
    rig_close(&rig);
    open_as(&config);
    xbar_riscv_set_time(rig.hart, UINT64_C(1) << 40);
    start = save();
    then = xbar_riscv_time(rig.hart);
    xbar_riscv_set_time(rig.hart, 77);
    restore(start);
    assert_in_range(xbar_riscv_time(rig.hart), UINT64_C(1) << 40,
                    then + 60 * UINT64_C(10000000));
    xbar_riscv_state_free(start);
}

/* ---- Who may not ------------------------------------------------------- */

static int codes[2];
static struct xbar_riscv_state *held;

static void ask_in_a_callback(struct rig *r, hwaddr addr, uint64_t value)
{
    struct xbar_riscv_state *none = held;

    (void)addr;
    (void)value;
    codes[0] = xbar_riscv_save(r->hart, &none);
    assert_null(none);
    codes[1] = xbar_riscv_restore(r->hart, held);
}

static void test_busy_while_it_runs(void **state)
{
    const uint32_t code[] = { insn_sd(5, 6, 0), INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 2);
    held = save();
    rig.hart->x[6] = RIG_IO;
    rig.on_write = ask_in_a_callback;
    run_exactly(&rig, 2);
    assert_int_equal(codes[0], -EBUSY);
    assert_int_equal(codes[1], -EBUSY);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), CODE + 4);
    restore(held);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), CODE);
    xbar_riscv_state_free(held);
}

static void test_another_harts(void **state)
{
    const struct xbar_riscv_config configs[] = {
        { .hartid = 6, .insns_per_tick = 10 },
        { .hartid = 5, .insns_per_tick = 11 },
        { .hartid = 5, .insns_per_tick = 10, .timebase_hz = 1000 },
        { .hartid = 5, .insns_per_tick = 10 },
    };
    struct xbar_riscv_state *saved;

    (void)state;
    load_counting_loop(&rig);
    run_exactly(&rig, 1);
    saved = save();
    for (unsigned i = 0; i < 4; i++) {
        struct xbar_riscv_config config = configs[i];
        struct xbar_riscv_hart *other;

        config.as = &rig.as;
        config.reset_pc = 0x1234;
        other = xbar_riscv_new(&config);
        assert_non_null(other);
        assert_int_equal(xbar_riscv_restore(other, saved), i < 3 ? -EINVAL : 0);
        assert_int_equal(xbar_riscv_get_pc(other),
                         i < 3 ? 0x1234 : xbar_riscv_get_pc(rig.hart));
        xbar_riscv_free(other);
    }
    xbar_riscv_state_free(saved);
}

static void test_no_memory(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 5 };
    struct counting_alloc alloc = { .fail_at = 0 };
    struct xbar_riscv_state *saved = NULL;

    (void)state;
    alloc.hooks.alloc = counting_alloc_get;
    alloc.hooks.free = counting_alloc_put;
    alloc.hooks.opaque = &alloc;
    rig_close(&rig);
    alloc.hooks.is_exact = true;
    rig_open_in(&rig, &(struct xbar_engine_config){ .allocator = &alloc.hooks },
                &config);
    counting_alloc_fail(&alloc, 1);
    assert_int_equal(xbar_riscv_save(rig.hart, &saved), -ENOMEM);
    assert_null(saved);
    counting_alloc_fail(&alloc, 0);
    assert_int_equal(xbar_riscv_save(rig.hart, &saved), 0);
    counting_alloc_fail(&alloc, 1);
    assert_int_equal(xbar_riscv_restore(rig.hart, saved), 0);
    counting_alloc_fail(&alloc, 0);
    xbar_riscv_state_free(saved);
    xbar_riscv_state_free(NULL);
    rig_close(&rig);
    assert_int_equal(alloc.live_bytes, 0);
    setup(NULL);
}

#define SAVE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SAVE_TEST(test_every_register),
        SAVE_TEST(test_the_same_again),
        SAVE_TEST(test_counts_go_back),
        SAVE_TEST(test_reservation),
        SAVE_TEST(test_waiting),
        SAVE_TEST(test_breakpoint),
        SAVE_TEST(test_interrupt_lines),
        SAVE_TEST(test_page_tables),
        SAVE_TEST(test_entries_without_tables_stay),
        SAVE_TEST(test_pmp_rules),
        SAVE_TEST(test_code_is_true_from_there_on),
        SAVE_TEST(test_host_time_goes_on),
        SAVE_TEST(test_busy_while_it_runs),
        SAVE_TEST(test_another_harts),
        SAVE_TEST(test_no_memory),
    };

    return run_for_each_engine(tests, sizeof(tests) / sizeof(tests[0]),
                               &engine);
}
