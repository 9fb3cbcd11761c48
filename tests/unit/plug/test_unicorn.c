/* SPDX-License-Identifier: MIT */
/* Making, running and ending; and the guest that ends as on xbar's own. */
#include <stdio.h>

#include "jit/riscv/hart.h"
#include "tests/unit/plug/unicorn_rig.h"

/* ---- The same guest under both ----------------------------------------- */

/* What a guest leaves behind. */
struct outcome {
    uint8_t ram[RAM_SIZE];
    uint8_t bank[2][BANK_SIZE];
    uint64_t x[32];
    uint64_t sum;
    unsigned swapped;
};

static void note(struct board *b, struct outcome *out)
{
    memcpy(out->ram, b->mem, RAM_SIZE);
    for (unsigned i = 0; i < 2; i++) {
        memcpy(out->bank[i], memory_region_get_ram_ptr(&b->bank[i]), BANK_SIZE);
    }
    out->sum = b->sum;
    out->swapped = b->swapped;
}

static void run_own(struct outcome *out, enum xbar_riscv_engine engine)
{
    static struct board b;
    struct xbar_riscv_hart *hart;
    struct mover mover;
    uint64_t end;

    board_init(&b);
    end = board_load_guest(&b);
    hart = xbar_riscv_new(&(struct xbar_riscv_config){
        .as = &b.as, .reset_pc = RAM, .translate_after = 1 });
    assert_non_null(hart);
    assert_int_equal(xbar_riscv_set_engine(hart, engine), 0);
    for (unsigned i = 0; i < GUEST_REGS; i++) {
        xbar_riscv_set_x(hart, guest_regs[i].reg, guest_regs[i].value);
    }
    mover_start(&mover, &b);
    while (xbar_riscv_get_pc(hart) != end) {
        xbar_riscv_run(hart, 1000);
    }
    mover_stop(&mover);
    for (unsigned i = 0; i < 32; i++) {
        out->x[i] = xbar_riscv_get_x(hart, i);
    }
    note(&b, out);
    xbar_riscv_free(hart);
    board_finish(&b);
}

static void run_unicorn(struct outcome *out,
                        const struct xbar_unicorn_config *config)
{
    static struct rig r;
    struct mover mover;
    uint64_t end;

    rig_init(&r, config);
    end = board_load_guest(&r.b);
    for (unsigned i = 0; i < GUEST_REGS; i++) {
        rig_set(&r, guest_regs[i].reg, guest_regs[i].value);
    }
    mover_start(&mover, &r.b);
    rig_run(&r, RAM, (unsigned)(end - RAM) / 4);
    mover_stop(&mover);
    assert_true(mover.moves >= GUEST_ROUNDS / 4);
    assert_true(rig_stats(&r).stale >= GUEST_ROUNDS / 2);
    for (unsigned i = 0; i < 32; i++) {
        out->x[i] = rig_get(&r, i);
    }
    note(&r.b, out);
    rig_finish(&r);
}

static void compare(const struct outcome *a, const struct outcome *b)
{
    assert_memory_equal(a->ram, b->ram, sizeof(a->ram));
    assert_memory_equal(a->bank, b->bank, sizeof(a->bank));
    for (unsigned i = 0; i < 32; i++) {
        assert_int_equal(a->x[i], b->x[i]);
    }
    assert_int_equal(a->sum, b->sum);
    assert_int_equal(a->swapped, b->swapped);
}

/* Regions move under the guest, from its own callbacks and from a thread. */
static void test_ends_as_on_xbar(void **state)
{
    static const struct xbar_unicorn_config configs[] = {
        { .max_mappings = 0 },
        { .max_mappings = 4 }, /* as many as it uses */
        { .every_block = true },
        { .track_dirty = true },
    };
    static struct outcome own, foreign;

    (void)state;
    run_own(&own, XBAR_RISCV_INTERP);
    assert_int_equal(own.swapped, GUEST_ROUNDS / 2);
    if (xbar_riscv_has_jit()) {
        run_own(&foreign, XBAR_RISCV_JIT);
        compare(&own, &foreign);
    }
    for (unsigned i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
        run_unicorn(&foreign, &configs[i]);
        compare(&own, &foreign);
    }
}

/* ---- Mistakes ---------------------------------------------------------- */

