/* SPDX-License-Identifier: MIT */
/*
 * Tests of jit/riscv/mmu.c, what empties the TLB: sfence.vma as software
 * relies on it, satp, reset.
 */
#include "tests/unit/riscv/tables.h"

#include "tests/unit/riscv/one_rig.h"

static uint64_t load(unsigned context, uint64_t va)
{
    uint64_t value = 0;

    assert_int_equal(tlb_load_slow(&rig.hart->tlb, context, va, 3, &value), 0);
    return value;
}

static void sfence(uint64_t va, bool all, unsigned asid)
{
    rig.hart->x[5] = va;
    rig.hart->x[6] = asid;
    assert_true(riscv__sfence_vma(rig.hart, all ? 0 : 5, asid ? 6 : 0));
}

/* Two places in RAM that tell themselves apart. */
#define OLD (RIG_RAM + 0x200000)
#define NEW (RIG_RAM + 0x000000)

static void test_sfence_page(void **state)
{
    (void)state;
    simple_tables(&rig);
    memset(rig.mem + 0x200000, 0x11, PAGE_SIZE);
    memset(rig.mem + 0x201000, 0x22, PAGE_SIZE);
    *pte_at(&rig, 2, 3) = make_pte(OLD, V | R | A);
    *pte_at(&rig, 2, 4) = make_pte(OLD, V | R | A);
    tlb_enter(&rig.hart->tlb);
    assert_int_equal(load(CTX_S, 0x3000), 0x1111111111111111);
    assert_int_equal(load(CTX_S, 0x4000), 0x1111111111111111);
    *pte_at(&rig, 2, 3) = make_pte(OLD + PAGE_SIZE, V | R | A);
    *pte_at(&rig, 2, 4) = make_pte(OLD + PAGE_SIZE, V | R | A);
    sfence(0x3ff8, false, 0);
    assert_int_equal(load(CTX_S, 0x3000), 0x2222222222222222);
    /* Just that page: the neighbour is still the cached one. */
    assert_int_equal(load(CTX_S, 0x4000), 0x1111111111111111);
    sfence(0, true, 0);
    assert_int_equal(load(CTX_S, 0x4000), 0x2222222222222222);
    tlb_leave(&rig.hart->tlb);
}

/*
 * A leaf of 2 MiB (1 GiB) is changed and fenced by one address in it: every
 * address that it mapped is translated anew.
 */
static void check_superpage(unsigned table, unsigned index, uint64_t base,
                            uint64_t old, uint64_t new)
{
    *pte_at(&rig, table, index) = make_pte(old, V | R | A);
    sfence(0, true, 0);
    for (uint64_t page = 0; page < 200; page += 7) {
        memset(rig.mem + 0x200000 + page * PAGE_SIZE, 0x11, 8);
        assert_int_equal(load(CTX_S, base + 0x200000 + page * PAGE_SIZE),
                         0x1111111111111111);
    }
    *pte_at(&rig, table, index) = make_pte(new, V | R | A);
    sfence(base + 0x2ff000, false, 0);
    for (uint64_t page = 0; page < 200; page += 7) {
        memset(rig.mem + 0x200000 + page * PAGE_SIZE, 0x22, 8);
        tlb_ram_store(rig.mem + 0x200000 + page * PAGE_SIZE, 3, page);
    }
    for (uint64_t page = 0; page < 200; page += 7) {
        uint64_t value;
        int code = tlb_load_slow(&rig.hart->tlb, CTX_S,
                                 base + 0x200000 + page * PAGE_SIZE, 3, &value);

        assert_true(code != 0 || value != page);
    }
}

static void test_sfence_superpage(void **state)
{
    (void)state;
    simple_tables(&rig);
    tlb_enter(&rig.hart->tlb);
    /* 2 MiB at 0x200000: onto OLD, then onto the tables' own 2 MiB. */
    check_superpage(1, 1, 0, OLD, NEW);
    /* 1 GiB at 0x4000_0000, then onto nothing. */
    check_superpage(0, 1, 0x40000000, 0x80000000, 0x40000000);
    tlb_leave(&rig.hart->tlb);
}

