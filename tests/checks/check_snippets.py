#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The code in docs/plugging-in.md compiles against the public headers: as C, a
file for each section, in the order of its blocks; and names nothing that the
library does not have, by linking."""

import os
import re
import subprocess
import tempfile

import tree
from tap import Tap

DOCUMENT = "docs/plugging-in.md"
PRELUDE = (
    "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "#include <xbar/xbar.h>\n"
)
COMPILER = os.environ.get("XBAR_CC", "cc").split()
FLAGS = [
    "-std=gnu11",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-function",
    "-I" + os.path.join(tree.BUILD, "include"),
]
SECTION = re.compile(r"^## (.*)$", re.M)
BLOCK = re.compile(r"^```c\n(.*?)^```$", re.M | re.S)


def sections(text):
    """(title, its blocks of C, each with the line it begins at)."""
    heads = list(SECTION.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends):
        blocks = [
            (text.count("\n", 0, found.start(1)) + 1, found.group(1))
            for found in BLOCK.finditer(text, head.end(), end)
        ]
        if blocks:
            yield head.group(1), blocks


def compile_section(blocks, folder):
    source = os.path.join(folder, "section.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write(PRELUDE)
        for line, code in blocks:
            file.write(f'#line {line} "{DOCUMENT}"\n{code}')
        file.write("int main(void)\n{\n    return 0;\n}\n")
    # Unused static functions are kept, so that what they call has to exist.
    command = COMPILER + FLAGS + [
        "-O0",
        "-fkeep-static-functions" if "clang" not in COMPILER[0] else "-O0",
        source,
        "-o",
        os.path.join(folder, "section"),
        os.environ.get("XBAR_LIBRARY")
        or os.path.join(tree.BUILD, "libxbar.so"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr.splitlines() if done.returncode else []


def main():
    tap = Tap()
    found = list(sections(tree.text(DOCUMENT)))
    tap.case("there is code", [] if found else [DOCUMENT])
    with tempfile.TemporaryDirectory() as folder:
        for title, blocks in found:
            tap.case(f"{title}: compiles", compile_section(blocks, folder))
    tap.end()


if __name__ == "__main__":
    main()
