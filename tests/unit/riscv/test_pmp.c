/* SPDX-License-Identifier: MIT */
/* Tests of jit/riscv/pmp.c against a model that matches byte by byte. */
#include "tests/unit/riscv/rig.h"

#include <stdlib.h>

#define G         10 /* 4 KiB */
#define ADDR_BITS 54

/*
 * The model keeps registers as read by software and asks, for one byte, each
 * entry in turn, in the words of the specification.
 */
static uint64_t read_addr(const struct riscv_pmp *pmp, unsigned i)
{
    return riscv__pmp_read_addr(pmp, i);
}

static unsigned read_cfg(const struct riscv_pmp *pmp, unsigned i)
{
    return riscv__pmp_read_cfg(pmp, i / 8 * 2) >> (i % 8 * 8) & 0xff;
}

static bool model_napot(uint64_t reg, uint64_t byte)
{
    unsigned ones = 0;

    while (ones < ADDR_BITS && (reg >> ones & 1)) {
        ones++;
    }
    /* yyy0111: everything above the zero must agree. */
    return ones >= ADDR_BITS - 1 ||
           byte >> (ones + 3) == (reg << 2) >> (ones + 3);
}

static bool model_matches(const struct riscv_pmp *pmp, unsigned i,
                          uint64_t byte)
{
    uint64_t low = i ? read_addr(pmp, i - 1) : 0;

    switch (read_cfg(pmp, i) >> 3 & 3) {
    case 1:
        /* Bits below the granularity do not take part. */
        low = low >> G << G;
        return byte >> 2 >= low && byte >> 2 < read_addr(pmp, i) >> G << G;
    case 2:
        return byte >> 2 == read_addr(pmp, i);
    case 3:
        return model_napot(read_addr(pmp, i), byte);
    default:
        return false;
    }
}

static unsigned model_prot(const struct riscv_pmp *pmp, uint64_t byte,
                           unsigned priv)
{
    for (unsigned i = 0; i < PMP_ENTRIES; i++) {
        unsigned cfg = read_cfg(pmp, i);

        if (model_matches(pmp, i, byte)) {
            return priv == PRIV_M && !(cfg & 0x80) ? 7 : cfg & 7;
        }
    }
    return priv == PRIV_M ? 7 : 0;
}

/* ---- Random configurations --------------------------------------------- */

/* Addresses come from a small space, so that entries meet. */
static uint64_t random_addr(uint64_t *seed)
{
    uint64_t value = rig_random(seed) % 0x40 << G;
    unsigned ones = rig_random(seed) % 16;

    switch (rig_random(seed) % 8) {
    case 0:
        return UINT64_MAX;
    case 1:
        return rig_random(seed);
    case 2:
        return value | rig_random(seed) % 1024;
    default:
        return value | ((1u << ones) - 1);
    }
}

static uint64_t random_cfg(uint64_t *seed, bool locks)
{
    uint64_t value = rig_random(seed);

    return locks && rig_random(seed) % 4 == 0 ? value
                                              : value & ~0x8080808080808080ull;
}

static void randomize(struct riscv_pmp *pmp, uint64_t *seed)
{
    memset(pmp, 0, sizeof(*pmp));
    for (unsigned i = 0; i < PMP_ENTRIES; i++) {
        riscv__pmp_write_addr(pmp, i, random_addr(seed));
    }
    riscv__pmp_write_cfg(pmp, 0, random_cfg(seed, true));
    riscv__pmp_write_cfg(pmp, 2, random_cfg(seed, true));
}

static void check_page(const struct riscv_pmp *pmp, uint64_t page)
{
    static const unsigned modes[] = { PRIV_U, PRIV_S, PRIV_M };
    static const unsigned offsets[] = { 0, 1, 0x7fc, 0x800, 0xffc, 0xfff };

    for (unsigned m = 0; m < 3; m++) {
        unsigned prot = riscv__pmp_prot(pmp, page, modes[m]);

        for (unsigned o = 0; o < 6; o++) {
            assert_int_equal(prot,
                             model_prot(pmp, page + offsets[o], modes[m]));
        }
    }
}

static void test_against_model(void **state)
{
    struct riscv_pmp pmp;
    uint64_t seed = 1;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        randomize(&pmp, &seed);
        for (uint64_t page = 0; page < 0x48; page++) {
            check_page(&pmp, page << 12);
        }
        check_page(&pmp, rig_random(&seed) >> 8 & TLB_PAGE_MASK);
    }
}

/* ---- Registers --------------------------------------------------------- */

static void test_no_entry(void **state)
{
    struct riscv_pmp pmp = { .active = 0 };

    (void)state;
    assert_int_equal(riscv__pmp_prot(&pmp, 0x80000000, PRIV_M), 7);
    assert_int_equal(riscv__pmp_prot(&pmp, 0x80000000, PRIV_S), 0);
    assert_int_equal(riscv__pmp_prot(&pmp, 0x80000000, PRIV_U), 0);
}

