/* SPDX-License-Identifier: MIT */
/* Tests of jit/riscv/trap.c. */
#include "tests/unit/riscv/one_rig.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define IRQ          (1ull << 63)

static const unsigned modes[] = { PRIV_U, PRIV_S, PRIV_M };
static const unsigned causes[] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15
};

static void set(unsigned csr, uint64_t value)
{
    assert_true(riscv__csr_poke(rig.hart, csr, value));
}

static void set_mode(unsigned priv)
{
    rig.hart->priv = (uint8_t)priv;
    riscv__update_contexts(rig.hart);
}

static bool attention(void)
{
    return atomic_exchange(&rig.hart->attention, 0) & ATTN_IRQ;
}

static unsigned expected_data_context(unsigned priv, uint64_t status)
{
    bool sum = status & MSTATUS_SUM;
    bool mxr = status & MSTATUS_MXR;

    if (priv == 3 && (status & MSTATUS_MPRV)) {
        priv = status >> 11 & 3;
    }
    if (priv == 3) {
        return 0;
    }
    return priv == 0 ? 1u + mxr : 3u + sum + 2u * mxr;
}

/* The contexts fit mode and mstatus. */
static void check_contexts(void)
{
    static const unsigned fetch[] = { CTX_FETCH_U, CTX_FETCH_S, 0,
                                      CTX_FETCH_M };
    const struct xbar_riscv_hart *hart = rig.hart;

    assert_int_equal(hart->fetch_context, fetch[hart->priv]);
    assert_int_equal(hart->data_context,
                     expected_data_context(hart->priv, hart->mstatus));
}

/* ---- Exceptions -------------------------------------------------------- */

/* What mstatus must be after a trap from @priv, by the book. */
static uint64_t stacked(uint64_t status, unsigned priv, bool to_s)
{
    if (to_s) {
        uint64_t sie = status >> 1 & 1;

        return (status & ~0x122ull) | sie << 5 | (uint64_t)(priv == 1) << 8;
    }
    return (status & ~0x1888ull) | (status >> 3 & 1) << 7 |
           (uint64_t)priv << 11;
}

static void check_exception(unsigned priv, unsigned cause, bool delegate,
                            uint64_t status)
{
    struct xbar_riscv_hart *hart = rig.hart;
    bool to_s = delegate && priv != PRIV_M;
    uint64_t exceptions = hart->stats.exceptions;
    uint64_t count = hart->stats.traps[cause];

    set(0x302, delegate ? 1u << cause : ~(1u << cause));
    to_s = to_s && cause != 11;
    set(0x300, status);
    status = hart->mstatus;
    set_mode(priv);
    hart->pc = 0x80001236;
    hart->reservation.valid = true;
    riscv__raise(hart, cause, 0x1234567890);

    assert_int_equal(hart->priv, to_s ? PRIV_S : PRIV_M);
    assert_int_equal(hart->pc, to_s ? 0x80002000 : 0x80003000);
    assert_int_equal(to_s ? hart->sepc : hart->mepc, 0x80001236);
    assert_int_equal(to_s ? hart->scause : hart->mcause, cause);
    assert_int_equal(to_s ? hart->stval : hart->mtval, 0x1234567890);
    assert_int_equal(hart->mstatus, stacked(status, priv, to_s));
    assert_false(hart->reservation.valid);
    check_contexts();
    assert_int_equal(hart->stats.exceptions, exceptions + 1);
    assert_int_equal(hart->stats.traps[cause], count + 1);
    assert_int_equal(hart->stats.interrupts, 0);
}

static void test_delegation_matrix(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (unsigned m = 0; m < COUNT(modes); m++) {
        for (unsigned c = 0; c < COUNT(causes); c++) {
            for (unsigned round = 0; round < 16; round++) {
                set(0x105, 0x80002000 + (round & 1)); /* vectored: no matter */
                set(0x305, 0x80003000 + (round >> 1 & 1));
                check_exception(modes[m], causes[c], round & 4,
                                rig_random(&seed) & ~0x1000ull);
            }
        }
    }
}

/* The other mode's registers stay as they were. */
static void test_registers_apart(void **state)
{
    struct xbar_riscv_hart *hart = rig.hart;

    (void)state;
    hart->sepc = 1;
    hart->scause = 2;
    hart->stval = 3;
    riscv__raise(hart, CAUSE_ILLEGAL, 9);
    assert_int_equal(hart->sepc + hart->scause + hart->stval, 6);
    set(0x302, 0xffff);
    set_mode(PRIV_U);
    riscv__raise(hart, CAUSE_BREAKPOINT, 8);
    assert_int_equal(hart->mcause, CAUSE_ILLEGAL);
    assert_int_equal(hart->mtval, 9);
}

