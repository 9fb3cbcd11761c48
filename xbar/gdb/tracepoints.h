/* SPDX-License-Identifier: MIT */
/*
 * Tracepoints: where the guest is looked at and goes on, without the debugger.
 *
 *     hart stops at a tracepoint --> condition --> frame: registers, memory
 *            ^                                        |
 *            +------ goes on, or is stepped ----------+
 *
 * As all of a debugger's: the hart's thread has them while the hart runs, the
 * debugger's while it is parked. What is defined, and what is collected, is
 * bounded, whoever asks for it.
 */
#ifndef XBAR_GDB_TRACEPOINTS_H
#define XBAR_GDB_TRACEPOINTS_H

#include <xbar/xbar.h>

#include "breaks.h"
#include "frames.h"

#define GDB_TRACEPOINTS_MAX 1024
#define GDB_VARIABLES_MAX   256

/* Of all definitions together; of one thing that is collected. */
#define GDB_DEFINED_MAX (1 << 20)
#define GDB_COLLECT_MAX (1 << 16)

/* Of expressions together at one instruction, where GDB_STEP_BYTES of memory
 * that are collected are a step, too: nobody stops the hart meanwhile. */
#define GDB_STEPS_MAX  100000
#define GDB_STEP_BYTES 256

/* Of frames, where the debugger does not say. */
#define GDB_FRAMES_DEFAULT (4 << 20)
#define GDB_FRAMES_MAX     (256 << 20)

/* Digits of a note; the rest is dropped. */
#define GDB_NOTE_MAX 256

#define GDB_NO_BASE UINT64_MAX

enum gdb_action_kind {
    GDB_COLLECT_REGS,
    GDB_COLLECT_MEMORY,
    GDB_COLLECT_EXPRESSION,
};

/* What is collected there, in the order of definition. */
struct gdb_collect {
    struct gdb_collect *next;
    enum gdb_action_kind kind;
    bool in_steps; /* behind each of its steps, not at the tracepoint */
    uint64_t base; /* memory: a register, or GDB_NO_BASE */
    uint64_t offset;
    size_t count;   /* registers; bytes of memory, or of code */
    uint16_t *regs; /* behind it */
    uint8_t *code;  /* behind it */
};

struct gdb_tracepoint {
    struct gdb_tracepoint *next;
    uint32_t number;
    uint64_t pc;
    bool is_enabled;
    uint64_t steps; /* so many instructions are looked at, too */
    uint64_t pass;  /* tracing ends when it was hit so often; 0: it does not */
    uint8_t *condition; /* NULL: none */
    size_t condition_size;
    struct gdb_collect *collects;
    struct gdb_collect **last;

    uint64_t hits;
    uint64_t usage; /* bytes of its frames */
    uint64_t steps_left;
};

enum gdb_trace_stop {
    GDB_TRACE_NOT_RUN,
    GDB_TRACE_STOPPED, /* by the debugger */
    GDB_TRACE_FULL,
    GDB_TRACE_PASSED,
    GDB_TRACE_ERROR,
};

struct gdb_trace {
    struct xbar_riscv_hart *hart;
    struct gdb_breaks *breaks;

    struct gdb_tracepoint *tracepoints;
    struct gdb_tracepoint *defining; /* of whom more is to come */
    bool defines_steps;              /* and that is about its steps */
    unsigned num_tracepoints;
    size_t defined; /* bytes */
    unsigned num_variables;
    struct gdb_variable {
        uint32_t number;
        uint64_t value;
    } variables[GDB_VARIABLES_MAX];

    bool is_running;
    unsigned stepping; /* tracepoints with steps left */
    enum gdb_trace_stop stop;
    const char *error; /* a text that stays */
    uint32_t stopped_by;
    uint64_t start_us, stop_us; /* since 1970 */

    /* What the debugger's user says of the run: hex, as it came. */
    char user[GDB_NOTE_MAX + 1];
    char note[GDB_NOTE_MAX + 1];
    char stop_note[GDB_NOTE_MAX + 1];

    struct gdb_frames frames;
    size_t frames_room; /* of the next run; 0: GDB_FRAMES_DEFAULT */
    uint32_t selected;  /* GDB_NO_FRAME: the guest itself */

    /* So that nothing is collected twice: what was looked at last. */
    bool has_seen;
    uint64_t seen_pc;
    uint64_t seen_at; /* instructions */

    uint64_t steps; /* of expressions, at this instruction */
    bool has_no_room;
};

void gdb_trace_init(struct gdb_trace *trace, struct gdb_breaks *breaks);

/* gdb_trace_clear() - as it was after gdb_trace_init() */
void gdb_trace_clear(struct gdb_trace *trace);

/* ---- The debugger's thread --------------------------------------------- */

/* gdb_trace_forget() - tracepoints, variables and frames */
void gdb_trace_forget(struct gdb_trace *trace);

/* gdb_trace_add() / _find() - NULL: no memory, or too many; none */
struct gdb_tracepoint *gdb_trace_add(struct gdb_trace *trace, uint32_t number,
                                     uint64_t pc);
struct gdb_tracepoint *gdb_trace_find(const struct gdb_trace *trace,
                                      uint32_t number, uint64_t pc);

/* gdb_trace_set_condition() / gdb_trace_add_collect() - @extra bytes behind it
 * are the caller's to fill. NULL: no memory, or too much. */
uint8_t *gdb_trace_set_condition(struct gdb_trace *trace,
                                 struct gdb_tracepoint *tracepoint,
                                 size_t size);
struct gdb_collect *gdb_trace_add_collect(struct gdb_trace *trace,
                                          struct gdb_tracepoint *tracepoint,
                                          enum gdb_action_kind kind,
                                          size_t extra);

/* gdb_trace_variable() - NULL: there is none; @makes: there is no room */
struct gdb_variable *gdb_trace_variable(struct gdb_trace *trace,
                                        uint32_t number, bool makes);

/* gdb_trace_start() - 0; -ENOMEM, and it does not run */
int gdb_trace_start(struct gdb_trace *trace);
void gdb_trace_stop(struct gdb_trace *trace);

/* gdb_trace_follow() - tracepoints were enabled or disabled; -ENOMEM: it
 * stopped */
int gdb_trace_follow(struct gdb_trace *trace);

/* gdb_trace_frame() - which the debugger looks at; NULL: the guest itself */
const struct gdb_frame *gdb_trace_frame(struct gdb_trace *trace);

/* ---- The hart's thread, between runs ----------------------------------- */

/* @now: how many instructions the hart has executed. */

/* gdb_trace_arrive() - the instruction at pc is about to be executed: it is
 * looked at, once */
void gdb_trace_arrive(struct gdb_trace *trace, uint64_t now);

/* gdb_trace_has_seen() - it was, and was not executed since */
bool gdb_trace_has_seen(const struct gdb_trace *trace, uint64_t now);

/* gdb_trace_stepped() - an instruction was executed by itself */
void gdb_trace_stepped(struct gdb_trace *trace);

/* gdb_trace_end_steps() - the debugger stops here */
void gdb_trace_end_steps(struct gdb_trace *trace);

#endif
