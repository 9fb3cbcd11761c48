/* SPDX-License-Identifier: MIT */
/*
 * Chained blocks whose page shows other memory by now: mapped elsewhere, or
 * replaced by a commit at the same guest-physical address.
 *
 * All is called as a guest calls: by a jump to another page (a link), through
 * a register (the jump cache), and returned to (the return stack).
 */
#include "encode.h"
#include "jit/riscv/jit.h"
#include "paging.h"

#define CALLER 0x20000u /* offsets in RAM */
#define CALLEE 0x21000u
#define RET    0x00008067u

/* Memory whose address differs from RAM's above bit 39 only. */
#define HIGH ((uint64_t)1 << 40)

/* Memory in the place of which another can be. */
#define BANK (RIG_RAM + 0x80000)

static const struct xbar_riscv_config variants[] = {
    { .hartid = 0 },
    { .stress = XBAR_RISCV_STRESS_TLB },
    { .stress = XBAR_RISCV_STRESS_CHAIN },
    { .stress = XBAR_RISCV_STRESS_SPAN },
    { .stress = XBAR_RISCV_STRESS_EVICT },
    { .translate_after = 2 },
    { .stress = XBAR_RISCV_STRESS_REGION },
};
#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static const enum xbar_riscv_engine engines[] = { XBAR_RISCV_INTERP,
                                                  XBAR_RISCV_JIT,
                                                  XBAR_RISCV_LOCKSTEP };

struct moved {
    struct rig rig; /* first: callbacks get it */
    MemoryRegion more[2];
};

/* Two RAM regions beside the board's, of @size, @first and @second. */
static void open_moved(struct moved *m, const struct xbar_riscv_config *config,
                       enum xbar_riscv_engine engine, uint64_t size,
                       uint64_t first, uint64_t second)
{
    const uint64_t at[] = { first, second };

    rig_open_with(&m->rig, config);
    rig_open_pmp(&m->rig);
    assert_int_equal(xbar_engine_enter(m->rig.engine), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            memory_region_init_ram(&m->more[i], NULL, "more", size, NULL), 0);
        assert_int_equal(memory_region_add_subregion_overlap(
                             &m->rig.root, at[i], &m->more[i], 1),
                         0);
    }
    xbar_engine_leave(m->rig.engine);
    assert_int_equal(xbar_riscv_set_engine(m->rig.hart, engine), 0);
}

static void close_moved(struct moved *m)
{
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(memory_region_del_subregion(&m->rig.root, &m->more[i]),
                         0);
        xbar_region_destroy(&m->more[i], NULL, NULL);
    }
    rig_close(&m->rig);
}

static void put(struct moved *m, unsigned which, unsigned offset,
                const uint32_t *code, unsigned count)
{
    uint8_t *to = memory_region_get_ram_ptr(&m->more[which]);

    memcpy(to + offset, code, count * sizeof(*code));
}

static void run(struct moved *m, uint64_t insns)
{
    assert_int_equal(xbar_riscv_run(m->rig.hart, insns),
                     XBAR_RISCV_EXIT_BUDGET);
}

static void in_all(void (*body)(const struct xbar_riscv_config *config,
                                enum xbar_riscv_engine engine, bool direct))
{
    for (unsigned e = 0; e < 3; e++) {
        for (unsigned v = 0; v < VARIANTS; v++) {
            body(&variants[v], engines[e], false);
            body(&variants[v], engines[e], true);
        }
    }
}

/* A call of what is @distance away, or @offset behind x5. */
static uint32_t call(bool direct, int distance, int offset)
{
    return direct ? encode(RISCV_OP_JAL, 1, 0, 0, distance)
                  : encode(RISCV_OP_JALR, 1, 5, 0, offset);
}

/* ---- Mapped elsewhere -------------------------------------------------- */

/* Page @page shows RAM at @offset, or the same address of high memory. */
static void map(struct moved *m, unsigned page, uint32_t offset, bool high)
{
    paging_set(&m->rig, PAGING_L0, page, (high ? HIGH : 0) + RIG_RAM + offset,
               PTE_R | PTE_X | PTE_V | PTE_AD);
    tlb_flush(&m->rig.hart->tlb, TLB_ALL_CONTEXTS);
}

/* Have the exec entry of @pc's page filled, which an exit would do, too. */
static void touch(struct moved *m, uint64_t pc)
{
    xbar_riscv_set_pc(m->rig.hart, pc);
    run(m, 1);
}

