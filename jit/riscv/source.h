/* SPDX-License-Identifier: MIT */
/*
 * Where a block's instructions come from: finding them, copying them, and
 * telling later whether they are still the same.
 */
#ifndef XBAR_JIT_RISCV_SOURCE_H
#define XBAR_JIT_RISCV_SOURCE_H

#include "jit/riscv/jit.h"

struct instrument_block;

/* Instructions of a block at most, and their bytes. */
#define RISCV_BLOCK_INSNS 96
#define RISCV_BLOCK_BYTES (4 * RISCV_BLOCK_INSNS)

/*
 * Where guest code is: both pages of a crossing instruction. Another hart may
 * be writing there, so the bytes are copied once; what is decoded is the copy,
 * and the copy is what fence.i compares with memory.
 */
struct riscv_source {
    struct riscv_insn_cache *decoded; /* the interpreter's */
    uint64_t pc;
    const uint8_t *host;  /* of pc */
    const uint8_t *host2; /* of the second page, or NULL */
    struct xbar_jit_key key;
    uint64_t home[2];               /* as in struct xbar_jit_block */
    struct instrument_block *shown; /* what it is a part of; NULL: nothing */
    unsigned size;                  /* bytes that were copied */
    unsigned room;                  /* bytes that can be: the rest is copied as
                                       it is asked for */
    uint8_t bytes[RISCV_BLOCK_BYTES];
};

/* What is at hart->pc. False: the interpreter finds out why not. */
bool riscv__find_source(struct xbar_riscv_hart *hart, struct riscv_source *s);

/* Copy at most @size bytes, and no more than there are. */
void riscv__copy_source(struct riscv_source *s, unsigned size);

/* Begin to copy at most @size bytes: as many as most blocks have. */
void riscv__begin_copy(struct riscv_source *s, unsigned size);
/* Some more of them, up to s->room. */
void riscv__copy_more(struct riscv_source *s);

/* Copy all of the page that s->host is in. */
void riscv__copy_page(const struct riscv_source *s, uint8_t *page);

/* The instruction @offset bytes behind the start; false: not in the copy. */
bool riscv__read_insn(const struct riscv_source *s, unsigned offset,
                      struct riscv_insn *insn);

/* Is it other memory by now? That counts as changed, even if the bytes are
 * the same: it is not the memory that is watched. */
bool riscv__source_moved(const struct xbar_jit_block *block,
                         const struct riscv_source *s);

#endif
