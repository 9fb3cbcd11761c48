#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The library can be built for a host that has no emitter: host_none.c is all
that the rest asks of one. With XBAR_LONG it is built so, and interprets."""

import os
import subprocess
import tempfile

import tree
from tap import Tap

SOURCE, MODEL = "jit/host_none.c", "jit/cache.c"
HOST = "jit/x86_64/"
GUEST_TIMEOUT_S = 600


def output_of(command):
    return os.path.join(tree.BUILD, command[command.index("-o") + 1])


def symbols(path, *flags):
    done = subprocess.run(
        ["nm", *flags, path], check=True, capture_output=True, text=True
    )
    return {line.split()[-1] for line in done.stdout.splitlines()}


def run(command):
    """Its complaint, in lines: none if it succeeded."""
    done = subprocess.run(
        command, cwd=tree.BUILD, capture_output=True, text=True,
        timeout=GUEST_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode == 0:
        return []
    return (done.stdout + done.stderr).strip().splitlines()[-20:] or ["failed"]


def compile_as(command, target):
    """As MODEL is compiled."""
    words = list(command)
    words[words.index("-o") + 1] = target
    return [
        os.path.join(tree.ROOT, SOURCE) if word.endswith(MODEL) else word
        for word in words
    ] + ["-Werror"]


def missing(commands, target):
    """What the library takes from this host's files and finds in no other."""
    given, wanted = set(), set()
    for path, command in commands.items():
        if path.startswith(HOST):
            given |= symbols(output_of(command), "--defined-only", "-g")
        elif tree.folder(path) in tree.LIBRARY and path.endswith(".c"):
            wanted |= symbols(output_of(command), "-u")
    if not given & wanted:
        return ["nothing is asked of the host: other names?"]
    return sorted(given & wanted - symbols(target, "--defined-only", "-g"))


def build_all(tap, folder):
    cmake = ["cmake", "-S", tree.ROOT, "-B", folder, "-G", "Ninja"]
    off = ["-DXBAR_BUILD_TESTS=OFF", "-DXBAR_BUILD_BENCH=OFF"]
    on = ["-DXBAR_NO_HOST=ON", "-DXBAR_WERROR=ON"]
    tap.case("is configured", run(cmake + on + off))
    tap.case("is built", run(["cmake", "--build", folder, "--target", "xbar"]))
    program = [os.path.join(folder, "xbar/xbar"), "profile"]
    report = ["-o", os.path.join(folder, "report")]
    tap.case("interprets the guest that it carries", run(program + report))


def main():
    tap = Tap()
    commands = tree.compile_commands()
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "none.o")
        problems = run(compile_as(commands[MODEL], target))
        tap.case("it compiles", problems)
        if not problems and SOURCE not in commands:
            tap.case("it has all that is asked of a host",
                     missing(commands, target))
        if os.environ.get("XBAR_LONG"):
            build_all(tap, os.path.join(folder, "build"))
    tap.end()


if __name__ == "__main__":
    main()
