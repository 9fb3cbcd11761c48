/* SPDX-License-Identifier: MIT */
/*
 * Accesses that are checked together, executed: random ones by three bases,
 * with little between them, in straight code and in a loop that is a region. A
 * base may be anywhere: within a page, at the edge to one that lies elsewhere on
 * the host, may only be read, is not mapped, has no memory or is a device; or it
 * is the page of the code itself. The device may want attention, when it is read
 * or written, or put other memory in the place of a page. Each time everything
 * must be as the interpreter leaves it: registers, memory, the device, the count
 * of instructions, the exact pc of a fault.
 */
#include "jit/riscv/jit.h"

#include "faults.h"

#include "tests/guest/insn_scale.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define ROUNDS  6u /* of the loop */
#define ENOUGH  1000u
#define REACH   96 /* offsets are from -REACH to it */
#define DEVICE  9u /* a page */
#define SCATTER 12u
#define ALIAS   300u /* shows the page of the code; more than 16 bits */
#define HIDDEN  (EDGE_PAGE + 2)
#define HIGH    0x200400u /* in RAM, where it is itself: bit 31 is set */
#define STARTS  8u        /* of each program */

enum { LEFT = 31, FIRST_BASE = 18, BASES = 3 };

struct program {
    uint32_t code[64];
    unsigned count;
    bool loops; /* regions take no f registers */
    uint64_t seed;
};

static void put(struct program *p, uint32_t bits)
{
    assert_true(p->count < COUNT(p->code));
    p->code[p->count++] = bits;
}

static unsigned draw(struct program *p, unsigned below)
{
    return (unsigned)(rig_random(&p->seed) % below);
}

/* Not often a base. */
static unsigned any_reg(struct program *p)
{
    return draw(p, 24) ? 8 + draw(p, 10) : FIRST_BASE + draw(p, BASES);
}

static void put_access(struct program *p, unsigned base)
{
    static const uint8_t loads[] = { RISCV_OP_LB,  RISCV_OP_LH,  RISCV_OP_LW,
                                     RISCV_OP_LD,  RISCV_OP_LBU, RISCV_OP_LHU,
                                     RISCV_OP_LWU, RISCV_OP_FLD };
    static const uint8_t stores[] = { RISCV_OP_SB, RISCV_OP_SH, RISCV_OP_SW,
                                      RISCV_OP_SD, RISCV_OP_FSD };
    int offset = (int)draw(p, 2 * REACH) - REACH;

    if (draw(p, 2)) {
        put(p, encode((enum riscv_op)stores[draw(p, COUNT(stores) - p->loops)],
                      0, base, any_reg(p), offset));
    } else {
        put(p, encode((enum riscv_op)loads[draw(p, COUNT(loads) - p->loops)],
                      any_reg(p), base, 0, offset));
    }
}

static void put_computation(struct program *p)
{
    static const uint8_t ops[] = { RISCV_OP_ADDW, RISCV_OP_SUB,  RISCV_OP_XOR,
                                   RISCV_OP_MUL,  RISCV_OP_SLLW, RISCV_OP_OR };

    put(p, encode((enum riscv_op)ops[draw(p, COUNT(ops))], 8 + draw(p, 10),
                  any_reg(p), any_reg(p), 0));
}

/* Runs of accesses by one base, most often. */
static void write_body(struct program *p)
{
    unsigned base = FIRST_BASE, length = 8 + draw(p, 24);

    for (unsigned i = 0; i < length; i++) {
        if (draw(p, 4) == 0) {
            base = FIRST_BASE + draw(p, BASES);
        }
        if (draw(p, 3)) {
            put_access(p, base);
        } else {
            put_computation(p);
        }
    }
}

static void write_program(struct program *p, uint64_t seed, bool loops)
{
    unsigned head;

    *p = (struct program){ .seed = seed, .loops = loops };
    head = p->count;
    if (draw(p, 4) == 0) { /* of HIGH, that is another address */
        put(p, encode(RISCV_OP_ADDIW, FIRST_BASE, FIRST_BASE, 0, 0));
    }
    write_body(p);
    if (loops) {
        put(p, insn_addi(LEFT, LEFT, -1));
        put(p,
            encode(RISCV_OP_BNE, 0, LEFT, 0, ((int)head - (int)p->count) * 4));
    }
    put(p, INSN_SELF);
}

/* ---- Running it -------------------------------------------------------- */

struct board {
    struct rig rig;
    MemoryRegion overlay; /* HIDDEN's memory, in the place of EDGE_PAGE's */
    bool is_over;
};

/* The interpreter and the translator, on boards of their own. */
struct pair {
    struct board board[2];
};

static struct rig *rig_of(struct pair *pair, unsigned i)
{
    return &pair->board[i].rig;
}

