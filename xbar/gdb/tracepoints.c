/* SPDX-License-Identifier: MIT */
#include "tracepoints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "host_clock.h"

static uint64_t now_us(void)
{
    return host_clock_ns(CLOCK_REALTIME) / 1000;
}

/* ---- Definitions ------------------------------------------------------- */

void gdb_trace_init(struct gdb_trace *trace, struct gdb_breaks *breaks)
{
    *trace = (struct gdb_trace){
        .hart = breaks->hart,
        .breaks = breaks,
        .selected = GDB_NO_FRAME,
    };
}

static void free_tracepoint(struct gdb_tracepoint *tracepoint)
{
    while (tracepoint->collects) {
        struct gdb_collect *collect = tracepoint->collects;

        tracepoint->collects = collect->next;
        free(collect);
    }
    free(tracepoint->condition);
    free(tracepoint);
}

void gdb_trace_forget(struct gdb_trace *trace)
{
    gdb_breaks_remove_all(trace->breaks, GDB_BREAK_TRACE);
    while (trace->tracepoints) {
        struct gdb_tracepoint *tracepoint = trace->tracepoints;

        trace->tracepoints = tracepoint->next;
        free_tracepoint(tracepoint);
    }
    trace->defining = NULL;
    trace->num_tracepoints = 0;
    trace->num_variables = 0;
    trace->defined = 0;
    trace->is_running = false;
    trace->stepping = 0;
    trace->stop = GDB_TRACE_NOT_RUN;
    trace->start_us = trace->stop_us = 0;
    trace->user[0] = trace->note[0] = trace->stop_note[0] = '\0';
    trace->selected = GDB_NO_FRAME;
    gdb_frames_free(&trace->frames);
}

void gdb_trace_clear(struct gdb_trace *trace)
{
    gdb_trace_forget(trace);
    gdb_trace_init(trace, trace->breaks);
}

/* Zeroes; NULL: no memory, or more than one may define. */
static void *allocate(struct gdb_trace *trace, size_t size)
{
    void *memory = NULL;

    if (size <= GDB_DEFINED_MAX - trace->defined) {
        memory = calloc(1, size);
    }
    if (memory) {
        trace->defined += size;
    }
    return memory;
}

struct gdb_tracepoint *gdb_trace_find(const struct gdb_trace *trace,
                                      uint32_t number, uint64_t pc)
{
    struct gdb_tracepoint *tracepoint = trace->tracepoints;

    while (tracepoint &&
           (tracepoint->number != number || tracepoint->pc != pc)) {
        tracepoint = tracepoint->next;
    }
    return tracepoint;
}

struct gdb_tracepoint *gdb_trace_add(struct gdb_trace *trace, uint32_t number,
                                     uint64_t pc)
{
    struct gdb_tracepoint **end = &trace->tracepoints;
    struct gdb_tracepoint *tracepoint;

    if (trace->num_tracepoints == GDB_TRACEPOINTS_MAX) {
        return NULL;
    }
    tracepoint = allocate(trace, sizeof(*tracepoint));
    if (!tracepoint) {
        return NULL;
    }
    tracepoint->number = number;
    tracepoint->pc = pc;
    tracepoint->last = &tracepoint->collects;
    while (*end) {
        end = &(*end)->next;
    }
    *end = tracepoint;
    trace->num_tracepoints++;
    return tracepoint;
}

uint8_t *gdb_trace_set_condition(struct gdb_trace *trace,
                                 struct gdb_tracepoint *tracepoint, size_t size)
{
    uint8_t *condition = allocate(trace, size ? size : 1);

    if (condition) {
        free(tracepoint->condition);
        tracepoint->condition = condition;
        tracepoint->condition_size = size;
    }
    return condition;
}

struct gdb_collect *gdb_trace_add_collect(struct gdb_trace *trace,
                                          struct gdb_tracepoint *tracepoint,
                                          enum gdb_action_kind kind,
                                          size_t extra)
{
    struct gdb_collect *collect = NULL;

    if (extra <= GDB_DEFINED_MAX) {
        collect = allocate(trace, sizeof(*collect) + extra);
    }
    if (collect) {
        collect->kind = kind;
        collect->regs = (uint16_t *)(collect + 1);
        collect->code = (uint8_t *)(collect + 1);
        *tracepoint->last = collect;
        tracepoint->last = &collect->next;
    }
    return collect;
}