static void test_bad_configuration(void **state)
{
    static struct rig r;
    struct xbar_unicorn_config config = { 0 };
    struct xbar_unicorn *plug;
    Error *err = NULL;

    (void)state;
    rig_init(&r, NULL);
    assert_null(xbar_unicorn_new(&config, &err));
    assert_non_null(strstr(error_get_pretty(err), "no address space"));
    error_free(err);
    config = (struct xbar_unicorn_config){ .as = &r.b.as,
                                           .uc = r.uc,
                                           .max_mappings = 3 };
    err = NULL;
    assert_null(xbar_unicorn_new(&config, &err));
    assert_non_null(strstr(error_get_pretty(err), "fewer than 4"));
    error_free(err);
    config.max_mappings = UINT32_MAX;
    assert_null(xbar_unicorn_new(&config, NULL));
    config.max_mappings = PAGE; /* Unicorn would end the process */
    err = NULL;
    assert_null(xbar_unicorn_new(&config, &err));
    assert_non_null(strstr(error_get_pretty(err), "more mappings"));
    error_free(err);
    config.max_mappings = PAGE - 1;
    plug = xbar_unicorn_new(&config, NULL);
    assert_non_null(plug);
    assert_int_equal(xbar_unicorn_free(plug), 0);
    assert_int_equal(xbar_unicorn_free(NULL), 0);
    rig_finish(&r);
}

static void call_back(struct board *b, hwaddr addr, uint64_t value,
                      unsigned size)
{
    struct rig *r = b->opaque;
    Error *err = NULL;

    (void)addr, (void)value, (void)size;
    assert_int_equal(xbar_unicorn_free(r->plug), -EBUSY);
    assert_int_equal(xbar_unicorn_sync(r->plug), -EBUSY);
    assert_int_equal(xbar_unicorn_run(r->plug, RAM, RAM, &err), -EBUSY);
    assert_non_null(strstr(error_get_pretty(err), "running already"));
    error_free(err);
    assert_int_equal(xbar_region_destroy(&b->bank[1], NULL, NULL), -EDEADLK);
    r->errors += 100;
}

static void test_busy_in_callbacks(void **state)
{
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    r.b.on_write = call_back;
    r.b.code[0] = rv_sw(RV_ZERO, 16, RV_S0);
    rig_set(&r, RV_S0, DEVICE);
    rig_run(&r, RAM, 1);
    assert_int_equal(r.errors, 100);
    rig_finish(&r);
}

/* The address space cannot go before its adapter. */
static void test_wrong_order(void **state)
{
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    assert_int_equal(xbar_address_space_destroy(&r.b.as, NULL, NULL), -EBUSY);
    rig_finish(&r);
}

/* Nor can the engine. A region can: it is waited for until the guest, which
 * runs on another thread, was told. */
static void test_region_ends_in_a_run(void **state)
{
    static struct rig r;
    pthread_t thread;

    (void)state;
    rig_init(&r, NULL);
    r.b.code[0] = rv_sw(RV_T0, 0, RV_S1);
    r.b.code[1] = rv_lw(RV_T1, 8, RV_S0);
    r.b.code[2] = rv_bne(RV_T1, RV_ZERO, -4);
    r.b.code[3] = rv_addi(RV_T0, RV_T0, 1);
    rig_set(&r, RV_S0, DEVICE);
    rig_set(&r, RV_S1, BANK0);
    r.b.asked = 1;
    r.b.ended = -1;
    pthread_create(&thread, NULL, ender_main, &r.b);
    rig_run(&r, RAM, 4);
    pthread_join(thread, NULL);
    assert_int_equal(r.b.ended, 0);
    assert_int_equal(rig_get(&r, RV_T0), 1);
    assert_int_equal(rig_try(&r, RAM, 1), UC_ERR_WRITE_UNMAPPED);
    assert_int_equal(xbar_engine_free(r.b.engine), -EBUSY);
    rig_finish(&r);
}

/* Who waits for readers would wait for the guest. */
static void test_run_in_a_section(void **state)
{
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    r.b.code[0] = rv_addi(RV_T0, RV_T0, 1);
    xbar_read_begin();
    assert_int_equal(rig_try(&r, RAM, 1), -EDEADLK);
    assert_non_null(strstr(error_get_pretty(r.err), "read section"));
    xbar_read_end();
    assert_int_equal(rig_get(&r, RV_T0), 0);
    rig_run(&r, RAM, 1);
    rig_finish(&r);
}

/* Unicorn has something there already. */
static void test_refused_mapping(void **state)
{
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    assert_int_equal(uc_mem_map(r.uc, BANK0 + PAGE, PAGE, UC_PROT_ALL), 0);
    r.b.code[0] = rv_sw(RV_T0, 0, RV_S1);
    rig_set(&r, RV_S1, BANK0);
    assert_int_equal(rig_try(&r, RAM, 1), -EEXIST);
    assert_non_null(strstr(error_get_pretty(r.err), "refuses to map 0x90000"));
    assert_int_equal(rig_stats(&r).refused, 1);
    /* What ends for another reason is not blamed on that. */
    rig_set(&r, RV_S1, 0x40000000);
    assert_int_equal(rig_try(&r, RAM, 1), UC_ERR_WRITE_UNMAPPED);
    assert_int_equal(uc_mem_unmap(r.uc, BANK0 + PAGE, PAGE), 0);
    rig_set(&r, RV_S1, BANK0);
    rig_run(&r, RAM, 1);
    rig_finish(&r);
}

