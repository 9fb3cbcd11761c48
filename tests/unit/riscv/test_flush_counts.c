/* SPDX-License-Identifier: MIT */
/*
 * What a guest does ten thousand times a second drops nothing that it need
 * not: looked at through the statistics, in both engines.
 *
 *     SUM, MXR, MPP, MPRV, U, S and M in turn   nothing at all
 *     sfence.vma with an address                that page
 *     satp, between address spaces of two ids   nothing: the second level has
 *                                               what either used
 */
#include "encode.h"
#include "paging.h"

#define CODE   0x1000u /* offsets in RAM, of S's code, */
#define M_CODE 0x3000u
#define U_CODE 0x10000u /* which is shown there, too */
#define DATA   0x20000u /* of S, */
#define U_DATA 0x21000u
#define X_DATA 0x22000u /* to be executed, */
#define OTHER  0x23000u /* of S */

enum {
    CSR_SSTATUS = 0x100,
    CSR_SEPC = 0x141,
    CSR_SATP = 0x180,
    CSR_MSTATUS = 0x300,
    CSR_MEPC = 0x341,
};

#define CAUSE_ECALL_S (CAUSE_ECALL_U + 1)

#define AT(offset) (RIG_RAM + (uint64_t)(offset))

/* Registers of the guests. */
enum {
    VALUE = 10,
    SUM = 20,
    U_PAGE,
    MXR,
    X_PAGE,
    PAGE,
    USER,
    SPP,
    MPRV,
    BACK,
    MPP,
    SATP,
    OTHER_SATP = 31,
    OTHER_PAGE = USER,
};

static uint32_t set_bits(unsigned csr, unsigned rs1)
{
    return insn_csr(2, 0, csr, rs1);
}

static uint32_t clear_bits(unsigned csr, unsigned rs1)
{
    return insn_csr(3, 0, csr, rs1);
}

static uint32_t write_csr(unsigned csr, unsigned rs1)
{
    return insn_csr(1, 0, csr, rs1);
}

static uint32_t load(unsigned page)
{
    return encode(RISCV_OP_LD, VALUE, page, 0, 0);
}

static void map_pages(struct rig *rig)
{
    paging_map(rig, U_CODE / TLB_PAGE_SIZE, U_CODE, PTE_R | PTE_X | PTE_U);
    paging_map(rig, DATA / TLB_PAGE_SIZE, DATA, PTE_R | PTE_W);
    paging_map(rig, U_DATA / TLB_PAGE_SIZE, U_DATA, PTE_R | PTE_W | PTE_U);
    paging_map(rig, X_DATA / TLB_PAGE_SIZE, X_DATA, PTE_X);
    paging_map(rig, OTHER / TLB_PAGE_SIZE, OTHER, PTE_R | PTE_W);
}

/* A hart in S-mode at CODE, in @engine. */
static void open_guest(struct rig *rig, enum xbar_riscv_engine engine)
{
    struct xbar_riscv_hart *hart;

    rig_open(rig);
    rig_open_pmp(rig);
    assert_int_equal(xbar_riscv_set_engine(rig->hart, engine), 0);
    map_pages(rig);
    paging_enter(rig, PRIV_S);
    hart = rig->hart;
    hart->pc = AT(CODE);
    hart->x[U_PAGE] = U_DATA;
    hart->x[X_PAGE] = X_DATA;
    hart->x[PAGE] = DATA;
}

static struct xbar_riscv_stats run(struct rig *rig, uint64_t insns)
{
    struct xbar_riscv_stats stats;

    assert_int_equal(xbar_riscv_run(rig->hart, insns), XBAR_RISCV_EXIT_BUDGET);
    xbar_riscv_get_stats(rig->hart, &stats);
    return stats;
}

/* Between @before and @after, whatever is flushed but @pages single ones. */
static void check_flushes(const struct xbar_riscv_stats *before,
                          const struct xbar_riscv_stats *after, uint64_t pages)
{
    const struct xbar_tlb_stats *a = &before->tlb, *b = &after->tlb;

    assert_int_equal(b->flush_pages - a->flush_pages, pages);
    assert_int_equal(b->flush_contexts, a->flush_contexts);
    assert_int_equal(b->flush_asids, a->flush_asids);
    assert_int_equal(b->invalidated, a->invalidated);
    assert_int_equal(b->protects, a->protects);
}

/*
 *     S: SUM on, a page of U is read and written, SUM off; the same with MXR;
 *        sret to
 *     U: reads it as well; ecall to
 *     S: ecall to
 *     M: MPP to U and back, reads as S by MPRV; mret to
 *     S: once more
 */
