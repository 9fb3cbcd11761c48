/* SPDX-License-Identifier: MIT */
/*
 * Harts that run in threads of their own and rewrite one another's code as
 * fast as they can; and pages that they share, with other neighbours beside
 * them. The same in slow motion: test_jit_code.c.
 */
#include "tests/unit/riscv/pair.h"

#include "paging.h"

static uint32_t load_double(unsigned rd, unsigned rs1)
{
    return insn_i(0x03, 3, rd, rs1, 0);
}

static uint32_t unless_equal(unsigned rs1, unsigned rs2, int distance)
{
    return encode(RISCV_OP_BNE, 0, rs1, rs2, distance);
}

static void *run_hart(void *hart)
{
    xbar_riscv_run(hart, UINT64_MAX);
    return NULL;
}

static void start(struct pair *pair)
{
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            pthread_create(&pair->thread[i], NULL, run_hart, pair->hart[i]), 0);
    }
}

static void stop(struct pair *pair)
{
    for (unsigned i = 0; i < 2; i++) {
        xbar_riscv_request_exit(pair->hart[i]);
        pthread_join(pair->thread[i], NULL);
    }
}

/* ---- As fast as they can ----------------------------------------------- */

/*
 * A token goes to and fro. Who gets it finds its own function rewritten to
 * return the token's number, and rewrites the other's for the next. What the
 * registers hold:
 *
 *   x20  where the token arrives      x24  its own software interrupt
 *   x21  where it is passed on        x25  the other's
 *   x22  its function                 x8   li x10, 0
 *   x23  the other's, to be written   x27  where a failure is noted
 */
struct layout {
    uint32_t program; /* offsets in RAM */
    uint32_t token[2];
    uint32_t function[2];
    uint32_t failed;
};

/* Each page for itself, and everything in one page. */
static const struct layout layouts[] = {
    { 0x1000, { 0x2000, 0x3000 }, { 0x4000, 0x5000 }, 0x6000 },
    { 0x1000, { 0x1800, 0x1840 }, { 0x1880, 0x18c0 }, 0x1900 },
};

struct game {
    enum xbar_riscv_engine engine[2];
    bool sleeps;            /* in wfi, or spins through its function */
    bool hires;             /* a third hart comes and goes meanwhile */
    bool changes_back;      /* few versions, met again and again */
    unsigned layout;        /* index */
    uint64_t runs, writes;  /* where harts see code, and rewrite it */
    uint64_t target, least; /* passes of the token; least, if time is up */
};

/* Wait at the start, and go on behind it. Return: instructions. */
static size_t write_program(uint32_t *code, const struct game *game)
{
    bool sleeps = game->sleeps;
    int versions = game->changes_back ? 8 : 0x800;
    size_t n = 0;
    size_t fail;

    code[n++] = sleeps ? INSN_WFI : call(22);
    code[n++] = sleeps ? insn_sd(0, 24, 0) : INSN_NOP;
    code[n++] = load_double(5, 20);
    code[n] = encode(RISCV_OP_BEQ, 0, 5, 6, -4 * (int)n);
    n++;
    code[n++] = FENCE;
    code[n++] = FENCE_I;
    code[n++] = call(22);
    code[n++] = insn_i(0x13, 7, 7, 5, versions - 1);
    fail = n++;
    code[n++] = insn_addi(6, 5, 0);
    code[n++] = insn_addi(9, 5, 1);
    code[n++] = insn_i(0x13, 7, 7, 9, versions - 1);
    code[n++] = insn_i(0x13, 1, 7, 7, 20);
    code[n++] = encode(RISCV_OP_ADD, 7, 7, 8, 0);
    code[n++] = encode(RISCV_OP_SW, 0, 23, 7, 0);
    code[n++] = FENCE;
    code[n++] = insn_sd(9, 21, 0);
    code[n++] = sleeps ? insn_sd(9, 25, 0) : INSN_NOP;
    code[n] = jump(-4 * (int)n);
    n++;
    code[fail] = unless_equal(10, 7, 4 * (int)(n - fail));
    code[n++] = insn_sd(5, 27, 0);
    code[n++] = INSN_SELF;
    return n;
}

static void set_up_hart(struct pair *pair, const struct game *game, unsigned i)
{
    const struct layout *l = &layouts[game->layout];
    struct xbar_riscv_hart *hart = pair->hart[i];

    hart->pc = game->runs + l->program;
    hart->x[6] = 0;
    hart->x[8] = li(10, 0);
    hart->x[20] = RAM_ADDR + l->token[i];
    hart->x[21] = RAM_ADDR + l->token[!i];
    hart->x[22] = game->runs + l->function[i];
    hart->x[23] = game->writes + l->function[!i];
    hart->x[24] = RIG_IO + 8 * i;
    hart->x[25] = RIG_IO + 8 * !i;
    hart->x[27] = RAM_ADDR + l->failed;
    hart->mie = MIP_MSIP; /* wakes; mstatus.MIE is off */
}

