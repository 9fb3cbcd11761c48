/* SPDX-License-Identifier: MIT */
/* An interpreter of a stack machine: a jump through a table per operation. */
#include "guest.h"

enum operation {
    OP_PUSH,
    OP_LOAD,
    OP_STORE,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_AND,
    OP_SHIFT,
    OP_IS_LESS,
    OP_JUMP_IF,
    OP_JUMP,
    OP_HALT,
};

/*
 * Steps of Collatz's sequence, summed over the starts below variable 0's:
 * 1 start, 2 total, 3 current.
 */
static const int16_t program[] = {
    /*  0 */ OP_PUSH,
    1,
    OP_STORE,
    1,
    /*  4 next start */ OP_LOAD,
    1,
    OP_STORE,
    3,
    /*  8 step */ OP_LOAD,
    3,
    OP_PUSH,
    2,
    OP_IS_LESS,
    OP_JUMP_IF,
    48,
    /* 15 */ OP_LOAD,
    2,
    OP_PUSH,
    1,
    OP_ADD,
    OP_STORE,
    2,
    /* 22 */ OP_LOAD,
    3,
    OP_PUSH,
    1,
    OP_AND,
    OP_JUMP_IF,
    36,
    /* 29 even */ OP_LOAD,
    3,
    OP_SHIFT,
    OP_STORE,
    3,
    OP_JUMP,
    8,
    /* 36 odd */ OP_LOAD,
    3,
    OP_PUSH,
    3,
    OP_MUL,
    OP_PUSH,
    1,
    OP_ADD,
    /* 44 */ OP_STORE,
    3,
    OP_JUMP,
    8,
    /* 48 one */ OP_LOAD,
    1,
    OP_PUSH,
    1,
    OP_ADD,
    OP_STORE,
    1,
    /* 55 */ OP_LOAD,
    1,
    OP_LOAD,
    0,
    OP_IS_LESS,
    OP_JUMP_IF,
    4,
    /* 62 */ OP_HALT,
};

static uint64_t variables[4];

static NOINLINE uint64_t run(const int16_t *code, uint64_t *vars)
{
    uint64_t stack[16];
    uint64_t *top = stack;
    const int16_t *pc = code;
    uint64_t steps = 0;

    for (;; steps++) {
        switch (*pc++) {
        case OP_PUSH:
            *top++ = (uint64_t)*pc++;
            break;
        case OP_LOAD:
            *top++ = vars[*pc++];
            break;
        case OP_STORE:
            vars[*pc++] = *--top;
            break;
        case OP_ADD:
            top--;
            top[-1] += top[0];
            break;
        case OP_SUB:
            top--;
            top[-1] -= top[0];
            break;
        case OP_MUL:
            top--;
            top[-1] *= top[0];
            break;
        case OP_AND:
            top--;
            top[-1] &= top[0];
            break;
        case OP_SHIFT:
            top[-1] >>= 1;
            break;
        case OP_IS_LESS:
            top--;
            top[-1] = top[-1] < top[0];
            break;
        case OP_JUMP_IF:
            pc = *--top ? code + *pc : pc + 1;
            break;
        case OP_JUMP:
            pc = code + *pc;
            break;
        default:
            return steps;
        }
    }
}

uint64_t guest_round(void)
{
    uint64_t steps;

    variables[0] = 64;
    variables[2] = 0;
    steps = run(program, variables);
    return variables[2] << 32 | steps;
}