static void test_endless_faults_end_the_slice(void **state)
{
    unsigned traps = 0;

    (void)state;
    atomic_store(&rig.hart->attention, 0);
    while (atomic_load(&rig.hart->attention) == 0 && traps < 100000) {
        riscv__raise(rig.hart, CAUSE_ILLEGAL, 0);
        traps++;
    }
    assert_int_equal(atomic_load(&rig.hart->attention), ATTN_SLICE);
    assert_in_range(traps, 100, 10000);
}

/* ---- Interrupts -------------------------------------------------------- */

/* Which interrupt the book says is next; 0: none. */
static unsigned expected_irq(uint64_t mip, uint64_t *to_mode)
{
    static const unsigned order[] = { 11, 3, 7, 9, 1, 5 };
    const struct xbar_riscv_hart *hart = rig.hart;
    bool mie = hart->mstatus >> 3 & 1;
    bool sie = hart->mstatus >> 1 & 1;

    for (unsigned pass = 0; pass < 2; pass++) {
        unsigned mode = pass == 0 ? 3 : 1;
        bool on = mode == 3 ? hart->priv < 3 || mie
                            : hart->priv < 1 || (hart->priv == 1 && sie);

        for (unsigned i = 0; on && i < COUNT(order); i++) {
            unsigned irq = order[i];
            bool is_mine = ((hart->mideleg >> irq & 1) != 0) == (mode == 1);

            if (is_mine && (mip & hart->mie) >> irq & 1) {
                *to_mode = mode;
                return irq;
            }
        }
    }
    return 0;
}

static void randomize_interrupts(uint64_t *seed)
{
    static const unsigned lines[] = { 1, 3, 5, 9, 11 };
    uint64_t up = rig_random(seed) & rig_random(seed);

    for (unsigned i = 0; i < COUNT(lines); i++) {
        xbar_riscv_set_irq(rig.hart, lines[i], up >> lines[i] & 1);
    }
    xbar_riscv_set_timecmp(rig.hart, up & 0x80 ? 0 : UINT64_MAX);
    set(0x344, rig_random(seed) & rig_random(seed));
    set(0x304, rig_random(seed) | rig_random(seed));
    set(0x303, rig_random(seed));
    set(0x300, rig_random(seed) & ~0x1000ull);
    set_mode(modes[rig_random(seed) % 3]);
}

static void test_random_interrupts(void **state)
{
    struct xbar_riscv_hart *hart = rig.hart;
    uint64_t seed = 2;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t vectored = round & 1;
        uint64_t mip, status, mode = 0;
        unsigned irq, priv;

        randomize_interrupts(&seed);
        set(0x105, 0x80002000 | vectored);
        set(0x305, 0x80003000 | vectored);
        mip = riscv__mip(hart);
        irq = expected_irq(mip, &mode);
        status = hart->mstatus;
        priv = hart->priv;
        hart->pc = 0x80000100;
        hart->waiting = true;
        assert_int_equal(riscv__take_interrupt(hart), irq != 0);
        assert_int_equal(hart->waiting, irq == 0);
        if (!irq) {
            assert_int_equal(hart->pc, 0x80000100);
            assert_int_equal(hart->mstatus, status);
            continue;
        }
        assert_int_equal(hart->priv, mode);
        assert_int_equal(hart->pc, (mode == 1 ? 0x80002000 : 0x80003000) +
                                       (vectored ? 4 * irq : 0));
        assert_int_equal(mode == 1 ? hart->scause : hart->mcause, IRQ | irq);
        assert_int_equal(mode == 1 ? hart->sepc : hart->mepc, 0x80000100);
        assert_int_equal(mode == 1 ? hart->stval : hart->mtval, 0);
        assert_int_equal(hart->mstatus, stacked(status, priv, mode == 1));
    }
    assert_true(hart->stats.interrupts > 5000);
}