/* What firmware does to find the granularity. */
static void test_granularity_shows(void **state)
{
    struct riscv_pmp pmp = { .active = 0 };
    uint64_t value;

    (void)state;
    riscv__pmp_write_cfg(&pmp, 0, 0);
    riscv__pmp_write_addr(&pmp, 0, UINT64_MAX);
    value = riscv__pmp_read_addr(&pmp, 0);
    assert_int_equal(__builtin_ctzll(value), G);
    assert_int_equal(64 - __builtin_clzll(value), ADDR_BITS);

    /* The mode changes how the register reads, not what it holds. */
    riscv__pmp_write_addr(&pmp, 0, 0x1234567);
    riscv__pmp_write_cfg(&pmp, 0, 0x18);
    assert_int_equal(riscv__pmp_read_addr(&pmp, 0), 0x1234567 | 0x1ff);
    riscv__pmp_write_cfg(&pmp, 0, 0x08);
    assert_int_equal(riscv__pmp_read_addr(&pmp, 0), 0x1234400);
    riscv__pmp_write_cfg(&pmp, 0, 0x18);
    riscv__pmp_write_addr(&pmp, 0, 0x200);
    assert_int_equal(riscv__pmp_read_addr(&pmp, 0), 0x3ff);
    riscv__pmp_write_addr(&pmp, 0, 0x400);
    assert_int_equal(riscv__pmp_read_addr(&pmp, 0), 0x5ff);
}

static void test_legal_configurations(void **state)
{
    (void)state;
    for (unsigned cfg = 0; cfg < 256; cfg++) {
        struct riscv_pmp pmp = { .active = 0 };
        unsigned expect = cfg & 0x9f;

        if ((cfg & 0x18) == 0x10) {
            expect |= 0x08; /* NA4 is too fine */
        }
        if (!(cfg & 1)) {
            expect &= ~2u; /* write-only is reserved */
        }
        riscv__pmp_write_cfg(&pmp, 2, (uint64_t)cfg << 40);
        assert_int_equal(riscv__pmp_read_cfg(&pmp, 2), (uint64_t)expect << 40);
        assert_int_equal(riscv__pmp_read_cfg(&pmp, 0), 0);
    }
}

static void test_locks(void **state)
{
    struct riscv_pmp pmp = { .active = 0 };

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        riscv__pmp_write_addr(&pmp, i, (uint64_t)i << G);
    }
    /* 1: locked range; 4: locked NAPOT; 6: locked, off. */
    assert_true(riscv__pmp_write_cfg(
        &pmp, 0, 0x80ull << 48 | 0x98ull << 32 | 0x89ull << 8));
    for (unsigned i = 0; i < 8; i++) {
        bool locked = i == 0 || i == 1 || i == 4 || i == 6;

        assert_int_equal(riscv__pmp_write_addr(&pmp, i, 0xff << G), !locked);
    }
    riscv__pmp_write_cfg(&pmp, 0, 0x0707070707070707);
    assert_int_equal(riscv__pmp_read_cfg(&pmp, 0), 0x0780079807078907);
}

/* Rules follow each write, whichever register comes last. */
static void test_rules_follow(void **state)
{
    struct riscv_pmp pmp = { .active = 0 };

    (void)state;
    riscv__pmp_write_cfg(&pmp, 0, 0x0b); /* up to pmpaddr0: rw- */
    assert_int_equal(riscv__pmp_prot(&pmp, 0x1000, PRIV_S), 0);
    riscv__pmp_write_addr(&pmp, 0, 2 << G);
    assert_int_equal(riscv__pmp_prot(&pmp, 0x1000, PRIV_S), 3);
    riscv__pmp_write_addr(&pmp, 0, 1 << G);
    assert_int_equal(riscv__pmp_prot(&pmp, 0x1000, PRIV_S), 0);
    riscv__pmp_write_addr(&pmp, 0, 2 << G);
    riscv__pmp_write_cfg(&pmp, 0, 0x0c);
    assert_int_equal(riscv__pmp_prot(&pmp, 0x1000, PRIV_S), 4);
}

static void test_change_is_told(void **state)
{
    struct riscv_pmp pmp = { .active = 0 };

    (void)state;
    assert_false(riscv__pmp_write_cfg(&pmp, 0, 0));
    assert_true(riscv__pmp_write_cfg(&pmp, 0, 0x1f));
    assert_false(riscv__pmp_write_cfg(&pmp, 0, 0x1f));
    assert_true(riscv__pmp_write_addr(&pmp, 0, 5));
    assert_false(riscv__pmp_write_addr(&pmp, 0, 5));
}

/* A write through the CSR drops what the old rules allowed. */
static void test_csr_write_flushes(void **state)
{
    struct rig rig;
    uint64_t flushes;

    (void)state;
    rig_open(&rig);
    flushes = rig.hart->tlb.stats.flush_contexts;
    assert_true(riscv__csr_write(rig.hart, 0x3b0, UINT64_MAX));
    assert_true(riscv__csr_write(rig.hart, 0x3a0, 0x1f));
    assert_true(rig.hart->tlb.stats.flush_contexts > flushes);
    flushes = rig.hart->tlb.stats.flush_contexts;
    assert_true(riscv__csr_write(rig.hart, 0x3a0, 0x1f));
    assert_int_equal(rig.hart->tlb.stats.flush_contexts, flushes);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_no_entry),
        cmocka_unit_test(test_granularity_shows),
        cmocka_unit_test(test_legal_configurations),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_rules_follow),
        cmocka_unit_test(test_change_is_told),
        cmocka_unit_test(test_csr_write_flushes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
