/* SPDX-License-Identifier: MIT */
/* How many sequences a build can afford. */
#ifndef XBAR_TESTS_GUEST_INSN_SCALE_H
#define XBAR_TESTS_GUEST_INSN_SCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(XBAR_CHECKED) || defined(__SANITIZE_ADDRESS__) || \
    defined(__SANITIZE_THREAD__)
#define INSN_SLOW_BUILD true
#else
#define INSN_SLOW_BUILD false
#endif

/* For the line that says how many. */
#define INSN_SCALE_NOTE (INSN_SLOW_BUILD ? " (a tenth: checked build)" : "")

/** insn_scale() - a tenth in checked builds; 20 times with XBAR_LONG=1 */
static inline size_t insn_scale(size_t count)
{
    count *= getenv("XBAR_LONG") ? 20 : 1;
    return INSN_SLOW_BUILD ? count / 10 : count;
}

#endif