/* Writing the device, at times. */
static void disturb(struct rig *rig, hwaddr addr, uint64_t value)
{
    struct board *board = xbar_container_of(rig, struct board, rig);

    (void)addr;
    if (value % 4 == 0) {
        riscv__post(rig->hart, ATTN_SLICE);
    } else if (value % 4 == 1) {
        board->is_over = !board->is_over;
        memory_region_set_enabled(&board->overlay, board->is_over);
    }
}

static void open_overlay(struct board *board)
{
    struct rig *rig = &board->rig;

    assert_int_equal(xbar_engine_enter(rig->engine), 0);
    assert_int_equal(memory_region_init_alias(&board->overlay, NULL, "overlay",
                                              &rig->ram, PAGE_AT(HIDDEN),
                                              TLB_PAGE_SIZE),
                     0);
    memory_region_set_enabled(&board->overlay, false);
    memory_region_add_subregion_overlap(
        &rig->root, RIG_RAM + PAGE_AT(EDGE_PAGE), &board->overlay, 1);
    xbar_engine_leave(rig->engine);
    rig->on_write = disturb;
}

static void close_board(struct board *board)
{
    memory_region_del_subregion(&board->rig.root, &board->overlay);
    xbar_region_destroy(&board->overlay, NULL, NULL);
    rig_close(&board->rig);
}

static void open_pair(struct pair *pair, unsigned stress)
{
    const struct xbar_riscv_config config = {
        .stress = XBAR_RISCV_STRESS_REGION | stress,
    };

    memset(pair, 0, sizeof(*pair));
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = rig_of(pair, i);

        open_board(rig, &config);
        open_overlay(&pair->board[i]);
        paging_set(rig, PAGING_L0, DEVICE, RIG_IO,
                   PTE_V | PTE_R | PTE_W | PTE_AD);
        /* A page that the host has elsewhere than the one before. */
        paging_map(rig, SCATTER, PAGE_AT(GOOD_PAGE), PTE_R | PTE_W);
        paging_map(rig, SCATTER + 1, PAGE_AT(EDGE_PAGE), PTE_R | PTE_W);
        paging_map(rig, ALIAS, PAGE_AT(CODE_PAGE), PTE_R | PTE_W);
    }
    assert_int_equal(
        xbar_riscv_set_engine(rig_of(pair, 1)->hart, XBAR_RISCV_JIT), 0);
}

static void close_pair(struct pair *pair)
{
    close_board(&pair->board[0]);
    close_board(&pair->board[1]);
}

/* Calm, or at an edge: some of what is at -REACH to REACH is on either side. */
static uint64_t any_base(uint64_t *seed)
{
    static const unsigned edges[] = { CALM_PAGE + 1, EDGE_PAGE + 1, GOOD_PAGE,
                                      SCATTER + 1,   DEVICE,        CALM_PAGE };
    uint64_t page = edges[rig_random(seed) % COUNT(edges)];

    if (rig_random(seed) % 4 == 0) {
        return RAM_ADDR + HIGH;
    }
    if (rig_random(seed) % 8 == 0) {
        return ADDRESS(ALIAS) + 0x800; /* behind all programs */
    }
    return rig_random(seed) % 2 ? ADDRESS(CALM_PAGE) + 0x400
                                : ADDRESS(page) + rig_random(seed) % 160 - 80;
}

static void start(struct rig *rig, const uint64_t *bases, uint64_t seed)
{
    struct xbar_riscv_hart *hart = rig->hart;

    for (unsigned i = 1; i < 32; i++) {
        hart->x[i] = rig_random(&seed);
        hart->f[i] = rig_random(&seed);
    }
    memcpy(&hart->x[FIRST_BASE], bases, BASES * sizeof(*bases));
    hart->x[LEFT] = ROUNDS;
    hart->pc = ADDRESS(CODE_PAGE);
    hart->priv = PRIV_S;
    hart->mstatus |= MSTATUS_FS;
    hart->mcause = hart->mtval = hart->mepc = 0;
    rig->io_attention = seed % 2 ? ATTN_SLICE : 0;
    riscv__update_contexts(hart);
}

static void compare(const struct rig *a, const struct rig *b)
{
    assert_int_equal(a->hart->mcause, b->hart->mcause);
    assert_int_equal(a->hart->mepc, b->hart->mepc);
    assert_int_equal(a->hart->mtval, b->hart->mtval);
    assert_int_equal(a->hart->pc, b->hart->pc);
    assert_memory_equal(a->hart->x, b->hart->x, sizeof(a->hart->x));
    assert_memory_equal(a->hart->f, b->hart->f, sizeof(a->hart->f));
    assert_int_equal(a->hart->stats.instructions, b->hart->stats.instructions);
    assert_memory_equal(a->mem + PAGE_AT(GOOD_PAGE),
                        b->mem + PAGE_AT(GOOD_PAGE),
                        (HIDDEN + 1 - GOOD_PAGE) * TLB_PAGE_SIZE);
    assert_memory_equal(a->mem + PAGE_AT(CODE_PAGE),
                        b->mem + PAGE_AT(CODE_PAGE), TLB_PAGE_SIZE);
    assert_memory_equal(a->mem + (HIGH & ~0xfffu), b->mem + (HIGH & ~0xfffu),
                        TLB_PAGE_SIZE);
    assert_int_equal(a->io_writes, b->io_writes);
    assert_int_equal(a->io_value, b->io_value);
}

