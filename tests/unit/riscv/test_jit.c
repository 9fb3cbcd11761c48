/* SPDX-License-Identifier: MIT */
/*
 * The JIT engine around its blocks: code that changes, moves or lies in odd
 * places, small limits, leaving in time. Each case runs as `variants` say.
 */
#include "jit/riscv/jit.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "encode.h"
#include "paging.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define CODE     0x1000u
#define HANDLER  0x8000u

static const struct xbar_riscv_config variants[] = {
    { .hartid = 0 },
    { .stress = XBAR_RISCV_STRESS_TLB },
    { .stress = XBAR_RISCV_STRESS_CHAIN },
    { .stress = XBAR_RISCV_STRESS_EVICT },
    { .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_SPAN },
    { .code_limit = 4096, .stress = XBAR_RISCV_STRESS_SPAN },
    { .code_limit = 4096, .stress = XBAR_RISCV_STRESS_TLB },
    { .insns_per_tick = 10 },
    { .translate_after = 2 },
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static void open_variant(struct rig *rig, unsigned variant)
{
    static const uint32_t handler = INSN_SELF;

    rig_open_with(rig, &variants[variant]);
    rig_open_pmp(rig);
    rig_code(rig, HANDLER, &handler, 1);
    rig->hart->mtvec = RAM_ADDR + HANDLER;
    rig->hart->pc = RAM_ADDR + CODE;
    assert_int_equal(xbar_riscv_set_engine(rig->hart, XBAR_RISCV_JIT), 0);
}

/* Run @body in every variant. */
static void in_all(void (*body)(struct rig *rig))
{
    for (unsigned i = 0; i < VARIANTS; i++) {
        struct rig rig;

        open_variant(&rig, i);
        body(&rig);
        rig_close(&rig);
    }
}

static void run(struct rig *rig, uint64_t insns)
{
    assert_int_equal(xbar_riscv_run(rig->hart, insns), XBAR_RISCV_EXIT_BUDGET);
}

static uint32_t li(unsigned rd, int imm)
{
    return insn_addi(rd, 0, imm);
}

static uint32_t jump(int distance)
{
    return encode(RISCV_OP_JAL, 0, 0, 0, distance);
}

#define CSR_MSCRATCH 0x340
#define FENCE_I      0x0000100fu
#define RET          0x00008067u

/* ---- Code that changes ------------------------------------------------- */

/* A loop that rewrites an instruction ahead of itself each time round. */
static void rewrite_ahead(struct rig *rig)
{
    const uint32_t code[] = {
        /* x5 = the instruction to be written, x6 = where */
        encode(RISCV_OP_SW, 0, 6, 5, 0),
        FENCE_I,
        INSN_NOP, /* becomes addi x10, x10, 1, 2, 3, ... */
        encode(RISCV_OP_ADD, 5, 5, 7, 0),
        insn_addi(8, 8, -1),
        encode(RISCV_OP_BNE, 0, 8, 0, -20),
        INSN_SELF,
    };

    rig_code(rig, CODE, code, 7);
    rig->hart->x[5] = insn_addi(10, 10, 1);
    rig->hart->x[6] = RAM_ADDR + CODE + 8;
    rig->hart->x[7] = 1 << 20;
    rig->hart->x[8] = 100;
    run(rig, 6 * 100 + 1);
    assert_int_equal(rig->hart->x[10], 100 * 101 / 2);
}

static void test_rewriting_ahead(void **state)
{
    (void)state;
    in_all(rewrite_ahead);
}

/* Rewrites what another block, chained to, begins with. */
static void rewrite_target(struct rig *rig)
{
    const uint32_t code[] = {
        encode(RISCV_OP_SW, 0, 6, 5, 0),
        FENCE_I,
        encode(RISCV_OP_JAL, 1, 0, 0, 0x1000 - 8),
        encode(RISCV_OP_ADD, 5, 5, 7, 0),
        insn_addi(8, 8, -1),
        encode(RISCV_OP_BNE, 0, 8, 0, -20),
        INSN_SELF,
    };
    const uint32_t callee[] = { INSN_NOP, RET };

    rig_code(rig, CODE, code, 7);
    rig_code(rig, CODE + 0x1000, callee, 2);
    rig->hart->x[5] = insn_addi(10, 10, 1);
    rig->hart->x[6] = RAM_ADDR + CODE + 0x1000;
    rig->hart->x[7] = 1 << 20;
    rig->hart->x[8] = 50;
    run(rig, 8 * 50 + 1);
    assert_int_equal(rig->hart->x[10], 50 * 51 / 2);
}

static void test_rewriting_a_chained_block(void **state)
{
    (void)state;
    in_all(rewrite_target);
}

/* What DMA and the debugger write counts at the next fence.i, too. */
static void rewrite_by_dma(struct rig *rig)
{
    uint32_t code[] = { li(10, 1), FENCE_I, jump(-8) };

    rig_code(rig, CODE, code, 3);
    run(rig, 30);
    assert_int_equal(rig->hart->x[10], 1);
    for (int i = 2; i < 6; i++) {
        code[0] = li(10, i); /* by 4 bytes, and by more: other ways */
        assert_int_equal(address_space_write(&rig->as, RAM_ADDR + CODE,
                                             (MemTxAttrs){ 0 }, code,
                                             i % 2 ? 4 : sizeof(code)),
                         MEMTX_OK);
        run(rig, 6);
        assert_int_equal(rig->hart->x[10], i);
    }
    address_space_stl_le(&rig->as, RAM_ADDR + CODE, li(10, 99),
                         (MemTxAttrs){ 0 }, NULL);
    run(rig, 6);
    assert_int_equal(rig->hart->x[10], 99);
}

static void test_rewriting_by_dma(void **state)
{
    (void)state;
    in_all(rewrite_by_dma);
}

/*
 * A device that holds a map writes when it likes, and tells nobody: each
 * fence.i sees what it wrote, before the unmap, too.
 */
static void rewrite_through_a_map(struct rig *rig)
{
    const uint32_t code[] = { li(10, 1), FENCE_I, jump(-8) };
    hwaddr len = 4;
    uint32_t *host;

    rig_code(rig, CODE, code, 3);
    run(rig, 30);
    host = address_space_map(&rig->as, RAM_ADDR + CODE, &len, true,
                             (MemTxAttrs){ 0 });
    assert_int_equal(len, 4);
    for (int i = 2; i < 6; i++) {
        __atomic_store_n(host, li(10, i), __ATOMIC_RELAXED);
        run(rig, 6);
        assert_int_equal(rig->hart->x[10], i);
    }
    __atomic_store_n(host, li(10, 77), __ATOMIC_RELAXED);
    assert_int_equal(address_space_unmap(&rig->as, host, len, true, len), 0);
    run(rig, 6);
    assert_int_equal(rig->hart->x[10], 77);
}

static void test_rewriting_through_a_map(void **state)
{
    (void)state;
    in_all(rewrite_through_a_map);
}

/* Data beside code: one slow store, then none, and the code stays. */
static void test_data_beside_code_is_fast(void **state)
{
    const uint32_t code[] = {
        insn_sd(9, 6, 0),
        insn_addi(9, 9, 1),
        encode(RISCV_OP_BNE, 0, 9, 8, -8),
        INSN_SELF,
    };
    struct xbar_riscv_stats stats;
    struct rig rig;
    uint64_t stored;

    (void)state;
    open_variant(&rig, 0);
    rig_code(&rig, CODE, code, 4);
    rig.hart->x[6] = RAM_ADDR + CODE + 0x800;
    rig.hart->x[8] = 10000;
    run(&rig, 3 * 10000);
    memcpy(&stored, rig.mem + CODE + 0x800, sizeof(stored));
    assert_int_equal(stored, 9999);
    xbar_riscv_get_stats(rig.hart, &stats);
    assert_true(stats.tlb.slow < 20);
    assert_true(stats.jit.blocks < 5);
    rig_close(&rig);
}

/* ---- Pages ------------------------------------------------------------- */

/*
 * Two address spaces share a page that jumps into the next, and the next one
 * differs: no chain, jump cache or return stack may lead to the other's.
 */
#define SHARED 0x20000u
#define OTHER  0x21000u /* and OTHER + 0x1000 */

static void call_neighbour(struct rig *rig, unsigned which)
{
    paging_map(rig, 1, OTHER + which * 0x1000, PTE_R | PTE_X);
    tlb_flush(&rig->hart->tlb, TLB_ALL_CONTEXTS);
    rig->hart->pc = 0;
    rig->hart->x[10] = 0;
    rig->hart->x[11] = 0;
    run(rig, 6);
    assert_int_equal(rig->hart->x[10], 1 + which);
    assert_int_equal(rig->hart->x[11], 7);
}

static void remap_neighbour(struct rig *rig, uint32_t call)
{
    const uint32_t shared[] = { call, li(11, 7), INSN_SELF };
    const uint32_t first[] = { li(10, 1), RET };
    const uint32_t second[] = { li(10, 2), RET };

    rig_code(rig, SHARED, shared, 3);
    rig_code(rig, OTHER, first, 2);
    rig_code(rig, OTHER + 0x1000, second, 2);
    paging_map(rig, 0, SHARED, PTE_R | PTE_X);
    paging_enter(rig, PRIV_S);
    rig->hart->x[5] = 0x1000;
    for (unsigned i = 0; i < 40; i++) {
        call_neighbour(rig, i * 7 / 3 % 2);
    }
}

static void direct_call(struct rig *rig)
{
    remap_neighbour(rig, encode(RISCV_OP_JAL, 1, 0, 0, 0x1000));
}

static void indirect_call(struct rig *rig)
{
    remap_neighbour(rig, encode(RISCV_OP_JALR, 1, 5, 0, 0));
}

static void test_neighbours_differ(void **state)
{
    (void)state;
    in_all(direct_call);
    in_all(indirect_call);
}

/* The caller's page is another when the callee returns. */
static void return_elsewhere(struct rig *rig)
{
    const uint32_t caller[] = { encode(RISCV_OP_JAL, 1, 0, 0, 0x1000),
                                li(11, 1), INSN_SELF };
    const uint32_t changed[] = { INSN_NOP, li(11, 2), INSN_SELF };
    const uint32_t callee[] = { INSN_NOP, INSN_NOP, RET };

    rig_code(rig, SHARED, caller, 3);
    rig_code(rig, SHARED + 0x1000, callee, 3);
    rig_code(rig, SHARED + 0x2000, changed, 3);
    paging_map(rig, 1, SHARED + 0x1000, PTE_R | PTE_X);
    paging_enter(rig, PRIV_S);
    for (unsigned i = 0; i < 20; i++) {
        bool remap = i % 3 == 2;

        paging_map(rig, 0, SHARED, PTE_R | PTE_X);
        tlb_flush(&rig->hart->tlb, TLB_ALL_CONTEXTS);
        rig->hart->pc = 0;
        run(rig, 2);
        if (remap) {
            paging_map(rig, 0, SHARED + 0x2000, PTE_R | PTE_X);
            tlb_flush(&rig->hart->tlb, TLB_ALL_CONTEXTS);
        }
        run(rig, 4);
        assert_int_equal(rig->hart->x[11], remap ? 2 : 1);
    }
}

static void test_returning_into_another_page(void **state)
{
    (void)state;
    in_all(return_elsewhere);
}

/* A 4-byte instruction on two pages, the second of which changes. */
static void cross_pages(struct rig *rig)
{
    for (int i = 0; i < 12; i++) {
        uint32_t insn = li(10, 5 + i % 2 * 64);
        uint16_t low = (uint16_t)insn, high = (uint16_t)(insn >> 16);
        uint16_t after = 0xa001; /* c.j . */

        memcpy(rig->mem + SHARED + 0xffe, &low, 2);
        memcpy(rig->mem + OTHER + i % 2 * 0x1000, &high, 2);
        memcpy(rig->mem + OTHER + i % 2 * 0x1000 + 2, &after, 2);
        paging_map(rig, 0, SHARED, PTE_R | PTE_X);
        paging_map(rig, 1, OTHER + i % 2 * 0x1000, PTE_R | PTE_X);
        if (i == 0) {
            paging_enter(rig, PRIV_S);
        }
        tlb_flush(&rig->hart->tlb, TLB_ALL_CONTEXTS);
        rig->hart->pc = 0xffe;
        run(rig, 3);
        assert_int_equal(rig->hart->x[10], 5 + i % 2 * 64);
        assert_int_equal(rig->hart->pc, 0x1002);
    }
}

static void test_an_instruction_on_two_pages(void **state)
{
    (void)state;
    in_all(cross_pages);
}

/* The second page of a crossing instruction faults: at its own address. */
static void cross_into_nothing(struct rig *rig)
{
    uint16_t low = (uint16_t)li(10, 5);

    memcpy(rig->mem + SHARED + 0xffe, &low, 2);
    paging_map(rig, 0, SHARED, PTE_R | PTE_X);
    paging_enter(rig, PRIV_S);
    rig->hart->pc = 0xffe;
    run(rig, 1);
    assert_int_equal(rig->hart->mcause, CAUSE_FETCH_PAGE);
    assert_int_equal(rig->hart->mepc, 0xffe);
    assert_int_equal(rig->hart->mtval, 0x1000);
}

static void test_crossing_into_nothing(void **state)
{
    (void)state;
    in_all(cross_into_nothing);
}

/* ---- Odd places -------------------------------------------------------- */

static void run_off_the_end(struct rig *rig)
{
    const uint32_t last[] = { li(10, 3), li(10, 4) };
    uint16_t half = (uint16_t)li(10, 9);

    rig_code(rig, RIG_RAM_SIZE - 8, last, 2);
    rig->hart->pc = RAM_ADDR + RIG_RAM_SIZE - 8;
    run(rig, 3);
    assert_int_equal(rig->hart->x[10], 4);
    assert_int_equal(rig->hart->mcause, CAUSE_FETCH_ACCESS);
    assert_int_equal(rig->hart->mepc, RAM_ADDR + RIG_RAM_SIZE);
    /* half of an instruction in the last two bytes */
    memcpy(rig->mem + RIG_RAM_SIZE - 2, &half, 2);
    rig->hart->pc = RAM_ADDR + RIG_RAM_SIZE - 2;
    run(rig, 1);
    assert_int_equal(rig->hart->mepc, RAM_ADDR + RIG_RAM_SIZE - 2);
    assert_int_equal(rig->hart->mtval, RAM_ADDR + RIG_RAM_SIZE);
}

static void run_from_rom(struct rig *rig)
{
    const uint32_t code[] = { li(10, 12), jump(-4) };

    assert_int_equal(
        address_space_write_rom(&rig->as, RIG_ROM, (MemTxAttrs){ 0 }, code, 8),
        MEMTX_OK);
    rig->hart->pc = RIG_ROM;
    run(rig, 100);
    assert_int_equal(rig->hart->x[10], 12);
}

static void run_from_a_device(struct rig *rig)
{
    rig->io_value = INSN_NOP | (uint64_t)INSN_NOP << 32;
    rig->hart->pc = RIG_IO;
    run(rig, 1);
    assert_int_equal(rig->hart->mcause, CAUSE_FETCH_ACCESS);
    assert_int_equal(rig->hart->mepc, RIG_IO);
}

static void jump_to_odd_addresses(struct rig *rig)
{
    const uint32_t code[] = { encode(RISCV_OP_JALR, 1, 5, 0, 1), INSN_NOP,
                              li(10, 21), INSN_SELF };

    rig_code(rig, CODE, code, 4);
    rig->hart->x[5] = RAM_ADDR + CODE + 8;
    run(rig, 3);
    assert_int_equal(rig->hart->x[10], 21);
    assert_int_equal(rig->hart->x[1], RAM_ADDR + CODE + 4);
}

static void test_odd_places(void **state)
{
    (void)state;
    in_all(run_off_the_end);
    in_all(run_from_rom);
    in_all(run_from_a_device);
    in_all(jump_to_odd_addresses);
}

/* ---- Devices ----------------------------------------------------------- */

static void move_device_away(struct rig *rig, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    xbar_engine_enter(rig->engine);
    assert_int_equal(memory_region_set_enabled(&rig->io, false), 0);
    xbar_engine_leave(rig->engine);
}

/* A device that unmaps itself: the next instruction of the same block sees
 * that, and what stands behind the store was not executed twice. */
static void commit_in_a_block(struct rig *rig)
{
    const uint32_t code[] = {
        li(10, 1),         insn_sd(10, 6, 0),    insn_addi(10, 10, 1),
        insn_sd(10, 6, 8), insn_addi(10, 10, 1),
    };

    rig_code(rig, CODE, code, 5);
    rig->hart->x[6] = RIG_IO;
    rig->on_write = move_device_away;
    run(rig, 4);
    assert_int_equal(rig->io_writes, 1);
    assert_int_equal(rig->hart->x[10], 2);
    assert_int_equal(rig->hart->mcause, CAUSE_STORE_ACCESS);
    assert_int_equal(rig->hart->mepc, RAM_ADDR + CODE + 12);
    assert_int_equal(rig->hart->mtval, RIG_IO + 8);
}

static void raise_timer(struct rig *rig, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    xbar_riscv_set_irq(rig->hart, XBAR_RISCV_IRQ_M_SOFT, true);
}

static void interrupt_in_a_block(struct rig *rig)
{
    const uint32_t code[] = { insn_sd(10, 6, 0), insn_addi(10, 10, 1),
                              INSN_SELF };

    rig_code(rig, CODE, code, 3);
    rig->hart->x[6] = RIG_IO;
    rig->hart->mie = MIP_MSIP;
    rig->hart->mstatus |= MSTATUS_MIE;
    rig->on_write = raise_timer;
    run(rig, 3);
    assert_int_equal(rig->hart->mcause, CAUSE_IRQ | 3);
    assert_int_equal(rig->hart->mepc, RAM_ADDR + CODE + 4);
    assert_int_equal(rig->hart->x[10], 0);
}

static void test_devices_change_the_machine(void **state)
{
    (void)state;
    in_all(commit_in_a_block);
    in_all(interrupt_in_a_block);
}

/* ---- Leaving ----------------------------------------------------------- */

static void *ask_for_exit(void *opaque)
{
    const struct timespec wait = { .tv_nsec = 20000000 };
    struct xbar_riscv_hart *hart = opaque;
    static struct timespec asked;

    nanosleep(&wait, NULL);
    clock_gettime(CLOCK_MONOTONIC, &asked);
    xbar_riscv_request_exit(hart);
    return &asked;
}

/* Milliseconds from the request until the run is over. */
static double time_to_leave(struct rig *rig)
{
    struct timespec left, *asked;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, ask_for_exit, rig->hart), 0);
    assert_int_equal(xbar_riscv_run(rig->hart, UINT64_MAX),
                     XBAR_RISCV_EXIT_REQUEST);
    clock_gettime(CLOCK_MONOTONIC, &left);
    pthread_join(thread, (void **)&asked);
    return (double)(left.tv_sec - asked->tv_sec) * 1e3 +
           (double)(left.tv_nsec - asked->tv_nsec) / 1e6;
}