/* Once all is flushed, an address that was in a superpage is any other. */
static void test_superpages_are_forgotten(void **state)
{
    struct xbar_tlb_stats before;

    (void)state;
    simple_tables(&rig);
    *pte_at(&rig, 1, 1) = make_pte(OLD, V | R | A);
    tlb_enter(&rig.hart->tlb);
    for (unsigned i = 0; i < 3; i++) {
        load(CTX_S, 0x200000);
        switch (i) {
        case 0:
            sfence(0, true, 0);
            break;
        case 1:
            use_root(&rig, 0, 2);
            break;
        default:
            assert_true(riscv__csr_poke(rig.hart, 0x3a0, 0x9f));
            break;
        }
        before = rig.hart->tlb.stats;
        sfence(0x200000, false, 0);
        assert_int_equal(rig.hart->tlb.stats.flush_pages,
                         before.flush_pages + 1);
        assert_int_equal(rig.hart->tlb.stats.flush_contexts,
                         before.flush_contexts);
    }
    tlb_leave(&rig.hart->tlb);
}

static void test_sfence_asid(void **state)
{
    (void)state;
    simple_tables(&rig);
    memset(rig.mem + 0x200000, 0x11, PAGE_SIZE);
    memset(rig.mem + 0x201000, 0x22, PAGE_SIZE);
    *pte_at(&rig, 2, 3) = make_pte(OLD, V | R | A);
    *pte_at(&rig, 2, 4) = make_pte(OLD, V | R | A | 0x20);
    tlb_enter(&rig.hart->tlb);
    assert_int_equal(load(CTX_S, 0x3000), 0x1111111111111111);
    assert_int_equal(load(CTX_S, 0x4000), 0x1111111111111111);
    *pte_at(&rig, 2, 3) = make_pte(OLD + PAGE_SIZE, V | R | A);
    *pte_at(&rig, 2, 4) = make_pte(OLD + PAGE_SIZE, V | R | A | 0x20);
    sfence(0, true, 2); /* another id */
    assert_int_equal(load(CTX_S, 0x3000), 0x1111111111111111);
    sfence(0, true, 1);
    assert_int_equal(load(CTX_S, 0x3000), 0x2222222222222222);
    assert_int_equal(load(CTX_S, 0x4000), 0x1111111111111111); /* global */
    tlb_leave(&rig.hart->tlb);
}

static void test_satp_switch(void **state)
{
    (void)state;
    simple_tables(&rig);
    memset(rig.mem + 0x200000, 0x11, PAGE_SIZE);
    memset(rig.mem + 0x201000, 0x22, PAGE_SIZE);
    *pte_at(&rig, 2, 3) = make_pte(OLD, V | R | A);
    *pte_at(&rig, 3, 0) = make_pte(RIG_RAM + 4 * PAGE_SIZE, V);
    *pte_at(&rig, 4, 0) = make_pte(RIG_RAM + 5 * PAGE_SIZE, V);
    *pte_at(&rig, 5, 3) = make_pte(OLD + PAGE_SIZE, V | R | A);
    tlb_enter(&rig.hart->tlb);
    for (unsigned i = 0; i < 4; i++) {
        use_root(&rig, 0, 1);
        assert_int_equal(load(CTX_S, 0x3000), 0x1111111111111111);
        use_root(&rig, 3, 2);
        assert_int_equal(load(CTX_S, 0x3000), 0x2222222222222222);
    }
    tlb_leave(&rig.hart->tlb);
}

/* What was allowed before a reset is not after it. */
static void test_reset_forgets(void **state)
{
    uint64_t value;

    (void)state;
    simple_tables(&rig);
    *pte_at(&rig, 2, 3) = make_pte(OLD, V | R | A);
    tlb_enter(&rig.hart->tlb);
    load(CTX_S, 0x3000);
    tlb_leave(&rig.hart->tlb);
    xbar_riscv_reset(rig.hart);
    tlb_enter(&rig.hart->tlb);
    assert_int_equal(
        tlb_load_slow(&rig.hart->tlb, CTX_S, 0x3000, 3, &value) != 0, 1);
    assert_int_equal(rig.hart->tlb.fault.code, CAUSE_LOAD_ACCESS + 1);
    tlb_leave(&rig.hart->tlb);
}

static void test_sfence_privilege(void **state)
{
    (void)state;
    rig.hart->priv = PRIV_U;
    assert_false(riscv__sfence_vma(rig.hart, 0, 0));
    rig.hart->priv = PRIV_S;
    assert_true(riscv__sfence_vma(rig.hart, 0, 0));
    rig.hart->mstatus |= MSTATUS_TVM;
    assert_false(riscv__sfence_vma(rig.hart, 0, 0));
    rig.hart->priv = PRIV_M;
    assert_true(riscv__sfence_vma(rig.hart, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_sfence_page),
        CASE(test_sfence_superpage),
        CASE(test_superpages_are_forgotten),
        CASE(test_sfence_asid),
        CASE(test_satp_switch),
        CASE(test_reset_forgets),
        CASE(test_sfence_privilege),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
