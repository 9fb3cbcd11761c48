/* SPDX-License-Identifier: MIT */
/* What the parts of a machine ask of its run, whichever thread they are on. */
#include "machine_internal.h"

#include "gdb/gdb.h"

void machine__call_hart(struct machine *machine)
{
    xbar_riscv_request_exit(machine->board->hart);
    if (machine->gdb) {
        gdb_poke(machine->gdb);
    }
}

bool machine__end(struct machine *machine, int status)
{
    int none = STATUS_NONE;
    bool is_first =
        atomic_compare_exchange_strong(&machine->status, &none, status);

    machine__call_hart(machine);
    return is_first;
}

void machine__cut(void *opaque, int status)
{
    struct machine *machine = opaque;

    if (machine__end(machine, status)) {
        machine->is_cut_short = true; /* read when all are joined */
    }
}

/* The latest is told last: it is read under the lock, which keeps out of
 * snapshots, too. */
void machine__tell_console_size(struct machine *machine)
{
    uint32_t size;

    xbar_engine_lock(machine->board->engine);
    size = atomic_load(&machine->console_size);
    virtio_slots_resize_console(machine->board->virtio, (uint16_t)(size >> 16),
                                (uint16_t)size);
    xbar_engine_unlock(machine->board->engine);
}
