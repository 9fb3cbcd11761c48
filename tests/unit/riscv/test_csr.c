/* SPDX-License-Identifier: MIT */
/* Tests of jit/riscv/csr.inc, csr.c, csr_regs.c. */
#include "tests/unit/riscv/one_rig.h"

#include <stdlib.h>

#define ALL       UINT64_MAX
#define MISA      0x800000000014112dull
#define STATUS_XL 0xa00000000ull

/*
 * What must exist, in words of its own: a write of v, then a read, gives
 * (v & mask) | fixed, whatever the register held before.
 */
struct expectation {
    unsigned csr;
    const char *name;
    uint64_t mask;
    uint64_t fixed;
};

/* clang-format off */
static const struct expectation plain[] = {
    { 0x001, "fflags",        0x1f,       0 },
    { 0x002, "frm",           7,          0 },
    { 0x003, "fcsr",          0xff,       0 },
    { 0x105, "stvec",         ~3ull,      0 },
    { 0x106, "scounteren",    0xffffffff, 0 },
    { 0x14d, "stimecmp",      ALL,        0 },
    { 0x140, "sscratch",      ALL,        0 },
    { 0x141, "sepc",          ~1ull,      0 },
    { 0x142, "scause",        ALL,        0 },
    { 0x143, "stval",         ALL,        0 },
    { 0x301, "misa",          0,          MISA },
    { 0x302, "medeleg",       0xb3ff,     0 },
    { 0x303, "mideleg",       0x222,      0 },
    { 0x304, "mie",           0xaaa,      0 },
    { 0x305, "mtvec",         ~3ull,      0 },
    { 0x306, "mcounteren",    0xffffffff, 0 },
    { 0x320, "mcountinhibit", 5,          0 },
    { 0x323, "mhpmevent3",    0,          0 },
    { 0x33f, "mhpmevent31",   0,          0 },
    { 0x340, "mscratch",      ALL,        0 },
    { 0x341, "mepc",          ~1ull,      0 },
    { 0x342, "mcause",        ALL,        0 },
    { 0x343, "mtval",         ALL,        0 },
    { 0x344, "mip",           0x222,      0 },
    { 0x3b0, "pmpaddr0",      ((1ull << 54) - 1) & ~0x3ffull, 0 },
    { 0x3bf, "pmpaddr15",     ((1ull << 54) - 1) & ~0x3ffull, 0 },
    { 0xb03, "mhpmcounter3",  0,          0 },
    { 0xb1f, "mhpmcounter31", 0,          0 },
};

/* With rules of their own, tested one by one below. */
static const struct expectation special[] = {
    { 0x100, "sstatus", 0, 0 },  { 0x104, "sie", 0, 0 },
    { 0x10a, "senvcfg", 0, 0 },  { 0x30a, "menvcfg", 0, 0 },
    { 0x144, "sip", 0, 0 },      { 0x180, "satp", 0, 0 },
    { 0x300, "mstatus", 0, 0 },  { 0x3a0, "pmpcfg0", 0, 0 },
    { 0x3a2, "pmpcfg2", 0, 0 },  { 0xb00, "mcycle", 0, 0 },
    { 0xb02, "minstret", 0, 0 },
};

static const struct expectation read_only[] = {
    { 0xc00, "cycle", 0, 0 },     { 0xc01, "time", 0, 0 },
    { 0xc02, "instret", 0, 0 },   { 0xc03, "hpmcounter3", 0, 0 },
    { 0xc1f, "hpmcounter31", 0, 0 }, { 0xf11, "mvendorid", 0, 0 },
    { 0xf12, "marchid", 0, 0 },   { 0xf13, "mimpid", 0, 0 },
    { 0xf14, "mhartid", 0, 5 },   { 0xf15, "mconfigptr", 0, 0 },
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t get(unsigned csr)
{
    uint64_t value = 0xdead;

    assert_true(riscv__csr_read(rig.hart, csr, &value));
    return value;
}

static void set(unsigned csr, uint64_t value)
{
    assert_true(riscv__csr_write(rig.hart, csr, value));
}

static bool can_read(unsigned csr)
{
    uint64_t value;

    return riscv__csr_read(rig.hart, csr, &value);
}

static void set_mode(unsigned priv)
{
    rig.hart->priv = (uint8_t)priv;
    riscv__update_contexts(rig.hart);
}

/* As if one instruction had retired. */
static void retire(unsigned count)
{
    rig.hart->stats.instructions += count;
}

/* ---- The table --------------------------------------------------------- */

static bool in_range(unsigned csr, unsigned first, unsigned last)
{
    return csr >= first && csr <= last;
}

static bool is_listed(const struct expectation *list, size_t count,
                      unsigned csr)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].csr == csr) {
            return true;
        }
    }
    return false;
}

