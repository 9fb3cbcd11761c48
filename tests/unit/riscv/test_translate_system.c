/* SPDX-License-Identifier: MIT */
/*
 * CSR instructions and changes of mode in emitted code, against the
 * interpreter: every CSR number, from every mode, in every form.
 */
#include "jit/riscv/jit.h"

#include "rig.h"

#define HANDLER 0x8000u
#define CODE    0x1000u
#define CSRS    4096u

static const unsigned modes[] = { PRIV_U, PRIV_S, PRIV_M };
static const unsigned forms[] = { 1, 2, 3, 5, 6, 7 };

/* rd and rs1 (or the immediate): one, both, none of them 0. */
static const struct {
    uint8_t rd, rs1;
} operands[] = { { 0, 0 }, { 0, 6 }, { 7, 0 }, { 7, 6 }, { 6, 6 }, { 20, 21 } };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void open_engine(struct rig *rig, enum xbar_riscv_engine engine)
{
    const struct xbar_riscv_config config = { .insns_per_tick = 1 };
    const uint32_t handler = INSN_SELF;

    rig_open_with(rig, &config);
    rig_open_pmp(rig);
    rig_code(rig, HANDLER, &handler, 1);
    assert_int_equal(xbar_riscv_set_engine(rig->hart, engine), 0);
}

/* What a case must not randomise: it would fetch from nowhere, for ever. */
static bool is_pinned(unsigned csr)
{
    return csr == 0x180 || csr == 0x105 || csr == 0x305 ||
           (csr >= 0x3a0 && csr < 0x3c0);
}

/* The same state in both: random CSRs and registers, in mode @priv. */
static void randomise(struct rig *rig, unsigned priv, uint64_t seed)
{
    struct xbar_riscv_hart *hart = rig->hart;

    for (unsigned csr = 0; csr < CSRS; csr++) {
        if (riscv__csr_name(csr, NULL) && !is_pinned(csr)) {
            uint64_t value = rig_random(&seed);

            (void)!riscv__csr_poke(hart, csr, value);
        }
    }
    hart->satp = 0;
    hart->mtvec = RIG_RAM + HANDLER;
    hart->stvec = RIG_RAM + HANDLER;
    for (unsigned i = 1; i < 32; i++) {
        hart->x[i] = rig_random(&seed);
    }
    hart->priv = priv;
    hart->pc = RIG_RAM + CODE;
    riscv__update_contexts(hart);
}

static bool has_equal_csrs(const struct rig *a, const struct rig *b)
{
    for (unsigned csr = 0; csr < CSRS; csr++) {
        uint64_t va = 0, vb = 0;

        if (riscv__csr_peek(a->hart, csr, &va) !=
                riscv__csr_peek(b->hart, csr, &vb) ||
            va != vb) {
            print_error("csr 0x%x: jit %lx, interp %lx\n", csr,
                        (unsigned long)va, (unsigned long)vb);
            return false;
        }
    }
    return true;
}

static bool has_equal_state(const struct rig *a, const struct rig *b)
{
    return a->hart->pc == b->hart->pc && a->hart->priv == b->hart->priv &&
           memcmp(a->hart->x, b->hart->x, sizeof(a->hart->x)) == 0;
}

