/* SPDX-License-Identifier: MIT */
/*
 * Accesses by page, where a base register goes from page to page: one after the
 * other, to and fro, by leaps, across their ends. Both engines count alike,
 * whatever becomes of spans meanwhile.
 */
#include "jit/riscv/jit.h"

#include <stdlib.h>

#include "accesses.h"
#include "paging.h"

#define CODE     0x1000u
#define PAGES    (RIG_RAM_SIZE / 4096)
#define ROUNDS   3000
#define PROGRAMS 24
#define SCATTER  0x200000u

#define BODY 26

enum {
    BASE = 5,
    OTHER = 6,
    AT = 17,
    STRIDE = 18,
    FIRST = 19,
    WITHIN_LOG2 = 15
};

/* BASE = FIRST + AT, modulo 1 << WITHIN_LOG2. */
static unsigned move_base(uint32_t *code)
{
    code[0] = encode(RISCV_OP_ADD, AT, AT, STRIDE, 0);
    code[1] = encode(RISCV_OP_SLLI, AT, AT, 0, 64 - WITHIN_LOG2);
    code[2] = encode(RISCV_OP_SRLI, AT, AT, 0, 64 - WITHIN_LOG2);
    code[3] = encode(RISCV_OP_ADD, BASE, FIRST, AT, 0);
    return 4;
}

/* A load or store of an integer: such are checked together, in regions, too. */
static uint32_t plain_access(uint64_t *rng, unsigned base, int offset)
{
    static const unsigned ops[] = { RISCV_OP_LB, RISCV_OP_LHU, RISCV_OP_LW,
                                    RISCV_OP_LD, RISCV_OP_SB,  RISCV_OP_SH,
                                    RISCV_OP_SW, RISCV_OP_SD };
    enum riscv_op op = (enum riscv_op)PICK(rng, ops);
    unsigned reg = 10 + (unsigned)(rig_random(rng) % 4);

    return op >= RISCV_OP_SB && op <= RISCV_OP_SD
               ? encode(op, 0, base, reg, offset)
               : encode(op, reg, base, 0, offset);
}

/* Of f registers that have the numbers of bases. */
static uint32_t fp_access(uint64_t *rng, unsigned base, int offset)
{
    unsigned reg = rig_random(rng) % 2 ? BASE : OTHER;

    return rig_random(rng) % 2 ? encode(RISCV_OP_FLD, reg, base, 0, offset)
                               : encode(RISCV_OP_FSD, 0, base, reg, offset);
}

/* Many, through BASE and another one at most a page off, with something between
 * at times. BASE moves before or behind them. */
static unsigned make_row(uint32_t *code, uint64_t *rng)
{
    static const int reaches[] = { 8, 64, 2000 };
    unsigned count = 0, accesses = 2 + (unsigned)(rig_random(rng) % 8);
    int reach = PICK(rng, reaches);
    bool first = rig_random(rng) % 2, fp = rig_random(rng) % 2;

    if (first) {
        count = move_base(code);
    }
    code[count++] = encode(RISCV_OP_ADDI, OTHER, BASE, 0,
                           (int)(rig_random(rng) % 4096) - 2048);
    for (unsigned i = 0; i < accesses; i++) {
        int offset = (int)(rig_random(rng) % (unsigned)(2 * reach)) - reach;
        unsigned base = rig_random(rng) % 3 ? BASE : OTHER;

        code[count++] = fp && rig_random(rng) % 2
                            ? fp_access(rng, base, offset)
                            : plain_access(rng, base, offset);
        if (rig_random(rng) % 4 == 0) {
            code[count++] = encode(RISCV_OP_ADDW, 14, 14, 10, 0);
        }
    }
    return first ? count : count + move_base(&code[count]);
}

/* Accesses through BASE, which then moves. */
static unsigned make_body(uint32_t *code, uint64_t *rng)
{
    unsigned count = 0;
    unsigned accesses = 1 + (unsigned)(rig_random(rng) % 3);

    for (unsigned i = 0; i < accesses; i++) {
        code[count++] = random_access(rng, rig_random(rng) % 6, BASE, 10,
                                      (int)(rig_random(rng) % 64) - 32);
    }
    return count + move_base(&code[count]);
}

