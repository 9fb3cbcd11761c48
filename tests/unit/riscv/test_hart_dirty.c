/* SPDX-License-Identifier: MIT */
/*
 * A hart's stores in dirty logs, in each engine: plain ones, atomics, and the
 * bits that its page walks set.
 */
#include "flatview/dirty_bitmap.h"
#include "tests/unit/riscv/encode.h"
#include "tests/unit/riscv/paging.h"
#include "tests/unit/riscv/runner.h"

#define PAGE   4096u
#define PLAIN  0x10000u /* offsets in RAM */
#define ATOMIC 0x11000u
#define EXCL   0x12000u
#define NEVER  0x13000u

static enum xbar_riscv_engine engine;

static void open_logged(struct rig *rig)
{
    rig_open(rig);
    assert_int_equal(xbar_riscv_set_engine(rig->hart, engine), 0);
    assert_int_equal(memory_region_set_log(&rig->ram, true, 0), 0);
}

static bool was_dirty(struct rig *rig, uint32_t offset)
{
    return memory_region_test_and_clear_dirty(&rig->ram, offset, PAGE, 0);
}

static void clear_all(struct rig *rig)
{
    memory_region_reset_dirty(&rig->ram, 0, RIG_RAM_SIZE, 0);
}

/* Stores to three pages, in three ways; a load of a fourth. */
static void load_program(struct rig *rig)
{
    const uint32_t code[] = {
        insn_addi(5, 5, 1),
        encode(RISCV_OP_SD, 0, 6, 5, 0),
        encode(RISCV_OP_AMOADD_D, 0, 7, 5, 0),
        encode(RISCV_OP_LR_D, 8, 9, 0, 0),
        encode(RISCV_OP_SC_D, 8, 9, 5, 0),
        encode(RISCV_OP_LD, 11, 10, 0, 0),
        0xfe9ff06f, /* j .-24 */
    };

    rig_code(rig, 0, code, sizeof(code) / sizeof(code[0]));
    rig->hart->x[6] = RIG_RAM + PLAIN;
    rig->hart->x[7] = RIG_RAM + ATOMIC;
    rig->hart->x[9] = RIG_RAM + EXCL;
    rig->hart->x[10] = RIG_RAM + NEVER;
}

static void every_store_is_seen(void **state)
{
    struct rig rig;

    (void)state;
    open_logged(&rig);
    load_program(&rig);
    for (unsigned i = 0; i < 20; i++) {
        clear_all(&rig);
        run_exactly(&rig, 7 * 100);
        assert_true(was_dirty(&rig, PLAIN));
        assert_true(was_dirty(&rig, ATOMIC));
        assert_true(was_dirty(&rig, EXCL));
        assert_false(memory_region_get_dirty(&rig.ram, 0, RIG_RAM_SIZE, 0));
    }
    rig_close(&rig);
}

/* Not by the page that was stored to, but by what is stored there again. */
static void a_page_is_clean_until_the_next_store(void **state)
{
    struct rig rig;

    (void)state;
    open_logged(&rig);
    load_program(&rig);
    run_exactly(&rig, 7 * 100);
    clear_all(&rig);
    run_exactly(&rig, 1); /* addi */
    assert_false(memory_region_get_dirty(&rig.ram, 0, RIG_RAM_SIZE, 0));
    run_exactly(&rig, 1); /* sd */
    assert_true(was_dirty(&rig, PLAIN));
    assert_false(memory_region_get_dirty(&rig.ram, 0, RIG_RAM_SIZE, 0));
    run_exactly(&rig, 1); /* amoadd.d */
    assert_true(was_dirty(&rig, ATOMIC));
    run_exactly(&rig, 1); /* lr.d */
    assert_false(memory_region_get_dirty(&rig.ram, 0, RIG_RAM_SIZE, 0));
    run_exactly(&rig, 1); /* sc.d */
    assert_true(was_dirty(&rig, EXCL));
    run_exactly(&rig, 2);
    assert_false(memory_region_get_dirty(&rig.ram, 0, RIG_RAM_SIZE, 0));
    rig_close(&rig);
}

/* Accessed and dirty bits are stores to the page of the table. */
static void page_walks_count(void **state)
{
    const uint32_t code[] = { encode(RISCV_OP_SD, 0, 6, 5, 0), INSN_SELF };
    struct rig rig;

    (void)state;
    open_logged(&rig);
    rig_open_pmp(&rig);
    rig_code(&rig, 0, code, 2);
    paging_set(&rig, PAGING_L0, 5, RIG_RAM + PLAIN, PTE_V | PTE_R | PTE_W);
    paging_enter(&rig, PRIV_S);
    rig.hart->x[6] = 5 * PAGE;
    clear_all(&rig);
    run_exactly(&rig, 3);
    assert_true(was_dirty(&rig, PAGING_L0));
    assert_true(was_dirty(&rig, PLAIN));
    assert_false(memory_region_get_dirty(&rig.ram, 0, RIG_RAM_SIZE, 0));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_store_is_seen),
        cmocka_unit_test(a_page_is_clean_until_the_next_store),
        cmocka_unit_test(page_walks_count),
    };

    return run_for_each_engine(tests, sizeof(tests) / sizeof(tests[0]),
                               &engine);
}
