/* SPDX-License-Identifier: MIT */
/* Two 64-bit countdowns with byte-wide access, in the guest's byte order. */
#ifndef TICK_TIMER_H
#define TICK_TIMER_H

#include "exec/memory.h"
#include "hw/irq.h"
#include "qom/object.h"

#define TICK_TIMERS  2
#define TICK_COUNT   0x0 /* 8 bytes */
#define TICK_RELOAD  0x8 /* 8 bytes */
#define TICK_STRIDE  0x10
#define TICK_PENDING 0x20 /* 8 bytes, a bit a timer; a 1 clears it */
#define TICK_SIZE    0x28

typedef struct TickTimerState {
    Object parent_obj;

    MemoryRegion container;
    MemoryRegion regs;
    MemoryRegion mirror; /* the same registers once more, read-only */
    qemu_irq *irqs;
    uint64_t count[TICK_TIMERS];
    uint64_t reload[TICK_TIMERS];
    uint64_t pending;
} TickTimerState;

void tick_timer_init(TickTimerState *s, qemu_irq *irqs);
void tick_timer_advance(TickTimerState *s, uint64_t ticks);

#endif
