#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every file of C and C++ is as clang-format 14 leaves it."""

import os
import re
import subprocess

import tree
from tap import Tap

BINARY = "clang-format-14"


def misplaced(paths):
    """The first complaint about each file that is not in form."""
    run = subprocess.run(
        [BINARY, "--dry-run", "--ferror-limit=1"] + paths,
        cwd=tree.ROOT,
        capture_output=True,
        text=True,
    )
    return re.findall(r"^(\S+:\d+):\d+: warning", run.stderr, re.M)


def main():
    tap = Tap()
    version = subprocess.run(
        [BINARY, "--version"], check=True, capture_output=True, text=True
    ).stdout
    tap.case(
        "the formatter is version 14",
        [] if "version 14." in version else [version.strip()],
    )
    paths = tree.files(".c", ".h", ".cc", ".hh")
    for folder in sorted({tree.folder(path) for path in paths}):
        inside = [path for path in paths if tree.folder(path) == folder]
        tap.case(f"{folder}/ is formatted", misplaced(inside))
    tap.end()


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C.UTF-8"
    main()
