/* SPDX-License-Identifier: MIT */
/*
 * Who has the hart: its own thread, which runs it, or a debugger's, while the
 * other one is parked. See docs/concurrency.md, "A debugger".
 */
#ifndef XBAR_GDB_CONTROL_H
#define XBAR_GDB_CONTROL_H

#include <pthread.h>
#include <xbar/xbar.h>

#include "tracepoints.h"

/* Why it is parked. */
enum gdb_stop {
    GDB_STOP_ASKED, /* or it has not begun */
    GDB_STOP_BREAK,
    GDB_STOP_WATCH,
    GDB_STOP_STEP,
};

struct gdb_control {
    struct xbar_riscv_hart *hart;
    bool keeps_time; /* while it is parked */
    int news;        /* an eventfd: it parked */
    pthread_mutex_t lock;
    pthread_cond_t wake; /* the hart's thread */
    bool is_parked;
    bool wants_stop;
    bool has_stopped; /* and is to park once nothing else is wanted of it */
    bool steps;       /* one instruction, then stop */
    bool is_poked;
    enum gdb_stop stop;
    uint64_t time; /* when it parked */
    bool has_time;

    /* Of who has the hart. */
    struct gdb_breaks breaks;
    struct gdb_trace trace;
};

/* @parked: before the first instruction. Return: 0; -errno. */
int gdb_control_init(struct gdb_control *control, struct xbar_riscv_hart *hart,
                     bool keeps_time, bool parked);
void gdb_control_destroy(struct gdb_control *control);

/* ---- The hart's thread ------------------------------------------------- */

/* As xbar_riscv_run(); XBAR_RISCV_EXIT_REQUEST for pokes, too. */
enum xbar_riscv_exit gdb_control_run(struct gdb_control *control,
                                     uint64_t max_insns);

/* ---- Any thread -------------------------------------------------------- */

/* Beside xbar_riscv_request_exit(): the hart's thread is wanted. */
void gdb_control_poke(struct gdb_control *control);

/* ---- The debugger's thread --------------------------------------------- */

/* Have it park; news says when. Nothing if it is parked, or about to. */
void gdb_control_ask(struct gdb_control *control);

/* Take the lock if the hart is parked: it is the caller's until
 * gdb_control_unlock(). False: it runs, and nothing is locked. */
bool gdb_control_lock(struct gdb_control *control);
void gdb_control_unlock(struct gdb_control *control);

/* With the lock: let it go on, by one instruction if @steps. */
void gdb_control_resume(struct gdb_control *control, bool steps);

#endif
