/* SPDX-License-Identifier: MIT */
/*
 * A board with a guest in it and the console attached: one run.
 *
 * Why the hart leaves its run, and who says so:
 *
 *   status set    the finisher (hart thread); a key, a signal, a closed pipe
 *                 (console thread). The first one counts.
 *   reset asked   the finisher; images are loaded anew
 *   mismatch      --engine lockstep: the engines differ, which is our bug
 *   pause         the console's output is filling up, or the monitor stops the
 *                 machine or asks something of it
 *   budget        --deterministic only: the clock's alarm is looked at
 *   tick          somebody looks on: a timer's signal
 *   input         there is a tap (trace/tap.h), so that what comes from other
 *                 threads is for the hart's to hand over
 *
 * What a debugger does with it is between gdb_run() and its thread.
 */
#ifndef XBAR_MACHINE_H
#define XBAR_MACHINE_H

#include <xbar/xbar.h>

#include "board.h"
#include "guest.h"

struct machine;

struct machine_config {
    struct execution execution;
    const struct virtio_config *virtio;
    bool is_muted; /* no console: what the guest prints is dropped */
    struct board_observer observer;
    const struct tap *tap; /* NULL: none */
    /* Called at random times, on the hart's thread, while the hart stands at a
     * safe point; with observer.opaque, and nanoseconds since the run began.
     * Return: the microseconds until the next time, on average; above 0. NULL:
     * never. */
    unsigned (*tick)(void *opaque, struct machine *machine, uint64_t ns);
    unsigned period_us; /* the same until the first time */
    /* Say how far it is while it prints nothing, if there is a tick; and
     * ctrl-c on a terminal ends the run (status 130), as a signal would. */
    bool is_watched;
    const char *gdb; /* where a debugger connects; NULL: nowhere */
    bool gdb_waits;  /* nothing is executed before it says so */
};

/* The engines differ in lockstep (as EX_SOFTWARE: an internal error). */
#define STATUS_MISMATCH 70

/* A file that the guest needs is not what it was, or was bad from the start. */
#define STATUS_BAD_INPUT 2

struct machine_result {
    int status;         /* the exit status that the run asks for */
    bool is_cut_short;  /* somebody else than the guest ended it */
    double seconds;     /* of wall time */
    double cpu_seconds; /* of the hart's thread, without what it slept */
    struct xbar_riscv_stats stats;
    struct xbar_engine_stats memory; /* since the board was made */
};

/*
 * machine_new() - a board with @guest loaded, ready to start
 * @guest: must outlive the machine
 *
 * Return: NULL with @errp set.
 */
struct machine *machine_new(const struct guest *guest,
                            const struct machine_config *config, Error **errp)
    XBAR_MUST_CHECK;
void machine_free(struct machine *machine);

/* machine_memory() - what the hart sees */
AddressSpace *machine_memory(struct machine *machine);

/* machine_board() - the same */
struct board *machine_board(struct machine *machine);

/* machine_engine() - what its regions belong to */
struct xbar_engine *machine_engine(struct machine *machine);

/* machine_hart() - to be looked at while it does not run */
const struct xbar_riscv_hart *machine_hart(const struct machine *machine);

/*
 * machine_run() - run to the end, on this thread
 *
 * In lockstep, a difference is printed to stderr and ends the run.
 *
 * Return: 0; -errno with @errp set if it could not start.
 */
int machine_run(struct machine *machine, struct machine_result *result,
                Error **errp) XBAR_MUST_CHECK;

#endif
