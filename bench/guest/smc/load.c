/* SPDX-License-Identifier: MIT */
/*
 * A loader at work: the same 256 instructions are copied to one of 32 pages in
 * turn, and called once there.
 */
#include "code.h"
#include "guest.h"

#define LOADS      8
#define PAGES      32
#define WORDS      256
#define PAGE_WORDS 1024

static uint32_t image[WORDS];
static uint32_t pages[PAGES][PAGE_WORDS] __attribute__((aligned(4096)));
static uint64_t result;

void guest_prepare(void)
{
    uint64_t seed = 21;

    result = 1;
    for (int i = 0; i < WORDS - 1; i++) {
        const int32_t immediate = (int32_t)(next_random(&seed) & 0x7ff);

        if (immediate & 1) {
            image[i] = insn_addi(REG_A0, REG_A0, immediate);
            result += (uint64_t)immediate;
        } else {
            image[i] = insn_xori(REG_A0, REG_A0, immediate);
            result ^= (uint64_t)immediate;
        }
    }
    image[WORDS - 1] = insn_ret();
}

uint64_t guest_round(void)
{
    static uint32_t page;
    uint64_t wrong = 0;

    for (int i = 0; i < LOADS; i++) {
        uint32_t *at = pages[page++ % PAGES];

        for (int j = 0; j < WORDS; j++) {
            at[j] = image[j];
        }
        fence_i();
        wrong |= call_code(at, 1) ^ result;
    }
    return wrong ? GUEST_BAD : GUEST_GOOD;
}
