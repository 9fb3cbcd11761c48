/* SPDX-License-Identifier: MIT */
#include "board_snapshot.h"

#include <errno.h>

#include "virtio/device.h"

#define DEVICES (4 + VIRTIO_SLOTS)

/* The finisher keeps nothing. */
static void list_devices(struct board *board,
                         struct xbar_riscv_device devices[DEVICES])
{
    devices[0] = (struct xbar_riscv_device){ "aclint", &aclint_snapshot_ops,
                                             &board->aclint };
    devices[1] =
        (struct xbar_riscv_device){ "plic", &plic_snapshot_ops, &board->plic };
    devices[2] = (struct xbar_riscv_device){ "uart", &uart16550_snapshot_ops,
                                             &board->uart };
    devices[3] = (struct xbar_riscv_device){ "rtc", &goldfish_rtc_snapshot_ops,
                                             &board->rtc };
    for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
        struct virtio_device *device = virtio_slots_device(board->virtio, i);

        devices[4 + i] =
            (struct xbar_riscv_device){ device->class->name,
                                        &virtio_snapshot_ops, device };
    }
}

int board_snapshot_take(struct board *board,
                        const struct xbar_riscv_snapshot *after,
                        struct xbar_riscv_snapshot **to, Error **errp)
{
    struct xbar_riscv_device devices[DEVICES];
    const struct xbar_riscv_machine machine = {
        .engine = board->engine,
        .harts = &board->hart,
        .hart_count = 1,
        .devices = devices,
        .device_count = DEVICES,
    };
    int ret;

    *to = NULL;
    if (board->config.tap) {
        error_setg(errp, "a run that is traced does not go back");
        return -EPERM;
    }
    list_devices(board, devices);
    xbar_engine_lock(board->engine);
    ret = xbar_riscv_snapshot_take(&machine, after, to, errp);
    xbar_engine_unlock(board->engine);
    return ret;
}

int board_snapshot_restore(struct board *board,
                           struct xbar_riscv_snapshot *snapshot, Error **errp)
{
    struct uart16550_host *host = &board->uart.host;
    int ret;

    xbar_engine_lock(board->engine);
    ret = xbar_riscv_snapshot_restore(snapshot, errp);
    xbar_engine_unlock(board->engine);
    if (ret == 0) {
        host->has_room(host->opaque);
    }
    return ret;
}
