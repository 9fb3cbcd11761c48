/* SPDX-License-Identifier: MIT */
/* The machine as it was: one snapshot, which a person takes and goes back to. */
#include <stdio.h>
#include <string.h>

#include "board_snapshot.h"
#include "machine_internal.h"

#define MEBIBYTE (1024.0 * 1024.0)

/* Counts would go back under who looks on, and registers under a debugger. */
static const char *find_obstacle(const struct machine *machine)
{
    if (machine->gdb) {
        return "a debugger may have it";
    }
    return machine->config.tick ? "it is profiled" : NULL;
}

static void tell_kept(const struct xbar_riscv_snapshot *kept)
{
    struct xbar_riscv_snapshot_info info;

    xbar_riscv_snapshot_get_info(kept, &info);
    fprintf(stderr, "kept: %.1f MiB of memory\n",
            (double)(info.ram.copies + info.ram.shared) *
                (double)XBAR_DIRTY_PAGE_SIZE / MEBIBYTE);
}

/* The new one shares pages with the old one, which then goes. */
static int keep(struct machine *machine, Error **errp)
{
    struct xbar_riscv_snapshot *kept;
    int ret = board_snapshot_take(machine->board, machine->kept, &kept, errp);

    if (ret == 0) {
        xbar_riscv_snapshot_drop(machine->kept);
        machine->kept = kept;
        tell_kept(kept);
    }
    return ret;
}

static int go_back(struct machine *machine, Error **errp)
{
    struct xbar_riscv_snapshot_info info;
    int ret = board_snapshot_restore(machine->board, machine->kept, errp);

    if (ret == 0) {
        xbar_riscv_snapshot_get_info(machine->kept, &info);
        fprintf(stderr, "back: %llu page%s\n", (unsigned long long)info.pages,
                info.pages == 1 ? "" : "s");
    }
    return ret;
}

/* Nothing but this thread touches the devices meanwhile. */
static int do_it(struct machine *machine, bool keeps, Error **errp)
{
    int ret;

    virtio_slots_stop(machine->board->virtio);
    ret = keeps ? keep(machine, errp) : go_back(machine, errp);
    if (virtio_slots_start(machine->board->virtio)) {
        fputs("xbar: the I/O thread cannot be started\n", stderr);
        machine__cut(machine, STATUS_BAD_INPUT);
    }
    if (ret == 0 && !keeps) {
        machine__tell_console_size(machine); /* it may be another by now */
    }
    return ret;
}

void machine__go_back(struct machine *machine, bool keeps)
{
    const char *obstacle = find_obstacle(machine);
    Error *err = NULL;

    if (obstacle) {
        fprintf(stderr, "not while %s\n", obstacle);
    } else if (!keeps && !machine->kept) {
        fputs("there is no snapshot\n", stderr);
    } else if (do_it(machine, keeps, &err)) {
        fprintf(stderr, "%s\n", error_get_pretty(err));
        error_free(err);
    }
}