enum kind {
    BODIES,
    ROWS,
    SCATTERED, /* rows, in pages that are in disorder, and beside address 0 */
};

/* Two accesses beside address 0, and a row. */
static unsigned make_scattered(uint32_t *code, uint64_t *rng)
{
    code[0] = plain_access(rng, 0, (int)(rig_random(rng) % 2040));
    code[1] = plain_access(rng, 0, (int)(rig_random(rng) % 2040));
    return 2 + make_row(&code[2], rng);
}

struct counted {
    enum kind kind;
    struct xbar_tlb_counts counts;
    uint64_t pages[2][PAGES];
    struct rig rig;
};

/* Some of them follow one another in RAM, so that spans may be long. */
static void scatter(struct rig *rig)
{
    static const uint8_t places[] = { 5, 6,  7,  0,  1, 12, 3,  4,
                                      2, 15, 14, 13, 8, 9,  10, 11 };

    rig_open_pmp(rig);
    for (unsigned i = 0; i < sizeof(places); i++) {
        paging_map(rig, i, SCATTER + 4096u * places[i], PTE_R | PTE_W);
    }
    paging_enter(rig, PRIV_S);
    rig->hart->x[FIRST] = 0x2800;
}

static unsigned make(enum kind kind, uint32_t *code, uint64_t *rng)
{
    switch (kind) {
    case BODIES:
        return make_body(code, rng);
    case ROWS:
        return make_row(code, rng);
    default:
        return make_scattered(code, rng);
    }
}

static struct counted *open_counted(uint64_t seed, unsigned stress,
                                    enum kind kind)
{
    static const uint64_t strides[] = { 1, 8, 24, 509, 4096, 4093, 8192 + 1 };
    static const uint32_t handler[] = {
        0x34102f73, /* csrr x30, mepc */
        0x004f0f13, /* addi x30, x30, 4 */
        0x341f1073, /* csrw mepc, x30 */
        INSN_MRET,
    };
    struct counted *c = calloc(1, sizeof(*c));
    const struct xbar_riscv_config config = { .counts = &c->counts,
                                              .count_blocks = seed % 2,
                                              .stress = stress };
    uint32_t code[BODY + 3];
    uint64_t rng = seed;
    unsigned body = make(kind, code, &rng);

    c->kind = kind;
    c->counts.ram = &c->rig.ram;
    c->counts.pages[0] = c->pages[0];
    c->counts.pages[1] = c->pages[1];
    rig_open_with(&c->rig, &config);
    load_rounds(&c->rig, CODE, code, body, ROUNDS);
    rig_code(&c->rig, HANDLER, handler, 4);
    c->rig.hart->x[FIRST] = RAM_ADDR + DATA;
    c->rig.hart->x[STRIDE] = PICK(&rng, strides);
    if (kind == SCATTERED) {
        scatter(&c->rig);
    }
    c->rig.hart->x[BASE] = c->rig.hart->x[FIRST];
    return c;
}

static void close_counted(struct counted *c)
{
    rig_close(&c->rig);
    free(c);
}

/* A page is another from now on. */
static void replace_page(struct rig *rig, unsigned i)
{
    unsigned page = i / 3 % 16;

    paging_map(rig, page, SCATTER + 4096 * (i % 64), PTE_R | PTE_W);
    tlb_flush_page(&rig->hart->tlb, 1u << rig->hart->data_context,
                   (uint64_t)page * 4096);
}

/* Something that ends spans, now and then; or makes the engine anew. */
static void disturb(struct xbar_riscv_hart *hart, unsigned i)
{
    switch (i % 16) {
    case 3:
        tlb_flush_page(&hart->tlb, 1u << hart->data_context, hart->x[BASE]);
        break;
    case 5:
        tlb_protect_code(&hart->tlb, hart->tlb.counted_host + SCATTER +
                                         4096 * (i / 16 % 16));
        break;
    case 7:
        tlb_protect_code(&hart->tlb,
                         hart->tlb.counted_host + DATA / 4096 * 4096);
        break;
    case 11:
        assert_int_equal(xbar_riscv_set_engine(hart, XBAR_RISCV_INTERP), 0);
        break;
    case 12:
        assert_int_equal(xbar_riscv_set_engine(hart, XBAR_RISCV_JIT), 0);
        break;
    case 15:
        tlb_flush(&hart->tlb, 1u << hart->data_context);
        break;
    }
}

