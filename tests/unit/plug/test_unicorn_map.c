/* SPDX-License-Identifier: MIT */
/* What is mapped, taken back and made anew; code and stores of others. */
#include "tests/unit/plug/unicorn_rig.h"

/* ---- Code that others write -------------------------------------------- */

/* Subroutine at @at: t0 = @value. */
static void put_routine(struct board *b, hwaddr at, int value)
{
    uint32_t code[2] = { rv_addi(RV_T0, RV_ZERO, value),
                         rv_jalr(RV_ZERO, 0, RV_RA) };

    assert_int_equal(address_space_write(&b->as, at, MEMTXATTRS_UNSPECIFIED,
                                         code, sizeof(code)),
                     MEMTX_OK);
}

static void dma(struct board *b, hwaddr addr, uint64_t value, unsigned size)
{
    (void)addr, (void)size;
    put_routine(b, value, 200);
}

/* Calls what is at s1, has the device overwrite it (a1), calls it again. */
static void run_twice(struct rig *r, hwaddr at, hwaddr written)
{
    r->b.on_write = dma;
    put_routine(&r->b, at, 100);
    rig_set(r, RV_S0, DEVICE);
    rig_set(r, RV_S1, at);
    rig_set(r, RV_A1, written);
    r->b.code[0] = rv_jalr(RV_RA, 0, RV_S1);
    r->b.code[1] = rv_addi(RV_A2, RV_T0, 0);
    r->b.code[2] = rv_sw(RV_A1, 16, RV_S0);
    r->b.code[3] = rv_jalr(RV_RA, 0, RV_S1);
    rig_run(r, RAM, 4);
    assert_int_equal(rig_get(r, RV_A2), 100);
    assert_int_equal(rig_get(r, RV_T0), 200);
}

static void test_code_by_dma(void **state)
{
    static struct rig r;
    MemoryRegion alias;

    (void)state;
    rig_init(&r, NULL);
    run_twice(&r, RAM + 0x4000, RAM + 0x4000);
    run_twice(&r, RAM + 0x4ffc, RAM + 0x4ffc); /* over two pages */
    run_twice(&r, BANK0, BANK0);               /* mapped when it is called */
    run_twice(&r, BANK0 + BANK_SIZE - 8, BANK0 + BANK_SIZE - 8);
    /* Through another way to the same memory. */
    memory_region_init_alias(&alias, NULL, "alias", &r.b.ram, 0x8000, 0x4000);
    memory_region_add_subregion(&r.b.root, 0x50000000, &alias);
    run_twice(&r, RAM + 0x9000, 0x50001000);
    run_twice(&r, 0x50001000, RAM + 0x9000);
    /* Between runs. */
    put_routine(&r.b, 0x50001000, 300);
    rig_run(&r, RAM + 12, 1);
    assert_int_equal(rig_get(&r, RV_T0), 300);
    assert_true(rig_stats(&r).code >= 7);
    assert_int_equal(rig_stats(&r).stale, 0);
    memory_region_del_subregion(&r.b.root, &alias);
    assert_int_equal(xbar_unicorn_sync(r.plug), 0);
    assert_int_equal(xbar_region_destroy(&alias, NULL, NULL), 0);
    rig_finish(&r);
}

/* Pages of the guest's that are no pages of the region's: neighbours share
 * what dirty logs count. */
static void test_code_at_odd_places(void **state)
{
    static struct rig r;
    MemoryRegion odd;
    hwaddr at[] = { 0x50001000, 0x50001ff0, 0x50002100, 0x50002ff8 };

    (void)state;
    rig_init(&r, NULL);
    memory_region_init_ram(&odd, NULL, "odd", 0x4000, NULL);
    memory_region_add_subregion(&r.b.root, 0x50000800, &odd);
    r.b.code[0] = rv_jalr(RV_RA, 0, RV_S1);
    for (unsigned i = 0; i < 4; i++) {
        put_routine(&r.b, at[i], (int)i);
    }
    for (unsigned i = 0; i < 8; i++) { /* all are code; then one is new */
        rig_set(&r, RV_S1, at[i % 4]);
        if (i >= 4) {
            put_routine(&r.b, at[i % 4], (int)i);
        }
        rig_run(&r, RAM, 1);
        assert_int_equal(rig_get(&r, RV_T0), i);
    }
    memory_region_del_subregion(&r.b.root, &odd);
    assert_int_equal(xbar_unicorn_sync(r.plug), 0);
    assert_int_equal(xbar_region_destroy(&odd, NULL, NULL), 0);
    rig_finish(&r);
}

