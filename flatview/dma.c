/* SPDX-License-Identifier: MIT */
/* Scatter lists: an array that doubles, and copies piece by piece. */
#include "flatview/dma.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "engine/alloc.h"
#include "flatview/flatview_internal.h"

void dma_sglist_init(QEMUSGList *qsg, void *dev, int alloc_hint,
                     AddressSpace *as)
{
    (void)alloc_hint; /* the list grows as it is needed */
    memset(qsg, 0, sizeof(*qsg));
    qsg->dev = dev;
    qsg->as = as;
}

static int grow(QEMUSGList *qsg)
{
    struct xbar_engine *engine = qsg->as->space->engine;
    int capacity = qsg->nalloc == 0 ? 8 : qsg->nalloc * 2;
    ScatterGatherEntry *sg;

    if (qsg->nalloc > INT_MAX / 2) {
        return -EINVAL;
    }
    sg = xbar_alloc(engine, (size_t)capacity * sizeof(*sg));
    if (sg == NULL) {
        return -ENOMEM;
    }
    if (qsg->nsg != 0) {
        memcpy(sg, qsg->sg, (size_t)qsg->nsg * sizeof(*sg));
    }
    xbar_free(engine, qsg->sg, (size_t)qsg->nalloc * sizeof(*sg));
    qsg->sg = sg;
    qsg->nalloc = capacity;
    return 0;
}

int dma_sglist_add(QEMUSGList *qsg, dma_addr_t base, dma_addr_t len)
{
    int err = len > UINT64_MAX - qsg->size ? -EINVAL : 0;

    if (err == 0 && qsg->nsg == qsg->nalloc) {
        err = grow(qsg);
    }
    if (err == 0) {
        qsg->sg[qsg->nsg++] = (ScatterGatherEntry){ base, len };
        qsg->size += len;
    }
    return err;
}

void dma_sglist_destroy(QEMUSGList *qsg)
{
    if (qsg->as != NULL) {
        xbar_free(qsg->as->space->engine, qsg->sg,
                  (size_t)qsg->nalloc * sizeof(qsg->sg[0]));
    }
    memset(qsg, 0, sizeof(*qsg));
}

static MemTxResult copy_list(char *buf, dma_addr_t len, dma_addr_t *residual,
                             const QEMUSGList *sg, DMADirection dir,
                             MemTxAttrs attrs)
{
    dma_addr_t left = len < sg->size ? len : sg->size;
    MemTxResult result = MEMTX_OK;

    if (residual != NULL) {
        *residual = sg->size - left;
    }
    for (int i = 0; i < sg->nsg && left != 0; i++) {
        dma_addr_t part = left < sg->sg[i].len ? left : sg->sg[i].len;

        result |= dma_memory_rw(sg->as, sg->sg[i].base, buf, part, dir, attrs);
        buf += part;
        left -= part;
    }
    return result;
}

MemTxResult dma_buf_read(void *ptr, dma_addr_t len, dma_addr_t *residual,
                         QEMUSGList *sg, MemTxAttrs attrs)
{
    return copy_list(ptr, len, residual, sg, DMA_DIRECTION_FROM_DEVICE, attrs);
}

MemTxResult dma_buf_write(void *ptr, dma_addr_t len, dma_addr_t *residual,
                          QEMUSGList *sg, MemTxAttrs attrs)
{
    return copy_list(ptr, len, residual, sg, DMA_DIRECTION_TO_DEVICE, attrs);
}
