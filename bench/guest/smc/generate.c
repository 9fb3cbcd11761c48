/* SPDX-License-Identifier: MIT */
/*
 * A translator at work: a function of 24 operations is written to the next
 * place in a code buffer of 64 KiB, called four times, and compared with what
 * the operations say.
 */
#include "code.h"
#include "guest.h"

#define FUNCTIONS    20
#define OPERATIONS   24
#define BUFFER_WORDS 16384

static uint32_t buffer[BUFFER_WORDS] __attribute__((aligned(4096)));
static uint32_t next;

static uint32_t *emit_operation(uint32_t *out, uint64_t random, uint64_t *x)
{
    const int32_t immediate = (int32_t)(random >> 8 & 0x7ff);
    const unsigned shift = 1 + (random >> 8) % 62;

    switch (random & 3) {
    case 0:
        *out++ = insn_addi(REG_A0, REG_A0, immediate);
        *x += (uint64_t)immediate;
        break;
    case 1:
        *out++ = insn_xori(REG_A0, REG_A0, immediate);
        *x ^= (uint64_t)immediate;
        break;
    case 2:
        *out++ = insn_slli(REG_A1, REG_A0, shift);
        *out++ = insn_add(REG_A0, REG_A0, REG_A1);
        *x += *x << shift;
        break;
    default:
        *out++ = insn_srli(REG_A1, REG_A0, shift);
        *out++ = insn_add(REG_A0, REG_A0, REG_A1);
        *x += *x >> shift;
        break;
    }
    return out;
}

uint64_t guest_round(void)
{
    static uint64_t seed = 20;
    uint64_t wrong = 0;

    for (int i = 0; i < FUNCTIONS; i++) {
        uint64_t x = seed;
        const uint64_t argument = x;
        uint32_t *start;
        uint32_t *out;

        if (next + 2 * OPERATIONS + 1 > BUFFER_WORDS) {
            next = 0;
        }
        start = out = &buffer[next];
        for (int j = 0; j < OPERATIONS; j++) {
            out = emit_operation(out, next_random(&seed), &x);
        }
        *out++ = insn_ret();
        next += (uint32_t)(out - start);
        fence_i();
        for (int j = 0; j < 4; j++) {
            wrong |= call_code(start, argument) ^ x;
        }
    }
    return wrong ? GUEST_BAD : GUEST_GOOD;
}
