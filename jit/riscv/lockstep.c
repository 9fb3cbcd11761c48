/* SPDX-License-Identifier: MIT */
/*
 * Lockstep: the interpreter repeats each block that emitted code ran, and both
 * must come to the same state.
 *
 *     state --copy--> shadow
 *       | emitted code, logging each load and store
 *       v                       v interpreter: loads are answered from the
 *     state' ----compare---- shadow'      log, stores are compared with it
 *
 * There is one machine. Emitted code runs first and acts on memory and
 * devices; the shadow hart has neither: its TLB answers from the log, in
 * order. It fetches the bytes that the block was made from, because stale
 * code is lawful until fence.i. What emitted code leaves to the interpreter
 * (CSRs, traps on purpose, atomics while nothing may hit inline) needs no
 * comparison. Interrupts are taken between blocks, from the one state.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/alloc.h"
#include "engine/plan.h"
#include "jit/riscv/interp/interp.h"
#include "jit/riscv/jit.h"

/* Each instruction makes at most one access, and one more may fault. */
#define LOG_MAX (RISCV_LOCKSTEP_INSNS + 1)

#define REPORT_SIZE 4096

struct log_entry {
    uint64_t va;
    uint64_t value;
    enum xbar_tlb_access access;
    unsigned size_log2;
    bool faulted;
    struct xbar_tlb_fault fault;
};

struct riscv_lockstep {
    struct xbar_riscv_hart *shadow;
    struct log_entry log[LOG_MAX];
    uint64_t begun; /* hart->stats.instructions then */
    unsigned logged;
    unsigned replayed;
    bool off_the_log; /* the shadow made another access than was logged */
    bool failed;
    size_t length; /* of the report so far */
    char report[REPORT_SIZE];
};

/* ---- The log ----------------------------------------------------------- */

void riscv__lockstep_log(struct xbar_riscv_hart *hart, uint64_t va,
                         enum xbar_tlb_access access, unsigned size_log2,
                         uint64_t value, bool faulted)
{
    struct riscv_lockstep *ls = hart->lockstep;

    xbar_assert(ls->logged < LOG_MAX);
    ls->log[ls->logged++] = (struct log_entry){
        .va = va,
        .value = xbar_plan_cut(value, size_log2),
        .access = access,
        .size_log2 = size_log2,
        .faulted = faulted,
        .fault = hart->tlb.fault,
    };
}

static bool is_entry(const struct log_entry *entry, uint64_t va,
                     enum xbar_tlb_access access, unsigned size_log2,
                     uint64_t value)
{
    return entry->va == va && entry->access == access &&
           entry->size_log2 == size_log2 &&
           (access == TLB_READ ||
            entry->value == xbar_plan_cut(value, size_log2));
}

/* See struct xbar_tlb_config: the shadow's loads and stores. */
static int replay(void *opaque, uint64_t va, enum xbar_tlb_access access,
                  unsigned size_log2, uint64_t *value)
{
    struct riscv_lockstep *ls = opaque;
    const struct log_entry *entry = &ls->log[ls->replayed];

    if (ls->replayed == ls->logged ||
        !is_entry(entry, va, access, size_log2,
                  access == TLB_WRITE ? *value : 0)) {
        ls->off_the_log = true;
        ls->shadow->tlb.fault = (struct xbar_tlb_fault){ .va = va };
        return -1;
    }
    ls->replayed++;
    ls->shadow->tlb.fault = entry->fault;
    if (access == TLB_READ && !entry->faulted) {
        *value = entry->value;
    }
    return entry->faulted;
}

/* ---- Both states ------------------------------------------------------- */

