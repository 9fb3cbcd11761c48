/* SPDX-License-Identifier: MIT */
/*
 * Translated blocks from outside: what is listed, and that what they counted
 * adds up to what the engine retired, to the instruction, however blocks end
 * and go.
 */
#include "jit/riscv/jit.h"

#include <stdlib.h>

#include "encode.h"
#include "rig.h"

#define RAM_ADDR ((uint64_t)RIG_RAM)
#define CODE     0x1000u
#define CALLEE   0x3000u
#define HANDLER  0x8000u
#define ROUNDS   50
#define BODY     6 /* instructions of the loop's block */

static uint32_t branch_back(unsigned reg, int distance)
{
    return encode(RISCV_OP_BNE, 0, reg, 0, distance);
}

/*
 * Each round: a block of its own for the loop's head, a store to a device, a
 * CSR that is stepped, a load that traps in the middle of a block, and a call
 * through a register to another page and back.
 */
static void load_guest(struct rig *rig)
{
    const uint32_t code[] = {
        /* loop: */
        insn_addi(10, 10, 1),
        insn_addi(11, 11, 2),
        insn_sd(10, 6, 0), /* the device */
        encode(RISCV_OP_ADD, 12, 10, 11, 0),
        insn_addi(13, 13, 3),
        encode(RISCV_OP_JALR, 1, 7, 0, 0),
        insn_csr(2, 14, 0x340, 0), /* csrr x14, mscratch */
        insn_addi(15, 15, 1),
        encode(RISCV_OP_LD, 16, 9, 0, 0), /* nobody there */
        insn_addi(17, 17, 1),
        insn_addi(8, 8, -1),
        branch_back(8, -11 * 4),
        INSN_SELF,
    };
    const uint32_t callee[] = { insn_addi(18, 18, 1), 0x00008067 /* ret */ };
    const uint32_t handler[] = {
        insn_csr(2, 20, 0x341, 0), /* mepc += 4 */
        insn_addi(20, 20, 4),
        insn_csr(1, 0, 0x341, 20),
        INSN_MRET,
    };

    rig_code(rig, CODE, code, 13);
    rig_code(rig, CALLEE, callee, 2);
    rig_code(rig, HANDLER, handler, 4);
    rig->hart->mtvec = RAM_ADDR + HANDLER;
    rig->hart->pc = RAM_ADDR + CODE;
    rig->hart->x[6] = RIG_IO;
    rig->hart->x[7] = RAM_ADDR + CALLEE;
    rig->hart->x[8] = ROUNDS;
    rig->hart->x[9] = 0x40000000;
}

static void open_rig(struct rig *rig, const struct xbar_riscv_config *config)
{
    rig_open_with(rig, config);
    load_guest(rig);
    assert_int_equal(xbar_riscv_set_engine(rig->hart, XBAR_RISCV_JIT), 0);
}

/* In slices that end anywhere in a block. */
static void run_to_end(struct rig *rig)
{
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(xbar_riscv_run(rig->hart, 1 + i % 7),
                         XBAR_RISCV_EXIT_BUDGET);
    }
    assert_int_equal(rig->hart->x[8], 0);
}

struct sums {
    unsigned blocks;
    uint64_t instructions;
    uint64_t executions;
    struct xbar_riscv_block head; /* the block of the loop's head */
    struct rig *rig;
};

static void check_block(struct rig *rig, const struct xbar_riscv_block *block)
{
    uint64_t offset = block->pc - RAM_ADDR;

    assert_int_equal(block->phys, block->pc & ~(uint64_t)4095);
    assert_memory_equal(block->guest, rig->mem + offset, block->guest_size);
    assert_int_equal(block->guest_size, 4 * block->insns);
    assert_non_null(block->code);
    assert_in_range(block->hot_size, 1, block->code_size);
}

/* Ascending, behind the entry and within the hot part. */
static void check_starts(const struct xbar_riscv_block *block)
{
    assert_true(block->starts[0] > 0);
    for (unsigned i = 0; i < block->insns; i++) {
        assert_true(block->starts[i] <= block->starts[i + 1]);
    }
    assert_in_range(block->starts[block->insns], 1, block->hot_size);
}

