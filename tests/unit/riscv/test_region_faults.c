/* SPDX-License-Identifier: MIT */
/*
 * Loops that are translated as a whole and fault: every row of loads and
 * stores that a region may have, compressed ones too, at each place of a loop
 * in turn, in every way there is to fault; the first time round, where a peeled
 * loop has code of its own, the second time, and later. Each time the exact
 * instruction must be named, and everything be as the interpreter leaves it:
 * registers that have homes, that have none, whose upper halves or whose values
 * are still to be computed; memory; the count of instructions.
 */
#include "jit/riscv/jit.h"

#include "faults.h"

#define SITES    6u
#define ROUNDS   12u /* of the innermost loop */
#define ENOUGH   1000u
#define MAX_CODE 96u

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* BASE is CALM, but CALM + STRAY while there are TRIGGER rounds LEFT. */
enum {
    OUTER = 19,
    LEFT = 20,
    TRIGGER = 21,
    TEST = 22,
    STRAY = 23,
    CALM = 24,
    INNER = 25,
    SUM = 11,
};

struct program {
    uint16_t halves[2 * MAX_CODE];
    unsigned length;
    unsigned head_at; /* bytes from the start: the loop that is hot */
    unsigned bad_at;
};

static unsigned here(const struct program *p)
{
    return 2 * p->length;
}

static void put_half(struct program *p, uint16_t bits)
{
    assert_true(p->length < COUNT(p->halves));
    p->halves[p->length++] = bits;
}

static void put(struct program *p, uint32_t bits)
{
    put_half(p, (uint16_t)bits);
    put_half(p, (uint16_t)(bits >> 16));
}

static void put_back(struct program *p, unsigned counter, unsigned to)
{
    put(p, insn_addi(counter, counter, -1));
    put(p, encode(RISCV_OP_BNE, 0, counter, 0, (int)to - (int)here(p)));
}

/* BASE and sp for this round, without a branch. */
static void put_bases(struct program *p)
{
    put(p, encode(RISCV_OP_SUB, TEST, LEFT, TRIGGER, 0));
    put(p, encode(RISCV_OP_SLTIU, TEST, TEST, 0, 1));
    put(p, encode(RISCV_OP_SUB, TEST, 0, TEST, 0));
    put(p, encode(RISCV_OP_AND, TEST, TEST, STRAY, 0));
    put(p, encode(RISCV_OP_ADD, BASE, CALM, TEST, 0));
    put(p, encode(RISCV_OP_ADD, 2, CALM, TEST, 0));
    put(p, insn_addi(LEFT, LEFT, -1));
}

static uint32_t good_access(unsigned i)
{
    switch (i % 3) {
    case 0:
        return encode(RISCV_OP_SD, 0, GOOD, COUNTER, (int)(8 * i));
    case 1:
        return encode(RISCV_OP_LW, 12, GOOD, 0, (int)(8 * i));
    default:
        return encode(RISCV_OP_SH, 0, GOOD, COUNTER, (int)(8 * i) + 3);
    }
}

/* What a fault must not find half done: a narrow result, a rotation whose
 * shifts are put off, a value that is overwritten behind the access. */
static void put_site(struct program *p, unsigned i, bool is_bad,
                     const struct shape *shape, int imm)
{
    put(p, insn_addi(COUNTER, COUNTER, 1));
    put(p, encode(RISCV_OP_ADDW, SUM, SUM, COUNTER, 0));
    if (i % 3 == 1) {
        put(p, encode(RISCV_OP_SLLIW, 13, SUM, 0, 7));
        put(p, encode(RISCV_OP_SRLIW, 14, SUM, 0, 25));
        put_half(p, 0x0001); /* c.nop */
    }
    if (!is_bad) {
        put(p, good_access(i));
    } else {
        p->bad_at = here(p);
        if (shape->bits) {
            put_half(p, shape->bits);
        } else {
            put(p, encode_access(shape->op, BASE, imm));
        }
    }
    if (i % 3 == 1) {
        put(p, encode(RISCV_OP_OR, 14, 13, 14, 0));
        put(p, insn_addi(13, 14, 3));
    }
}

/* An odd round skips an instruction: the region has parts. */
static void put_if(struct program *p)
{
    put(p, encode(RISCV_OP_ANDI, TEST, LEFT, 0, 1));
    put(p, encode(RISCV_OP_BNE, 0, TEST, 0, 8));
    put(p, encode(RISCV_OP_XOR, 15, 15, SUM, 0));
}

/* All sites in one loop. */
static void write_loop(struct program *p, const struct shape *shape,
                       unsigned bad, int imm)
{
    p->head_at = here(p);
    put_bases(p);
    for (unsigned i = 0; i < SITES; i++) {
        put_site(p, i, i == bad, shape, imm);
        if (i == 2) {
            put_if(p);
        }
    }
    put_back(p, OUTER, p->head_at);
    put(p, INSN_SELF);
}