static void call_high(const struct xbar_riscv_config *config,
                      enum xbar_riscv_engine engine, bool direct)
{
    const uint32_t caller[2][3] = {
        { call(direct, 0x1000, 0), insn_addi(11, 0, 1), INSN_SELF },
        { call(direct, 0x1000, 0), insn_addi(11, 0, 2), INSN_SELF },
    };
    const uint32_t callee[2][3] = {
        { insn_addi(10, 0, 1), encode(RISCV_OP_JAL, 0, 0, 0, 4), RET },
        { insn_addi(10, 0, 2), encode(RISCV_OP_JAL, 0, 0, 0, 4), RET },
    };
    struct moved m;

    open_moved(&m, config, engine, 0x1000, HIGH + RIG_RAM + CALLER,
               HIGH + RIG_RAM + CALLEE);
    rig_code(&m.rig, CALLER, caller[0], 3);
    rig_code(&m.rig, CALLEE, callee[0], 3);
    put(&m, 0, 0, caller[1], 3);
    put(&m, 1, 0, callee[1], 3);
    paging_enter(&m.rig, PRIV_S);
    m.rig.hart->x[5] = 0x1000;
    for (unsigned i = 0; i < 40; i++) {
        bool callee_high = i / 3 % 2, caller_high = i / 7 % 2;

        map(&m, 0, CALLER, false);
        map(&m, 1, CALLEE, callee_high);
        touch(&m, 0x1000);
        xbar_riscv_set_pc(m.rig.hart, 0);
        run(&m, 3);
        /* Now the callee stands before its return. Budgets end with blocks:
         * what is left of one would be interpreted. */
        map(&m, 0, CALLER, caller_high);
        touch(&m, 8);
        xbar_riscv_set_pc(m.rig.hart, 0x1008);
        run(&m, 3);
        assert_int_equal(m.rig.hart->x[10], 1 + callee_high);
        assert_int_equal(m.rig.hart->x[11], 1 + caller_high);
    }
    close_moved(&m);
}

static void test_addresses_beyond_40_bits(void **state)
{
    (void)state;
    in_all(call_high);
}

/* ---- Replaced by a commit ---------------------------------------------- */

/* A device: shows bank @value & 1. */
static void switch_bank(struct rig *rig, hwaddr addr, uint64_t value)
{
    struct moved *m = xbar_container_of(rig, struct moved, rig);

    (void)addr;
    memory_region_transaction_begin();
    memory_region_set_enabled(&m->more[0], !(value & 1));
    memory_region_set_enabled(&m->more[1], value & 1);
    assert_int_equal(memory_region_transaction_commit(), 0);
}

/*
 * Each bank in turn is called at two places. No fence.i says so: but when the
 * first place is found to be other memory, the second must be, too.
 */
static void call_banks(const struct xbar_riscv_config *config,
                       enum xbar_riscv_engine engine, bool direct)
{
    const uint32_t caller[] = {
        insn_sd(9, 6, 0),
        insn_addi(9, 9, 1),
        call(direct, 0x80000 - 0x1008, 0),
        call(direct, 0x80000 + 64 - 0x100c, 64),
        insn_addi(8, 8, -1),
        encode(RISCV_OP_BNE, 0, 8, 0, -20),
        INSN_SELF,
    };
    /* Each goes on in its page: a link that nothing checks. */
    const uint32_t callee[2][4] = {
        { insn_addi(10, 10, 1), encode(RISCV_OP_JAL, 0, 0, 0, 4),
          insn_addi(10, 10, 1), RET },
        { insn_addi(10, 10, 100), encode(RISCV_OP_JAL, 0, 0, 0, 4),
          insn_addi(10, 10, 100), RET },
    };
    struct moved m;

    open_moved(&m, config, engine, 0x1000, BANK, BANK);
    for (unsigned i = 0; i < 2; i++) {
        put(&m, i, 0, callee[i], 4);
        put(&m, i, 64, callee[i], 4);
    }
    rig_code(&m.rig, 0x1000, caller, 7);
    m.rig.on_write = switch_bank;
    m.rig.hart->x[5] = BANK;
    m.rig.hart->x[6] = RIG_IO;
    m.rig.hart->x[8] = 20;
    m.rig.hart->pc = RIG_RAM + 0x1000;
    run(&m, 20 * 14 + 1);
    assert_int_equal(m.rig.hart->x[8], 0);
    assert_int_equal(m.rig.hart->x[10], 10 * 2 * (2 + 200));
    close_moved(&m);
}

static void test_banks(void **state)
{
    (void)state;
    in_all(call_banks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_beyond_40_bits),
        cmocka_unit_test(test_banks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
