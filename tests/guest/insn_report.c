/* SPDX-License-Identifier: MIT */
#include "tests/guest/insn_report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void insn_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    fflush(stdout);
}

static void say_value(const struct insn_report *report, const char *name,
                      uint64_t a, uint64_t b)
{
    if (a != b) {
        insn_say("  %s: %s %016" PRIx64 ", %s %016" PRIx64 "\n", name,
                 report->names[0], a, report->names[1], b);
    }
}

static void say_state(const struct insn_report *report)
{
    const struct insn_outcome *a = &report->results[0]->outcome;
    const struct insn_outcome *b = &report->results[1]->outcome;
    char name[8];

    for (unsigned i = 0; i < 32; i++) {
        snprintf(name, sizeof(name), "x%u", i);
        say_value(report, name, a->state.x[i], b->state.x[i]);
        snprintf(name, sizeof(name), "f%u", i);
        say_value(report, name, a->state.f[i], b->state.f[i]);
    }
    say_value(report, "fcsr", a->state.fcsr, b->state.fcsr);
    say_value(report, "memory", a->memory, b->memory);
}

static void say_trace(const struct insn_report *report)
{
    const struct insn_trace *a = &report->results[0]->trace;
    const struct insn_trace *b = &report->results[1]->trace;

    say_value(report, "failed", a->failed, b->failed);
    say_value(report, "retired", a->retired, b->retired);
    say_value(report, "pc", a->pc, b->pc);
    say_value(report, "mstatus", a->mstatus, b->mstatus);
    say_value(report, "mcause", a->mcause, b->mcause);
    say_value(report, "mepc", a->mepc, b->mepc);
    say_value(report, "mtval", a->mtval, b->mtval);
    say_value(report, "traps", a->traps, b->traps);
    say_value(report, "trap digest", a->trap_digest, b->trap_digest);
    say_value(report, "pause digest", a->pause_digest, b->pause_digest);
    say_value(report, "page tables", a->tables, b->tables);
    if (a->failed) {
        insn_say("  %s does not end\n", report->names[0]);
    }
}

static void say_faults(const char *who, const struct insn_outcome *out)
{
    insn_say("  %s: %" PRIu64 " faults\n", who, out->fault_count);
    for (size_t i = 0; i < out->fault_count && i < INSN_MAX_FAULTS; i++) {
        insn_say("    signal %" PRIu64 " pc %" PRIx64 " address %" PRIx64 "\n",
                 out->faults[i].signal, out->faults[i].pc,
                 out->faults[i].address);
    }
}

static void say_registers(const struct insn_state *state)
{
    for (unsigned i = 0; i < 32; i++) {
        insn_say("  x%-2u %016" PRIx64 "  f%-2u %016" PRIx64 "\n", i,
                 state->x[i], i, state->f[i]);
    }
    insn_say("  fcsr %" PRIx64 "\n", state->fcsr);
}

static void say_code(const struct insn_sequence *s, uint64_t start)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct insn_slot *slot = &s->slots[i];
        char text[64];

        if (slot->is_erased) {
            continue;
        }
        xbar_riscv_print(text, sizeof(text), start + slot->offset, slot->bits);
        insn_say("  %" PRIx64 ": %0*x  %s\n", start + slot->offset,
                 2 * slot->length, slot->bits, text);
    }
}

void insn_report(const struct insn_report *report)
{
    const struct insn_sequence *s = report->sequence;
    const struct insn_outcome *a = &report->results[0]->outcome;
    const struct insn_outcome *b = &report->results[1]->outcome;

    insn_say("seed %" PRIu64 ", data seed %" PRIx64 "\n", s->seed,
             s->data_seed);
    say_registers(&s->state);
    say_code(s, report->start);
    say_state(report);
    say_trace(report);
    if (a->fault_digest != b->fault_digest) {
        say_faults(report->names[0], a);
        say_faults(report->names[1], b);
    }
    if (report->mismatch) {
        insn_say("%s", report->mismatch);
    }
}
