/* SPDX-License-Identifier: MIT */
#include "board.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator.h"
#include "host_clock.h"
#include "memmap.h"
#include "size.h"

/* What the clock shows at reset with --deterministic: 2024-01-01 00:00 UTC. */
#define DETERMINISTIC_EPOCH_NS (UINT64_C(1704067200) * 1000000000)
#define NS_PER_TICK            (1000000000 / TIMEBASE_HZ)

/*
 * The boot ROM, as on QEMU's "virt": the hart starts here, because firmware
 * may ask where it came from. Two doublewords follow the code.
 */
static const uint32_t boot_code[] = {
    0x00000297, /* auipc t0, 0            */
    0xf1402573, /* csrr  a0, mhartid      */
    0x0202b583, /* ld    a1, 32(t0): DTB  */
    0x0182b283, /* ld    t0, 24(t0): entry */
    0x00028067, /* jr    t0               */
    0x00000000,
};

struct boot_rom_image {
    uint32_t code[6];
    uint64_t entry;
    uint64_t dtb;
};

static_assert(offsetof(struct boot_rom_image, entry) == 24, "ld t0, 24(t0)");
static_assert(offsetof(struct boot_rom_image, dtb) == 32, "ld a1, 32(t0)");

/* ---- Wires ------------------------------------------------------------- */

static void set_hart_line(void *opaque, unsigned number, bool level)
{
    struct board *board = opaque;

    tap_note(board->config.tap, TRACE_LINE, number, level, NULL, 0);
    xbar_riscv_set_irq(board->hart, (enum xbar_riscv_irq)number, level);
}

static uint64_t real_now_ns(struct board *board)
{
    if (!board->config.execution.deterministic) {
        return host_clock_ns(CLOCK_REALTIME);
    }
    return DETERMINISTIC_EPOCH_NS + xbar_riscv_time(board->hart) * NS_PER_TICK;
}

static uint64_t board_now_ns(void *opaque)
{
    struct board *board = opaque;

    return tap_clock(board->config.tap, TRACE_RTC, real_now_ns(board));
}

static void alarm_moved(void *opaque)
{
    struct board *board = opaque;

    if (board->config.rtc_alarm_moved) {
        board->config.rtc_alarm_moved(board->config.rtc_opaque);
    }
}

/* ---- Parts ------------------------------------------------------------- */

/* --log: a line is one write, whoever else prints. */
static void print_log(void *opaque, unsigned mask, const char *text)
{
    (void)opaque;
    (void)mask;
    fprintf(stderr, "xbar: %s\n", text);
}

static int make_engine(struct board *board)
{
    const struct xbar_engine_config engine_config = {
        .allocator = program_allocator(),
        .observe = board->config.observer.device,
        .observe_opaque = board->config.observer.opaque,
        .ticks = board->config.observer.ticks,
        .log = print_log,
        .log_mask = board->config.execution.log_mask,
    };

    board->engine = xbar_engine_new(&engine_config);
    if (!board->engine) {
        return -ENOMEM;
    }
    return xbar_engine_enter(board->engine);
}

static int make_memory(struct board *board, uint64_t ram_size, Error **errp)
{
    char text[32];
    int ret = memory_region_init(&board->system, NULL, "system", UINT64_MAX);

    if (ret) {
        return ret;
    }
    ret = memory_region_init_rom(&board->boot_rom, NULL, "boot-rom",
                                 BOOT_ROM_SIZE, NULL);
    if (ret) {
        return ret;
    }
    ret = memory_region_init_ram(&board->ram, NULL, "ram", ram_size, NULL);
    if (ret) {
        size_print(text, sizeof(text), ram_size);
        error_setg(errp, "--memory: the host cannot give %s of RAM (%s)", text,
                   strerror(-ret));
    }
    return ret;
}

static int make_devices(struct board *board)
{
    const struct goldfish_rtc_host rtc_host = {
        .now_ns = board_now_ns,
        .alarm_moved = alarm_moved,
        .opaque = board,
    };
    int ret = aclint_init(&board->aclint);

    if (ret == 0) {
        ret = plic_init(&board->plic);
    }
    if (ret == 0) {
        ret = uart16550_init(&board->uart, &board->config.uart,
                             plic_input(&board->plic, UART_IRQ));
    }
    if (ret == 0) {
        ret = goldfish_rtc_init(&board->rtc, &rtc_host,
                                plic_input(&board->plic, RTC_IRQ));
    }
    if (ret == 0) {
        ret = finisher_init(&board->finisher, &board->config.finisher);
    }
    return ret;
}

