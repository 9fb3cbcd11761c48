/* SPDX-License-Identifier: MIT */
/*
 * The floating-point vectors through the translator: results and flags must be
 * those of the reference, which test_fp_vectors.c compares with qemu-riscv64.
 *
 * A loop of guest code takes each case, with its rounding mode in frm, without
 * flags and with one up, and once more with the mode in the instruction and
 * another one in frm. Registers with
 * and without homes in the host's, and results in place of an operand, take
 * turns. All of it again with nothing but the host's baseline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "jit/riscv/decode.h"
#include "jit/riscv/hart.h"
#include "tests/guest/fp_vectors.h"
#include "tests/unit/riscv/encode.h"

#define RAM         UINT64_C(0x80000000)
#define RAM_SIZE    UINT64_C(0x800000)
#define CASES       UINT64_C(0x10000) /* offsets in RAM */
#define HANDLER     UINT64_C(0x1000)
#define RESULTS     UINT64_C(0x300000)
#define MAX_CASES   ((RESULTS - CASES) / sizeof(struct fp_case))
#define MAX_REPORTS 10

enum { A0 = 10, A1, A2, A3, A4, A5 };
enum {
    CSR_FFLAGS = 1,
    CSR_FCSR = 3,
    CSR_MSTATUS = 0x300,
    CSR_MTVEC = 0x305,
    CSR_MEPC = 0x341
};
#define FS_DIRTY (UINT64_C(3) << 13)

/* f registers of the operands and of the result. */
static const struct set {
    uint8_t rs[3];
    uint8_t rd;
} sets[] = {
    { { 10, 11, 12 }, 13 }, { { 20, 21, 22 }, 23 }, { { 10, 20, 11 }, 20 },
    { { 20, 10, 21 }, 20 }, { { 15, 14, 13 }, 13 }, { { 12, 11, 10 }, 11 },
};
#define SETS (sizeof(sets) / sizeof(sets[0]))

struct machine {
    struct xbar_engine *engine;
    MemoryRegion root, ram;
    AddressSpace as;
    struct xbar_riscv_hart *hart;
    uint8_t *mem;
};

static unsigned stress; /* of the machine that is set up next */

static int set_up(void **state)
{
    struct machine *m = calloc(1, sizeof(*m));
    struct xbar_riscv_config config = { .reset_pc = RAM,
                                        .translate_after = 1,
                                        .stress = stress };

    m->engine = xbar_engine_new(NULL);
    assert_non_null(m->engine);
    assert_int_equal(xbar_engine_enter(m->engine), 0);
    assert_int_equal(memory_region_init(&m->root, NULL, "root", UINT64_MAX), 0);
    assert_int_equal(
        memory_region_init_ram(&m->ram, NULL, "ram", RAM_SIZE, NULL), 0);
    memory_region_add_subregion(&m->root, RAM, &m->ram);
    assert_int_equal(address_space_init(&m->as, &m->root, "memory"), 0);
    xbar_engine_leave(m->engine);
    m->mem = memory_region_get_ram_ptr(&m->ram);
    config.as = &m->as;
    m->hart = xbar_riscv_new(&config);
    assert_non_null(m->hart);
    if (xbar_riscv_has_jit()) {
        assert_int_equal(xbar_riscv_set_engine(m->hart, XBAR_RISCV_JIT), 0);
    }
    *state = m;
    return 0;
}

static int set_up_baseline(void **state)
{
    stress = XBAR_RISCV_STRESS_BASELINE;
    return set_up(state);
}

static int tear_down(void **state)
{
    struct machine *m = *state;

    xbar_riscv_free(m->hart);
    address_space_destroy(&m->as);
    xbar_region_destroy(&m->root, NULL, NULL);
    xbar_region_destroy(&m->ram, NULL, NULL);
    assert_int_equal(xbar_engine_free(m->engine), 0);
    free(m);
    return 0;
}

