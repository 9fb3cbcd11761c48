/* SPDX-License-Identifier: MIT */
/* A serial port: bytes in, bytes out, one interrupt. */
#ifndef SERIAL_PORT_H
#define SERIAL_PORT_H

#include "exec/memory.h"
#include "hw/irq.h"
#include "qom/object.h"

#define SERIAL_FIFO 16

/* Registers, one byte each, 4 bytes apart. */
#define SERIAL_DATA   0x0
#define SERIAL_STATUS 0x4
#define SERIAL_CTRL   0x8
#define SERIAL_SIZE   0x10

#define SERIAL_STATUS_RX   BIT(0) /* a byte can be read */
#define SERIAL_STATUS_LOST BIT(1) /* one came too many */
#define SERIAL_CTRL_RX_IRQ BIT(0)

typedef struct SerialPortState {
    Object parent_obj;

    MemoryRegion iomem;
    qemu_irq irq;
    void (*send)(void *opaque, uint8_t byte);
    void *send_opaque;

    uint8_t fifo[SERIAL_FIFO];
    unsigned head;
    unsigned used;
    bool lost;
    uint8_t ctrl;
} SerialPortState;

void serial_port_init(SerialPortState *s, qemu_irq irq);
void serial_port_receive(SerialPortState *s, uint8_t byte);

#endif
