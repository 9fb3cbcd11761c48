/* SPDX-License-Identifier: MIT */
/* What differs after a sequence, for people. */
#ifndef XBAR_TESTS_GUEST_INSN_REPORT_H
#define XBAR_TESTS_GUEST_INSN_REPORT_H

#include "engine/types.h"
#include "tests/guest/insn_gen.h"
#include "tests/guest/insn_machine.h"

struct insn_report {
    const struct insn_sequence *sequence;
    uint64_t start; /* of its code */
    const char *names[2];
    const struct insn_result *results[2];
    const char *mismatch; /* what lockstep said, or NULL */
};

void insn_report(const struct insn_report *report);

/** insn_say() - a line among the test program's */
void insn_say(const char *format, ...) XBAR_PRINTF(1, 2);

#endif
