#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guest programs of bench/guest, in xbar and in QEMU, side by side.

    bench/guests.py [FILTER] [--pairs N] [--engine jit|interp] [--json FILE]
    bench/guests.py [FILTER] --quick
    bench/guests.py --list

FILTER is a regular expression on names such as integer/sha256/sv39.

A pair runs a program in xbar and then in QEMU (every second pair the other way
round), each with all of its rounds and with one. What is reported is the CPU
time, user and system, of the long run less the median of the short ones: that
leaves start-up and translation of the first round out. (Cold code is all
first rounds: its short run has none.) Where they take xbar less time than
start-up, there are 4, 16 or 64 times as many rounds. Kernels that exist for the
host run there, too. A ratio is the median of the pairs' ratios; a class's is
the geometric mean of its programs'.

Every program checks its result in every round. One that fails gets no figure,
and the exit status is 1. It is 2 for bad usage and for what is missing.
"""

import argparse
import datetime
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench" / "guest"))
sys.dont_write_bytecode = True

import build  # noqa: E402  (of bench/guest)

QEMU = "qemu-system-riscv64"
RAM_MIB = 128
TIMEOUT = 300  # seconds; nothing takes a tenth of it

# Ratio to QEMU that a class is meant to reach, and without BMI2 and FMA: of the
# second kind, each is measured in xbar once more with a baseline host.
BARS = {"integer": 1.7, "float": 7, "memory": 1.5, "calls": 3.5, "mmio": 7,
        "paging": 5, "traps": 8, "smc": 8, "cold": 5}
BARS_PLAIN_HOST = {"integer": 1.5, "float": 5}
FLOOR = 0.95  # no program below this

TIMES_MAX = 64  # as many rounds, of a program that takes no time

# A chain of dependent steps shows the clock; independent ones show what a
# neighbour on the same core leaves.
CALIBRATION = ["integer/shiftxor", "integer/chacha"]
NOISY = 0.10


class Failed(Exception):
    """A program that ended wrongly."""


class Unusable(Exception):
    """Bad usage, or something that is needed is not here: status 2."""


# ---- Running ----------------------------------------------------------------

def cpu_seconds(command):
    """User and system time of a command that must succeed."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
    timer = threading.Timer(TIMEOUT, child.kill)
    timer.start()
    with child.stderr:
        said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    timer.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        text = said.decode(errors="replace").strip()[-300:]
        raise Failed(f"status {child.returncode}" + (f": {text}" if text
                                                     else ""))
    return usage.ru_utime + usage.ru_stime


class Machine:
    """Something that runs images; knows the command for one."""

    def __init__(self, name, command):
        self.name = name
        self.command = command

    def seconds(self, path, rounds, scratch):
        """CPU seconds of @rounds rounds, start-up included."""
        patched = scratch / "image.bin"
        patched.write_bytes(build.with_rounds(path, rounds))
        return cpu_seconds([*self.command, patched])


class Host:
    """The host itself, in the place of a machine."""

    name = "native"

    def seconds(self, path, rounds, scratch):
        del scratch
        return cpu_seconds([path, str(rounds)])


def xbar_machine(program, engine):
    if not os.access(program, os.X_OK):
        raise Unusable(f"{program} is missing; ./dev build makes it")
    return Machine("xbar" if engine == "jit" else engine,
                   [program, "run", "--engine", engine, "-m", str(RAM_MIB),
                    "--bios"])


def plain_machine(program):
    """The same, translating for a host that has neither BMI2 nor FMA."""
    machine = xbar_machine(program, "jit")
    command = machine.command.copy()
    command[2:2] = ["--host-cpu", "baseline"]
    return Machine("plain", command)


