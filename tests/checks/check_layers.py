#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Includes go one way: engine <- flatview <- tlb <- jit <- jit/riscv.

The program, the benchmarks and the examples see the public headers alone. A
header whose name ends in _internal.h (or .hh) stays in its folder, and below.
"""

import os
import re

import tree
from tap import Tap

# From left to right; those in one row do not know each other. A sub-folder is a
# part of its folder, whose sources ("*.c"), which tie the parts together, are to
# its right, and whose headers ("*.h") to its left, unless it needs none of them.
ORDER = (
    ("engine",),
    ("flatview/index",),
    ("flatview/*.h",),
    ("flatview/access", "flatview/render"),
    ("flatview/*.c",),
    ("tlb",),
    ("jit",),
    ("jit/plug", "jit/riscv/fp", "jit/x86_64"),
    ("jit/riscv/*.h",),
    ("jit/riscv/interp", "jit/riscv/translate"),
    ("jit/riscv/region",),
    ("jit/riscv/*.c",),
)
RANK = {name: rank for rank, row in enumerate(ORDER) for name in row}

# What jit/ has beside the host: clients of it, and strangers to each other.
TRANSLATORS = ("jit/plug", "jit/riscv")
CLIENTS = ("xbar", "bench", "docs")  # see what is installed, nothing else
SOURCES = (".c", ".cc")
HOST = "jit/x86_64/"
OPTIONAL = re.compile(
    r"^(capstone|mimalloc|libfdt|libelf|gelf|zstd|jansson|cmocka|benchmark)"
)


# Headers for the top of include/, which lead to others.
UMBRELLAS = ("engine/xbar.h", "engine/instrument.h")


def layer(path):
    """The folder a file counts as; a translator is one of its own."""
    two = "/".join(path.split("/")[:2])
    return two if two in TRANSLATORS else tree.folder(path)


def place(path):
    """Where a file stands in ORDER, or None."""
    folder = os.path.dirname(path)
    kind = "*.c" if path.endswith(SOURCES) else "*.h"
    for name in (folder, f"{folder}/{kind}"):
        if name in RANK:
            return name
    return None


def reaches(path, target):
    """May a file include one that stands elsewhere?"""
    if layer(path) != layer(target) and layer(target) in TRANSLATORS:
        return False
    if layer(path) in TRANSLATORS and target.startswith(HOST):
        return False
    return RANK[place(target)] < RANK[place(path)]


def own_includes(path):
    """Files of ours that @path includes with quotes."""
    for bracket, name in tree.includes(path):
        target = tree.resolve(path, name)
        if bracket == '"' and target:
            yield target


def public_sources():
    """Public headers by their place in the tree."""
    names = [name.removeprefix("xbar/") for name in tree.public_headers()]
    return {n if "/" in n else "engine/" + n for n in names}


def order_problems(paths):
    for path in paths:
        here = place(path)
        if here is None or path in UMBRELLAS:
            continue
        for target in own_includes(path):
            if place(target) is None:
                yield f"{path} includes {target}"
            elif place(target) != here and not reaches(path, target):
                yield f"{path} includes {target}, which is not to its left"


def place_problems(paths):
    """All of the library stands in ORDER, and nothing else does."""
    library = [path for path in paths if tree.folder(path) in tree.LIBRARY]
    for path in library:
        if place(path) is None:
            yield f"{path} stands nowhere"
    for name in sorted(set(RANK) - {place(path) for path in library}):
        yield f"{name} is not there"


def is_below(path, target):
    """Is a file in the folder of another, or in a part of that?"""
    return layer(target) == layer(path) and path.startswith(
        os.path.dirname(target) + "/"
    )


def private_problems(paths):
    for path in paths:
        for target in own_includes(path):
            private = target.endswith(("_internal.h", "_internal.hh"))
            if private and not is_below(path, target):
                if tree.folder(path) != "tests":
                    yield f"{path} includes {target}"


def foreign_problems(paths, public):
    """jit/riscv is a client of the TLB like any other translator."""
    for path in paths:
        if not path.startswith("jit/riscv/"):
            continue
        for target in own_includes(path):
            if layer(target) == "tlb" and target not in public:
                yield f"{path} includes {target}, which is not public"


def public_problems(public):
    """What an installed header includes has to be installed, too."""
    for path in sorted(public):
        for target in own_includes(path):
            if target not in public:
                yield f"{path} includes {target}, which is not public"


def client_problems(paths):
    for path in paths:
        if tree.folder(path) not in CLIENTS:
            continue
        for target in own_includes(path):
            if tree.folder(target) in tree.LIBRARY:
                yield f"{path} includes {target}, not <xbar/...>"


def own_first_problems(paths):
    for path in paths:
        stem, suffix = os.path.splitext(path)
        header = stem + ".h"
        if suffix not in SOURCES or header not in paths:
            continue
        if path.startswith("tests/compat/models/"):
            continue  # their include lines are QEMU's: osdep.h first
        first = next(iter(tree.includes(path)), None)
        if first is None or tree.resolve(path, first[1]) != header:
            yield f"{path} does not include {header} first"


def after_own(path):
    """The brackets of a file's includes after its own headers: the public
    one, then perhaps the private one of the same name."""
    found = tree.plain_includes(path)
    stem, suffix = os.path.splitext(path)
    if suffix in SOURCES:
        own = (stem + ".h", stem + "_internal.h", stem + "_internal.hh")
        found = found[1:]
        if found and tree.resolve(path, found[0][1]) in own:
            found = found[1:]
    return [bracket for bracket, _ in found]


def group_problems(paths):
    """After the own header: the C library's, then ours."""
    for path in paths:
        if tree.folder(path) not in tree.LIBRARY:
            continue
        brackets = after_own(path)
        if brackets != sorted(brackets, key='<"'.index):
            yield f"{path} includes <...> after one of ours"


