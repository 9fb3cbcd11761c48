/* SPDX-License-Identifier: MIT */
/*
 * Start-up. The image opens with a header that the host may patch:
 *
 *      0  a jump over it
 *      8  .dword  rounds
 *     16  .dword  what each round must return
 *
 * MODE_S makes the same program run in S-mode under Sv39, RAM by pages of
 * 4 KiB. Without it the program runs in M-mode, addresses being physical.
 */
#include "board.h"
#include "guest.inc"

#define MSTATUS_FS 0x6000
#define MSTATUS_MPP 0x1800
#define MSTATUS_MPP_S 0x0800

        .section .text.start, "ax"
        .globl  _start
_start:
        .option push
        .option norvc
        j       start
        nop
        .option pop
        .globl  header_rounds
header_rounds:
        .dword  ROUNDS
        .globl  header_expected
header_expected:
        .dword  EXPECTED

start:
        csrr    t0, mhartid
        bnez    t0, park
        la      sp, stack_top
        la      t0, unexpected_trap
        csrw    mtvec, t0
        li      t0, MSTATUS_FS
        csrs    mstatus, t0

        /* S-mode may touch all of memory, and read the counters. */
        li      t0, -1
        csrw    pmpaddr0, t0
        li      t0, 0x1f
        csrw    pmpcfg0, t0
        li      t0, 7
        csrw    mcounteren, t0

        la      t0, bss_start
        la      t1, bss_end
1:      bgeu    t0, t1, 2f
        sd      zero, 0(t0)
        addi    t0, t0, 8
        j       1b
2:
        call    guest_machine
#ifdef MODE_S
        call    make_identity_table
        csrw    satp, a0
        sfence.vma
        li      t0, MSTATUS_MPP
        csrc    mstatus, t0
        li      t0, MSTATUS_MPP_S
        csrs    mstatus, t0
        la      t0, run_rounds
        csrw    mepc, t0
        mret
#else
        call    run_rounds
#endif

park:
        wfi
        j       park

        .balign 4
        .globl  unexpected_trap
unexpected_trap:
        li      t0, FINISHER
        li      t1, GUEST_FAIL_TRAP << 16 | FINISHER_FAIL
        sw      t1, 0(t0)
        j       park