/* Other memory between runs, at an address where code was run. */
static void test_code_elsewhere_between_runs(void **state)
{
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    put_routine(&r.b, BANK0, 16);
    put_routine(&r.b, BANK1, 32);
    rig_set(&r, RV_S1, BANK0);
    r.b.code[0] = rv_jalr(RV_RA, 0, RV_S1);
    for (unsigned i = 0; i < 6; i++) {
        rig_run(&r, RAM, 1);
        assert_int_equal(rig_get(&r, RV_T0), i % 2 ? 32 : 16);
        board_swap(&r.b);
    }
    rig_finish(&r);
}

/* Loaders write ROM, too. */
static void test_code_in_rom(void **state)
{
    static struct rig r;
    uint32_t code = rv_addi(RV_T0, RV_ZERO, 7);

    (void)state;
    rig_init(&r, NULL);
    for (unsigned i = 0; i < 2; i++) {
        code = rv_addi(RV_T0, RV_ZERO, 7 + (int)i);
        address_space_write_rom(&r.b.as, ROM, MEMTXATTRS_UNSPECIFIED, &code, 4);
        rig_run(&r, ROM, 1);
        assert_int_equal(rig_get(&r, RV_T0), 7 + i);
    }
    rig_finish(&r);
}

/* ---- Room -------------------------------------------------------------- */

static void swap_mid_run(struct board *b, hwaddr addr, uint64_t value,
                         unsigned size)
{
    (void)addr, (void)value, (void)size;
    board_swap(b);
}

/* Four places, and code in three memories, stores to a fourth, devices. */
static void test_evicts(void **state)
{
    static const struct xbar_unicorn_config config = { .max_mappings = 4 };
    static struct rig r;
    uint32_t *p;

    (void)state;
    rig_init(&r, &config);
    r.b.on_write = swap_mid_run;
    for (unsigned i = 0; i < 2; i++) {
        put_routine(&r.b, i ? BANK1 : BANK0, i ? 32 : 16);
    }
    rig_set(&r, RV_S0, DEVICE);
    rig_set(&r, RV_S1, BANK0);
    rig_set(&r, RV_A4, BANK1);
    rig_set(&r, RV_A0, ROM);
    rig_set(&r, RV_A2, SMALL);
    rig_set(&r, RV_A1, 100);
    p = r.b.code;
    *p++ = rv_jalr(RV_RA, 0, RV_S1);
    *p++ = rv_add(RV_A5, RV_A5, RV_T0);
    *p++ = rv_lw(RV_T1, 0, RV_A0);
    *p++ = rv_jalr(RV_RA, 0, RV_A4);
    *p++ = rv_add(RV_A5, RV_A5, RV_T0);
    *p++ = rv_sw(RV_T0, 0x100, RV_S1);
    *p++ = rv_sw(RV_T0, 0, RV_A2);
    *p++ = rv_sw(RV_T0, 16, RV_S0); /* the banks trade places */
    *p++ = rv_addi(RV_A1, RV_A1, -1);
    *p++ = rv_bne(RV_A1, RV_ZERO, -36);
    rig_run(&r, RAM, 10);
    assert_int_equal(rig_get(&r, RV_A5), 100 * 48);
    assert_true(rig_stats(&r).evicted > 100);
    assert_in_range(rig_stats(&r).live, 1, 4);
    rig_finish(&r);
}

