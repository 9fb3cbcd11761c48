/* SPDX-License-Identifier: MIT */
/*
 * Random programs with breakpoints and watchpoints that come and go, in every
 * engine, against a hart that is stepped and looked at before and after each
 * instruction: why it stopped, and in which state, must be the same.
 *
 * XBAR_SEED=N runs just the program of one; 20 times as many with XBAR_LONG=1.
 */
#include "tests/unit/riscv/runner.h"

#include <stdlib.h>

#include "tests/guest/insn_scale.h"
#include "tests/unit/riscv/encode.h"

#define CODE         ((uint64_t)RIG_RAM)
#define HANDLER      0x2000u  /* offset in RAM */
#define DATA         0x10000u /* the same */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct rig rig;
static enum xbar_riscv_engine engine;

#define PROGRAM 120u /* instructions at most */

enum { BASE = 29, INNER = 30, OUTER = 31 };

struct program {
    uint32_t code[PROGRAM];
    unsigned count;
    uint64_t seed;
};

static uint64_t draw(struct program *p, uint64_t below)
{
    return rig_random(&p->seed) % below;
}

static unsigned any_reg(struct program *p)
{
    return (unsigned)(5 + draw(p, 10));
}

static void put(struct program *p, uint32_t bits)
{
    assert_true(p->count < PROGRAM);
    p->code[p->count++] = bits;
}

static int any_offset(struct program *p)
{
    return (int)draw(p, 64) - 16;
}

static void put_any(struct program *p)
{
    static const enum riscv_op loads[] = { RISCV_OP_LB, RISCV_OP_LHU,
                                           RISCV_OP_LW, RISCV_OP_LD };
    static const enum riscv_op stores[] = { RISCV_OP_SB, RISCV_OP_SH,
                                            RISCV_OP_SW, RISCV_OP_SD };
    static const enum riscv_op branches[] = { RISCV_OP_BEQ, RISCV_OP_BNE,
                                              RISCV_OP_BLT, RISCV_OP_BGEU };
    static const enum riscv_op alu[] = { RISCV_OP_ADD, RISCV_OP_XOR,
                                         RISCV_OP_ADDW, RISCV_OP_SLT,
                                         RISCV_OP_MUL };

    switch (draw(p, 10)) {
    case 0:
    case 1:
        put(p, encode(loads[draw(p, 4)], any_reg(p), BASE, 0, any_offset(p)));
        break;
    case 2:
    case 3:
        put(p, encode(stores[draw(p, 4)], 0, BASE, any_reg(p), any_offset(p)));
        break;
    case 4:
        put(p, encode(branches[draw(p, 4)], 0, any_reg(p), any_reg(p),
                      4 * (int)(1 + draw(p, 3))));
        break;
    case 5:
        put(p, draw(p, 4) ? insn_addi(any_reg(p), any_reg(p),
                                      (int)draw(p, 4096) - 2048)
                          : INSN_ECALL);
        break;
    default:
        put(p, encode(alu[draw(p, 5)], any_reg(p), any_reg(p), any_reg(p), 0));
        break;
    }
}

/* Two loops, one in the other, and an end that stays where it is. */
static void write_program(struct program *p)
{
    unsigned outer, inner;

    put(p, insn_addi(OUTER, 0, 20));
    outer = p->count;
    for (unsigned i = 0; i < 10; i++) {
        put_any(p);
    }
    for (unsigned i = 0; i < 3; i++) {
        put(p, INSN_NOP); /* no branch leads past this */
    }
    put(p, insn_addi(INNER, 0, 5 + (int)draw(p, 30)));
    inner = p->count;
    for (unsigned i = 0; i < 4 + draw(p, 20); i++) {
        put_any(p);
    }
    for (unsigned i = 0; i < 3; i++) {
        put(p, INSN_NOP);
    }
    put(p, insn_addi(INNER, INNER, -1));
    put(p, encode(RISCV_OP_BNE, 0, INNER, 0, -4 * (int)(p->count - inner)));
    put(p, insn_addi(OUTER, OUTER, -1));
    put(p, encode(RISCV_OP_BNE, 0, OUTER, 0, -4 * (int)(p->count - outer)));
    put(p, INSN_SELF);
}

