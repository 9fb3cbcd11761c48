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
    struct xbar_riscv_hart *hart = control->hart;
    uint64_t start = instructions_of(hart);
    enum xbar_riscv_exit exit;
    bool stopped;

    do {
        uint64_t done = instructions_of(hart) - start;
        bool steps;

        pthread_mutex_lock(&control->lock);
        if (!may_run(control)) {
            pthread_mutex_unlock(&control->lock);
            return XBAR_RISCV_EXIT_REQUEST;
        }
        steps = control->steps;
        pthread_mutex_unlock(&control->lock);
        if (done >= max_insns) {
            return XBAR_RISCV_EXIT_BUDGET;
        }
        exit = steps ? xbar_riscv_step(hart, false)
                     : xbar_riscv_run(hart, max_insns - done);
        pthread_mutex_lock(&control->lock);
        stopped = stops(control, exit, steps);
        pthread_mutex_unlock(&control->lock);
    } while (stopped);
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
    control->is_parked = false;
    control->steps = steps;
    pthread_cond_signal(&control->wake);
}
