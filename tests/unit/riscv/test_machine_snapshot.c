/* SPDX-License-Identifier: MIT */
/*
 * Tests of jit/riscv/machine_snapshot.c: memory, tree, devices and harts that
 * become what they were together, and what of the host's stays.
 */
#include "jit/riscv/machine_snapshot.h"

#include <errno.h>

#include "engine/memory_ram.h"
#include "flatview/deferred_writes.h"
#include "tests/unit/counting_alloc.h"
#include "tests/unit/riscv/encode.h"
#include "tests/unit/riscv/gauge.h"
#include "tests/unit/riscv/paging.h"
#include "tests/unit/riscv/runner.h"

#define CODE    ((uint64_t)RIG_RAM)
#define PATCHED 0x3000u /* offsets in RAM */
#define DATA    0x10000u
#define FENCE_I 0x0000100fu
#define RET     0x00008067u

static enum xbar_riscv_engine engine;
static struct counting_alloc alloc;
static struct rig rig;

/* ---- The machine ------------------------------------------------------- */

static struct xbar_riscv_machine machine(void)
{
    return (struct xbar_riscv_machine){ .engine = rig.engine,
                                        .harts = &rig.hart,
                                        .hart_count = 1,
                                        .devices = devices,
                                        .device_count = 2 };
}

/* Writes to coalesced ranges wait. */
static void deliver_later(void *opaque)
{
    (void)opaque;
}

static void open_as(enum xbar_riscv_engine as)
{
    const struct xbar_riscv_config config = { .hartid = 5,
                                              .insns_per_tick = 10 };

    memset(&alloc, 0, sizeof(alloc));
    alloc.hooks.alloc = counting_alloc_get;
    alloc.hooks.free = counting_alloc_put;
    alloc.hooks.opaque = &alloc;
    alloc.hooks.is_exact = true;
    rig_open_in(&rig,
                &(struct xbar_engine_config){ .allocator = &alloc.hooks,
                                              .coalesced = deliver_later },
                &config);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, as), 0);
    memset(gauges, 0, sizeof(gauges));
}

static int setup(void **state)
{
    (void)state;
    open_as(engine);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return alloc.live_bytes != 0;
}

static struct xbar_riscv_snapshot *take(const struct xbar_riscv_snapshot *after)
{
    const struct xbar_riscv_machine m = machine();
    struct xbar_riscv_snapshot *s;

    assert_int_equal(xbar_riscv_snapshot_take(&m, after, &s, NULL), 0);
    return s;
}

/* Return: the pages of memory that were copied. */
static uint64_t restore(struct xbar_riscv_snapshot *s)
{
    struct xbar_riscv_snapshot_info info;

    assert_int_equal(xbar_riscv_snapshot_restore(s, NULL), 0);
    xbar_riscv_snapshot_get_info(s, &info);
    return info.pages;
}

static struct xbar_riscv_jit_stats jit_stats(void)
{
    struct xbar_riscv_stats stats;

    xbar_riscv_get_stats(rig.hart, &stats);
    return stats.jit;
}

/* ---- The same again ---------------------------------------------------- */

/* Stores a running sum to 8 pages in turn, reads them back, and multiplies in
 * floating point; the I/O page hears each round. */
static void load_program(void)
{
    const uint32_t code[] = {
        encode(RISCV_OP_ADDI, 5, 5, 0, 1),
        encode(RISCV_OP_ANDI, 6, 5, 0, 7),
        encode(RISCV_OP_SLLI, 6, 6, 0, 12),
        encode(RISCV_OP_ADD, 6, 6, 10, 0),
        encode(RISCV_OP_LD, 7, 6, 0, 8),
        encode(RISCV_OP_ADD, 7, 7, 5, 0),
        encode(RISCV_OP_SD, 0, 6, 7, 8),
        encode(RISCV_OP_FCVT_D_L, 1, 7, 0, 0),
        encode(RISCV_OP_FMUL_D, 2, 1, 1, 0),
        encode(RISCV_OP_FADD_D, 3, 3, 2, 0),
        encode(RISCV_OP_SD, 0, 11, 7, 0),
        encode(RISCV_OP_JAL, 0, 0, 0, -44),
    };

    rig_code(&rig, 0, code, sizeof(code) / sizeof(code[0]));
    rig.hart->x[10] = CODE + DATA;
    rig.hart->x[11] = RIG_IO;
    set_csr(&rig, 0x300, MSTATUS_FS);
}

