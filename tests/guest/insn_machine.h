/* SPDX-License-Identifier: MIT */
/*
 * The world of insn_abi.h on a hart of ours.
 */
#ifndef XBAR_TESTS_GUEST_INSN_MACHINE_H
#define XBAR_TESTS_GUEST_INSN_MACHINE_H

#include <stddef.h>

#include "jit/riscv/hart.h"
#include "tests/guest/insn_abi.h"

struct insn_machine;

struct insn_machine_config {
    enum xbar_riscv_engine engine;
    unsigned stress; /* enum xbar_riscv_stress */
    size_t code_limit;
    unsigned translate_after; /* 0: 1, at once */
    /* Not 0: the deterministic clock, and timer interrupts in U-mode. */
    uint32_t insns_per_tick;
    /* What qemu-riscv64 cannot do: the FPU off, initial or clean; cache-block
     * instructions; A and D bits that are software's. */
    bool vary_state;
    /* Translated, in S-mode or U-mode: see insn_paging.h. */
    bool paged;
};

/* What machines of ours tell beside the outcome: all of it must be equal. */
struct insn_trace {
    uint64_t failed;  /* 1: it does not end, or goes astray; 2: lockstep */
    uint64_t retired; /* instructions, those of the handler included */
    uint64_t pc;
    uint64_t mstatus;
    uint64_t mcause;
    uint64_t mepc;
    uint64_t mtval;
    uint64_t traps;
    uint64_t trap_digest;  /* of these CSRs and the count at each trap */
    uint64_t pause_digest; /* of pc and x at each pause */
    uint64_t tables;       /* digest of the page tables */
};

struct insn_result {
    struct insn_outcome outcome;
    struct insn_trace trace;
};

/* How a sequence is run, which must make no other difference. */
struct insn_pace {
    unsigned pause;     /* every so many instructions; 0: only at traps */
    uint64_t *executed; /* NULL, or counters by row: in single steps */
};

/** insn_machine_new() - the test program ends if that fails */
struct insn_machine *insn_machine_new(const struct insn_machine_config *config);
void insn_machine_free(struct insn_machine *machine);

/** insn_machine_load() - put code at GUEST_CODE */
void insn_machine_load(struct insn_machine *machine, const uint8_t *code,
                       size_t size);

/** insn_machine_run() - run one sequence */
void insn_machine_run(struct insn_machine *machine, const struct insn_case *in,
                      struct insn_pace pace, struct insn_result *result);

/** insn_machine_mismatch() - what lockstep said last, or NULL */
const char *insn_machine_mismatch(const struct insn_machine *machine);

void insn_machine_get_stats(const struct insn_machine *machine,
                            struct xbar_riscv_stats *stats);

#endif
