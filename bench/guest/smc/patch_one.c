/* SPDX-License-Identifier: MIT */
/* One of 64 functions in a page is rewritten, and all of them are called. */
#include "code.h"
#include "guest.h"

#define PATCHES   16
#define FUNCTIONS 64
#define WORDS     16

static uint32_t page[FUNCTIONS * WORDS] __attribute__((aligned(4096)));
static int32_t constants[FUNCTIONS];

static void write_function(int i, int32_t constant)
{
    uint32_t *out = &page[i * WORDS];

    constants[i] = constant;
    *out++ = insn_addi(REG_A0, REG_A0, constant);
    *out++ = insn_slli(REG_A1, REG_A0, 3);
    *out++ = insn_add(REG_A0, REG_A0, REG_A1);
    *out++ = insn_ret();
}

void guest_prepare(void)
{
    for (int i = 0; i < FUNCTIONS; i++) {
        write_function(i, i);
    }
    fence_i();
}

uint64_t guest_round(void)
{
    static int32_t turn;
    uint64_t wrong = 0;

    for (int i = 0; i < PATCHES; i++, turn++) {
        write_function(turn * 7 % FUNCTIONS, turn & 0x3ff);
        fence_i();
        for (int j = 0; j < FUNCTIONS; j++) {
            wrong |= call_code(&page[j * WORDS], 5) ^
                     9 * (5 + (uint64_t)constants[j]);
        }
    }
    return wrong ? GUEST_BAD : GUEST_GOOD;
}