static int make_virtio(struct board *board, Error **errp)
{
    struct virtio_slots_config config = {
        .devices = board->config.virtio,
        .as = &board->memory,
        .console = board->config.virtio_console,
        .deterministic = board->config.execution.deterministic,
        .tap = board->config.tap,
        .posted = board->config.input_waits,
        .posted_opaque = board->config.input_opaque,
        .replicas = board->config.virtio_replicas,
    };

    for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
        config.irq[i] = plic_input(&board->plic, VIRTIO_IRQ + i);
    }
    board->virtio = virtio_slots_new(&config, errp);
    return board->virtio ? 0 : -EINVAL;
}

/* One transaction, so that a shortage leaves nothing half placed. */
static int place_regions(struct board *board)
{
    const struct {
        hwaddr base;
        MemoryRegion *region;
    } places[] = {
        { BOOT_ROM_BASE, &board->boot_rom },
        { FINISHER_BASE, &board->finisher.region },
        { RTC_BASE, &board->rtc.region },
        { ACLINT_BASE, &board->aclint.region },
        { PLIC_BASE, &board->plic.region },
        { UART_BASE, &board->uart.region },
        { RAM_BASE, &board->ram },
    };
    int ret = 0;

    memory_region_transaction_begin();
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        ret |= memory_region_add_subregion(&board->system, places[i].base,
                                           places[i].region);
    }
    for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
        ret |= memory_region_add_subregion(
            &board->system, VIRTIO_BASE + i * VIRTIO_STRIDE,
            virtio_slots_region(board->virtio, i));
    }
    ret |= memory_region_transaction_commit();
    return ret ? -ENOMEM : 0;
}

static int make_hart(struct board *board, Error **errp)
{
    const struct board_config *config = &board->config;
    const struct execution *execution = &config->execution;
    struct xbar_riscv_config hart_config = {
        .as = &board->memory,
        .reset_pc = BOOT_ROM_BASE,
        .timebase_hz = TIMEBASE_HZ,
        .insns_per_tick =
            execution->deterministic ? DETERMINISTIC_INSNS_PER_TICK : 0,
        .code_limit = execution->code_limit,
        .stress = execution->host_baseline ? XBAR_RISCV_STRESS_BASELINE : 0,
        .observe = config->observer.memory,
        .observe_opaque = config->observer.opaque,
        .counts = config->observer.counts,
        .device = config->observer.counted,
        .device_opaque = config->observer.opaque,
        .ticks = config->observer.ticks,
        .interpreted = config->observer.interpreted,
        .tells_pc = config->observer.asks_pc,
        .count_blocks = config->observer.count_blocks,
        .block_gone = config->observer.block_gone,
        .block_gone_opaque = config->observer.opaque,
    };
    int ret;

    if (config->observer.counts) {
        config->observer.counts->ram = &board->ram;
    }
    board->plugins = plugins_new(&execution->plugins, &board->memory, errp);
    if (!board->plugins && execution->plugins.count) {
        return -ENOMEM;
    }
    hart_config.instruments = plugins_instruments(board->plugins);
    board->hart = xbar_riscv_new(&hart_config);
    if (!board->hart) {
        return -ENOMEM;
    }
    ret = xbar_riscv_set_engine(board->hart, execution->engine);
    if (ret) {
        error_setg(errp, "--engine %s: %s; try --engine interp",
                   execution->engine == XBAR_RISCV_JIT ? "jit" : "lockstep",
                   ret == -ENOTSUP  ? "there is no translator for this host"
                   : ret == -ENOMEM ? "no memory for translated code"
                                    : "the host refuses executable memory");
    }
    return ret;
}

