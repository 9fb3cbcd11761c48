/* SPDX-License-Identifier: MIT */
/*
 * What is said of registers where parts meet, against what the interpreter
 * finds in them there; what instructions read, against what they compute when
 * the rest is something else; distances in a few loops.
 */
#include "jit/riscv/region/region.h"

#include "exec.h"
#include "loops.h"
#include "tests/guest/insn_scale.h"

#define CODE         0x2000u
#define PAGE         ((uint64_t)RIG_RAM + CODE)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint32_t bit(unsigned reg)
{
    return UINT32_C(1) << reg;
}

struct found {
    struct riscv_region region;
    struct region_flow flow;
};

/* The loop around the first instruction. */
static struct found *look(const uint32_t *code, size_t count, bool peel)
{
    struct found *found = test_calloc(1, sizeof(*found));

    memcpy(found->region.page, code, 4 * count);
    if (!riscv__find_region(&found->region, PAGE, false, any, NULL)) {
        test_free(found);
        return NULL;
    }
    if (peel) {
        riscv__peel_loops(&found->region);
    }
    riscv__find_flow(&found->region, &found->flow);
    return found;
}

/* ---- Known and narrow -------------------------------------------------- */

/* a1 by W-forms, a2 by loads, a3 whatever was there. */
static void behind_the_first_time(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_ADDW, 11, 11, 13, 0),
        encode(RISCV_OP_LW, 12, 8, 0, 0),
        encode(RISCV_OP_ADD, 14, 11, 12, 0),
        STEP,
        branch(-4),
        INSN_SELF,
    };
    struct found *plain = look(code, COUNT(code), false);
    struct found *peeled = look(code, COUNT(code), true);

    (void)state;
    assert_non_null(plain);
    assert_non_null(peeled);
    /* Where it is entered, nothing. */
    assert_int_equal(plain->flow.upper[0].known, bit(0));
    assert_int_equal(plain->flow.upper[0].narrow, 0);
    assert_int_equal(peeled->flow.upper[0].known, bit(0));
    assert_int_equal(peeled->region.part_count, 2);
    assert_int_equal(peeled->flow.upper[1].known, bit(0) | bit(11) | bit(12));
    /* The add read all of it. */
    assert_int_equal(peeled->flow.upper[1].narrow, 0);
    test_free(plain);
    test_free(peeled);
}

static void narrow_on_one_way(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_ADDIW, 11, 11, 0, 1), /* 0 */
        encode(RISCV_OP_ADDIW, 12, 12, 0, 1), /* 1 */
        branch(3),                            /* 2: to 5 */
        encode(RISCV_OP_SD, 0, 8, 11, 0),     /* 3: the whole of a1 */
        encode(RISCV_OP_LD, 12, 8, 0, 0),     /* 4: and a2 is anything */
        STEP,                                 /* 5: they meet */
        branch(-6),                           /* 6 */
        INSN_SELF,
    };
    struct found *found = look(code, COUNT(code), false);

    (void)state;
    assert_non_null(found);
    assert_int_equal(found->region.part_count, 3);
    assert_int_equal(found->flow.upper[1].known, bit(0) | bit(11) | bit(12));
    assert_int_equal(found->flow.upper[1].narrow, bit(11) | bit(12));
    assert_int_equal(found->flow.upper[2].known, bit(0) | bit(11));
    assert_int_equal(found->flow.upper[2].narrow, bit(11));
    test_free(found);
}

/* What a second loop takes away is not known in the first of them either. */
static void ways_back(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_ADDIW, 11, 11, 0, 1), /* 0 */
        INSN_NOP,                             /* 1: inner */
        STEP,                                 /* 2 */
        encode(RISCV_OP_BEQ, 0, 12, 0, -8),   /* 3: to 1 */
        encode(RISCV_OP_SLLI, 11, 11, 0, 1),  /* 4 */
        branch(-4),                           /* 5: to 1 */
        branch(-6),                           /* 6: to 0 */
        INSN_SELF,
    };
    struct found *found = look(code, COUNT(code), false);

    (void)state;
    assert_non_null(found);
    assert_int_equal(found->region.part_count, 4);
    assert_int_equal(found->flow.upper[1].known, bit(0));
    assert_int_equal(found->flow.upper[1].narrow, 0);
    test_free(found);
}

/* ---- Against the interpreter ------------------------------------------- */

static uint64_t sign_extended(uint64_t value)
{
    return (uint64_t)(int64_t)(int32_t)value;
}

