/* SPDX-License-Identifier: MIT */
/* The loop: fetching, counting, stopping. */
#include <pthread.h>
#include <unistd.h>

#include "exec.h"
#include "paging.h"

#define RAM ((uint64_t)RIG_RAM)

/* ---- Fetch ------------------------------------------------------------- */

/* A 4-byte instruction at every even offset around the end of a page. */
static void test_fetch_across_pages(void **state)
{
    struct rig *rig = *state;
    uint32_t addi = encode(RISCV_OP_ADDI, 7, 7, 0, 1);
    unsigned offset;

    rig->hart->x[7] = 0;
    for (offset = 0x2ff8; offset <= 0x3008; offset += 2) {
        exec_at(rig, RAM + offset, addi);
        assert_int_equal(rig->hart->pc, RAM + offset + 4);
    }
    assert_int_equal(rig->hart->x[7], 9);
    exec_at(rig, RAM + 0x2ffe, 0x0385); /* c.addi t2,1 */
    assert_int_equal(rig->hart->pc, RAM + 0x3000);
    assert_int_equal(rig->hart->x[7], 10);
}

/* Straight through from one page into the next, both ways of ending. */
static void test_run_across_pages(void **state)
{
    struct rig *rig = *state;
    const uint32_t addi = encode(RISCV_OP_ADDI, 7, 7, 0, 1);
    const uint16_t c_addi = 0x0385;
    unsigned i;

    memcpy(rig->mem + 0x2f00, &c_addi, 2);
    for (i = 0; i < 200; i++) {
        memcpy(rig->mem + 0x2f02 + i * 4, &addi, 4);
    }
    rig->hart->x[7] = 0;
    rig->hart->pc = RAM + 0x2f00;
    xbar_riscv_run(rig->hart, 201);
    assert_int_equal(rig->hart->x[7], 201);
    assert_int_equal(rig->hart->pc, RAM + 0x2f02 + 800);
}

/* The halves of one instruction on pages that are no neighbours in RAM; then
 * the second one is missing, and the fault is at its address. */
static void test_fetch_of_two_halves(void **state)
{
    struct rig *rig = *state;
    uint32_t addi = encode(RISCV_OP_ADDI, 7, 0, 0, 77);
    uint16_t c_nop = 0x0001;

    paging_map(rig, 4, 0x8000, PTE_X);
    paging_map(rig, 5, 0x6000, PTE_X);
    memcpy(rig->mem + 0x8ffc, &c_nop, 2);
    memcpy(rig->mem + 0x8ffe, &addi, 2);
    memcpy(rig->mem + 0x6000, (uint8_t *)&addi + 2, 2);
    paging_enter(rig, PRIV_S);
    rig->hart->pc = 0x4ffc; /* from within the first page */
    xbar_riscv_run(rig->hart, 2);
    assert_int_equal(rig->hart->x[7], 77);
    assert_int_equal(rig->hart->pc, 0x5002);

    paging_set(rig, PAGING_L0, 5, 0, 0);
    tlb_flush(&rig->hart->tlb, TLB_ALL_CONTEXTS);
    rig->hart->pc = 0x4ffe;
    xbar_riscv_run(rig->hart, 1);
    assert_trap(rig, CAUSE_FETCH_PAGE, 0x5000);
    assert_int_equal(rig->hart->mepc, 0x4ffe);
}

static void test_fetch_page_faults(void **state)
{
    struct rig *rig = *state;

    paging_map(rig, 4, 0x8000, PTE_R | PTE_W);
    paging_enter(rig, PRIV_S);
    rig->hart->pc = 0x4010;
    xbar_riscv_run(rig->hart, 1);
    assert_trap(rig, CAUSE_FETCH_PAGE, 0x4010);

    paging_enter(rig, PRIV_U); /* the map of RAM is not for users */
    rig->hart->pc = RAM;
    xbar_riscv_run(rig->hart, 1);
    assert_trap(rig, CAUSE_FETCH_PAGE, RAM);
}

static void test_fetch_from_what_is_no_memory(void **state)
{
    static const uint64_t places[] = { RIG_IO, 0x50000000, 0, UINT64_MAX - 1 };
    struct rig *rig = *state;
    unsigned i;

    for (i = 0; i < 4; i++) {
        rig->hart->pc = places[i];
        xbar_riscv_run(rig->hart, 1);
        assert_trap(rig, CAUSE_FETCH_ACCESS, places[i]);
        assert_int_equal(rig->hart->mepc, places[i]);
    }
    /* The last parcel of RAM is there, what would follow it is not. */
    memset(rig->mem + RIG_RAM_SIZE - 2, 0x13, 2);
    rig->hart->pc = RAM + RIG_RAM_SIZE - 2;
    xbar_riscv_run(rig->hart, 1);
    assert_trap(rig, CAUSE_FETCH_ACCESS, RAM + RIG_RAM_SIZE);
}