def source_problems(paths):
    for path in paths:
        for _, name in tree.includes(path):
            if name.endswith((".c", ".cc", ".cpp")):
                yield f"{path} includes {name}"


def dependency_problems(paths):
    """liburcu behind one header; nothing that only the program may need."""
    for path in paths:
        if tree.folder(path) not in tree.LIBRARY:
            continue
        for bracket, name in tree.includes(path):
            if bracket == "<" and OPTIONAL.match(name):
                yield f"{path} includes <{name}>"
            if name.startswith("urcu") and path != "engine/rcu.h":
                yield f"{path} includes <{name}>; engine/rcu.h is for that"


def cycles(paths):
    """Each include cycle once, as the files on it."""
    state, stack, found = {}, [], []

    def visit(path):
        state[path] = "open"
        stack.append(path)
        for target in own_includes(path):
            if state.get(target) == "open":
                found.append(stack[stack.index(target) :] + [target])
            elif target not in state:
                visit(target)
        state[path] = "done"
        stack.pop()

    for path in paths:
        if path not in state:
            visit(path)
    return [" -> ".join(cycle) for cycle in found]


def unknown_headers(paths, public):
    for path in sorted(public - set(paths)):
        yield f"{path} is installed but not there"


def main():
    tap = Tap()
    paths = tree.files(".c", ".h", ".inc", ".cc", ".hh")
    public = public_sources()
    tap.case("includes go left only", order_problems(paths))
    tap.case("each folder has its place", place_problems(paths))
    tap.case("private headers stay in their folder", private_problems(paths))
    tap.case(
        "jit/riscv uses the TLB as a foreign translator would",
        foreign_problems(paths, public),
    )
    tap.case("public headers include public ones", public_problems(public))
    tap.case("clients use public headers alone", client_problems(paths))
    tap.case("the own header comes first", own_first_problems(paths))
    tap.case("include groups are in order", group_problems(paths))
    tap.case("no source file is included", source_problems(paths))
    tap.case("dependencies stay in their place", dependency_problems(paths))
    tap.case("no include cycle", cycles(paths))
    tap.case("public headers exist", unknown_headers(paths, public))
    tap.end()


if __name__ == "__main__":
    main()
