/* SPDX-License-Identifier: MIT */
/* A wire from a device to whoever listens: the PLIC, or a hart. */
#ifndef XBAR_IRQ_H
#define XBAR_IRQ_H

#include <stdbool.h>

/* A zeroed line leads nowhere, which is fine. */
struct irq_line {
    void (*set)(void *opaque, unsigned number, bool level);
    void *opaque;
    unsigned number;
};

/* Context: any thread that holds the device's lock, as that is what keeps the
 * levels of one line in order. The listener may ignore repeats. */
static inline void irq_line_set(const struct irq_line *line, bool level)
{
    if (line->set) {
        line->set(line->opaque, line->number, level);
    }
}

#endif
