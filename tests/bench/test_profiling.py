#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/profiling.py: what it prints, and what it says of bad usage."""

import re
import shutil
import subprocess
import sys

import common
from tap import Tap

PROGRAM = common.BUILD / "xbar" / "xbar"

BAD = [
    (["--pairs", "0"], "above 0"),
    (["--seconds", "nan"], "above 0"),
    (["--seconds", "inf"], "above 0"),
    (["--measure", "speed"], "--measure speed"),
    (["sha256", "--demo"], "a filter, --demo or --uboot"),
    (["--demo", "--uboot"], "a filter, --demo or --uboot"),
    (["--xbar", "/nowhere"], "/nowhere is missing"),
    (["["], "filter '['"),
    (["no-such-program"], "no program matches"),
]


def run(*arguments):
    return subprocess.run(
        [sys.executable, common.SOURCE / "bench" / "profiling.py", "--xbar",
         PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False)


def unlike(done, status, pattern, text):
    if done.returncode != status:
        yield f"status {done.returncode}: {done.stderr}"
    if not re.search(pattern, text, re.MULTILINE):
        yield f"no {pattern} in {text}"


def main():
    tap = Tap()
    for arguments, said in BAD:
        done = run(*arguments)
        tap.case(f"{' '.join(arguments)} is bad usage",
                 unlike(done, 2, re.escape(said), done.stderr))
    cost = r"samples \d+\.\d\d \(\d+\.\d\d-\d+\.\d\d\), by minima \d+\.\d\d"
    done = run("--demo", "--pairs", "1", "--measure", "samples")
    tap.case("the embedded guest has a ratio",
             unlike(done, 0, rf"^the embedded guest +{cost}$", done.stdout))
    if shutil.which("riscv64-linux-gnu-gcc"):
        done = run("integer/sha256/bare", "--pairs", "2", "--seconds", "0.2",
                   "--measure", "counts", "--measure", "samples")
        tap.case("a program has a ratio for each measure",
                 unlike(done, 0, rf"^integer/sha256/bare +counts .*  {cost}$",
                        done.stdout))
    tap.end()


if __name__ == "__main__":
    main()
