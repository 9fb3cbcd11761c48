/* SPDX-License-Identifier: MIT */
/*
 * What regions count: how often each instruction retired, what it accessed and
 * where, against the interpreter, which is stepped through the same program.
 * Regions are left by faults, for want of budget, behind devices that want
 * attention, by ways out and as they are dropped.
 *
 * XBAR_SEED=N runs just the program of one; 20 times as many with XBAR_LONG=1.
 */
#include "jit/riscv/region/region.h"

#include <stdlib.h>

#include "jit/riscv/jit.h"

#include "loops.h"
#include "random_loops.h"
#include "tests/guest/insn_scale.h"

#define PAGES (RIG_RAM_SIZE / 4096)
#define STEPS 6000u

/* ---- Which parts count ------------------------------------------------- */

/* A region of the loop that begins @code. Returns how many parts count. */
static unsigned counted_of(const uint32_t *code, size_t count,
                           struct riscv_region *region)
{
    struct region_counts *counts;
    unsigned counted = 0;

    memset(region->page, 0, sizeof(region->page));
    memcpy(region->page, code, count * sizeof(*code));
    assert_true(riscv__find_region(region, 0, false, any, NULL));
    counts = test_calloc(1, riscv__counts_size(region));
    riscv__plan_counts(region, counts);
    for (unsigned i = 0; i < counts->part_count; i++) {
        counted += counts->parts[i].is_counted;
    }
    test_free(counts);
    return counted;
}

/* A loop counts once; an if in it once more. */
static void test_few_parts_count(void **state)
{
    const uint32_t plain[] = { STEP, STEP, branch(-2) };
    const uint32_t exits[] = { STEP,      branch(9), STEP,
                               branch(9), STEP,      branch(-5) };
    const uint32_t ifs[] = { STEP, branch(2), STEP, STEP, branch(-4) };
    struct riscv_region *region = test_calloc(1, sizeof(*region));

    (void)state;
    assert_int_equal(counted_of(plain, COUNT(plain), region), 1);
    assert_int_equal(region->part_count, 1);
    assert_int_equal(counted_of(exits, COUNT(exits), region), 1);
    assert_int_equal(region->part_count, 3);
    assert_int_equal(counted_of(ifs, COUNT(ifs), region), 2);
    assert_int_equal(region->part_count, 3);
    test_free(region);
}

/* ---- Against the interpreter ------------------------------------------- */

struct tally {
    uint64_t insns[PROGRAM + 1]; /* the last: anywhere else */
    uint64_t total;
    uint64_t pages[2][PAGES];
    struct xbar_tlb_counts tlb;
    struct xbar_riscv_counts counts;
    struct rig rig;
};

static uint64_t *at_pc(struct tally *t, uint64_t pc)
{
    uint64_t index = (pc - RAM_ADDR - CODE) / 4;

    return &t->insns[index < PROGRAM ? index : PROGRAM];
}

static void add_block(void *opaque, const struct xbar_riscv_block *block)
{
    struct tally *t = opaque;
    uint64_t sum = 0;

    for (unsigned i = 0; i < block->insns; i++) {
        uint64_t times = xbar_riscv_block_executed(block, i);

        *at_pc(t, block->pc + 4 * i) += times;
        sum += times;
        assert_true(block->starts[i] <= block->starts[i + 1]);
    }
    assert_int_equal(sum, block->instructions);
    assert_int_equal(block->guest_size, 4 * block->insns);
    assert_true(block->starts[block->insns] <= block->hot_size);
    assert_true(block->hot_size <= block->code_size);
}

static bool add_live_block(void *opaque, const struct xbar_riscv_block *block)
{
    const struct tally *t = opaque;

    assert_memory_equal(block->guest, t->rig.mem + (block->pc - RAM_ADDR),
                        block->guest_size);
    add_block(opaque, block);
    return true;
}

/* Goes on behind what faulted, with STRAY a page before the end of RAM. */
static void load_handler(struct rig *rig)
{
    const uint32_t handler[] = {
        insn_csr(2, STRAY, 0x341, 0), /* mepc += 4 */
        insn_addi(STRAY, STRAY, 4),
        insn_csr(1, 0, 0x341, STRAY),
        encode(RISCV_OP_AUIPC, STRAY, 0, 0,
               (int)(RIG_RAM_SIZE - HANDLER - 0x1000)),
        INSN_MRET,
    };

    rig_code(rig, HANDLER, handler, COUNT(handler));
}