struct gdb_variable *gdb_trace_variable(struct gdb_trace *trace,
                                        uint32_t number, bool makes)
{
    struct gdb_variable *variable = trace->variables;
    struct gdb_variable *end = variable + trace->num_variables;

    while (variable != end && variable->number != number) {
        variable++;
    }
    if (variable != end) {
        return variable;
    }
    if (!makes || trace->num_variables == GDB_VARIABLES_MAX) {
        return NULL;
    }
    *variable = (struct gdb_variable){ .number = number };
    trace->num_variables++;
    return variable;
}

/* ---- Start and stop ---------------------------------------------------- */

static void stop_for(struct gdb_trace *trace, enum gdb_trace_stop why,
                     const struct gdb_tracepoint *by, const char *error)
{
    trace->is_running = false;
    trace->stop = why;
    trace->stopped_by = by ? by->number : 0;
    trace->error = error;
    trace->stop_us = now_us();
    gdb_trace_end_steps(trace);
    gdb_breaks_remove_all(trace->breaks, GDB_BREAK_TRACE);
}

int gdb_trace_follow(struct gdb_trace *trace)
{
    struct gdb_tracepoint *tracepoint;
    int ret = 0;

    if (!trace->is_running) {
        return 0;
    }
    gdb_breaks_remove_all(trace->breaks, GDB_BREAK_TRACE);
    for (tracepoint = trace->tracepoints; tracepoint && ret == 0;
         tracepoint = tracepoint->next) {
        if (tracepoint->is_enabled) {
            ret =
                gdb_breaks_add(trace->breaks, tracepoint->pc, GDB_BREAK_TRACE);
        }
    }
    if (ret) {
        stop_for(trace, GDB_TRACE_ERROR, NULL, "no memory");
    }
    return ret;
}

int gdb_trace_start(struct gdb_trace *trace)
{
    size_t room = trace->frames_room ? trace->frames_room : GDB_FRAMES_DEFAULT;
    struct gdb_tracepoint *tracepoint;

    if (!gdb_frames_alloc(&trace->frames, room)) {
        return -ENOMEM;
    }
    gdb_trace_end_steps(trace);
    for (tracepoint = trace->tracepoints; tracepoint;
         tracepoint = tracepoint->next) {
        tracepoint->hits = tracepoint->usage = 0;
    }
    trace->defining = NULL;
    trace->selected = GDB_NO_FRAME;
    trace->has_seen = false;
    trace->is_running = true;
    trace->start_us = now_us();
    return gdb_trace_follow(trace);
}

void gdb_trace_stop(struct gdb_trace *trace)
{
    if (trace->is_running) {
        stop_for(trace, GDB_TRACE_STOPPED, NULL, NULL);
    }
}

const struct gdb_frame *gdb_trace_frame(struct gdb_trace *trace)
{
    return gdb_frames_get(&trace->frames, trace->selected);
}

/* ---- Expressions ------------------------------------------------------- */

static bool get_reg(void *opaque, unsigned reg, uint64_t *value)
{
    struct gdb_trace *trace = opaque;

    return xbar_riscv_get_reg(trace->hart, reg, value) == 0;
}

static bool read_memory(void *opaque, uint64_t addr, void *bytes, size_t size)
{
    struct gdb_trace *trace = opaque;

    return xbar_riscv_debug_read(trace->hart, addr, bytes, size) == size;
}

static bool get_variable(void *opaque, unsigned number, uint64_t *value)
{
    const struct gdb_variable *variable =
        gdb_trace_variable(opaque, number, false);

    if (variable) {
        *value = variable->value;
    }
    return variable != NULL;
}

static bool set_variable(void *opaque, unsigned number, uint64_t value)
{
    struct gdb_variable *variable = gdb_trace_variable(opaque, number, true);

    if (variable) {
        variable->value = value;
    }
    return variable != NULL;
}

static void *add_block(struct gdb_trace *trace, enum gdb_block_kind kind,
                       uint64_t key, size_t size)
{
    void *bytes = gdb_frames_add(&trace->frames, kind, key, size);

    trace->has_no_room |= !bytes;
    return bytes;
}

