/* SPDX-License-Identifier: MIT */
/* board.h with a vCPU of dynarmic's that runs A64 on it. */
#ifndef XBAR_TESTS_UNIT_PLUG_DYNARMIC_RIG_H
#define XBAR_TESTS_UNIT_PLUG_DYNARMIC_RIG_H

#include "jit/plug/dynarmic.h"
#include "tests/unit/plug/a64.h"
#include "tests/unit/plug/board.h"

struct rig {
    struct board b;
    struct xbar_dynarmic *plug;
    struct xbar_dynarmic_stop stop;
};

static inline void rig_init(struct rig *r,
                            const struct xbar_dynarmic_config *config)
{
    struct xbar_dynarmic_config c = { 0 };
    Error *err = NULL;

    memset(r, 0, sizeof(*r));
    board_init(&r->b);
    r->b.opaque = r;
    if (config) {
        c = *config;
    }
    c.as = &r->b.as;
    r->plug = xbar_dynarmic_new(&c, &err);
    assert_non_null(r->plug);
    assert_null(err);
}

static inline void rig_finish(struct rig *r)
{
    assert_int_equal(xbar_dynarmic_free(r->plug), 0);
    board_finish(&r->b);
}

/* From @at on, until it stops; the code ends with svc. */
static inline enum xbar_dynarmic_exit rig_run(struct rig *r, uint64_t at)
{
    xbar_dynarmic_set(r->plug, XBAR_DYNARMIC_PC, at);
    return xbar_dynarmic_run(r->plug, UINT64_MAX, &r->stop);
}

static inline struct xbar_dynarmic_stats rig_stats(const struct rig *r)
{
    struct xbar_dynarmic_stats stats;

    xbar_dynarmic_get_stats(r->plug, &stats);
    return stats;
}

static inline void set(struct rig *r, unsigned reg, uint64_t value)
{
    xbar_dynarmic_set(r->plug, reg, value);
}

static inline uint64_t get(struct rig *r, unsigned reg)
{
    return xbar_dynarmic_get(r->plug, reg);
}

/* Subroutine at @at: x0 = @value. */
static inline void put(struct board *b, hwaddr at, unsigned value)
{
    uint32_t code[2] = { a64_movz(0, value, 0), a64_ret() };

    assert_int_equal(address_space_write(&b->as, at, MEMTXATTRS_UNSPECIFIED,
                                         code, sizeof(code)),
                     MEMTX_OK);
}

#endif