/* The best of a few: the machine may take the processor away meanwhile. */
static void assert_leaves(const uint32_t *code, size_t count, uint32_t at,
                          uint64_t x5)
{
    double best = 1e9;

    for (unsigned i = 0; i < 50 && best > 1.0; i++) {
        struct rig rig;
        double ms;

        open_variant(&rig, 0);
        rig_code(&rig, at, code, count);
        rig.hart->pc = RAM_ADDR + at;
        rig.hart->x[5] = x5;
        ms = time_to_leave(&rig);
        best = ms < best ? ms : best;
        rig_close(&rig);
    }
    assert_true(best <= 1.0);
}

static void test_loops_leave_within_a_millisecond(void **state)
{
    const uint32_t jalr[] = { encode(RISCV_OP_JALR, 0, 5, 0, 0) };
    const uint32_t self[] = { INSN_SELF };
    const uint32_t two[] = { jump(4), jump(-4) };

    (void)state;
    assert_leaves(jalr, 1, CODE, RAM_ADDR + CODE);
    assert_leaves(self, 1, CODE, 0);
    assert_leaves(two, 2, CODE, 0);
}

/* All of the code space is one loop: it wraps at 2^64 in 4 KiB of aliases. */
static void test_a_loop_that_wraps_leaves(void **state)
{
    struct rig rig;
    MemoryRegion top;

    (void)state;
    open_variant(&rig, 0);
    xbar_engine_enter(rig.engine);
    assert_int_equal(
        memory_region_init_alias(&top, NULL, "top", &rig.ram, 0, 0x1000), 0);
    assert_int_equal(
        memory_region_add_subregion(&rig.root, UINT64_MAX - 0xfff, &top), 0);
    assert_int_equal(xbar_region_set_lock_policy(&rig.io, XBAR_LOCK_NONE),
                     -EBUSY);
    for (unsigned i = 0; i < 0x1000; i += 4) {
        uint32_t nop = INSN_NOP;

        rig_code(&rig, i, &nop, 1);
    }
    rig.hart->pc = UINT64_MAX - 0xfff;
    /* Address 0 is empty: a fetch fault there, after the last byte. */
    run(&rig, 0x1000 / 4);
    assert_int_equal(rig.hart->pc, 0);
    run(&rig, 1);
    assert_int_equal(rig.hart->mcause, CAUSE_FETCH_ACCESS);
    assert_int_equal(rig.hart->mepc, 0);
    xbar_engine_leave(rig.engine);
    assert_int_equal(memory_region_del_subregion(&rig.root, &top), 0);
    assert_int_equal(xbar_region_destroy(&top, NULL, NULL), 0);
    rig_close(&rig);
}

