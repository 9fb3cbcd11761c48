/* SPDX-License-Identifier: MIT */
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "hw/irq.h"
#include "qemu/log.h"
#include "qemu/osdep.h"

#include "copy_engine.h"

#define COPY_CHUNK 256

static void copy_engine_update(CopyEngineState *s)
{
    qemu_set_irq(s->irq, s->status != 0);
}

static void copy_engine_run(CopyEngineState *s)
{
    uint32_t left = s->regs[COPY_LEN / 4];
    hwaddr from = s->regs[COPY_SRC / 4];
    hwaddr to = s->regs[COPY_DST / 4];
    MemTxResult res = MEMTX_OK;
    uint8_t buf[COPY_CHUNK];

    while (left > 0 && res == MEMTX_OK) {
        uint32_t chunk = MIN(left, sizeof(buf));

        res |= address_space_read(&s->dma_as, from, MEMTXATTRS_UNSPECIFIED, buf,
                                  chunk);
        res |= address_space_write(&s->dma_as, to, MEMTXATTRS_UNSPECIFIED, buf,
                                   chunk);
        from += chunk;
        to += chunk;
        left -= chunk;
    }
    s->status |= COPY_STATUS_DONE;
    if (res != MEMTX_OK) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "copy-engine: error at 0x%" HWADDR_PRIx "\n", to);
        s->status |= COPY_STATUS_ERROR;
    }
    copy_engine_update(s);
}

static uint64_t copy_engine_read(void *opaque, hwaddr addr, unsigned size)
{
    CopyEngineState *s = opaque;

    if (addr < sizeof(s->regs)) {
        return s->regs[addr / 4];
    }
    return addr == COPY_STATUS ? s->status : 0;
}

static void copy_engine_write(void *opaque, hwaddr addr, uint64_t val,
                              unsigned size)
{
    CopyEngineState *s = opaque;

    if (addr < sizeof(s->regs)) {
        s->regs[addr / 4] = val;
    }
    if (addr == COPY_CTRL && (val & 1)) {
        copy_engine_run(s);
    } else if (addr == COPY_STATUS) {
        s->status &= ~val;
        copy_engine_update(s);
    }
}

static const MemoryRegionOps copy_engine_ops = {
    .read = copy_engine_read,
    .write = copy_engine_write,
    .endianness = DEVICE_BIG_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 4,
    },
};

void copy_engine_init(CopyEngineState *s, MemoryRegion *dma_root, qemu_irq irq)
{
    s->irq = irq;
    memory_region_init_io(&s->iomem, OBJECT(s), &copy_engine_ops, s,
                          "copy-engine", COPY_SIZE);
    address_space_init(&s->dma_as, dma_root, "copy-engine-dma");
}
