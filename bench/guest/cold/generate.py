#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Assembly that is long and never the same: cold/generate.py SHAPE OUT.S

    straight    functions of 250 instructions without a branch
    functions   functions of a dozen instructions with a branch or two, by four
                in a call chain

Each unit is a function of a0 and a table entry: its address, and what it makes
of UNIT_ARGUMENT, worked out here. The driver (driver.c) calls them.
"""

import random
import sys

MASK = (1 << 64) - 1
ARGUMENT = 0x1234567
STRAIGHT = (1600, 250)  # units, instructions each
FUNCTIONS = (6000, 12)


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class Hart:
    """Just the registers and operations that the generator writes."""

    def __init__(self, out, rng):
        self.out = out
        self.rng = rng
        self.regs = {}

    def start(self):
        self.regs = {f"a{i}": 0 for i in range(8)}
        self.regs["a0"] = ARGUMENT
        for i in range(1, 8):
            value = self.rng.randrange(-2048, 2048)
            self.emit(f"li a{i}, {value}")
            self.regs[f"a{i}"] = value & MASK

    def emit(self, text):
        self.out.append(f"\t{text}")

    def any(self):
        return f"a{self.rng.randrange(8)}"

    def immediate(self):
        name = self.rng.choice(["addi", "xori", "ori", "andi", "addiw"])
        rd, rs = self.any(), self.any()
        value = self.rng.randrange(-2048, 2048)
        self.emit(f"{name} {rd}, {rs}, {value}")
        x = self.regs[rs]
        self.regs[rd] = {
            "addi": x + value,
            "xori": x ^ value,
            "ori": x | value,
            "andi": x & value,
            "addiw": signed(x + value, 32),
        }[name] & MASK

    def shift(self):
        name = self.rng.choice(["slli", "srli", "srai"])
        rd, rs = self.any(), self.any()
        by = self.rng.randrange(1, 63)
        self.emit(f"{name} {rd}, {rs}, {by}")
        x = self.regs[rs]
        self.regs[rd] = {
            "slli": x << by,
            "srli": x >> by,
            "srai": signed(x, 64) >> by,
        }[name] & MASK

    def register(self):
        name = self.rng.choice(["add", "sub", "xor", "or", "and", "mul",
                                "sltu", "addw"])
        rd, rs1, rs2 = self.any(), self.any(), self.any()
        self.emit(f"{name} {rd}, {rs1}, {rs2}")
        x, y = self.regs[rs1], self.regs[rs2]
        self.regs[rd] = {
            "add": x + y,
            "sub": x - y,
            "xor": x ^ y,
            "or": x | y,
            "and": x & y,
            "mul": x * y,
            "sltu": int(x < y),
            "addw": signed(x + y, 32),
        }[name] & MASK

    def memory(self):
        """A store and a load below the stack pointer."""
        rs, rd = self.any(), self.any()
        at = -8 * self.rng.randrange(1, 64)
        self.emit(f"sd {rs}, {at}(sp)")
        size = self.rng.choice(["ld", "lw", "lbu"])
        self.emit(f"{size} {rd}, {at}(sp)")
        x = self.regs[rs]
        self.regs[rd] = {"ld": x, "lw": signed(x, 32),
                         "lbu": x & 0xff}[size] & MASK

    def branch(self):
        """Over one instruction, taken or not."""
        rs1, rs2 = self.any(), self.any()
        name = self.rng.choice(["beq", "bltu", "bgeu"])
        self.emit(f"{name} {rs1}, {rs2}, 1f")
        x, y = self.regs[rs1], self.regs[rs2]
        taken = {"beq": x == y, "bltu": x < y, "bgeu": x >= y}[name]
        before = dict(self.regs)
        self.register()
        if taken:
            self.regs = before
        self.out.append("1:")

    def step(self, branches):
        kinds = [self.immediate, self.register, self.shift, self.memory]
        weights = [40, 35, 15, 10]
        if branches:
            kinds.append(self.branch)
            weights.append(25)
        self.rng.choices(kinds, weights)[0]()

    def result(self):
        for i in range(1, 8):
            self.emit(f"add a0, a0, a{i}")
            self.regs["a0"] = (self.regs["a0"] + self.regs[f"a{i}"]) & MASK
        return self.regs["a0"]


def straight(hart):
    units, length = STRAIGHT
    table = []
    for unit in range(units):
        hart.out.append(f"unit_{unit}:")
        hart.start()
        for _ in range(length):
            hart.step(False)
        table.append(hart.result())
        hart.emit("ret")
    return table


def functions(hart):
    """Every fourth is a unit; it passes its a0 through the three after it."""
    units, length = FUNCTIONS
    table = []
    for unit in range(units):
        hart.out.append(f"unit_{unit}:")
        hart.start()
        hart.emit("addi sp, sp, -16")
        hart.emit("sd ra, 0(sp)")
        for inner in range(3):
            hart.emit(f"call inner_{unit}_{inner}")
        hart.emit("ld ra, 0(sp)")
        hart.emit("addi sp, sp, 16")
        hart.emit("ret")
        for inner in range(3):
            hart.out.append(f"inner_{unit}_{inner}:")
            for _ in range(length):
                hart.step(True)
            hart.emit("ret")
        table.append(hart.regs["a0"])
    return table


def main():
    shape, path = sys.argv[1:]
    out = ["\t.text"]
    table = {"straight": straight, "functions": functions}[shape](
        Hart(out, random.Random(22)))
    out += ["\t.section .rodata", "\t.balign 8", "\t.globl units", "units:"]
    for unit, value in enumerate(table):
        out += [f"\t.dword unit_{unit}", f"\t.dword {value:#x}"]
    out += ["\t.globl unit_count", "unit_count:", f"\t.dword {len(table)}"]
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
