/* SPDX-License-Identifier: MIT */
#include "exec/memory.h"
#include "hw/irq.h"
#include "qemu/osdep.h"

#include "tick_timer.h"

static uint64_t *tick_timer_reg(TickTimerState *s, hwaddr addr)
{
    unsigned n = addr / TICK_STRIDE;

    if (n >= TICK_TIMERS) {
        return addr == TICK_PENDING ? &s->pending : NULL;
    }
    return addr % TICK_STRIDE == TICK_COUNT ? &s->count[n] : &s->reload[n];
}

static void tick_timer_update(TickTimerState *s)
{
    for (unsigned i = 0; i < TICK_TIMERS; i++) {
        qemu_set_irq(s->irqs[i], (s->pending >> i) & 1);
    }
}

static uint64_t tick_timer_read(void *opaque, hwaddr addr, unsigned size)
{
    uint64_t *reg = tick_timer_reg(opaque, addr);

    return reg ? *reg : 0;
}

static void tick_timer_write(void *opaque, hwaddr addr, uint64_t val,
                             unsigned size)
{
    TickTimerState *s = opaque;
    uint64_t *reg = tick_timer_reg(s, addr);

    if (reg == &s->pending) {
        s->pending &= ~val;
        tick_timer_update(s);
    } else if (reg) {
        *reg = val;
    }
}

static const MemoryRegionOps tick_timer_ops = {
    .read = tick_timer_read,
    .write = tick_timer_write,
    .endianness = DEVICE_NATIVE_ENDIAN,
    .valid.min_access_size = 1,
    .valid.max_access_size = 8,
    .valid.unaligned = true,
    .impl.min_access_size = 8,
    .impl.max_access_size = 8,
};

void tick_timer_init(TickTimerState *s, qemu_irq *irqs)
{
    s->irqs = irqs;
    memory_region_init(&s->container, OBJECT(s), "tick-timer", 2 * TICK_SIZE);
    memory_region_init_io(&s->regs, OBJECT(s), &tick_timer_ops, s,
                          "tick-timer-regs", TICK_SIZE);
    memory_region_init_alias(&s->mirror, OBJECT(s), "tick-timer-mirror",
                             &s->regs, 0, TICK_SIZE);
    memory_region_set_readonly(&s->mirror, true);
    memory_region_add_subregion(&s->container, 0, &s->regs);
    memory_region_add_subregion_overlap(&s->container, TICK_SIZE, &s->mirror,
                                        1);
}

void tick_timer_advance(TickTimerState *s, uint64_t ticks)
{
    for (unsigned i = 0; i < TICK_TIMERS; i++) {
        if (s->count[i] > ticks) {
            s->count[i] -= ticks;
        } else if (s->count[i]) {
            s->count[i] = s->reload[i];
            s->pending |= BIT_ULL(i);
        }
    }
    tick_timer_update(s);
}
