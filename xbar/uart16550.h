/* SPDX-License-Identifier: MIT */
/*
 * A 16550A UART with infinitely fast lines: what is written is sent at once,
 * so the transmitter is always empty; what arrives waits in a 16-byte FIFO.
 *
 * Registers that are nothing but kept are read and written without a lock; the
 * FIFO and the interrupts have the device's own. Any thread.
 */
#ifndef XBAR_UART16550_H
#define XBAR_UART16550_H

#include <xbar/xbar.h>

#include "irq.h"
#include "leaf_lock.h"

#define UART_FIFO_SIZE 16

/* The far end of the line, on the thread of the access; the device holds no
 * lock meanwhile. */
struct uart16550_host {
    void (*transmit)(void *opaque, uint8_t byte);
    void (*has_room)(void *opaque); /* the guest made room in the FIFO */
    void *opaque;
};

struct uart16550 {
    MemoryRegion region;
    struct uart16550_host host;
    struct irq_line irq;

    _Atomic uint8_t lcr;
    _Atomic uint8_t mcr;
    _Atomic uint8_t scr;
    _Atomic uint8_t divisor[2]; /* kept, without meaning */

    /* Changed under the lock. */
    struct leaf_lock lock;
    _Atomic uint8_t ier;
    _Atomic uint8_t lsr;
    uint8_t fcr;
    bool thr_empty; /* the THR interrupt is due: not yet read from IIR */
    bool is_driven; /* the level of irq */
    uint8_t fifo[UART_FIFO_SIZE]; /* a ring */
    unsigned fifo_first;
    unsigned breaks;     /* bit n: fifo[n] is a break */
    unsigned fifo_count; /* <= 16, or <= 1 with the FIFO disabled */
};

/* Return: 0 or -errno. */
int uart16550_init(struct uart16550 *uart, const struct uart16550_host *host,
                   struct irq_line irq) XBAR_MUST_CHECK;
void uart16550_reset(struct uart16550 *uart);

/* Registers and FIFO; the host's bytes are its own. */
extern const struct xbar_snapshot_ops uart16550_snapshot_ops;

/* uart16550_room() - how many bytes uart16550_receive() takes now: less, if the
 * guest switches the FIFO off in between */
unsigned uart16550_room(struct uart16550 *uart);

/* uart16550_receive() - @count bytes arrive; one thread at a time */
void uart16550_receive(struct uart16550 *uart, const uint8_t *bytes,
                       unsigned count);

/*
 * uart16550_receive_break() - the line is held low, then @byte arrives
 *
 * Return: false, and nothing happens, if there is no room for both.
 */
bool uart16550_receive_break(struct uart16550 *uart, uint8_t byte);

/* uart16550_is_heard() - does what arrives interrupt somebody? Firmware and
 * boot loaders poll; an operating system with an open console does not. */
bool uart16550_is_heard(const struct uart16550 *uart);

#endif