static bool add_block(void *opaque, const struct xbar_riscv_block *block)
{
    struct sums *sums = opaque;

    check_block(sums->rig, block);
    sums->blocks++;
    sums->instructions += block->instructions;
    sums->executions += block->executions;
    if (block->pc == RAM_ADDR + CODE) {
        sums->head = *block;
    }
    return true;
}

static struct sums sum_blocks(struct rig *rig)
{
    struct sums sums = { .rig = rig };

    xbar_riscv_for_each_block(rig->hart, add_block, &sums);
    return sums;
}

static struct xbar_riscv_jit_stats jit_stats(const struct rig *rig)
{
    struct xbar_riscv_stats stats;

    xbar_riscv_get_stats(rig->hart, &stats);
    return stats.jit;
}

/* ---- Listing ----------------------------------------------------------- */

static void test_nothing_is_counted_unasked(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    struct rig rig;
    struct sums sums;

    (void)state;
    open_rig(&rig, &config);
    run_to_end(&rig);
    sums = sum_blocks(&rig);
    assert_true(sums.blocks >= 3);
    assert_int_equal(sums.blocks, jit_stats(&rig).blocks_live);
    assert_int_equal(sums.instructions + sums.executions, 0);
    assert_null(sums.head.starts);
    assert_int_equal(jit_stats(&rig).jumps, 0);
    rig_close(&rig);
}

static void test_counting_costs_code_only_where_asked(void **state)
{
    uint32_t sizes[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const struct xbar_riscv_config config = { .count_blocks = i == 1 };
        struct rig rig;

        open_rig(&rig, &config);
        run_to_end(&rig);
        sizes[i] = sum_blocks(&rig).head.hot_size;
        rig_close(&rig);
    }
    assert_true(sizes[0] < sizes[1]);
}

static bool stop_at_once(void *opaque, const struct xbar_riscv_block *block)
{
    (void)block;
    ++*(unsigned *)opaque;
    return false;
}

static void test_callback_stops(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    unsigned calls = 0;
    struct rig rig;

    (void)state;
    open_rig(&rig, &config);
    run_to_end(&rig);
    xbar_riscv_for_each_block(rig.hart, stop_at_once, &calls);
    assert_int_equal(calls, 1);
    /* No blocks with an engine that makes none. */
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_INTERP), 0);
    xbar_riscv_for_each_block(rig.hart, stop_at_once, &calls);
    assert_int_equal(calls, 1);
    rig_close(&rig);
}

/* ---- Counting ---------------------------------------------------------- */

static void test_known_counts(void **state)
{
    const struct xbar_riscv_config config = { .count_blocks = true };
    struct xbar_riscv_jit_stats stats;
    struct sums sums;
    struct rig rig;

    (void)state;
    open_rig(&rig, &config);
    /* One run, so that no budget ends within a block. */
    assert_int_equal(xbar_riscv_run(rig.hart, ROUNDS * 19 + 1),
                     XBAR_RISCV_EXIT_BUDGET);
    sums = sum_blocks(&rig);
    assert_int_equal(sums.head.insns, BODY);
    assert_int_equal(sums.head.executions, ROUNDS);
    assert_int_equal(sums.head.instructions, ROUNDS * BODY);
    check_starts(&sums.head);
    stats = jit_stats(&rig);
    assert_int_equal(stats.jumps, 2 * ROUNDS);
    assert_in_range(stats.jump_misses, 1, ROUNDS);
    assert_int_equal(stats.gone_executions, 0);
    assert_int_equal(sums.instructions, stats.instructions);
    rig_close(&rig);
}

/* Whatever ends or drops blocks, nothing is lost. */
static void test_sums_hold(void **state)
{
    static const struct xbar_riscv_config variants[] = {
        { .count_blocks = true },
        { .count_blocks = true, .stress = XBAR_RISCV_STRESS_TLB },
        { .count_blocks = true, .stress = XBAR_RISCV_STRESS_CHAIN },
        { .count_blocks = true, .stress = XBAR_RISCV_STRESS_EVICT },
        { .count_blocks = true, .code_limit = 4096 },
        { .count_blocks = true, .insns_per_tick = 10 },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        struct xbar_riscv_jit_stats stats;
        struct sums sums;
        struct rig rig;

        open_rig(&rig, &variants[i]);
        run_to_end(&rig);
        stats = jit_stats(&rig);
        sums = sum_blocks(&rig);
        assert_int_equal(sums.instructions + stats.gone_instructions,
                         stats.instructions);
        assert_true(stats.instructions > ROUNDS * BODY);
        if (variants[i].stress & XBAR_RISCV_STRESS_EVICT) {
            assert_true(stats.gone_executions > 0);
        }
        rig_close(&rig);
    }
}

