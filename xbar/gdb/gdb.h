/* SPDX-License-Identifier: MIT */
/*
 * A debugger's server: gdb's remote protocol on a port or a socket file.
 *
 *   listener --> session --> packet, commands --> hart, while it is parked
 *                   |                               ^
 *                   +---------- control ------------+  gdb_run()
 *
 * Its thread, and the hart's: docs/concurrency.md, "A debugger".
 */
#ifndef XBAR_GDB_GDB_H
#define XBAR_GDB_GDB_H

#include <xbar/xbar.h>

struct gdb;

struct gdb_config {
    const char *address; /* see gdb_listen(); must outlive the server */
    bool waits;          /* no instruction before a debugger says so */
    struct xbar_riscv_hart *hart;
    AddressSpace *as;
    bool keeps_time; /* the guest's clock stands still while it is parked */
    /* The debugger wants the guest's end. On its thread. */
    void (*kill)(void *opaque);
    void *opaque;
};

/*
 * gdb_new() - listen
 *
 * Return: NULL with @errp set.
 */
struct gdb *gdb_new(const struct gdb_config *config, Error **errp)
    XBAR_MUST_CHECK;

/* gdb_start() - the thread; says where it listens. -errno with @errp set. */
int gdb_start(struct gdb *gdb, Error **errp) XBAR_MUST_CHECK;

/* gdb_end() - tell a debugger that waits the exit status, and end the thread */
void gdb_end(struct gdb *gdb, int status);

/* gdb_free() - NULL is fine; nobody pokes any more */
void gdb_free(struct gdb *gdb);

/* gdb_run() - as xbar_riscv_run(), whose breakpoints and watchpoints are dealt
 * with; also while a debugger has the hart. The hart's thread. */
enum xbar_riscv_exit gdb_run(struct gdb *gdb, uint64_t max_insns);

/* gdb_poke() - beside xbar_riscv_request_exit(): have gdb_run() return. Any
 * thread; takes a leaf lock. */
void gdb_poke(struct gdb *gdb);

#endif
