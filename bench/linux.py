#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Linux from start to a line that it prints, in pairs with QEMU.

    bench/linux.py                        all cases, 5 pairs each
    bench/linux.py quick --pairs 9
    bench/linux.py idle --seconds 30

quick      boot, one program, its GUEST-OK
self-test  boot, hashes, loops, sorting, floating point, processes: GUEST-OK
installer  boot of Debian's installer to its first dialog
idle       a shell that waits: the share of a core that it takes

The guests are those of ./dev guests, 512 MiB, one hart, each machine with its
own device tree. A pair is one run of either, xbar first and QEMU first by
turns; the ratio is the median of the pairs' ratios, with their range behind it.
Time is wall time; cpu is what the process used, of all its threads: where the
machine is shared, compare that. memory is what is resident beyond guest RAM
when the line comes: the Pss of all mappings but the RAM block.
"""

import argparse
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

import board

ROOT = Path(__file__).resolve().parent.parent
GUESTS = ROOT / "build" / "guests"
XBAR = ROOT / "build" / "release" / "xbar" / "xbar"
TICKS = os.sysconf("SC_CLK_TCK")

# initrd, words for the kernel, the line
CASES = {
    "quick": ("initramfs.cpio.gz", "t=quick", b"T GUEST-OK"),
    "self-test": ("initramfs.cpio.gz", "", b"T GUEST-OK"),
    "installer": ("di-initrd.gz", "", b"Select a language"),
    "idle": ("initramfs.cpio.gz", "t=shell", b"T GUEST-BEGIN"),
}
SETTLE = 3  # seconds until a shell's kernel has nothing left to do


def command(program, case):
    initrd, words, _ = CASES[case]
    start = {
        "xbar": [str(XBAR), "run"],
        "qemu": [board.QEMU, "-M", "virt", "-display", "none", "-serial",
                 "stdio", "-monitor", "none"],
    }[program]
    dashes = "--" if program == "xbar" else "-"
    options = {"bios": GUESTS / "fw_jump.bin", "kernel": GUESTS / "Image",
               "initrd": GUESTS / initrd,
               "append": f"console=ttyS0 earlycon {words}"}
    for name, value in options.items():
        start += [dashes + name, str(value)]
    return start + ["-m", str(board.RAM_MIB)]


def cpu_seconds(pid):
    """Of all threads, those that ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(program, case, idle_seconds):
    """{figure: value} of one run."""
    console = board.Console(command(program, case))
    pid = console.child.pid
    try:
        seconds = console.wait_for(CASES[case][2])
        if case == "idle":
            time.sleep(SETTLE)
            before = cpu_seconds(pid)
            time.sleep(idle_seconds)
            share = (cpu_seconds(pid) - before) / idle_seconds
            return {"core %": share * 100}
        figures = {"s": seconds, "cpu s": cpu_seconds(pid)}
        memory = board.beyond_ram(pid)
        return figures | ({"MiB": memory} if memory is not None else {})
    finally:
        console.close()


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to " \
           f"{max(values):.2f})"


def report(case, runs):
    """A row of a table for each figure."""
    for figure in runs["xbar"][0]:
        ours = [run[figure] for run in runs["xbar"]]
        theirs = [run[figure] for run in runs.get("qemu", [])
                  if figure in run]
        row = [case, figure, spread(ours), "-", "-"]
        if len(theirs) == len(ours):
            ratios = [b / a for a, b in zip(ours, theirs) if a]
            row[3:] = [spread(theirs), spread(ratios) + "x" if ratios else "-"]
        print("| " + " | ".join(row) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE",
                        help=", ".join(CASES))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10,
                        help="of watching an idle guest")
    options = parser.parse_args()
    unknown = set(options.cases) - set(CASES)
    if unknown or options.pairs < 1 or options.seconds <= 0:
        parser.error(f"no case {unknown}" if unknown else "too few, or short")
    if not XBAR.exists() or not (GUESTS / "MANIFEST").exists():
        print("first ./dev build and ./dev guests", file=sys.stderr)
        return board.NOT_HERE
    programs = ["xbar"] + (["qemu"] if shutil.which(board.QEMU) else [])
    board.PATIENCE = 600
    print("| case | | xbar | QEMU | QEMU / xbar |\n|---|---|---|---|---|")
    for case in options.cases or CASES:
        runs = {program: [] for program in programs}
        for number in range(options.pairs):
            for program in programs[::-1 if number % 2 else 1]:
                runs[program].append(measure(program, case, options.seconds))
        report(case, runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
