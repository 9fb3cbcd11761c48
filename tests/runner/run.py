#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the registered tests of several builds and counts their cases.

ctest counts programs; a person wants to know about cases. So the list comes
from ctest, and this script runs each program itself, a few at a time, and
reads the TAP lines that cmocka and the script tests print:

    1..3
    ok 1 - name
    not ok 2 - name
    ok 3 - name # SKIP reason      (cmocka: "not ok 3 # SKIP name")

A program without such lines is one case, judged by its exit status. A program
that fails, dies, or prints fewer cases than its plan promised has at least
one failed case. A skip is a failure unless the may-skip file names it.

usage: run.py [--filter RE] [--may-skip FILE] BUILD[:LABEL|LABEL...]...
"""

import argparse
import concurrent.futures
import dataclasses
import fnmatch
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

PLAN = re.compile(r"^1\.\.(\d+)\s*$")
CASE = re.compile(r"^(not )?ok \d+(?:\s*-)?\s*(.*)$")
SKIP = re.compile(r"^(.*?)\s*#\s*skip\S*\s*(.*)$", re.IGNORECASE)

SHOWN_LINES = 200  # of a failing test's output
DEFAULT_TIMEOUT = 1800  # seconds: for what hangs, on a slow machine


@dataclasses.dataclass
class Test:
    """One program of one build."""

    build: str
    name: str
    command: list
    labels: list
    timeout: float
    directory: str
    environment: dict
    alone: bool

    @property
    def title(self):
        return f"{os.path.basename(self.build)}/{self.name}"


@dataclasses.dataclass
class Result:
    """What a program said, and how it ended."""

    test: Test
    passed: list = dataclasses.field(default_factory=list)
    failed: list = dataclasses.field(default_factory=list)
    skipped: list = dataclasses.field(default_factory=list)  # (case, reason)
    output: str = ""
    seconds: float = 0.0


# ---- What there is to run ---------------------------------------------------


def properties_of(entry):
    return {p["name"]: p["value"] for p in entry.get("properties", [])}


def read_test(build, entry):
    prop = properties_of(entry)
    pairs = (p.split("=", 1) for p in prop.get("ENVIRONMENT", []))
    return Test(
        build=build,
        name=entry["name"],
        command=entry.get("command", []),
        labels=prop.get("LABELS", []),
        timeout=prop.get("TIMEOUT", DEFAULT_TIMEOUT),
        directory=prop.get("WORKING_DIRECTORY", build),
        environment=dict(pairs),
        alone=bool(prop.get("RUN_SERIAL", False)),
    )


def list_tests(spec, pattern):
    """The tests of BUILD[:LABELS]; checks of the tree run in one build only."""
    build, _, labels = spec.partition(":")
    text = subprocess.run(
        ["ctest", "--test-dir", build, "--show-only=json-v1"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    tests = [read_test(build, entry) for entry in json.loads(text)["tests"]]
    wanted = set(filter(None, labels.split("|")))
    return [
        test
        for test in tests
        if pattern.search(test.name)
        and (not wanted or wanted & set(test.labels))
        and not ("once" in test.labels and not build.endswith("/release"))
    ]


# ---- Running one ------------------------------------------------------------


def common_environment(build):
    """Sanitizer reports fail the program, with a status that no guest gives,
    and so do leaks at its end; the source tree stays clean."""
    return {
        "ASAN_OPTIONS": "detect_stack_use_after_return=1:detect_leaks=1:"
        "exitcode=66:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "TSAN_OPTIONS": "halt_on_error=0:exitcode=66:second_deadlock_stack=1",
        "XBAR_BUILD_DIR": build,
        "PYTHONDONTWRITEBYTECODE": "1",
        "CMOCKA_MESSAGE_OUTPUT": "TAP",
    }


def command_line(test):
    """gcc 12's tsan dies under full address randomisation: turn it off."""
    if os.path.basename(test.build) == "tsan":
        return ["setarch", "-R"] + test.command
    return test.command


def stop_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def execute(test, out, err):
    """Run the program; returns how it ended, in words, or None if well."""
    process = subprocess.Popen(
        command_line(test),
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        cwd=test.directory,
        env=os.environ | common_environment(test.build) | test.environment,
        start_new_session=True,
    )
    try:
        status = process.wait(test.timeout)
    except subprocess.TimeoutExpired:
        return f"still running after {test.timeout:.0f} s"
    finally:
        stop_group(process)
        process.wait()
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return f"exit status {status}" if status else None