static void open_tally(struct tally *t, struct xbar_riscv_config config,
                       enum xbar_riscv_engine engine, bool has_pages)
{
    config.count_blocks = true;
    config.block_gone = add_block;
    config.block_gone_opaque = t;
    config.counts = &t->tlb;
    t->tlb.ram = &t->rig.ram;
    for (unsigned i = 0; has_pages && i < 2; i++) {
        t->tlb.pages[i] = t->pages[i];
    }
    open_rig(&t->rig, &config, engine);
    load_handler(&t->rig);
}

static void start_tally(struct tally *t, const struct program *p)
{
    start(&t->rig, p);
    memset(t->insns, 0, sizeof(t->insns));
    memset(t->pages, 0, sizeof(t->pages));
    memset(t->tlb.elsewhere, 0, sizeof(t->tlb.elsewhere));
    xbar_riscv_get_counts(t->rig.hart, &t->counts);
    t->total = t->rig.hart->stats.instructions;
}

static void end_tally(struct tally *t)
{
    struct xbar_riscv_counts before = t->counts;

    xbar_riscv_get_counts(t->rig.hart, &t->counts);
    for (unsigned i = 0; i < 2 * TLB_SIZES; i++) {
        t->counts.mode[PRIV_M].accesses[i / TLB_SIZES][i % TLB_SIZES] -=
            before.mode[PRIV_M].accesses[i / TLB_SIZES][i % TLB_SIZES];
    }
    t->total = t->rig.hart->stats.instructions - t->total;
}

static void step_through(struct tally *t, const struct program *p)
{
    start_tally(t, p);
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t pc = t->rig.hart->pc;
        uint64_t exceptions = t->rig.hart->stats.exceptions;

        (void)xbar_riscv_run(t->rig.hart, 1);
        if (t->rig.hart->stats.exceptions != exceptions) {
            pc = RAM_ADDR + HANDLER; /* that is what retired */
        }
        ++*at_pc(t, pc);
    }
    end_tally(t);
}

/* In slices that are short at times. Returns what was interpreted. */
static uint64_t run_through(struct tally *t, struct program *p)
{
    struct xbar_riscv_stats stats;
    uint64_t translated;
    unsigned left = STEPS;

    start_tally(t, p);
    xbar_riscv_get_stats(t->rig.hart, &stats);
    translated = stats.jit.instructions;
    while (left > 0) {
        unsigned insns = 1 + (unsigned)draw(p, draw(p, 3) ? 2000 : 50);

        insns = insns < left ? insns : left;
        (void)xbar_riscv_run(t->rig.hart, insns);
        assert_null(xbar_riscv_mismatch(t->rig.hart));
        left -= insns;
    }
    end_tally(t);
    xbar_riscv_for_each_block(t->rig.hart, add_live_block, t);
    xbar_riscv_get_stats(t->rig.hart, &stats);
    return t->total - (stats.jit.instructions - translated);
}

/* What the interpreter did beside is known by its sum alone. */
static void compare(struct tally *want, struct tally *got, uint64_t interpreted)
{
    uint64_t missing = 0;

    for (unsigned i = 0; i <= PROGRAM; i++) {
        assert_true(got->insns[i] <= want->insns[i]);
        missing += want->insns[i] - got->insns[i];
    }
    assert_int_equal(missing, interpreted);
    assert_int_equal(got->total, want->total);
    assert_memory_equal(got->counts.mode[PRIV_M].accesses,
                        want->counts.mode[PRIV_M].accesses,
                        sizeof(want->counts.mode[PRIV_M].accesses));
    assert_memory_equal(got->tlb.elsewhere, want->tlb.elsewhere,
                        sizeof(want->tlb.elsewhere));
    assert_memory_equal(got->pages, want->pages, sizeof(want->pages));
}

static bool is_region(void *opaque, const struct xbar_jit_block *block)
{
    *(unsigned *)opaque += block->is_region && block->profile != NULL;
    return true;
}