static uint64_t word_at(struct pair *pair, uint32_t offset)
{
    return tlb_ram_load(pair->rig.mem + offset, 3);
}

static uint64_t passes(struct pair *pair, const struct game *game)
{
    const struct layout *l = &layouts[game->layout];
    uint64_t a = word_at(pair, l->token[0]), b = word_at(pair, l->token[1]);

    return a > b ? a : b;
}

/* A hart that has code of the same pages, for a short life. */
static void hire(struct pair *pair, const struct game *game)
{
    struct xbar_riscv_hart *hart = new_hart(pair, XBAR_RISCV_JIT);

    hart->pc = RAM_ADDR + 0x8000;
    hart->x[22] = RAM_ADDR + layouts[game->layout].function[0];
    assert_int_equal(xbar_riscv_run(hart, 60), XBAR_RISCV_EXIT_BUDGET);
    xbar_riscv_free(hart);
}

static void load_game(struct pair *pair, const struct game *game)
{
    const struct layout *l = &layouts[game->layout];
    const uint32_t hired[] = { FENCE_I, call(22), jump(-8) };
    const uint64_t first = 1;
    uint32_t code[32];
    size_t n = write_program(code, game);

    rig_code(&pair->rig, l->program, code, n);
    rig_code(&pair->rig, 0x8000, hired, 3);
    for (unsigned i = 0; i < 2; i++) {
        const uint32_t function[] = { li(10, 1), RET };

        rig_code(&pair->rig, l->function[i], function, 2);
        set_up_hart(pair, game, i);
    }
    memcpy(pair->rig.mem + l->token[0], &first, sizeof(first));
    xbar_riscv_set_irq(pair->hart[0], XBAR_RISCV_IRQ_M_SOFT, true);
}

/* Enough passes, or enough time and some. */
static bool is_over(struct pair *pair, const struct game *game, uint64_t ns)
{
    uint64_t n = passes(pair, game);

    return n >= game->target || (ns > 40000000 && n >= game->least);
}

/* How many blocks were found again. */
static uint64_t recalled(const struct pair *pair)
{
    struct xbar_riscv_jit_stats stats[2];

    for (unsigned i = 0; i < 2; i++) {
        riscv__jit_get_stats(pair->hart[i], &stats[i]);
    }
    return stats[0].recalled + stats[1].recalled;
}

static void play(const struct game *game)
{
    struct pair *pair = pair_new(game->engine[0], game->engine[1]);
    uint32_t failed = layouts[game->layout].failed;
    uint64_t begin = now_ns();

    load_game(pair, game);
    start(pair);
    while (!is_over(pair, game, now_ns() - begin)) {
        if (word_at(pair, failed) != 0 || now_ns() - begin > 60000000000u) {
            break;
        }
        if (game->hires) {
            hire(pair, game);
        } else {
            sleep_ms(1);
        }
    }
    stop(pair);
    assert_int_equal(word_at(pair, failed), 0);
    assert_true(passes(pair, game) >= game->least);
    if (game->changes_back && game->engine[0] == XBAR_RISCV_JIT) {
        assert_in_range(recalled(pair), 1, UINT64_MAX);
    }
    pair_free(pair);
}

static const enum xbar_riscv_engine engines[][2] = {
    { XBAR_RISCV_JIT, XBAR_RISCV_JIT },
    { XBAR_RISCV_JIT, XBAR_RISCV_INTERP },
    { XBAR_RISCV_INTERP, XBAR_RISCV_JIT },
    { XBAR_RISCV_INTERP, XBAR_RISCV_INTERP },
};

static void play_all(struct game game)
{
    game.target = 3000;
    game.least = 30;
    for (unsigned i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        memcpy(game.engine, engines[i], sizeof(game.engine));
        for (game.layout = 0; game.layout < 2; game.layout++) {
            play(&game);
        }
    }
}

static void test_rewriting_each_other(void **state)
{
    (void)state;
    play_all((struct game){ .runs = RAM_ADDR, .writes = RAM_ADDR });
}

static void test_rewriting_at_another_address(void **state)
{
    (void)state;
    play_all((struct game){ .runs = RAM_ADDR, .writes = ALIAS_ADDR });
    play_all((struct game){ .runs = ALIAS_ADDR, .writes = RAM_ADDR });
}

static void test_rewriting_a_sleeper(void **state)
{
    (void)state;
    play_all(
        (struct game){ .runs = RAM_ADDR, .writes = RAM_ADDR, .sleeps = true });
    play_all((struct game){
        .runs = RAM_ADDR, .writes = ALIAS_ADDR, .sleeps = true });
}