def count_line(line, result):
    """Take one line of TAP into account; returns the cases it promises."""
    plan = PLAN.match(line)
    if plan:
        return int(plan.group(1))
    case = CASE.match(line)
    if not case:
        return 0
    name = case.group(2).strip() or "unnamed"
    skip = SKIP.match(name)
    if skip:
        before, after = skip.groups()
        result.skipped.append((before or after, after if before else ""))
    else:
        (result.failed if case.group(1) else result.passed).append(name)
    return 0


def judge(result, ending, promised):
    """Fold the exit status and the plan into the counts."""
    seen = len(result.passed) + len(result.failed) + len(result.skipped)
    if ending and not result.failed:
        result.failed.append(ending)
    elif ending:
        result.output += f"({ending})\n"
    elif seen < promised:
        result.failed.append(f"{promised - seen} cases never ran")
    elif not seen:
        result.passed.append("whole program")


def run_test(test):
    result = Result(test)
    if not test.command:
        result.failed.append("was not built")
        return result
    begin = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        ending = execute(test, out, err)
        out.seek(0)
        err.seek(0)
        text = out.read().decode(errors="replace")
        result.output = text + err.read().decode(errors="replace")
    result.seconds = time.monotonic() - begin
    promised = sum(count_line(line, result) for line in text.splitlines())
    judge(result, ending, promised)
    return result


# ---- Skips ------------------------------------------------------------------


def read_may_skip(path):
    """Lines "PROGRAM/CASE-PATTERN  reason"; "#" begins a comment."""
    allowed = []
    if not path:
        return allowed
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split("#")[0].split(None, 1)
            if words:
                allowed.append((words[0], words[1].strip()))
    return allowed


def settle_skips(result, allowed):
    """Skips that may be keep a reason; the others become failures."""
    kept = []
    for case, reason in result.skipped:
        name = f"{result.test.name}/{case}"
        known = [r for p, r in allowed if fnmatch.fnmatchcase(name, p)]
        if known:
            kept.append((case, reason or known[0]))
        else:
            why = f": {reason}" if reason else ""
            result.failed.append(f"{case} skipped without leave{why}")
    result.skipped = kept


# ---- Telling ----------------------------------------------------------------


def show(result):
    word = "FAIL" if result.failed else "ok"
    count = len(result.passed) + len(result.failed) + len(result.skipped)
    print(
        f"{word:4}  {result.test.title:36} {count:5} cases"
        f"  {result.seconds:6.1f} s"
    )
    for case, reason in result.skipped:
        print(f"      skipped {case}: {reason}")
    if result.failed:
        show_failure(result)
    sys.stdout.flush()


def show_failure(result):
    lines = result.output.splitlines()
    left_out = len(lines) - SHOWN_LINES
    if left_out > 0:
        print(f"      | ({left_out} lines left out)")
    for line in lines[-SHOWN_LINES:]:
        print(f"      | {line}")
    for name in result.failed:
        print(f"      failed: {name}")
    print(f"      again: ./dev test '^{result.test.name}$'")


def summary(results, seconds):
    """The closing line is read by machines: nothing may follow it."""
    failing = [r for r in results if r.failed]
    for result in failing:
        for name in result.failed:
            print(f"FAILED {result.test.title}: {name}")
    print(f"{len(results)} programs in {seconds:.0f} s")
    counts = [
        sum(len(getattr(r, kind)) for r in results)
        for kind in ("passed", "failed", "skipped")
    ]
    print("{} passed, {} failed, {} skipped".format(*counts))
    return 1 if failing or not counts[0] else 0


def run_all(tests, workers, allowed):
    """Side by side first, then one by one what must have the machine."""

    def settled(result):
        settle_skips(result, allowed)
        show(result)
        return result

    side_by_side = [t for t in tests if not t.alone]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(run_test, test) for test in side_by_side]
        done = concurrent.futures.as_completed(futures)
        results = [settled(future.result()) for future in done]
    return results + [settled(run_test(t)) for t in tests if t.alone]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("builds", nargs="+", metavar="BUILD[:LABELS]")
    parser.add_argument("--filter", default="")
    parser.add_argument("--may-skip")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def main():
    options = parse_arguments()
    try:
        pattern = re.compile(options.filter)
    except re.error as error:
        sys.exit(f"run.py: filter '{options.filter}': {error}")
    tests = [t for spec in options.builds for t in list_tests(spec, pattern)]
    if not tests:
        sys.exit(f"run.py: no test matches '{options.filter}'")
    begin = time.monotonic()
    allowed = read_may_skip(options.may_skip)
    results = run_all(tests, options.jobs, allowed)
    return summary(results, time.monotonic() - begin)


if __name__ == "__main__":
    sys.exit(main())
