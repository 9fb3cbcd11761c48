/* SPDX-License-Identifier: MIT */
/* From M-mode to M-mode: ecall, a handler that looks at the cause, mret. */
#include "guest.inc"

        .equ    CALLS, 1000
        .equ    CAUSE_ECALL_M, 11

        .text
        .globl  guest_prepare
guest_prepare:
        la      t0, handler
        csrw    mtvec, t0
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
        csrr    t0, mcause
        li      t1, CAUSE_ECALL_M
        bne     t0, t1, unexpected_trap
        csrr    t0, mepc
        addi    t0, t0, 4
        csrw    mepc, t0
        addi    a2, a2, 1
        mret
