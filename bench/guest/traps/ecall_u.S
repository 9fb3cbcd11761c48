/* SPDX-License-Identifier: MIT */
/*
 * A system call: U-mode code on a page of its own calls, S-mode saves and
 * restores registers as a kernel does, and goes back with sret. The last call
 * returns to the caller of guest_round() instead.
 */
#include "board.h"
#include "guest.inc"

#define SSTATUS_SPP 0x100

        .equ    CALLS, 1000
        .equ    CAUSE_ECALL_U, 8
        .equ    USER, 0x40000000
        .equ    FRAME, 16 * 8

        .text
        .globl  guest_machine
guest_machine:
        li      t0, 1 << CAUSE_ECALL_U
        csrw    medeleg, t0
        ret

        .globl  guest_prepare
guest_prepare:
        addi    sp, sp, -16
        sd      ra, 0(sp)
        la      t0, handler
        csrw    stvec, t0
        la      a0, identity_table
        ld      a0, 0(a0)
        li      a1, USER
        call    page_slot
        la      t0, user
        srli    t0, t0, 12
        slli    t0, t0, 10
        ori     t0, t0, PTE_RWX | PTE_U
        sd      t0, 0(a0)
        sfence.vma
        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

        .globl  guest_round
guest_round:
        addi    sp, sp, -16
        sd      ra, 0(sp)
        sd      s0, 8(sp)
        csrw    sscratch, sp
        li      t0, SSTATUS_SPP
        csrc    sstatus, t0
        li      t0, USER
        csrw    sepc, t0
        li      s0, 0
        li      a1, CALLS
        sret
done:
        li      a1, CALLS
        xor     a0, a1, s0
        seqz    a0, a0
        ld      ra, 0(sp)
        ld      s0, 8(sp)
        addi    sp, sp, 16
        ret

        .balign 4
handler:
        csrrw   sp, sscratch, sp
        addi    sp, sp, -FRAME
        sd      ra, 0(sp)
        sd      t0, 8(sp)
        sd      t1, 16(sp)
        sd      a0, 24(sp)
        sd      a1, 32(sp)
        sd      a2, 40(sp)
        sd      a3, 48(sp)
        sd      a4, 56(sp)
        csrr    t0, scause
        li      t1, CAUSE_ECALL_U
        bne     t0, t1, wrong
        csrr    t0, sepc
        addi    t0, t0, 4
        csrw    sepc, t0
        addi    s0, s0, 1
        ld      ra, 0(sp)
        ld      t0, 8(sp)
        ld      t1, 16(sp)
        ld      a0, 24(sp)
        ld      a1, 32(sp)
        ld      a2, 40(sp)
        ld      a3, 48(sp)
        ld      a4, 56(sp)
        addi    sp, sp, FRAME
        beqz    a1, done
        csrrw   sp, sscratch, sp
        sret
wrong:
        unimp

        /* a1 calls are left after this one; 0 ends the round. */
        .balign 4096
user:
        addi    a1, a1, -1
        ecall
        j       user
        .balign 4096
