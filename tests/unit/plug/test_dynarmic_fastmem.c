/* SPDX-License-Identifier: MIT */
/* Shared memory without a table; what is not shared, with one. */
#include <signal.h>

#include "tests/unit/plug/dynarmic_rig.h"

#define SHARED   0x40000000u
#define PRIVATE  BANK0
#define ACCESSES 5000u

/* dynarmic's, since it was loaded; cmocka has its own while a test runs. */
static struct sigaction handler;

/* A rig with shared RAM, of one or two blocks, beside the private one. */
static MemoryRegion shared[2];

static void fast_init(struct rig *r)
{
    const struct xbar_dynarmic_config config = { .fastmem_bits = 32 };

    sigaction(SIGSEGV, &handler, NULL);
    rig_init(r, &config);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            memory_region_init_ram_flags_nomigrate(&shared[i], NULL, "shared",
                                                   0x4000, RAM_SHARED, NULL),
            0);
    }
    memory_region_add_subregion(&r->b.root, SHARED, &shared[0]);
}

static void fast_finish(struct rig *r)
{
    assert_int_equal(xbar_dynarmic_free(r->plug), 0);
    r->plug = NULL;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(xbar_region_destroy(&shared[i], NULL, NULL), 0);
    }
    rig_finish(r);
}

/* x1 += what is at x4 and x4 + 8, stored to x4 + 16; ACCESSES times. */
static void load_loop(struct rig *r)
{
    uint32_t *p = r->b.code;

    *p++ = a64_ldr(3, 0, 4, 0);
    *p++ = a64_add(1, 1, 0);
    *p++ = a64_ldr(3, 0, 4, 8);
    *p++ = a64_add(1, 1, 0);
    *p++ = a64_str(3, 1, 4, 16);
    *p++ = a64_subi(5, 5, 1);
    *p++ = a64_cbnz(5, -24);
    *p++ = a64_svc(0);
}

static void run_loop(struct rig *r, uint64_t at)
{
    set(r, 1, 0);
    set(r, 4, at);
    set(r, 5, ACCESSES);
    assert_int_equal(rig_run(r, RAM), XBAR_DYNARMIC_SVC);
    assert_int_equal(get(r, 1), ACCESSES * 7);
}

static void test_shared_needs_no_table(void **state)
{
    static struct rig r;
    uint64_t words[3] = { 3, 4, 0 };
    uint64_t stored;

    (void)state;
    fast_init(&r);
    load_loop(&r);
    address_space_write(&r.b.as, SHARED + 8, MEMTXATTRS_UNSPECIFIED, words, 24);
    address_space_write(&r.b.as, PRIVATE, MEMTXATTRS_UNSPECIFIED, words, 24);
    assert_int_equal(rig_stats(&r).shown, 1);
    run_loop(&r, SHARED + 8);
    assert_int_equal(rig_stats(&r).callbacks, 0);
    memcpy(&stored, (char *)memory_region_get_ram_ptr(&shared[0]) + 24, 8);
    assert_int_equal(stored, ACCESSES * 7);
    /* Faults, and then is in the page table. */
    run_loop(&r, PRIVATE);
    assert_in_range(rig_stats(&r).callbacks, 1, 10);
    fast_finish(&r);
}

/* From the other end of a page, and where there is nothing, or beyond. */
static void test_edges(void **state)
{
    static struct rig r;
    uint32_t *p;

    (void)state;
    fast_init(&r);
    p = r.b.code;
    *p++ = a64_ldr(3, 0, 4, 0);
    *p++ = a64_svc(0);
    set(&r, 4, SHARED + 0x4000 - 4); /* half of it is nowhere */
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_FAULT);
    set(&r, 4, 0xfffffffc); /* half of it beyond */
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_FAULT);
    set(&r, 4, UINT64_C(1) << 32); /* all of it */
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_FAULT);
    assert_int_equal(r.stop.fault.va, UINT64_C(1) << 32);
    set(&r, 4, DEVICE);
    r.b.sum = 77;
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
    assert_int_equal(get(&r, 0), 77);
    fast_finish(&r);
}