static void put_modes(struct rig *rig)
{
    const uint32_t s_code[] = {
        set_bits(CSR_SSTATUS, SUM),
        load(U_PAGE),
        insn_sd(VALUE, U_PAGE, 0),
        clear_bits(CSR_SSTATUS, SUM),
        set_bits(CSR_SSTATUS, MXR),
        load(X_PAGE),
        clear_bits(CSR_SSTATUS, MXR),
        load(PAGE),
        write_csr(CSR_SEPC, USER),
        clear_bits(CSR_SSTATUS, SPP),
        INSN_SRET,
        INSN_ECALL,                             /* stvec */
        encode(RISCV_OP_JAL, 0, 0, 0, -12 * 4), /* mepc */
    };
    const uint32_t u_code[] = { load(U_PAGE), INSN_ECALL };
    const uint32_t m_code[] = {
        clear_bits(CSR_MSTATUS, MPP),
        set_bits(CSR_MSTATUS, MPP),
        set_bits(CSR_MSTATUS, MPRV),
        load(PAGE),
        clear_bits(CSR_MSTATUS, MPRV),
        write_csr(CSR_MEPC, BACK),
        INSN_MRET,
    };
    struct xbar_riscv_hart *hart = rig->hart;

    rig_code(rig, CODE, s_code, 13);
    rig_code(rig, U_CODE, u_code, 2);
    rig_code(rig, M_CODE, m_code, 7);
    hart->stvec = AT(CODE) + 11 * 4;
    hart->mtvec = AT(M_CODE);
    hart->medeleg = 1u << CAUSE_ECALL_U;
    hart->x[SUM] = MSTATUS_SUM;
    hart->x[MXR] = MSTATUS_MXR;
    hart->x[USER] = U_CODE;
    hart->x[SPP] = MSTATUS_SPP;
    hart->x[MPRV] = MSTATUS_MPRV;
    hart->x[BACK] = AT(CODE) + 12 * 4;
    hart->x[MPP] = (uint64_t)PRIV_S << MSTATUS_MPP_SHIFT;
}

static void check_modes(enum xbar_riscv_engine engine)
{
    struct xbar_riscv_stats before, after;
    struct rig rig;

    open_guest(&rig, engine);
    put_modes(&rig);
    before = run(&rig, 2000);
    after = run(&rig, 20000);
    assert_true(after.traps[CAUSE_ECALL_U] - before.traps[CAUSE_ECALL_U] > 500);
    assert_true(after.traps[CAUSE_ECALL_S] - before.traps[CAUSE_ECALL_S] > 500);
    assert_int_equal(after.exceptions - before.exceptions,
                     after.traps[CAUSE_ECALL_U] - before.traps[CAUSE_ECALL_U] +
                         after.traps[CAUSE_ECALL_S] -
                         before.traps[CAUSE_ECALL_S]);
    check_flushes(&before, &after, 0);
    assert_int_equal(after.tlb.walks, before.tlb.walks);
    assert_int_equal(after.tlb.l2_hits, before.tlb.l2_hits);
    assert_int_equal(after.tlb.switches, before.tlb.switches);
    rig_close(&rig);
}

static void test_modes_drop_nothing(void **state)
{
    (void)state;
    check_modes(XBAR_RISCV_INTERP);
    check_modes(XBAR_RISCV_JIT);
}

/* Two pages are read, one of them after an sfence.vma that names it. */
static void check_fence(enum xbar_riscv_engine engine)
{
    const uint32_t code[] = {
        encode(RISCV_OP_SFENCE_VMA, 0, PAGE, 0, 0),
        load(PAGE),
        load(OTHER_PAGE),
        encode(RISCV_OP_JAL, 0, 0, 0, -12),
    };
    struct xbar_riscv_stats before, after;
    struct rig rig;

    open_guest(&rig, engine);
    rig_code(&rig, CODE, code, 4);
    rig.hart->x[OTHER_PAGE] = OTHER;
    before = run(&rig, 400);
    after = run(&rig, 4000);
    assert_int_equal(after.sfence_vma - before.sfence_vma, 1000);
    check_flushes(&before, &after, 1000);
    assert_int_equal(after.tlb.walks - before.tlb.walks, 1000);
    assert_int_equal(after.tlb.l2_hits, before.tlb.l2_hits);
    rig_close(&rig);
}

static void test_fence_drops_one_page(void **state)
{
    (void)state;
    check_fence(XBAR_RISCV_INTERP);
    check_fence(XBAR_RISCV_JIT);
}

/* Between two ids, each of which reads both pages. */
static void check_ids(enum xbar_riscv_engine engine)
{
    const uint32_t code[] = {
        write_csr(CSR_SATP, SATP),          load(PAGE), load(OTHER_PAGE),
        write_csr(CSR_SATP, OTHER_SATP),    load(PAGE), load(OTHER_PAGE),
        encode(RISCV_OP_JAL, 0, 0, 0, -24),
    };
    struct xbar_riscv_stats before, after;
    struct rig rig;

    open_guest(&rig, engine);
    rig_code(&rig, CODE, code, 7);
    rig.hart->x[OTHER_PAGE] = OTHER;
    rig.hart->x[SATP] = rig.hart->satp | UINT64_C(1) << SATP_ASID_SHIFT;
    rig.hart->x[OTHER_SATP] = rig.hart->satp | UINT64_C(2) << SATP_ASID_SHIFT;
    before = run(&rig, 700);
    after = run(&rig, 7000);
    assert_int_equal(after.tlb.switches - before.tlb.switches, 2000);
    check_flushes(&before, &after, 0);
    assert_int_equal(after.tlb.walks, before.tlb.walks);
    assert_true(after.tlb.l2_hits - before.tlb.l2_hits >= 4000);
    rig_close(&rig);
}

static void test_ids_are_kept(void **state)
{
    (void)state;
    check_ids(XBAR_RISCV_INTERP);
    check_ids(XBAR_RISCV_JIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes_drop_nothing),
        cmocka_unit_test(test_fence_drops_one_page),
        cmocka_unit_test(test_ids_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