static void count_writes(struct rig *r, hwaddr addr, uint64_t value)
{
    (void)r;
    (void)addr;
    gauges[1].value = gauges[1].value * 31 + value;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 0x100000001b3;
}

/* What can be told of the machine, every 131 instructions. */
static void trace(uint64_t *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t hash = gauges[1].value;

        run_exactly(&rig, 131);
        for (unsigned reg = 0; reg < 32; reg++) {
            hash = mix(mix(hash, rig.hart->x[reg]), rig.hart->f[reg]);
        }
        for (unsigned n = 0; n < 9 * 4096; n += 8) {
            uint64_t word;

            memcpy(&word, rig.mem + DATA + n, 8);
            hash = mix(hash, word);
        }
        values[i] = mix(mix(hash, rig.hart->pc), get_csr(&rig, 0xc02));
        values[i] = mix(values[i], get_csr(&rig, 0x001)); /* fflags */
    }
}

static void test_the_same_again(void **state)
{
    struct xbar_riscv_snapshot *start;
    uint64_t first[60];
    uint64_t again[60];

    (void)state;
    load_program();
    rig.on_write = count_writes;
    run_exactly(&rig, 1000);
    start = take(NULL);
    trace(first, 60);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(restore(start), 8);
        trace(again, 60);
        assert_memory_equal(first, again, sizeof(first));
    }
    xbar_riscv_snapshot_drop(start);
}

/* Both engines, compared after each block, across going back; and they end
 * where the reference alone does. */
static void test_lockstep(void **state)
{
    uint64_t values[2][40];

    (void)state;
    if (engine == XBAR_RISCV_INTERP && !has_translator()) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        struct xbar_riscv_snapshot *start;

        rig_close(&rig);
        open_as(i == 0 ? XBAR_RISCV_INTERP : XBAR_RISCV_LOCKSTEP);
        load_program();
        start = take(NULL);
        for (unsigned round = 0; round < 4; round++) {
            trace(values[i], 40);
            assert_null(xbar_riscv_mismatch(rig.hart));
            restore(start);
        }
        trace(values[i], 40);
        xbar_riscv_snapshot_drop(start);
    }
    assert_memory_equal(values[0], values[1], sizeof(values[0]));
}

/* ---- Code -------------------------------------------------------------- */

/* Calls PATCHED, which adds 1 to x5, then stores x7 over it, with a fence.i. */
static void load_patcher(void)
{
    const uint32_t code[] = {
        encode(RISCV_OP_JALR, 1, 12, 0, 0),
        encode(RISCV_OP_SW, 0, 12, 7, 0),
        FENCE_I,
        encode(RISCV_OP_JALR, 1, 12, 0, 0),
        INSN_SELF,
    };
    const uint32_t patched[] = { insn_addi(5, 5, 1), RET };

    rig_code(&rig, 0, code, 5);
    rig_code(&rig, PATCHED, patched, 2);
    rig.hart->x[7] = insn_addi(5, 5, 100);
    rig.hart->x[12] = CODE + PATCHED;
}

