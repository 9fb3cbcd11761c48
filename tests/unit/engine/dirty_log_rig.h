/* SPDX-License-Identifier: MIT */
/* An engine with one region of memory, and clients that log it. */
#ifndef XBAR_TESTS_UNIT_ENGINE_DIRTY_LOG_RIG_H
#define XBAR_TESTS_UNIT_ENGINE_DIRTY_LOG_RIG_H

#include "engine/dirty_log.h"
#include "tests/unit/engine/fixture.h"

#define PAGE ((uint64_t)4096)

/* All of it is dirty then. */
static inline void start(struct fixture *f, MemoryRegion *mr, unsigned client)
{
    xbar_tree_hold(f->engine);
    assert_int_equal(xbar_dirty_log_start(mr, client), 0);
    xbar_tree_release(f->engine);
}

static inline void open_ram(struct fixture *f, MemoryRegion *mr, void *memory,
                            uint64_t size)
{
    fixture_open(f, (struct xbar_engine_config){ 0 });
    assert_int_equal(memory_region_init_ram_ptr(mr, NULL, "ram", size, memory),
                     0);
}

static inline void close_ram(struct fixture *f, MemoryRegion *mr)
{
    end_region(mr);
    fixture_close(f);
}

#endif
