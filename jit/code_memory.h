/* SPDX-License-Identifier: MIT */
/*
 * Code memory: where emitted code lives.
 *
 * One reservation, mapped twice from one memfd:
 *
 *     writable view   rw + offset      only the emitter looks here
 *     executable view rx + offset      only the CPU looks here
 *
 * so no page is ever writable and executable at once, and nothing needs
 * mprotect. Offsets are the common language: a rel32 has the same value in
 * both views. Memory is asked of the host in pieces, as it is used, so a large
 * limit costs nothing until then.
 *
 * The reservation is cut into segments, filled in turn. Before one that was
 * never used comes one that holds nothing any more, if there is any: its memory
 * is there, and in the host's caches maybe. When all are in use, the next in
 * turn is emptied: its owner is told through evict() and must unlink every
 * block in it first. Code memory is therefore never flushed whole.
 *
 *     | fixed | segment 0 | segment 1 | ... | segment n-1 |
 *        ^ shared stubs, never evicted
 *
 * Writing is a transaction: lease, then commit what was used, or abort.
 *
 * Threads: the caller serialises everything but code_memory__rx().
 */
#ifndef XBAR_JIT_CODE_MEMORY_H
#define XBAR_JIT_CODE_MEMORY_H

#include "jit/code_buf.h"

struct xbar_engine;
struct code_memory;

struct code_memory_config {
    struct xbar_engine *engine; /* allocates the bookkeeping */
    size_t limit;        /* bytes in all; rounded up to pages, at least one */
    size_t fixed_size;   /* bytes of the fixed part, beside the limit */
    size_t segment_size; /* 0: chosen by the limit */
    /* Called before the code in a segment is overwritten. */
    void (*evict)(void *opaque, uint32_t segment);
    /* Is there no code in it that is still of use? NULL: there always is. */
    bool (*is_empty)(void *opaque, uint32_t segment);
    void *evict_opaque; /* of both */
};

/*
 * Return: 0; -EPERM or -EACCES where the host refuses executable memory,
 * -ENOMEM, -EINVAL for a limit above 1 GiB, or segments of more than the limit
 * or less than 16 bytes.
 */
int code_memory__new(const struct code_memory_config *config,
                     struct code_memory **out) XBAR_MUST_CHECK;
void code_memory__free(struct code_memory *cm);

/*
 * Lease @size bytes of a segment, evicting the oldest if need be. Only one
 * lease at a time. Return: false if @size is more than a segment holds.
 */
bool code_memory__lease(struct code_memory *cm, size_t size, struct code_buf *b)
    XBAR_MUST_CHECK;

/* Keep what @b wrote, aligned up to 16. Returns the offset of its start. */
uint32_t code_memory__commit(struct code_memory *cm, const struct code_buf *b);

/* Give the lease back: nothing was written as far as anyone knows. */
void code_memory__abort(struct code_memory *cm);

/* The fixed part, for stubs written once at the start. */
void code_memory__fixed(struct code_memory *cm, struct code_buf *b);

uint8_t *code_memory__rw(const struct code_memory *cm, uint32_t offset);
const uint8_t *code_memory__rx(const struct code_memory *cm, uint32_t offset);

/* The executable address of writable address @rw. */
const uint8_t *code_memory__to_rx(const struct code_memory *cm,
                                  const uint8_t *rw);

/* The offset of @rx, or UINT32_MAX if it is no address of ours. */
uint32_t code_memory__offset(const struct code_memory *cm, const void *rx);

size_t code_memory__segment_size(const struct code_memory *cm);

/* Segments, and which one holds @offset: UINT32_MAX for none. */
uint32_t code_memory__segments(const struct code_memory *cm);
uint32_t code_memory__segment_of(const struct code_memory *cm, uint32_t offset);

struct code_memory_stats {
    uint64_t bytes_committed; /* ever */
    uint64_t bytes_live;      /* in segments now, fixed part not counted */
    uint64_t evictions;       /* segments emptied */
};

void code_memory__get_stats(const struct code_memory *cm,
                            struct code_memory_stats *stats);

#endif
