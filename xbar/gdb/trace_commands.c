/* SPDX-License-Identifier: MIT */
/*
 *     QTinit  QTDP:n:pc:E:steps:pass:X..-   QTDP:-n:pc:R..M..X..  QTStart
 *     ...
 *     QTStop  QTFrame:0 --> F0Tn   g, p, m: from that frame   QTFrame:ffffffff
 *
 * Numbers are hexadecimal throughout.
 */
#include "trace_commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BAD_PACKET "E16"
#define NO_MEMORY  "E.no memory, or more than may be defined"

/* ---- Definitions ------------------------------------------------------- */

static bool take_colon(const char **args, uint64_t *number)
{
    return gdb_take(args, ":") && gdb_take_number(args, number);
}

/* A number and an address: which tracepoint. */
static bool take_name(const char **args, uint64_t *number, uint64_t *pc)
{
    return gdb_take_number(args, number) && *number <= UINT32_MAX &&
           take_colon(args, pc);
}

/* "X" was taken: a length and as many bytes, in hex. */
static bool take_size(const char **args, size_t *size)
{
    uint64_t number;

    if (!gdb_take_number(args, &number) || !gdb_take(args, ",") ||
        number > GDB_PACKET_MAX / 2) {
        return false;
    }
    *size = (size_t)number;
    return true;
}

static const char *take_condition(struct gdb_trace *trace,
                                  struct gdb_tracepoint *tracepoint,
                                  const char **args)
{
    uint8_t *condition;
    size_t size;

    if (!take_size(args, &size)) {
        return BAD_PACKET;
    }
    condition = gdb_trace_set_condition(trace, tracepoint, size);
    if (!condition) {
        return NO_MEMORY;
    }
    return gdb_take_hex(args, condition, size) ? NULL : BAD_PACKET;
}

/* A mask in hex, register 0 its lowest bit; of those that there are. */
static const char *take_regs(struct gdb_trace *trace,
                             struct gdb_tracepoint *tracepoint,
                             const char **args, struct gdb_collect **collect)
{
    const char *mask = *args;
    size_t digits = 0;
    uint16_t regs[XBAR_RISCV_REGS];
    size_t count = 0;

    while (gdb_digit(mask[digits]) >= 0) {
        digits++;
    }
    *args += digits;
    for (unsigned reg = 0; reg < XBAR_RISCV_REGS && reg / 4 < digits; reg++) {
        int digit = gdb_digit(mask[digits - 1 - reg / 4]);

        if ((digit >> reg % 4 & 1) && xbar_riscv_reg_name(reg, NULL)) {
            regs[count++] = (uint16_t)reg;
        }
    }
    if (digits == 0) {
        return BAD_PACKET;
    }
    *collect = gdb_trace_add_collect(trace, tracepoint, GDB_COLLECT_REGS,
                                     count * sizeof(*regs));
    if (!*collect) {
        return NO_MEMORY;
    }
    memcpy((*collect)->regs, regs, count * sizeof(*regs));
    (*collect)->count = count;
    return NULL;
}

/* Base, offset, length; without a base: -1, in 32 bits or as it is. */
static const char *take_memory(struct gdb_trace *trace,
                               struct gdb_tracepoint *tracepoint,
                               const char **args, struct gdb_collect **collect)
{
    uint64_t base = GDB_NO_BASE;
    uint64_t offset, size;

    if (!gdb_take(args, "-1") && !gdb_take_number(args, &base)) {
        return BAD_PACKET;
    }
    if (!gdb_take(args, ",") || !gdb_take_number(args, &offset) ||
        !gdb_take(args, ",") || !gdb_take_number(args, &size)) {
        return BAD_PACKET;
    }
    if (base == UINT32_MAX) {
        base = GDB_NO_BASE;
    }
    if (base != GDB_NO_BASE && base >= XBAR_RISCV_REGS) {
        return BAD_PACKET;
    }
    if (size > GDB_COLLECT_MAX) {
        return "E.more than may be collected at once";
    }
    *collect = gdb_trace_add_collect(trace, tracepoint, GDB_COLLECT_MEMORY, 0);
    if (!*collect) {
        return NO_MEMORY;
    }
    (*collect)->base = base;
    (*collect)->offset = offset;
    (*collect)->count = (size_t)size;
    return NULL;
}