def first_line(command):
    """What a tool says of its version; None if it is not there."""
    try:
        done = subprocess.run([*command, "--version"], check=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.splitlines()[0]


def qemu_machine():
    """None if it is not installed."""
    if first_line([QEMU]) is None:
        return None
    return Machine("qemu", [QEMU, "-M", "virt", "-smp", "1", "-m",
                            str(RAM_MIB), "-nodefaults", "-display", "none",
                            "-serial", "null", "-bios"])


# ---- Cases ------------------------------------------------------------------

class Case:
    """A program in one mode: its image, and what was measured."""

    def __init__(self, program, mode, image, native):
        self.program = program
        self.name = f"{program.group}/{program.name}/{mode}"
        self.image = image
        self.native = native
        self.samples = {}  # by machine: seconds of the rounds, one a pair
        self.whole = {}  # the same of the long run
        self.start = {}  # and of the short one
        self.times = 1
        self.failed = None

    @property
    def short(self):
        return 0 if self.program.generated else 1

    def path_for(self, machine):
        """None where that machine has nothing to do."""
        if machine.name == "plain" and \
                self.program.group not in BARS_PLAIN_HOST:
            return None
        return self.native if machine.name == "native" else self.image

    def times_in(self, machine):
        """How often the program's rounds are run, so that they show."""
        # A native round takes a fraction of an emulated one.
        return self.times * (4 if machine.name == "native" else 1)

    def long_run(self, machine, scratch):
        rounds = (self.program.rounds - self.short) * self.times_in(machine)
        return machine.seconds(self.path_for(machine), rounds + self.short,
                               scratch)

    def choose_times(self, machine, start, scratch):
        """Start-up varies by as much as quick rounds take. As many in all
        machines: what they learn in the first of them weighs the same.
        (Generated code has so many rounds, and no more.)"""
        while not self.program.generated and self.times < TIMES_MAX and \
                self.long_run(machine, scratch) < 2 * start:
            self.times *= 4

    def measure(self, machine, scratch):
        start = machine.seconds(self.path_for(machine), self.short, scratch)
        if not self.samples:
            self.choose_times(machine, start, scratch)
        whole = self.long_run(machine, scratch)
        times = self.times_in(machine)
        self.start.setdefault(machine.name, []).append(start / times)
        self.whole.setdefault(machine.name, []).append(whole / times)
        self.samples.setdefault(machine.name, []).append(
            whole / times - self.start_of(machine.name))

    def start_of(self, name):
        """Start-up touches memory for the first time, and varies more than
        rounds do: the median over the pairs so far."""
        return statistics.median(self.start[name])

    def settle(self):
        """After the last pair: the same start-up for all of them."""
        for name, whole in self.whole.items():
            self.samples[name] = [each - self.start_of(name)
                                  for each in whole]
            if min(self.samples[name]) <= 0 and self.failed is None:
                self.failed = f"{name}: rounds took no longer than start-up"

    def ratios(self, name=None):
        """Of each pair: how much faster than QEMU a machine of ours was."""
        names = [name] if name else ["xbar", "interp"]
        ours = next((self.samples[each] for each in names
                     if each in self.samples), [])
        return [theirs / mine for mine, theirs
                in zip(ours, self.samples.get("qemu", []))]

    def nanoseconds(self, seconds):
        rounds = self.program.rounds - self.short
        return seconds * 1e9 / (rounds * self.program.count)


def find_cases(pattern, into):
    """The cases whose name matches, built."""
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise Unusable(f"filter {pattern!r}: {error}") from None
    chosen = {}
    for program in build.load_programs():
        modes = [build.MODE_NAMES[mode] for mode in program.modes]
        modes = [mode for mode in modes if
                 wanted.search(f"{program.group}/{program.name}/{mode}")]
        if modes:
            chosen[program] = modes
    if not chosen:
        raise Unusable(f"no program matches {pattern!r}; --list names them")
    try:
        paths = build.build_all(chosen, into)
    except FileNotFoundError as error:
        raise Unusable(f"{error.filename} is missing") from None
    return [Case(program, mode, paths[program, mode],
                 paths.get((program, "native")))
            for program, modes in chosen.items() for mode in modes]


# ---- Measuring --------------------------------------------------------------

class Progress:
    """One line on a terminal: what runs, and how long it will take."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.start = time.monotonic()
        self.shown = sys.stderr.isatty()

    def step(self, name):
        if self.shown:
            left = ((time.monotonic() - self.start) / self.done *
                    (self.total - self.done) if self.done else 0)
            print(f"\r\033[K{self.done}/{self.total}  {left:4.0f} s left  "
                  f"{name}", end="", file=sys.stderr, flush=True)
        self.done += 1

    def end(self):
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def measure_pair(case, machines, scratch):
    """The case once in each machine; a failure takes it out of the run."""
    for machine in machines:
        if case.failed is None and case.path_for(machine):
            try:
                case.measure(machine, scratch)
            except Failed as failure:
                case.failed = f"{machine.name}: {failure}"


def calibrate(cases, scratch, speeds):
    """Native runs of two kernels, into @speeds: seconds by name."""
    for name in CALIBRATION:
        for case in cases:
            if case.name.startswith(name + "/") and case.native:
                speeds.setdefault(name, []).append(Host().seconds(
                    case.native, case.program.rounds // 4, scratch))
                break


def measure_all(cases, machines, pairs, scratch):
    """Every case @pairs times; gives the spread of the calibration."""
    speeds = {}
    progress = Progress(pairs * len(cases))

    for pair in range(pairs):
        order = machines if pair % 2 == 0 else machines[::-1]
        calibrate(cases, scratch, speeds)
        for case in cases:
            progress.step(case.name)
            measure_pair(case, order, scratch)
    progress.end()
    for case in cases:
        case.settle()
    return {name: max(times) / min(times) - 1
            for name, times in speeds.items() if len(times) > 1}


# ---- Reporting --------------------------------------------------------------

def plain_host():
    """Whether the host's CPU has neither BMI2 nor FMA to offer."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii",
                                               errors="replace")
    except OSError:
        return False
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    words = flags.group(1).split() if flags else []
    return bool(words) and not {"bmi2", "fma"} <= set(words)