/* ---- Counting ---------------------------------------------------------- */

/* Any budget is kept to the instruction, wherever blocks begin and end. */
static void count_exactly(struct rig *rig)
{
    const uint32_t code[] = { insn_addi(10, 10, 1), insn_addi(11, 11, 1),
                              insn_addi(12, 12, 1), jump(-12) };
    uint64_t total = 0;

    rig_code(rig, CODE, code, 4);
    for (uint64_t n = 1; n < 200; n++) {
        run(rig, n);
        total += n;
        assert_int_equal(rig->hart->stats.instructions, total);
        assert_int_equal(rig->hart->x[10], (total + 3) / 4);
        assert_int_equal(rig->hart->x[12], (total + 1) / 4);
    }
}

/* One of them ends where the interpreter is asked for the next. */
static void count_exactly_to_a_step(struct rig *rig)
{
    const uint32_t code[] = { insn_addi(10, 10, 1), insn_addi(11, 11, 1),
                              insn_csr(1, 0, CSR_MSCRATCH, 0), jump(-12) };

    rig_code(rig, CODE, code, 4);
    for (uint64_t n = 1; n < 100; n++) {
        run(rig, 2);
        assert_int_equal(rig->hart->pc, RAM_ADDR + CODE + 8);
        run(rig, 2);
        assert_int_equal(rig->hart->x[10], n);
    }
}

static void test_budgets_are_exact(void **state)
{
    (void)state;
    in_all(count_exactly);
    in_all(count_exactly_to_a_step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rewriting_ahead),
        cmocka_unit_test(test_rewriting_a_chained_block),
        cmocka_unit_test(test_rewriting_by_dma),
        cmocka_unit_test(test_rewriting_through_a_map),
        cmocka_unit_test(test_data_beside_code_is_fast),
        cmocka_unit_test(test_neighbours_differ),
        cmocka_unit_test(test_returning_into_another_page),
        cmocka_unit_test(test_an_instruction_on_two_pages),
        cmocka_unit_test(test_crossing_into_nothing),
        cmocka_unit_test(test_odd_places),
        cmocka_unit_test(test_devices_change_the_machine),
        cmocka_unit_test(test_loops_leave_within_a_millisecond),
        cmocka_unit_test(test_a_loop_that_wraps_leaves),
        cmocka_unit_test(test_budgets_are_exact),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
