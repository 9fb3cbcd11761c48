/* SPDX-License-Identifier: MIT */
/* CSR instructions, fences, traps on purpose, wfi. */
#include "exec.h"

#define CSR_FCSR     0x003
#define CSR_SSCRATCH 0x140
#define CSR_MSCRATCH 0x340
#define CSR_MIP      0x344
#define CSR_MINSTRET 0xb02
#define CSR_MHARTID  0xf14
#define CSR_NONE     0x7ff

/* In another mode; execution is back in M-mode after a trap. */
static void set_mode(struct rig *rig, enum riscv_priv mode)
{
    rig->hart->priv = mode;
    riscv__update_contexts(rig->hart);
}

static uint32_t csr(enum riscv_op op, unsigned rd, unsigned rs1, unsigned csr)
{
    return encode(op, rd, rs1, 0, (int32_t)csr);
}

/* ---- CSR instructions -------------------------------------------------- */

static void test_csr_values(void **state)
{
    struct rig *rig = *state;
    struct xbar_riscv_hart *hart = rig->hart;

    hart->mscratch = 0xff00;
    hart->x[5] = 0x0ff0;
    exec_ok(rig, csr(RISCV_OP_CSRRW, 7, 5, CSR_MSCRATCH));
    assert_int_equal(hart->x[7], 0xff00);
    assert_int_equal(hart->mscratch, 0x0ff0);
    hart->x[5] = 0xf000;
    exec_ok(rig, csr(RISCV_OP_CSRRS, 7, 5, CSR_MSCRATCH));
    assert_int_equal(hart->x[7], 0x0ff0);
    assert_int_equal(hart->mscratch, 0xfff0);
    exec_ok(rig, csr(RISCV_OP_CSRRC, 5, 5, CSR_MSCRATCH));
    assert_int_equal(hart->x[5], 0xfff0);
    assert_int_equal(hart->mscratch, 0x0ff0);
    exec_ok(rig, csr(RISCV_OP_CSRRWI, 7, 31, CSR_MSCRATCH));
    assert_int_equal(hart->x[7], 0x0ff0);
    assert_int_equal(hart->mscratch, 31);
    exec_ok(rig, csr(RISCV_OP_CSRRCI, 7, 16, CSR_MSCRATCH));
    assert_int_equal(hart->mscratch, 15);
    exec_ok(rig, csr(RISCV_OP_CSRRSI, 0, 16, CSR_MSCRATCH));
    assert_int_equal(hart->mscratch, 31);
}

/* Swapping a register with a CSR. */
static void test_csr_swap(void **state)
{
    struct rig *rig = *state;

    rig->hart->mscratch = 1;
    rig->hart->x[5] = 2;
    exec_ok(rig, csr(RISCV_OP_CSRRW, 5, 5, CSR_MSCRATCH));
    assert_int_equal(rig->hart->x[5], 1);
    assert_int_equal(rig->hart->mscratch, 2);
}

/* Whether it writes is in the encoding, not in the value. */
static void test_read_only_csr(void **state)
{
    struct rig *rig = *state;
    struct xbar_riscv_hart *hart = rig->hart;

    exec_ok(rig, csr(RISCV_OP_CSRRS, 7, 0, CSR_MHARTID));
    assert_int_equal(hart->x[7], 5);
    exec_ok(rig, csr(RISCV_OP_CSRRCI, 7, 0, CSR_MHARTID));
    hart->x[5] = 0;
    hart->x[7] = 0x1234;
    exec_is_illegal(rig, csr(RISCV_OP_CSRRS, 7, 5, CSR_MHARTID));
    exec_is_illegal(rig, csr(RISCV_OP_CSRRC, 7, 5, CSR_MHARTID));
    exec_is_illegal(rig, csr(RISCV_OP_CSRRW, 7, 0, CSR_MHARTID));
    exec_is_illegal(rig, csr(RISCV_OP_CSRRW, 0, 0, CSR_MHARTID));
    exec_is_illegal(rig, csr(RISCV_OP_CSRRWI, 7, 0, CSR_MHARTID));
    assert_int_equal(hart->x[7], 0x1234);
}

