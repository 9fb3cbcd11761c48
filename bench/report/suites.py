# SPDX-License-Identifier: MIT
"""What can be run: programs of benchmarks, the guests, the board.

A suite has a name, lists the names of its figures, and measures some of them
once, as rows of google-benchmark's JSON. One that cannot run here says why.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import guests

from . import results

NOT_HERE = 3  # exit status of a peer whose device is missing


class Missing(Exception):
    """This suite cannot run here; the reason is one line."""


class Failed(Exception):
    """A program did not end as it should."""


def pin_to(cpu):
    return lambda: os.sched_setaffinity(0, {cpu})


class Program:
    """A program made with bench/gbench.h."""

    most_rounds = None  # as many as there are

    def __init__(self, name, path, min_time=0.1, brief=False):
        self.name = name
        self.path = Path(path)
        self.min_time = min_time
        self.brief = brief
        self.raw = {}  # plain name: as the program spells it

    def names(self):
        if not self.path.exists():
            raise Missing("it was not built: not installed when xbar was")
        for line in self._output(["--benchmark_list_tests",
                                  *self._mode()]).splitlines():
            self.raw[results.plain_name(line)] = line
        return list(self.raw)

    def _mode(self):
        if self.brief:
            return ["--brief"]
        return [f"--benchmark_min_time={self.min_time}"]

    def _output(self, arguments):
        run = subprocess.run([self.path, *arguments], text=True, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if run.returncode == NOT_HERE:
            raise Missing(run.stderr.strip().partition(": ")[2])
        if run.returncode != 0:
            raise Failed(f"{self.path.name}: status {run.returncode}:"
                         f" {run.stderr.strip()[-200:]}")
        return run.stdout

    def prepare(self, names):
        """What need not be done in a round."""

    def rest(self):
        """Rows that are known only after the last round."""
        return []

    def part(self, name):
        """What of a round's figures is measured by one call."""
        del name
        return ""

    def seconds(self, names):
        """A first guess: the harness runs a row two or three times."""
        return len(names) * (0.01 if self.brief else self.min_time * 2 + 0.02)

    def measure(self, names, number):
        """Rows, and google-benchmark's context."""
        pattern = "^(" + "|".join(re.escape(self.raw[n]) for n in names) + ")$"
        threads = any(n.startswith("threads/") for n in names)
        cpu = max(os.sched_getaffinity(0))
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            command = [
                self.path, f"--benchmark_filter={pattern}",
                f"--benchmark_out={out.name}", "--benchmark_out_format=json",
                *self._mode(),
            ]
            run = subprocess.run(command, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True,
                                 check=False,
                                 preexec_fn=None if threads else pin_to(cpu))
            # 1: a check failed, which its row tells.
            if run.returncode not in (0, 1):
                raise Failed(f"{self.path.name}: status {run.returncode} in"
                             f" {names[0]} or a later one:"
                             f" {run.stderr.strip()[-200:]}")
            document = json.loads(Path(out.name).read_text(encoding="utf-8"))
        rows = list(results.tidy_rows(document["benchmarks"], number))
        return rows, document["context"]


class Script:
    """A script that prints rows: the board.

    --list prints a name a line; --json FILE --only NAME... measures once.
    """

    most_rounds = None

    def __init__(self, name, path, arguments, guess):
        self.name = name
        self.path = Path(path)
        self.arguments = [str(a) for a in arguments]
        self.guess = guess  # seconds for one figure

    def _run(self, arguments):
        command = [sys.executable, self.path, *self.arguments, *arguments]
        run = subprocess.run(command, text=True, check=False,
                             stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if run.returncode == NOT_HERE:
            raise Missing(run.stderr.strip().splitlines()[-1])
        if run.returncode != 0:
            raise Failed(f"{self.path.name}: status {run.returncode}:"
                         f" {run.stderr.strip()[-300:]}")
        return run.stdout

    def names(self):
        if not self.path.exists():
            raise Missing(f"{self.path.name} is missing")
        return self._run(["--list"]).split()

    def prepare(self, names):
        pass

    def rest(self):
        return []

    def part(self, name):
        del name
        return ""

    def seconds(self, names):
        return len(names) * self.guess

    def measure(self, names, number):
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            self._run(["--json", out.name, "--only", *names])
            document = json.loads(Path(out.name).read_text(encoding="utf-8"))
        rows = list(results.tidy_rows(document["benchmarks"], number))
        return rows, document.get("context", {})


class Guests:
    """The guest programs: bench/guests.py in our rounds."""

    name = "guests"
    most_rounds = 3  # each takes about a minute

    def __init__(self, build, images, with_qemu):
        self.build = build
        self.images = images
        self.with_qemu = with_qemu
        self.cases = {}  # by name

    def machines(self):
        """xbar, for the host as it is and a lesser one; the peer if it is
        there, and the host."""
        qemu = guests.qemu_machine() if self.with_qemu else None
        program = self.build / "xbar" / "xbar"
        return [guests.xbar_machine(program, "jit"),
                guests.plain_machine(program),
                *([qemu] if qemu else []), guests.Host()]

    def names(self):
        try:
            engines = [machine.name for machine in self.machines()]
        except guests.Unusable as why:
            raise Missing(str(why)) from None
        if shutil.which(guests.build.CROSS + "gcc") is None:
            raise Missing(f"{guests.build.CROSS}gcc is not installed")
        return [f"guest/{case}/{engine}"
                for program in guests.build.load_programs()
                for case in self._cases_of(program)
                for engine in engines
                if self._runs(program, engine)]

    @staticmethod
    def _runs(program, engine):
        if engine == "plain":
            return program.group in guests.BARS_PLAIN_HOST
        return engine != "native" or program.native

    @staticmethod
    def _cases_of(program):
        for mode in program.modes:
            yield (f"{program.group}/{program.name}/"
                   f"{guests.build.MODE_NAMES[mode]}")

    def part(self, name):
        """By class: a step of seconds, not of a minute."""
        return name.split("/")[1]

    def seconds(self, names):
        return len(names) * 0.4

    def prepare(self, names):
        """Build the images, once."""
        pattern = "^(" + "|".join(map(re.escape, self._wanted(names))) + ")$"
        print("bench: building guest programs", file=sys.stderr)
        try:
            found = guests.find_cases(pattern, self.images)
        except (guests.Unusable, guests.build.BuildError) as why:
            raise Failed(str(why)) from None
        self.cases = {case.name: case for case in found}

    @staticmethod
    def _wanted(names):
        """Cases of @names, each once: engines come together."""
        return sorted({name.split("/", 1)[1].rsplit("/", 1)[0]
                       for name in names})

    def measure(self, names, number):
        """Nothing yet: start-up is a median over all rounds."""
        machines = self.machines()
        order = machines if number % 2 == 0 else machines[::-1]
        with tempfile.TemporaryDirectory() as scratch:
            for case in map(self.cases.get, self._wanted(names)):
                guests.measure_pair(case, order, Path(scratch))
        return [], {"xbar_guest_hash": guests.build.frozen_hash()}

    def rest(self):
        return [row for case in self.cases.values()
                for row in self._rows(case)]

    @staticmethod
    def _rows(case):
        case.settle()
        if case.failed is None:
            for row in guests.benchmark_rows(case):
                yield from results.tidy_rows(
                    [row], row.get("repetition_index", 0))
            return
        name = f"guest/{case.name}/xbar"
        yield {"name": name, "run_name": name, "run_type": "iteration",
               "repetition_index": 0, "xbar_clock": "cpu",
               "error_occurred": True, "error_message": case.failed}
