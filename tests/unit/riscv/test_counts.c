/* SPDX-License-Identifier: MIT */
/*
 * Accesses are counted alike by both engines, whatever becomes of blocks, and
 * wherever the accesses go: RAM and its pages, ROM, a device, nowhere, across
 * pages, as atomics.
 */
#include "jit/riscv/jit.h"

#include <errno.h>
#include <stdlib.h>

#include "accesses.h"

#define CODE     0x1000u
#define PAGES    (RIG_RAM_SIZE / 4096)
#define BODY     48
#define ROUNDS   40
#define PROGRAMS 60

/* ---- A program --------------------------------------------------------- */

static uint32_t random_insn(uint64_t *rng)
{
    unsigned base = 5 + (unsigned)(rig_random(rng) % BASE_REGS);
    unsigned reg = 10 + (unsigned)(rig_random(rng) % 6);
    int offset = (int)(rig_random(rng) % 4096) - 2048;
    uint64_t which = rig_random(rng) % 8;

    return which < ACCESSES ? random_access(rng, which, base, reg, offset)
                            : insn_addi(reg, reg, offset);
}

/* Faults are skipped. */
static void load_program(struct rig *rig, uint64_t seed)
{
    static const uint32_t handler[] = {
        0x34102f73, /* csrr x30, mepc */
        0x004f0f13, /* addi x30, x30, 4 */
        0x341f1073, /* csrw mepc, x30 */
        INSN_MRET,
    };
    uint32_t code[BODY + 3];
    uint64_t rng = seed;

    for (unsigned i = 0; i < BODY; i++) {
        code[i] = random_insn(&rng);
    }
    load_rounds(rig, CODE, code, BODY, ROUNDS);
    rig_code(rig, HANDLER, handler, 4);
}

/* ---- Two engines ------------------------------------------------------- */

struct outcome {
    struct xbar_riscv_counts counts;
    struct xbar_tlb_counts tlb;
    uint64_t pages[2][PAGES];
    uint64_t told; /* of ROM and the device, with the pieces of RAM */
    uint64_t devices;
    uint64_t instructions;
};

static void note(void *opaque, const FlatRange *section,
                 enum xbar_tlb_access access, unsigned size)
{
    struct outcome *outcome = opaque;

    outcome->told +=
        (section->first >> 12) + 1000000 * size + (access == TLB_WRITE);
}

static uint64_t tick(void)
{
    static uint64_t now;

    return ++now;
}

/* Instead of note(), for every other program. */
static void note_device(void *opaque, const FlatRange *section, hwaddr offset,
                        enum xbar_tlb_access access, unsigned size_log2,
                        uint64_t count, uint64_t ticks)
{
    struct outcome *outcome = opaque;

    assert_int_equal(ticks, 1);
    assert_false(section->flags & FLAT_RANGE_RAM);
    outcome->told +=
        count * (offset + (1000000u << size_log2) + (access == TLB_WRITE));
    outcome->devices += count;
}

static void run(struct outcome *outcome, uint64_t seed,
                enum xbar_riscv_engine engine, unsigned stress, bool pages)
{
    struct rig rig;
    const struct xbar_riscv_config config = {
        .count_blocks = true,
        .observe = note,
        .observe_opaque = outcome,
        .counts = &outcome->tlb,
        .device = seed % 2 ? note_device : NULL,
        .device_opaque = outcome,
        .ticks = tick,
        .stress = stress,
        .code_limit = stress & XBAR_RISCV_STRESS_BASELINE ? 8192 : 0,
    };

    memset(outcome, 0, sizeof(*outcome));
    outcome->tlb.ram = &rig.ram;
    for (unsigned i = 0; pages && i < 2; i++) {
        outcome->tlb.pages[i] = outcome->pages[i];
    }
    rig_open_with(&rig, &config);
    load_program(&rig, seed);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, engine), 0);
    for (unsigned i = 0; rig.hart->x[16] != 0 && i < 100000; i++) {
        assert_int_equal(xbar_riscv_run(rig.hart, 1 + i % 23),
                         XBAR_RISCV_EXIT_BUDGET);
    }
    assert_int_equal(rig.hart->x[16], 0);
    assert_null(xbar_riscv_mismatch(rig.hart));
    xbar_riscv_get_counts(rig.hart, &outcome->counts);
    outcome->instructions = rig.hart->stats.instructions;
    rig_close(&rig);
}

static void assert_same_accesses(const struct outcome *a,
                                 const struct outcome *b)
{
    for (unsigned mode = 0; mode < 4; mode++) {
        assert_memory_equal(a->counts.mode[mode].accesses,
                            b->counts.mode[mode].accesses,
                            sizeof(a->counts.mode[mode].accesses));
    }
    assert_memory_equal(a->tlb.elsewhere, b->tlb.elsewhere,
                        sizeof(a->tlb.elsewhere));
    assert_memory_equal(a->pages, b->pages, sizeof(a->pages));
    assert_int_equal(a->told, b->told);
    assert_int_equal(a->devices, b->devices);
}