/* What lies over the middle of RAM leaves the rest of it. */
static void test_hole_in_ram(void **state)
{
    static struct rig r;
    MemoryRegion over;

    (void)state;
    rig_init(&r, NULL);
    memory_region_init_io(&over, NULL, &board_ops, &r.b, "over", 0x1800);
    r.b.code[0] = rv_sw(RV_A1, 0, RV_S1);
    r.b.code[1] = rv_lw(RV_A2, 0x100, RV_S0);
    rig_set(&r, RV_S1, RAM + 0x20000);
    rig_set(&r, RV_S0, RAM + 0x21800);
    rig_set(&r, RV_A1, 7);
    memset(r.b.mem + 0x21900, 1, 4);
    rig_run(&r, RAM, 2);
    assert_int_equal(r.b.mem[0x20000], 7);
    memory_region_add_subregion_overlap(&r.b.root, RAM + 0x20000, &over, 1);
    rig_set(&r, RV_A1, 9);
    rig_run(&r, RAM, 2);
    assert_int_equal(r.b.mem[0x20000], 7);
    assert_int_equal(r.b.sum, 9);
    assert_int_equal(rig_get(&r, RV_A2), 0x01010101);
    memory_region_del_subregion(&r.b.root, &over);
    rig_run(&r, RAM, 2);
    assert_int_equal(r.b.mem[0x20000], 9);
    assert_int_equal(xbar_region_destroy(&over, NULL, NULL), 0);
    rig_finish(&r);
}

/* ---- Stores ------------------------------------------------------------ */

static unsigned dirty_pages(MemoryRegion *mr)
{
    unsigned count = 0;

    for (uint64_t at = 0; at < memory_region_size(mr); at += PAGE) {
        count +=
            memory_region_test_and_clear_dirty(mr, at, PAGE, DIRTY_MEMORY_VGA);
    }
    return count;
}

static unsigned in_callback;

/* A display that looks at what was drawn so far. */
static void look(struct board *b, hwaddr addr, uint64_t value, unsigned size)
{
    (void)addr, (void)value, (void)size;
    memory_region_sync_dirty_bitmap(&b->ram);
    in_callback = dirty_pages(&b->ram);
}

static void test_stores_are_dirty(void **state)
{
    static const struct xbar_unicorn_config config = { .track_dirty = true };
    static struct rig r;

    (void)state;
    rig_init(&r, &config);
    r.b.on_write = look;
    assert_int_equal(memory_region_set_log(&r.b.ram, true, DIRTY_MEMORY_VGA),
                     0);
    (void)dirty_pages(&r.b.ram);
    rig_set(&r, RV_S0, DEVICE);
    rig_set(&r, RV_A0, RAM + 0x10000);
    rig_set(&r, RV_A1, RAM + 0x20ffc);
    r.b.code[0] = rv_sw(RV_T0, 0, RV_A0);
    r.b.code[1] = rv_sw(RV_T0, 4, RV_A0);
    r.b.code[2] = rv_sw(RV_T0, 16, RV_S0); /* one page so far */
    r.b.code[3] = rv_sd(RV_T0, 0, RV_A1);  /* two pages */
    r.b.code[4] = rv_sw(RV_T0, 0, RV_A0);
    rig_run(&r, RAM, 5);
    assert_int_equal(in_callback, 1);
    for (unsigned page = 0; page < RAM_SIZE / PAGE; page++) {
        assert_int_equal(
            memory_region_get_dirty(&r.b.ram, page * PAGE, 1, DIRTY_MEMORY_VGA),
            page == 0x10 || page == 0x20 || page == 0x21);
    }
    assert_int_equal(memory_region_set_log(&r.b.ram, false, DIRTY_MEMORY_VGA),
                     0);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_by_dma),
        cmocka_unit_test(test_code_at_odd_places),
        cmocka_unit_test(test_code_elsewhere_between_runs),
        cmocka_unit_test(test_code_in_rom),
        cmocka_unit_test(test_evicts),
        cmocka_unit_test(test_hole_in_ram),
        cmocka_unit_test(test_stores_are_dirty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
