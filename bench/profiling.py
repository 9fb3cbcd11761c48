#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What counting costs a guest: `xbar profile` beside `xbar run`.

    bench/profiling.py [FILTER] [--measure LIST]... [--pairs N] [--seconds S]
    bench/profiling.py --uboot [--measure LIST]... [--pairs N] [--seconds S]
    bench/profiling.py --demo [--measure LIST]... [--pairs N]

FILTER is a regular expression on the names of bench/guests.py. A pair runs a
program plainly and with each `--measure`, every second pair the other way
round: as many rounds as plainly take S seconds. What is compared is CPU time,
user and system and of all threads, less that of the shortest of three runs of
one round: that leaves start-up out, and of writing the report all but what
grows with the run. Printed are the median, the lowest and the highest of the
pairs' ratios, and the ratio of the shortest runs: a busy host only ever adds.

Samples become fewer after the first second, so that shorter runs show the most
they cost; in much less than 1 s there are too few of them to be seen. Whoever
measures `latency` or `pages` counts as well.

--uboot is OpenSBI and U-Boot, which sums up 48 MiB in each round. --demo is the
embedded guest, by what report.json says of its two runs: they end after a
twentieth of a second, so 10 reports are added up for each ratio. The plain one
is always first, which changes nothing: docs/benchmarks.md.
"""

import argparse
import json
import math
import os
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

import guests  # noqa: E402

sys.path.append(str(guests.ROOT / "tests" / "board"))

KINDS = {"counts", "latency", "pages", "samples"}
MEASURES = ["counts", "counts,latency,pages", "samples"]
PLAIN = "plain"
SHORT_RUNS = 3
DEMO_RUNS = 10
OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.bin"
UBOOT = "/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin"


def command_of(program, measure, report):
    """xbar as it measures; what it reports is in a folder that goes."""
    return [program, "run"] if measure == PLAIN else \
        [program, "profile", "--measure", measure, "-o", str(report)]


class Image:
    """A program of bench/guest."""

    def __init__(self, case, scratch):
        self.name = case.name
        self.unit = case.program.rounds  # what rounds come in
        self.short = case.short
        self.is_fixed = case.program.generated  # has so many, and no more
        self.path = case.image
        self.scratch = scratch

    def seconds(self, command, rounds):
        machine = guests.Machine("xbar", [*command, "-m", str(guests.RAM_MIB),
                                          "--bios"])
        return machine.seconds(self.path, rounds, self.scratch)


class UBoot:
    """It is told what to do by a node of the device tree: keys come when they
    come."""

    name = "U-Boot"
    unit = 1
    short = 0
    is_fixed = False

    def __init__(self, program, scratch):
        for path in (OPENSBI, UBOOT):
            if not os.access(path, os.R_OK):
                raise guests.Unusable(f"{path} is missing")
        self.tree = scratch / "board.dtb"
        subprocess.run([program, "run", "-m", str(guests.RAM_MIB),
                        "--dump-dtb", self.tree], check=True,
                       stdin=subprocess.DEVNULL)
        self.plain_tree = self.tree.read_bytes()

    def seconds(self, command, rounds):
        import devicetree
        script = ("mw.l 0x82000000 0x1234 0xc00000; " +
                  "crc32 0x82000000 0x3000000; " * rounds + "poweroff")
        self.tree.write_bytes(devicetree.add_config(self.plain_tree, {
            "bootcmd": script.encode() + b"\0",
            "bootdelay": struct.pack(">I", 0)}))
        return guests.cpu_seconds([
            *command, "-m", str(guests.RAM_MIB), "--dtb", self.tree, "--bios",
            OPENSBI, "--kernel", UBOOT])


def rounds_for(guest, command, start, seconds):
    """How many take that long, as far as the first ones say."""
    if guest.is_fixed:
        return guest.unit
    took = guest.seconds(command, guest.short + guest.unit) - start
    return guest.short + guest.unit * max(1, round(seconds / max(took, 0.001)))


def measure_guest(guest, options, report):
    """{measure: seconds of each pair}"""
    commands = {measure: command_of(options.xbar, measure, report)
                for measure in [PLAIN, *options.measure]}
    start = {measure: min(guest.seconds(command, guest.short)
                          for _ in range(SHORT_RUNS))
             for measure, command in commands.items()}
    rounds = rounds_for(guest, commands[PLAIN], start[PLAIN], options.seconds)
    took = {measure: [] for measure in commands}
    for pair in range(options.pairs):
        order = list(commands.items())
        for measure, command in order if pair % 2 == 0 else order[::-1]:
            took[measure].append(guest.seconds(command, rounds)
                                 - start[measure])
    return took


def print_costs(name, plain, took):
    """@plain, and @took by measure: seconds of the same pairs."""
    cells = []
    for measure, each in took.items():
        if min(plain[measure]) <= 0 or min(each) <= 0:
            raise guests.Failed(f"{name}: rounds took no longer than start-up")
        ratios = [much / little for much, little in zip(each, plain[measure])]
        cells.append(f"{measure} {statistics.median(ratios):.2f} "
                     f"({min(ratios):.2f}-{max(ratios):.2f}), by minima "
                     f"{min(each) / min(plain[measure]):.2f}")
    print(f"{name:24} {'  '.join(cells)}", flush=True)


def demo_seconds(program, measure, report):
    """(without counting, with it), as report.json has them: the text's are rounded
    to milliseconds, of some forty"""
    subprocess.run(command_of(program, measure, report), check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    said = json.loads((report / "report.json").read_text(encoding="utf-8"))
    return tuple(speed["cpu_seconds"]
                 for speed in (said["plain"], said["counted"]["speed"]))


def measure_demo(options, report):
    """({measure: seconds without it}, {measure: seconds with it}), each pair's"""
    without = {measure: [] for measure in options.measure}
    took = {measure: [] for measure in options.measure}
    for pair in range(options.pairs):
        for measure in (options.measure if pair % 2 == 0
                        else options.measure[::-1]):
            pairs = [demo_seconds(options.xbar, measure, report)
                     for _ in range(DEMO_RUNS)]
            without[measure].append(sum(pair[0] for pair in pairs))
            took[measure].append(sum(pair[1] for pair in pairs))
    return without, took


