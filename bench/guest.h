/* SPDX-License-Identifier: MIT */
/*
 * A hart on a world of its own, running code that a benchmark wrote into its
 * RAM, a given number of instructions at a time.
 */
#ifndef XBAR_BENCH_GUEST_H
#define XBAR_BENCH_GUEST_H

#include <xbar/jit/riscv/hart.h>

#include "world.h"

#define GUEST_CODE WORLD_RAM                /* where code starts */
#define GUEST_DATA (WORLD_RAM + (8u << 20)) /* and what it works on */

struct guest {
    struct world *world;
    struct xbar_riscv_hart *hart;
    enum xbar_riscv_engine engine;
    const char *wrong; /* NULL: all was well so far */
};

/* NULL if it cannot be made. @code_limit: of struct xbar_riscv_config. */
struct guest *guest_new(enum xbar_riscv_engine engine, size_t code_limit);
void guest_free(void *guest);

/* Write @count words of code or data. */
void guest_put(struct guest *guest, hwaddr at, const uint32_t *words,
               size_t count);

/* Run so many instructions: fewer is wrong. */
void guest_run(struct guest *guest, uint64_t instructions);

/* Compare a register; a difference is kept in guest->wrong. */
void guest_expect(struct guest *guest, unsigned reg, uint64_t value);

struct xbar_riscv_jit_stats guest_jit_stats(const struct guest *guest);

/* As bench.check(). */
const char *guest_check(void *guest);

#endif
