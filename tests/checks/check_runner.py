#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The runner's own counting, on programs that behave badly on purpose."""

import json
import os
import stat
import subprocess
import sys
import tempfile

import tree
from tap import Tap

RUNNER = os.path.join(tree.ROOT, "tests", "runner", "run.py")

# name, shell text, expected (passed, failed, skipped)
PROGRAMS = [
    ("plain", "exit 0", (1, 0, 0)),
    ("plain_fails", "exit 3", (0, 1, 0)),
    ("two_pass", "echo 1..2; echo ok 1 - a; echo ok 2 - b", (2, 0, 0)),
    ("one_fails", "echo ok 1 - a; echo not ok 2 - b; exit 1", (1, 1, 0)),
    ("cut_short", "echo 1..3; echo ok 1 - a", (1, 1, 0)),
    ("dies", "echo 1..1; echo ok 1 - a; kill -SEGV $$", (1, 1, 0)),
    ("fails_after", "echo 1..1; echo ok 1 - a; exit 1", (1, 1, 0)),
    ("skips", "echo ok 1 - a '# SKIP no such device'", (0, 0, 1)),
    ("skips_cmocka", "echo not ok 1 '# SKIP a'", (0, 0, 1)),
    ("skips_unasked", "echo ok 1 - b '# SKIP lazy'", (0, 1, 0)),
    ("hangs", "sleep 60", (0, 1, 0)),
]
MAY_SKIP = "skips*/a  there is none here  # why\n"


def fake_ctest(folder, entries):
    """A ctest that lists @entries, first in PATH."""
    path = os.path.join(folder, "ctest")
    with open(path, "w") as file:
        text = json.dumps({"tests": entries}).replace("'", "'\\''")
        file.write(f"#!/bin/sh\nprintf '%s' '{text}'\n")
    os.chmod(path, stat.S_IRWXU)


def entry(name, text):
    timeout = 0.5 if name == "hangs" else 20
    return {
        "name": name,
        "command": ["sh", "-c", text],
        "properties": [{"name": "TIMEOUT", "value": timeout}],
    }


def run(folder, programs, pattern=""):
    """The runner's exit status and its last line."""
    fake_ctest(folder, [entry(name, text) for name, text, _ in programs])
    may_skip = os.path.join(folder, "may-skip")
    with open(may_skip, "w") as file:
        file.write(MAY_SKIP)
    build = os.path.join(folder, "release")
    os.makedirs(build, exist_ok=True)
    done = subprocess.run(
        [sys.executable, RUNNER, "--may-skip", may_skip]
        + ["--filter", pattern, build],
        env=os.environ | {"PATH": folder + ":" + os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    return done.returncode, (done.stdout.splitlines() or [""])[-1]


def expected(programs):
    counts = [sum(column) for column in zip(*(c for _, _, c in programs))]
    line = "{} passed, {} failed, {} skipped".format(*counts)
    return (1 if counts[1] or not counts[0] else 0), line


def difference(seen, wanted):
    return [] if seen == wanted else [f"{seen}, not {wanted}"]


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        for program in PROGRAMS:
            seen = run(folder, [program])
            tap.case(program[0], difference(seen, expected([program])))
        seen = run(folder, PROGRAMS)
        tap.case("all together", difference(seen, expected(PROGRAMS)))
        only = [p for p in PROGRAMS if p[0] == "two_pass"]
        tap.case(
            "a filter chooses",
            difference(run(folder, PROGRAMS, "^two"), expected(only)),
        )
        status, _ = run(folder, PROGRAMS, "^nothing$")
        tap.case("a filter that matches nothing fails", difference(status, 1))
    tap.end()


if __name__ == "__main__":
    main()