static void connect_hart(struct board *board)
{
    struct plic_context *contexts = board->plic.contexts;

    board->aclint.hart = board->hart;
    board->aclint.tap = board->config.tap;
    contexts[PLIC_MACHINE].irq =
        (struct irq_line){ set_hart_line, board, XBAR_RISCV_IRQ_M_EXT };
    contexts[PLIC_SUPERVISOR].irq =
        (struct irq_line){ set_hart_line, board, XBAR_RISCV_IRQ_S_EXT };
}

/* ---- The whole --------------------------------------------------------- */

static int make_board(struct board *board, Error **errp)
{
    int ret = make_engine(board);

    if (ret == 0) {
        ret = make_memory(board, board->config.ram_size, errp);
    }
    if (ret == 0) {
        ret = make_devices(board);
    }
    if (ret == 0) {
        ret = make_virtio(board, errp);
    }
    if (ret == 0) {
        ret = place_regions(board);
    }
    if (ret == 0) {
        ret = address_space_init(&board->memory, &board->system, "memory");
    }
    if (ret == 0) {
        ret = make_hart(board, errp);
    }
    return ret == 0 ? plugins_load(board->plugins, errp) : ret;
}

struct board *board_new(const struct board_config *config, Error **errp)
{
    struct board *board = calloc(1, sizeof(*board));
    Error *cause = NULL;
    int ret;

    if (!board) {
        error_setg(errp, "no memory for the board");
        return NULL;
    }
    board->config = *config;
    ret = make_board(board, &cause);
    if (ret) {
        if (!cause) {
            error_setg(&cause, "the board cannot be made: %s", strerror(-ret));
        }
        error_propagate(errp, cause);
        board_free(board);
        return NULL;
    }
    connect_hart(board);
    board_reset(board);
    return board;
}

/*
 * Children first: a container must be empty of what it shows. Parts that were
 * never made are zero, and ending them is an error that says so.
 */
void board_free(struct board *board)
{
    MemoryRegion *const regions[] = {
        &board->ram,           &board->uart.region, &board->plic.region,
        &board->aclint.region, &board->rtc.region,  &board->finisher.region,
        &board->boot_rom,      &board->system,
    };

    if (board->hart) {
        xbar_riscv_free(board->hart);
    }
    plugins_free(board->plugins);
    virtio_slots_free(board->virtio); /* queues hold caches of the memory */
    (void)xbar_address_space_destroy(&board->memory, NULL, NULL);
    for (unsigned i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        (void)xbar_region_destroy(regions[i], NULL, NULL);
    }
    if (board->engine) {
        (void)xbar_engine_reclaim(board->engine);
        (void)xbar_engine_leave(board->engine);
        (void)xbar_engine_free(board->engine);
    }
    free(board);
}

void board_set_boot(struct board *board, hwaddr entry, hwaddr dtb)
{
    struct boot_rom_image image = { .entry = entry, .dtb = dtb };

    memcpy(image.code, boot_code, sizeof(boot_code));
    address_space_write_rom(&board->memory, BOOT_ROM_BASE,
                            MEMTXATTRS_UNSPECIFIED, &image, sizeof(image));
}

void board_deliver(struct board *board)
{
    virtio_slots_deliver(board->virtio);
}

uint64_t board_rtc_due(struct board *board)
{
    uint64_t ns;

    xbar_engine_lock(board->engine);
    ns = goldfish_rtc_due(&board->rtc, real_now_ns(board));
    xbar_engine_unlock(board->engine);
    return ns;
}

/* Nothing is read, or noted, of an alarm that is not set. */
uint64_t board_poll_rtc(struct board *board)
{
    uint64_t ns = UINT64_MAX;

    xbar_engine_lock(board->engine);
    if (board->rtc.state.alarm_armed) {
        ns = goldfish_rtc_poll(&board->rtc);
        tap_note(board->config.tap, TRACE_RTC_POLL, 0, 0, NULL, 0);
    }
    xbar_engine_unlock(board->engine);
    return ns;
}

void board_reset(struct board *board)
{
    virtio_slots_reset(board->virtio);
    xbar_engine_lock(board->engine);
    xbar_riscv_reset(board->hart);
    aclint_reset(&board->aclint);
    uart16550_reset(&board->uart);
    goldfish_rtc_reset(&board->rtc);
    plic_reset(&board->plic);
    xbar_engine_unlock(board->engine);
}