static const char *take_expression(struct gdb_trace *trace,
                                   struct gdb_tracepoint *tracepoint,
                                   const char **args,
                                   struct gdb_collect **collect)
{
    size_t size;

    if (!take_size(args, &size)) {
        return BAD_PACKET;
    }
    *collect =
        gdb_trace_add_collect(trace, tracepoint, GDB_COLLECT_EXPRESSION, size);
    if (!*collect) {
        return NO_MEMORY;
    }
    (*collect)->count = size;
    return gdb_take_hex(args, (*collect)->code, size) ? NULL : BAD_PACKET;
}

/* Return: NULL; else the reply. */
static const char *take_collects(struct gdb_trace *trace,
                                 struct gdb_tracepoint *tracepoint,
                                 const char **args)
{
    bool in_steps = gdb_take(args, "S");
    const char *why = NULL;

    while (!why && **args != '\0' && **args != '-') {
        struct gdb_collect *collect = NULL;

        if (gdb_take(args, "R")) {
            why = take_regs(trace, tracepoint, args, &collect);
        } else if (gdb_take(args, "M")) {
            why = take_memory(trace, tracepoint, args, &collect);
        } else if (gdb_take(args, "X")) {
            why = take_expression(trace, tracepoint, args, &collect);
        } else {
            why = BAD_PACKET;
        }
        if (collect) {
            collect->in_steps = in_steps || trace->defines_steps;
        }
    }
    trace->defines_steps |= in_steps;
    return why;
}

/* The packet's end: "-" if there is more to come. */
static const char *take_end(struct gdb_trace *trace,
                            struct gdb_tracepoint *tracepoint, const char *args)
{
    trace->defining = gdb_take(&args, "-") ? tracepoint : NULL;
    return *args == '\0' ? NULL : BAD_PACKET;
}

/* Behind QTDP:-, for the tracepoint that is being defined. */
static const char *go_on_defining(struct gdb_trace *trace, const char *args)
{
    struct gdb_tracepoint *tracepoint = trace->defining;
    const char *why;
    uint64_t number, pc;

    if (!take_name(&args, &number, &pc) || !gdb_take(&args, ":") ||
        !tracepoint || tracepoint->number != number || tracepoint->pc != pc) {
        return BAD_PACKET;
    }
    why = take_collects(trace, tracepoint, &args);
    return why ? why : take_end(trace, tracepoint, args);
}

static const char *take_options(struct gdb_trace *trace,
                                struct gdb_tracepoint *tracepoint,
                                const char **args)
{
    const char *why = NULL;

    while (!why && gdb_take(args, ":")) {
        if (gdb_take(args, "X")) {
            why = take_condition(trace, tracepoint, args);
        } else if (**args == 'F' || **args == 'S') {
            why = "E.only tracepoints of the common kind are supported";
        } else {
            why = BAD_PACKET;
        }
    }
    return why;
}

/* Behind QTDP: */
static const char *define(struct gdb_trace *trace, const char *args)
{
    struct gdb_tracepoint *tracepoint;
    uint64_t number, pc, steps, pass;
    const char *why;
    bool is_enabled;

    if (trace->is_running) {
        return "E.tracing runs: stop it first";
    }
    if (!take_name(&args, &number, &pc) ||
        (!gdb_take(&args, ":E") && !gdb_take(&args, ":D"))) {
        return BAD_PACKET;
    }
    is_enabled = args[-1] == 'E';
    if (!take_colon(&args, &steps) || !take_colon(&args, &pass) ||
        gdb_trace_find(trace, (uint32_t)number, pc)) {
        return BAD_PACKET;
    }
    tracepoint = gdb_trace_add(trace, (uint32_t)number, pc);
    if (!tracepoint) {
        return NO_MEMORY;
    }
    tracepoint->is_enabled = is_enabled;
    tracepoint->steps = steps;
    tracepoint->pass = pass;
    trace->defines_steps = false;
    why = take_options(trace, tracepoint, &args);
    return why ? why : take_end(trace, tracepoint, args);
}

/* Whatever is wrong with a tracepoint, the next QTinit forgets it. */
static void set_tracepoint(struct gdb_trace *trace, const char *args,
                           struct gdb_text *reply)
{
    const char *why = gdb_take(&args, "-") ? go_on_defining(trace, args)
                                           : define(trace, args);