static void test_patched_code(void **state)
{
    struct xbar_riscv_snapshot *start;
    struct xbar_riscv_jit_stats before;
    struct xbar_riscv_jit_stats after;

    (void)state;
    load_patcher();
    start = take(NULL);
    run_exactly(&rig, 20);
    assert_int_equal(rig.hart->x[5], 101);
    before = jit_stats();
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(restore(start), 1);
        run_exactly(&rig, 20);
        assert_int_equal(rig.hart->x[5], 101);
    }
    after = jit_stats();
    if (engine == XBAR_RISCV_JIT) {
        /* The block that was patched, twice a round, and no other; both of its
         * versions are known by then. */
        assert_int_equal(after.invalidated - before.invalidated, 100);
        assert_int_equal(after.recalled - before.recalled, 100);
        assert_int_equal(after.blocks, before.blocks);
    }
    xbar_riscv_snapshot_drop(start);
}

/* Code that a device wrote over, and code that was written behind the guest's
 * back before it went back. */
static void test_code_written_by_others(void **state)
{
    const uint32_t other = insn_addi(5, 5, 7);
    struct xbar_riscv_snapshot *start;

    (void)state;
    load_counting_loop(&rig);
    run_exactly(&rig, 100); /* it is translated */
    start = take(NULL);
    for (unsigned i = 0; i < 5; i++) {
        address_space_write(&rig.as, CODE, MEMTXATTRS_UNSPECIFIED, &other, 4);
        assert_int_equal(restore(start), 1);
        run_exactly(&rig, 100);
        assert_int_equal(rig.hart->x[5], 100);
    }
    xbar_riscv_debug_write(rig.hart, CODE, &other, 4);
    run_exactly(&rig, 2);
    assert_int_equal(rig.hart->x[5], 107);
    assert_int_equal(restore(start), 1);
    run_exactly(&rig, 100);
    assert_int_equal(rig.hart->x[5], 100);
    xbar_riscv_snapshot_drop(start);
}

/* What did not change is not looked at, made again, or walked to. */
static void test_code_stays(void **state)
{
    struct xbar_riscv_snapshot *start;
    struct xbar_riscv_jit_stats before;
    struct xbar_riscv_stats stats;
    uint64_t walks;

    (void)state;
    load_program();
    start = take(NULL);
    run_exactly(&rig, 500);
    restore(start);
    run_exactly(&rig, 500);
    before = jit_stats();
    xbar_riscv_get_stats(rig.hart, &stats);
    walks = stats.tlb.walks;
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(restore(start), 8);
        run_exactly(&rig, 500);
    }
    xbar_riscv_get_stats(rig.hart, &stats);
    assert_int_equal(stats.jit.blocks, before.blocks);
    assert_int_equal(stats.jit.invalidated, before.invalidated);
    assert_int_equal(stats.jit.links, before.links);
    assert_int_equal(stats.tlb.walks, walks);
    xbar_riscv_snapshot_drop(start);
}

/* ---- Page tables ------------------------------------------------------- */

/* The guest itself maps its page elsewhere, and flushes. */
static void test_page_tables(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_LD, 5, 6, 0, 0),
        encode(RISCV_OP_SD, 0, 8, 9, 0),
        0x12000073, /* sfence.vma */
        encode(RISCV_OP_LD, 7, 6, 0, 0),
        INSN_SELF,
    };
    const uint64_t values[2] = { 0x1111, 0x2222 };
    struct xbar_riscv_snapshot *start;

    (void)state;
    rig_open_pmp(&rig);
    rig_code(&rig, 0, code, 5);
    memcpy(rig.mem + DATA, &values[0], 8);
    memcpy(rig.mem + DATA + 0x1000, &values[1], 8);
    paging_map(&rig, 5, DATA + 0x1000, PTE_R);
    memcpy(&rig.hart->x[9], rig.mem + PAGING_L0 + 5 * 8, 8);
    paging_map(&rig, 5, DATA, PTE_R);
    paging_enter(&rig, PRIV_S);
    rig.hart->x[6] = 5 * 0x1000;
    rig.hart->x[8] = CODE + PAGING_L0 + 5 * 8;
    start = take(NULL);
    for (unsigned i = 0; i < 5; i++) {
        run_exactly(&rig, 6);
        assert_int_equal(rig.hart->x[5], values[0]);
        assert_int_equal(rig.hart->x[7], values[1]);
        assert_int_equal(restore(start), 1);
    }
    xbar_riscv_snapshot_drop(start);
}

