/* SPDX-License-Identifier: MIT */
/*
 * Integer loops for the interpreter's figure: bare metal, M-mode, RV64GC, no
 * console. A round is a chain of shifts and xors, a walk over 4 KiB of memory,
 * and calls of a small function. ROUNDS comes from the command line.
 *
 * It ends through the test finisher: passed, if the hart counted as many
 * retired instructions as are written here; failed with code 1 otherwise. So
 * a figure in instructions per second rests on this file, not on the hart.
 */
        .equ    FINISHER, 0x100000
        .equ    PASS, 0x5555
        .equ    FAIL_1, 0x13333

        .equ    ALU, 1000
        .equ    MEM, 512
        .equ    CALL, 250
        .equ    PER_ROUND, 1 + 8 * ALU + 2 + 7 * MEM + 1 + 7 * CALL + 2
        .equ    EXPECTED, 1 + ROUNDS * PER_ROUND

        .section .text
        .globl  _start
_start:
        la      s1, buffer
        li      s3, 0x5851f42d4c957f2d
        li      a2, 88172645463325252
        li      t0, ROUNDS
        csrr    s0, minstret
round:
        li      a0, ALU
alu:
        slli    a1, a2, 13
        xor     a2, a2, a1
        srli    a1, a2, 7
        xor     a2, a2, a1
        slli    a1, a2, 17
        xor     a2, a2, a1
        addi    a0, a0, -1
        bnez    a0, alu

        mv      a3, s1
        li      a0, MEM
mem:
        ld      a1, 0(a3)
        add     a1, a1, a2
        sd      a1, 0(a3)
        lw      a4, 4(a3)
        addi    a3, a3, 8
        addi    a0, a0, -1
        bnez    a0, mem

        li      a0, CALL
call:
        jal     ra, leaf
        addi    a0, a0, -1
        bnez    a0, call

        addi    t0, t0, -1
        bnez    t0, round

        csrr    s2, minstret
        sub     s2, s2, s0
        li      a0, EXPECTED
        li      a1, PASS
        beq     s2, a0, finish
        li      a1, FAIL_1
finish:
        li      a0, FINISHER
        sw      a1, 0(a0)
wait:
        j       wait

/* 4 instructions; the branch is never taken. */
leaf:
        mul     a4, a4, s3
        add     a5, a5, a4
        beqz    s3, leaf
        ret

        .section .bss
        .balign 4096
buffer:
        .space  8 * MEM