static void test_fetch_from_rom(void **state)
{
    static const uint32_t code[] = { 0x02a00393, INSN_SELF }; /* li t2,42 */
    struct rig *rig = *state;

    memcpy(memory_region_get_ram_ptr(&rig->rom), code, sizeof(code));
    rig->hart->pc = RIG_ROM;
    xbar_riscv_run(rig->hart, 2);
    assert_int_equal(rig->hart->x[7], 42);
}

/* Code in less than a page of memory is fetched piece by piece. */
static void test_fetch_from_part_of_a_page(void **state)
{
    const uint64_t base = 0x30000800;
    const uint32_t code[] = { 0x00138393, 0x00138393 }; /* addi t2,t2,1 */
    struct rig *rig = *state;
    MemoryRegion small;

    xbar_engine_enter(rig->engine);
    assert_int_equal(memory_region_init_ram(&small, NULL, "small", 8, NULL), 0);
    memory_region_add_subregion(&rig->root, base, &small);
    xbar_engine_leave(rig->engine);
    memcpy(memory_region_get_ram_ptr(&small), code, sizeof(code));

    rig->hart->x[7] = 0;
    rig->hart->pc = base;
    xbar_riscv_run(rig->hart, 3);
    assert_trap(rig, CAUSE_FETCH_ACCESS, base + 8);
    assert_int_equal(rig->hart->x[7], 2);

    memory_region_del_subregion(&rig->root, &small);
    rig->hart->pc = base;
    xbar_riscv_run(rig->hart, 1);
    assert_trap(rig, CAUSE_FETCH_ACCESS, base);
    xbar_region_destroy(&small, NULL, NULL);
}

/* ---- Code that changes ------------------------------------------------- */

/* Stores over the next instruction; with a fence.i in between it must be the
 * new one that runs, and without it it may be (here it is). */
static void test_self_modifying_code(void **state)
{
    struct rig *rig = *state;
    const uint32_t code[] = {
        encode(RISCV_OP_SW, 0, 5, 6, 0),
        0x0000100f, /* fence.i */
        encode(RISCV_OP_ADDI, 7, 0, 0, 1),
        encode(RISCV_OP_JAL, 0, 0, 0, -12),
    };
    unsigned i;

    rig_code(rig, 0, code, 4);
    rig->hart->x[5] = RAM + 8;
    for (i = 1; i < 50; i++) {
        rig->hart->pc = RAM;
        rig->hart->x[6] = encode(RISCV_OP_ADDI, 7, 0, 0, (int32_t)i);
        xbar_riscv_run(rig->hart, 4);
        assert_int_equal(rig->hart->x[7], i);
        assert_int_equal(rig->hart->pc, RAM);
    }
    assert_int_equal(rig->hart->stats.fence_i, 49);
}

/* A page that is mapped elsewhere, then fenced, is fetched from there. */
static void test_remapped_code(void **state)
{
    struct rig *rig = *state;
    const uint32_t one[] = { encode(RISCV_OP_SD, 0, 5, 6, 0),
                             0x12000073, /* sfence.vma */
                             encode(RISCV_OP_ADDI, 7, 0, 0, 1) };
    const uint32_t two[] = { INSN_BAD, INSN_BAD,
                             encode(RISCV_OP_ADDI, 7, 0, 0, 2) };

    rig_code(rig, 0x8000, one, 3);
    rig_code(rig, 0x9000, two, 3);
    paging_map(rig, 4, 0x8000, PTE_X);
    paging_enter(rig, PRIV_S);
    rig->hart->pc = 0x4000;
    rig->hart->x[5] = RAM + PAGING_L0 + 4 * 8;
    rig->hart->x[6] = (RAM + 0x9000) >> 12 << 10 | PTE_V | PTE_X | PTE_AD;
    xbar_riscv_run(rig->hart, 3);
    assert_int_equal(rig->hart->x[7], 2);
    assert_int_equal(rig->hart->pc, 0x400c);
}

/* ---- Counting and stopping --------------------------------------------- */

static void test_budget_is_exact(void **state)
{
    struct rig *rig = *state;
    const uint32_t code[] = { insn_addi(7, 7, 1), insn_addi(7, 7, 1),
                              encode(RISCV_OP_JAL, 0, 0, 0, -8) };
    uint64_t total = 0;
    unsigned n;

    rig_code(rig, 0, code, 3);
    rig->hart->x[7] = 0;
    rig->hart->pc = RAM;
    for (n = 0; n < 100; n++) {
        total += n;
        assert_int_equal(xbar_riscv_run(rig->hart, n), XBAR_RISCV_EXIT_BUDGET);
        assert_int_equal(rig->hart->stats.instructions, total);
        assert_int_equal(rig->hart->pc, RAM + total % 3 * 4);
    }
    assert_int_equal(rig->hart->x[7], total - total / 3);
}

static void raise_line(struct rig *rig, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    xbar_riscv_set_irq(rig->hart, XBAR_RISCV_IRQ_M_EXT, true);
}

