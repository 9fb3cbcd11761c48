/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of a board: its hart, memory, tree and devices, in this process.
 *
 * Not covered is what the board is connected to: what was printed stays printed,
 * what was typed and not read is read later, the clock of the host runs on (the
 * guest's `time` goes on from what it was; what the RTC shows is the host's, but
 * with --deterministic). Refused, as it would be wrong without a word, are a
 * drive that the guest may write, a network card, and a run that is traced.
 */
#ifndef XBAR_BOARD_SNAPSHOT_H
#define XBAR_BOARD_SNAPSHOT_H

#include "board.h"

/*
 * board_snapshot_take() - see xbar_riscv_snapshot_take()
 *
 * No hart runs, and the I/O thread is stopped (virtio_slots_stop()). Takes the
 * machine lock, which keeps what is typed, the terminal's size, the power key and
 * the RTC's alarm out. xbar_riscv_snapshot_drop() ends it, before board_free().
 *
 * Return: 0; -errno with @errp set.
 */
int board_snapshot_take(struct board *board,
                        const struct xbar_riscv_snapshot *after,
                        struct xbar_riscv_snapshot **to, Error **errp)
    XBAR_MUST_CHECK;

/* board_snapshot_restore() - the same; the UART may have room again, which its
 * host is told */
int board_snapshot_restore(struct board *board,
                           struct xbar_riscv_snapshot *snapshot, Error **errp)
    XBAR_MUST_CHECK;

#endif
