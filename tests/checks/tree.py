# SPDX-License-Identifier: MIT
"""The source tree as the checks see it."""

import json
import os
import re
import shlex
import subprocess

ROOT = os.environ.get("XBAR_SOURCE_DIR") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", "..")
)
BUILD = os.environ.get("XBAR_BUILD_DIR") or os.path.join(
    ROOT, "build", "release"
)

LIBRARY = ("engine", "flatview", "tlb", "jit")  # the pipeline, left to right

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'')
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def tracked():
    """What git would commit or already has; all there is without git."""
    command = ["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True)
    if done.returncode == 0:
        return set(done.stdout.decode().split("\0")) - {""}
    return {
        os.path.relpath(os.path.join(folder, name), ROOT)
        for folder, _, names in os.walk(ROOT)
        for name in names
        if not os.path.relpath(folder, ROOT).startswith(("build", ".git"))
    }


def files(*suffixes):
    """Paths from the root, sorted, of files that end in one of @suffixes."""
    return [
        path
        for path in sorted(tracked())
        if path.endswith(suffixes) and os.path.isfile(os.path.join(ROOT, path))
    ]


def text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def folder(path):
    return path.split("/")[0]


def blank(match):
    """Keeps line numbers: all but newlines becomes blanks."""
    return re.sub(r"[^\n]", " ", match.group(0))


def code(path):
    """The text without comments; strings stay."""
    parts = re.compile(STRING.pattern + "|" + COMMENT.pattern, re.DOTALL)

    def keep_strings(match):
        return match.group(0) if match.group(0)[0] in "\"'" else blank(match)

    return parts.sub(keep_strings, text(path))


def bare_code(path):
    """The text without comments and strings."""
    return STRING.sub(blank, code(path))


def includes(path):
    """(bracket, name) of each include, in order."""
    return INCLUDE.findall(code(path))


def plain_includes(path):
    """The same, without those that hang on a condition."""
    text_of, depth, kept = code(path), 0, []
    guard = 1 if path.endswith((".h", ".hh")) else 0
    for line in text_of.split("\n"):
        if re.match(r"\s*#\s*if", line):
            depth += 1
        elif re.match(r"\s*#\s*endif", line):
            depth -= 1
        elif depth <= guard:
            kept += INCLUDE.findall(line)
    return kept


def resolve(path, name):
    """Which file of ours `#include "name"` in @path means, or None."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
    top = os.path.join(path.split("/")[0], name)  # xbar/'s, seen from below
    for candidate in (beside, os.path.normpath(name), os.path.normpath(top)):
        if os.path.isfile(os.path.join(ROOT, candidate)):
            return candidate
    return None


def public_headers():
    """Paths under include/ as installed: xbar/engine/types.h, xbar/xbar.h."""
    with open(os.path.join(BUILD, "public-headers.txt")) as file:
        return file.read().split()


def plugs():
    """(name, public header) of each adapter: the library libxbar-NAME, built."""
    for header in public_headers():
        if header.startswith("xbar/jit/plug/"):
            yield os.path.basename(header).removesuffix(".h"), header


def exports(library):
    """NAME@@VERSION, or NAME, of all that a shared library exports, without the
    name of the version, which is absolute."""
    done = subprocess.run(
        ["nm", "-D", "--defined-only", library],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        _, kind, name = line.split()
        if kind != "A":
            yield name


def source_of(header):
    """Where a public header lies; those at the top come from engine/."""
    name = header.removeprefix("xbar/")
    return name if "/" in name else f"engine/{name}"


def compile_commands():
    """{path from the root: argument list} of what this build compiles."""
    with open(os.path.join(BUILD, "compile_commands.json")) as file:
        entries = json.load(file)
    return {
        os.path.relpath(entry["file"], ROOT): shlex.split(entry["command"])
        for entry in entries
    }
