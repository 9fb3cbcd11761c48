/* SPDX-License-Identifier: MIT */
/* DMA: copies a buffer in guest memory, and raises an interrupt. */
#ifndef COPY_ENGINE_H
#define COPY_ENGINE_H

#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "hw/irq.h"
#include "qapi/error.h"
#include "qom/object.h"

/* Registers of 4 bytes, big-endian. */
#define COPY_SRC    0x00
#define COPY_DST    0x04
#define COPY_LEN    0x08
#define COPY_CTRL   0x0c /* a 1 to bit 0 starts it */
#define COPY_STATUS 0x10 /* a 1 clears a bit */
#define COPY_SIZE   0x20

#define COPY_STATUS_DONE  BIT(0)
#define COPY_STATUS_ERROR BIT(1)

typedef struct CopyEngineState {
    Object parent_obj;

    MemoryRegion iomem;
    AddressSpace dma_as;
    qemu_irq irq;

    uint32_t regs[4];
    uint32_t status;
} CopyEngineState;

void copy_engine_init(CopyEngineState *s, MemoryRegion *dma_root, qemu_irq irq);

#endif
