/* SPDX-License-Identifier: MIT */
#include "exec/memory.h"
#include "hw/irq.h"
#include "qemu/log.h"
#include "qemu/osdep.h"

#include "serial_port.h"

static void serial_port_update(SerialPortState *s)
{
    qemu_set_irq(s->irq, s->used > 0 && (s->ctrl & SERIAL_CTRL_RX_IRQ));
}

static uint8_t serial_port_pop(SerialPortState *s)
{
    uint8_t byte;

    if (s->used == 0) {
        return 0;
    }
    byte = s->fifo[s->head];
    s->head = (s->head + 1) % SERIAL_FIFO;
    s->used--;
    serial_port_update(s);
    return byte;
}

static uint64_t serial_port_read(void *opaque, hwaddr addr, unsigned size)
{
    SerialPortState *s = opaque;
    uint64_t status = 0;

    switch (addr) {
    case SERIAL_DATA:
        return serial_port_pop(s);
    case SERIAL_STATUS:
        status |= s->used ? SERIAL_STATUS_RX : 0;
        status |= s->lost ? SERIAL_STATUS_LOST : 0;
        s->lost = false;
        return status;
    case SERIAL_CTRL:
        return s->ctrl;
    default:
        qemu_log_mask(LOG_UNIMP, "serial-port: read of 0x%" HWADDR_PRIx "\n",
                      addr);
        return 0;
    }
}

static void serial_port_write(void *opaque, hwaddr addr, uint64_t val,
                              unsigned size)
{
    SerialPortState *s = opaque;

    switch (addr) {
    case SERIAL_DATA:
        if (s->send) {
            s->send(s->send_opaque, val);
        }
        break;
    case SERIAL_CTRL:
        s->ctrl = val;
        serial_port_update(s);
        break;
    default:
        qemu_log_mask(LOG_UNIMP,
                      "serial-port: write of 0x%" PRIx64 " to 0x%" HWADDR_PRIx
                      "\n",
                      val, addr);
    }
}

/* STATUS is nobody's to write, and a FIFO is popped by whole bytes alone. */
static bool serial_port_accepts(void *opaque, hwaddr addr, unsigned size,
                                bool is_write, MemTxAttrs attrs)
{
    return size == 1 && !(is_write && addr == SERIAL_STATUS);
}

static const MemoryRegionOps serial_port_ops = {
    .read = serial_port_read,
    .write = serial_port_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.min_access_size = 1,
    .valid.max_access_size = 4,
    .valid.accepts = serial_port_accepts,
};

void serial_port_init(SerialPortState *s, qemu_irq irq)
{
    s->irq = irq;
    memory_region_init_io(&s->iomem, OBJECT(s), &serial_port_ops, s,
                          "serial-port", SERIAL_SIZE);
}

void serial_port_receive(SerialPortState *s, uint8_t byte)
{
    if (s->used == SERIAL_FIFO) {
        s->lost = true;
        return;
    }
    s->fifo[(s->head + s->used++) % SERIAL_FIFO] = byte;
    serial_port_update(s);
}
