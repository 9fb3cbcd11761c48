/* SPDX-License-Identifier: MIT */
/*
 * The platform-level interrupt controller: 31 level-triggered sources, two
 * contexts (machine and supervisor mode of hart 0).
 *
 * Plain reads take no lock; whatever changes the state, the inputs included,
 * takes the device's own, on any thread.
 */
#ifndef XBAR_PLIC_H
#define XBAR_PLIC_H

#include <xbar/xbar.h>

#include "irq.h"
#include "leaf_lock.h"

#define PLIC_SOURCES      31 /* numbered from 1; 0 means "none" */
#define PLIC_MAX_PRIORITY 7

enum plic_context_id {
    PLIC_MACHINE = 0,
    PLIC_SUPERVISOR = 1,
    PLIC_CONTEXTS = 2,
};

struct plic_context {
    struct irq_line irq;      /* to the hart */
    bool is_driven;           /* the line's level */
    _Atomic uint32_t enabled; /* bit n: source n */
    _Atomic uint8_t threshold;
};

/*
 * A source n is in one of three states, by bit n:
 *
 *   idle --level--> pending --claim--> claimed --complete--> idle (or pending
 *    ^                 |                                   if still at level)
 *    +---- no level ---+
 *
 * so pending & claimed == 0.
 */
struct plic {
    MemoryRegion region;
    struct leaf_lock lock;    /* of who changes anything */
    uint32_t level;           /* as the devices drive them */
    _Atomic uint32_t pending; /* waiting for a claim */
    uint32_t claimed;         /* not taken again before the completion */
    _Atomic uint8_t priority[PLIC_SOURCES + 1];
    struct plic_context contexts[PLIC_CONTEXTS];
};

/* Return: 0 or -errno. The contexts' lines are the caller's to set. */
int plic_init(struct plic *plic) XBAR_MUST_CHECK;
void plic_reset(struct plic *plic);

/* With the levels that its inputs have, and its outputs. */
extern const struct xbar_snapshot_ops plic_snapshot_ops;

/* plic_input() - the line that drives source @source */
struct irq_line plic_input(struct plic *plic, unsigned source);

#endif
