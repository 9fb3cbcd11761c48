/* SPDX-License-Identifier: MIT */
/* What a kernel does to CSRs: swaps, bits set and cleared, clock readings. */
#include "guest.inc"

#define SSTATUS_SIE 0x02
#define SSTATUS_SUM 0x40000

        .equ    TURNS, 1000

        .text
        .globl  guest_round
guest_round:
        li      a1, TURNS
        li      a2, 0
        li      a3, SSTATUS_SUM
        li      a4, 0
        rdtime  a5
        csrw    sscratch, zero
1:      csrrw   t0, sscratch, a1
        add     a2, a2, t0
        csrrs   t1, sstatus, a3
        csrrc   t2, sstatus, a3
        and     t1, t1, a3
        and     t2, t2, a3
        sltu    t1, t1, t2
        add     a4, a4, t1
        rdtime  t0
        bltu    t0, a5, 2f
        mv      a5, t0
        frflags t0
        fscsr   t0
        addi    a1, a1, -1
        bnez    a1, 1b

        /* The sum of 2 to TURNS, and the bit was set each time. */
        li      t0, TURNS * (TURNS + 1) / 2 - 1
        xor     a2, a2, t0
        li      t0, TURNS
        xor     a4, a4, t0
        or      a0, a2, a4
        seqz    a0, a0
        ret
2:      li      a0, GUEST_BAD
        ret
