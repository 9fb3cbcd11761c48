/* SPDX-License-Identifier: MIT */
/* Cache blocks: who may, where, and what is zeroed. */
#include "exec.h"

#include "tables.h"

#define REG  5
#define DATA (RIG_RAM + EXEC_DATA)

static const enum riscv_op ops[] = { RISCV_OP_CBO_INVAL, RISCV_OP_CBO_CLEAN,
                                     RISCV_OP_CBO_FLUSH, RISCV_OP_CBO_ZERO };
#define OPS (sizeof(ops) / sizeof(ops[0]))

static uint32_t cbo(enum riscv_op op)
{
    return encode(op, 0, REG, 0, 0);
}

static void set_mode(struct rig *rig, unsigned priv)
{
    rig->hart->priv = (uint8_t)priv;
    riscv__update_contexts(rig->hart);
}

/* A CBIE of 1 or 3 will do; 2 cannot be there. */
static uint64_t enables(enum riscv_op op)
{
    switch (op) {
    case RISCV_OP_CBO_INVAL:
        return 0x10;
    case RISCV_OP_CBO_ZERO:
        return 0x80;
    default:
        return 0x40;
    }
}

/* ---- Who may ----------------------------------------------------------- */

static void check_enable(struct rig *rig, enum riscv_op op, unsigned priv,
                         unsigned which)
{
    bool menvcfg = which & 1, senvcfg = which & 2;
    bool allowed = priv == PRIV_M || (menvcfg && (priv == PRIV_S || senvcfg));

    /* All but the bit that counts are the other way round. */
    assert_true(riscv__csr_poke(rig->hart, 0x30a,
                                menvcfg ? enables(op) : 0xf0 & ~enables(op)));
    assert_true(riscv__csr_poke(rig->hart, 0x10a,
                                senvcfg ? enables(op) : 0xf0 & ~enables(op)));
    if (op == RISCV_OP_CBO_INVAL) {
        rig->hart->menvcfg &= ~(uint64_t)(menvcfg ? 0 : 0x30);
        rig->hart->senvcfg &= ~(uint64_t)(senvcfg ? 0 : 0x30);
    }
    set_mode(rig, priv);
    rig->hart->x[REG] = DATA + 5;
    if (allowed) {
        exec_ok(rig, cbo(op));
    } else {
        exec_is_illegal(rig, cbo(op));
    }
}

static void test_who_may(void **state)
{
    static const unsigned modes[] = { PRIV_U, PRIV_S, PRIV_M };

    for (unsigned i = 0; i < OPS; i++) {
        for (unsigned mode = 0; mode < 3; mode++) {
            for (unsigned which = 0; which < 4; which++) {
                check_enable(*state, ops[i], modes[mode], which);
            }
        }
    }
}

/* ---- Where ------------------------------------------------------------- */

/* Not memory: blocks there can be managed, not zeroed. Nothing: neither. */
static void test_what_is_not_memory(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < OPS; i++) {
        bool zeroes = ops[i] == RISCV_OP_CBO_ZERO;

        rig->hart->x[REG] = RIG_IO + 9;
        if (zeroes) {
            exec_traps(rig, cbo(ops[i]), CAUSE_STORE_ACCESS, RIG_IO + 9);
        } else {
            exec_ok(rig, cbo(ops[i]));
        }
        rig->hart->x[REG] = RIG_ROM + 64;
        if (zeroes) {
            exec_traps(rig, cbo(ops[i]), CAUSE_STORE_ACCESS, RIG_ROM + 64);
        } else {
            exec_ok(rig, cbo(ops[i]));
        }
        rig->hart->x[REG] = 0x70000001;
        exec_traps(rig, cbo(ops[i]), CAUSE_STORE_ACCESS, 0x70000001);
    }
    assert_int_equal(rig->io_writes, 0);
}