static uint64_t sum(const uint64_t *values, size_t count)
{
    uint64_t total = 0;

    for (size_t i = 0; i < count; i++) {
        total += values[i];
    }
    return total;
}

/* What is not elsewhere is on some page. */
static void assert_adds_up(const struct outcome *outcome)
{
    const struct xbar_riscv_mode_counts *mode = &outcome->counts.mode[PRIV_M];

    for (unsigned i = 0; i < 2; i++) {
        uint64_t elsewhere = sum(outcome->tlb.elsewhere[i], TLB_SIZES);

        assert_int_equal(sum(mode->accesses[i], TLB_SIZES),
                         elsewhere + sum(outcome->pages[i], PAGES));
    }
}

static const unsigned variants[] = {
    0,
    XBAR_RISCV_STRESS_TLB,
    XBAR_RISCV_STRESS_CHAIN,
    XBAR_RISCV_STRESS_EVICT,
    XBAR_RISCV_STRESS_BASELINE,
    XBAR_RISCV_STRESS_SPAN,
};

#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static void test_engines_count_alike(void **state)
{
    struct outcome *want = calloc(1, sizeof(*want));
    struct outcome *got = calloc(1, sizeof(*got));
    unsigned programs = getenv("XBAR_LONG") ? 100 * PROGRAMS : PROGRAMS;
    uint64_t elsewhere = 0;

    (void)state;
    for (unsigned i = 0; i < programs; i++) {
        uint64_t seed = 0x5eed + i;

        run(want, seed, XBAR_RISCV_INTERP, 0, true);
        assert_adds_up(want);
        run(got, seed, XBAR_RISCV_JIT, variants[i % VARIANTS], true);
        assert_adds_up(got);
        assert_same_accesses(got, want);
        run(got, seed, XBAR_RISCV_LOCKSTEP, 0, true);
        assert_same_accesses(got, want);
        elsewhere += want->tlb.elsewhere[TLB_READ][3] +
                     want->tlb.elsewhere[TLB_WRITE][3];
    }
    assert_true(elsewhere > ROUNDS * programs);
    free(want);
    free(got);
}

/* A hot loop becomes a region, which counts its own. */
static void test_pages_of_a_hot_loop(void **state)
{
    enum { TURNS = 400000 };
    static uint64_t pages[2][PAGES];
    struct xbar_tlb_counts counts = { .pages = { pages[0], pages[1] } };
    const struct xbar_riscv_config config = { .counts = &counts };
    uint32_t code[] = { encode(RISCV_OP_LD, 11, 5, 0, 0), insn_sd(11, 5, 8), 0,
                        0, 0 };
    struct rig rig;

    (void)state;
    counts.ram = &rig.ram;
    rig_open_with(&rig, &config);
    load_rounds(&rig, CODE, code, 2, TURNS);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, 4 * TURNS),
                     XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(rig.hart->x[16], 0);
    rig_close(&rig);
    assert_int_equal(pages[TLB_READ][DATA / 4096], TURNS);
    assert_int_equal(pages[TLB_WRITE][DATA / 4096], TURNS);
}

static void test_without_pages(void **state)
{
    struct outcome *want = calloc(1, sizeof(*want));
    struct outcome *got = calloc(1, sizeof(*got));

    (void)state;
    run(want, 1, XBAR_RISCV_INTERP, 0, false);
    run(got, 1, XBAR_RISCV_JIT, 0, false);
    assert_same_accesses(got, want);
    assert_int_equal(sum(got->pages[0], PAGES), 0);
    assert_true(sum(got->counts.mode[PRIV_M].accesses[0], TLB_SIZES) >
                sum(got->tlb.elsewhere[0], TLB_SIZES));
    free(want);
    free(got);
}

/* ---- What it costs ----------------------------------------------------- */

struct code {
    uint8_t bytes[4096];
    uint32_t size;
};

static bool copy_code(void *opaque, const struct xbar_riscv_block *block)
{
    struct code *code = opaque;

    if (block->pc == RAM_ADDR + CODE) {
        code->size = block->code_size;
        assert_in_range(code->size, 1, sizeof(code->bytes));
        memcpy(code->bytes, block->code, code->size);
    }
    return true;
}

static void make_code(struct code *code, const struct xbar_riscv_config *config)
{
    static const uint32_t body[] = { 0x0002b503 /* ld a0,0(t0) */,
                                     0x00a33423 /* sd a0,8(t1) */,
                                     0x00a2b5af /* amoadd.d a1,a0,(t0) */,
                                     INSN_SELF };
    struct rig rig;

    memset(code, 0, sizeof(*code));
    if (config->counts != NULL) {
        config->counts->ram = &rig.ram;
    }
    rig_open_with(&rig, config);
    rig_code(&rig, CODE, body, 4);
    rig.hart->pc = RAM_ADDR + CODE;
    rig.hart->x[5] = RAM_ADDR + DATA;
    rig.hart->x[6] = RAM_ADDR + DATA;
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, 100), XBAR_RISCV_EXIT_BUDGET);
    xbar_riscv_for_each_block(rig.hart, copy_code, code);
    assert_true(code->size > 0);
    rig_close(&rig);
}

