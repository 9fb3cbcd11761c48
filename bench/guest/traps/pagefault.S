/* SPDX-License-Identifier: MIT */
/*
 * A load from a page that is not there: S-mode makes it present, the load is
 * done again, and the page is taken away for the next time.
 */
#include "board.h"
#include "guest.inc"

        .equ    FAULTS, 500
        .equ    CAUSE_LOAD_PAGE_FAULT, 13
        .equ    WINDOW, 0x40000000

        .text
        .globl  guest_machine
guest_machine:
        li      t0, 1 << CAUSE_LOAD_PAGE_FAULT
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
        li      a1, WINDOW
        call    page_slot
        la      t0, slot
        sd      a0, 0(t0)
        li      t0, ARENA
        li      t1, 1
        sd      t1, 0(t0)
        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

        /* a3 slot, a4 its entry, a5 the page, a2 how many faults */
        .globl  guest_round
guest_round:
        la      a3, slot
        ld      a3, 0(a3)
        li      a4, ARENA
        srli    a4, a4, 12
        slli    a4, a4, 10
        ori     a4, a4, PTE_RW
        li      a5, WINDOW
        li      a1, FAULTS
        li      a2, 0
        li      a0, 0
1:      ld      t2, 0(a5)
        add     a0, a0, t2
        sd      zero, 0(a3)
        sfence.vma a5, zero
        addi    a1, a1, -1
        bnez    a1, 1b
        li      a1, FAULTS
        xor     a0, a0, a1
        xor     a2, a2, a1
        or      a0, a0, a2
        seqz    a0, a0
        ret

        .balign 4
handler:
        csrr    t0, scause
        li      t1, CAUSE_LOAD_PAGE_FAULT
        bne     t0, t1, wrong
        csrr    t0, stval
        bne     t0, a5, wrong
        sd      a4, 0(a3)
        sfence.vma a5, zero
        addi    a2, a2, 1
        sret
wrong:
        unimp

        .bss
        .balign 8
slot:   .space  8