/* Values near the borders of what fits 32 bits. */
static uint64_t any_value(uint64_t *seed)
{
    static const uint64_t corners[] = { 0,
                                        1,
                                        UINT64_MAX,
                                        INT64_MIN,
                                        INT64_MAX,
                                        INT32_MAX,
                                        UINT32_MAX,
                                        (uint64_t)INT32_MIN,
                                        UINT64_C(1) << 31,
                                        UINT64_C(1) << 32 };
    uint64_t value = rig_random(seed);

    switch (rig_random(seed) % 4) {
    case 0:
        return corners[value % COUNT(corners)];
    case 1:
        return value;
    default:
        return sign_extended(value);
    }
}

static uint32_t any_computation(uint64_t *seed, unsigned regs)
{
    const struct riscv_op_info *info;
    unsigned op, fields;
    int imm = (int)(rig_random(seed) % 4096) - 2048;

    do {
        op = (unsigned)(rig_random(seed) % RISCV_OP_COUNT);
        info = &riscv__ops[op];
    } while (info->class != RISCV_CLASS_ALU && info->class != RISCV_CLASS_MUL &&
             info->class != RISCV_CLASS_DIV);
    fields = riscv__formats[info->format].fields;
    if (rig_random(seed) % 4 == 0) {
        imm = 0;
    }
    if (riscv__formats[info->format].imm == RISCV_IMM_SHIFT) {
        imm &= op == RISCV_OP_SLLIW || op == RISCV_OP_SRLIW ||
                       op == RISCV_OP_SRAIW || op == RISCV_OP_RORIW
                   ? 31
                   : 63;
    }
    if (riscv__formats[info->format].imm == RISCV_IMM_U) {
        imm = (int)(rig_random(seed) & 0xfffff000u);
    }
    return encode((enum riscv_op)op, 1 + (unsigned)(rig_random(seed) % regs),
                  fields & RISCV_RS1 ? rig_random(seed) % (regs + 1) : 0,
                  fields & RISCV_RS2 ? rig_random(seed) % (regs + 1) : 0, imm);
}

static bool is_known(const uint64_t *x, uint32_t known)
{
    for (unsigned reg = 0; reg < 32; reg++) {
        if ((known & bit(reg)) && x[reg] != sign_extended(x[reg])) {
            return false;
        }
    }
    return true;
}

#define LOOP 30u

/* Ifs over a few instructions, and ways back to the first from anywhere. */
static void make_loop(uint32_t *code, uint64_t *seed)
{
    for (unsigned i = 0; i < LOOP; i++) {
        static const uint8_t ops[] = { RISCV_OP_BEQ, RISCV_OP_BNE, RISCV_OP_BLT,
                                       RISCV_OP_BGEU };
        unsigned to = i + 1 + (unsigned)(rig_random(seed) % 6);

        if (rig_random(seed) % 5 != 0 || i == 0) {
            code[i] = any_computation(seed, 6);
            continue;
        }
        if (rig_random(seed) % 4 == 0 || to > LOOP) {
            to = (unsigned)(rig_random(seed) % i);
        }
        code[i] = encode((enum riscv_op)ops[rig_random(seed) % COUNT(ops)], 0,
                         rig_random(seed) % 7, rig_random(seed) % 7,
                         4 * ((int)to - (int)i));
    }
    code[LOOP] = encode(RISCV_OP_JAL, 0, 0, 0, -4 * (int)LOOP);
}

/* Through the parts that the hart passes; returns how many. */
static unsigned follow(struct rig *rig, const struct found *found)
{
    const struct riscv_region *region = &found->region;
    unsigned at = 0, passed = 0;

    while (passed < 100) {
        const struct region_part *part = &region->parts[at];
        const struct region_edge *edge = &part->next;

        assert_int_equal(rig->hart->pc, region->pc + part->offset);
        assert_true(is_known(rig->hart->x, found->flow.upper[at].known));
        assert_int_equal(
            found->flow.upper[at].narrow & ~found->flow.upper[at].known, 0);
        passed++;
        if (part->count != 0) {
            assert_int_equal(xbar_riscv_run(rig->hart, part->count),
                             XBAR_RISCV_EXIT_BUDGET);
        }
        if (part->branches && !part->taken.leaves &&
            rig->hart->pc ==
                region->pc + region->parts[part->taken.part].offset) {
            edge = &part->taken;
        }
        if (edge->leaves ||
            rig->hart->pc != region->pc + region->parts[edge->part].offset) {
            break;
        }
        at = edge->part;
    }
    return passed;
}

