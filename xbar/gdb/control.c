/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int gdb_control_init(struct gdb_control *control, struct xbar_riscv_hart *hart,
                     bool keeps_time, bool parked)
{
    *control = (struct gdb_control){
        .hart = hart,
        .keeps_time = keeps_time,
        .is_parked = parked,
        .time = xbar_riscv_time(hart),
        .has_time = parked,
    };
    control->breaks.hart = hart;
    gdb_trace_init(&control->trace, &control->breaks);
    control->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (control->news < 0) {
        return -errno;
    }
    pthread_mutex_init(&control->lock, NULL);
    pthread_cond_init(&control->wake, NULL);
    return 0;
}

void gdb_control_destroy(struct gdb_control *control)
{
    gdb_trace_clear(&control->trace);
    gdb_breaks_free(&control->breaks);
    pthread_cond_destroy(&control->wake);
    pthread_mutex_destroy(&control->lock);
    close(control->news);
}

/* ---- The hart's thread ------------------------------------------------- */

static uint64_t instructions_of(const struct xbar_riscv_hart *hart)
{
    struct xbar_riscv_stats stats;

    xbar_riscv_get_stats(hart, &stats);
    return stats.instructions;
}

static void park(struct gdb_control *control)
{
    const uint64_t one = 1;

    control->is_parked = true;
    control->has_stopped = false;
    control->time = xbar_riscv_time(control->hart);
    control->has_time = true;
    if (write(control->news, &one, sizeof(one)) < 0) {
        return; /* it is full of news already */
    }
}

static void note_stop(struct gdb_control *control, enum gdb_stop stop)
{
    control->has_stopped = true;
    control->wants_stop = false;
    control->steps = false;
    control->stop = stop;
    if (stop != GDB_STOP_STEP) {
        gdb_trace_end_steps(&control->trace);
    }
}

static bool take_poke(struct gdb_control *control)
{
    bool is_poked = control->is_poked;

    control->is_poked = false;
    return is_poked;
}

/*
 * With the lock: park if it has stopped, and wait until it may run. False: it
 * was poked. What is done for a poke while it is parked touches no hart: a guest
 * that resets itself runs, and so it parks after that.
 */
static bool may_run(struct gdb_control *control)
{
    if (control->wants_stop && !control->is_parked && !control->has_stopped) {
        note_stop(control, GDB_STOP_ASKED);
    }
    if (control->has_stopped) {
        if (take_poke(control)) {
            return false;
        }
        park(control);
    }
    while (control->is_parked && !control->is_poked) {
        pthread_cond_wait(&control->wake, &control->lock);
    }
    if (take_poke(control) && control->is_parked) {
        return false;
    }
    if (control->has_time && control->keeps_time) {
        xbar_riscv_set_time(control->hart, control->time);
    }
    control->has_time = false;
    return true;
}

/*
 * What a tracepoint has looked at is executed before anything else: an
 * interrupt in between would come back to it, and have it looked at again. (But
 * where time is the count of instructions, nothing may come later for being
 * looked at.)
 */
static bool is_seen(const struct gdb_control *control, uint64_t now)
{
    return control->keeps_time && gdb_trace_has_seen(&control->trace, now);
}

/* One instruction: of the debugger's, or looked at by a tracepoint. */
static enum xbar_riscv_exit step(struct gdb_control *control, bool for_trace,
                                 uint64_t now)
{
    enum xbar_riscv_exit exit;

    gdb_trace_arrive(&control->trace, now);
    exit = xbar_riscv_step(control->hart, for_trace && !is_seen(control, now));
    if (exit == XBAR_RISCV_EXIT_BUDGET || exit == XBAR_RISCV_EXIT_WATCH) {
        gdb_trace_stepped(&control->trace);
    }
    return exit;
}

static bool is_at_break(const struct gdb_control *control)
{
    return gdb_breaks_has(&control->breaks, xbar_riscv_get_pc(control->hart),
                          GDB_BREAK_DEBUGGER);
}

