#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Figures of docs/style.md, at the level that regular expressions reach.

They are a smoke alarm, not the aim: only what is clearly wrong fails. All
figures are printed as diagnosis lines, to be read now and then.
"""

import re
import statistics

import tree
from tap import Tap

FILE_MAX = 650  # lines
FUNCTION_MAX = 90  # lines
ARGUMENTS_MAX = 7
# Signatures that are QEMU's.
ARGUMENTS_ALLOWED = (
    "memory_region_init_ram_from_file",
    "memory_region_init_ram_from_fd",
)
DEPTH_MAX = 4  # nested blocks in a function
LINE_MAX = 100  # columns; the formatter aims at 80
OVER_80_MAX = 0.2  # percent

MARKERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
STOPS = re.compile(
    r"\b(v?f?printf|puts|fputs|putchar|putc|fputc|perror|exit|_exit|abort)"
    r"\s*\("
)
STOPS_ALLOWED = ("engine/check.c", "flatview/dump.c", "flatview/dump_info.c")
ALLOCATES = re.compile(
    r"\b(malloc|calloc|realloc|strdup|strndup|aligned_alloc|posix_memalign"
    r"|asprintf|vasprintf)\s*\("
)
ALLOCATES_ALLOWED = ("engine/alloc.c", "engine/engine.c", "engine/error.c")
SPDX = "SPDX-License-Identifier: MIT"


class Function:
    """A definition; the formatter puts its braces at the line start."""

    def __init__(self, path, first, lines, head):
        self.path = path
        self.first = first
        self.lines = lines
        self.head = head

    def name(self):
        found = re.search(r"(\w+)\s*\(", self.head)
        return found.group(1) if found else "?"

    def where(self):
        return f"{self.path}:{self.first} {self.name()}"

    def length(self):
        return len(self.lines)

    def depth(self):
        """Braces inside braces; the function's own do not count."""
        level = deepest = 0
        for character in "".join(self.lines):
            level += {"{": 1, "}": -1}.get(character, 0)
            deepest = max(deepest, level)
        return max(0, deepest - 1)

    def arguments(self):
        """Commas at the first level of the parameter list."""
        found = re.search(r"\w+\s*\((.*)\)", self.head, re.DOTALL)
        inside = found.group(1) if found else ""
        level = commas = 0
        for character in inside:
            level += {"(": 1, ")": -1}.get(character, 0)
            commas += character == "," and level == 0
        return 0 if inside.strip() in ("", "void") else commas + 1


def head_start(lines, brace):
    """The first line of the head whose body opens at @brace."""
    line = brace
    while line > 0 and re.match(r"[\w\s*,()]", lines[line - 1] or "#"):
        if lines[line - 1].rstrip().endswith((";", "}")):
            break
        line -= 1
        if not lines[line].strip():
            return line + 1
    return line


def functions(path):
    lines = tree.bare_code(path).split("\n")
    start = None
    for number, line in enumerate(lines):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start is not None:
            first = head_start(lines, start)
            yield Function(
                path,
                first + 1,
                lines[first : number + 1],
                " ".join(lines[first:start]),
            )
            start = None


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def line_problems(paths, pattern, allowed=()):
    for path in paths:
        if path in allowed:
            continue
        for number, line in enumerate(tree.bare_code(path).split("\n"), 1):
            found = pattern.search(line)
            if found:
                yield f"{path}:{number} calls {found.group(1)}"


def markers(paths):
    for path in paths:
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            if MARKERS.search(line):
                yield f"{path}:{number} has an open point: issues are for that"


def long_lines(paths):
    for path in paths:
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            if len(line) > LINE_MAX:
                yield f"{path}:{number} has {len(line)} columns"


def over_80(paths):
    lines = [line for path in paths for line in tree.text(path).split("\n")]
    return 100.0 * sum(len(line) > 80 for line in lines) / max(1, len(lines))


def without_licence(paths):
    for path in paths:
        if SPDX not in "".join(tree.text(path).split("\n")[:3]):
            yield path


def comment_ratio(paths):
    """Lines that hold a comment, over lines that hold anything."""
    comment = filled = 0
    for path in paths:
        bare = tree.code(path).split("\n")
        for before, after in zip(tree.text(path).split("\n"), bare):
            filled += bool(before.strip())
            comment += before.rstrip() != after.rstrip()
    return comment / max(1, filled)


def print_figures(paths, found):
    sizes = [tree.text(path).count("\n") for path in paths]
    lengths = [function.length() for function in found]
    depths = [function.depth() for function in found]
    if not lengths:
        return
    print(f"# files {len(paths)}, lines {sum(sizes)}")
    print(
        f"# file lines: median {statistics.median(sizes):.0f},"
        f" p90 {percentile(sizes, 0.9)}, max {max(sizes)}"
    )
    print(
        f"# function lines: median {statistics.median(lengths):.0f},"
        f" p90 {percentile(lengths, 0.9)}, max {max(lengths)};"
        f" over 60: {100 * sum(n > 60 for n in lengths) / len(lengths):.1f} %"
    )
    print(f"# nesting: p90 {percentile(depths, 0.9)}, max {max(depths)}")
    print(f"# comment ratio {comment_ratio(paths):.2f}")
    print(f"# lines over 80 columns: {over_80(paths):.2f} %")


def main():
    tap = Tap()
    paths = tree.files(".c", ".h", ".cc", ".hh")
    library = [p for p in paths if tree.folder(p) in tree.LIBRARY]
    product = [p for p in paths if tree.folder(p) != "tests"]
    found = [function for path in paths for function in functions(path)]
    print_figures(product, [f for f in found if f.path in set(product)])

    tap.case(
        f"no file has more than {FILE_MAX} lines",
        (
            f"{path} has {tree.text(path).count(chr(10))}"
            for path in paths
            if tree.text(path).count("\n") > FILE_MAX
        ),
    )
    tap.case(
        f"no function has more than {FUNCTION_MAX} lines",
        (
            f"{f.where()} has {f.length()}"
            for f in found
            if f.length() > FUNCTION_MAX
        ),
    )
    tap.case(
        f"no function nests more than {DEPTH_MAX} deep",
        (
            f"{f.where()} nests {f.depth()}"
            for f in found
            if f.depth() > DEPTH_MAX
        ),
    )
    tap.case(
        f"no function takes more than {ARGUMENTS_MAX} arguments",
        (
            f"{f.where()} takes {f.arguments()}"
            for f in found
            if f.arguments() > ARGUMENTS_MAX
            and f.name() not in ARGUMENTS_ALLOWED
        ),
    )
    tap.case(f"no line has more than {LINE_MAX} columns", long_lines(paths))
    share = over_80(paths)
    tap.case(
        f"at most {OVER_80_MAX} % of lines have more than 80 columns",
        [f"{share:.2f} %"] if share > OVER_80_MAX else [],
    )
    tap.case("no open point is left in the text", markers(paths))
    tap.case(
        "the library neither prints nor ends the process",
        line_problems(library, STOPS, STOPS_ALLOWED),
    )
    tap.case(
        "the library's memory comes from the engine's allocator",
        line_problems(library, ALLOCATES, ALLOCATES_ALLOWED),
    )
    others = tree.files(".inc", ".py", ".sh", ".S", ".cmake")
    tap.case(
        "every source file names its licence", without_licence(paths + others)
    )
    tap.end()


if __name__ == "__main__":
    main()
