/* SPDX-License-Identifier: MIT */
/* Emitted code as a signal handler finds it. */
#include <ucontext.h>

#include "jit/x86_64/x86_64_internal.h"

_Static_assert(BUDGET == R15, "as below");

const void *jit_host__interrupted(void *context, int64_t **budget)
{
    ucontext_t *interrupted = context;
    greg_t *regs = interrupted->uc_mcontext.gregs;

    *budget = (int64_t *)&regs[REG_R15];
    return (const void *)(uintptr_t)regs[REG_RIP];
}
