/* SPDX-License-Identifier: MIT */
/* The hart, and a debugger that may have it. */
#include "machine_internal.h"

#include <errno.h>
#include <signal.h>

#include "gdb/gdb.h"

enum xbar_riscv_exit machine__run_hart(struct machine *machine, uint64_t left)
{
    return machine->gdb ? gdb_run(machine->gdb, left)
                        : xbar_riscv_run(machine->board->hart, left);
}

/* As SIGKILL would. On the debugger's thread. */
static void kill_run(void *opaque)
{
    machine__cut(opaque, 128 + SIGKILL);
}

int machine__open_gdb(struct machine *machine, Error **errp)
{
    const struct gdb_config config = {
        .address = machine->config.gdb,
        .waits = machine->config.gdb_waits,
        .hart = machine->board->hart,
        .as = &machine->board->memory,
        .keeps_time = !machine->deterministic,
        .kill = kill_run,
        .opaque = machine,
    };

    if (config.address) {
        machine->gdb = gdb_new(&config, errp);
    }
    return config.address && !machine->gdb ? -EINVAL : 0;
}

void machine__close_gdb(struct machine *machine, int status)
{
    if (machine->gdb) {
        gdb_end(machine->gdb, status);
        gdb_free(machine->gdb);
        machine->gdb = NULL;
    }
}
