/* SPDX-License-Identifier: MIT */
#include "engine/compat.h"

#include "engine/alloc.h"

/* ---- Owners ------------------------------------------------------------ */

void xbar_object_init(Object *obj, void (*finalize)(Object *obj))
{
    obj->finalize = finalize;
    __atomic_store_n(&obj->refs, 1, __ATOMIC_RELAXED);
}

Object *object_ref(void *obj)
{
    if (obj) {
        __atomic_fetch_add(&((Object *)obj)->refs, 1, __ATOMIC_RELAXED);
    }
    return obj;
}

/* One unref too many does nothing, as long as the object is there. */
void object_unref(void *opaque)
{
    Object *obj = opaque;
    uint32_t refs;

    if (!obj) {
        return;
    }
    refs = __atomic_load_n(&obj->refs, __ATOMIC_RELAXED);
    do {
        if (refs == 0) {
            return;
        }
    } while (!__atomic_compare_exchange_n(&obj->refs, &refs, refs - 1, true,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    if (refs == 1 && obj->finalize) {
        obj->finalize(obj);
    }
}

/* ---- Interrupt lines --------------------------------------------------- */

/* The array, and what it points to, in one piece. */
static size_t size_of_irqs(int count)
{
    return (size_t)count * (sizeof(qemu_irq) + sizeof(struct IRQState));
}

qemu_irq *xbar_irqs_new(qemu_irq_handler handler, void *opaque, int count)
{
    struct xbar_engine *engine = xbar_engine_current();
    struct IRQState *states;
    qemu_irq *irqs;

    irqs =
        count > 0 && handler ? xbar_alloc(engine, size_of_irqs(count)) : NULL;
    if (!irqs) {
        return NULL;
    }
    states = (struct IRQState *)(irqs + count);
    for (int i = 0; i < count; i++) {
        states[i] = (struct IRQState){ handler, opaque, i, engine };
        irqs[i] = &states[i];
    }
    return irqs;
}

void xbar_irqs_free(qemu_irq *irqs, int count)
{
    if (irqs) {
        xbar_free(irqs[0]->engine, irqs, size_of_irqs(count));
    }
}

qemu_irq xbar_irq_new(qemu_irq_handler handler, void *opaque, int n)
{
    struct xbar_engine *engine = xbar_engine_current();
    qemu_irq irq = handler ? xbar_alloc(engine, sizeof(*irq)) : NULL;

    if (irq) {
        *irq = (struct IRQState){ handler, opaque, n, engine };
    }
    return irq;
}

void xbar_irq_free(qemu_irq irq)
{
    if (irq) {
        xbar_free(irq->engine, irq, sizeof(*irq));
    }
}