/* Everything beside x and f that a block, or a trap in it, reads or changes. */
static const struct state_field {
    const char *name;
    size_t offset;
    size_t size;
} state_fields[] = {
#define FIELD(field)                                     \
    {                                                    \
#field, offsetof(struct xbar_riscv_hart, field), \
            sizeof(((struct xbar_riscv_hart *)0)->field) \
    }
    FIELD(pc),       FIELD(mstatus),       FIELD(mie),
    FIELD(mideleg),  FIELD(medeleg),       FIELD(mtvec),
    FIELD(mscratch), FIELD(mepc),          FIELD(mcause),
    FIELD(mtval),    FIELD(mcounteren),    FIELD(menvcfg),
    FIELD(stvec),    FIELD(sscratch),      FIELD(sepc),
    FIELD(scause),   FIELD(stval),         FIELD(scounteren),
    FIELD(senvcfg),  FIELD(frm),           FIELD(fflags),
    FIELD(priv),     FIELD(fetch_context), FIELD(data_context),
    FIELD(misa),     FIELD(mcountinhibit),
#undef FIELD
};
#define STATE_FIELDS (sizeof(state_fields) / sizeof(state_fields[0]))

static uint64_t field_value(const struct xbar_riscv_hart *hart,
                            const struct state_field *field)
{
    const uint8_t *from = (const uint8_t *)hart + field->offset;
    uint64_t value;

    if (field->size == 1) {
        return *from;
    }
    xbar_assert(field->size == sizeof(value));
    memcpy(&value, from, sizeof(value));
    return value;
}

static void copy_state(struct xbar_riscv_hart *to,
                       const struct xbar_riscv_hart *from)
{
    memcpy(to->x, from->x, sizeof(to->x));
    memcpy(to->f, from->f, sizeof(to->f));
    for (unsigned i = 0; i < STATE_FIELDS; i++) {
        const struct state_field *field = &state_fields[i];

        memcpy((uint8_t *)to + field->offset,
               (const uint8_t *)from + field->offset, field->size);
    }
    to->reservation = from->reservation;
}

static bool states_equal(const struct xbar_riscv_hart *a,
                         const struct xbar_riscv_hart *b)
{
    for (unsigned i = 0; i < STATE_FIELDS; i++) {
        if (field_value(a, &state_fields[i]) !=
            field_value(b, &state_fields[i])) {
            return false;
        }
    }
    return memcmp(a->x, b->x, sizeof(a->x)) == 0 &&
           memcmp(a->f, b->f, sizeof(a->f)) == 0;
}

void riscv__lockstep_begin(struct xbar_riscv_hart *hart)
{
    struct riscv_lockstep *ls = hart->lockstep;

    copy_state(ls->shadow, hart);
    ls->begun = hart->stats.instructions;
    ls->logged = 0;
    ls->replayed = 0;
    ls->off_the_log = false;
}

/* ---- The report -------------------------------------------------------- */

static void report(struct riscv_lockstep *ls, const char *format, ...)
    XBAR_PRINTF(2, 3);

static void report(struct riscv_lockstep *ls, const char *format, ...)
{
    size_t room = sizeof(ls->report) - ls->length;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(ls->report + ls->length, room, format, args);
    va_end(args);
    if (n > 0) {
        ls->length += (size_t)n < room ? (size_t)n : room - 1;
    }
}

static void report_value(struct riscv_lockstep *ls, const char *name,
                         uint64_t jit, uint64_t interp)
{
    if (jit != interp) {
        report(ls, "  %-13s jit %016" PRIx64 "  interp %016" PRIx64 "\n", name,
               jit, interp);
    }
}

static void report_state(struct riscv_lockstep *ls,
                         const struct xbar_riscv_hart *hart)
{
    const struct xbar_riscv_hart *shadow = ls->shadow;
    char name[16];

    for (unsigned i = 0; i < 32; i++) {
        snprintf(name, sizeof(name), "x%u", i);
        report_value(ls, name, hart->x[i], shadow->x[i]);
        snprintf(name, sizeof(name), "f%u", i);
        report_value(ls, name, hart->f[i], shadow->f[i]);
    }
    for (unsigned i = 0; i < STATE_FIELDS; i++) {
        report_value(ls, state_fields[i].name,
                     field_value(hart, &state_fields[i]),
                     field_value(shadow, &state_fields[i]));
    }
    if (ls->off_the_log || ls->replayed != ls->logged) {
        report(ls, "  %u of %u loads and stores were made alike\n",
               ls->replayed, ls->logged);
    }
}

