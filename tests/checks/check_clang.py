#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clang finds nothing to warn about in what gcc compiled."""

import concurrent.futures
import os
import subprocess

import tree
from tap import Tap

COMPILER = "clang-14"
DROPPED = ("-o", "-MF", "-MT")  # with the word after them
ONLY_GCC = ("-ffat-lto-objects",)
ADDED = ["-fsyntax-only", "-Werror"]


def arguments(command):
    """The same flags without what names outputs, and what clang has not."""
    kept, skip = [], False
    for word in command[1:]:
        if skip or word in DROPPED:
            skip = not skip
        elif word not in ("-c", "-MD") + ONLY_GCC:
            kept.append(word)
    return kept


def complaint(command):
    run = subprocess.run(
        [COMPILER] + arguments(command) + ADDED,
        cwd=tree.BUILD,
        capture_output=True,
        text=True,
    )
    lines = [l for l in run.stderr.splitlines() if "error:" in l]
    return lines[0] if lines else run.stderr.strip() if run.returncode else ""


def main():
    tap = Tap()
    commands = {
        path: command
        for path, command in tree.compile_commands().items()
        if path.endswith(".c")
    }
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(commands, pool.map(complaint, commands.values())))
    for folder in sorted({tree.folder(path) for path in found}):
        inside = [t for p, t in found.items() if tree.folder(p) == folder]
        tap.case(f"clang is content with {folder}/", filter(None, inside))
    tap.end()


if __name__ == "__main__":
    main()
