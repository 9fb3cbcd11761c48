/* SPDX-License-Identifier: MIT */
/*
 * Accesses to plain devices, which translated code makes and counts by itself:
 * each is told, where it went and how large it was, whatever becomes of the
 * device meanwhile; few calls tell of many; with a clock, some are timed.
 */
#include "jit/riscv/debug.h"
#include "jit/riscv/jit.h"

#include <pthread.h>
#include <stdlib.h>

#include "encode.h"
#include "rig.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define CODE     0x1000u
#define ROUNDS   20000u
#define PLAIN    (RIG_IO + 0x100000u)

struct tally {
    struct rig rig;
    MemoryRegion plain;
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

/* What it is mapped by is another section then. */
static void move_device(struct rig *rig, hwaddr addr, uint64_t value)
{
    struct tally *t = (struct tally *)rig; /* its first member */

    (void)addr;
    (void)value;
    memory_region_set_size(&t->plain,
                           t->moves % 2 ? TLB_PAGE_SIZE : TLB_PAGE_SIZE / 2);
    t->moves++;
}

/* What was freed is not as it was: who looks at it, or calls by it, fails. */
static void *take(void *opaque, size_t size, size_t align)
{
    void *memory = NULL;

    (void)opaque;
    if (posix_memalign(&memory, align < 16 ? 16 : align, size)) {
        return NULL;
    }
    return memset(memory, 0, size);
}

static void spoil(void *opaque, void *memory, size_t size)
{
    (void)opaque;
    if (memory != NULL) {
        memset(memory, 0xdd, size);
    }
    free(memory);
}

static void open_tally(struct tally *t, struct xbar_riscv_config config)
{
    const struct xbar_allocator allocator = { .alloc = take,
                                              .free = spoil,
                                              .is_exact = true };
    const struct xbar_engine_config engine = { .allocator = &allocator };

    memset(t, 0, sizeof(*t));
    config.counts = &t->counts;
    config.device = tell;
    config.device_opaque = t;
    t->counts.ram = &t->rig.ram;
    rig_open_in(&t->rig, &engine, &config);
    assert_int_equal(xbar_engine_enter(t->rig.engine), 0);
    rig_init_plain(&t->plain, &rig_io_ops, &t->rig, "plain", TLB_PAGE_SIZE);
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

/* All is told when a run ends, however it does. */
static void test_runs_end_early(void **state)
{
    const uint32_t code[] = { insn_sd(10, 5, 8),
                              encode(RISCV_OP_LBU, 10, 5, 0, 5),
                              insn_addi(16, 16, -1),
                              encode(RISCV_OP_BNE, 0, 16, 0, -12), INSN_SELF };
    struct tally *t = test_malloc(sizeof(*t));
    struct xbar_riscv_hart *hart;

    (void)state;
    open_tally(t, (struct xbar_riscv_config){ 0 });
    hart = t->rig.hart;
    rig_code(&t->rig, CODE, code, 5);
    hart->pc = RAM_ADDR + CODE;
    hart->x[5] = PLAIN;
    hart->x[16] = 100;
    assert_int_equal(xbar_riscv_add_breakpoint(hart, RAM_ADDR + CODE + 16), 0);
    assert_int_equal(xbar_riscv_run(hart, ROUNDS), XBAR_RISCV_EXIT_BREAK);
    assert_int_equal(t->at[TLB_WRITE][8], 100);
    assert_int_equal(t->at[TLB_READ][5], 100);
    hart->pc = RAM_ADDR + CODE;
    hart->x[16] = 100;
    for (unsigned i = 1; i < 12; i++) {
        assert_int_equal(xbar_riscv_run(hart, 4 * i + 1),
                         XBAR_RISCV_EXIT_BUDGET);
        assert_int_equal(t->at[TLB_WRITE][8], t->rig.io_writes);
        assert_int_equal(xbar_riscv_step(hart, false), XBAR_RISCV_EXIT_BUDGET);
        assert_int_equal(t->at[TLB_WRITE][8], t->rig.io_writes);
    }
    assert_null(hart->jit_state.devices[TLB_WRITE][3][1].section);
    close_tally(t);
}

/* ---- Who moves and stops it is another thread -------------------------- */

#define ASKED 0x3000u /* in RAM: has the guest to wait until all is freed? */
#define TURNS 640u

struct meddler {
    struct tally *t;
    atomic_bool ends;
};

static void *meddle(void *opaque)
{
    struct meddler *m = opaque;
    struct tally *t = m->t;
    uint64_t *asked = (uint64_t *)(void *)(t->rig.mem + ASKED);

    if (xbar_engine_enter(t->rig.engine)) {
        return NULL;
    }
    for (unsigned i = 1; !atomic_load(&m->ends); i++) {
        bool waits = __atomic_load_n(asked, __ATOMIC_ACQUIRE) != 0;

        memory_region_set_size(&t->plain,
                               i % 2 ? TLB_PAGE_SIZE / 2 : TLB_PAGE_SIZE);
        if (waits) {
            (void)xbar_engine_reclaim(t->rig.engine);
            __atomic_store_n(asked, 0, __ATOMIC_RELEASE);
        } else if (i % 8 == 0) {
            xbar_riscv_request_exit(t->rig.hart);
        }
    }
    xbar_engine_leave(t->rig.engine);
    return NULL;
}

/* In the middle of a run, too, what was accessed goes before the next access. */
static void test_others_move_and_stop_it(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_LW, 10, 5, 0, 4),
        insn_sd(10, 5, 8),
        insn_addi(16, 16, -1),
        encode(RISCV_OP_ANDI, 11, 16, 0, 31),
        encode(RISCV_OP_BNE, 0, 11, 0, -16),
        insn_sd(16, 18, 0),
        encode(RISCV_OP_LD, 17, 18, 0, 0),
        encode(RISCV_OP_BNE, 0, 17, 0, -4),
        encode(RISCV_OP_BNE, 0, 16, 0, -32),
        INSN_SELF,
    };
    struct tally *t = test_malloc(sizeof(*t));
    struct meddler m = { .t = t };
    struct xbar_riscv_hart *hart;
    pthread_t thread;
    unsigned stops = 0;
    uint64_t written;