static void run_both(struct rig *jit, struct rig *interp, uint32_t insn)
{
    const uint32_t code[] = { insn, INSN_SELF };

    rig_code(jit, CODE, code, 2);
    rig_code(interp, CODE, code, 2);
    riscv__jit_flush(jit->hart);
    jit->hart->pc = interp->hart->pc = RIG_RAM + CODE;
    assert_int_equal(xbar_riscv_run(jit->hart, 2), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(xbar_riscv_run(interp->hart, 2), XBAR_RISCV_EXIT_BUDGET);
}

/* One CSR from one mode: each form with each choice of operands. */
static void compare_csr(struct rig *jit, struct rig *interp, unsigned csr,
                        unsigned priv)
{
    for (unsigned i = 0; i < COUNT(forms) * COUNT(operands); i++) {
        unsigned form = forms[i / COUNT(operands)];
        unsigned rd = operands[i % COUNT(operands)].rd;
        unsigned rs1 = operands[i % COUNT(operands)].rs1;

        if (i % COUNT(operands) == 0) {
            uint64_t seed = (uint64_t)csr << 16 | priv << 8 | (i + 1);

            randomise(jit, priv, seed);
            randomise(interp, priv, seed);
        }
        jit->hart->priv = interp->hart->priv = priv;
        riscv__update_contexts(jit->hart);
        riscv__update_contexts(interp->hart);
        jit->hart->mtvec = interp->hart->mtvec = RIG_RAM + HANDLER;
        jit->hart->stvec = interp->hart->stvec = RIG_RAM + HANDLER;
        jit->hart->satp = interp->hart->satp = 0;
        run_both(jit, interp, insn_csr(form, rd, csr, rs1));
        if (!has_equal_state(jit, interp)) {
            fail_msg("csr 0x%x, mode %u, form %u, rd x%u, rs1 x%u", csr, priv,
                     form, rd, rs1);
        }
    }
    assert_true(has_equal_csrs(jit, interp));
}

static void test_every_csr(void **state)
{
    struct rig jit, interp;

    (void)state;
    open_engine(&jit, XBAR_RISCV_JIT);
    open_engine(&interp, XBAR_RISCV_INTERP);
    for (unsigned csr = 0; csr < CSRS; csr++) {
        bool exists = riscv__csr_name(csr, NULL);

        /* Of those that do not exist a sample will do. PMP is compared in
         * its own test: a random rule would lock the code out. */
        if ((!exists && csr % 16 != 3) || (csr >= 0x3a0 && csr < 0x3c0)) {
            continue;
        }
        for (unsigned m = 0; m < COUNT(modes); m++) {
            compare_csr(&jit, &interp, csr, modes[m]);
        }
    }
    rig_close(&jit);
    rig_close(&interp);
}

/* A call to the machine and back, in a loop: nothing of it leaves. */
static void test_traps_stay_inside(void **state)
{
    const uint32_t loop[] = {
        insn_addi(8, 8, 1), INSN_ECALL, 0xff9ff06fu, /* j .-8 */
    };
    const uint32_t handler[] = {
        insn_csr(1, 5, 0x340, 5), /* csrrw x5, mscratch, x5 */
        insn_csr(2, 5, 0x341, 0), /* csrr x5, mepc */
        insn_addi(5, 5, 4),       insn_csr(1, 0, 0x341, 5),
        insn_csr(1, 5, 0x340, 5), INSN_MRET,
    };
    struct xbar_riscv_jit_stats before, after;
    struct rig rig;

    (void)state;
    open_engine(&rig, XBAR_RISCV_JIT);
    rig_code(&rig, CODE, loop, 3);
    rig_code(&rig, HANDLER, handler, 6);
    rig.hart->mtvec = RIG_RAM + HANDLER;
    rig.hart->pc = RIG_RAM + CODE;
    rig.hart->priv = PRIV_U;
    riscv__update_contexts(rig.hart);
    assert_int_equal(xbar_riscv_run(rig.hart, 80), XBAR_RISCV_EXIT_BUDGET);
    riscv__jit_get_stats(rig.hart, &before);
    /* ecall does not retire: 8 instructions a round. */
    assert_int_equal(xbar_riscv_run(rig.hart, 8000), XBAR_RISCV_EXIT_BUDGET);
    riscv__jit_get_stats(rig.hart, &after);
    assert_int_equal(rig.hart->x[8], 1010);
    assert_int_equal(rig.hart->x[5], 0);
    assert_true(after.exits - before.exits < 100);
    assert_int_equal(after.instructions - before.instructions, 8000);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_csr),
        cmocka_unit_test(test_traps_stay_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