static void run(struct counted *c, enum xbar_riscv_engine engine, bool disturbs)
{
    struct xbar_riscv_hart *hart = c->rig.hart;

    assert_int_equal(xbar_riscv_set_engine(hart, engine), 0);
    for (unsigned i = 0; hart->x[16] != 0; i++) {
        assert_true(i < 100 * ROUNDS);
        assert_int_equal(xbar_riscv_run(hart, 500 + i % 23),
                         XBAR_RISCV_EXIT_BUDGET);
        if (c->kind == SCATTERED && i % 3 == 0) {
            replace_page(&c->rig, i);
        }
        if (disturbs) {
            disturb(hart, i);
        }
    }
}

static const unsigned variants[] = {
    0,
    XBAR_RISCV_STRESS_REGION,
    XBAR_RISCV_STRESS_SPAN,
    XBAR_RISCV_STRESS_SPAN | XBAR_RISCV_STRESS_REGION,
    XBAR_RISCV_STRESS_TLB,
    XBAR_RISCV_STRESS_BASELINE,
};

#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static void run_programs(enum kind kind)
{
    unsigned programs = getenv("XBAR_LONG") ? 50 * PROGRAMS : PROGRAMS;

    for (unsigned i = 0; i < programs; i++) {
        struct counted *want = open_counted(0x9a9e + i, 0, kind);

        run(want, XBAR_RISCV_INTERP, false);
        for (unsigned k = 0; k < VARIANTS; k++) {
            struct counted *got = open_counted(0x9a9e + i, variants[k], kind);

            run(got, XBAR_RISCV_JIT, (k + i) % 2);
            assert_memory_equal(got->pages, want->pages, sizeof(want->pages));
            assert_memory_equal(got->rig.mem, want->rig.mem, RIG_RAM_SIZE);
            close_counted(got);
        }
        close_counted(want);
    }
}

static void test_bases_that_wander(void **state)
{
    (void)state;
    run_programs(BODIES);
}

/* What is checked at once counts one by one, or, where it is not all in one
 * page, each in its own. */
static void test_rows_that_wander(void **state)
{
    (void)state;
    run_programs(ROWS);
}

/* What a span says is of the page that it went to. */
static void test_pages_in_disorder(void **state)
{
    (void)state;
    run_programs(SCATTERED);
}

/* A base that walks up takes its span along, from entry to entry: the way
 * through C gets rarer. */
static void test_the_span_follows(void **state)
{
    enum { STEPS = 64, WALK = 40 };
    static uint64_t pages[2][PAGES];
    struct xbar_tlb_counts counts = { .pages = { pages[0], pages[1] } };
    const struct xbar_riscv_config config = { .counts = &counts };
    uint32_t code[5] = { insn_sd(11, BASE, 0),
                         insn_addi(BASE, BASE, 4096 / STEPS) };
    const TLBSpan *span;
    struct rig rig;

    (void)state;
    counts.ram = &rig.ram;
    rig_open_with(&rig, &config);
    load_rounds(&rig, CODE, code, 2, 2 * STEPS * WALK);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, 4 * STEPS * WALK),
                     XBAR_RISCV_EXIT_BUDGET);
    span = &rig.hart->tlb.spans[CTX_M][TLB_WRITE][BASE];
    rig.hart->x[BASE] = RAM_ADDR + DATA;
    for (unsigned i = 1; i < WALK; i++) {
        assert_int_equal(xbar_riscv_run(rig.hart, 4 * STEPS),
                         XBAR_RISCV_EXIT_BUDGET);
        assert_int_equal(span->count, TLB_PAGE_SIZE - 7);
        assert_int_equal(span->start, (rig.hart->x[BASE] - 64) & TLB_PAGE_MASK);
        assert_int_equal(pages[TLB_WRITE][DATA / 4096 + i], STEPS + STEPS / 2);
    }
    rig_close(&rig);
}