static bool should_exist(unsigned csr)
{
    return is_listed(plain, COUNT(plain), csr) ||
           is_listed(special, COUNT(special), csr) ||
           is_listed(read_only, COUNT(read_only), csr) ||
           in_range(csr, 0x323, 0x33f) || in_range(csr, 0x3b0, 0x3bf) ||
           in_range(csr, 0xb03, 0xb1f) || in_range(csr, 0xc03, 0xc1f);
}

static void test_exactly_these_exist(void **state)
{
    (void)state;
    set(0x300, MSTATUS_FS);
    for (unsigned csr = 0; csr < 0x1100; csr++) {
        char name[CSR_NAME_MAX];
        uint64_t value;

        assert_int_equal(riscv__csr_name(csr, name), should_exist(csr));
        assert_int_equal(riscv__csr_name(csr, NULL), should_exist(csr));
        assert_int_equal(can_read(csr), should_exist(csr));
        assert_int_equal(riscv__csr_peek(rig.hart, csr, &value),
                         should_exist(csr));
        assert_int_equal(xbar_riscv_get_csr(rig.hart, csr, &value) == 0,
                         should_exist(csr));
    }
}

static void check_names(const struct expectation *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[CSR_NAME_MAX];

        assert_true(riscv__csr_name(list[i].csr, name));
        assert_string_equal(name, list[i].name);
    }
}

static void test_names(void **state)
{
    char name[CSR_NAME_MAX];

    (void)state;
    check_names(plain, COUNT(plain));
    check_names(special, COUNT(special));
    check_names(read_only, COUNT(read_only));
    assert_true(riscv__csr_name(0x3b9, name));
    assert_string_equal(name, "pmpaddr9");
    assert_true(riscv__csr_name(0xb0a, name));
    assert_string_equal(name, "mhpmcounter10");
}

/* Each mode reaches its own registers and those of the modes below. */
static void test_privilege(void **state)
{
    static const unsigned modes[] = { PRIV_U, PRIV_S, PRIV_M };

    (void)state;
    set(0x300, MSTATUS_FS);
    set(0x306, ALL);
    set(0x106, ALL);
    set(0x30a, ALL); /* stimecmp */
    for (unsigned i = 0; i < COUNT(modes); i++) {
        for (unsigned csr = 0; csr < 0x1000; csr++) {
            bool allowed = should_exist(csr) && modes[i] >= (csr >> 8 & 3);
            uint64_t old;

            set_mode(modes[i]);
            assert_int_equal(can_read(csr), allowed);
            if (csr >> 10 == 3 || !allowed) {
                assert_false(riscv__csr_write(rig.hart, csr, 0));
                assert_false(riscv__csr_modify(rig.hart, csr, 0, 0, &old));
            }
        }
    }
}

static void test_warl(void **state)
{
    uint64_t seed = 1;

    (void)state;
    set(0x300, MSTATUS_FS);
    for (unsigned round = 0; round < 2000; round++) {
        const struct expectation *e = &plain[rig_random(&seed) % COUNT(plain)];
        uint64_t value = rig_random(&seed);

        if (e->csr == 0x105 || e->csr == 0x305) {
            value &= ~3ull; /* modes: see test_tvec */
        }
        set(e->csr, value);
        assert_int_equal(get(e->csr), (value & e->mask) | e->fixed);
        assert_int_equal(xbar_riscv_set_csr(rig.hart, e->csr, ~value), 0);
    }
}

static void test_read_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(read_only); i++) {
        const struct expectation *e = &read_only[i];

        assert_false(riscv__csr_write(rig.hart, e->csr, 0));
        assert_int_not_equal(xbar_riscv_set_csr(rig.hart, e->csr, 0), 0);
        if (e->csr >= 0xf00) {
            assert_int_equal(get(e->csr), e->fixed);
        }
    }
}

/* ---- Status ------------------------------------------------------------ */