static const uint32_t skip_ecall[] = {
    0x341d1d73, /* csrrw x26, mepc, x26 */
    0x004d0d13, /* addi x26, x26, 4 */
    0x341d1d73, /* csrrw x26, mepc, x26 */
    INSN_MRET,
};

static void load_program(struct rig *it, const struct program *p)
{
    rig_code(it, 0, p->code, p->count);
    rig_code(it, HANDLER, skip_ecall, COUNT(skip_ecall));
    set_csr(it, 0x305, RIG_RAM + HANDLER);
    /* Half of what is accessed is in one page, half in another. */
    xbar_riscv_set_x(it->hart, BASE, RIG_RAM + DATA - 8);
}

/* What is set, known to the reference in its own way. */
struct stops {
    bool at[PROGRAM + COUNT(skip_ecall)];
    struct xbar_tlb_watch watch[3];
    unsigned watches;
};

static uint64_t place_of(const struct program *p, unsigned which)
{
    return which < p->count ? CODE + 4 * which
                            : RIG_RAM + HANDLER + 4 * (which - p->count);
}

static bool stops_at(const struct program *p, const struct stops *stops,
                     uint64_t at)
{
    for (unsigned i = 0; i < p->count + COUNT(skip_ecall); i++) {
        if (stops->at[i] && place_of(p, i) == at) {
            return true;
        }
    }
    return false;
}

static void change_breaks(struct program *p, struct stops *stops)
{
    for (unsigned n = (unsigned)draw(p, 4); n > 0; n--) {
        unsigned i = (unsigned)draw(p, p->count + COUNT(skip_ecall));
        uint64_t at = place_of(p, i);

        if (stops->at[i]) {
            assert_int_equal(xbar_riscv_remove_breakpoint(rig.hart, at), 0);
        } else {
            assert_int_equal(xbar_riscv_add_breakpoint(rig.hart, at), 0);
        }
        stops->at[i] = !stops->at[i];
    }
}

static void change_watches(struct program *p, struct stops *stops)
{
    while (stops->watches > 0) {
        assert_int_equal(xbar_riscv_remove_watchpoint(
                             rig.hart, &stops->watch[--stops->watches]),
                         0);
    }
    for (unsigned n = (unsigned)draw(p, 3); n > 0; n--) {
        struct xbar_tlb_watch *watch = &stops->watch[stops->watches++];

        *watch = (struct xbar_tlb_watch){
            .va = RIG_RAM + DATA - 24 + draw(p, 64),
            .size = 1 + draw(p, 8),
            .prot = (uint8_t)(1 + draw(p, 3)),
        };
        assert_int_equal(xbar_riscv_add_watchpoint(rig.hart, watch), 0);
    }
}

/* Will the instruction at the reference's pc touch watched bytes? */
static bool will_touch(const struct rig *ref, const struct stops *stops)
{
    const struct riscv_op_info *info;
    struct riscv_insn insn;
    uint32_t bits;
    uint64_t va, size;
    unsigned prot;

    memcpy(&bits, ref->mem + (ref->hart->pc - RIG_RAM), 4);
    riscv__decode(&insn, bits);
    info = &riscv__ops[insn.op];
    if (info->class != RISCV_CLASS_LOAD && info->class != RISCV_CLASS_STORE) {
        return false;
    }
    prot = info->class == RISCV_CLASS_LOAD ? TLB_PROT_READ : TLB_PROT_WRITE;
    va = ref->hart->x[insn.rs1] + (uint64_t)(int64_t)insn.imm;
    size = (uint64_t)(info->access < 0 ? -info->access : info->access);
    for (unsigned i = 0; i < stops->watches; i++) {
        const struct xbar_tlb_watch *watch = &stops->watch[i];

        if ((watch->prot & prot) && va < watch->va + watch->size &&
            watch->va < va + size) {
            return true;
        }
    }
    return false;
}