/* A store to a device raises a line: nothing runs before the interrupt. */
static void test_interrupt_right_after_a_store(void **state)
{
    struct rig *rig = *state;
    const uint32_t code[] = { encode(RISCV_OP_SW, 0, 5, 6, 0),
                              insn_addi(7, 7, 1), insn_addi(7, 7, 1) };

    rig_code(rig, 0, code, 3);
    rig->on_write = raise_line;
    rig->hart->pc = RAM;
    rig->hart->x[5] = RIG_IO;
    rig->hart->x[7] = 0;
    rig->hart->mie = MIP_MEIP;
    rig->hart->mstatus |= MSTATUS_MIE;
    xbar_riscv_run(rig->hart, 2);
    assert_int_equal(rig->hart->mcause, CAUSE_IRQ | XBAR_RISCV_IRQ_M_EXT);
    assert_int_equal(rig->hart->mepc, RAM + 4);
    assert_int_equal(rig->hart->x[7], 0);
}

/* The same for the CSR write that enables it. */
static void test_interrupt_right_after_enabling(void **state)
{
    struct rig *rig = *state;
    const uint32_t code[] = { insn_csr(6, 0, 0x300, 8), /* csrsi mstatus,8 */
                              insn_addi(7, 7, 1), insn_addi(7, 7, 1) };

    rig_code(rig, 0, code, 3);
    rig->hart->pc = RAM;
    rig->hart->x[7] = 0;
    rig->hart->mie = MIP_MEIP;
    xbar_riscv_set_irq(rig->hart, XBAR_RISCV_IRQ_M_EXT, true);
    xbar_riscv_run(rig->hart, 2);
    assert_int_equal(rig->hart->mepc, RAM + 4);
    assert_int_equal(rig->hart->x[7], 0);
}

static void request_exit(struct rig *rig, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    xbar_riscv_request_exit(rig->hart);
}

static void test_exit_from_a_device(void **state)
{
    struct rig *rig = *state;
    const uint32_t code[] = { encode(RISCV_OP_SW, 0, 5, 6, 0), INSN_SELF };

    rig_code(rig, 0, code, 2);
    rig->on_write = request_exit;
    rig->hart->pc = RAM;
    rig->hart->x[5] = RIG_IO;
    assert_int_equal(xbar_riscv_run(rig->hart, UINT64_MAX),
                     XBAR_RISCV_EXIT_REQUEST);
    assert_int_equal(rig->hart->pc, RAM + 4);
    assert_int_equal(rig->hart->stats.instructions, 1);
}

static void *request_exit_soon(void *opaque)
{
    usleep(2000);
    xbar_riscv_request_exit(opaque);
    return NULL;
}

/* A guest that does nothing but trap can still be stopped from outside. */
static void test_trap_loop_can_be_left(void **state)
{
    struct rig *rig = *state;
    pthread_t thread;

    rig->hart->mtvec = RIG_IO; /* fetching the handler faults, for ever */
    rig->hart->pc = RIG_IO;
    assert_int_equal(
        pthread_create(&thread, NULL, request_exit_soon, rig->hart), 0);
    assert_int_equal(xbar_riscv_run(rig->hart, UINT64_MAX),
                     XBAR_RISCV_EXIT_REQUEST);
    pthread_join(thread, NULL);
    assert_int_equal(rig->hart->stats.instructions, 0);
    assert_int_equal(rig->hart->mepc, RIG_IO);
}

/* riscv__interpret() itself, which the run loop calls in slices. */
static void test_interpret_stops(void **state)
{
    struct rig *rig = *state;
    struct xbar_riscv_hart *hart = rig->hart;
    const uint32_t code[] = { INSN_WFI, INSN_NOP, INSN_SELF };

    rig_code(rig, 0, code, 3);
    hart->pc = RAM;
    tlb_enter(&hart->tlb);
    atomic_store(&hart->attention, 0);
    assert_int_equal(riscv__interpret(hart, 0), RISCV_STOP_BUDGET);
    assert_int_equal(hart->pc, RAM);
    assert_int_equal(riscv__interpret(hart, UINT64_MAX), RISCV_STOP_WFI);
    assert_int_equal(hart->pc, RAM + 4);
    assert_int_equal(hart->stats.instructions, 1);
    assert_int_equal(riscv__interpret(hart, 2), RISCV_STOP_BUDGET);
    assert_int_equal(hart->pc, RAM + 8);
    riscv__attend(hart, ATTN_TIMER);
    assert_int_equal(riscv__interpret(hart, UINT64_MAX), RISCV_STOP_ATTENTION);
    assert_int_equal(hart->stats.instructions, 3);
    tlb_leave(&hart->tlb);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, exec_open, exec_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fetch_across_pages),
        TEST(test_run_across_pages),
        TEST(test_fetch_of_two_halves),
        TEST(test_fetch_page_faults),
        TEST(test_fetch_from_what_is_no_memory),
        TEST(test_fetch_from_rom),
        TEST(test_fetch_from_part_of_a_page),
        TEST(test_self_modifying_code),
        TEST(test_remapped_code),
        TEST(test_budget_is_exact),
        TEST(test_interrupt_right_after_a_store),
        TEST(test_interrupt_right_after_enabling),
        TEST(test_exit_from_a_device),
        TEST(test_trap_loop_can_be_left),
        TEST(test_interpret_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
