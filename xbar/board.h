/* SPDX-License-Identifier: MIT */
/*
 * The board: one hart, RAM, and the devices of memmap.h, wired together.
 *
 *          +------+   lines   +------+  M, S external
 *   uart --|      |---------->| PLIC |----------------+
 *   rtc ---|      |           |      |                |
 *   virtio +------+           +------+                v
 *   aclint ------- software interrupt, timer ------> hart
 *   finisher ----- host: end or reset the run
 *
 * All device state is guarded by the engine's machine lock. The hart's thread
 * holds it inside device callbacks; any other thread takes it itself. Virtio
 * devices have locks of their own, which come before it.
 */
#ifndef XBAR_BOARD_H
#define XBAR_BOARD_H

#include <xbar/xbar.h>

#include "aclint.h"
#include "finisher.h"
#include "goldfish_rtc.h"
#include "plic.h"
#include "plugins.h"
#include "trace/tap.h"
#include "uart16550.h"
#include "virtio/slots.h"

/* Instructions per 10 MHz tick with --deterministic: a 100 MHz hart. */
#define DETERMINISTIC_INSNS_PER_TICK 10

/* How the guest's instructions are executed. */
struct execution {
    enum xbar_riscv_engine engine;
    bool deterministic;
    bool host_baseline; /* translated code has only what every host has */
    size_t code_limit;  /* bytes of translated code; 0: the library's choice */
    unsigned log_mask;  /* XBAR_LOG_*: what stderr is told */
    struct plugin_specs plugins;
};

/* Who looks on while the guest runs: see struct xbar_engine_config and struct
 * xbar_riscv_config. All on the hart's thread. */
struct board_observer {
    void (*device)(void *opaque, const struct xbar_access *access);
    xbar_tlb_observe_fn *memory;
    void (*block_gone)(void *opaque, const struct xbar_riscv_block *block);
    void *opaque;
    uint64_t (*ticks)(void);
    struct xbar_tlb_counts *counts; /* the board says which RAM */
    xbar_riscv_device_fn *counted;  /* with counts: of the hart, to devices */
    uint64_t *interpreted;          /* instructions of its pages */
    bool asks_pc;                   /* xbar_riscv_access_pc() */
    bool count_blocks;
};

struct board_config {
    uint64_t ram_size; /* bytes, a multiple of 4 KiB */
    struct execution execution;
    struct uart16550_host uart;
    struct finisher_host finisher;
    const struct virtio_config *virtio; /* NULL: eight empty slots */
    struct virtio_console_host virtio_console;
    /* An alarm was set: have goldfish_rtc_poll() called soon. */
    void (*rtc_alarm_moved)(void *opaque);
    void *rtc_opaque;

    struct board_observer observer; /* zero: nobody */

    /* See trace/tap.h; NULL: none. */
    const struct tap *tap;
    /* With it: have board_deliver() called soon. Any thread, any lock. */
    void (*input_waits)(void *opaque);
    void *input_opaque;
    /* By slot, instead of `virtio`; NULL: as that says. */
    const struct virtio_replica *virtio_replicas;
};

struct board {
    struct xbar_engine *engine;
    struct xbar_riscv_hart *hart;
    AddressSpace memory;
    MemoryRegion system; /* the root: everything that can be addressed */
    MemoryRegion boot_rom;
    MemoryRegion ram;
    struct aclint aclint;
    struct plic plic;
    struct uart16550 uart;
    struct goldfish_rtc rtc;
    struct finisher finisher;
    struct virtio_slots *virtio;
    struct plugins *plugins; /* NULL: none */
    struct board_config config;
};

/*
 * board_new() - build the board; the hart is in reset
 * @config: copied, but for what its opaques point to
 *
 * The engine is entered on this thread until board_free().
 * Return: NULL with @errp set.
 */
struct board *board_new(const struct board_config *config, Error **errp)
    XBAR_MUST_CHECK;
void board_free(struct board *board);

/*
 * board_set_boot() - where the hart goes after reset, with a1 = @dtb
 *
 * Writes the boot ROM. While the hart does not run.
 */
void board_set_boot(struct board *board, hwaddr entry, hwaddr dtb);

/* board_deliver() - raise the interrupts that wait for the hart's thread, which
 * this is; without the machine lock */
void board_deliver(struct board *board);

/* board_rtc_due() - nanoseconds until the alarm is due; UINT64_MAX if none is
 * set. Any thread; takes the machine lock. */
uint64_t board_rtc_due(struct board *board);

/* board_poll_rtc() - the same, and raise it if it is due; with a tap on the
 * hart's thread only */
uint64_t board_poll_rtc(struct board *board);

/* board_reset() - as at power-on, but for RAM; while the hart does not run, and
 * without the machine lock */
void board_reset(struct board *board);

#endif