static const struct variant {
    enum xbar_riscv_engine engine;
    unsigned programs;
    bool has_pages;
    struct xbar_riscv_config config;
} variants[] = {
    { XBAR_RISCV_JIT, 200, false, { .stress = XBAR_RISCV_STRESS_REGION } },
    { XBAR_RISCV_JIT, 200, true, { .stress = XBAR_RISCV_STRESS_REGION } },
    { XBAR_RISCV_JIT,
      100,
      true,
      { .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_SPAN |
                  XBAR_RISCV_STRESS_BASELINE } },
    { XBAR_RISCV_JIT,
      60,
      true,
      { .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_TLB } },
    { XBAR_RISCV_JIT,
      60,
      false,
      { .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_CHAIN } },
    { XBAR_RISCV_JIT,
      40,
      false,
      { .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_EVICT } },
    { XBAR_RISCV_JIT,
      60,
      true,
      { .stress = XBAR_RISCV_STRESS_REGION, .code_limit = 8192 } },
    { XBAR_RISCV_LOCKSTEP, 60, true, { .stress = XBAR_RISCV_STRESS_REGION } },
};

static void run_variant(const struct variant *variant, unsigned number)
{
    const char *one = getenv("XBAR_SEED");
    size_t programs = insn_scale(variant->programs);
    struct program *p = test_malloc(sizeof(*p));
    struct tally *want = test_calloc(1, sizeof(*want));
    struct tally *got = test_calloc(1, sizeof(*got));
    uint64_t interpreted = 0, total = 0;
    unsigned regions = 0;

    open_tally(want, (struct xbar_riscv_config){ 0 }, XBAR_RISCV_INTERP,
               variant->has_pages);
    open_tally(got, variant->config, variant->engine, variant->has_pages);
    for (size_t i = 0; i < programs; i++) {
        uint64_t beside;

        make_program(p, one ? strtoull(one, NULL, 0) : 1000 * number + i);
        step_through(want, p);
        beside = run_through(got, p);
        compare(want, got, beside);
        xbar_jit_for_each(got->rig.hart->jit->cache, is_region, &regions);
        interpreted += beside;
        total += got->total;
        if (one) {
            break;
        }
    }
    print_message("variant %u: %zu programs, %u regions, of %llu instructions "
                  "%llu interpreted\n",
                  number, programs, regions, (unsigned long long)total,
                  (unsigned long long)interpreted);
    assert_true(one || interpreted < total / 2);
    assert_true(one || variant->config.stress & XBAR_RISCV_STRESS_EVICT ||
                regions > programs / 3);
    rig_close(&want->rig);
    rig_close(&got->rig);
    test_free(want);
    test_free(got);
    test_free(p);
}

static void test_random_loops_count_alike(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(variants); i++) {
        run_variant(&variants[i], i);
    }
}

/* All other registers are in use between the index and the load. */
static void test_an_index_without_a_home(void **state)
{
    const struct xbar_riscv_config config = {
        .stress = XBAR_RISCV_STRESS_REGION | XBAR_RISCV_STRESS_SPAN,
    };
    struct program *p = test_calloc(1, sizeof(*p));
    struct tally *want = test_calloc(1, sizeof(*want));
    struct tally *got = test_calloc(1, sizeof(*got));
    uint64_t beside;

    (void)state;
    p->seed = 1;
    put(p, encode(RISCV_OP_ANDI, 26, OUTER, 0, 0xf8));
    for (unsigned i = 0; i < 50; i++) {
        unsigned reg = 1 + i % 25;

        put(p, encode(RISCV_OP_ADD, reg, reg, 1 + (i + 1) % 25, 0));
    }
    put(p, encode(RISCV_OP_ADD, STRAY, BASE, 26, 0));
    put(p, encode(RISCV_OP_LD, STRAY, STRAY, 0, 0));
    put_loop(p, OUTER, 0);
    put(p, INSN_SELF);
    open_tally(want, config, XBAR_RISCV_INTERP, true);
    open_tally(got, config, XBAR_RISCV_JIT, true);
    step_through(want, p);
    beside = run_through(got, p);
    compare(want, got, beside);
    assert_memory_equal(got->rig.hart->x, want->rig.hart->x,
                        sizeof(want->rig.hart->x));
    assert_true(beside < got->total / 2);
    rig_close(&want->rig);
    rig_close(&got->rig);
    test_free(want);
    test_free(got);
    test_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_parts_count),
        cmocka_unit_test(test_an_index_without_a_home),
        cmocka_unit_test(test_random_loops_count_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
