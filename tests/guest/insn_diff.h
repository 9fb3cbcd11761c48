/* SPDX-License-Identifier: MIT */
/*
 * The same sequences run by several sides, which must come to the same end.
 *
 *                  +-- sides[0], the reference --> results --+
 *     batch -------+-- sides[1] -----------------> results --+--> equal?
 *                  +-- ...                                   |
 *          report <-- minimise <-- first that differs <-- no-+
 *
 * Between machines of ours everything is compared, with qemu-riscv64 what it
 * has: no trace.
 */
#ifndef XBAR_TESTS_GUEST_INSN_DIFF_H
#define XBAR_TESTS_GUEST_INSN_DIFF_H

#include "tests/guest/insn_batch.h"
#include "tests/guest/insn_machine.h"

/* Who runs sequences. */
struct insn_side {
    const char *name;
    struct insn_machine *machine; /* NULL: qemu-riscv64 */
    const char *program;          /* of qemu-riscv64: rv_insn.c, built */
    /*
     * NULL, or counters by row: sequences whose seed is a multiple of
     * count_every are run in single steps, and counted.
     */
    uint64_t *executed;
    unsigned count_every;
};

/* The reference comes first. */
struct insn_sides {
    const struct insn_side *sides;
    size_t count;
    /* Where code may not be mapped, loops may not end: on no side, then. */
    bool may_not_end;
};

/**
 * insn_diff() - run a batch on all sides, and report what differs
 *
 * Return: how many results differ from the reference's; -1: a side could not
 * be run at all.
 */
int insn_diff(struct insn_sides sides, struct insn_batch *batch);

#endif