/* ---- The tree ---------------------------------------------------------- */

static void test_regions(void **state)
{
    struct xbar_riscv_snapshot *start;
    uint64_t word = 0x1234;

    (void)state;
    memcpy(rig.mem + DATA, &word, 8);
    start = take(NULL);
    memory_region_set_enabled(&rig.io, false);
    memory_region_set_address(&rig.ram, 0x90000000);
    address_space_stq(&rig.as, 0x90000000 + DATA, 5, MEMTXATTRS_UNSPECIFIED,
                      NULL);
    assert_int_equal(restore(start), 1);
    assert_true(memory_region_is_mapped(&rig.ram));
    assert_int_equal(
        address_space_ldq(&rig.as, CODE + DATA, MEMTXATTRS_UNSPECIFIED, NULL),
        0x1234);
    address_space_stq(&rig.as, RIG_IO, 9, MEMTXATTRS_UNSPECIFIED, NULL);
    assert_int_equal(rig.io_writes, 1);
    xbar_riscv_snapshot_drop(start);
}

/* ---- Devices ----------------------------------------------------------- */

static void test_devices_in_order(void **state)
{
    struct xbar_riscv_snapshot *start;
    struct xbar_riscv_snapshot *later;
    struct xbar_riscv_snapshot_info info;

    (void)state;
    gauges[0].value = 10;
    gauges[1].value = 20;
    start = take(NULL);
    gauges[0].value = 11;
    later = take(start);
    gauges[1].value = 21;
    restore(start);
    assert_int_equal(gauges[0].value, 10);
    assert_int_equal(gauges[1].value, 20);
    assert_true(gauges[0].restored < gauges[1].restored);
    restore(later);
    assert_int_equal(gauges[0].value, 11);
    xbar_riscv_snapshot_get_info(later, &info);
    assert_int_equal(info.device_bytes, 16);
    xbar_riscv_snapshot_drop(start);
    xbar_riscv_snapshot_drop(later);
}

/* What was written before is in it; what is given up is not in what comes. */
static void test_queued_writes(void **state)
{
    struct xbar_riscv_snapshot *start;

    (void)state;
    rig.on_write = count_writes;
    memory_region_set_coalescing(&rig.io);
    address_space_stq(&rig.as, RIG_IO, 5, MEMTXATTRS_UNSPECIFIED, NULL);
    assert_int_equal(rig.io_writes, 0);
    start = take(NULL);
    assert_int_equal(rig.io_writes, 1);
    address_space_stq(&rig.as, RIG_IO, 6, MEMTXATTRS_UNSPECIFIED, NULL);
    assert_int_equal(rig.io_writes, 1);
    restore(start);
    assert_int_equal(rig.io_writes, 2);
    assert_int_equal(gauges[1].value, 5);
    assert_int_equal(xbar_engine_flush_coalesced(rig.engine), 0);
    assert_int_equal(rig.io_writes, 2);
    xbar_riscv_snapshot_drop(start);
}

static void check_error(int rc, int expected, Error *err, const char *text)
{
    assert_int_equal(rc, expected);
    assert_non_null(err);
    assert_string_equal(error_get_pretty(err), text);
    error_free(err);
}

