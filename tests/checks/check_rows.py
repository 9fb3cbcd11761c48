#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The memory API's documentation holds together: each public function is
described where it is declared, with the rows that docs/porting-from-qemu.md
gives it; each test that docs/memory-api.md names is there."""

import re

import tree
from tap import Tap

PORTING = "docs/porting-from-qemu.md"
CONFORMANCE = "docs/memory-api.md"
LAST_ROW = 107
POINTS = 25
QUIRKS = 12

# A comment at the margin, or the name of a function that is declared.
PIECE = re.compile(
    r"^/\*.*?\*/|^(?:XBAR_API|static inline)\b[^;{]*?\b(\w+)\([^;{]*[;{]",
    re.DOTALL | re.MULTILINE,
)
ROWS = re.compile(r"M-(\d+)(?: to M-(\d+))?")
# QEMU's names come from a row, wherever they are declared.
OF_QEMU = re.compile(
    r"^(memory|address_space|flatview|ram_block|ram_discard|qemu_ram|dma|iommu"
    r"|event_notifier|qemu_sglist)_|_(phys|dma|cached)$|^MemoryRegionSection_"
)


def rows_in(text):
    found = set()
    for first, last in ROWS.findall(text):
        found.update(range(int(first), int(last or first) + 1))
    return found


def is_heading(comment):
    return comment.startswith("/* ----")


def functions(path):
    """(name, its own or its group's comment or None, all that holds for it)

    A comment is a function's own, or a pair's; that of a group ("/*", not
    "/**") holds up to the next one; a heading's and the file's rows hold for
    what is below."""
    text = tree.text(path)
    head, heading, group, own, end = "", "", None, None, 0
    for piece in PIECE.finditer(text):
        between = text[end : piece.start()]
        end = piece.end()
        if piece.group(1):
            if "\n\n" in between and text[piece.start() - 3] != "/":
                own = None
            described = own or group
            yield piece.group(1), described, " ".join(
                (head, heading, described or "")
            )
            if piece.group(0).endswith("{"):
                own = None
            continue
        comment = piece.group(0)
        if "SPDX" in comment:
            continue
        if not head:
            head = comment
        elif is_heading(comment):
            heading, group, own = comment, None, None
        elif comment.startswith("/**"):
            group, own = None, comment
        else:
            group, own = comment, None


def headers():
    for name in tree.public_headers():
        path = tree.source_of(name)
        if tree.folder(path) in ("engine", "flatview"):
            yield path


def all_functions():
    return [(p, *found) for p in headers() for found in functions(p)]


def table(path, heading):
    """Cells of the table's lines below @heading."""
    part = tree.text(path).split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for line in part.splitlines():
        if line.startswith("|") and not line.startswith("|-"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def porting_rows():
    """{row: what does it}"""
    return {
        int(cells[0][2:]): cells[2]
        for cells in table(PORTING, "Rows")
        if re.fullmatch(r"M-\d+", cells[0])
    }


def undescribed(found):
    for path, name, comment, _ in found:
        if not comment:
            yield f"{path}: {name} is not described"


def without_row(found):
    for path, name, _, text in found:
        if OF_QEMU.search(name) and not rows_in(text):
            yield f"{path}: {name} does not say which row it is from"


def elsewhere(found):
    """What the table names, and where it is said to belong instead."""
    rows = {name: rows_in(text) for _, name, _, text in found}
    for row, cell in porting_rows().items():
        for name in re.findall(r"`(\w+)`", cell):
            if name in rows and row not in rows[name]:
                yield f"M-{row:02}: {name} says {sorted(rows[name])}"


def unknown_names():
    """Names in the table that no public header has."""
    known = " ".join(
        tree.code(tree.source_of(h)) for h in tree.public_headers()
    )
    for row, cell in porting_rows().items():
        for name in re.findall(r"`([\w.]+)`", cell):
            for part in name.split("."):
                if not re.search(rf"\b{part}\b", known):
                    yield f"M-{row:02}: no public header has {part}"


def missing_rows():
    missing = set(range(1, LAST_ROW + 1)) - set(porting_rows())
    return [f"M-{row:02}" for row in sorted(missing)]


def missing_quirks():
    there = {cells[0] for cells in table(PORTING, "Where QEMU has a quirk")}
    quirks = (f"Q{number}" for number in range(1, QUIRKS + 1))
    return [quirk for quirk in quirks if quirk not in there]


def tests_by_program():
    """{program: names of its functions, without test_}"""
    programs = {}
    for path in tree.files(".c"):
        name = re.fullmatch(r"tests/.*/(test_\w+)\.c", path)
        if name:
            prefix = "compat_" if "/compat/" in path else ""
            names = set(re.findall(r"^static void (\w+)\(", tree.code(path),
                                   re.MULTILINE))
            names |= {n.removeprefix("test_") for n in names}
            programs[prefix + name.group(1)] = names
    return programs


def missing_tests():
    """Programs, and cases behind a colon, that are not there."""
    programs = tests_by_program()
    points = set()
    for number, _, tests in table(CONFORMANCE, "Conformance"):
        points.add(number)
        for name, cases in re.findall(r"`(\w+)`(?:: ([\w, ]+))?", tests):
            if name not in programs:
                yield f"point {number}: there is no {name}"
                continue
            for case in re.split(", ", cases) if cases else []:
                if case not in programs[name]:
                    yield f"point {number}: {name} has no {case}"
    for number in range(1, POINTS + 1):
        if str(number) not in points:
            yield f"point {number} is not in the table"


def main():
    tap = Tap()
    found = all_functions()
    tap.case("each public function is described", undescribed(found))
    tap.case("what has QEMU's name says from which row", without_row(found))
    tap.case("each row is in the porting guide", missing_rows())
    tap.case("its names are public", unknown_names())
    tap.case("declarations agree with it", elsewhere(found))
    tap.case("each quirk is in the porting guide", missing_quirks())
    tap.case("each test of the conformance table exists", missing_tests())
    tap.end()


if __name__ == "__main__":
    main()
