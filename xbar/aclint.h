/* SPDX-License-Identifier: MIT */
/*
 * The ACLINT of one hart, in the CLINT's layout: software interrupt, timer.
 *
 * Reads take no lock; writes take the device's own.
 */
#ifndef XBAR_ACLINT_H
#define XBAR_ACLINT_H

#include <xbar/xbar.h>

#include "leaf_lock.h"
#include "trace/tap.h"

struct aclint {
    MemoryRegion region;
    struct xbar_riscv_hart *hart; /* keeps the time; set after init */
    const struct tap *tap;        /* the same; NULL: none */
    struct leaf_lock lock;        /* of who writes */
    _Atomic uint64_t timecmp;     /* as last written: the hart has a copy */
    atomic_bool msip;
};

/* Return: 0 or -errno. */
int aclint_init(struct aclint *aclint) XBAR_MUST_CHECK;

/* What the hart keeps of it is saved with the hart. */
extern const struct xbar_snapshot_ops aclint_snapshot_ops;

/* aclint_reset() - time 0, no timer, no software interrupt */
void aclint_reset(struct aclint *aclint);

#endif
