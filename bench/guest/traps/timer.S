/* SPDX-License-Identifier: MIT */
/* Interrupts of a timer that is always due: mtimecmp written twice for each. */
#include "board.h"
#include "guest.inc"

#define MIE_MTIE 0x80
#define MSTATUS_MIE 0x08

        .equ    INTERRUPTS, 500
        .equ    LIMIT, 100000000

        .text
        .globl  guest_prepare
guest_prepare:
        li      t0, CLINT_MTIMECMP
        li      t1, -1
        sd      t1, 0(t0)
        la      t0, handler
        csrw    mtvec, t0
        li      t0, MIE_MTIE
        csrw    mie, t0
        csrsi   mstatus, MSTATUS_MIE
        ret

        /* a2 interrupts so far, a3 mtimecmp */
        .globl  guest_round
guest_round:
        li      a1, INTERRUPTS
        li      a2, 0
        li      a3, CLINT_MTIMECMP
        li      a4, LIMIT
1:      addi    a5, a2, 1
        sd      zero, 0(a3)
2:      beq     a2, a5, 3f
        addi    a4, a4, -1
        bnez    a4, 2b
        li      a0, GUEST_BAD
        ret
3:      blt     a2, a1, 1b
        xor     a0, a1, a2
        seqz    a0, a0
        ret

        .balign 4
handler:
        csrr    t0, mcause
        bgez    t0, unexpected_trap
        li      t0, -1
        sd      t0, 0(a3)
        addi    a2, a2, 1
        mret