/* Accesses by size and region cost no code; those by page do. */
static void test_code_is_the_same_unless_pages_count(void **state)
{
    static uint64_t pages[2][PAGES];
    static struct code plain, sized, paged;
    struct outcome *outcome = calloc(1, sizeof(*outcome));
    struct xbar_tlb_counts counts = { 0 };
    struct xbar_riscv_config config = { .hartid = 0 };

    (void)state;
    make_code(&plain, &config);
    config.observe = note;
    config.observe_opaque = outcome;
    config.counts = &counts;
    make_code(&sized, &config);
    assert_memory_equal(&plain, &sized, sizeof(plain));
    counts.pages[0] = pages[0];
    counts.pages[1] = pages[1];
    make_code(&paged, &config);
    assert_true(paged.size > plain.size);
    free(outcome);
}

/* ---- Blocks that go ---------------------------------------------------- */

static void add_gone(void *opaque, const struct xbar_riscv_block *block)
{
    uint64_t *executed = opaque;

    for (unsigned i = 0; i < block->insns; i++) {
        *executed += xbar_riscv_block_executed(block, i);
    }
}

static void test_gone_blocks_are_told(void **state)
{
    uint64_t executed = 0;
    const struct xbar_riscv_config config = {
        .count_blocks = true,
        .block_gone = add_gone,
        .block_gone_opaque = &executed,
        .stress = XBAR_RISCV_STRESS_EVICT,
    };
    struct xbar_riscv_stats stats;
    struct rig rig;

    (void)state;
    rig_open_with(&rig, &config);
    load_program(&rig, 7);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(xbar_riscv_run(rig.hart, 1 + i % 23),
                         XBAR_RISCV_EXIT_BUDGET);
    }
    xbar_riscv_get_stats(rig.hart, &stats);
    assert_true(executed > 0);
    assert_int_equal(executed, stats.jit.gone_instructions);
    rig_close(&rig);
}

/* ---- Modes ------------------------------------------------------------- */

static void test_modes_are_told_apart(void **state)
{
    static const uint32_t body[] = { 0x0002b503 /* ld a0,0(t0) */,
                                     0x00a33423 /* sd a0,8(t1) */, INSN_SELF };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct xbar_riscv_config config = { .count_blocks = true };
        struct xbar_riscv_counts counts;
        struct rig rig;

        rig_open_with(&rig, &config);
        rig_open_pmp(&rig);
        rig_code(&rig, CODE, body, 3);
        rig.hart->pc = RAM_ADDR + CODE;
        rig.hart->x[5] = RAM_ADDR + DATA;
        rig.hart->x[6] = RAM_ADDR + DATA;
        rig.hart->priv = PRIV_U;
        riscv__update_contexts(rig.hart);
        assert_int_equal(xbar_riscv_set_engine(rig.hart, i ? XBAR_RISCV_JIT
                                                           : XBAR_RISCV_INTERP),
                         0);
        assert_int_equal(xbar_riscv_run(rig.hart, 10), XBAR_RISCV_EXIT_BUDGET);
        xbar_riscv_get_counts(rig.hart, &counts);
        assert_int_equal(counts.mode[PRIV_U].accesses[TLB_READ][3], 1);
        assert_int_equal(counts.mode[PRIV_U].accesses[TLB_WRITE][3], 1);
        assert_int_equal(sum(counts.mode[PRIV_M].accesses[0], 2 * TLB_SIZES),
                         0);
        assert_int_equal(counts.mode[PRIV_U].data.walks, 1);
        assert_int_equal(counts.mode[PRIV_U].fetches.walks, 1);
        rig_close(&rig);
    }
}

static void test_odd_ram_is_refused(void **state)
{
    struct xbar_tlb_counts counts = { 0 };
    struct rig rig;
    SoftTLB *tlb = aligned_alloc(64, (sizeof(*tlb) + 63) / 64 * 64);
    struct xbar_tlb_config config = { .walk = riscv__walk, .counts = &counts };

    (void)state;
    rig_open(&rig);
    config.as = &rig.as;
    counts.ram = &rig.io; /* no RAM at all */
    assert_int_equal(tlb_init(tlb, &config), -EINVAL);
    free(tlb);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engines_count_alike),
        cmocka_unit_test(test_pages_of_a_hot_loop),
        cmocka_unit_test(test_without_pages),
        cmocka_unit_test(test_code_is_the_same_unless_pages_count),
        cmocka_unit_test(test_gone_blocks_are_told),
        cmocka_unit_test(test_modes_are_told_apart),
        cmocka_unit_test(test_odd_ram_is_refused),
    };

    if (!xbar_riscv_has_jit()) {
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