static void test_devices_that_refuse(void **state)
{
    const struct xbar_riscv_machine m = machine();
    struct xbar_riscv_snapshot *s;
    Error *err = NULL;
    uint64_t word = 7;
    int rc;

    (void)state;
    gauges[1].refuses_save = -EPERM;
    rc = xbar_riscv_snapshot_take(&m, NULL, &s, &err);
    check_error(rc, -EPERM, err, "gauge 1: not now");
    assert_null(s);
    gauges[1].refuses_save = 0;
    s = take(NULL);
    gauges[0].value = 1;
    rig.hart->x[5] = 1;
    memory_region_set_enabled(&rig.io, false);
    address_space_write(&rig.as, CODE, MEMTXATTRS_UNSPECIFIED, &word, 8);
    gauges[1].refuses_restore = -EIO;
    err = NULL;
    rc = xbar_riscv_snapshot_restore(s, &err);
    check_error(rc, -EIO, err, "gauge 1: Input/output error");
    assert_int_equal(gauges[0].value, 1);
    assert_int_equal(rig.hart->x[5], 1);
    assert_int_equal(rig.mem[0], 7);
    address_space_stq(&rig.as, RIG_IO, 9, MEMTXATTRS_UNSPECIFIED, NULL);
    assert_int_equal(rig.io_writes, 0);
    gauges[1].refuses_restore = 0;
    assert_int_equal(restore(s), 1);
    assert_int_equal(rig.mem[0], 0);
    xbar_riscv_snapshot_drop(s);
}

/* ---- Two harts --------------------------------------------------------- */

static void test_two_harts(void **state)
{
    const struct xbar_riscv_config config = {
        .as = &rig.as, .hartid = 1, .reset_pc = CODE, .insns_per_tick = 10
    };
    struct xbar_riscv_hart *harts[2] = { rig.hart, xbar_riscv_new(&config) };
    struct xbar_riscv_machine m = machine();
    struct xbar_riscv_snapshot *s;

    (void)state;
    assert_non_null(harts[1]);
    assert_int_equal(xbar_riscv_set_engine(harts[1], engine), 0);
    load_patcher();
    xbar_riscv_set_x(harts[1], 7, rig.hart->x[7]);
    xbar_riscv_set_x(harts[1], 12, rig.hart->x[12]);
    m.harts = harts;
    m.hart_count = 2;
    assert_int_equal(xbar_riscv_snapshot_take(&m, NULL, &s, NULL), 0);
    for (unsigned i = 0; i < 4; i++) {
        xbar_riscv_run(harts[i % 2], 20);
        assert_int_equal(xbar_riscv_get_x(harts[i % 2], 5), 101);
        assert_int_equal(xbar_riscv_get_x(harts[1 - i % 2], 5), 0);
        restore(s);
    }
    xbar_riscv_snapshot_drop(s);
    xbar_riscv_free(harts[1]);
}

/* ---- Who may not ------------------------------------------------------- */

static struct xbar_riscv_snapshot *held;
static int codes[2];

static void ask_in_a_callback(struct rig *r, hwaddr addr, uint64_t value)
{
    const struct xbar_riscv_machine m = machine();
    struct xbar_riscv_snapshot *none;
    Error *err = NULL;

    (void)r;
    (void)addr;
    (void)value;
    codes[0] = xbar_riscv_snapshot_take(&m, NULL, &none, NULL);
    codes[1] = xbar_riscv_snapshot_restore(held, &err);
    assert_string_equal(error_get_pretty(err), "hart 5 runs");
    error_free(err);
}

static void test_not_while_it_runs(void **state)
{
    const uint32_t code[] = { insn_sd(5, 6, 0), INSN_SELF };

    (void)state;
    rig_code(&rig, 0, code, 2);
    held = take(NULL);
    rig.hart->x[6] = RIG_IO;
    rig.on_write = ask_in_a_callback;
    run_exactly(&rig, 2);
    assert_int_equal(codes[0], -EBUSY);
    assert_int_equal(codes[1], -EBUSY);
    restore(held);
    xbar_riscv_snapshot_drop(held);
}

