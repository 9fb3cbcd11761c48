/* SPDX-License-Identifier: MIT */
/* Two devices with a word of state each, that may refuse. */
#ifndef XBAR_TESTS_UNIT_RISCV_GAUGE_H
#define XBAR_TESTS_UNIT_RISCV_GAUGE_H

#include "jit/riscv/machine_snapshot.h"
#include "tests/unit/riscv/rig.h"

struct gauge {
    uint64_t value;
    int refuses_save;
    int refuses_restore;
    unsigned restored; /* in which order */
};

static struct gauge gauges[2];
static unsigned next_restored;

static inline size_t gauge_size(void *opaque)
{
    return sizeof(((struct gauge *)opaque)->value);
}

static inline int gauge_save(void *opaque, void *to, Error **errp)
{
    struct gauge *gauge = opaque;

    if (gauge->refuses_save) {
        error_setg(errp, "not now");
        return gauge->refuses_save;
    }
    memcpy(to, &gauge->value, sizeof(gauge->value));
    return 0;
}

static inline int gauge_check(void *opaque, const void *from, Error **errp)
{
    struct gauge *gauge = opaque;

    (void)errp;
    assert_non_null(from);
    return gauge->refuses_restore;
}

static inline void gauge_restore(void *opaque, const void *from)
{
    struct gauge *gauge = opaque;

    memcpy(&gauge->value, from, sizeof(gauge->value));
    gauge->restored = ++next_restored;
}

static const struct xbar_snapshot_ops gauge_ops = {
    .size = gauge_size,
    .save = gauge_save,
    .check = gauge_check,
    .restore = gauge_restore,
};

static const struct xbar_riscv_device devices[] = {
    { "gauge 0", &gauge_ops, &gauges[0] },
    { "gauge 1", &gauge_ops, &gauges[1] },
};

#endif
