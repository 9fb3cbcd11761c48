#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every header compiles alone: public ones as an embedder would, in strict
C11 and in C++17, private ones with the flags of a file beside them."""

import concurrent.futures
import os
import subprocess

import tree
from tap import Tap

STRICT = ["-Wall", "-Wextra", "-Wshadow", "-Wundef", "-pedantic", "-Werror"]
ROOT = ["-I", tree.ROOT]
STAGED = ["-I", os.path.join(tree.BUILD, "include")]


def compile_text(command, language, source):
    """Compile @source from standard input; the first complaint or None."""
    run = subprocess.run(
        command + ["-fsyntax-only", "-x", language, "-"],
        input=source,
        capture_output=True,
        text=True,
        cwd=tree.BUILD,
    )
    if run.returncode == 0:
        return None
    lines = [line for line in run.stderr.splitlines() if "error" in line]
    return (lines or run.stderr.splitlines() or ["no output"])[0]


def complaints(headers, job):
    """[problem] of a job run over all headers, two at a time."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, complaint in zip(headers, pool.map(job, headers)):
            if complaint:
                yield f"{header}: {complaint}"


def as_c(header):
    return compile_text(
        ["gcc", "-std=c11"] + STRICT + STAGED,
        "c",
        f"#include <{header}>\n#include <{header}>\nint unused;\n",
    )


def as_cxx(header):
    return compile_text(
        ["g++", "-std=c++17"] + STRICT + STAGED,
        "c++",
        f"#include <{header}>\n#include <{header}>\n",
    )


def flags_beside(header, commands):
    """What a source file in the nearest folder is compiled with; the public
    headers are there for those of a folder that was not built (bench/)."""
    folder = os.path.dirname(header)
    while True:
        for path, command in sorted(commands.items()):
            if path.endswith(".c") and os.path.dirname(path) == folder:
                end = command.index("-o")
                return command[:end] + ROOT + STAGED + ["-Werror"]
        if not folder:
            return ["gcc", "-std=gnu11", "-Wall", "-Werror"] + ROOT + STAGED
        folder = os.path.dirname(folder)


def private_job(commands):
    def compile_one(header):
        command = flags_beside(header, commands)
        return compile_text(
            command, "c", f'#include "{header}"\nextern int unused;\n'
        )

    return compile_one


def private_headers():
    public = {name.removeprefix("xbar/") for name in tree.public_headers()}
    public |= {"engine/xbar.h", "engine/compat.h", "engine/instrument.h"}
    return [
        path
        for path in tree.files(".h")
        if path not in public and tree.folder(path) != "docs"
    ]


def main():
    tap = Tap()
    public = tree.public_headers()
    commands = tree.compile_commands()
    tap.case("public headers compile alone in C11", complaints(public, as_c))
    tap.case("public headers compile in C++17", complaints(public, as_cxx))
    tap.case(
        "private headers compile alone",
        complaints(private_headers(), private_job(commands)),
    )
    tap.end()


if __name__ == "__main__":
    main()