/* What is not there is not collected: that is no error. */
static bool collect_memory(void *opaque, uint64_t addr, uint64_t size)
{
    struct gdb_trace *trace = opaque;
    uint8_t *bytes;

    if (size > GDB_COLLECT_MAX) {
        return false;
    }
    trace->steps += size / GDB_STEP_BYTES;
    bytes = add_block(trace, GDB_BLOCK_MEMORY, addr, size);
    if (bytes) {
        gdb_frames_shrink(
            &trace->frames, size,
            xbar_riscv_debug_read(trace->hart, addr, bytes, size));
    }
    return bytes != NULL;
}

/* Up to the zero at its end, which is collected, too. */
static bool collect_text(void *opaque, uint64_t addr, uint64_t max)
{
    size_t size = max < GDB_COLLECT_MAX ? (size_t)max : GDB_COLLECT_MAX;
    struct gdb_trace *trace = opaque;
    char bytes[256];
    size_t length = 0;

    while (length < size) {
        size_t part =
            size - length < sizeof(bytes) ? size - length : sizeof(bytes);
        size_t got =
            xbar_riscv_debug_read(trace->hart, addr + length, bytes, part);
        size_t text = strnlen(bytes, got);

        length += text < got ? text + 1 : got;
        if (text < part) {
            break;
        }
    }
    return collect_memory(trace, addr, length);
}

static bool collect_variable(void *opaque, unsigned number)
{
    struct gdb_trace *trace = opaque;
    uint64_t value = 0;
    void *bytes;

    (void)get_variable(trace, number, &value);
    bytes = add_block(trace, GDB_BLOCK_VARIABLE, number, sizeof(value));
    if (bytes) {
        memcpy(bytes, &value, sizeof(value));
    }
    return bytes != NULL;
}

/* Return: NULL; else why no more is evaluated or collected here. */
static const char *check_steps(const struct gdb_trace *trace)
{
    return trace->steps > GDB_STEPS_MAX ? "more than may be done in one place"
                                        : NULL;
}

static const char *evaluate(struct gdb_trace *trace, const uint8_t *code,
                            size_t size, uint64_t *value)
{
    const struct agent_host host = {
        .get_reg = get_reg,
        .read = read_memory,
        .get_variable = get_variable,
        .set_variable = set_variable,
        .collect = collect_memory,
        .collect_text = collect_text,
        .collect_variable = collect_variable,
        .opaque = trace,
    };

    return agent_run(&host, code, size, &trace->steps, value);
}

/* Return: NULL; else why there is none. */
static const char *begin_frame(struct gdb_trace *trace, uint32_t number,
                               uint64_t pc)
{
    trace->has_no_room = !gdb_frames_begin(&trace->frames, number, pc);
    return trace->has_no_room ? "" : NULL;
}

/* A condition makes no frame. */
static const char *evaluate_condition(struct gdb_trace *trace,
                                      const struct gdb_tracepoint *tracepoint,
                                      uint64_t *value)
{
    const char *why = begin_frame(trace, 0, 0);

    why = why ? why : check_steps(trace);
    if (!why) {
        why = evaluate(trace, tracepoint->condition, tracepoint->condition_size,
                       value);
    }
    gdb_frames_drop(&trace->frames);
    return why;
}

/* ---- Frames ------------------------------------------------------------ */

/* Values first: they are larger. */
static bool collect_regs(struct gdb_trace *trace,
                         const struct gdb_collect *collect)
{
    size_t count = collect->count;
    uint64_t *values = add_block(trace, GDB_BLOCK_REGS, count,
                                 count * (sizeof(uint64_t) + sizeof(uint16_t)));
    uint16_t *numbers = (uint16_t *)(values + (values ? count : 0));

    for (size_t i = 0; values && i < count; i++) {
        bool is_there = get_reg(trace, collect->regs[i], &values[i]);

        numbers[i] = is_there ? collect->regs[i] : UINT16_MAX;
    }
    return values != NULL;
}