/* Twice calm, so that spans are known; then anywhere, in pages as @way has
 * them. Return: faults. */
static unsigned run_program(struct pair *pair, uint64_t *seed)
{
    unsigned faults = 0;

    for (unsigned n = 0; n < STARTS; n++) {
        uint64_t bases[BASES], values = rig_random(seed);
        enum way way = (enum way)(rig_random(seed) % CROSSING_UNMAPPED);

        for (unsigned k = 0; k < BASES; k++) {
            bases[k] =
                n < 2 ? ADDRESS(CALM_PAGE) + 0x200 * (k + 1) : any_base(seed);
        }
        for (unsigned i = 0; i < 2; i++) {
            struct rig *rig = rig_of(pair, i);

            map_bad_page(rig, way);
            start(rig, bases, values);
            assert_int_equal(xbar_riscv_run(rig->hart, ENOUGH),
                             XBAR_RISCV_EXIT_BUDGET);
        }
        compare(rig_of(pair, 0), rig_of(pair, 1));
        faults += rig_of(pair, 1)->hart->mcause != 0;
    }
    return faults;
}

static void run_all(unsigned stress, bool loops)
{
    struct pair *pair = test_malloc(sizeof(*pair));
    unsigned programs = (unsigned)insn_scale(1500), faults = 0;
    uint64_t seed = 97 + stress + loops;

    open_pair(pair, stress);
    fill(rig_of(pair, 0));
    fill(rig_of(pair, 1));
    for (unsigned n = 0; n < programs; n++) {
        struct program p;

        write_program(&p, rig_random(&seed), loops);
        for (unsigned i = 0; i < 2; i++) {
            memcpy(rig_of(pair, i)->mem + PAGE_AT(CODE_PAGE), p.code,
                   p.count * sizeof(p.code[0]));
            riscv__jit_flush(rig_of(pair, i)->hart);
        }
        faults += run_program(pair, &seed);
    }
    print_message("%u programs, %u of %u runs fault\n", programs, faults,
                  programs * STARTS);
    assert_true(faults > programs);
    close_pair(pair);
    test_free(pair);
}

/* Of HIGH, which is known, the sign extension is another address: the upper half
 * is not in the home yet where the range is checked. */
static void a_narrow_base(void **state)
{
    const uint64_t bases[BASES] = { RAM_ADDR + HIGH };
    struct pair *pair = test_malloc(sizeof(*pair));
    struct program p = { .loops = true };

    (void)state;
    open_pair(pair, XBAR_RISCV_STRESS_SPAN);
    for (unsigned i = 0; i < 2; i++) {
        put(&p, encode(RISCV_OP_LD, 8, FIRST_BASE, 0, 0));
        put(&p, encode(RISCV_OP_LD, 9, FIRST_BASE, 0, 8));
        put(&p, encode(RISCV_OP_ADDIW, FIRST_BASE, FIRST_BASE, 0, 0));
    }
    put(&p, insn_addi(LEFT, LEFT, -1));
    put(&p, encode(RISCV_OP_BNE, 0, LEFT, 0, -28));
    put(&p, INSN_SELF);
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = rig_of(pair, i);

        memcpy(rig->mem + PAGE_AT(CODE_PAGE), p.code, sizeof(p.code));
        start(rig, bases, 1);
        assert_int_equal(xbar_riscv_run(rig->hart, ENOUGH),
                         XBAR_RISCV_EXIT_BUDGET);
        assert_int_equal(rig->hart->mepc, ADDRESS(CODE_PAGE) + 12);
    }
    compare(rig_of(pair, 0), rig_of(pair, 1));
    close_pair(pair);
    test_free(pair);
}

static void straight_code(void **state)
{
    (void)state;
    run_all(0, false);
    run_all(XBAR_RISCV_STRESS_SPAN, false);
}

static void loops(void **state)
{
    (void)state;
    run_all(0, true);
    run_all(XBAR_RISCV_STRESS_SPAN, true);
}

static void on_any_host(void **state)
{
    (void)state;
    run_all(XBAR_RISCV_STRESS_SPAN | XBAR_RISCV_STRESS_BASELINE, false);
    run_all(XBAR_RISCV_STRESS_SPAN | XBAR_RISCV_STRESS_BASELINE, true);
}

static void with_one_entry(void **state)
{
    (void)state;
    run_all(XBAR_RISCV_STRESS_SPAN | XBAR_RISCV_STRESS_TLB, false);
    run_all(XBAR_RISCV_STRESS_SPAN | XBAR_RISCV_STRESS_TLB, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_narrow_base),  cmocka_unit_test(straight_code),
        cmocka_unit_test(loops),          cmocka_unit_test(on_any_host),
        cmocka_unit_test(with_one_entry),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