static uint32_t bits_at(const struct xbar_jit_block *block, unsigned offset)
{
    uint32_t bits = 0;

    memcpy(&bits, block->bytes + offset,
           riscv__is_compressed(block->bytes[offset]) ? 2 : 4);
    return bits;
}

static void report_block(struct riscv_lockstep *ls,
                         const struct xbar_jit_block *block, unsigned executed)
{
    unsigned offset = 0;
    char text[80];

    report(ls,
           "the engines differ after %u instructions of the block at "
           "%016" PRIx64 "\n",
           executed, block->key.pc);
    while (offset < block->guest_size) {
        unsigned length = xbar_riscv_print(
            text, sizeof(text), block->key.pc + offset, bits_at(block, offset));

        report(ls, "  %" PRIx64 "  %s\n", block->key.pc + offset, text);
        offset += length;
    }
}

/* ---- Comparing --------------------------------------------------------- */

/* The shadow executes what lies at its pc, from the block's bytes. */
static enum riscv_exec shadow_step(struct xbar_riscv_hart *shadow,
                                   const struct xbar_jit_block *block)
{
    uint64_t offset = shadow->pc - block->key.pc;
    enum riscv_exec result;
    uint32_t bits;

    if (offset >= block->guest_size) {
        return EXEC_TRAP; /* it went astray: the states will differ */
    }
    bits = bits_at(block, (unsigned)offset);
    result = riscv__execute(shadow, bits);
    if (result == EXEC_NEXT) {
        shadow->pc += riscv__is_compressed(bits) ? 2 : 4;
    }
    return result;
}

void riscv__lockstep_check(struct xbar_riscv_hart *hart,
                           const struct xbar_jit_block *block, bool trapped)
{
    struct riscv_lockstep *ls = hart->lockstep;
    unsigned executed = (unsigned)(hart->stats.instructions - ls->begun);

    for (unsigned i = 0; i < executed + trapped; i++) {
        if (shadow_step(ls->shadow, block) == EXEC_TRAP) {
            break;
        }
    }
    if (states_equal(hart, ls->shadow) && !ls->off_the_log &&
        ls->replayed == ls->logged) {
        return;
    }
    ls->failed = true;
    report_block(ls, block, executed);
    report_state(ls, hart);
    riscv__post(hart, ATTN_EXIT);
}

const char *xbar_riscv_mismatch(const struct xbar_riscv_hart *hart)
{
    const struct riscv_lockstep *ls = hart->lockstep;

    return ls != NULL && ls->failed ? ls->report : NULL;
}

/* ---- Life -------------------------------------------------------------- */

int riscv__lockstep_new(struct xbar_riscv_hart *hart)
{
    struct xbar_engine *engine = xbar_address_space_engine(hart->config.as);
    struct xbar_riscv_config config = hart->config;
    struct riscv_lockstep *ls = xbar_alloc(engine, sizeof(*ls));

    if (ls == NULL) {
        return -ENOMEM;
    }
    config.observe = NULL;
    config.counts = NULL;
    config.device = NULL;
    config.interpreted = NULL;
    config.instruments = NULL;
    ls->shadow = xbar_riscv_new(&config);
    if (ls->shadow == NULL) {
        xbar_free(engine, ls, sizeof(*ls));
        return -ENOMEM;
    }
    ls->shadow->tlb.config.replay = replay;
    ls->shadow->tlb.config.replay_opaque = ls;
    hart->tlb.config.no_inline = true;
    riscv__flush_tlb(hart);
    riscv__jit_flush(hart);
    hart->lockstep = ls;
    return 0;
}

void riscv__lockstep_free(struct xbar_riscv_hart *hart)
{
    struct riscv_lockstep *ls = hart->lockstep;

    if (ls == NULL) {
        return;
    }
    xbar_riscv_free(ls->shadow);
    xbar_free(xbar_address_space_engine(hart->config.as), ls, sizeof(*ls));
    hart->tlb.config.no_inline = false;
    riscv__flush_tlb(hart);
    hart->lockstep = NULL;
}