/* Return: NULL; else why it could not. */
static const char *collect_one(struct gdb_trace *trace,
                               const struct gdb_collect *collect)
{
    const char *why = check_steps(trace);
    uint64_t base = 0;

    if (why) {
        return why;
    }
    switch (collect->kind) {
    case GDB_COLLECT_REGS:
        return collect_regs(trace, collect) ? NULL : "";
    case GDB_COLLECT_MEMORY:
        if (collect->base != GDB_NO_BASE) {
            (void)get_reg(trace, (unsigned)collect->base, &base);
        }
        return collect_memory(trace, base + collect->offset, collect->count)
                   ? NULL
                   : "";
    default:
        return evaluate(trace, collect->code, collect->count, &base);
    }
}

/* For want of room, or as it says. */
static void stop_at(struct gdb_trace *trace,
                    const struct gdb_tracepoint *tracepoint, const char *why)
{
    stop_for(trace, trace->has_no_room ? GDB_TRACE_FULL : GDB_TRACE_ERROR,
             tracepoint, why);
}

/* A frame of what is to be collected, all of it or none. */
static void collect_frame(struct gdb_trace *trace,
                          struct gdb_tracepoint *tracepoint, bool in_steps)
{
    const struct gdb_collect *collect = tracepoint->collects;
    const char *why =
        begin_frame(trace, tracepoint->number, xbar_riscv_get_pc(trace->hart));

    for (; collect && !why; collect = collect->next) {
        if (collect->in_steps == in_steps) {
            why = collect_one(trace, collect);
        }
    }
    if (why) {
        gdb_frames_drop(&trace->frames);
        stop_at(trace, tracepoint, why);
        return;
    }
    tracepoint->usage += gdb_frames_end(&trace->frames);
}

/* ---- Hits -------------------------------------------------------------- */

static void end_if_passed(struct gdb_trace *trace,
                          const struct gdb_tracepoint *tracepoint)
{
    if (trace->is_running && tracepoint->pass &&
        tracepoint->hits >= tracepoint->pass && tracepoint->steps_left == 0) {
        stop_for(trace, GDB_TRACE_PASSED, tracepoint, NULL);
    }
}

static void hit(struct gdb_trace *trace, struct gdb_tracepoint *tracepoint)
{
    uint64_t value = 1;
    const char *why = NULL;

    if (tracepoint->condition) {
        why = evaluate_condition(trace, tracepoint, &value);
    }
    if (why) {
        stop_at(trace, tracepoint, why);
        return;
    }
    if (value == 0) {
        return;
    }
    tracepoint->hits++;
    collect_frame(trace, tracepoint, false);
    if (trace->is_running && tracepoint->steps) {
        trace->stepping += tracepoint->steps_left == 0;
        tracepoint->steps_left = tracepoint->steps;
    }
    end_if_passed(trace, tracepoint);
}

bool gdb_trace_has_seen(const struct gdb_trace *trace, uint64_t now)
{
    return trace->is_running && trace->has_seen && trace->seen_at == now &&
           trace->seen_pc == xbar_riscv_get_pc(trace->hart);
}

void gdb_trace_arrive(struct gdb_trace *trace, uint64_t now)
{
    struct gdb_tracepoint *tracepoint = trace->tracepoints;
    uint64_t pc = xbar_riscv_get_pc(trace->hart);

    if (gdb_trace_has_seen(trace, now)) {
        return;
    }
    trace->steps = 0;
    for (; tracepoint && trace->is_running; tracepoint = tracepoint->next) {
        if (tracepoint->pc == pc && tracepoint->is_enabled) {
            trace->has_seen = true;
            trace->seen_pc = pc;
            trace->seen_at = now;
            hit(trace, tracepoint);
        }
    }
}

void gdb_trace_stepped(struct gdb_trace *trace)
{
    struct gdb_tracepoint *tracepoint = trace->tracepoints;

    trace->has_seen = false;
    trace->steps = 0;
    for (; tracepoint && trace->stepping; tracepoint = tracepoint->next) {
        if (tracepoint->steps_left == 0) {
            continue;
        }
        collect_frame(trace, tracepoint, true);
        if (trace->is_running) {
            trace->stepping -= --tracepoint->steps_left == 0;
            end_if_passed(trace, tracepoint);
        }
    }
}

void gdb_trace_end_steps(struct gdb_trace *trace)
{
    struct gdb_tracepoint *tracepoint = trace->tracepoints;

    for (; tracepoint; tracepoint = tracepoint->next) {
        tracepoint->steps_left = 0;
    }
    trace->stepping = 0;
}