static void test_mstatus(void **state)
{
    uint64_t seed = 2;

    (void)state;
    assert_int_equal(get(0x300), STATUS_XL);
    for (unsigned round = 0; round < 1000; round++) {
        uint64_t old = get(0x300);
        uint64_t value = rig_random(&seed);
        uint64_t expect = (value & 0x7e79aa) | STATUS_XL;

        if ((value >> 11 & 3) == 2) {
            expect = (expect & ~0x1800ull) | (old & 0x1800);
        }
        if ((value >> 13 & 3) == 3) {
            expect |= 1ull << 63;
        }
        set(0x300, value);
        assert_int_equal(get(0x300), expect);
        assert_int_equal(get(0x100), expect & 0x80000003000de762ull);
    }
}

static void test_sstatus(void **state)
{
    uint64_t seed = 3;

    (void)state;
    for (unsigned round = 0; round < 1000; round++) {
        uint64_t old, value = rig_random(&seed);

        set(0x300, rig_random(&seed));
        old = get(0x300);
        set(0x100, value);
        assert_int_equal(get(0x300) & ~(1ull << 63),
                         ((old & ~0xc6122ull) | (value & 0xc6122)) &
                             ~(1ull << 63));
        assert_int_equal(get(0x300) >> 63, (value >> 13 & 3) == 3);
    }
}

static void test_fp_state(void **state)
{
    (void)state;
    for (unsigned csr = 1; csr <= 3; csr++) {
        assert_false(can_read(csr));
        assert_false(riscv__csr_write(rig.hart, csr, 0));
    }
    assert_int_equal(xbar_riscv_set_csr(rig.hart, 3, 0x7f), 0);
    set(0x300, 1 << 13);
    assert_true(riscv__fp_enabled(rig.hart));
    assert_int_equal(get(3), 0x7f);
    set(0x300, 1 << 13);
    assert_int_equal(get(0x300) >> 63, 0);
    set(3, 0x1a5);
    assert_int_equal(get(1), 0x05);
    assert_int_equal(get(2), 0x05);
    assert_int_equal(get(0x300) & MSTATUS_FS, MSTATUS_FS);
    assert_int_equal(get(0x300) >> 63, 1);
    for (unsigned csr = 1; csr <= 2; csr++) {
        set(0x300, 2 << 13);
        set(csr, 0);
        assert_int_equal(get(0x300) >> 63, 1);
    }
}

/* ---- Interrupt registers ----------------------------------------------- */

static void test_supervisor_views(void **state)
{
    (void)state;
    set(0x304, 0xaaa);
    set(0x303, 0x202);
    assert_int_equal(get(0x104), 0x202);
    set(0x104, 0);
    assert_int_equal(get(0x304), 0x8a8);
    set(0x104, ALL);
    assert_int_equal(get(0x304), 0xaaa);

    set(0x344, 0x222);
    assert_int_equal(get(0x144), 0x202);
    set(0x144, 0);
    assert_int_equal(get(0x344), 0x220); /* only SSIP is theirs */
    set(0x303, 0);
    set(0x144, 2);
    assert_int_equal(get(0x344), 0x220);
}

static void test_mip_lines(void **state)
{
    static const unsigned lines[] = { 1, 3, 5, 9, 11 };

    (void)state;
    for (unsigned i = 0; i < COUNT(lines); i++) {
        xbar_riscv_set_irq(rig.hart, lines[i], true);
        assert_int_equal(get(0x344), 1u << lines[i]);
        set(0x344, 0);
        assert_int_equal(get(0x344), 1u << lines[i]);
        xbar_riscv_set_irq(rig.hart, lines[i], false);
        assert_int_equal(get(0x344), 0);
    }
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_M_TIMER, true);
    xbar_riscv_set_irq(rig.hart, (enum xbar_riscv_irq)63, true);
    xbar_riscv_set_irq(rig.hart, (enum xbar_riscv_irq)1000, true);
    assert_int_equal(get(0x344), 0);
}

/* A read-modify-write must not latch a line that happens to be up. */
static void test_seip_is_not_latched(void **state)
{
    uint64_t old;

    (void)state;
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_S_EXT, true);
    assert_true(riscv__csr_modify(rig.hart, 0x344, 0, 0x20, &old));
    assert_int_equal(old, 0x200);
    assert_int_equal(get(0x344), 0x220);
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_S_EXT, false);
    assert_int_equal(get(0x344), 0x20);
    assert_true(riscv__csr_modify(rig.hart, 0x344, 0x20, 0x200, &old));
    assert_int_equal(get(0x344), 0x200);
    set(0x303, ALL);
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_S_SOFT, true);
    assert_true(riscv__csr_modify(rig.hart, 0x144, 0, 0x20, &old));
    assert_int_equal(old, 0x202);
    xbar_riscv_set_irq(rig.hart, XBAR_RISCV_IRQ_S_SOFT, false);
    assert_int_equal(get(0x344), 0x200);
}

