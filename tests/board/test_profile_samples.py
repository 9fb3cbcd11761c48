# SPDX-License-Identifier: MIT
"""Samples are of where the time goes, whenever it goes there."""

import json
import os
import struct
import time

from guestio import XBAR, Terminal, check, check_equal, in_folder, main
from profiling import build_assembly, chains_of, profile

# Seconds of two functions that do the same, by the guest's clock: how much they
# do meanwhile is up to who else is on the host. The second has fewer samples a
# second, as they are later.
SECONDS = (1, 3)
TICKS = 10000000  # of the clock, a second

PHASES = f"""
    .section .text.start, "ax"
    .globl _start
    .type _start, @function
    _start: la sp, stack
    rdtime s0
    li t0, {int(SECONDS[0] * TICKS)}
    add s1, s0, t0
    call early
    li t0, {int(sum(SECONDS) * TICKS)}
    add s1, s0, t0
    call late
    power_off
    .size _start, . - _start
    .macro spins name
    .type \\name, @function
    \\name: li t0, 100000
    1: addi t0, t0, -1
    mul t1, t0, t0
    xor t2, t1, t0
    bnez t0, 1b
    rdtime t0
    bltu t0, s1, \\name
    ret
    .size \\name, . - \\name
    .endm
    .text
    spins early
    spins late
    .bss
    .balign 16
    .skip 4096
    stack:
"""


def check_stacks(folder, samples):
    """Folded stacks count as report.json does."""
    total = sum(count for _, count in chains_of(folder))
    check(total == samples["total"], f"{total} in stacks.folded: {samples}")


@in_folder
def test_phases(folder):
    """What is sampled less often has its share all the same"""
    elf = build_assembly(folder, PHASES)
    report, text = profile(folder, "--bios", elf, "-m", "1", "--measure",
                           "samples")
    counted = report["counted"]
    own = {f["name"]: f["self"] for f in counted["functions"]}
    samples = counted["samples"]

    # 40 %, if all samples counted the same.
    share = own["early"] / (own["early"] + own["late"])
    check(0.17 < share < 0.33, f"early: {share:.1%}, of 25 %: {own}")
    check(samples["taken"] < 0.9 * samples["total"], samples)
    check(f"{samples['taken']} samples: " in text, text)
    check_stacks(folder, samples)


# Every 4 ms by the clock, as samples are at first: 3.2 of them in one function,
# 0.8 in another.
PERIODIC = f"""
    .section .text.start, "ax"
    .globl _start
    .type _start, @function
    _start: la sp, stack
    rdtime s0
    li t0, {3 * TICKS}
    add s2, s0, t0
    li s3, 32000
    li s4, 40000
    1: add s1, s0, s3
    call rest
    add s0, s0, s4
    mv s1, s0
    call work
    bltu s0, s2, 1b
    power_off
    .size _start, . - _start
    .macro waits name
    .type \\name, @function
    \\name: rdtime t0
    bltu t0, s1, \\name
    ret
    .size \\name, . - \\name
    .endm
    .text
    waits rest
    waits work
    .bss
    .balign 16
    .skip 4096
    stack:
"""


def share_of_work(folder, elf):
    """(of the samples; of the time that the host let it run)"""
    report, _ = profile(folder, "--bios", elf, "-m", "1", "--measure",
                        "samples")
    own = {f["name"]: f["self"] for f in report["counted"]["functions"]}
    seen = own.get("work", 0) + own.get("rest", 0)
    return own.get("work", 0) / seen, seen * 4e-3 / 3


@in_folder
def test_in_step(folder):
    """A guest that does things as often as samples come is not in step"""
    elf = build_assembly(folder, PERIODIC)
    for _ in range(6):
        share, ran = share_of_work(folder, elf)
        if ran > 0.93:
            break
    # What the host's scheduler takes away, it may take in step as well.
    least, most = (0.12, 0.28) if ran > 0.93 else (0.05, 0.7)
    check(least < share < most,
          f"work: {share:.1%}, of 20 %, in {ran:.0%} of the time")


# A second in wfi, until the clock's interrupt comes.
ASLEEP = f"""
    .section .text.start, "ax"
    .globl _start
    .type _start, @function
    _start: la sp, stack
    la t0, woken
    csrw mtvec, t0
    li t1, 0x200bff8
    ld t0, 0(t1)
    li t2, {TICKS}
    add t0, t0, t2
    li t1, 0x2004000
    sd t0, 0(t1)
    li t0, 0x80
    csrw mie, t0
    csrsi mstatus, 8
    call doze
    .size _start, . - _start
    .text
    .type doze, @function
    doze: wfi
    j doze
    .size doze, . - doze
    .align 2
    .type woken, @function
    woken: power_off
    .size woken, . - woken
    .bss
    .balign 16
    .skip 4096
    stack:
"""


@in_folder
def test_asleep(folder):
    """A guest that sleeps is found where it does, and is woken by its clock"""
    elf = build_assembly(folder, ASLEEP)
    for engine in (), ("--engine", "interp"):
        report, _ = profile(folder, "--bios", elf, "-m", "1", "--measure",
                            "samples", *engine)
        counted = report["counted"]
        own = {f["name"]: f["self"] for f in counted["functions"]}
        check(own.get("doze", 0) >= 0.95 * counted["samples"]["total"] > 50,
              own)
        check(counted["speed"]["instructions"] < 100, counted["speed"])
    # Its clock skips ahead: there is no time to take samples in.
    report, _ = profile(folder, "--bios", elf, "-m", "1", "--measure",
                        "samples", "--deterministic")
    check(report["counted"]["speed"]["seconds"] < 0.9, report)


@in_folder
def test_held(folder):
    """There are no samples of a guest that the monitor holds"""
    path = os.path.join(folder, "spin")
    with open(path, "wb") as file:
        file.write(struct.pack("<I", 0x6f))  # j .
    with Terminal([XBAR, "profile", "--bios", path, "-m", "1", "-o", "out",
                   "--measure", "samples"], cwd=folder) as terminal:
        terminal.wait_until(terminal.is_raw, "it runs")
        terminal.send("\x01cstop\r")
        terminal.wait_for("(xbar) ")
        time.sleep(2)
        terminal.send("cont\rquit\r")
        check_equal(terminal.wait_exit(), 0, "status")
    with open(os.path.join(folder, "out", "report.json"),
              encoding="utf-8") as file:
        counted = json.load(file)["counted"]
    seconds = counted["speed"]["seconds"]
    check(seconds > 2, f"{seconds} s, held for two of them")
    total = counted["samples"]["total"]
    check(total < 250 * (seconds - 2) + 100, f"{total} in {seconds} s")


if __name__ == "__main__":
    main([test_phases, test_in_step, test_asleep, test_held])