/* Of the one slot that is seen to be leapt in. */
static const struct jit_cursor *
leaping_cursor(const struct xbar_riscv_hart *hart)
{
    uint32_t leaps[2] = { 0 };

    riscv__find_leaps(hart, leaps);
    assert_int_equal(leaps[TLB_READ], 0);
    assert_int_equal(__builtin_popcount(leaps[TLB_WRITE]), 1);
    return &hart->jit_state
                .cursors[CTX_M][TLB_WRITE][__builtin_ctz(leaps[TLB_WRITE])];
}

/*
 * A base that leaps: its span stays where it is, nearly always. Code that is
 * made then does not ask it, so that it stays for good, and counts all the same.
 */
static void test_a_base_that_leaps(void **state)
{
    enum { LEAPS = 8, TIMES = 500 };
    static uint64_t pages[2][PAGES];
    struct xbar_tlb_counts counts = { .pages = { pages[0], pages[1] } };
    const struct xbar_riscv_config config = { .counts = &counts };
    uint32_t code[BODY] = { insn_sd(11, BASE, 0) };
    unsigned body = 1 + move_base(&code[1]);
    uint64_t half = (uint64_t)LEAPS * TIMES * (body + 2);
    const struct jit_cursor *cursor;
    struct rig rig;
    int64_t patience;

    (void)state;
    counts.ram = &rig.ram;
    rig_open_with(&rig, &config);
    load_rounds(&rig, CODE, code, body, 2 * LEAPS * TIMES);
    rig.hart->x[FIRST] = rig.hart->x[BASE] = RAM_ADDR + DATA;
    rig.hart->x[STRIDE] = 4096;
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    assert_int_equal(xbar_riscv_run(rig.hart, half), XBAR_RISCV_EXIT_BUDGET);
    cursor = leaping_cursor(rig.hart);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_INTERP), 0);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    patience = cursor->patience;
    assert_int_equal(xbar_riscv_run(rig.hart, half), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(rig.hart->x[16], 0);
    assert_int_equal(cursor->patience, patience);
    for (unsigned i = 0; i < LEAPS; i++) {
        assert_int_equal(pages[TLB_WRITE][DATA / 4096 + i], 2 * TIMES);
    }
    rig_close(&rig);
}

/* x0 as a base has no register's span, and not the long one. */
static void test_the_lowest_page(void **state)
{
    enum { LEAPS = 8, TIMES = 500, LOW = 0x108000 };
    static uint64_t pages[2][PAGES];
    struct xbar_tlb_counts counts = { .pages = { pages[0], pages[1] } };
    const struct xbar_riscv_config config = { .counts = &counts };
    uint32_t code[BODY] = { encode(RISCV_OP_LD, 12, 0, 0, 8),
                            encode(RISCV_OP_LD, 11, BASE, 0, 0) };
    unsigned body = 2 + move_base(&code[2]);
    struct rig rig;

    (void)state;
    counts.ram = &rig.ram;
    rig_open_with(&rig, &config);
    rig_open_pmp(&rig);
    load_rounds(&rig, CODE, code, body, LEAPS * TIMES);
    rig.hart->x[FIRST] = rig.hart->x[BASE] = RAM_ADDR + DATA + 0x10000;
    rig.hart->x[STRIDE] = 4096;
    paging_map(&rig, 0, LOW, PTE_R);
    paging_enter(&rig, PRIV_S);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    for (unsigned i = 0; rig.hart->x[16] != 0 && i < LEAPS * TIMES; i++) {
        assert_int_equal(xbar_riscv_run(rig.hart, 500 + i % 23),
                         XBAR_RISCV_EXIT_BUDGET);
    }
    assert_int_equal(rig.hart->x[16], 0);
    assert_int_equal(pages[TLB_READ][LOW / 4096], LEAPS * TIMES);
    for (unsigned i = 0; i < LEAPS; i++) {
        assert_int_equal(pages[TLB_READ][(DATA + 0x10000) / 4096 + i], TIMES);
    }
    rig_close(&rig);
}

