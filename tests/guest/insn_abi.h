/* SPDX-License-Identifier: MIT */
/*
 * Random instruction sequences: the world they run in, and what goes to and
 * comes from rv_insn.c. Both sides compile this header.
 *
 *   GUEST_CODE  one after the other, the sequences of a batch
 *   GUEST_DATA  four pages, filled anew for each sequence; nothing is mapped
 *               within GUEST_HOLE bytes on either side
 *
 * Input: struct insn_header, code, cases. Output: one outcome for each case.
 */
#ifndef XBAR_TESTS_GUEST_INSN_ABI_H
#define XBAR_TESTS_GUEST_INSN_ABI_H

#include <stdint.h>

#include "tests/guest/random.h"

#define GUEST_CODE      UINT64_C(0x40000000)
#define GUEST_CODE_SIZE UINT64_C(0x00100000)
#define GUEST_DATA      UINT64_C(0x52000000)
#define GUEST_DATA_SIZE UINT64_C(0x00004000)
#define GUEST_HOLE      UINT64_C(0x01000000)
#define GUEST_PAGE      UINT64_C(0x1000)

#define INSN_MAX_CASES  4096
#define INSN_MAX_FAULTS 12 /* kept in full; later ones are only digested */

struct insn_header {
    uint64_t code_size;
    uint64_t count;
};

/* Registers. x[0] is not looked at. */
struct insn_state {
    uint64_t x[32];
    uint64_t f[32];
    uint64_t fcsr;
};

struct insn_case {
    struct insn_state state;
    uint64_t start;
    uint64_t end; /* the ebreak that ends it */
    uint64_t data_seed;
};

/* An exception, as the signal that Linux makes of it. The faulting
 * instruction is then skipped. */
struct insn_fault {
    uint64_t pc;
    uint64_t address; /* of memory faults, else 0 */
    uint64_t signal;
};

struct insn_outcome {
    struct insn_state state;
    uint64_t memory; /* digest of the data pages */
    uint64_t fault_count;
    uint64_t fault_digest;
    struct insn_fault faults[INSN_MAX_FAULTS];
};

enum insn_signal {
    INSN_SIGILL = 4,
    INSN_SIGTRAP = 5,
    INSN_SIGBUS = 7,
    INSN_SIGSEGV = 11,
};

/* What lies in memory: half of it random, half values that matter. */
static inline void insn_fill(uint64_t *data, uint64_t seed)
{
    static const uint64_t special[16] = {
        0,
        1,
        UINT64_MAX,
        UINT64_C(1) << 63,
        INT64_MAX,
        UINT64_C(0xffffffff80000000),
        UINT64_C(0x7fffffff),
        UINT64_C(0xffffffff),
        UINT64_C(0xffffffff3f800000), /* 1, single */
        UINT64_C(0xffffffff7f800000), /* infinity, single */
        UINT64_C(0xffffffff00000001), /* subnormal, single */
        UINT64_C(0x3ff0000000000000), /* 1 */
        UINT64_C(0x7ff0000000000000), /* infinity */
        UINT64_C(0x7ff0000000000001), /* signaling NaN */
        UINT64_C(0x000fffffffffffff), /* subnormal */
        UINT64_C(0x4000000000000001), /* 2 + ulp */
    };

    for (uint64_t i = 0; i < GUEST_DATA_SIZE / 8; i++) {
        uint64_t bits = random_mix(seed + i);
        uint64_t either[] = { bits, special[bits & 15] };

        data[i] = either[bits >> 4 & 1]; /* a branch would be mispredicted */
    }
}

/* In four lanes, which do not wait for one another's products. */
static inline uint64_t insn_digest(const uint64_t *data)
{
    uint64_t lanes[4] = { 0, 1, 2, 3 };

    for (uint64_t i = 0; i < GUEST_DATA_SIZE / 8; i += 4) {
        for (unsigned lane = 0; lane < 4; lane++) {
            uint64_t mixed =
                (lanes[lane] ^ data[i + lane]) * UINT64_C(0x9e3779b97f4a7c15);

            lanes[lane] = mixed ^ mixed >> 29;
        }
    }
    return random_mix(lanes[0] + random_mix(lanes[1] + random_mix(lanes[2]) +
                                            random_mix(~lanes[3])));
}

static inline void insn_add_fault(struct insn_outcome *out,
                                  struct insn_fault fault)
{
    if (out->fault_count < INSN_MAX_FAULTS) {
        out->faults[out->fault_count] = fault;
    }
    out->fault_count++;
    out->fault_digest = random_mix(out->fault_digest + fault.pc);
    out->fault_digest = random_mix(out->fault_digest + fault.address);
    out->fault_digest = random_mix(out->fault_digest + fault.signal);
}

#endif
