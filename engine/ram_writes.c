/* SPDX-License-Identifier: MIT */
#include "engine/ram_writes.h"

#include "engine/dirty_log.h"
#include "engine/engine_internal.h"

void xbar_ram_writes_watch(struct xbar_engine *engine, bool on)
{
    __atomic_fetch_add(&engine->ram_watchers, on ? 1u : -1u, __ATOMIC_RELAXED);
}

const unsigned *xbar_ram_writes_watchers(const struct xbar_engine *engine)
{
    return &engine->ram_watchers;
}

void xbar_ram_writes_note(struct xbar_engine *engine)
{
    if (__atomic_load_n(&engine->ram_watchers, __ATOMIC_RELAXED) != 0) {
        __atomic_fetch_add(&engine->ram_writes, 1, __ATOMIC_RELEASE);
    }
}

void xbar_ram_wrote(struct xbar_engine *engine, const void *host,
                    uint64_t length)
{
    xbar_ram_writes_note(engine);
    xbar_dirty_wrote(engine, (uintptr_t)host, length);
}

void xbar_ram_writes_open(struct xbar_engine *engine, bool on)
{
    __atomic_fetch_add(&engine->ram_writers, on ? 1u : -1u, __ATOMIC_RELEASE);
    xbar_ram_writes_note(engine);
}

uint64_t xbar_ram_writes_count(struct xbar_engine *engine)
{
    if (__atomic_load_n(&engine->ram_writers, __ATOMIC_ACQUIRE) != 0) {
        return __atomic_add_fetch(&engine->ram_writes, 1, __ATOMIC_ACQ_REL);
    }
    return __atomic_load_n(&engine->ram_writes, __ATOMIC_ACQUIRE);
}
