/* SPDX-License-Identifier: MIT */
/* Two instructions of a function are rewritten before each call of it. */
#include "code.h"
#include "guest.h"

#define PATCHES 100

static uint32_t function[64] __attribute__((aligned(4096)));

void guest_prepare(void)
{
    function[2] = insn_slli(REG_A1, REG_A0, 1);
    function[3] = insn_add(REG_A0, REG_A0, REG_A1);
    function[4] = insn_ret();
}

uint64_t guest_round(void)
{
    uint64_t wrong = 0;

    for (int32_t i = 0; i < PATCHES; i++) {
        function[0] = insn_addi(REG_A0, REG_A0, i);
        function[1] = insn_xori(REG_A0, REG_A0, 3 * i);
        fence_i();
        wrong |= call_code(function, 1000) ^
                 3 * ((1000 + (uint64_t)i) ^ (3 * (uint64_t)i));
    }
    return wrong ? GUEST_BAD : GUEST_GOOD;
}