/* What the hart should do, one instruction after the other. */
static enum xbar_riscv_exit run_reference(struct rig *ref, struct program *p,
                                          const struct stops *stops,
                                          uint64_t budget, bool *at_break)
{
    uint64_t end = ref->hart->stats.instructions + budget;

    while (ref->hart->stats.instructions < end) {
        bool touches;

        if (!*at_break && stops_at(p, stops, ref->hart->pc)) {
            *at_break = true;
            return XBAR_RISCV_EXIT_BREAK;
        }
        *at_break = false;
        touches = will_touch(ref, stops);
        assert_int_equal(xbar_riscv_step(ref->hart, false),
                         XBAR_RISCV_EXIT_BUDGET);
        if (touches) {
            return XBAR_RISCV_EXIT_WATCH;
        }
    }
    return XBAR_RISCV_EXIT_BUDGET;
}

static void compare_harts(const struct rig *ref)
{
    assert_int_equal(xbar_riscv_get_pc(rig.hart), xbar_riscv_get_pc(ref->hart));
    assert_int_equal(retired(&rig), retired(ref));
    assert_memory_equal(rig.hart->x, ref->hart->x, sizeof(ref->hart->x));
    assert_memory_equal(rig.mem + DATA - 64, ref->mem + DATA - 64, 256);
}

static void run_program(uint64_t seed, const struct xbar_riscv_config *config,
                        enum xbar_riscv_engine by)
{
    struct program p = { .seed = seed * 2 + 1 };
    struct stops stops = { .watches = 0 };
    bool at_break = false;
    struct rig ref;

    rig_open_with(&rig, config);
    rig_open(&ref);
    assert_int_equal(xbar_riscv_set_engine(rig.hart, by), 0);
    write_program(&p);
    load_program(&rig, &p);
    load_program(&ref, &p);
    for (unsigned round = 0; round < 150; round++) {
        uint64_t budget = draw(&p, 4) ? 1 + draw(&p, 400) : draw(&p, 3);
        enum xbar_riscv_exit got = xbar_riscv_run(rig.hart, budget);

        assert_int_equal(got,
                         run_reference(&ref, &p, &stops, budget, &at_break));
        compare_harts(&ref);
        if (draw(&p, 8) == 0) {
            change_breaks(&p, &stops);
        }
        if (draw(&p, 8) == 0) {
            change_watches(&p, &stops);
        }
    }
    rig_close(&ref);
    rig_close(&rig);
}

static void test_at_random(void **state)
{
    const char *only = getenv("XBAR_SEED");
    uint64_t first = only ? strtoull(only, NULL, 0) : 1;
    uint64_t last = only ? first : insn_scale(30);
    static const unsigned stress[] = {
        0, XBAR_RISCV_STRESS_REGION, XBAR_RISCV_STRESS_CHAIN,
        XBAR_RISCV_STRESS_SPAN | XBAR_RISCV_STRESS_REGION, XBAR_RISCV_STRESS_TLB
    };

    (void)state;
    for (uint64_t seed = first; seed <= last; seed++) {
        for (unsigned i = 0; i < COUNT(stress); i++) {
            struct xbar_riscv_config config = { .hartid = 5 };

            config.stress = stress[i];
            config.count_blocks = seed % 5 == 0;
            run_program(seed, &config, engine);
            if (engine == XBAR_RISCV_JIT && i == 0) {
                run_program(seed, &config, XBAR_RISCV_LOCKSTEP);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_random),
    };

    return run_for_each_engine(tests, COUNT(tests), &engine);
}