/* Two sites before an inner loop, two in it, two behind it. */
static void write_nest(struct program *p, const struct shape *shape,
                       unsigned bad, int imm)
{
    unsigned inner;

    p->head_at = here(p);
    put_site(p, 0, 0 == bad, shape, imm);
    put_site(p, 1, 1 == bad, shape, imm);
    put(p, insn_addi(INNER, 0, 3));
    inner = here(p);
    put_bases(p);
    put_site(p, 2, 2 == bad, shape, imm);
    put_if(p);
    put_site(p, 3, 3 == bad, shape, imm);
    put_back(p, INNER, inner);
    put_site(p, 4, 4 == bad, shape, imm);
    put_site(p, 5, 5 == bad, shape, imm);
    put_back(p, OUTER, p->head_at);
    put(p, INSN_SELF);
}

static const struct nest {
    void (*write)(struct program *p, const struct shape *shape, unsigned bad,
                  int imm);
    unsigned outer_rounds;
} nests[] = { { write_loop, ROUNDS }, { write_nest, ROUNDS / 3 } };

/* ---- Running it -------------------------------------------------------- */

/* The interpreter and the translator, on boards of their own. */
struct pair {
    struct rig rig[2];
    unsigned faults[COUNT(nests)][SITES];
};

static void open_pair(struct pair *pair, unsigned stress)
{
    /* How many instructions there were when the fault was taken. */
    static const uint32_t handler[] = { 0xb0202f73, /* csrr x30, minstret */
                                        INSN_SELF };
    const struct xbar_riscv_config config = {
        .stress = XBAR_RISCV_STRESS_REGION | stress,
    };

    memset(pair, 0, sizeof(*pair));
    open_board(&pair->rig[0], &config);
    open_board(&pair->rig[1], &config);
    for (unsigned i = 0; i < 2; i++) {
        rig_code(&pair->rig[i], HANDLER, handler, COUNT(handler));
    }
    assert_int_equal(xbar_riscv_set_engine(pair->rig[1].hart, XBAR_RISCV_JIT),
                     0);
}

static void close_pair(struct pair *pair)
{
    rig_close(&pair->rig[0]);
    rig_close(&pair->rig[1]);
}

/* STRAY is 0: no round faults. */
static void start(struct rig *rig, uint64_t calm, unsigned outer_rounds)
{
    struct xbar_riscv_hart *hart = rig->hart;

    fill(rig);
    for (unsigned i = 1; i < 32; i++) {
        hart->x[i] = 0x1111111111111111u * (i & 7) + i;
    }
    hart->x[GOOD] = ADDRESS(GOOD_PAGE) + 0x40;
    hart->x[CALM] = hart->x[BASE] = hart->x[2] = calm;
    hart->x[COUNTER] = 0;
    hart->x[OUTER] = outer_rounds;
    hart->x[LEFT] = ROUNDS;
    hart->x[TRIGGER] = 0;
    hart->x[STRAY] = 0;
    hart->pc = ADDRESS(CODE_PAGE);
    hart->priv = PRIV_S;
    hart->mcause = hart->mtval = hart->mepc = 0;
    riscv__update_contexts(hart);
}

static uint64_t run(struct rig *rig)
{
    uint64_t before = rig->hart->stats.exceptions;

    assert_int_equal(xbar_riscv_run(rig->hart, ENOUGH), XBAR_RISCV_EXIT_BUDGET);
    return rig->hart->stats.exceptions - before;
}

static void compare(const struct rig *a, const struct rig *b)
{
    assert_int_equal(a->hart->mcause, b->hart->mcause);
    assert_int_equal(a->hart->mepc, b->hart->mepc);
    assert_int_equal(a->hart->mtval, b->hart->mtval);
    assert_int_equal(a->hart->pc, b->hart->pc);
    assert_memory_equal(a->hart->x, b->hart->x, sizeof(a->hart->x));
    assert_int_equal(a->hart->stats.instructions, b->hart->stats.instructions);
    assert_memory_equal(a->mem + PAGE_AT(GOOD_PAGE),
                        b->mem + PAGE_AT(GOOD_PAGE),
                        (EDGE_PAGE + 2 - GOOD_PAGE) * TLB_PAGE_SIZE);
}

/* Is the loop one piece of code? */
static void check_region(struct xbar_riscv_hart *hart, const struct program *p)
{
    struct xbar_jit_key key = {
        .pc = ADDRESS(CODE_PAGE) + p->head_at,
        .page = RAM_ADDR + PAGE_AT(CODE_PAGE),
        .page2 = XBAR_JIT_NO_PAGE,
    };
    const struct xbar_jit_block *block;

    hart->priv = PRIV_S;
    riscv__update_contexts(hart);
    key.mode = riscv__jit_mode(hart);
    block = xbar_jit_find(hart->jit->cache, &key);
    assert_non_null(block);
    assert_true(block->is_region);
    assert_true(p->bad_at < p->head_at + block->guest_size);
}

