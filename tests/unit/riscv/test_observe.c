/* SPDX-License-Identifier: MIT */
/*
 * What subscribers are told is the same from both engines, event by event,
 * with the registers as they are then: random programs with accesses to RAM,
 * ROM, a device and nowhere, across pages, atomics, floating point, traps and
 * interrupts, run in pieces of any length.
 */
#include "jit/riscv/ahead.h"
#include "observed.h"

struct outcome {
    struct log log;
    uint64_t instructions;
    uint64_t translated; /* retired in translated code */
    uint64_t counted;
    uint64_t blocks;
    struct xbar_riscv_counts counts;
};

/* Interrupts come every so often. */
static void keep_ticking(struct rig *rig)
{
    rig->hart->mie = MIP_MTIP;
    if (xbar_riscv_time(rig->hart) >= atomic_load(&rig->hart->timecmp)) {
        xbar_riscv_set_timecmp(rig->hart, xbar_riscv_time(rig->hart) + 9);
    }
}

/* The hart looks up in the middle of a block, for a line that is not enabled. */
static void toggle_line(struct rig *rig, hwaddr addr, uint64_t value)
{
    (void)addr;
    (void)value;
    xbar_riscv_set_irq(rig->hart, XBAR_RISCV_IRQ_S_EXT, rig->io_writes % 2);
}

/* What the first of two, or two of three, leave is seen by who looks alone: else
 * they are one instruction. */
static unsigned make_shifts(uint32_t code[BODY + 3])
{
    const uint32_t shifts[] = {
        encode(RISCV_OP_SLLIW, 10, 11, 0, 7), /* a rotation */
        encode(RISCV_OP_SRLIW, 12, 11, 0, 25),
        encode(RISCV_OP_OR, 10, 10, 12, 0),
        encode(RISCV_OP_SLLI, 12, 11, 0, 2), /* and pairs */
        encode(RISCV_OP_ADD, 12, 12, 13, 0),
        encode(RISCV_OP_SLLI, 12, 12, 0, 48), /* its source is lost */
        encode(RISCV_OP_SRLI, 12, 12, 0, 48),
        encode(RISCV_OP_SLLI, 14, 10, 0, 32),
        encode(RISCV_OP_SRLI, 14, 14, 0, 30),
        encode(RISCV_OP_SLLIW, 15, 10, 0, 24),
        encode(RISCV_OP_SRAIW, 15, 15, 0, 24),
        encode(RISCV_OP_ADD, 11, 11, 15, 0), /* for the next round */
    };

    memcpy(code, shifts, sizeof(shifts));
    return sizeof(shifts) / sizeof(shifts[0]);
}

static void load(struct rig *rig, const struct setup *setup)
{
    uint32_t code[BODY + 3];

    if (setup->shifts) {
        load_rounds(rig, CODE, code, make_shifts(code), 40 * ROUNDS);
        rig->hart->x[11] = 0xfedcba9876543210;
        rig->hart->x[13] = 0x123456789abcdef1;
    } else {
        load_program(rig, setup->seed);
    }
}

static void run(struct outcome *outcome, const struct setup *setup,
                enum xbar_riscv_engine engine)
{
    struct log *log = &outcome->log;
    struct xbar_riscv_stats stats;
    struct rig rig;

    memset(outcome, 0, sizeof(*outcome));
    log->wants_insns = setup->wants_insns;
    log->wants_accesses = setup->wants_accesses;
    log->filter = setup->filter;
    open_rig(&rig, log, setup);
    load(&rig, setup);
    rig.on_write = toggle_line;
    if (setup->interrupts) {
        rig.hart->mstatus |= MSTATUS_MIE;
        xbar_riscv_set_timecmp(rig.hart, 3);
    }
    assert_int_equal(xbar_riscv_set_engine(rig.hart, engine), 0);
    for (unsigned i = 0; rig.hart->x[16] != 0 && i < 200000; i++) {
        if (setup->interrupts) {
            keep_ticking(&rig);
        }
        assert_int_equal(xbar_riscv_run(rig.hart, 1 + i % setup->piece),
                         XBAR_RISCV_EXIT_BUDGET);
    }
    assert_int_equal(rig.hart->x[16], 0);
    xbar_riscv_get_counts(rig.hart, &outcome->counts);
    xbar_riscv_get_stats(rig.hart, &stats);
    outcome->instructions = stats.instructions;
    outcome->translated = stats.jit.instructions;
    outcome->counted = xbar_scoreboard_sum(log->board, COUNT_INSNS);
    outcome->blocks = xbar_scoreboard_sum(log->board, COUNT_BLOCKS);
    assert_int_equal(outcome->counted, outcome->instructions);
    assert_int_equal(xbar_instruments_lost(log->instruments), 0);
    close_rig(&rig, log);
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    const struct log *x = &a->log, *y = &b->log;
    size_t count = x->count < y->count ? x->count : y->count;

