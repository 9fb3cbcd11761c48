/* SPDX-License-Identifier: MIT */
/*
 * Entered in M-mode, with a0 = hart and a1 = device tree: set up what C code
 * relies on, then call main(), which does not come back.
 */
    .section .text.start, "ax"
    .globl  start
start:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    la      sp, stack_top

    li      t0, 0x6000              /* mstatus.FS: floating point is on */
    csrs    mstatus, t0
    csrw    fcsr, zero

    la      t0, bss_first
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       1b
2:  la      t0, take_trap           /* 4-byte aligned: direct mode */
    csrw    mtvec, t0
    call    main
3:  wfi
    j       3b