    (void)state;
    open_tally(t, (struct xbar_riscv_config){ 0 });
    hart = t->rig.hart;
    rig_code(&t->rig, CODE, code, sizeof(code) / sizeof(code[0]));
    hart->x[5] = PLAIN;
    hart->x[18] = RAM_ADDR + ASKED;
    assert_int_equal(pthread_create(&thread, NULL, meddle, &m), 0);
    do {
        if (hart->x[16] == 0) {
            hart->x[16] = TURNS;
            hart->pc = RAM_ADDR + CODE;
        }
        assert_int_equal(xbar_riscv_run(hart, UINT64_MAX),
                         XBAR_RISCV_EXIT_REQUEST);
        stops++;
        written = t->rig.io_writes;
        assert_int_equal(t->at[TLB_WRITE][8], written);
        assert_in_range(t->at[TLB_READ][4], written, written + 1);
    } while (hart->x[16] != 0 || stops < 2);
    atomic_store(&m.ends, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(t->rig.io_writes % TURNS, 0);
    close_tally(t);
}

/* ---- Times that differ ------------------------------------------------- */

static uint64_t now;

static uint64_t tell_now(void)
{
    return now;
}

/* Every eighth takes 60, each 997th far longer, others 3. */
static uint64_t take_long(void *opaque, hwaddr addr, unsigned size)
{
    static unsigned count;
    (void)addr;
    (void)size;
    (void)opaque;
    count++;
    now += count % 997 == 0 ? 1000000 : count % 8 == 0 ? 60 : 3;
    return 0;
}

struct times {
    uint64_t sum;
    uint64_t count;
    unsigned outliers;
};

static void tell_times(void *opaque, const FlatRange *section, hwaddr offset,
                       enum xbar_tlb_access access, unsigned size_log2,
                       uint64_t count, uint64_t ticks)
{
    struct times *times = opaque;

    (void)section;
    (void)offset;
    (void)access;
    (void)size_log2;
    times->count += count;
    if (ticks >= 1000000) {
        assert_int_equal(count, 1);
        times->outliers++;
    } else {
        times->sum += count * ticks;
    }
}

/* What takes longer at times is not lost; what the host did is not multiplied. */
static void test_times_that_differ(void **state)
{
    static const MemoryRegionOps ops = {
        .read = take_long,
        .write = rig_io_write,
        .endianness = DEVICE_LITTLE_ENDIAN,
        .impl = { .max_access_size = 8 },
    };
    const uint32_t body[] = { encode(RISCV_OP_LW, 10, 5, 0, 4) };
    const uint64_t sum = ROUNDS / 8 * (7 * 3 + 60);
    struct tally *t = test_malloc(sizeof(*t));
    struct times times = { 0 };
    MemoryRegion slow;

    (void)state;
    open_tally(t, (struct xbar_riscv_config){ .ticks = tell_now });
    t->rig.hart->config.device = tell_times;
    t->rig.hart->config.device_opaque = &times;
    memset(&slow, 0, sizeof(slow));
    assert_int_equal(xbar_engine_enter(t->rig.engine), 0);
    rig_init_plain(&slow, &ops, &t->rig, "slow", TLB_PAGE_SIZE);
    assert_int_equal(
        memory_region_add_subregion_overlap(&t->rig.root, PLAIN, &slow, 1), 0);
    xbar_engine_leave(t->rig.engine);
    run(t, body, 1);
    assert_int_equal(times.count, ROUNDS);
    assert_in_range(times.sum, sum - sum / 4, sum + sum / 4);
    assert_in_range(times.outliers, 1, 2 + ROUNDS / 997);
    assert_int_equal(t->counts.elsewhere[TLB_READ][2], ROUNDS);
    t->counts.elsewhere[TLB_READ][2] = 0;
    assert_int_equal(xbar_region_destroy(&slow, NULL, NULL), 0);
    close_tally(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_end_early),
        cmocka_unit_test(test_others_move_and_stop_it),
        cmocka_unit_test(test_times_that_differ),
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