    if (why) {
        trace->defining = NULL;
    }
    gdb_put(reply, "%s", why ? why : "OK");
}

static void enable(struct gdb_trace *trace, const char *args, bool is_enabled,
                   struct gdb_text *reply)
{
    struct gdb_tracepoint *tracepoint = NULL;
    uint64_t number, pc;

    if (take_name(&args, &number, &pc)) {
        tracepoint = gdb_trace_find(trace, (uint32_t)number, pc);
    }
    if (!tracepoint || *args != '\0') {
        gdb_put(reply, BAD_PACKET);
        return;
    }
    tracepoint->is_enabled = is_enabled;
    gdb_put(reply, "%s", gdb_trace_follow(trace) ? NO_MEMORY : "OK");
}

/* Number and value; whether it is built in, and its name, do not matter. */
static void set_variable(struct gdb_trace *trace, const char *args,
                         struct gdb_text *reply)
{
    struct gdb_variable *variable;
    uint64_t number, value;

    if (!gdb_take_number(&args, &number) || number > UINT32_MAX ||
        !take_colon(&args, &value)) {
        gdb_put(reply, BAD_PACKET);
        return;
    }
    variable = gdb_trace_variable(trace, (uint32_t)number, true);
    if (!variable) {
        gdb_put(reply, NO_MEMORY);
        return;
    }
    variable->value = value;
    gdb_put(reply, "OK");
}

/* ---- The run ----------------------------------------------------------- */

static void start(struct gdb_trace *trace, struct gdb_text *reply)
{
    if (trace->is_running) {
        gdb_put(reply, "E.tracing runs already");
    } else if (gdb_trace_start(trace)) {
        gdb_put(reply, "E.no memory for the trace");
    } else {
        gdb_put(reply, "OK");
    }
}

/* For the next run. -1: as much as there may be. */
static void set_size(struct gdb_trace *trace, const char *args,
                     struct gdb_text *reply)
{
    uint64_t size;

    if (strcmp(args, "-1") == 0) {
        trace->frames_room = 0;
        gdb_put(reply, "OK");
    } else if (!gdb_take_number(&args, &size) || *args != '\0' || size == 0) {
        gdb_put(reply, BAD_PACKET);
    } else if (size > GDB_FRAMES_MAX) {
        gdb_put(reply, "E.a trace buffer has %d bytes at most", GDB_FRAMES_MAX);
    } else {
        trace->frames_room = (size_t)size;
        gdb_put(reply, "OK");
    }
}

static void set_buffer(struct gdb_trace *trace, const char *args,
                       struct gdb_text *reply)
{
    if (gdb_take(&args, "size:")) {
        set_size(trace, args, reply);
    } else if (strcmp(args, "circular:0") == 0 ||
               strcmp(args, "circular:1") == 0) {
        trace->frames.is_circular = args[9] == '1';
        gdb_put(reply, "OK");
    } else {
        gdb_put(reply, BAD_PACKET);
    }
}

static void take_note(const char **args, char note[GDB_NOTE_MAX + 1])
{
    size_t length = 0;

    while (gdb_digit(**args) >= 0) {
        if (length < GDB_NOTE_MAX) {
            note[length++] = **args;
        }
        ++*args;
    }
    note[length] = '\0';
}

static void set_notes(struct gdb_trace *trace, const char *args,
                      struct gdb_text *reply)
{
    bool is_good = true;

    while (*args != '\0' && is_good) {
        if (gdb_take(&args, "user:")) {
            take_note(&args, trace->user);
        } else if (gdb_take(&args, "notes:")) {
            take_note(&args, trace->note);
        } else if (gdb_take(&args, "tstop:")) {
            take_note(&args, trace->stop_note);
        } else {
            is_good = false;
        }
        is_good = is_good && gdb_take(&args, ";");
    }
    gdb_put(reply, "%s", is_good ? "OK" : BAD_PACKET);
}

/* ---- Frames ------------------------------------------------------------ */

struct wanted {
    enum { BY_NUMBER, BY_PC, BY_TRACEPOINT, BY_RANGE, BY_OUTSIDE } by;
    uint64_t first; /* or what it is */
    uint64_t last;
};