static void known_is_true(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = 0x1234567;
    unsigned loops = 0, passed = 0, known = 0;
    uint32_t code[LOOP + 1];

    for (size_t i = 0; i < insn_scale(3000); i++) {
        struct found *found;

        make_loop(code, &seed);
        found = look(code, COUNT(code), rig_random(&seed) % 4 != 0);
        if (found == NULL) {
            continue;
        }
        rig_code(rig, CODE, code, COUNT(code));
        for (unsigned k = 0; k < 4; k++) {
            for (unsigned reg = 1; reg < 32; reg++) {
                rig->hart->x[reg] = any_value(&seed);
            }
            rig->hart->pc = found->region.pc;
            passed += follow(rig, found);
        }
        for (unsigned k = 1; k < found->region.part_count; k++) {
            known += (unsigned)__builtin_popcount(found->flow.upper[k].known &
                                                  ~bit(0));
        }
        loops++;
        test_free(found);
    }
    print_message("%u loops, %u parts passed, %u times known\n", loops, passed,
                  known);
    assert_true(passed > 10 * loops && known > 10 * loops);
}

/* @bits with registers @x, of which @out is left. */
static void run(struct rig *rig, uint32_t bits, const uint64_t *x,
                uint64_t *out)
{
    memcpy(rig->hart->x, x, 32 * sizeof(*x));
    exec_ok(rig, bits);
    memcpy(out, rig->hart->x, 32 * sizeof(*x));
}

/*
 * Sources that are not read whole have any upper half: the lower half of the
 * result is the same, and the upper, if it is not narrow then. A narrow result
 * that is known is the sign extension of what is there.
 */
static void reads_no_more(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = 77, x[32] = { 0 }, dirty[32], right[32], result[32];
    unsigned narrow_results = 0;

    for (size_t i = 0; i < insn_scale(200000); i++) {
        uint32_t bits = any_computation(&seed, 3), whole;
        bool narrow = rig_random(&seed) % 2;
        struct region_upper upper = { .known = bit(0) };
        struct riscv_insn insn;

        riscv__decode(&insn, bits);
        for (unsigned reg = 1; reg <= 3; reg++) {
            x[reg] = any_value(&seed);
            if (x[reg] == sign_extended(x[reg]) && rig_random(&seed) % 4) {
                upper.known |= bit(reg);
            }
        }
        narrow = narrow && riscv__reads(insn.op) != RISCV_READS_ALL;
        whole = riscv__reads_whole(&insn, upper.known, narrow);
        memcpy(dirty, x, sizeof(x));
        for (unsigned reg = 1; reg <= 3; reg++) {
            if (!(whole & bit(reg))) {
                dirty[reg] ^= rig_random(&seed) << 32;
                upper.narrow |= bit(reg);
            }
        }
        run(rig, bits, x, right);
        run(rig, bits, dirty, result);
        riscv__step_upper(&upper, &insn, narrow);
        assert_int_equal((uint32_t)result[insn.rd], (uint32_t)right[insn.rd]);
        if (!(upper.narrow & bit(insn.rd))) {
            assert_int_equal(result[insn.rd], right[insn.rd]);
        }
        if (upper.known & bit(insn.rd)) {
            assert_int_equal(right[insn.rd], sign_extended(right[insn.rd]));
        }
        narrow_results += upper.narrow >> insn.rd & 1;
    }
    print_message("%u results narrow\n", narrow_results);
    assert_true(narrow_results > insn_scale(10000));
}

/* Accesses and branches, which the test above leaves out. */
static void accesses_and_branches(void **state)
{
    struct riscv_insn insn;

    (void)state;
    riscv__decode(&insn, encode(RISCV_OP_SW, 0, 8, 9, 0));
    assert_int_equal(riscv__reads_whole(&insn, UINT32_MAX, false), bit(8));
    riscv__decode(&insn, encode(RISCV_OP_SD, 0, 8, 9, 0));
    assert_int_equal(riscv__reads_whole(&insn, UINT32_MAX, false),
                     bit(8) | bit(9));
    riscv__decode(&insn, encode(RISCV_OP_LW, 7, 8, 0, 0));
    assert_int_equal(riscv__reads_whole(&insn, UINT32_MAX, false) & ~bit(0),
                     bit(8));
    riscv__decode(&insn, encode(RISCV_OP_BLTU, 0, 8, 9, 8));
    assert_int_equal(riscv__reads_whole(&insn, bit(8) | bit(9), false), 0);
    assert_int_equal(riscv__reads_whole(&insn, bit(8), false), bit(8) | bit(9));
}

/* A load is narrow where nothing asks for all of it: what is not known where
 * the loop is entered is wide wherever it begins. */