/* It has run before, without a fault. */
static void warm_up(struct pair *pair, const struct program *p, uint64_t calm,
                    unsigned outer_rounds)
{
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = &pair->rig[i];

        memcpy(rig->mem + PAGE_AT(CODE_PAGE), p->halves, 2 * p->length);
        riscv__jit_flush(rig->hart);
        for (unsigned k = 0; k < 2; k++) {
            start(rig, calm, outer_rounds);
            assert_int_equal(run(rig), 0);
        }
    }
    compare(&pair->rig[0], &pair->rig[1]);
    check_region(pair->rig[1].hart, p);
}

/* The round in which @left are left strays to @va. */
static unsigned fault_once(struct pair *pair, const struct program *p,
                           uint64_t stray, unsigned left, enum way way,
                           const struct shape *shape)
{
    uint64_t exceptions[2];
    struct xbar_riscv_hart *hart = pair->rig[1].hart;

    for (unsigned i = 0; i < 2; i++) {
        struct xbar_riscv_hart *each = pair->rig[i].hart;

        each->x[STRAY] = stray;
        each->x[TRIGGER] = left;
        exceptions[i] = run(&pair->rig[i]);
    }
    compare(&pair->rig[0], &pair->rig[1]);
    assert_int_equal(exceptions[0], exceptions[1]);
    if (exceptions[1] == 0) {
        return 0;
    }
    assert_int_equal(exceptions[1], 1);
    assert_int_equal(hart->mepc, ADDRESS(CODE_PAGE) + p->bad_at);
    assert_int_equal(hart->mcause, cause_of(way, shape->op));
    return 1;
}

static void fault_at(struct pair *pair, const struct shape *shape,
                     unsigned nest, unsigned bad)
{
    static const unsigned left[] = { ROUNDS, ROUNDS - 1, ROUNDS - 2, 4, 1 };
    unsigned size = size_of(shape->op);
    int imm = shape->bits ? 0 : 24 * (int)bad - 64;
    uint64_t calm = ADDRESS(CALM_PAGE) + 0x200 - (uint64_t)(int64_t)imm;
    struct program p = { .length = 0 };

    nests[nest].write(&p, shape, bad, imm);
    warm_up(pair, &p, calm, nests[nest].outer_rounds);
    for (enum way way = 0; way < WAYS; way++) {
        uint64_t va = bad_address(way, size);
        unsigned faults = 0;

        if (cause_of(way, shape->op) == 0) {
            continue;
        }
        map_bad_page(&pair->rig[0], way);
        map_bad_page(&pair->rig[1], way);
        for (unsigned i = 0; i < COUNT(left); i++) {
            start(&pair->rig[0], calm, nests[nest].outer_rounds);
            start(&pair->rig[1], calm, nests[nest].outer_rounds);
            faults += fault_once(pair, &p, va - calm - (uint64_t)(int64_t)imm,
                                 left[i], way, shape);
        }
        assert_true(faults > 0);
        pair->faults[nest][bad] += faults;
    }
}

/* What regions are not made of is test_jit_faults.c's. */
static bool is_for_regions(enum riscv_op op)
{
    unsigned class = riscv__ops[op].class;

    return (class == RISCV_CLASS_LOAD || class == RISCV_CLASS_STORE) &&
           op != RISCV_OP_FLW && op != RISCV_OP_FLD && op != RISCV_OP_FSW &&
           op != RISCV_OP_FSD;
}

static void fault_everywhere(struct pair *pair, const struct shape *shape)
{
    for (unsigned nest = 0; nest < COUNT(nests); nest++) {
        for (unsigned bad = 0; bad < SITES; bad++) {
            fault_at(pair, shape, nest, bad);
        }
    }
}

static void every_site(unsigned stress)
{
    struct pair *pair = test_malloc(sizeof(*pair));
    unsigned rows = 0, faults = 0;

    open_pair(pair, stress);
    for (unsigned op = 1; op < RISCV_OP_COUNT; op++) {
        const struct shape shape = { (enum riscv_op)op, 0 };

        if (is_for_regions(shape.op)) {
            fault_everywhere(pair, &shape);
            rows++;
        }
    }
    for (unsigned i = 0; i < COUNT(compressed); i++) {
        if (is_for_regions(compressed[i].op)) {
            fault_everywhere(pair, &compressed[i]);
        }
    }
    for (unsigned i = 0; i < COUNT(nests) * SITES; i++) {
        assert_true(pair->faults[i / SITES][i % SITES] > 0);
        faults += pair->faults[i / SITES][i % SITES];
    }
    print_message("%u rows, %u faults\n", rows, faults);
    assert_int_equal(rows, 11);
    close_pair(pair);
    test_free(pair);
}

static void test_every_site_of_loops_faults(void **state)
{
    (void)state;
    every_site(0);
}

static void test_the_same_on_any_host(void **state)
{
    (void)state;
    every_site(XBAR_RISCV_STRESS_BASELINE);
}

static void test_the_same_with_spans(void **state)
{
    (void)state;
    every_site(XBAR_RISCV_STRESS_SPAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_site_of_loops_faults),
        cmocka_unit_test(test_the_same_on_any_host),
        cmocka_unit_test(test_the_same_with_spans),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