static void test_tvec(void **state)
{
    static const unsigned tvecs[] = { 0x105, 0x305 };

    (void)state;
    for (unsigned i = 0; i < COUNT(tvecs); i++) {
        set(tvecs[i], 0x80001001);
        assert_int_equal(get(tvecs[i]), 0x80001001);
        set(tvecs[i], 0x80002002);
        assert_int_equal(get(tvecs[i]), 0x80001001);
        set(tvecs[i], 0x80002003);
        assert_int_equal(get(tvecs[i]), 0x80001001);
        set(tvecs[i], 0x80002004);
        assert_int_equal(get(tvecs[i]), 0x80002004);
    }
}

/* ---- Environment ------------------------------------------------------- */

static void check_envcfg(unsigned csr, uint64_t mask)
{
    uint64_t seed = csr;

    for (unsigned round = 0; round < 200; round++) {
        uint64_t value = rig_random(&seed), old = get(csr), writable = mask;

        if ((value >> 4 & 3) == 2) {
            writable &= ~0x30ull; /* reserved: as it was */
        }
        set(csr, value);
        assert_int_equal(get(csr),
                         (old & ~writable & mask) | (value & writable));
    }
}

static void test_envcfg(void **state)
{
    (void)state;
    assert_int_equal(get(0x30a), 1ull << 61);
    assert_int_equal(get(0x10a), 0);
    check_envcfg(0x30a, 0xa0000000000000f1);
    check_envcfg(0x10a, 0xf1);
}

/* stimecmp exists below M with STCE and mcounteren.TM; M always has it. */
static void test_stimecmp_access(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 4; which++) {
        set_mode(PRIV_M);
        set(0x30a, which & 1 ? 1ull << 63 : 0);
        set(0x306, which & 2 ? 2 : ~2u);
        assert_true(can_read(0x14d));
        set_mode(PRIV_S);
        assert_int_equal(can_read(0x14d), which == 3);
        set_mode(PRIV_U);
        assert_false(can_read(0x14d));
    }
}

/* While stimecmp drives STIP, software does not; what it set comes back. */
static void test_stip(void **state)
{
    (void)state;
    set(0x344, 0x20);
    assert_int_equal(get(0x344), 0x20);
    set(0x30a, 1ull << 63);
    assert_int_equal(get(0x344), 0);
    set(0x344, 0x222);
    assert_int_equal(get(0x344), 0x202);
    set(0x14d, 0);
    assert_int_equal(get(0x344), 0x222);
    set(0x344, 0);
    assert_int_equal(get(0x344), 0x20);
    set(0x303, 0x20);
    assert_int_equal(get(0x144), 0x20);
    set(0x14d, UINT64_MAX);
    assert_int_equal(get(0x344), 0);
    set(0x30a, 0);
    assert_int_equal(get(0x344), 0x20);
}

/* ---- satp -------------------------------------------------------------- */

static void test_satp_modes(void **state)
{
    (void)state;
    for (uint64_t mode = 0; mode < 16; mode++) {
        uint64_t value = mode << 60 | 0xabcd00000012345ull;

        set(0x180, 8ull << 60 | 77);
        set(0x180, value);
        assert_int_equal(get(0x180), mode == 0 || mode == 8 || mode == 9
                                         ? value
                                         : 8ull << 60 | 77);
    }
    set(0x180, 8ull << 60 | 0xffffull << 44);
    assert_int_equal(get(0x180) >> 44 & 0xffff, 0xffff);
    assert_int_equal(rig.hart->tlb.asid, 0xffff);
}

static void test_satp_tvm(void **state)
{
    (void)state;
    set(0x300, MSTATUS_TVM);
    assert_true(can_read(0x180));
    set_mode(PRIV_S);
    assert_false(can_read(0x180));
    assert_false(riscv__csr_write(rig.hart, 0x180, 0));
    set_mode(PRIV_M);
    set(0x300, 0);
    set_mode(PRIV_S);
    assert_true(can_read(0x180));
}

/* ---- Counters ---------------------------------------------------------- */