    for (size_t i = 0; i < count; i++) {
        if (memcmp(&x->events[i], &y->events[i], sizeof(struct event)) != 0) {
            const struct event *e = &x->events[i], *f = &y->events[i];

            print_error("event %zu: %d pc %lx %ld %lx, or %d pc %lx %ld %lx\n",
                        i, (int)e->type, (long)e->pc, (long)e->retired,
                        (long)e->registers, (int)f->type, (long)f->pc,
                        (long)f->retired, (long)f->registers);
            for (unsigned j = 0; j < 10; j++) {
                print_error("    %lx  %lx\n", (long)e->of[j], (long)f->of[j]);
            }
            fail();
        }
    }
    assert_int_equal(x->count, y->count);
    assert_int_equal(a->instructions, b->instructions);
    assert_int_equal(a->counted, b->counted);
    assert_int_equal(a->blocks, b->blocks);
}

static void compare(const struct setup *setup)
{
    static struct outcome interp, jit;

    run(&interp, setup, XBAR_RISCV_INTERP);
    if (xbar_riscv_has_jit()) {
        run(&jit, setup, XBAR_RISCV_JIT);
        assert_same(&interp, &jit);
        /* Most of it was translated, or this shows nothing. */
        assert_true(setup->piece < 50 || jit.translated > jit.instructions / 3);
        if (setup->profile) {
            assert_memory_equal(&interp.counts.mode[3].accesses,
                                &jit.counts.mode[3].accesses,
                                sizeof(jit.counts.mode[3].accesses));
        }
        free(jit.log.events);
    }
    free(interp.log.events);
}

static void compare_programs(struct setup setup)
{
    for (unsigned i = 0; i < PROGRAMS; i++) {
        setup.seed = 77 + i * 0x9e3779b97f4a7c15ull;
        setup.piece = i % 2 ? 23 : 1000;
        compare(&setup);
    }
}

static void test_all_events(void **state)
{
    (void)state;
    compare_programs(
        (struct setup){ .wants_insns = true, .wants_accesses = true });
}

static void test_blocks_alone(void **state)
{
    (void)state;
    compare_programs((struct setup){ .wants_insns = false });
}

static void test_device_accesses(void **state)
{
    (void)state;
    compare_programs((struct setup){ .wants_accesses = true,
                                     .filter.targets = XBAR_TARGET_IO });
}

static void test_stores_in_a_range(void **state)
{
    (void)state;
    compare_programs((struct setup){ .wants_accesses = true,
                                     .filter = { .kinds = XBAR_ACCESS_WRITE,
                                                 .phys = RAM_ADDR + DATA,
                                                 .phys_size = 0x900 } });
}

/* Unobserved, all but the last would be something else. */
static void test_shifts(void **state)
{
    static struct riscv_insn_cache decoded;
    struct riscv_source source = { .decoded = &decoded };
    struct riscv_ahead ahead;
    uint32_t code[BODY + 3];
    unsigned count = make_shifts(code);

    (void)state;
    source.size = 4 * count;
    memcpy(source.bytes, code, source.size);
    riscv__look_ahead(&ahead, &source, RISCV_BLOCK_INSNS);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(ahead.notes[i].form == RISCV_AS_IT_IS, i + 1 == count);
    }
    compare(
        &(struct setup){ .shifts = true, .wants_insns = true, .piece = 1000 });
}

static void test_interrupts(void **state)
{
    (void)state;
    compare_programs((struct setup){
        .wants_insns = true, .wants_accesses = true, .interrupts = true });
}

static void test_with_a_profile(void **state)
{
    (void)state;
    compare_programs((struct setup){ .wants_accesses = true, .profile = true });
}

static void test_stressed(void **state)
{
    static const unsigned stresses[] = {
        XBAR_RISCV_STRESS_TLB,
        XBAR_RISCV_STRESS_CHAIN,
        XBAR_RISCV_STRESS_EVICT,
        XBAR_RISCV_STRESS_REGION,
        XBAR_RISCV_STRESS_SPAN | XBAR_RISCV_STRESS_BASELINE,
    };

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        compare_programs((struct setup){ .wants_insns = i % 2,
                                         .wants_accesses = true,
                                         .stress = stresses[i] });
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_events),
        cmocka_unit_test(test_blocks_alone),
        cmocka_unit_test(test_device_accesses),
        cmocka_unit_test(test_stores_in_a_range),
        cmocka_unit_test(test_shifts),
        cmocka_unit_test(test_interrupts),
        cmocka_unit_test(test_with_a_profile),
        cmocka_unit_test(test_stressed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
