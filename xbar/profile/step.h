/* SPDX-License-Identifier: MIT */
/*
 * What one guest instruction does to the stack and to the way back: as much of
 * it as a calling convention has.
 */
#ifndef XBAR_PROFILE_STEP_H
#define XBAR_PROFILE_STEP_H

#include <stdint.h>

#define REG_RA 1
#define REG_SP 2
#define REG_S0 8

enum step_kind {
    STEP_OTHER,
    STEP_MOVES_SP,   /* addi sp, sp, imm */
    STEP_SETS_FRAME, /* addi s0, sp, imm */
    STEP_SAVES_RA,   /* sd ra, imm(sp) */
    STEP_SAVES_S0,
    STEP_LOADS_S0, /* ld s0, imm(sp) */
    STEP_JUMPS,    /* and does not come back */
    STEP_RETURNS,
    STEP_RESTORES_RA, /* ld ra, imm(sp) */
    STEP_LOADS_RA, /* from elsewhere than sp, as longjmp does; then it returns */
    STEP_ENDS,     /* a call, another value for ra or sp, ... */
};

struct step {
    enum step_kind kind;
    int imm;
};

/* step_decode() - of @bits, of which a compressed one has 16 */
struct step step_decode(uint32_t bits);

#endif