static void test_changing_back(void **state)
{
    (void)state;
    play_all((struct game){
        .runs = RAM_ADDR, .writes = RAM_ADDR, .changes_back = true });
    play_all((struct game){ .runs = RAM_ADDR,
                            .writes = ALIAS_ADDR,
                            .changes_back = true,
                            .sleeps = true });
}

static void test_harts_come_and_go(void **state)
{
    (void)state;
    play_all(
        (struct game){ .runs = RAM_ADDR, .writes = RAM_ADDR, .hires = true });
    play_all((struct game){
        .runs = RAM_ADDR, .writes = RAM_ADDR, .hires = true, .sleeps = true });
}

/* ---- Neighbours -------------------------------------------------------- */

/*
 * Each hart switches between two address spaces, its own, that share a page:
 * it calls into the next, which is another in each of the four.
 */
#define SPACES    0x100000u /* three tables for each */
#define SHARED    0x20000u
#define NEIGHBOUR 0x21000u /* and the next three */
#define SWITCHER  0x10000u
#define SATP      0x180u

static uint64_t make_space(struct pair *pair, unsigned space)
{
    uint32_t root = SPACES + space * 0x3000;
    uint32_t middle = root + 0x1000, leaf = root + 0x2000;
    uint32_t neighbour = NEIGHBOUR + space * 0x1000;
    const uint32_t code[] = { li(10, (int)space), RET };
    const unsigned run = PTE_V | PTE_R | PTE_X | PTE_AD;
    struct rig *rig = &pair->rig;

    rig_code(rig, neighbour, code, 2);
    paging_set(rig, root, 0, RAM_ADDR + middle, PTE_V);
    paging_set(rig, root, 2, RAM_ADDR, run | PTE_W);
    paging_set(rig, middle, 0, RAM_ADDR + leaf, PTE_V);
    paging_set(rig, leaf, 0, RAM_ADDR + SHARED, run);
    paging_set(rig, leaf, 1, RAM_ADDR + neighbour, run);
    return (uint64_t)SATP_SV39 << SATP_MODE_SHIFT | (RAM_ADDR + root) >> 12;
}

static void set_up_switcher(struct pair *pair, unsigned i)
{
    struct xbar_riscv_hart *hart = pair->hart[i];

    hart->x[5] = make_space(pair, 2 * i);
    hart->x[6] = make_space(pair, 2 * i + 1);
    hart->x[11] = 2 * i;
    hart->x[12] = 2 * i + 1;
    hart->satp = hart->x[5];
    hart->priv = PRIV_S;
    riscv__pmp_write_addr(&hart->pmp, 0, UINT64_MAX);
    riscv__pmp_write_cfg(&hart->pmp, 0, 0x1f);
    riscv__update_contexts(hart);
    hart->pc = RAM_ADDR + SWITCHER;
}

/* x13 counts rounds, x14 is set by a wrong neighbour. */
static void load_switchers(struct pair *pair)
{
    const uint32_t code[] = {
        insn_csr(1, 0, SATP, 5),
        call(0),
        unless_equal(10, 11, 28),
        insn_csr(1, 0, SATP, 6),
        call(0),
        unless_equal(10, 12, 16),
        insn_addi(13, 13, 1),
        jump(-28),
        INSN_NOP,
        li(14, 1),
        INSN_SELF,
    };
    const uint32_t shared[] = {
        insn_addi(30, 1, 0),
        encode(RISCV_OP_JAL, 1, 0, 0, 0x1000 - 4),
        encode(RISCV_OP_JALR, 0, 30, 0, 0),
    };

    rig_code(&pair->rig, SWITCHER, code, sizeof(code) / sizeof(code[0]));
    rig_code(&pair->rig, SHARED, shared, 3);
    for (unsigned i = 0; i < 2; i++) {
        set_up_switcher(pair, i);
    }
}

/* Both at once, and again if one of them never got to run. Return: the rounds
 * of the one that has fewer. */
static uint64_t switch_for_a_while(struct pair *pair)
{
    uint64_t least = UINT64_MAX;

    start(pair);
    sleep_ms(100);
    stop(pair);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t rounds = pair->hart[i]->x[13];

        assert_int_equal(pair->hart[i]->x[14], 0);
        least = rounds < least ? rounds : least;
    }
    return least;
}

static void test_neighbours_differ_by_hart(void **state)
{
    (void)state;
    for (unsigned e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
        struct pair *pair = pair_new(engines[e][0], engines[e][1]);
        unsigned tries = 0;

        load_switchers(pair);
        while (switch_for_a_while(pair) == 0) {
            assert_true(++tries < 600);
        }
        pair_free(pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rewriting_each_other),
        cmocka_unit_test(test_rewriting_at_another_address),
        cmocka_unit_test(test_rewriting_a_sleeper),
        cmocka_unit_test(test_changing_back),
        cmocka_unit_test(test_harts_come_and_go),
        cmocka_unit_test(test_neighbours_differ_by_hart),
    };

    if (!has_translator()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