/* ---- The loop ---------------------------------------------------------- */

static enum riscv_op op_of(uint32_t row)
{
    for (unsigned op = 1; op < RISCV_OP_COUNT; op++) {
        if (!strcmp(riscv__ops[op].text, fp_rows[row].name)) {
            return (enum riscv_op)op;
        }
    }
    fail_msg("%s: no such row", fp_rows[row].name);
    return RISCV_OP_ILLEGAL;
}

/* The instruction under test; integers are in a2, or go to a3. */
static uint32_t encode_test(enum riscv_op op, const struct set *set,
                            unsigned rm)
{
    const struct riscv_format_info *f = &riscv__formats[riscv__ops[op].format];
    uint32_t bits = riscv__ops[op].match;

    bits |= (f->fp & RISCV_RD ? set->rd : A3) << 7;
    bits |= (f->fp & RISCV_RS1 ? set->rs[0] : A2) << 15;
    bits |= f->fields & RISCV_RS2 ? (uint32_t)set->rs[1] << 20 : 0;
    bits |= f->fields & RISCV_RS3 ? (uint32_t)set->rs[2] << 27 : 0;
    return bits | (f->fields & RISCV_RM ? rm << 12 : 0);
}

#define DYNAMIC 7
#define LOOP    17 /* instructions */
#define INEXACT 1

/*
 * a1: cases, a0: results, a5: how many are left. frm is the case's mode plus
 * @shift: 0 if the instruction takes it from there, else any, reserved ones
 * among them. @flags: up before. Singles are loaded as doubles, in another block than the one that
 * uses them: a CSR instruction ends a block.
 */
static void write_loop(struct machine *m, enum riscv_op op,
                       const struct set *set, unsigned rm, unsigned shift,
                       unsigned flags)
{
    bool to_f = riscv__formats[riscv__ops[op].format].fp & RISCV_RD;
    const uint32_t code[LOOP] = {
        encode(RISCV_OP_LWU, A4, A1, 0, offsetof(struct fp_case, rm)),
        encode(RISCV_OP_ADDI, A4, A4, 0, (int)shift),
        encode(RISCV_OP_SLLI, A4, A4, 0, 5),
        encode(RISCV_OP_ADDI, A4, A4, 0, (int)flags),
        encode(RISCV_OP_FLD, set->rs[0], A1, 0, 0),
        encode(RISCV_OP_FLD, set->rs[1], A1, 0, 8),
        encode(RISCV_OP_FLD, set->rs[2], A1, 0, 16),
        encode(RISCV_OP_LD, A2, A1, 0, 0),
        encode(RISCV_OP_CSRRW, 0, A4, 0, CSR_FCSR),
        encode_test(op, set, rm),
        to_f ? encode(RISCV_OP_FSD, 0, A0, set->rd, 0)
             : encode(RISCV_OP_SD, 0, A0, A3, 0),
        encode(RISCV_OP_CSRRS, A3, 0, 0, CSR_FFLAGS),
        encode(RISCV_OP_SD, 0, A0, A3, 8),
        encode(RISCV_OP_ADDI, A1, A1, 0, sizeof(struct fp_case)),
        encode(RISCV_OP_ADDI, A0, A0, 0, sizeof(struct fp_outcome)),
        encode(RISCV_OP_ADDI, A5, A5, 0, -1),
        encode(RISCV_OP_BNE, 0, A5, 0, -4 * (LOOP - 1)),
    };

    const uint32_t handler = 0x0000006f; /* j . */

    memcpy(m->mem, code, sizeof(code));
    memcpy(m->mem + HANDLER, &handler, sizeof(handler));
    xbar_riscv_reset(m->hart); /* forgets the last one */
    assert_int_equal(xbar_riscv_set_csr(m->hart, CSR_MSTATUS, FS_DIRTY), 0);
    assert_int_equal(xbar_riscv_set_csr(m->hart, CSR_MTVEC, RAM + HANDLER), 0);
}