/* What a small loop counts in is no home of a register. */
static void test_f_registers_beside_a_loop(void **state)
{
    enum { TIMES = 3000 };
    static uint64_t pages[2][PAGES];
    struct xbar_tlb_counts counts = { .pages = { pages[0], pages[1] } };
    const struct xbar_riscv_config config = { .counts = &counts,
                                              .count_blocks = true,
                                              .stress =
                                                  XBAR_RISCV_STRESS_REGION };
    const uint32_t live = encode(RISCV_OP_FSGNJ_D, 0, 0, 0, 0);
    uint32_t code[6] = { encode(RISCV_OP_LD, 11, BASE, 0, 0),
                         insn_sd(11, BASE, 8),
                         encode(RISCV_OP_LD, 12, OTHER, 0, 0) };
    struct rig rig;

    (void)state;
    counts.ram = &rig.ram;
    rig_open_with(&rig, &config);
    load_rounds(&rig, CODE + 4, code, 3, TIMES);
    rig_code(&rig, CODE, &live, 1);
    rig.hart->pc = RAM_ADDR + CODE;
    for (unsigned i = 0; i < 32; i++) {
        rig.hart->f[i] = 0x1234567800000000 + i;
    }
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    for (unsigned i = 0; rig.hart->x[16] != 0; i++) {
        assert_int_equal(xbar_riscv_run(rig.hart, 500 + i % 23),
                         XBAR_RISCV_EXIT_BUDGET);
    }
    for (unsigned i = 0; i < 32; i++) {
        assert_int_equal(rig.hart->f[i], 0x1234567800000000 + i);
    }
    assert_int_equal(pages[TLB_READ][DATA / 4096], 2 * TIMES);
    assert_int_equal(pages[TLB_WRITE][DATA / 4096], TIMES);
    rig_close(&rig);
}

/* With what counts in it, it outgrows a region's code: it stays in blocks, which
 * are not made again each time that they get hot. */
static void test_a_loop_that_is_too_large(void **state)
{
    enum { LOADS = 341, TURNS = 50 };
    static uint64_t pages[2][PAGES];
    struct xbar_tlb_counts counts = { .pages = { pages[0], pages[1] } };
    const struct xbar_riscv_config config = { .counts = &counts,
                                              .stress =
                                                  XBAR_RISCV_STRESS_REGION };
    struct xbar_riscv_stats warm, after;
    uint32_t code[LOADS + 3];
    struct rig rig;

    (void)state;
    counts.ram = &rig.ram;
    rig_open_with(&rig, &config);
    for (int i = 0; i < LOADS; i++) {
        code[i] = encode(RISCV_OP_LD, 10 + (unsigned)i % 4, BASE, 0, i % 8 * 8);
    }
    load_rounds(&rig, CODE, code, LOADS, 2 * TURNS + 1);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, XBAR_RISCV_JIT), 0);
    for (unsigned i = 0; i < 2 * TURNS; i++) {
        assert_int_equal(xbar_riscv_run(rig.hart, LOADS + 2),
                         XBAR_RISCV_EXIT_BUDGET);
        if (i == TURNS) {
            xbar_riscv_get_stats(rig.hart, &warm);
        }
    }
    xbar_riscv_get_stats(rig.hart, &after);
    assert_true(warm.jit.blocks > 0);
    assert_int_equal(after.jit.blocks, warm.jit.blocks);
    assert_int_equal(pages[TLB_READ][DATA / 4096], 2 * TURNS * LOADS);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bases_that_wander),
        cmocka_unit_test(test_rows_that_wander),
        cmocka_unit_test(test_pages_in_disorder),
        cmocka_unit_test(test_the_span_follows),
        cmocka_unit_test(test_a_base_that_leaps),
        cmocka_unit_test(test_the_lowest_page),
        cmocka_unit_test(test_f_registers_beside_a_loop),
        cmocka_unit_test(test_a_loop_that_is_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
