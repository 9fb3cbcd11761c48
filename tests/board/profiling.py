# SPDX-License-Identifier: MIT
"""profile on guests that are built for a test."""

import json
import os
import shutil
import subprocess

from guestio import check_equal, need, run


def profile(out, *options):
    """(the report, what was printed) of a run that leaves files in @out."""
    result = run(["profile", "-o", out, *options])
    check_equal(result.returncode, 0, result.stderr.decode())
    with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
        return json.load(file), result.stdout.decode()


def read(out, name):
    with open(os.path.join(out, name), encoding="utf-8") as file:
        return file.read()


LAYOUT = """SECTIONS {
  . = 0x80000000;
  .text : { *(.text.start) *(.text*) *(.rodata*) }
  .data : { *(.data*) *(.sdata*) *(.sbss*) *(.bss*) }
}"""


def chains_of(out):
    """[(functions, outermost first, samples)]"""
    found = [line.rsplit(" ", 1)
             for line in read(out, "stacks.folded").splitlines()]
    return [(chain.split(";"), int(count)) for chain, count in found]


# How guests in assembly end: by the board's power-off register.
POWER_OFF = """
    .macro power_off
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
    j .
    .endm
"""


def build_assembly(folder, text):
    need(shutil.which("riscv64-linux-gnu-gcc"), "no riscv64-linux-gnu-gcc")
    script, source, elf = (os.path.join(folder, name)
                           for name in ("ld", "guest.S", "guest.elf"))
    for path, what in ((script, LAYOUT), (source, POWER_OFF + text)):
        with open(path, "w", encoding="ascii") as file:
            file.write(what)
    subprocess.run(["riscv64-linux-gnu-gcc", "-nostdlib", "-static",
                    "-no-pie", "-Wl,--build-id=none", "-T", script, "-o", elf,
                    source], check=True, capture_output=True)
    return elf
