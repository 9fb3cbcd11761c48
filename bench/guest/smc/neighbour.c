/* SPDX-License-Identifier: MIT */
/* Data beside code: a counter in the function's own page, and fence.i. */
#include "code.h"
#include "guest.h"

#define CALLS 100

static uint32_t page[1024] __attribute__((aligned(4096)));

void guest_prepare(void)
{
    page[0] = insn_slli(REG_A1, REG_A0, 2);
    page[1] = insn_add(REG_A0, REG_A0, REG_A1);
    page[2] = insn_ret();
    fence_i();
}

uint64_t guest_round(void)
{
    volatile uint32_t *counter = &page[512];
    uint64_t wrong = 0;

    *counter = 0;
    for (uint32_t i = 1; i <= CALLS; i++) {
        *counter += 1;
        fence_i();
        wrong |= call_code(page, i) ^ (5 * (uint64_t)i);
        wrong |= *counter ^ i;
    }
    return wrong ? GUEST_BAD : GUEST_GOOD;
}
