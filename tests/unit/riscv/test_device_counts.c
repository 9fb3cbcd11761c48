/* SPDX-License-Identifier: MIT */
/*
 * Accesses to plain devices, which translated code makes and counts by itself:
 * each is told, where it went and how large it was, whatever becomes of the
 * device meanwhile; few calls tell of many; with a clock, some are timed.
 */
#include "jit/riscv/jit.h"

#include "encode.h"
#include "rig.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define CODE     0x1000u
#define ROUNDS   20000u
#define PLAIN    (RIG_IO + 0x100000u)

struct tally {
    struct rig rig;
    MemoryRegion plain; /* called with nothing held */
    struct xbar_tlb_counts counts;
    uint64_t at[2][TLB_PAGE_SIZE]; /* by offset */
    uint64_t sizes[2][TLB_SIZES];
    uint64_t ticks;
    unsigned calls;
    uint64_t moves; /* of the device */
};

static void tell(void *opaque, const FlatRange *section, hwaddr offset,
                 enum xbar_tlb_access access, unsigned size_log2,
                 uint64_t count, uint64_t ticks)
{
    struct tally *t = opaque;

    assert_ptr_equal(section->mr, &t->plain);
    t->at[access][offset] += count;
    t->sizes[access][size_log2] += count;
    t->ticks += count * ticks;
    t->calls++;
}

/* Always 3 later. */
static uint64_t tick(void)
{
    static uint64_t now;

    return now += 3;
}

/* It goes and comes back: what it is mapped by is another section then. */
static void move_device(struct rig *rig, hwaddr addr, uint64_t value)
{
    struct tally *t = (struct tally *)rig; /* its first member */

    (void)addr;
    (void)value;
    memory_region_transaction_begin();
    assert_int_equal(memory_region_del_subregion(&rig->root, &t->plain), 0);
    assert_int_equal(memory_region_add_subregion(&rig->root, PLAIN, &t->plain),
                     0);
    memory_region_transaction_commit();
    t->moves++;
}

static void open_tally(struct tally *t, struct xbar_riscv_config config)
{
    memset(t, 0, sizeof(*t));
    config.counts = &t->counts;
    config.device = tell;
    config.device_opaque = t;
    t->counts.ram = &t->rig.ram;
    rig_open_with(&t->rig, &config);
    assert_int_equal(xbar_engine_enter(t->rig.engine), 0);
    assert_int_equal(memory_region_init_io(&t->plain, NULL, &rig_io_ops,
                                           &t->rig, "plain", TLB_PAGE_SIZE),
                     0);
    assert_int_equal(xbar_region_set_lock_policy(&t->plain, XBAR_LOCK_NONE), 0);
    assert_int_equal(
        memory_region_add_subregion(&t->rig.root, PLAIN, &t->plain), 0);
    xbar_engine_leave(t->rig.engine);
    assert_int_equal(xbar_riscv_set_engine(t->rig.hart, XBAR_RISCV_JIT), 0);
}