/* Under Sv39: what a load or a store may touch; zeroing is a store. */
static void test_pages(void **state)
{
    static const struct {
        unsigned flags;
        bool manage, zero;
    } pages[] = {
        { V | R | A, true, false },
        { V | R | W | A | D, true, true },
        { V | R | W, true, true },
        { V | X | A, false, false },
        { V | R | W | U | A | D, false, false },
        { 0, false, false },
    };
    struct rig *rig = *state;

    for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        for (unsigned k = 0; k < OPS; k++) {
            bool zeroes = ops[k] == RISCV_OP_CBO_ZERO;
            const uint32_t bits = cbo(ops[k]);

            simple_tables(rig);
            *pte_at(rig, 2, 3) = make_pte(DATA, pages[i].flags);
            *pte_at(rig, 2, 0x80) = make_pte(RIG_RAM + 0x80000, V | R | X | A);
            rig->hart->menvcfg = 0xf0 | ENVCFG_ADUE;
            riscv__flush_tlb(rig->hart);
            set_mode(rig, PRIV_S);
            rig->hart->x[REG] = 0x3047;
            memcpy(rig->mem + 0x80000, &bits, 4);
            rig->hart->pc = 0x80000;
            rig->hart->mcause = EXEC_NO_TRAP;
            assert_int_equal(xbar_riscv_run(rig->hart, 1),
                             XBAR_RISCV_EXIT_BUDGET);
            if (zeroes ? pages[i].zero : pages[i].manage) {
                assert_int_equal(rig->hart->mcause, EXEC_NO_TRAP);
                assert_true(*pte_at(rig, 2, 3) & A);
                assert_int_equal(!zeroes || (*pte_at(rig, 2, 3) & D), 1);
            } else {
                assert_int_equal(rig->hart->mcause, CAUSE_STORE_PAGE);
                assert_int_equal(rig->hart->mtval, 0x3047);
            }
        }
    }
}

/* ---- What -------------------------------------------------------------- */

static void check_zero(struct rig *rig, enum xbar_riscv_engine engine)
{
    const uint32_t code[] = { cbo(RISCV_OP_CBO_ZERO), INSN_SELF };

    assert_int_equal(xbar_riscv_set_engine(rig->hart, engine), 0);
    for (unsigned at = 0; at < 64; at++) {
        memset(rig->mem + EXEC_DATA - 64, 0xee, 192);
        rig_code(rig, 0, code, 2);
        rig->hart->x[REG] = DATA + at;
        rig->hart->pc = RIG_RAM;
        assert_int_equal(xbar_riscv_run(rig->hart, 2), XBAR_RISCV_EXIT_BUDGET);
        for (int i = -64; i < 128; i++) {
            assert_int_equal(rig->mem[EXEC_DATA + i],
                             i >= 0 && i < 64 ? 0 : 0xee);
        }
    }
}

static void test_zero(void **state)
{
    check_zero(*state, XBAR_RISCV_INTERP);
    if (xbar_riscv_has_jit()) {
        check_zero(*state, XBAR_RISCV_JIT);
        check_zero(*state, XBAR_RISCV_LOCKSTEP);
    }
}

/* Zeroing code is a store to it. */
static void test_zero_is_seen_by_fence_i(void **state)
{
    const uint32_t code[] = { cbo(RISCV_OP_CBO_ZERO), 0x0000100f /* fence.i */,
                              0x0400006f /* j 64 bytes on */ };
    const uint32_t target = INSN_SELF;
    struct rig *rig = *state;

    if (!xbar_riscv_has_jit()) {
        return;
    }
    assert_int_equal(xbar_riscv_set_engine(rig->hart, XBAR_RISCV_JIT), 0);
    rig_code(rig, 0, code, 3);
    rig_code(rig, 0x48, &target, 1);
    rig->hart->pc = RIG_RAM + 0x48;
    assert_int_equal(xbar_riscv_run(rig->hart, 10), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(rig->hart->pc, RIG_RAM + 0x48);
    rig->hart->x[REG] = RIG_RAM + 0x40;
    rig->hart->pc = RIG_RAM;
    rig->hart->mcause = EXEC_NO_TRAP;
    assert_int_equal(xbar_riscv_run(rig->hart, 10), XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(rig->hart->mcause, CAUSE_ILLEGAL);
    assert_int_equal(rig->hart->mepc, RIG_RAM + 0x48);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, exec_open, exec_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_who_may),
        CASE(test_what_is_not_memory),
        CASE(test_pages),
        CASE(test_zero),
        CASE(test_zero_is_seen_by_fence_i),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
