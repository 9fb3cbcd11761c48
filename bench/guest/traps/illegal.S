/* SPDX-License-Identifier: MIT */
/* An instruction that does not exist; M-mode reads it and does without. */
#include "guest.inc"

        .equ    TRIES, 1000
        .equ    CAUSE_ILLEGAL, 2
        .equ    WORD, 0x0000007b

        .text
        .globl  guest_prepare
guest_prepare:
        la      t0, handler
        csrw    mtvec, t0
        ret

        .globl  guest_round
guest_round:
        li      a1, TRIES
        li      a2, 0
        .balign 4
        .option push
        .option norvc
1:      .word   WORD
        addi    a1, a1, -1
        bnez    a1, 1b
        .option pop
        li      a1, TRIES
        xor     a0, a1, a2
        seqz    a0, a0
        ret

        .balign 4
handler:
        csrr    t0, mcause
        li      t1, CAUSE_ILLEGAL
        bne     t0, t1, unexpected_trap
        csrr    t0, mepc
        lw      t1, 0(t0)
        li      t2, WORD
        bne     t1, t2, unexpected_trap
        addi    t0, t0, 4
        csrw    mepc, t0
        addi    a2, a2, 1
        mret
