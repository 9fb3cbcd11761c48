/* SPDX-License-Identifier: MIT */
/* A block of emitted loads, for who runs one beside something else: emit.c. */
#ifndef XBAR_BENCH_EMITTED_H
#define XBAR_BENCH_EMITTED_H

#include <stddef.h>
#include <string.h>

#include <xbar/xbar.h>

#define EMITTED_LOADS 64u
#define EMITTED_VALUE 0x01020304u

/* EMITTED_LOADS loads of 4 bytes at @va; the value of the last. */
typedef uint64_t emitted_block(SoftTLB *tlb, uint64_t va);

/* To be unmapped; NULL if that cannot be. */
void *emitted_loads_new(size_t *size);

static inline emitted_block *emitted_block_of(void *code)
{
    emitted_block *block;

    memcpy(&block, &code, sizeof(block));
    return block;
}

#endif