def bar_of(group):
    return (BARS_PLAIN_HOST if plain_host() else {}).get(group, BARS[group])


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def class_ratios(cases, name=None):
    """{class: the geometric mean of its programs' ratios to QEMU}."""
    groups = {}
    for case in cases:
        if case.failed is None and case.ratios(name):
            groups.setdefault(case.program.group, []).append(
                statistics.median(case.ratios(name)))
    return {group: geometric_mean(each) for group, each in groups.items()}


def classes(cases):
    """What each class is meant to reach, and did, as JSON has it."""
    for host, bar in (({}, bar_of), ({"host": "plain"}, BARS_PLAIN_HOST.get)):
        for group, ratio in class_ratios(cases, host.get("host")).items():
            yield {"class": group, **host, "ratio_to_qemu": ratio,
                   "bar": bar(group), "met": ratio >= bar(group)}


def print_case(case):
    if case.failed is not None:
        print(f"{case.name:30} FAILED: {case.failed}")
        return
    cells = []
    for name in ("xbar", "interp", "plain", "qemu", "native"):
        if name in case.samples:
            middle = statistics.median(case.samples[name])
            cells.append(f"{name} {case.nanoseconds(middle):11.2f}")
    text = f"{case.name:30} {'  '.join(cells)}  ns/{case.program.unit}"
    ratios = case.ratios()
    if ratios:
        middle = statistics.median(ratios)
        text += (f"  {middle:.2f}x [{min(ratios):.2f}-{max(ratios):.2f}]"
                 f"{'  BELOW ' + str(FLOOR) if middle < FLOOR else ''}")
    print(text)


def print_report(cases, spread, context):
    for case in cases:
        print_case(case)
    print()
    for each in classes(cases):
        print(f"class {each['class']:10} {each['ratio_to_qemu']:6.2f}x of QEMU"
              f"   bar {each['bar']:g}x: {'met' if each['met'] else 'MISSED'}"
              f"{', without BMI2 and FMA' if 'host' in each else ''}")
    print(f"programs {context['guest_programs']}")
    for name, varied in spread.items():
        noisy = "noisy host: " if varied > NOISY else ""
        print(f"{noisy}calibration {name} varied by {varied:.0%}")


def context_of(machines, spread, pairs):
    """google-benchmark's context, and what else tells runs apart."""
    return {
        "date": datetime.datetime.now().astimezone().isoformat(
            timespec="seconds"),
        "host_name": platform.node(),
        "executable": "bench/guests.py",
        "num_cpus": os.cpu_count(),
        "load_avg": list(os.getloadavg()),
        "library_build_type": "release",
        "guest_programs": build.frozen_hash(),
        "guest_compiler": first_line([build.CROSS + "gcc"]),
        "native_compiler": first_line([build.NATIVE_CC]),
        "qemu": first_line([QEMU]),
        "machines": [machine.name for machine in machines],
        "pairs": pairs,
        "calibration_spread": spread,
    }