static void test_misuse(void **state)
{
    struct xbar_engine *other = xbar_engine_new(NULL);
    struct xbar_riscv_machine m = machine();
    struct xbar_riscv_snapshot *s;
    struct xbar_riscv_snapshot *none;
    Error *err = NULL;
    int rc;

    (void)state;
    s = take(NULL);
    m.engine = other;
    rc = xbar_riscv_snapshot_take(&m, NULL, &none, &err);
    check_error(rc, -EINVAL, err, "hart 5 is of another engine");
    memory_region_transaction_begin();
    err = NULL;
    rc = xbar_riscv_snapshot_restore(s, &err);
    check_error(rc, -EBUSY, err,
                "a transaction is open: Device or resource busy");
    memory_region_transaction_commit();
    m = machine();
    m.hart_count = 0;
    m.device_count = 0;
    assert_int_equal(xbar_riscv_snapshot_take(&m, s, &none, NULL), 0);
    assert_int_equal(xbar_riscv_snapshot_restore(none, NULL), 0);
    xbar_riscv_snapshot_drop(none);
    xbar_riscv_snapshot_drop(s);
    xbar_riscv_snapshot_drop(NULL);
    assert_int_equal(xbar_engine_free(other), 0);
}

static void test_a_region_has_ended(void **state)
{
    struct xbar_riscv_snapshot *s = take(NULL);

    (void)state;
    memory_region_del_subregion(&rig.root, &rig.rom);
    assert_int_equal(xbar_region_destroy(&rig.rom, NULL, NULL), 0);
    rig.hart->x[5] = 1;
    assert_int_equal(xbar_riscv_snapshot_restore(s, NULL), -ESTALE);
    assert_int_equal(rig.hart->x[5], 1);
    xbar_riscv_snapshot_drop(s);
}

/* Each request fails once, of taking and of going back. */
static void test_no_memory(void **state)
{
    const struct xbar_riscv_machine m = machine();
    struct xbar_riscv_snapshot *s;
    uint64_t word = 7;
    long n = 0;
    int rc;

    (void)state;
    load_program();
    xbar_riscv_snapshot_drop(take(NULL));
    do {
        long before = alloc.live_bytes;
        Error *err = NULL;

        counting_alloc_fail(&alloc, ++n);
        rc = xbar_riscv_snapshot_take(&m, NULL, &s, &err);
        counting_alloc_fail(&alloc, 0);
        if (rc) {
            assert_int_equal(rc, -ENOMEM);
            assert_non_null(err);
            error_free(err);
            assert_int_equal(alloc.live_bytes, before);
        }
    } while (rc);
    assert_true(n > 10);
    n = 0;
    do {
        memory_region_set_address(&rig.ram, 0x90000000);
        address_space_write(&rig.as, 0x90000000, MEMTXATTRS_UNSPECIFIED, &word,
                            8);
        rig.hart->x[5] = 1;
        gauges[0].value = 1;
        counting_alloc_fail(&alloc, ++n);
        rc = xbar_riscv_snapshot_restore(s, NULL);
        counting_alloc_fail(&alloc, 0);
        assert_int_equal(rig.hart->x[5], rc != 0);
        assert_int_equal(gauges[0].value, rc != 0);
        assert_int_equal(rig.mem[0] == 7, rc != 0);
        assert_int_equal(rig.ram.addr, rc ? 0x90000000 : RIG_RAM);
    } while (rc);
    xbar_riscv_snapshot_drop(s);
}

#define SNAPSHOT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(test_the_same_again),
        SNAPSHOT_TEST(test_lockstep),
        SNAPSHOT_TEST(test_patched_code),
        SNAPSHOT_TEST(test_code_written_by_others),
        SNAPSHOT_TEST(test_code_stays),
        SNAPSHOT_TEST(test_page_tables),
        SNAPSHOT_TEST(test_regions),
        SNAPSHOT_TEST(test_devices_in_order),
        SNAPSHOT_TEST(test_queued_writes),
        SNAPSHOT_TEST(test_devices_that_refuse),
        SNAPSHOT_TEST(test_two_harts),
        SNAPSHOT_TEST(test_not_while_it_runs),
        SNAPSHOT_TEST(test_misuse),
        SNAPSHOT_TEST(test_a_region_has_ended),
        SNAPSHOT_TEST(test_no_memory),
    };

    return run_for_each_engine(tests, sizeof(tests) / sizeof(tests[0]),
                               &engine);
}
