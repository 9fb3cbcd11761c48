/* SPDX-License-Identifier: MIT */
/*
 * Counting writes to guest RAM that no TLB sees: DMA, loaders, debuggers, the
 * page walker. Who keeps something derived from memory (translated code)
 * watches, and looks again where its rules say so if the count moved.
 *
 * The count is raised after the write (release) and read with acquire: who
 * sees the count sees the bytes.
 */
#ifndef XBAR_ENGINE_RAM_WRITES_H
#define XBAR_ENGINE_RAM_WRITES_H

#include <stdbool.h>
#include <stdint.h>

struct xbar_engine;

/* Nested; counting is off, and a write costs one load, while nobody does. */
void xbar_ram_writes_watch(struct xbar_engine *engine, bool on);

/* Somebody watches if *this is not 0: where writers look before they note. */
const unsigned *xbar_ram_writes_watchers(const struct xbar_engine *engine);

static inline bool xbar_ram_writes_wanted(const unsigned *watchers)
{
    return __atomic_load_n(watchers, __ATOMIC_RELAXED) != 0;
}

/*
 * The same for @length bytes at the host address @host, which dirty logs are
 * told of, too. Any thread.
 */
void xbar_ram_wrote(struct xbar_engine *engine, const void *host,
                    uint64_t length);

/*
 * Guest RAM may be written at any moment from now on (or no longer), by who
 * cannot tell each time: the holder of a host pointer. Nested; notes, too.
 * While somebody may, no two counts are equal.
 */
void xbar_ram_writes_open(struct xbar_engine *engine, bool on);

/* Guest RAM was written behind the TLBs' backs. Any thread. */
void xbar_ram_writes_note(struct xbar_engine *engine);

uint64_t xbar_ram_writes_count(struct xbar_engine *engine);

#endif