/* @body again and again, with x5 at the device and x16 counting down. */
static void run(struct tally *t, const uint32_t *body, unsigned count)
{
    uint32_t code[32];

    memcpy(code, body, count * sizeof(*body));
    code[count] = insn_addi(16, 16, -1);
    code[count + 1] = encode(RISCV_OP_BNE, 0, 16, 0, -4 * (int)(count + 1));
    code[count + 2] = INSN_SELF;
    rig_code(&t->rig, CODE, code, count + 3);
    t->rig.hart->pc = RAM_ADDR + CODE;
    t->rig.hart->x[5] = PLAIN;
    t->rig.hart->x[16] = ROUNDS;
    assert_int_equal(xbar_riscv_run(t->rig.hart, 10 * ROUNDS),
                     XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(t->rig.hart->x[16], 0);
}

static void close_tally(struct tally *t)
{
    for (unsigned i = 0; i < 2 * TLB_SIZES; i++) {
        assert_int_equal(t->counts.elsewhere[i / TLB_SIZES][i % TLB_SIZES],
                         t->sizes[i / TLB_SIZES][i % TLB_SIZES]);
    }
    assert_int_equal(memory_region_del_subregion(&t->rig.root, &t->plain), 0);
    assert_int_equal(xbar_region_destroy(&t->plain, NULL, NULL), 0);
    rig_close(&t->rig);
    test_free(t);
}

static void test_many_are_told_at_once(void **state)
{
    const uint32_t body[] = { encode(RISCV_OP_LBU, 10, 5, 0, 5),
                              encode(RISCV_OP_LD, 11, 5, 0, 8),
                              encode(RISCV_OP_LW, 12, 5, 0, 8),
                              insn_sd(10, 5, 8) };
    struct tally *t = test_malloc(sizeof(*t));
    struct xbar_riscv_stats stats;

    (void)state;
    open_tally(t, (struct xbar_riscv_config){ 0 });
    run(t, body, 4);
    assert_int_equal(t->at[TLB_READ][5], ROUNDS);
    assert_int_equal(t->at[TLB_READ][8], 2 * ROUNDS);
    assert_int_equal(t->at[TLB_WRITE][8], ROUNDS);
    assert_int_equal(t->sizes[TLB_READ][0], ROUNDS);
    assert_int_equal(t->sizes[TLB_READ][2], ROUNDS);
    assert_int_equal(t->sizes[TLB_READ][3], ROUNDS);
    assert_int_equal(t->sizes[TLB_WRITE][3], ROUNDS);
    assert_int_equal(t->rig.io_writes, ROUNDS);
    assert_true(t->calls < ROUNDS / 10);
    xbar_riscv_get_stats(t->rig.hart, &stats);
    assert_int_equal(stats.tlb.mmio_reads, 3 * ROUNDS);
    assert_int_equal(stats.tlb.mmio_writes, ROUNDS);
    close_tally(t);
}

/* Both want the one cursor. */
static void test_registers_in_each_others_way(void **state)
{
    const uint32_t body[] = { encode(RISCV_OP_LD, 10, 5, 0, 8),
                              encode(RISCV_OP_LD, 11, 5, 0, 8 + 64) };
    struct tally *t = test_malloc(sizeof(*t));

    (void)state;
    open_tally(t, (struct xbar_riscv_config){ 0 });
    run(t, body, 2);
    assert_int_equal(t->at[TLB_READ][8], ROUNDS);
    assert_int_equal(t->at[TLB_READ][72], ROUNDS);
    close_tally(t);
}

static void test_some_are_timed(void **state)
{
    const uint32_t body[] = { encode(RISCV_OP_LW, 10, 5, 0, 4) };
    struct tally *t = test_malloc(sizeof(*t));

    (void)state;
    open_tally(t, (struct xbar_riscv_config){ .ticks = tick });
    run(t, body, 1);
    assert_int_equal(t->at[TLB_READ][4], ROUNDS);
    assert_int_equal(t->ticks, 3 * ROUNDS);
    assert_in_range(t->calls, 2 * ROUNDS / 48, ROUNDS / 8);
    close_tally(t);
}

static void test_the_device_moves(void **state)
{
    const uint32_t body[] = { encode(RISCV_OP_LW, 10, 5, 0, 4),
                              encode(RISCV_OP_ANDI, 11, 16, 0, 63),
                              encode(RISCV_OP_BNE, 0, 11, 0, 8),
                              insn_sd(10, 5, 8) };
    struct tally *t = test_malloc(sizeof(*t));

    (void)state;
    open_tally(t, (struct xbar_riscv_config){ 0 });
    t->rig.on_write = move_device;
    run(t, body, 4);
    assert_int_equal(t->at[TLB_READ][4], ROUNDS);
    assert_int_equal(t->at[TLB_WRITE][8], t->moves);
    assert_in_range(t->moves, ROUNDS / 64, ROUNDS / 64 + 1);
    close_tally(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_are_told_at_once),
        cmocka_unit_test(test_registers_in_each_others_way),
        cmocka_unit_test(test_some_are_timed),
        cmocka_unit_test(test_the_device_moves),
    };

    if (!xbar_riscv_has_jit()) {
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