static void test_refused_csr(void **state)
{
    struct rig *rig = *state;

    exec_is_illegal(rig, csr(RISCV_OP_CSRRS, 7, 0, CSR_NONE));
    exec_is_illegal(rig, csr(RISCV_OP_CSRRW, 0, 5, CSR_NONE));
    set_mode(rig, PRIV_S);
    exec_is_illegal(rig, csr(RISCV_OP_CSRRS, 7, 0, CSR_MSCRATCH));
    set_mode(rig, PRIV_S);
    rig->hart->sscratch = 9;
    exec_ok(rig, csr(RISCV_OP_CSRRS, 7, 0, CSR_SSCRATCH));
    assert_int_equal(rig->hart->x[7], 9);
    set_mode(rig, PRIV_U);
    exec_is_illegal(rig, csr(RISCV_OP_CSRRS, 7, 0, CSR_SSCRATCH));
}

/* The external line shows in mip.SEIP but is not written back by csrrs. */
static void test_mip_line_is_not_latched(void **state)
{
    struct rig *rig = *state;
    struct xbar_riscv_hart *hart = rig->hart;

    xbar_riscv_set_irq(hart, XBAR_RISCV_IRQ_S_EXT, true);
    hart->x[5] = MIP_STIP;
    exec_ok(rig, csr(RISCV_OP_CSRRS, 7, 5, CSR_MIP));
    assert_int_equal(hart->x[7], MIP_SEIP);
    xbar_riscv_set_irq(hart, XBAR_RISCV_IRQ_S_EXT, false);
    exec_ok(rig, csr(RISCV_OP_CSRRS, 7, 0, CSR_MIP));
    assert_int_equal(hart->x[7], MIP_STIP);
}

/* A counter read sees what retired before it; a write is not counted on. */
static void test_instret(void **state)
{
    struct rig *rig = *state;
    struct xbar_riscv_hart *hart = rig->hart;

    hart->x[5] = 1000;
    exec_ok(rig, csr(RISCV_OP_CSRRW, 0, 5, CSR_MINSTRET));
    exec_ok(rig, csr(RISCV_OP_CSRRS, 7, 0, CSR_MINSTRET));
    assert_int_equal(hart->x[7], 1000);
    exec_ok(rig, csr(RISCV_OP_CSRRS, 7, 0, CSR_MINSTRET));
    assert_int_equal(hart->x[7], 1001);
}

static void test_fcsr_needs_fs(void **state)
{
    struct rig *rig = *state;

    rig->hart->mstatus &= ~MSTATUS_FS;
    exec_is_illegal(rig, csr(RISCV_OP_CSRRS, 7, 0, CSR_FCSR));
    rig->hart->mstatus |= (uint64_t)1 << MSTATUS_FS_SHIFT;
    exec_ok(rig, csr(RISCV_OP_CSRRWI, 7, 21, CSR_FCSR));
    assert_int_equal(rig->hart->fflags, 21);
}

/* ---- Fences ------------------------------------------------------------ */

static void test_fences(void **state)
{
    struct rig *rig = *state;

    exec_ok(rig, 0x0ff0000f);              /* fence */
    exec_ok(rig, 0x8330000f);              /* fence.tso */
    exec_ok(rig, 0x0100000f);              /* pause */
    exec_ok(rig, 0x00128f8f | 0xf0000000); /* reserved fields are ignored */
    exec_ok(rig, 0x0000100f);              /* fence.i */
    assert_int_equal(rig->hart->stats.fence_i, 1);
    exec_ok(rig, 0x12000073); /* sfence.vma */
    assert_int_equal(rig->hart->stats.sfence_vma, 1);
    set_mode(rig, PRIV_U);
    exec_is_illegal(rig, 0x12000073);
}

/* ---- Traps on purpose -------------------------------------------------- */

/* sinval.vma is refused where sfence.vma is; the two that order it are only
 * refused in U-mode. */
static void test_svinval(void **state)
{
    const uint32_t sinval = encode(RISCV_OP_SINVAL_VMA, 0, 5, 6, 0);
    const uint32_t order[] = { riscv__ops[RISCV_OP_SFENCE_W_INVAL].match,
                               riscv__ops[RISCV_OP_SFENCE_INVAL_IR].match };
    struct rig *rig = *state;
    uint64_t fences = rig->hart->stats.sfence_vma;

    exec_ok(rig, sinval);
    assert_int_equal(rig->hart->stats.sfence_vma, fences + 1);
    for (unsigned i = 0; i < 2; i++) {
        set_mode(rig, PRIV_U);
        exec_is_illegal(rig, order[i]);
        rig->hart->mstatus |= MSTATUS_TVM;
        set_mode(rig, PRIV_S);
        exec_ok(rig, order[i]);
        exec_is_illegal(rig, sinval);
        rig->hart->mstatus &= ~MSTATUS_TVM;
        set_mode(rig, PRIV_S);
        exec_ok(rig, sinval);
    }
    set_mode(rig, PRIV_U);
    exec_is_illegal(rig, sinval);
}

