/* SPDX-License-Identifier: MIT */
/* sfence.vma for one page, a load in between that must still be right. */
#include "board.h"
#include "guest.inc"

        .equ    TURNS, 500

        .text
        .globl  guest_prepare
guest_prepare:
        li      a3, ARENA
        li      t0, 3
        sd      t0, 0(a3)
        ret

        .globl  guest_round
guest_round:
        li      a3, ARENA
        li      a1, TURNS
        li      a2, 0
1:      sfence.vma a3, zero
        ld      t0, 0(a3)
        add     a2, a2, t0
        addi    a1, a1, -1
        bnez    a1, 1b
        li      t0, 3 * TURNS
        xor     a0, a2, t0
        seqz    a0, a0
        ret