static void test_counter_enables(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 4; bits++) {
        for (unsigned n = 0; n < 32; n++) {
            set_mode(PRIV_M);
            set(0x306, (bits & 1) ? 1u << n : ~(1u << n));
            set(0x106, (bits & 2) ? 1u << n : ~(1u << n));
            assert_true(can_read(0xc00 + n));
            set_mode(PRIV_S);
            assert_int_equal(can_read(0xc00 + n), bits & 1);
            set_mode(PRIV_U);
            assert_int_equal(can_read(0xc00 + n), bits == 3);
        }
    }
}

/* A write takes effect after the writing instruction has retired. */
static void test_minstret(void **state)
{
    static const unsigned counters[] = { 0xb00, 0xb02 };

    (void)state;
    for (unsigned i = 0; i < COUNT(counters); i++) {
        unsigned csr = counters[i];

        retire(100);
        set(csr, 1000);
        retire(1);
        assert_int_equal(get(csr), 1000);
        assert_int_equal(get(csr + 0x100), 1000);
        retire(7);
        assert_int_equal(get(csr), 1007);
        /* From outside no instruction is in progress. */
        assert_int_equal(xbar_riscv_set_csr(rig.hart, csr, 5), 0);
        assert_int_equal(get(csr), 5);
    }
}

static void test_mcountinhibit(void **state)
{
    (void)state;
    set(0xb02, 10);
    retire(1);
    set(0x320, 4);
    retire(1); /* this one still counts */
    assert_int_equal(get(0xb02), 11);
    retire(50);
    assert_int_equal(get(0xb02), 11);
    assert_int_equal(get(0xb00), 52); /* mcycle goes on */
    set(0xb02, 20);
    retire(1);
    assert_int_equal(get(0xb02), 20);
    set(0x320, 4); /* no change, no effect */
    retire(1);
    assert_int_equal(get(0xb02), 20);
    set(0x320, 0);
    retire(1); /* this one does not count yet */
    assert_int_equal(get(0xb02), 20);
    retire(3);
    assert_int_equal(get(0xb02), 23);
}

/* ---- Reset ------------------------------------------------------------- */

static void test_reset(void **state)
{
    uint64_t seed = 4;

    (void)state;
    for (unsigned csr = 0; csr < 0x1000; csr++) {
        (void)!riscv__csr_poke(rig.hart, csr, rig_random(&seed));
    }
    retire(3);
    xbar_riscv_reset(rig.hart);
    assert_int_equal(get(0x300), STATUS_XL);
    set(0x300, MSTATUS_FS);
    for (unsigned csr = 0; csr < 0xf00; csr++) {
        if (should_exist(csr) && csr != 0x300 && csr != 0x100 && csr != 0x301 &&
            csr != 0xc01 && csr != 0x30a && csr != 0x14d) {
            assert_int_equal(get(csr), 0);
        }
    }
    assert_int_equal(get(0x301), MISA);
    assert_int_equal(get(0x30a), 1ull << 61);
    assert_int_equal(get(0x14d), UINT64_MAX);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 10), 5);
    assert_int_equal(xbar_riscv_get_pc(rig.hart), RIG_RAM);
}

static void test_bad_register_numbers(void **state)
{
    (void)state;
    xbar_riscv_set_x(rig.hart, 0, 1);
    xbar_riscv_set_x(rig.hart, 32, 1);
    xbar_riscv_set_f(rig.hart, 32, 1);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 0), 0);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 32), 0);
    assert_int_equal(xbar_riscv_get_f(rig.hart, 4000000000u), 0);
    xbar_riscv_set_x(rig.hart, 31, 7);
    xbar_riscv_set_f(rig.hart, 31, 8);
    assert_int_equal(xbar_riscv_get_x(rig.hart, 31), 7);
    assert_int_equal(xbar_riscv_get_f(rig.hart, 31), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_exactly_these_exist),
        CASE(test_names),
        CASE(test_privilege),
        CASE(test_warl),
        CASE(test_read_only),
        CASE(test_mstatus),
        CASE(test_sstatus),
        CASE(test_fp_state),
        CASE(test_supervisor_views),
        CASE(test_mip_lines),
        CASE(test_seip_is_not_latched),
        CASE(test_tvec),
        CASE(test_envcfg),
        CASE(test_stimecmp_access),
        CASE(test_stip),
        CASE(test_satp_modes),
        CASE(test_satp_tvm),
        CASE(test_counter_enables),
        CASE(test_minstret),
        CASE(test_mcountinhibit),
        CASE(test_reset),
        CASE(test_bad_register_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