/* main calls a, which calls b, which stays. */
static void test_returns_of_calls_in_progress(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    const uint32_t outer[] = { encode(RISCV_OP_JALR, 1, 7, 0, 0), INSN_SELF };
    const uint32_t inner[] = { insn_addi(8, 8, 1),
                               encode(RISCV_OP_JALR, 1, 6, 0, 0), INSN_SELF };
    const uint32_t self = INSN_SELF;
    uint64_t pcs[XBAR_RISCV_RETURNS_MAX + 1] = { 0 };
    struct rig rig;

    (void)state;
    rig_open_with(&rig, &config);
    rig_code(&rig, CODE, outer, 2);
    rig_code(&rig, CALLEE, inner, 3);
    rig_code(&rig, HANDLER, &self, 1);
    rig.hart->pc = RAM_ADDR + CODE;
    rig.hart->x[6] = RAM_ADDR + HANDLER;
    rig.hart->x[7] = RAM_ADDR + CALLEE;
    assert_int_equal(xbar_riscv_get_returns(rig.hart, pcs, 16), 0);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    assert_int_equal(xbar_riscv_get_returns(rig.hart, pcs, 16), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, 100), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), RAM_ADDR + HANDLER);
    assert_int_equal(xbar_riscv_get_returns(rig.hart, pcs, 17), 2);
    assert_int_equal(pcs[0], RAM_ADDR + CALLEE + 8);
    assert_int_equal(pcs[1], RAM_ADDR + CODE + 4);
    assert_int_equal(xbar_riscv_get_returns(rig.hart, pcs, 1), 1);
    rig_close(&rig);
}

/* main calls a loop that stays, and becomes a region meanwhile: its block goes,
 * and nobody who called it. */
static void test_returns_beside_a_block_that_goes(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    const uint32_t outer[] = { encode(RISCV_OP_JALR, 1, 7, 0, 0), INSN_SELF };
    const uint32_t loop[] = { insn_addi(8, 8, 1), insn_addi(9, 9, 3),
                              encode(RISCV_OP_BNE, 0, 8, 0, -8), INSN_SELF };
    uint64_t pcs[XBAR_RISCV_RETURNS_MAX];
    struct rig rig;

    (void)state;
    rig_open_with(&rig, &config);
    rig_code(&rig, CODE, outer, 2);
    rig_code(&rig, CALLEE, loop, 4);
    rig.hart->pc = RAM_ADDR + CODE;
    rig.hart->x[7] = RAM_ADDR + CALLEE;
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, 1000000), XBAR_RISCV_EXIT_BUDGET);
    assert_true(jit_stats(&rig).blocks > jit_stats(&rig).blocks_live);
    assert_int_equal(xbar_riscv_get_returns(rig.hart, pcs, 16), 1);
    assert_int_equal(pcs[0], RAM_ADDR + CODE + 4);
    rig_close(&rig);
}

/* main calls a, which calls b, which changes what a was: main's call is the only
 * one with somewhere to return to. */
