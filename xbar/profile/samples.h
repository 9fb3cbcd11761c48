/* SPDX-License-Identifier: MIT */
/*
 * Where the hart was, now and then: which chain of calls, and what had been
 * counted by then. On the hart's thread, at a safe point.
 *
 * A sample costs the guest the host's timer and signal, and the longer a run, the
 * less one more of them tells. So they become fewer, and each counts for the
 * time that it stands for:
 *
 *     samples    250       ...          a second  250, 125
 *                |---------|------      counts    1, 2
 *     run        0         1 s
 */
#ifndef XBAR_PROFILE_SAMPLES_H
#define XBAR_PROFILE_SAMPLES_H

#include <xbar/xbar.h>

#define SAMPLES_DEPTH  32 /* the pc, and returns */
#define SAMPLES_POINTS 1024

#define SAMPLES_PERIOD_US 4000 /* what a count of 1 stands for, on average */
#define SAMPLES_HALVE     250  /* samples until there are half as many */
#define SAMPLES_COUNT_MAX 2    /* of one */

/* A chain of calls, innermost first. */
struct chain {
    uint64_t count; /* what its samples count */
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
    struct chain *chains; /* as they came; the hottest first from
                             samples_finish() on */
    size_t num_chains;
    size_t chains_room;
    uint32_t *slots;  /* by a chain's hash: 1 + its place; 0: free */
    size_t num_slots; /* a power of two */
    struct sample *items;
    size_t count;
    size_t room;
    uint64_t taken;
    uint64_t total;   /* what they count */
    uint64_t lost;    /* of that, without a chain: memory was short */
    uint64_t squares; /* of what each counts, added up */

    /* At about equal distances: when they are full, every other one goes. */
    struct point points[SAMPLES_POINTS];
    unsigned num_points;
    uint64_t distance; /* at least, nanoseconds */
    uint64_t resident; /* as it was when last asked for */
    uint64_t resident_ns;
    int statm; /* 1 + the file that says it; 0: not open */
};

/* samples_start() - before a run: memory and what else the first sample would
 * take the guest's time for. What it does not get, that tries again. */
void samples_start(struct samples *samples);

/* samples_add() - @hart stands; it is @ns since the run began
 *
 * Return: microseconds until the next, on average. */
unsigned samples_add(struct samples *samples,
                     const struct xbar_riscv_hart *hart,
                     struct xbar_engine *engine, uint64_t ns);

/* samples_margin() - how far off a share of the total is at most, by chance, 19
 * times in 20: that of one half, of samples that have nothing to do with each
 * other. 1 if there are none. */
double samples_margin(const struct samples *samples);

/* samples_finish() - the last point; sort */
void samples_finish(struct samples *samples, const struct xbar_riscv_hart *hart,
                    struct xbar_engine *engine, uint64_t ns);
void samples_end(struct samples *samples);

#endif
