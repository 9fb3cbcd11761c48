/* SPDX-License-Identifier: MIT */
/* board.h with a Unicorn engine that runs RV64 on it. */
#ifndef XBAR_TESTS_UNIT_PLUG_UNICORN_RIG_H
#define XBAR_TESTS_UNIT_PLUG_UNICORN_RIG_H

#include <unicorn/unicorn.h>

#include "jit/plug/unicorn.h"
#include "tests/unit/plug/board.h"

struct rig {
    struct board b;
    uc_engine *uc;
    struct xbar_unicorn *plug;
    Error *err;

    /* What bus_error() was told last. */
    unsigned errors;
    hwaddr error_addr;
    unsigned error_size;
    bool error_is_write;
    MemTxResult error;
};

static inline void rig_bus_error(void *opaque, hwaddr addr, unsigned size,
                                 bool is_write, MemTxResult result)
{
    struct rig *r = opaque;

    r->errors++;
    r->error_addr = addr;
    r->error_size = size;
    r->error_is_write = is_write;
    r->error = result;
}

/* @config: what is not the rig's own; NULL: nothing. */
static inline void rig_attach(struct rig *r,
                              const struct xbar_unicorn_config *config)
{
    struct xbar_unicorn_config c = { 0 };

    if (config) {
        c = *config;
    }
    c.as = &r->b.as;
    c.uc = r->uc;
    c.bus_error = rig_bus_error;
    c.opaque = r;
    r->plug = xbar_unicorn_new(&c, &r->err);
    assert_non_null(r->plug);
    assert_null(r->err);
}

static inline void rig_init(struct rig *r,
                            const struct xbar_unicorn_config *config)
{
    memset(r, 0, sizeof(*r));
    board_init(&r->b);
    r->b.opaque = r;
    assert_int_equal(uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &r->uc), 0);
    rig_attach(r, config);
}

static inline void rig_finish(struct rig *r)
{
    assert_int_equal(xbar_unicorn_free(r->plug), 0);
    assert_int_equal(uc_close(r->uc), 0);
    board_finish(&r->b);
}

static inline void rig_set(struct rig *r, unsigned reg, uint64_t value)
{
    uc_reg_write(r->uc, UC_RISCV_REG_X0 + (int)reg, &value);
}

static inline uint64_t rig_get(struct rig *r, unsigned reg)
{
    uint64_t value = 0;

    uc_reg_read(r->uc, UC_RISCV_REG_X0 + (int)reg, &value);
    return value;
}

/* Run @count instructions from @at on; whatever comes of it. */
static inline int rig_try(struct rig *r, uint64_t at, unsigned count)
{
    error_free(r->err);
    r->err = NULL;
    return xbar_unicorn_run(r->plug, at, at + 4 * count, &r->err);
}

static inline void rig_run(struct rig *r, uint64_t at, unsigned count)
{
    int rc = rig_try(r, at, count);

    if (rc) {
        fail_msg("%s", error_get_pretty(r->err));
    }
}

static inline struct xbar_unicorn_stats rig_stats(const struct rig *r)
{
    struct xbar_unicorn_stats stats;

    xbar_unicorn_get_stats(r->plug, &stats);
    return stats;
}

#endif
