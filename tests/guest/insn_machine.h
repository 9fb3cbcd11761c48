/* SPDX-License-Identifier: MIT */
/*
 * The world of insn_abi.h on a hart of ours.
 */
#ifndef XBAR_TESTS_GUEST_INSN_MACHINE_H
#define XBAR_TESTS_GUEST_INSN_MACHINE_H

#include <stddef.h>

#include "tests/guest/insn_abi.h"

struct insn_machine;

/** insn_machine_new() - the test program ends if that fails */
struct insn_machine *insn_machine_new(void);
void insn_machine_free(struct insn_machine *machine);

/** insn_machine_load() - put code at GUEST_CODE */
void insn_machine_load(struct insn_machine *machine, const uint8_t *code,
                       size_t size);

/**
 * insn_machine_run() - run one sequence
 * @executed: NULL, or counters by row: then it is run instruction by
 * instruction, which must make no other difference
 *
 * Return: 0; -1 if it does not end, or goes astray.
 */
int insn_machine_run(struct insn_machine *machine, const struct insn_case *in,
                     struct insn_outcome *out, uint64_t *executed);

#endif