def benchmark_rows(case):
    """Rows of google-benchmark's schema: each pair, then the median."""
    rounds = case.program.rounds - case.short
    count = case.program.count
    for name, samples in case.samples.items():
        common = {
            "run_name": f"guest/{case.name}/{name}",
            "repetitions": len(samples),
            "threads": 1,
            "time_unit": "ns",
            "class": case.program.group,
            "machine": name,
            "unit": case.program.unit,
        }
        for index, seconds in enumerate(samples):
            each = case.nanoseconds(seconds)
            yield {"name": common["run_name"], **common,
                   "run_type": "iteration", "repetition_index": index,
                   "iterations": rounds * count,
                   "real_time": each, "cpu_time": each}
        middle = case.nanoseconds(statistics.median(samples))
        row = {"name": common["run_name"] + "_median", **common,
               "run_type": "aggregate", "aggregate_name": "median",
               "aggregate_unit": "time", "iterations": len(samples),
               "real_time": middle, "cpu_time": middle}
        ratios = case.ratios(name)
        if name in ("xbar", "interp", "plain") and ratios:
            row |= {"ratio_to_qemu": statistics.median(ratios),
                    "ratio_least": min(ratios), "ratio_most": max(ratios)}
        yield row


def json_report(cases, context):
    rows = []
    for case in cases:
        if case.failed is None:
            rows += benchmark_rows(case)
        else:
            rows.append({"name": f"guest/{case.name}",
                         "run_name": f"guest/{case.name}",
                         "run_type": "iteration", "error_occurred": True,
                         "error_message": case.failed,
                         "class": case.program.group})
    return {"context": context, "benchmarks": rows,
            "guest_classes": list(classes(cases))}


# ---- The command ------------------------------------------------------------

def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("filter", nargs="?", default=".")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release",
                        help="where xbar was built")
    parser.add_argument("--images", type=Path, help="where guests are built",
                        default=ROOT / "build/bench/guest")
    parser.add_argument("--engine", choices=("jit", "interp"), default="jit")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true",
                        help="few rounds, for correctness; no figures")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args(arguments)
    if options.pairs < 1:
        parser.error("--pairs: at least one")
    return options


def quick(cases, machines, scratch):
    """Each case once in each machine, briefly: how many failed."""
    failed = 0
    for case in cases:
        for machine in machines:
            path = case.path_for(machine)
            if not path:
                continue
            try:
                machine.seconds(path, build.QUICK_ROUNDS, scratch)
            except Failed as failure:
                failed += 1
                print(f"{case.name} {machine.name} FAILED: {failure}")
    print(f"{len(cases)} programs, {failed} failures")
    return failed


class Output:
    """A file that appears when it is complete; tried before measuring."""

    def __init__(self, path):
        self.path = path
        self.part = Path(f"{path}.part")
        try:
            self.part.touch()
        except OSError as error:
            raise Unusable(f"{path}: {error.strerror}") from None

    def write(self, report):
        self.part.write_text(json.dumps(report, indent=2) + "\n",
                             encoding="utf-8")
        os.replace(self.part, self.path)


def run(options):
    if options.list:
        for program in build.load_programs():
            for mode in program.modes:
                print(f"{program.group}/{program.name}/"
                      f"{build.MODE_NAMES[mode]}")
        return 0
    machines = [xbar_machine(options.build / "xbar" / "xbar", options.engine)]
    if options.engine == "jit":
        machines.append(plain_machine(options.build / "xbar" / "xbar"))
    qemu = qemu_machine()
    if qemu:
        machines.append(qemu)
    else:
        print(f"{QEMU} is not installed: no ratios")
    machines.append(Host())
    output = Output(options.json) if options.json else None
    cases = find_cases(options.filter, options.images)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if options.quick:
            return 1 if quick(cases, machines, scratch) else 0
        spread = measure_all(cases, machines, options.pairs, scratch)
    context = context_of(machines, spread, options.pairs)
    print_report(cases, spread, context)
    if output:
        output.write(json_report(cases, context))
    return 1 if any(case.failed for case in cases) else 0


def main():
    try:
        return run(parse(sys.argv[1:]))
    except (Unusable, build.BuildError) as error:
        print(f"guests: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
