/* SPDX-License-Identifier: MIT */
/*
 * Translated code whose accesses fault: every row of loads, stores and
 * atomics, compressed ones too, at each place of a block in turn, in every
 * way there is to fault. Each time the exact instruction must be named, what
 * stands before it must have happened, and nothing of it and what follows:
 * registers, both pages of a crossing store, and the count of instructions.
 *
 * The block has run before, without a fault: its code is warm, and the good
 * accesses around the bad one hit inline.
 */
#include "jit/riscv/jit.h"

#include "faults.h"

#define SITES 7u

/* Instructions: the handler loops. With fewer than the block has, it would not
 * be entered, but interpreted. */
#define ENOUGH 100u

static void open_translating(struct rig *rig)
{
    const struct xbar_riscv_config config = { .hartid = 5 };

    open_board(rig, &config);
    assert_int_equal(xbar_riscv_set_engine(rig->hart, XBAR_RISCV_JIT), 0);
}

/* ---- The block --------------------------------------------------------- */

struct program {
    uint16_t halves[8 * SITES];
    unsigned length;
    unsigned bad_at; /* bytes from the start */
    unsigned before; /* instructions in front of the bad one */
};

static void put(struct program *p, uint32_t bits, unsigned size)
{
    p->halves[p->length++] = (uint16_t)bits;
    if (size == 4) {
        p->halves[p->length++] = (uint16_t)(bits >> 16);
    }
}

/* Of the other accesses, in turn: none of them changes a base. */
static uint32_t good_access(unsigned i)
{
    switch (i % 4) {
    case 0:
        return encode(RISCV_OP_SD, 0, GOOD, COUNTER, (int)(8 * i));
    case 1:
        return encode(RISCV_OP_LW, 12, GOOD, 0, (int)(8 * i));
    case 2:
        return encode(RISCV_OP_AMOADD_D, 13, GOOD, COUNTER, 0);
    default:
        return encode(RISCV_OP_SH, 0, GOOD, COUNTER, (int)(8 * i) + 3);
    }
}

/* Each access has a count in front of it; some are at odd halves of words. */
static void write_block(struct program *p, const struct shape *shape,
                        unsigned bad, int imm)
{
    memset(p, 0, sizeof(*p));
    for (unsigned i = 0, insns = 0; i < SITES; i++) {
        if (i % 3 == 1) {
            put(p, 0x0001, 2); /* c.nop */
            insns++;
        }
        put(p, insn_addi(COUNTER, COUNTER, 1), 4);
        insns++;
        if (i != bad) {
            put(p, good_access(i), 4);
        } else {
            p->bad_at = 2 * p->length;
            p->before = insns;
            put(p,
                shape->bits ? shape->bits : encode_access(shape->op, BASE, imm),
                shape->bits ? 2 : 4);
        }
        insns++;
    }
    put(p, INSN_SELF, 4);
}

static void start(struct rig *rig, const struct program *p, uint64_t base)
{
    struct xbar_riscv_hart *hart = rig->hart;

    memcpy(rig->mem + PAGE_AT(CODE_PAGE), p->halves, sizeof(p->halves));
    fill(rig);
    for (unsigned i = 1; i < 32; i++) {
        hart->x[i] = 0x1111111111111111u * (i & 7) + i;
        hart->f[i] = UINT64_C(0xffffffff00000000) + i;
    }
    hart->x[GOOD] = ADDRESS(GOOD_PAGE) + 0x40;
    hart->x[BASE] = hart->x[2] = base;
    hart->x[COUNTER] = 0;
    hart->pc = ADDRESS(CODE_PAGE);
    hart->priv = PRIV_S;
    hart->mstatus |= MSTATUS_FS;
    hart->mcause = hart->mtval = hart->mepc = 0;
    hart->reservation = (struct riscv_reservation){ 0 };
    riscv__update_contexts(hart);
}

static void run(struct rig *rig, uint64_t insns)
{
    assert_int_equal(xbar_riscv_run(rig->hart, insns), XBAR_RISCV_EXIT_BUDGET);
}

/* What is no good access's business is as fill() left it. */
static void check_pages(struct rig *rig)
{
    for (uint32_t at = PAGE_AT(GOOD_PAGE + 1); at < PAGE_AT(EDGE_PAGE + 2);
         at++) {
        if (rig->mem[at] != (uint8_t)(at * 37 + (at >> 8) + 11)) {
            print_error("offset %x was written\n", at);
            fail();
        }
    }
}

/* The same instructions before the fault, without it, in the interpreter. */
static void check_before(struct rig *rig, const struct program *p)
{
    struct xbar_riscv_hart *hart = rig->hart;
    uint64_t x[32], f[32];
    uint8_t good[TLB_PAGE_SIZE];
    uint64_t base = hart->x[BASE];

    memcpy(x, hart->x, sizeof(x));
    memcpy(f, hart->f, sizeof(f));
    memcpy(good, rig->mem + PAGE_AT(GOOD_PAGE), sizeof(good));
    assert_int_equal(xbar_riscv_set_engine(hart, XBAR_RISCV_INTERP), 0);
    start(rig, p, base);
    run(rig, p->before);
    assert_memory_equal(x, hart->x, sizeof(x));
    assert_memory_equal(f, hart->f, sizeof(f));
    assert_memory_equal(good, rig->mem + PAGE_AT(GOOD_PAGE), sizeof(good));
    assert_int_equal(xbar_riscv_set_engine(hart, XBAR_RISCV_JIT), 0);
}