/* ---- Memory ------------------------------------------------------------ */

static void test_out_of_memory(void **state)
{
    static struct rig r;
    struct xbar_unicorn_config config;
    long live;
    unsigned failed = 0;

    (void)state;
    rig_init(&r, NULL);
    config = (struct xbar_unicorn_config){ .as = &r.b.as, .uc = r.uc };
    live = r.b.alloc.live_bytes;
    for (long n = 1; n <= 2; n++) {
        counting_alloc_fail(&r.b.alloc, n);
        assert_null(xbar_unicorn_new(&config, NULL));
        assert_int_equal(r.b.alloc.live_bytes, live);
    }
    /* In the middle of a run: of logging what is mapped. */
    r.b.code[0] = rv_addi(RV_T0, RV_T0, 1);
    for (long n = 1; n < 20; n++) {
        int rc;

        counting_alloc_fail(&r.b.alloc, n);
        rc = rig_try(&r, RAM, 1);
        if (rc == 0) {
            break;
        }
        assert_int_equal(rc, -ENOMEM);
        assert_int_equal(rig_stats(&r).live, 0);
        assert_int_equal(rig_get(&r, RV_T0), 0);
        failed++;
    }
    counting_alloc_fail(&r.b.alloc, 0);
    assert_in_range(failed, 1, 18);
    assert_int_equal(rig_get(&r, RV_T0), 1);
    rig_finish(&r);
}

/* Between runs a region ends without the adapter's help, its memory, too. */
static void test_region_ends_between_runs(void **state)
{
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    r.b.code[0] = rv_sw(RV_T0, 0, RV_S1);
    rig_set(&r, RV_S1, BANK0);
    rig_run(&r, RAM, 1);
    assert_int_equal(rig_stats(&r).live, 2);
    assert_int_equal(xbar_region_destroy(&r.b.bank[0], NULL, NULL), 0);
    assert_int_equal(rig_try(&r, RAM, 1), UC_ERR_WRITE_UNMAPPED);
    assert_int_equal(rig_stats(&r).live, 1);
    assert_int_equal(xbar_unicorn_sync(r.plug), 0);
    rig_finish(&r);
}

/* More regions than Unicorn could map: what is not touched costs nothing. */
static void test_ten_thousand_regions(void **state)
{
    enum { COUNT = 10000 };
    static MemoryRegion many[COUNT];
    static struct rig r;

    (void)state;
    rig_init(&r, NULL);
    assert_int_equal(xbar_unicorn_free(r.plug), 0);
    memory_region_transaction_begin();
    for (unsigned i = 0; i < COUNT; i++) {
        memory_region_init_io(&many[i], NULL, &board_ops, &r.b, "many", PAGE);
        memory_region_add_subregion(&r.b.root, 0x100000000 + 2 * PAGE * i,
                                    &many[i]);
    }
    assert_int_equal(memory_region_transaction_commit(), 0);
    rig_attach(&r, NULL);
    assert_int_equal(rig_stats(&r).mapped, 0);

    /* for (a1 = COUNT; a1 != 0; a1--, s0 += 8192) *s0 = a1 */
    r.b.code[0] = rv_sw(RV_A1, 0, RV_S0);
    r.b.code[1] = rv_add(RV_S0, RV_S0, RV_A2);
    r.b.code[2] = rv_addi(RV_A1, RV_A1, -1);
    r.b.code[3] = rv_bne(RV_A1, RV_ZERO, -12);
    rig_set(&r, RV_S0, 0x100000000);
    rig_set(&r, RV_A1, COUNT);
    rig_set(&r, RV_A2, 2 * PAGE);
    rig_run(&r, RAM, 4);
    assert_int_equal(rig_stats(&r).live, XBAR_UNICORN_MAPPINGS);
    assert_int_equal(rig_stats(&r).mapped, COUNT + 1);
    for (uint64_t i = COUNT, sum = 0; i > 0; i--) {
        sum = sum * 3 + i;
        if (i == 1) {
            assert_int_equal(r.b.sum, sum);
        }
    }
    assert_int_equal(xbar_unicorn_free(r.plug), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(xbar_region_destroy(&many[i], NULL, NULL), 0);
    }
    rig_attach(&r, NULL);
    rig_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_as_on_xbar),
        cmocka_unit_test(test_bad_configuration),
        cmocka_unit_test(test_busy_in_callbacks),
        cmocka_unit_test(test_wrong_order),
        cmocka_unit_test(test_region_ends_in_a_run),
        cmocka_unit_test(test_run_in_a_section),
        cmocka_unit_test(test_refused_mapping),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_region_ends_between_runs),
        cmocka_unit_test(test_ten_thousand_regions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
