# SPDX-License-Identifier: MIT
"""A few RV64 instructions as bytes, so that tiny guests need no compiler."""

import struct

ZERO, T0, T1, T2, A0, A1, A2 = 0, 5, 6, 7, 10, 11, 12
MSTATUS, MTVEC, MEPC, MCAUSE, SATP = 0x300, 0x305, 0x341, 0x342, 0x180
TIME = 0xc01

FINISHER = 0x100000
UART = 0x10000000
RAM = 0x80000000


def word(value):
    return struct.pack("<I", value & 0xffffffff)


def _i(opcode, funct3, rd, rs1, imm):
    return word((imm & 0xfff) << 20 | rs1 << 15 | funct3 << 12 | rd << 7
                | opcode)


def _s(funct3, rs2, rs1, imm):
    return word((imm >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15
                | funct3 << 12 | (imm & 0x1f) << 7 | 0x23)


def _b(funct3, rs1, rs2, offset):
    return word((offset >> 12 & 1) << 31 | (offset >> 5 & 0x3f) << 25
                | rs2 << 20 | rs1 << 15 | funct3 << 12
                | (offset >> 1 & 0xf) << 8 | (offset >> 11 & 1) << 7 | 0x63)


def addi(rd, rs1, imm):
    return _i(0x13, 0, rd, rs1, imm)


def andi(rd, rs1, imm):
    return _i(0x13, 7, rd, rs1, imm)


def slli(rd, rs1, shift):
    return _i(0x13, 1, rd, rs1, shift)


def srli(rd, rs1, shift):
    return _i(0x13, 5, rd, rs1, shift)


def sub(rd, rs1, rs2):
    return word(0x20 << 25 | rs2 << 20 | rs1 << 15 | rd << 7 | 0x33)


def ori(rd, rs1, imm):
    return _i(0x13, 6, rd, rs1, imm)


def lbu(rd, offset, rs1):
    return _i(0x03, 4, rd, rs1, offset)


def lw(rd, offset, rs1):
    return _i(0x03, 2, rd, rs1, offset)


def ld(rd, offset, rs1):
    return _i(0x03, 3, rd, rs1, offset)


def sb(rs2, offset, rs1):
    return _s(0, rs2, rs1, offset)


def sw(rs2, offset, rs1):
    return _s(2, rs2, rs1, offset)


def sd(rs2, offset, rs1):
    return _s(3, rs2, rs1, offset)


def beq(rs1, rs2, offset):
    return _b(0, rs1, rs2, offset)


def bne(rs1, rs2, offset):
    return _b(1, rs1, rs2, offset)


def jr(rs1):
    return _i(0x67, 0, ZERO, rs1, 0)


def csrw(csr, rs1):
    return _i(0x73, 1, ZERO, rs1, csr)


def csrr(rd, csr):
    return _i(0x73, 2, rd, ZERO, csr)


def amoadd_w(rd, rs2, rs1):
    return word(rs2 << 20 | rs1 << 15 | 2 << 12 | rd << 7 | 0x2f)


def lr_d(rd, rs1):
    return word(0x02 << 27 | rs1 << 15 | 3 << 12 | rd << 7 | 0x2f)


NOP = addi(ZERO, ZERO, 0)
LOOP = word(0x0000006f)  # j .
WFI = word(0x10500073)
MRET = word(0x30200073)
ECALL = word(0x00000073)


def li(rd, value):
    """Any 64-bit constant, 8 bits at a time: 16 instructions, no cleverness."""
    code = addi(rd, ZERO, 0)
    for shift in range(56, -8, -8):
        code += slli(rd, rd, 8) + ori(rd, rd, value >> shift & 0xff)
    return code


def finish_with(rs1):
    """End the run with fail code @rs1 (all registers are fair game)."""
    return (slli(T1, rs1, 16) + li(T2, 0x3333) + word(
        T2 << 20 | T1 << 15 | 6 << 12 | T1 << 7 | 0x33)  # or t1, t1, t2
            + li(T2, FINISHER) + sw(T1, 0, T2) + LOOP)


def finish(command):
    return li(T1, command) + li(T2, FINISHER) + sw(T1, 0, T2) + LOOP


def jump(offset):
    """Forward, less than 2 KiB."""
    return word((offset >> 1 & 0x3ff) << 21 | 0x6f)


def reporting(code):
    """A guest that runs @code; a trap ends it with fail code 64 + mcause,
    reaching the end of @code with fail code 99."""
    handler = csrr(A0, MCAUSE) + addi(A0, A0, 64) + finish_with(A0)
    vector = RAM + len(li(T0, 0)) + len(csrw(0, 0)) + len(jump(0))
    return (li(T0, vector) + csrw(MTVEC, T0) + jump(4 + len(handler))
            + handler + code + addi(A0, ZERO, 99) + finish_with(A0))