static bool take_wanted(const char *args, struct wanted *wanted)
{
    bool has_last = false;

    wanted->by = BY_NUMBER;
    if (gdb_take(&args, "pc:")) {
        wanted->by = BY_PC;
    } else if (gdb_take(&args, "tdp:")) {
        wanted->by = BY_TRACEPOINT;
    } else if (gdb_take(&args, "range:")) {
        wanted->by = BY_RANGE;
        has_last = true;
    } else if (gdb_take(&args, "outside:")) {
        wanted->by = BY_OUTSIDE;
        has_last = true;
    }
    return gdb_take_number(&args, &wanted->first) &&
           (!has_last || take_colon(&args, &wanted->last)) && *args == '\0';
}

static bool matches(const struct wanted *wanted, const struct gdb_frame *frame)
{
    bool is_inside = frame->pc >= wanted->first && frame->pc <= wanted->last;

    switch (wanted->by) {
    case BY_PC:
        return frame->pc == wanted->first;
    case BY_TRACEPOINT:
        return frame->tracepoint == wanted->first;
    case BY_RANGE:
        return is_inside;
    default:
        return !is_inside;
    }
}

/* The number, or the next one behind the one that is selected. */
static const struct gdb_frame *find_frame(struct gdb_trace *trace,
                                          const struct wanted *wanted,
                                          uint32_t *number)
{
    const struct gdb_frame *frame;

    if (wanted->by == BY_NUMBER) {
        *number = (uint32_t)wanted->first;
        return wanted->first < GDB_NO_FRAME
                   ? gdb_frames_get(&trace->frames, *number)
                   : NULL;
    }
    *number = trace->selected + 1; /* 0 behind none */
    while ((frame = gdb_frames_get(&trace->frames, *number)) &&
           !matches(wanted, frame)) {
        ++*number;
    }
    return frame;
}

static void select_frame(struct gdb_trace *trace, const char *args,
                         struct gdb_text *reply)
{
    const struct gdb_frame *frame;
    struct wanted wanted;
    uint32_t number;

    if (!take_wanted(args, &wanted)) {
        gdb_put(reply, BAD_PACKET);
        return;
    }
    frame = find_frame(trace, &wanted, &number);
    trace->selected = frame ? number : GDB_NO_FRAME;
    if (frame) {
        gdb_put(reply, "F%" PRIx32 "T%" PRIx32, number, frame->tracepoint);
    } else {
        gdb_put(reply, "F-1");
    }
}

/* ---- Questions --------------------------------------------------------- */

static void put_reason(const struct gdb_trace *trace, struct gdb_text *reply)
{
    switch (trace->stop) {
    case GDB_TRACE_NOT_RUN:
        gdb_put(reply, "tnotrun:0");
        break;
    case GDB_TRACE_STOPPED:
        gdb_put(reply, "tstop:%s:0", trace->stop_note);
        break;
    case GDB_TRACE_FULL:
        gdb_put(reply, "tfull:0");
        break;
    case GDB_TRACE_PASSED:
        gdb_put(reply, "tpasscount:%" PRIx32, trace->stopped_by);
        break;
    case GDB_TRACE_ERROR:
        gdb_put(reply, "terror:");
        gdb_put_hex(reply, trace->error, strlen(trace->error));
        gdb_put(reply, ":%" PRIx32, trace->stopped_by);
        break;
    }
    gdb_put(reply, ";");
}

static void put_status(const struct gdb_trace *trace, struct gdb_text *reply)
{
    const struct gdb_frames *frames = &trace->frames;

    gdb_put(reply, "T%d;", trace->is_running);
    if (!trace->is_running) {
        put_reason(trace, reply);
    }
    gdb_put(reply, "tframes:%" PRIx32 ";tcreated:%" PRIx32 ";tfree:%zx;",
            frames->count, frames->created, frames->room - frames->used);
    gdb_put(reply, "tsize:%zx;circular:%d;disconn:0;", frames->room,
            frames->is_circular);
    gdb_put(reply, "starttime:%" PRIx64 ";stoptime:%" PRIx64 ";",
            trace->start_us, trace->is_running ? 0 : trace->stop_us);
    gdb_put(reply, "username:%s;notes:%s", trace->user, trace->note);
}

static void put_hits(struct gdb_trace *trace, const char *args,
                     struct gdb_text *reply)
{
    const struct gdb_tracepoint *tracepoint = NULL;
    uint64_t number, pc;