static void test_returns_to_a_block_that_went(void **state)
{
    const struct xbar_riscv_config config = { .hartid = 0 };
    const uint32_t outer[] = { encode(RISCV_OP_JALR, 1, 7, 0, 0), INSN_SELF };
    const uint32_t inner[] = { insn_addi(8, 8, 1),
                               encode(RISCV_OP_JALR, 1, 6, 0, 0), INSN_SELF };
    const uint32_t patch[] = { encode(RISCV_OP_SW, 0, 7, 9, 0),
                               encode(RISCV_OP_FENCE_I, 0, 0, 0, 0),
                               INSN_SELF };
    uint64_t pcs[XBAR_RISCV_RETURNS_MAX];
    struct rig rig;

    (void)state;
    rig_open_with(&rig, &config);
    rig_code(&rig, CODE, outer, 2);
    rig_code(&rig, CALLEE, inner, 3);
    rig_code(&rig, HANDLER, patch, 3);
    rig.hart->pc = RAM_ADDR + CODE;
    rig.hart->x[6] = RAM_ADDR + HANDLER;
    rig.hart->x[7] = RAM_ADDR + CALLEE;
    rig.hart->x[9] = insn_addi(8, 8, 2);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, 100), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), RAM_ADDR + HANDLER + 8);
    assert_int_equal(jit_stats(&rig).invalidated, 1);
    assert_int_equal(xbar_riscv_get_returns(rig.hart, pcs, 16), 1);
    assert_int_equal(pcs[0], RAM_ADDR + CODE + 4);
    rig_close(&rig);
}

static void test_sums_hold_in_lockstep(void **state)
{
    const struct xbar_riscv_config config = { .count_blocks = true };
    struct rig rig;

    (void)state;
    rig_open_with(&rig, &config);
    load_guest(&rig);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_LOCKSTEP), 0);
    run_to_end(&rig);
    assert_null(xbar_riscv_mismatch(rig.hart));
    assert_int_equal(sum_blocks(&rig).instructions,
                     jit_stats(&rig).instructions);
    rig_close(&rig);
}

/* ---- Want of memory ---------------------------------------------------- */

/* An allocator that fails from `first` to `last`. */
struct shortage {
    unsigned count; /* allocations so far */
    unsigned first; /* that fails */
    unsigned last;
};

static void *scarce_alloc(void *opaque, size_t size, size_t align)
{
    struct shortage *shortage = opaque;
    void *p = NULL;

    shortage->count++;
    if (shortage->count >= shortage->first &&
        shortage->count <= shortage->last) {
        return NULL;
    }
    if (posix_memalign(&p, align < sizeof(p) ? sizeof(p) : align, size)) {
        return NULL;
    }
    return memset(p, 0, size);
}

static void scarce_free(void *opaque, void *ptr, size_t size)
{
    (void)opaque;
    (void)size;
    free(ptr);
}

/* The guest with allocations @first to @first + @length - 1 after set-up
 * failing. Return: how many there were. */
static unsigned run_short(unsigned first, unsigned length)
{
    const struct xbar_riscv_config config = { .count_blocks = true };
    struct shortage shortage = { 0 };
    const struct xbar_allocator allocator = { scarce_alloc, scarce_free,
                                              &shortage, true };
    const struct xbar_engine_config engine = { .allocator = &allocator };
    struct xbar_riscv_jit_stats stats;
    unsigned before;
    struct rig rig;

    rig_open_in(&rig, &engine, &config);
    load_guest(&rig);
    before = shortage.count;
    shortage.first = before + first;
    shortage.last = before + first + length - 1;
    if (xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT) == 0) {
        run_to_end(&rig);
        assert_int_equal(rig.hart->x[18], ROUNDS);
        stats = jit_stats(&rig);
        assert_int_equal(sum_blocks(&rig).instructions +
                             stats.gone_instructions,
                         stats.instructions);
    }
    shortage.last = 0;
    rig_close(&rig);
    return shortage.count - before;
}

/* Each allocation in turn, alone and with all that follow. */
static void test_memory_is_short(void **state)
{
    unsigned count = run_short(1000000, 1);

    (void)state;
    assert_in_range(count, 20, 10000);
    for (unsigned i = 1; i <= count; i++) {
        (void)run_short(i, 1);
        (void)run_short(i, 1000000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_counted_unasked),
        cmocka_unit_test(test_counting_costs_code_only_where_asked),
        cmocka_unit_test(test_callback_stops),
        cmocka_unit_test(test_known_counts),
        cmocka_unit_test(test_sums_hold),
        cmocka_unit_test(test_sums_hold_in_lockstep),
        cmocka_unit_test(test_returns_of_calls_in_progress),
        cmocka_unit_test(test_returns_beside_a_block_that_goes),
        cmocka_unit_test(test_returns_to_a_block_that_went),
        cmocka_unit_test(test_memory_is_short),
    };

    if (!xbar_riscv_has_jit()) {
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