static void test_ecall(void **state)
{
    static const enum riscv_priv modes[] = { PRIV_U, PRIV_S, PRIV_M };
    struct rig *rig = *state;
    unsigned i;

    for (i = 0; i < 3; i++) {
        set_mode(rig, modes[i]);
        exec_traps(rig, INSN_ECALL, 8 + modes[i], 0);
        assert_int_equal(rig->hart->mepc, EXEC_CODE);
    }
}

static void test_ebreak(void **state)
{
    struct rig *rig = *state;

    exec_traps(rig, 0x00100073, CAUSE_BREAKPOINT, EXEC_CODE);
    exec_at(rig, EXEC_CODE + 6, 0x9002); /* c.ebreak */
    assert_trap(rig, CAUSE_BREAKPOINT, EXEC_CODE + 6);
}

/* What traps does not retire: only the handler's jump did. */
static void test_traps_do_not_retire(void **state)
{
    struct rig *rig = *state;
    uint64_t before = rig->hart->stats.instructions;

    exec_traps(rig, INSN_ECALL, CAUSE_ECALL_U + PRIV_M, 0);
    exec_traps(rig, 0x00100073, CAUSE_BREAKPOINT, EXEC_CODE);
    exec_is_illegal(rig, INSN_BAD);
    assert_int_equal(rig->hart->stats.instructions, before + 3);
    assert_int_equal(rig->hart->stats.exceptions, 3);
}

static void test_illegal_bits(void **state)
{
    struct rig *rig = *state;

    exec_is_illegal(rig, INSN_BAD);
    exec_is_illegal(rig, 0x00000000);
    /* Of a compressed one only its own 16 bits are reported. */
    exec(rig, 0x12348002);
    assert_trap(rig, CAUSE_ILLEGAL, 0x8002);
}

static void test_xret(void **state)
{
    struct rig *rig = *state;
    struct xbar_riscv_hart *hart = rig->hart;

    hart->mepc = EXEC_CODE + 0x20;
    hart->mstatus &= ~MSTATUS_MPP;
    exec(rig, INSN_MRET);
    assert_int_equal(hart->pc, EXEC_CODE + 0x20);
    assert_int_equal(hart->priv, PRIV_U);
    exec_is_illegal(rig, INSN_SRET); /* in U-mode */

    set_mode(rig, PRIV_S);
    exec_is_illegal(rig, INSN_MRET);
    set_mode(rig, PRIV_S);
    hart->sepc = EXEC_CODE + 0x40;
    hart->mstatus |= MSTATUS_SPP;
    exec(rig, INSN_SRET);
    assert_int_equal(hart->pc, EXEC_CODE + 0x40);
    assert_int_equal(hart->priv, PRIV_S);
}

static void test_wfi_refused(void **state)
{
    struct rig *rig = *state;

    set_mode(rig, PRIV_U);
    exec_is_illegal(rig, INSN_WFI);
    rig->hart->mstatus |= MSTATUS_TW;
    set_mode(rig, PRIV_S);
    exec_is_illegal(rig, INSN_WFI);
    assert_int_equal(rig->hart->stats.wfi_sleeps, 0);
}

static void test_wfi_retires(void **state)
{
    struct rig *rig = *state;

    /* Pending and enabled, though masked by mstatus.MIE: it ends at once. */
    rig->hart->mie = MIP_MSIP;
    xbar_riscv_set_irq(rig->hart, XBAR_RISCV_IRQ_M_SOFT, true);
    exec_ok(rig, INSN_WFI);
    assert_int_equal(rig->hart->stats.instructions, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, exec_open, exec_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_csr_values),
        TEST(test_csr_swap),
        TEST(test_read_only_csr),
        TEST(test_refused_csr),
        TEST(test_mip_line_is_not_latched),
        TEST(test_instret),
        TEST(test_fcsr_needs_fs),
        TEST(test_fences),
        TEST(test_svinval),
        TEST(test_ecall),
        TEST(test_ebreak),
        TEST(test_traps_do_not_retire),
        TEST(test_illegal_bits),
        TEST(test_xret),
        TEST(test_wfi_refused),
        TEST(test_wfi_retires),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
