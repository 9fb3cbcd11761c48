/* SPDX-License-Identifier: MIT */
/* A machine, for machine*.c. */
#ifndef XBAR_MACHINE_INTERNAL_H
#define XBAR_MACHINE_INTERNAL_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "machine.h"
#include "power.h"
#include "progress.h"

#define STATUS_NONE (-1) /* of a run that is not over */

/* What waits for the hart's thread, if there is a tap. */
enum waiting {
    WAITING_KEYS = 1 << 0,
    WAITING_BREAK = 1 << 1,
    WAITING_SIZE = 1 << 2,
    WAITING_ALARM = 1 << 3,
    WAITING_DEVICE = 1 << 4,
};

struct machine {
    struct board *board;
    struct console *console; /* while running */
    const struct guest *guest;
    bool deterministic;
    bool is_muted;
    atomic_int status;  /* STATUS_NONE while running */
    bool is_cut_short;  /* console thread */
    struct power power; /* the same */
    bool reset_asked;   /* hart thread */
    const struct tap *tap;
    atomic_uint waiting; /* enum waiting; the words are what they wait with */
    _Atomic uint8_t break_key;
    _Atomic uint32_t console_size;
    struct machine_config config;
    struct progress progress;         /* hart thread */
    bool is_sampled;                  /* somebody looks on: */
    timer_t sampler;                  /* of the hart's thread */
    uint64_t random;                  /* when it is to be next; not 0 */
    atomic_bool is_sample_due;        /* its handler says so */
    struct sigaction old_action;      /* of SIGPROF */
    sigset_t old_mask;                /* of the hart's thread */
    struct gdb *gdb;                  /* NULL: no debugger */
    struct xbar_riscv_snapshot *kept; /* the monitor's; NULL: none */
    double start;                     /* of the run, seconds */
    uint64_t commits_reclaimed;       /* as of the last reclaim */
};

/* ---- machine_calls.c: any thread ------------------------------------------ */

/* Have the hart's thread look up from the guest. */
void machine__call_hart(struct machine *machine);

/* End the run. The first has its say. Return: was it this one? */
bool machine__end(struct machine *machine, int status);

/* The same, because somebody else than the guest says so; @opaque is the
 * machine. */
void machine__cut(void *opaque, int status);

/* The guest's console is as large as the terminal is now. */
void machine__tell_console_size(struct machine *machine);

/* ---- machine_kept.c ---------------------------------------------------- */

/* What the monitor's `snapshot` (@keeps) and `restore` do, and
 * say. The hart's thread, between runs. */
void machine__go_back(struct machine *machine, bool keeps);

/* ---- machine_sampler.c ------------------------------------------------- */

/* Have config.tick called, if there is one. From the hart's thread, as stop.
 * -errno with @errp set. */
int machine__start_sampler(struct machine *machine, Error **errp)
    XBAR_MUST_CHECK;
void machine__stop_sampler(struct machine *machine);

/* Once for each time, however late; the next is to be asked for. */
bool machine__is_sample_due(struct machine *machine);

/* One more, in @period_us on average. */
void machine__ask_for_sample(struct machine *machine, unsigned period_us);

/* ---- machine_gdb.c ----------------------------------------------------- */

/* As xbar_riscv_run(). */
enum xbar_riscv_exit machine__run_hart(struct machine *machine, uint64_t left);

/* Listen for a debugger, if one may come. -errno with @errp set. */
int machine__open_gdb(struct machine *machine, Error **errp) XBAR_MUST_CHECK;

/* @status: of the run, for a debugger that waits for its end. */
void machine__close_gdb(struct machine *machine, int status);

#endif