/* ---- Comparing --------------------------------------------------------- */

struct expected {
    struct fp_case *cases;
    struct fp_outcome *outcomes;
    size_t count;
};

static void report(const struct fp_case *c, struct fp_outcome jit,
                   struct fp_outcome want)
{
    print_message(
        "%s rm=%u %016llx %016llx %016llx: %016llx flags %02llx, "
        "reference %016llx flags %02llx\n",
        fp_rows[c->row].name, c->rm, (unsigned long long)c->operand[0],
        (unsigned long long)c->operand[1], (unsigned long long)c->operand[2],
        (unsigned long long)jit.result, (unsigned long long)jit.flags,
        (unsigned long long)want.result, (unsigned long long)want.flags);
}

/* The cases of rounding mode @rm, or all of them. */
static size_t run_cases(struct machine *m, const struct expected *want,
                        unsigned rm, unsigned flags)
{
    struct fp_case *cases = (struct fp_case *)(void *)(m->mem + CASES);
    const struct fp_outcome *got =
        (const struct fp_outcome *)(void *)(m->mem + RESULTS);
    size_t differences = 0, used = 0;
    static size_t index[MAX_CASES];
    uint64_t mepc;

    for (size_t i = 0; i < want->count; i++) {
        if (rm == DYNAMIC || want->cases[i].rm == rm) {
            index[used] = i;
            cases[used++] = want->cases[i];
        }
    }
    xbar_riscv_set_x(m->hart, A1, RAM + CASES);
    xbar_riscv_set_x(m->hart, A0, RAM + RESULTS);
    xbar_riscv_set_x(m->hart, A5, used);
    assert_int_equal(xbar_riscv_run(m->hart, used * LOOP),
                     XBAR_RISCV_EXIT_BUDGET);
    assert_int_equal(xbar_riscv_get_csr(m->hart, CSR_MEPC, &mepc), 0);
    assert_int_equal(mepc, 0); /* nothing trapped */
    for (size_t i = 0; i < used; i++) {
        struct fp_outcome w = want->outcomes[index[i]];

        w.flags |= flags;
        if (got[i].result != w.result || got[i].flags != w.flags) {
            if (differences++ < MAX_REPORTS) {
                report(&cases[i], got[i], w);
            }
        }
    }
    return differences;
}

static size_t run_row(struct machine *m, uint32_t row)
{
    enum riscv_op op = op_of(row);
    struct expected want = { .count = 0 };
    size_t differences = 0;

    want.count = fp_vectors(row, &want.cases);
    want.outcomes = calloc(want.count, sizeof(*want.outcomes));
    assert_non_null(want.outcomes);
    assert_true(want.count <= MAX_CASES);
    for (size_t i = 0; i < want.count; i++) {
        want.outcomes[i] = fp_evaluate(&want.cases[i]);
    }
    for (unsigned flags = 0; flags <= INEXACT; flags++) {
        write_loop(m, op, &sets[(row + flags) % SETS], DYNAMIC, 0, flags);
        differences += run_cases(m, &want, DYNAMIC, flags);
    }
    for (unsigned rm = 0; rm < 5; rm++) {
        write_loop(m, op, &sets[(row + rm + 1) % SETS], rm, rm, 0);
        differences += run_cases(m, &want, rm, 0);
    }
    free(want.cases);
    free(want.outcomes);
    return differences;
}

static void test_vectors(void **state)
{
    struct machine *m = *state;
    struct xbar_riscv_stats stats;
    size_t differences = 0;

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        skip();
    }
    for (uint32_t row = 0; row < fp_row_count; row++) {
        differences += run_row(m, row);
    }
    assert_int_equal(differences, 0);
    xbar_riscv_get_stats(m->hart, &stats);
    assert_true(stats.jit.instructions > stats.instructions / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_vectors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vectors, set_up_baseline,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