/*
 * Run or step, no lock. *@now: the instructions so far. Return: is it to go on
 * at once? A tracepoint was hit, or stepped from, and nobody else wants it.
 */
static bool run_once(struct gdb_control *control, bool steps, uint64_t left,
                     uint64_t *now, enum xbar_riscv_exit *exit)
{
    struct gdb_trace *trace = &control->trace;
    bool for_trace;

    if (trace->stepping && is_at_break(control)) {
        gdb_trace_end_steps(trace);
    }
    for_trace = !steps && (trace->stepping || is_seen(control, *now));
    *exit = steps || for_trace ? step(control, for_trace, *now)
                               : xbar_riscv_run(control->hart, left);
    *now = instructions_of(control->hart);
    if (*exit == XBAR_RISCV_EXIT_BREAK) {
        gdb_trace_arrive(trace, *now);
        return !is_at_break(control);
    }
    return for_trace && *exit == XBAR_RISCV_EXIT_BUDGET;
}

/* Did it stop, by how it came back? */
static bool stops(struct gdb_control *control, enum xbar_riscv_exit exit,
                  bool stepped)
{
    if (exit == XBAR_RISCV_EXIT_BREAK) {
        note_stop(control, GDB_STOP_BREAK);
    } else if (exit == XBAR_RISCV_EXIT_WATCH) {
        note_stop(control, GDB_STOP_WATCH);
    } else if (stepped && exit == XBAR_RISCV_EXIT_BUDGET) {
        note_stop(control, GDB_STOP_STEP);
    } else if (exit == XBAR_RISCV_EXIT_REQUEST && control->wants_stop &&
               !control->is_poked) {
        note_stop(control, GDB_STOP_ASKED);
    }
    return control->has_stopped;
}

enum xbar_riscv_exit gdb_control_run(struct gdb_control *control,
                                     uint64_t max_insns)
{
    uint64_t start = instructions_of(control->hart);
    uint64_t now = start;
    enum xbar_riscv_exit exit;
    bool goes_on;

    do {
        bool steps;

        pthread_mutex_lock(&control->lock);
        if (!may_run(control)) {
            pthread_mutex_unlock(&control->lock);
            return XBAR_RISCV_EXIT_REQUEST;
        }
        steps = control->steps;
        pthread_mutex_unlock(&control->lock);
        if (now - start >= max_insns) {
            return XBAR_RISCV_EXIT_BUDGET;
        }
        goes_on =
            run_once(control, steps, max_insns - (now - start), &now, &exit);
        if (!goes_on) {
            pthread_mutex_lock(&control->lock);
            goes_on = stops(control, exit, steps);
            pthread_mutex_unlock(&control->lock);
        }
    } while (goes_on);
    return exit;
}

/* ---- Others ------------------------------------------------------------ */

void gdb_control_poke(struct gdb_control *control)
{
    pthread_mutex_lock(&control->lock);
    control->is_poked = true;
    pthread_cond_signal(&control->wake);
    pthread_mutex_unlock(&control->lock);
}

void gdb_control_ask(struct gdb_control *control)
{
    pthread_mutex_lock(&control->lock);
    if (!control->is_parked && !control->has_stopped) {
        control->wants_stop = true;
        xbar_riscv_request_exit(control->hart);
    }
    pthread_mutex_unlock(&control->lock);
}

bool gdb_control_lock(struct gdb_control *control)
{
    pthread_mutex_lock(&control->lock);
    if (!control->is_parked) {
        pthread_mutex_unlock(&control->lock);
        return false;
    }
    return true;
}

void gdb_control_unlock(struct gdb_control *control)
{
    pthread_mutex_unlock(&control->lock);
}

void gdb_control_resume(struct gdb_control *control, bool steps)
{
    control->trace.selected = GDB_NO_FRAME;
    control->is_parked = false;
    control->steps = steps;
    pthread_cond_signal(&control->wake);
}