    if (take_name(&args, &number, &pc)) {
        tracepoint = gdb_trace_find(trace, (uint32_t)number, pc);
    }
    if (tracepoint) {
        gdb_put(reply, "V%" PRIx64 ":%" PRIx64, tracepoint->hits,
                tracepoint->usage);
    } else {
        gdb_put(reply, BAD_PACKET);
    }
}

/* As it is, or as the frame has it. */
static void put_variable(struct gdb_trace *trace, const char *args,
                         struct gdb_text *reply)
{
    const struct gdb_frame *frame = gdb_trace_frame(trace);
    const struct gdb_variable *variable = NULL;
    uint64_t number, value = 0;
    bool is_there;

    if (!gdb_take_number(&args, &number) || number > UINT32_MAX) {
        gdb_put(reply, BAD_PACKET);
        return;
    }
    if (frame) {
        is_there = gdb_frame_variable(frame, (unsigned)number, &value);
    } else {
        variable = gdb_trace_variable(trace, (uint32_t)number, false);
        is_there = variable != NULL;
        value = is_there ? variable->value : 0;
    }
    if (is_there) {
        gdb_put(reply, "V%" PRIx64, value);
    } else {
        gdb_put(reply, "U");
    }
}

static char *make_frame_info(const struct gdb_frame *frame, size_t *length)
{
    const struct gdb_block *block = NULL;
    char *text = NULL;
    FILE *out = open_memstream(&text, length);

    if (!out) {
        return NULL;
    }
    fputs("<traceframe-info>\n", out);
    while (frame && (block = gdb_frame_next(frame, block))) {
        if (block->kind == GDB_BLOCK_MEMORY && block->size) {
            fprintf(out,
                    "<memory start=\"0x%" PRIx64 "\" length=\"0x%" PRIx32
                    "\"/>\n",
                    block->key, block->size);
        } else if (block->kind == GDB_BLOCK_VARIABLE) {
            fprintf(out, "<tvar id=\"0x%" PRIx64 "\"/>\n", block->key);
        }
    }
    fputs("</traceframe-info>\n", out);
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}

void gdb_trace_frame_info(struct gdb_trace *trace, const char *args,
                          struct gdb_text *reply)
{
    size_t length = 0;
    char *text = make_frame_info(gdb_trace_frame(trace), &length);

    if (text) {
        gdb_put_window(reply, text, length, args);
    } else {
        gdb_put(reply, NO_MEMORY);
    }
    free(text);
}

void gdb_trace_ask(struct gdb_trace *trace, const char *args,
                   struct gdb_text *reply)
{
    if (strcmp(args, "Status") == 0) {
        put_status(trace, reply);
    } else if (gdb_take(&args, "P:")) {
        put_hits(trace, args, reply);
    } else if (gdb_take(&args, "V:")) {
        put_variable(trace, args, reply);
    } else if (strcmp(args, "fP") == 0 || strcmp(args, "sP") == 0 ||
               strcmp(args, "fV") == 0 || strcmp(args, "sV") == 0) {
        gdb_put(reply, "l"); /* none that the debugger did not define */
    }
}

void gdb_trace_set(struct gdb_trace *trace, const char *args,
                   struct gdb_text *reply)
{
    if (strcmp(args, "init") == 0) {
        gdb_trace_forget(trace);
        gdb_put(reply, "OK");
    } else if (gdb_take(&args, "DP:")) {
        set_tracepoint(trace, args, reply);
    } else if (gdb_take(&args, "DV:")) {
        set_variable(trace, args, reply);
    } else if (gdb_take(&args, "Enable:")) {
        enable(trace, args, true, reply);
    } else if (gdb_take(&args, "Disable:")) {
        enable(trace, args, false, reply);
    } else if (gdb_take(&args, "Buffer:")) {
        set_buffer(trace, args, reply);
    } else if (gdb_take(&args, "Frame:")) {
        select_frame(trace, args, reply);
    } else if (strcmp(args, "Start") == 0) {
        start(trace, reply);
    } else if (strcmp(args, "Stop") == 0) {
        gdb_trace_stop(trace);
        gdb_put(reply, "OK");
    } else if (gdb_take(&args, "Notes:")) {
        set_notes(trace, args, reply);
    } else if (gdb_take(&args, "ro")) {
        gdb_put(reply, "OK"); /* what is read-only: the debugger has it, too */
    }
}