static void fault_once(struct rig *rig, const struct shape *shape, enum way way,
                       unsigned bad)
{
    unsigned size = size_of(shape->op);
    bool has_offset = !shape->bits && !is_class(shape->op, RISCV_CLASS_AMO);
    int imm = has_offset ? 24 * (int)bad - 64 : 0;
    uint64_t va = bad_address(way, size);
    struct xbar_riscv_hart *hart = rig->hart;
    struct xbar_riscv_stats before, after;
    struct program p;

    write_block(&p, shape, bad, imm);
    start(rig, &p, ADDRESS(CALM_PAGE) + 0x200 - (uint64_t)(int64_t)imm);
    run(rig, 2 * SITES + 3);
    assert_int_equal(hart->mcause, 0);
    start(rig, &p, va - (uint64_t)(int64_t)imm);
    xbar_riscv_get_stats(hart, &before);
    run(rig, ENOUGH);
    xbar_riscv_get_stats(hart, &after);

    assert_int_equal(hart->mcause, cause_of(way, shape->op));
    assert_int_equal(hart->mepc, ADDRESS(CODE_PAGE) + p.bad_at);
    assert_int_equal(hart->mtval,
                     is_crossing(way) ? ADDRESS(EDGE_PAGE + 1) : va);
    assert_int_equal(hart->x[COUNTER], bad + 1);
    assert_int_equal(after.exceptions - before.exceptions, 1);
    assert_true(after.jit.instructions - before.jit.instructions >= p.before);
    check_pages(rig);
    check_before(rig, &p);
}

static void fault_everywhere(struct rig *rig, const struct shape *shape,
                             uint64_t *faults)
{
    for (enum way way = 0; way < WAYS; way++) {
        if (cause_of(way, shape->op) == 0) {
            continue;
        }
        map_bad_page(rig, way);
        for (unsigned bad = 0; bad < SITES; bad++) {
            fault_once(rig, shape, way, bad);
            ++*faults;
        }
    }
}

static void test_every_site_faults(void **state)
{
    uint64_t faults = 0;
    unsigned rows = 0;
    struct rig rig;

    (void)state;
    open_translating(&rig);
    for (unsigned op = 1; op < RISCV_OP_COUNT; op++) {
        const struct shape shape = { (enum riscv_op)op, 0 };

        if (is_class(shape.op, RISCV_CLASS_LOAD) ||
            is_class(shape.op, RISCV_CLASS_STORE) ||
            is_class(shape.op, RISCV_CLASS_AMO)) {
            fault_everywhere(&rig, &shape, &faults);
            rows++;
        }
    }
    for (unsigned i = 0; i < sizeof(compressed) / sizeof(compressed[0]); i++) {
        fault_everywhere(&rig, &compressed[i], &faults);
    }
    print_message("%u rows and %zu compressed forms, %llu faults\n", rows,
                  sizeof(compressed) / sizeof(compressed[0]),
                  (unsigned long long)faults);
    assert_true(rows >= 37);
    rig_close(&rig);
}

/* Address 0 is an address: no table takes it for "none". */
static void test_a_fault_at_pc_0(void **state)
{
    const uint32_t code[] = { encode(RISCV_OP_LW, DATA, BASE, 0, 0),
                              insn_addi(COUNTER, COUNTER, 1), INSN_SELF };
    struct xbar_riscv_stats before, after;
    struct program p = { .length = 0 };
    struct rig rig;

    (void)state;
    open_translating(&rig);
    paging_map(&rig, 0, PAGE_AT(CODE_PAGE), PTE_R | PTE_X);
    map_bad_page(&rig, UNMAPPED);
    for (unsigned i = 0; i < 3; i++) {
        put(&p, code[i], 4);
    }
    for (unsigned i = 0; i < 20; i++) {
        bool is_bad = i >= 10;

        start(&rig, &p, ADDRESS(is_bad ? EDGE_PAGE + 1 : CALM_PAGE));
        rig.hart->pc = 0;
        rig.hart->mepc = 1;
        xbar_riscv_get_stats(rig.hart, &before);
        run(&rig, ENOUGH);
        xbar_riscv_get_stats(rig.hart, &after);
        assert_true(after.jit.instructions > before.jit.instructions);
        assert_int_equal(rig.hart->mcause, is_bad ? CAUSE_LOAD_PAGE : 0);
        assert_int_equal(rig.hart->mepc, is_bad ? 0 : 1);
        assert_int_equal(rig.hart->x[COUNTER], is_bad ? 0 : 1);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_site_faults),
        cmocka_unit_test(test_a_fault_at_pc_0),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