/* Memory moves, and goes; from a device's callback, too. */
static void exchange(struct board *b, hwaddr addr, uint64_t value,
                     unsigned size)
{
    (void)addr, (void)size;
    memory_region_transaction_begin();
    memory_region_del_subregion(&b->root, &shared[value ? 0 : 1]);
    memory_region_add_subregion(&b->root, SHARED, &shared[value ? 1 : 0]);
    assert_int_equal(memory_region_transaction_commit(), 0);
}

static void test_memory_is_exchanged(void **state)
{
    static struct rig r;
    uint32_t *memory[2];
    uint32_t *p;

    (void)state;
    fast_init(&r);
    r.b.on_write = exchange;
    for (unsigned i = 0; i < 2; i++) {
        memory[i] = memory_region_get_ram_ptr(&shared[i]);
        memory[i][0] = 10 + i;
    }
    p = r.b.code;
    *p++ = a64_ldr(2, 0, 4, 0);
    *p++ = a64_str(2, 5, 3, 16); /* x5: which */
    *p++ = a64_ldr(2, 1, 4, 0);
    *p++ = a64_str(2, 1, 4, 4);
    *p++ = a64_svc(0);
    set(&r, 3, DEVICE);
    set(&r, 4, SHARED);
    for (unsigned i = 0; i < 20; i++) {
        set(&r, 5, (i + 1) % 2);
        assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
        assert_int_equal(get(&r, 0), 10 + i % 2);
        assert_int_equal(get(&r, 1), 10 + (i + 1) % 2);
        assert_int_equal(memory[(i + 1) % 2][1], 10 + (i + 1) % 2);
    }
    memory_region_del_subregion(&r.b.root, &shared[0]);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_FAULT);
    fast_finish(&r);
}

/* Stores to what is clean are seen, to what is dirty need not be. */
static void test_dirty_logs_are_exact(void **state)
{
    static struct rig r;
    uint32_t *p;

    (void)state;
    fast_init(&r);
    p = r.b.code;
    *p++ = a64_str(2, 4, 4, 0);
    *p++ = a64_svc(0);
    set(&r, 4, SHARED + PAGE);
    assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC); /* by fastmem */
    assert_int_equal(rig_stats(&r).callbacks, 0);
    assert_int_equal(memory_region_set_log(&shared[0], true, DIRTY_MEMORY_VGA),
                     0);
    for (unsigned i = 0; i < 3; i++) {
        memory_region_reset_dirty(&shared[0], 0, 0x4000, DIRTY_MEMORY_VGA);
        assert_int_equal(rig_run(&r, RAM), XBAR_DYNARMIC_SVC);
        for (unsigned page = 0; page < 4; page++) {
            assert_int_equal(memory_region_get_dirty(&shared[0], page * PAGE, 1,
                                                     DIRTY_MEMORY_VGA),
                             page == 1);
        }
    }
    memory_region_set_log(&shared[0], false, DIRTY_MEMORY_VGA);
    fast_finish(&r);
}

static void test_rom_is_not_written(void **state)
{
    static struct rig r;
    uint32_t *p;

    (void)state;
    fast_init(&r);
    memory_region_set_readonly(&shared[0], true);
    p = r.b.code;
    *p++ = a64_ldr(2, 0, 4, 0);
    *p++ = a64_str(2, 4, 4, 0);
    *p++ = a64_svc(0);
    set(&r, 4, SHARED);
    (void)rig_run(&r, RAM);
    assert_int_equal(*(uint32_t *)memory_region_get_ram_ptr(&shared[0]), 0);
    fast_finish(&r);
}

static void test_mistakes(void **state)
{
    struct xbar_dynarmic_config config = { .fastmem_bits = 47 };
    static struct rig r;
    Error *err = NULL;

    (void)state;
    rig_init(&r, NULL);
    config.as = &r.b.as;
    assert_null(xbar_dynarmic_new(&config, &err));
    assert_non_null(strstr(error_get_pretty(err), "more than 46 bits"));
    error_free(err);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_needs_no_table),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_memory_is_exchanged),
        cmocka_unit_test(test_dirty_logs_are_exact),
        cmocka_unit_test(test_rom_is_not_written),
        cmocka_unit_test(test_mistakes),
    };

    sigaction(SIGSEGV, NULL, &handler);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