def all_guests(options, scratch):
    if options.uboot:
        yield UBoot(options.xbar, scratch)
        return
    for case in guests.find_cases(options.filter or "",
                                  guests.ROOT / "build/bench/guest"):
        yield Image(case, scratch)


def measure_all(options, scratch):
    report = scratch / "report"
    if options.demo:
        print_costs("the embedded guest", *measure_demo(options, report))
        return
    for guest in all_guests(options, scratch):
        took = measure_guest(guest, options, report)
        plain = took.pop(PLAIN)
        print_costs(guest.name, {measure: plain for measure in took}, took)


def parse(argv):
    parser = argparse.ArgumentParser(
        description="What counting costs a guest.", allow_abbrev=False)
    parser.add_argument("filter", nargs="?")
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--uboot", action="store_true")
    parser.add_argument("--measure", action="append", metavar="LIST",
                        help="as of xbar profile; may be given several times")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--xbar", default=str(
        guests.ROOT / "build/release/xbar/xbar"))
    options = parser.parse_args(argv)
    options.measure = options.measure or MEASURES
    if options.pairs < 1 or not 0 < options.seconds < math.inf:
        parser.error("--pairs and --seconds are above 0")
    if (options.filter is not None) + options.demo + options.uboot > 1:
        parser.error("a filter, --demo or --uboot")
    for measure in options.measure:
        if set(measure.split(",")) - KINDS:
            parser.error(f"--measure {measure}: of {', '.join(sorted(KINDS))}")
    if not os.access(options.xbar, os.X_OK):
        parser.error(f"{options.xbar} is missing; ./dev build makes it")
    return options


def main():
    options = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory() as scratch:
        try:
            measure_all(options, Path(scratch))
        except guests.Failed as error:
            sys.exit(f"profiling.py: {error}")
        except subprocess.CalledProcessError as error:
            sys.exit(f"profiling.py: {' '.join(map(str, error.cmd))}: status "
                     f"{error.returncode}")
        except (guests.Unusable, guests.build.BuildError) as error:
            print(f"profiling.py: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
