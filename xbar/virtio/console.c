/* SPDX-License-Identifier: MIT */
/*
 * Queue 0 has buffers for what is typed, queue 1 what the guest prints. A
 * chain that the far end takes only a part of stays with us until it took the
 * rest: so a guest that prints too fast waits, and nothing is lost.
 */
#include "virtio/console.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <xbar/compat.h>

#define RX 0
#define TX 1

#define F_SIZE UINT64_C(1)

#define QUEUE_SIZE 64
#define CHUNK      4096

/* Columns, rows: 16 bits each. */
#define CONFIG_SIZE 4

struct virtio_console {
    struct virtio_device base;
    struct virtio_console_host host;
    atomic_bool is_open;
    bool is_printing; /* `chain`, of which */
    uint64_t printed; /* so many bytes are out */
    struct virtio_chain chain;
    struct virtio_chain typed;
};

static struct virtio_console *console_of(struct virtio_device *device)
{
    return (struct virtio_console *)device;
}

bool virtio_console_is_open(struct virtio_device *device)
{
    return atomic_load(&console_of(device)->is_open);
}

/* ---- What the guest prints --------------------------------------------- */

/* Return: 1 if all of the chain is out; 0 if there is no room; -1. */
static int print_chain(struct virtio_console *console)
{
    const struct virtio_chain *chain = &console->chain;
    struct virtio_console_host *host = &console->host;
    uint8_t bytes[CHUNK];

    while (console->printed < chain->out_bytes) {
        uint64_t left = chain->out_bytes - console->printed;
        size_t part = left < CHUNK ? (size_t)left : CHUNK;
        size_t taken;

        if (virtio_read_pieces(console->base.as, chain->pieces, chain->num_out,
                               console->printed, bytes, part)) {
            return -1;
        }
        taken = host->write(host->opaque, bytes, part);
        console->printed += taken;
        if (taken < part) {
            return 0;
        }
    }
    return 1;
}

/* The next chain, unless there is one. Return: as virtio_queue_pop(). */
static int begin_chain(struct virtio_console *console)
{
    int ret = 1;

    if (!console->is_printing) {
        ret = virtio_queue_pop(&console->base.queues[TX], &console->chain);
        console->is_printing = ret > 0;
        console->printed = 0;
    }
    return ret;
}

static void print_queue(struct virtio_console *console)
{
    struct virtio_queue *queue = &console->base.queues[TX];
    bool is_told = false;
    int ret;

    do {
        while ((ret = begin_chain(console)) > 0) {
            ret = print_chain(console);
            if (ret <= 0) {
                break;
            }
            console->is_printing = false;
            if (virtio_queue_push(queue, console->chain.head, 0)) {
                ret = -1;
                break;
            }
            is_told = true;
        }
    } while (ret == 0 && !console->is_printing &&
             virtio_queue_set_notify(queue, true));
    if (is_told) {
        virtio_device_told(&console->base, queue);
    }
    if (ret < 0) {
        virtio_device_fail(&console->base);
    }
}

/* ---- What is typed ----------------------------------------------------- */

/* Return: 1 if a buffer was filled; 0 if there is none, or nothing for it. */
static int fill_buffer(struct virtio_console *console)
{
    struct virtio_queue *queue = &console->base.queues[RX];
    struct virtio_console_host *host = &console->host;
    struct virtio_chain *chain = &console->typed;
    uint8_t bytes[CHUNK];
    int ret = virtio_queue_pop(queue, chain);
    size_t count;

    if (ret <= 0) {
        return ret;
    }
    count = chain->in_bytes < CHUNK ? (size_t)chain->in_bytes : CHUNK;
    count = host->read(host->opaque, bytes, count);
    if (count == 0 && chain->in_bytes) {
        virtio_queue_unpop(queue, 1);
        return 0;
    }
    if (virtio_write_pieces(console->base.as, virtio_chain_in(chain),
                            chain->num_in, 0, bytes, count) ||
        virtio_queue_push(queue, chain->head, (uint32_t)count)) {
        return -1;
    }
    return 1;
}

static void fill_queue(struct virtio_console *console)
{
    struct virtio_queue *queue = &console->base.queues[RX];
    bool is_told = false;
    int ret;

    if (!virtio_queue_has_more(queue)) {
        (void)virtio_queue_set_notify(queue, true);
        return;
    }
    atomic_store(&console->is_open, true);
    while ((ret = fill_buffer(console)) > 0) {
        is_told = true;
    }
    (void)virtio_queue_set_notify(queue, true);
    if (is_told) {
        virtio_device_told(&console->base, queue);
    }
    if (ret < 0) {
        virtio_device_fail(&console->base);
    }
}

/* ---- The window -------------------------------------------------------- */

void virtio_console_resize(struct virtio_device *device, uint16_t columns,
                           uint16_t rows)
{
    uint8_t bytes[CONFIG_SIZE];

    stw_le_p(bytes, columns);
    stw_le_p(bytes + 2, rows);
    virtio_device_lock(device);
    if (device->features & F_SIZE) {
        virtio_device_set_config(device, bytes, sizeof(bytes));
    }
    virtio_device_unlock(device);
}

/* ---- The device -------------------------------------------------------- */

/* Without an I/O thread nobody could say that something was typed: the UART
 * has it all. */
static void kick_console(struct virtio_device *device)
{
    struct virtio_console *console = console_of(device);

    print_queue(console);
    if (!device->is_sync && virtio_device_runs(device)) {
        fill_queue(console);
    }
}

static void reset_console(struct virtio_device *device)
{
    struct virtio_console *console = console_of(device);

    atomic_store(&console->is_open, false);
    console->is_printing = false;
}

static void free_console(struct virtio_device *device)
{
    virtio_device_destroy(device);
    free(device);
}

/* What is printed is out, and what was typed is the host's. */
struct console_state {
    bool is_open;
    bool is_printing;
    uint64_t printed;
    struct virtio_chain chain;
};

static void save_console(const struct virtio_device *device, void *to)
{
    const struct virtio_console *console =
        (const struct virtio_console *)device;
    struct console_state *state = to;

    state->is_open = atomic_load(&console->is_open);
    state->is_printing = console->is_printing;
    state->printed = console->printed;
    state->chain = console->chain;
}

static void restore_console(struct virtio_device *device, const void *from)
{
    struct virtio_console *console = console_of(device);
    const struct console_state *state = from;

    atomic_store(&console->is_open, state->is_open);
    console->is_printing = state->is_printing;
    console->printed = state->printed;
    console->chain = state->chain;
}

static const struct virtio_class console_class = {
    .name = "virtio-console",
    .id = 3,
    .num_queues = 2,
    .queue_size = QUEUE_SIZE,
    .config_size = CONFIG_SIZE,
    .kick = kick_console,
    .reset = reset_console,
    .free = free_console,
    .state_size = sizeof(struct console_state),
    .save = save_console,
    .restore = restore_console,
};

struct virtio_device *virtio_console_new(const struct virtio_place *place,
                                         const struct virtio_console_host *host)
{
    struct virtio_console *console = calloc(1, sizeof(*console));

    if (!console) {
        return NULL;
    }
    console->host = *host;
    /* How large a terminal is, and when it changes, is never the same. */
    if (virtio_device_init(&console->base, &console_class, place,
                           place->loop ? F_SIZE : 0)) {
        free_console(&console->base);
        return NULL;
    }
    return &console->base;
}
