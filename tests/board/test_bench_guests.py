#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guests that are measured give the right results, everywhere.

    test_bench_guests.py [--peers]

Each checks itself, in each round; a case is a program in one machine, briefly.
With --peers the machines are QEMU and the host (the programs are right), and
the runner is tried; otherwise they are xbar's engines (xbar is right).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(os.environ["XBAR_SOURCE_DIR"])
RUNNER = ROOT / "bench" / "guests.py"
sys.path += [str(ROOT / "bench"), str(ROOT / "tests" / "checks")]
sys.dont_write_bytecode = True

import guests  # noqa: E402
from tap import Tap  # noqa: E402

IMAGES = ROOT / "build" / "bench" / "guest"


def program():
    return Path(os.environ["XBAR_PROGRAM"])


def try_all(tap, cases, machines, scratch):
    for machine in machines:
        for case in cases:
            path = case.path_for(machine)
            if not path:
                continue
            problems = []
            try:
                machine.seconds(path, guests.build.QUICK_ROUNDS, scratch)
            except guests.Failed as failure:
                problems.append(str(failure))
            tap.case(f"{case.name} in {machine.name}", problems)


def with_wrong_checksum(case, scratch):
    """A copy of the case's image that expects something else."""
    data = bytearray(case.image.read_bytes())
    data[guests.build.HEADER_ROUNDS + 8] ^= 1
    path = scratch / "wrong.bin"
    path.write_bytes(data)
    return path


def try_failures(tap, cases, machines, scratch):
    """A wrong result is seen, whatever the machine."""
    case = next(each for each in cases if each.name == "integer/crc/bare")
    path = with_wrong_checksum(case, scratch)
    for machine in machines:
        problems = ["the image passed"]
        try:
            machine.seconds(path, 1, scratch)
        except guests.Failed as failure:
            problems = ([] if "status 1" in str(failure) else [str(failure)])
        tap.case(f"a wrong checksum fails in {machine.name}", problems)


def runner(*arguments):
    build_dir = program().parent.parent
    return subprocess.run(
        [sys.executable, RUNNER, "--build", build_dir, "--images", IMAGES,
         *arguments], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False)


def expect(done, status, *texts):
    said = done.stdout + done.stderr
    if done.returncode != status:
        yield f"status {done.returncode}, not {status}: {said[-300:]}"
    for text in texts:
        if text not in said:
            yield f"no {text!r} in {said[-300:]!r}"


def measure_one(out):
    """Again if the machine was busy when the short run was measured."""
    for _ in range(5):
        done = runner("integer/crc/bare", "--pairs", "1", "--json", out)
        if "took no longer than start-up" not in done.stdout + done.stderr:
            break
    return done


def try_runner(tap, scratch):
    out = scratch / "out.json"
    done = measure_one(out)
    problems = list(expect(done, 0, "class integer", "programs "))
    try:
        report = json.loads(out.read_text(encoding="utf-8"))
        names = [row["name"] for row in report["benchmarks"]]
        if "guest/integer/crc/bare/xbar_median" not in names:
            problems.append(f"rows: {names}")
        if len(report["context"]["guest_programs"]) != 64:
            problems.append("no hash of the programs")
    except (OSError, ValueError, KeyError) as error:
        problems.append(repr(error))
    tap.case("the runner measures one program", problems)

    tap.case("a filter that matches nothing", expect(
        runner("nothing/like/this", "--quick"), 2, "no program matches"))
    tap.case("a filter that is no expression", expect(
        runner("(", "--quick"), 2, "filter"))
    tap.case("an output that cannot be written", expect(
        runner("crc/bare", "--json", "/nowhere/out.json"), 2, "/nowhere"))
    tap.case("no xbar there", expect(
        runner("--build", str(scratch), "crc/bare"), 2, "is missing"))


def main():
    tap = Tap()
    cases = guests.find_cases(".", IMAGES)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if sys.argv[1:] == ["--peers"]:
            qemu = guests.qemu_machine()
            tap.case("QEMU is installed", [] if qemu else [guests.QEMU])
            machines = ([qemu] if qemu else []) + [guests.Host()]
            try_all(tap, cases, machines, scratch)
            try_failures(tap, cases, machines[:-1], scratch)
            try_runner(tap, scratch)
        else:
            machines = [guests.xbar_machine(program(), engine)
                        for engine in ("jit", "interp")]
            machines.append(guests.plain_machine(program()))
            try_all(tap, cases, machines, scratch)
            try_failures(tap, cases, machines, scratch)
    tap.end()


if __name__ == "__main__":
    main()
