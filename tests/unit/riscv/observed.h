/* SPDX-License-Identifier: MIT */
/* Random programs on the rig's board, and all that is told of them: what the
 * tests of instrumented harts share. */
#ifndef XBAR_TESTS_UNIT_RISCV_OBSERVED_H
#define XBAR_TESTS_UNIT_RISCV_OBSERVED_H

#include "jit/riscv/observe.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "accesses.h"
#include "jit/riscv/jit.h"

#define CODE     0x1fc0u /* its first instructions are on another page */
#define BODY     60
#define ROUNDS   12
#define PROGRAMS 40

/* ---- A program --------------------------------------------------------- */

static const unsigned arithmetic[] = { RISCV_OP_ADD,    RISCV_OP_MULW,
                                       RISCV_OP_DIV,    RISCV_OP_FADD_D,
                                       RISCV_OP_FMUL_S, RISCV_OP_FSGNJ_D };

/* Branches skip one instruction. */
static inline uint32_t random_insn(uint64_t *rng, bool is_last)
{
    unsigned base = 5 + (unsigned)(rig_random(rng) % BASE_REGS);
    unsigned reg = 10 + (unsigned)(rig_random(rng) % 6);
    int offset = (int)(rig_random(rng) % 4096) - 2048;
    uint64_t which = rig_random(rng) % 12;

    switch (which) {
    case 7:
        return is_last ? INSN_NOP : encode(RISCV_OP_BLT, 0, reg, base, 8);
    case 8:
        return insn_csr(2, reg, 0x340, 0); /* csrr mscratch */
    case 9:
        return INSN_ECALL;
    case 10:
        return encode(PICK(rng, arithmetic), reg, reg, base + 5, 0);
    default:
        return which < ACCESSES ? random_access(rng, which, base, reg, offset)
                                : insn_addi(reg, reg, offset);
    }
}

/* Exceptions are skipped; an interrupt turns interrupts off. */
static inline void load_program(struct rig *rig, uint64_t seed)
{
    static const uint32_t handler[] = {
        0x34202f73,             /* csrr x30, mcause */
        0x000f5663,             /* bge x30, x0, +12 */
        0x30401073,             /* csrw mie, x0 */
        INSN_MRET,  0x34102f73, /* csrr x30, mepc */
        0x004f0f13,             /* addi x30, x30, 4 */
        0x341f1073,             /* csrw mepc, x30 */
        INSN_MRET,
    };
    uint32_t code[BODY + 3];
    uint64_t rng = seed;

    for (unsigned i = 0; i < BODY; i++) {
        code[i] = random_insn(&rng, i + 1 >= BODY);
    }
    load_rounds(rig, CODE + 2, code, BODY, ROUNDS); /* one crosses the pages */
    rig_code(rig, HANDLER, handler, 8);
}

/* ---- What is told ------------------------------------------------------ */

enum event_type { SHOWN, BLOCK, INSN, ACCESS, TRAP };

struct event {
    enum event_type type;
    uint64_t pc;
    uint64_t retired;
    uint64_t registers;
    uint64_t of[10];
};

struct log {
    struct xbar_instruments *instruments;
    struct xbar_scoreboard *board;
    struct xbar_instrument *in;
    struct xbar_access_filter filter;
    bool wants_insns;
    bool wants_accesses;
    bool ended;
    struct event *events;
    size_t count;
    size_t room;
};

enum { COUNT_INSNS = 0, COUNT_BLOCKS = 8, COUNT_IN_BLOCKS = 16 };

static inline uint64_t sum_registers(const struct xbar_vcpu *vcpu)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 32; i++) {
        sum = sum * 31 + xbar_vcpu_register(vcpu, i);
    }
    return sum;
}

static inline struct event *add_event(struct log *log, enum event_type type,
                                      const struct xbar_vcpu *vcpu)
{
    struct event *event;

    if (log->count == log->room) {
        log->room = log->room ? 2 * log->room : 1024;
        log->events = realloc(log->events, log->room * sizeof(*log->events));
        assert_non_null(log->events);
    }
    event = &log->events[log->count++];
    memset(event, 0, sizeof(*event));
    event->type = type;
    event->pc = xbar_vcpu_pc(vcpu);
    event->retired = xbar_vcpu_retired(vcpu);
    event->registers = sum_registers(vcpu);
    return event;
}

static inline void note_block(struct xbar_vcpu *vcpu, void *userdata)
{
    add_event(userdata, BLOCK, vcpu);
}