/* Each way to make an interrupt takeable says so; and only then. */
static void test_attention(void **state)
{
    struct xbar_riscv_hart *hart = rig.hart;
    uint64_t old;

    (void)state;
    attention();
    xbar_riscv_set_irq(hart, XBAR_RISCV_IRQ_M_SOFT, true);
    assert_true(attention());
    xbar_riscv_set_irq(hart, XBAR_RISCV_IRQ_M_SOFT, true);
    assert_false(attention());
    set(0x304, 1 << 3);
    assert_false(attention()); /* MIE is off */
    assert_true(riscv__csr_modify(hart, 0x300, 0, MSTATUS_MIE, &old));
    assert_true(attention());
    set(0x304, 0);
    assert_false(attention());
    set(0x304, 1 << 3);
    assert_true(attention());

    xbar_riscv_set_irq(hart, XBAR_RISCV_IRQ_M_SOFT, false);
    set(0x303, 0x222);
    set(0x304, 0x222);
    set_mode(PRIV_S);
    attention();
    set(0x344, 0x20);
    assert_false(attention());
    assert_true(riscv__csr_write(hart, 0x100, MSTATUS_SIE));
    assert_true(attention());
    set(0x344, 0);
    attention();
    set(0x344, 0x20);
    assert_true(attention());
    set(0x100, 0);
    set(0x303, 0); /* no longer the supervisor's: cannot be masked here */
    assert_true(attention());
    set(0x303, 0x222);
    attention();
    hart->mstatus |= MSTATUS_SPIE;
    assert_true(riscv__sret(hart));
    assert_true(attention());
}

/* ---- xRET -------------------------------------------------------------- */

static void test_mret(void **state)
{
    struct xbar_riscv_hart *hart = rig.hart;
    uint64_t seed = 3;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        unsigned mpp = modes[round % 3];
        uint64_t status = (rig_random(&seed) & ~0x1800ull) | mpp << 11;
        uint64_t expect;

        set_mode(PRIV_M);
        set(0x300, status);
        set(0x341, 0x80000123);
        status = hart->mstatus;
        expect = (status & ~0x1888ull) | (status >> 7 & 1) << 3 | 0x80;
        if (mpp != PRIV_M) {
            expect &= ~MSTATUS_MPRV;
        }
        hart->reservation.valid = true;
        assert_true(riscv__mret(hart));
        assert_int_equal(hart->mstatus, expect);
        assert_int_equal(hart->priv, mpp);
        check_contexts();
        assert_int_equal(hart->pc, 0x80000122);
        assert_false(hart->reservation.valid);
    }
    set_mode(PRIV_S);
    assert_false(riscv__mret(hart));
    set_mode(PRIV_U);
    assert_false(riscv__mret(hart));
}

static void test_sret(void **state)
{
    struct xbar_riscv_hart *hart = rig.hart;
    uint64_t seed = 4;

    (void)state;
    for (unsigned round = 0; round < 4000; round++) {
        unsigned priv = modes[round % 3];
        uint64_t status = rig_random(&seed) & ~0x1000ull;
        bool legal = priv == 3 || (priv == 1 && !(status & MSTATUS_TSR));
        uint64_t expect;

        set(0x300, status);
        set(0x141, 0x80000456);
        set_mode(priv);
        hart->pc = 0x80000200;
        status = hart->mstatus;
        expect = (status & ~0x122ull) | (status >> 5 & 1) << 1 | 0x20;
        expect &= ~MSTATUS_MPRV;
        assert_int_equal(riscv__sret(hart), legal);
        if (legal) {
            assert_int_equal(hart->mstatus, expect);
            assert_int_equal(hart->priv, status >> 8 & 1);
            check_contexts();
            assert_int_equal(hart->pc, 0x80000456);
        } else {
            assert_int_equal(hart->mstatus, status);
            assert_int_equal(hart->pc, 0x80000200);
        }
    }
}

static void test_wfi_allowed(void **state)
{
    (void)state;
    for (unsigned m = 0; m < COUNT(modes); m++) {
        set_mode(modes[m]);
        set(0x300, 0);
        assert_int_equal(riscv__wfi_allowed(rig.hart), modes[m] != PRIV_U);
        set(0x300, MSTATUS_TW);
        assert_int_equal(riscv__wfi_allowed(rig.hart), modes[m] == PRIV_M);
    }
}

/* ---- Contexts ---------------------------------------------------------- */

static void test_contexts(void **state)
{
    struct xbar_riscv_hart *hart = rig.hart;
    uint64_t seed = 5;

    (void)state;
    for (unsigned round = 0; round < 4000; round++) {
        unsigned priv = modes[round % 3];
        struct xbar_tlb_stats before = hart->tlb.stats;

        set_mode(priv);
        set(0x300, rig_random(&seed) & ~0x1000ull);
        check_contexts();
        assert_int_equal(hart->tlb.stats.flush_contexts, before.flush_contexts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_delegation_matrix),
        CASE(test_registers_apart),
        CASE(test_endless_faults_end_the_slice),
        CASE(test_random_interrupts),
        CASE(test_attention),
        CASE(test_mret),
        CASE(test_sret),
        CASE(test_wfi_allowed),
        CASE(test_contexts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
