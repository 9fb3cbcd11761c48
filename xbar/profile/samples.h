/* SPDX-License-Identifier: MIT */
/*
 * Where the hart was, now and then: which chain of calls, and what had been
 * counted by then. On the hart's thread, at a safe point.
 */
#ifndef XBAR_PROFILE_SAMPLES_H
#define XBAR_PROFILE_SAMPLES_H

#include <xbar/xbar.h>

#define SAMPLES_DEPTH  32 /* the pc, and returns */
#define SAMPLES_POINTS 1024

/* A chain of calls, innermost first. */
struct chain {
    uint64_t count; /* of samples; 0: no chain */
    unsigned depth;
    uint64_t pcs[SAMPLES_DEPTH];
};

/* When a chain was seen. */
struct sample {
    uint64_t ns; /* since the run began */
    uint32_t chain;
};

/* What was counted up to some time. */
struct point {
    uint64_t ns;
    uint64_t instructions;
    uint64_t walks;
    uint64_t l2_hits;
    uint64_t mmio;
    uint64_t commits;
    uint64_t engine_bytes; /* of the library's memory */
    uint64_t code_bytes;
    uint64_t resident; /* of the process */
};

struct samples {
    struct chain *chains; /* hashed until samples_finish(), then the hottest
                             first */
    size_t num_chains;
    size_t capacity; /* a power of two */
    struct sample *items;
    size_t count;
    size_t room;
    uint64_t total; /* taken */
    uint64_t lost;  /* of these, without a chain: memory was short */

    /* At equal distances: when they are full, every other one goes. */
    struct point points[SAMPLES_POINTS];
    unsigned num_points;
    unsigned stride;   /* samples for a point */
    uint64_t resident; /* as it was when last asked for */
    uint64_t resident_ns;
};

/* samples_add() - @hart stands; it is @ns since the run began */
void samples_add(struct samples *samples, const struct xbar_riscv_hart *hart,
                 struct xbar_engine *engine, uint64_t ns);

/* samples_finish() - the last point; sort */
void samples_finish(struct samples *samples, const struct xbar_riscv_hart *hart,
                    struct xbar_engine *engine, uint64_t ns);
void samples_end(struct samples *samples);

#endif