/* Counters hold all that retired before. */
static inline void note_insn(struct xbar_vcpu *vcpu, void *userdata)
{
    struct log *log = userdata;
    struct event *event = add_event(log, INSN, vcpu);

    event->of[0] = xbar_scoreboard_sum(log->board, COUNT_INSNS);
    assert_int_equal(event->of[0], event->retired);
}

static inline void note_access(struct xbar_vcpu *vcpu,
                               const struct xbar_access_event *access,
                               void *userdata)
{
    struct event *event = add_event(userdata, ACCESS, vcpu);

    assert_int_equal(access->pc, event->pc);
    event->of[0] = access->va;
    event->of[1] = access->phys;
    event->of[2] = access->offset;
    event->of[3] = access->loaded;
    event->of[4] = access->stored;
    event->of[5] = access->size;
    event->of[6] = access->kind;
    event->of[7] = access->target;
    event->of[8] = access->crossing;
    event->of[9] = access->phys2;
}

static inline void note_trap(void *opaque, struct xbar_vcpu *vcpu,
                             const struct xbar_trap_event *trap)
{
    struct event *event = add_event(opaque, TRAP, vcpu);

    event->of[0] = trap->pc;
    event->of[1] = trap->cause;
    event->of[2] = trap->value;
    event->of[3] = trap->handler;
    event->of[4] = trap->is_interrupt;
    event->of[5] = trap->from;
    event->of[6] = trap->to;
}

static inline void look_at(void *opaque, struct xbar_vcpu *vcpu,
                           struct xbar_code *code)
{
    struct log *log = opaque;
    struct event *event = add_event(log, SHOWN, vcpu);
    unsigned count = xbar_code_insns(code);

    event->of[0] = count;
    event->of[1] = xbar_code_insn(code, 0)->pc;
    event->of[2] = xbar_code_insn(code, count - 1)->phys;
    assert_int_equal(xbar_code_on_block(code, note_block, log), 0);
    assert_int_equal(xbar_code_count_blocks(code, log->board, COUNT_BLOCKS, 1),
                     0);
    assert_int_equal(
        xbar_code_count_blocks(code, log->board, COUNT_IN_BLOCKS, count), 0);
    for (unsigned i = 0; i < count; i++) {
        if (log->wants_insns) {
            assert_int_equal(xbar_code_on_insn(code, i, note_insn, log), 0);
        }
        assert_int_equal(
            xbar_code_count_insn(code, i, log->board, COUNT_INSNS, 1), 0);
        if (log->wants_accesses) {
            assert_int_equal(
                xbar_code_on_access(code, i, &log->filter, note_access, log),
                0);
        }
    }
}

static inline void note_end(void *opaque)
{
    struct log *log = opaque;

    assert_false(log->ended);
    __atomic_store_n(&log->ended, true, __ATOMIC_RELEASE);
}

static const struct xbar_instrument_ops log_ops = {
    .translated = look_at,
    .trap = note_trap,
    .ended = note_end,
};

struct setup {
    uint64_t seed;
    unsigned stress;
    bool wants_insns;
    bool wants_accesses;
    struct xbar_access_filter filter;
    bool interrupts;
    bool profile;
    bool shifts; /* the program is of those that could be one with the next */
    unsigned piece; /* instructions of a run at most */
};

/* The address space is there before the hart. */
static inline void open_rig(struct rig *rig, struct log *log,
                            const struct setup *setup)
{
    struct xbar_riscv_config config = {
        .hartid = 5,
        .stress = setup->stress,
        .insns_per_tick = setup->interrupts ? 7 : 0,
        .count_blocks = setup->profile,
    };

    rig_open(rig);
    xbar_riscv_free(rig->hart);
    log->instruments = xbar_instruments_new(&rig->as);
    assert_non_null(log->instruments);
    config.as = &rig->as;
    config.reset_pc = RIG_RAM;
    config.translate_after = 1;
    config.instruments = log->instruments;
    rig->hart = xbar_riscv_new(&config);
    assert_non_null(rig->hart);
    log->board = xbar_scoreboard_new(log->instruments, 24);
    assert_non_null(log->board);
    log->in = xbar_instrument_add(log->instruments, &log_ops, log);
    assert_non_null(log->in);
}

static inline void close_rig(struct rig *rig, struct log *log)
{
    struct xbar_riscv_hart *hart = rig->hart;

    assert_int_equal(xbar_instruments_free(log->instruments), -EBUSY);
    xbar_riscv_free(hart);
    rig->hart = NULL;
    assert_int_equal(xbar_instruments_free(log->instruments), 0);
    assert_true(log->ended);
    rig_close(rig);
}

#endif