static void narrow_loads_of(bool peel)
{
    const uint32_t code[] = {
        encode(RISCV_OP_LW, 11, 20, 0, 0),   /* 0: an index */
        encode(RISCV_OP_LW, 12, 20, 0, 4),   /* 1: in addw and xor */
        encode(RISCV_OP_LW, 13, 20, 0, 8),   /* 2: stored, 4 bytes; kept */
        encode(RISCV_OP_LW, 14, 20, 0, 12),  /* 3: stored, 8 bytes */
        encode(RISCV_OP_LWU, 15, 20, 0, 16), /* 4: not one */
        encode(RISCV_OP_ADDW, 16, 12, 13, 0),
        encode(RISCV_OP_XOR, 16, 16, 12, 0),
        encode(RISCV_OP_SW, 0, 20, 13, 0),
        encode(RISCV_OP_SD, 0, 20, 14, 8),
        encode(RISCV_OP_LW, 12, 11, 0, 0), /* 9: added, after the end: as
                                              at the loop's beginning */
        STEP,
        branch(-11),
        encode(RISCV_OP_ADD, 17, 12, 12, 0),
        INSN_SELF,
    };
    struct found *found = look(code, COUNT(code), peel);

    assert_non_null(found);
    for (unsigned i = 0; i < 10; i++) {
        if (i < 5 || i == 9) {
            assert_int_equal(found->flow.notes[i].narrow,
                             i == 1 || ((i == 2 || i == 9) && peel));
        }
    }
    test_free(found);
}

static void narrow_loads(void **state)
{
    (void)state;
    narrow_loads_of(false);
    narrow_loads_of(true);
}

/* Of two that are compared, one may be anything: both are compared whole. */
static void compared_loads(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_LW, 11, 20, 0, 0),     /* 0 */
        encode(RISCV_OP_LW, 12, 20, 0, 4),     /* 1 */
        encode(RISCV_OP_BLTU, 0, 11, 12, 600), /* 2 */
        encode(RISCV_OP_LW, 13, 20, 0, 8),     /* 3 */
        encode(RISCV_OP_BLTU, 0, 13, 21, 600), /* 4 */
        STEP,
        branch(-6),
        INSN_SELF,
    };
    struct found *found = look(code, COUNT(code), false);

    (void)state;
    assert_non_null(found);
    assert_true(found->flow.notes[0].narrow);
    assert_true(found->flow.notes[1].narrow);
    assert_false(found->flow.notes[3].narrow);
    test_free(found);
}

/* ---- Distances --------------------------------------------------------- */

static void distances(void **state)
{
    const uint32_t code[] = {
        encode(RISCV_OP_ADD, 11, 12, 0, 0),  /* 0: outer */
        encode(RISCV_OP_ADDI, 12, 0, 0, 1),  /* 1 */
        encode(RISCV_OP_ADD, 13, 13, 14, 0), /* 2: inner */
        STEP,                                /* 3 */
        branch(-2),                          /* 4: to 2 */
        encode(RISCV_OP_ADD, 15, 16, 16, 0), /* 5 */
        branch(-6),                          /* 6: to 0 */
        INSN_SELF,
    };
    struct found *found = look(code, COUNT(code), false);
    uint16_t behind[32];

    (void)state;
    assert_non_null(found);
    assert_int_equal(found->region.part_count, 3);
    assert_int_equal(found->flow.distance[0][12], 0);
    assert_int_equal(found->flow.distance[0][11], REGION_FAR); /* written */
    assert_int_equal(found->flow.distance[0][13], 2);
    assert_int_equal(found->flow.distance[0][10], 3);
    assert_int_equal(found->flow.distance[1][14], 0);
    /* Out of the loop is far, but not out of the world. */
    assert_true(found->flow.distance[1][16] >= 256);
    assert_true(found->flow.distance[1][16] < 300);
    assert_int_equal(found->flow.distance[2][16], 0);
    assert_int_equal(found->flow.distance[2][14], 2 + 2);
    assert_int_equal(found->flow.distance[2][15], REGION_FAR);
    riscv__distances_behind(&found->region, &found->flow,
                            &found->region.parts[1], behind);
    assert_int_equal(behind[14], 0); /* around once more */
    assert_int_equal(behind[17], REGION_FAR);
    test_free(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behind_the_first_time),
        cmocka_unit_test(narrow_on_one_way),
        cmocka_unit_test(ways_back),
        cmocka_unit_test(known_is_true),
        cmocka_unit_test(reads_no_more),
        cmocka_unit_test(accesses_and_branches),
        cmocka_unit_test(narrow_loads),
        cmocka_unit_test(compared_loads),
        cmocka_unit_test(distances),
    };

    return cmocka_run_group_tests(tests, exec_open, exec_close);
}
