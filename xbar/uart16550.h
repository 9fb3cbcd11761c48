/* SPDX-License-Identifier: MIT */
/*
 * A 16550A UART with infinitely fast lines: what is written is sent at once,
 * so the transmitter is always empty; what arrives waits in a 16-byte FIFO.
 *
 * The state is guarded by the machine lock.
 */
#ifndef XBAR_UART16550_H
#define XBAR_UART16550_H

#include <xbar/xbar.h>

#include "irq.h"

#define UART_FIFO_SIZE 16

/* The far end of the line. Both are called under the machine lock. */
struct uart16550_host {
    void (*transmit)(void *opaque, uint8_t byte);
    void (*has_room)(void *opaque); /* the guest made room in the FIFO */
    void *opaque;
};

struct uart16550 {
    MemoryRegion region;
    struct uart16550_host host;
    struct irq_line irq;

    uint8_t ier;
    uint8_t fcr;
    uint8_t lcr;
    uint8_t mcr;
    uint8_t scr;
    uint8_t divisor[2]; /* kept, without meaning */
    bool thr_empty;     /* the THR interrupt is due: not yet read from IIR */

    uint8_t fifo[UART_FIFO_SIZE]; /* a ring */
    unsigned fifo_first;
    unsigned fifo_count; /* <= 16, or <= 1 with the FIFO disabled */
};

/* Return: 0 or -errno. */
int uart16550_init(struct uart16550 *uart, const struct uart16550_host *host,
                   struct irq_line irq) XBAR_MUST_CHECK;
void uart16550_reset(struct uart16550 *uart);

/* uart16550_room() - how many bytes uart16550_receive() takes now */
unsigned uart16550_room(const struct uart16550 *uart);

/* uart16550_receive() - @count <= room bytes arrive; under the machine lock */
void uart16550_receive(struct uart16550 *uart, const uint8_t *bytes,
                       unsigned count);

#endif
