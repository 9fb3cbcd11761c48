/* SPDX-License-Identifier: MIT */
/* A call of the firmware: from S-mode to M-mode and back. */
#include "guest.inc"

        .equ    CALLS, 1000
        .equ    CAUSE_ECALL_S, 9

        .text
        .globl  guest_machine
guest_machine:
        la      t0, handler
        csrw    mtvec, t0
        csrw    mscratch, sp
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
        csrrw   sp, mscratch, sp
        sd      t0, -8(sp)
        sd      t1, -16(sp)
        csrr    t0, mcause
        li      t1, CAUSE_ECALL_S
        bne     t0, t1, unexpected_trap
        csrr    t0, mepc
        addi    t0, t0, 4
        csrw    mepc, t0
        addi    a2, a2, 1
        ld      t0, -8(sp)
        ld      t1, -16(sp)
        csrrw   sp, mscratch, sp
        mret
