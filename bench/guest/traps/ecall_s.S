/* SPDX-License-Identifier: MIT */
/* From S-mode to S-mode: the trap is delegated, sret goes back. */
#include "guest.inc"

        .equ    CALLS, 1000
        .equ    CAUSE_ECALL_S, 9

        .text
        .globl  guest_machine
guest_machine:
        li      t0, 1 << CAUSE_ECALL_S
        csrw    medeleg, t0
        ret

        .globl  guest_prepare
guest_prepare:
        la      t0, handler
        csrw    stvec, t0
        ret

        .globl  guest_round
guest_round:
        li      a1, CALLS
        li      a2, 0
1:      ecall
        addi    a1, a1, -1
        bnez    a1, 1b
        li      a1, CALLS
        xor     a0, a1, a2
        seqz    a0, a0
        ret

        .balign 4
handler:
        csrr    t0, scause
        li      t1, CAUSE_ECALL_S
        bne     t0, t1, wrong
        csrr    t0, sepc
        addi    t0, t0, 4
        csrw    sepc, t0
        addi    a2, a2, 1
        sret

        /* Without a handler of its own this one ends in M-mode's. */
wrong:
        unimp
