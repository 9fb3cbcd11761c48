#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What counting costs a guest: `xbar profile` beside `xbar run`.

    bench/profiling.py [FILTER] [--pairs N] [--seconds S]
    bench/profiling.py --demo [--pairs N]

FILTER is a regular expression on the names of bench/guests.py. A pair runs a
program plainly and with each `--measure` below, every second pair the other way
round: as many rounds as plainly take S seconds, and one round before the first
pair. What is compared is CPU time, user and system, of the many less the one:
that leaves out start-up, and the writing of the report. Printed are the median,
the lowest and the highest of the pairs' ratios.

--demo is the embedded guest, by what the report says of its two runs: they end
after a tenth of a second, so 10 reports are added up for each ratio.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

import guests

MEASURES = ["counts", "counts,latency,pages", "samples"]
PLAIN = "plain"
DEMO_RUNS = 10
SPEED = re.compile(r"^ +(with|without) counting +\S+ +\S+ +(\S+)", re.MULTILINE)


def machine_of(program, measure, report):
    """xbar as it measures; what it reports is in a folder that goes."""
    command = [program, "run"] if measure == PLAIN else \
        [program, "profile", "--measure", measure, "-o", str(report)]
    return guests.Machine(measure, [*command, "-m", str(guests.RAM_MIB),
                                    "--bios"])


def rounds_for(case, machine, start, seconds, scratch):
    """How many take that long, as far as the first ones say. (Generated code
    has so many, and no more.)"""
    rounds = case.program.rounds
    if case.program.generated:
        return rounds
    took = machine.seconds(case.image, rounds, scratch) - start
    return max(1, round(seconds / max(took, 0.001))) * rounds


def measure_case(case, machines, options, scratch):
    """{measure: seconds of each pair}"""
    start = {each.name: each.seconds(case.image, case.short, scratch)
             for each in machines}
    rounds = rounds_for(case, machines[0], start[PLAIN], options.seconds,
                        scratch)
    took = {each.name: [] for each in machines}
    for pair in range(options.pairs):
        for each in machines if pair % 2 == 0 else machines[::-1]:
            took[each.name].append(
                each.seconds(case.image, rounds, scratch) - start[each.name])
    return took


def measure_demo(program, pairs, report):
    """{measure: ratios of each pair}"""
    ratios = {measure: [] for measure in MEASURES}
    for pair in range(pairs):
        for measure in MEASURES if pair % 2 == 0 else MEASURES[::-1]:
            sums = {"with": 0.0, "without": 0.0}
            for _ in range(DEMO_RUNS):
                said = subprocess.run(
                    [program, "profile", "--measure", measure, "-o",
                     str(report)], check=True, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, text=True).stdout
                for kind, seconds in SPEED.findall(said):
                    sums[kind] += float(seconds)
            ratios[measure].append(sums["with"] / sums["without"])
    return ratios


def print_ratios(name, ratios):
    cells = [f"{measure} {statistics.median(each):.2f} "
             f"({min(each):.2f}-{max(each):.2f})"
             for measure, each in ratios.items()]
    print(f"{name:24} {'  '.join(cells)}", flush=True)


def measure_all(options, scratch):
    report = scratch / "report"
    if options.demo:
        print_ratios("the embedded guest",
                     measure_demo(options.xbar, options.pairs, report))
        return
    machines = [machine_of(options.xbar, measure, report)
                for measure in [PLAIN, *MEASURES]]
    for case in guests.find_cases(options.filter,
                                  guests.ROOT / "build/bench/guest"):
        took = measure_case(case, machines, options, scratch)
        plain = took.pop(PLAIN)
        print_ratios(case.name, {
            measure: [much / little for much, little in zip(each, plain)]
            for measure, each in took.items()})


def parse(argv):
    parser = argparse.ArgumentParser(
        description="What counting costs a guest.", allow_abbrev=False)
    parser.add_argument("filter", nargs="?", default="")
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--xbar", default=str(
        guests.ROOT / "build/release/xbar/xbar"))
    options = parser.parse_args(argv)
    if options.pairs < 1 or options.seconds <= 0:
        parser.error("--pairs and --seconds are above 0")
    if not os.access(options.xbar, os.X_OK):
        parser.error(f"{options.xbar} is missing; ./dev build makes it")
    return options


def main():
    options = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory() as scratch:
        try:
            measure_all(options, Path(scratch))
        except (guests.Failed, guests.Unusable) as error:
            sys.exit(f"profiling.py: {error}")


if __name__ == "__main__":
    main()
