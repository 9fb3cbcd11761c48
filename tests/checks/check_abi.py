#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What programs that were built against the headers rely on, compared with
abi.txt, and abi-NAME.txt for the adapter libxbar-NAME: prototypes of exported
functions, layouts of structures, values of enumerators; of an adapter also what
its library exports, by version. On purpose: check_abi.py --update, and look at
the difference. A line that is new is no harm to anybody; one that changed or
went breaks programs that exist, and asks for another SOVERSION after a
release. Adapters that are not built are left alone."""

import difflib
import os
import platform
import re
import subprocess
import sys
import tempfile
import textwrap

import tree
from tap import Tap

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.join(tree.BUILD, "include")
COMPILER = ["gcc"]  # others describe the same types in other words
SOURCE = "#include <xbar/xbar.h>\n#include <xbar/compat.h>\n"
HEAD = """# The ABI of {}: tests/checks/check_abi.py makes and compares this.
# x86-64. Sizes and offsets are bytes; + n: bit n of a bit field.
"""


def run(*command, **more):
    return subprocess.run(
        command, check=True, capture_output=True, text=True, **more
    ).stdout


# ---- Functions: what is exported, as the preprocessor leaves it ------------

EXPORTED = re.compile(
    r'__attribute__\s*\(\(visibility\("default"\)\)\)\s*([^;{]*?);'
)
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")


def prototypes(source):
    text = run(
        *COMPILER, "-E", "-P", "-x", "c", f"-I{INCLUDE}", "-", input=source
    )
    for found in EXPORTED.finditer(text):
        flat = " ".join(ATTRIBUTE.sub("", found.group(1)).split())
        yield re.sub(r" ([,)])", r"\1", flat)


# ---- Types: what the compiler says of them ----------------------------------

ENTRY = re.compile(r"^ <(\d+)><([0-9a-f]+)>: .*\(DW_TAG_(\w+)\)")
FIELD = re.compile(r"^    <[0-9a-f]+>   DW_AT_(\w+)\s*: (.*?)\s*$")


class Entry:
    """One of debugging information, with those inside of it."""

    def __init__(self, tag):
        self.tag = tag
        self.fields = {}
        self.inside = []

    @property
    def name(self):
        return self.fields.get("name", "").split("): ")[-1]

    def number(self, field, otherwise=None):
        text = self.fields.get(field)
        return otherwise if text is None else int(text.split()[0], 0)


def entries_of(text):
    """By offset."""
    found, stack = {}, []
    for line in text.splitlines():
        entry = ENTRY.match(line)
        if entry:
            depth = int(entry.group(1))
            found[entry.group(2)] = last = Entry(entry.group(3))
            del stack[depth:]
            if stack:
                stack[-1].inside.append(last)
            stack.append(last)
            continue
        field = FIELD.match(line)
        if field and stack:
            stack[-1].fields[field.group(1)] = field.group(2)
    return found


def debugging_information(source):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "abi.o")
        run(
            *COMPILER, "-g", "-gdwarf-4", "-fno-eliminate-unused-debug-types",
            "-c", "-x", "c", f"-I{INCLUDE}", "-", "-o", path, input=source,
        )  # fmt: skip
        return entries_of(run("readelf", "--debug-dump=info", path))


KINDS = {
    "structure_type": "struct",
    "union_type": "union",
    "enumeration_type": "enum",
}
AROUND = {
    "pointer_type": "{} *",
    "const_type": "const {}",
    "volatile_type": "volatile {}",
    "restrict_type": "{}",
}


class Types:
    def __init__(self, source):
        self.entries = debugging_information(source)

    def type_of(self, entry):
        reference = entry.fields.get("type")
        if reference is None:
            return None
        return self.entries[reference.strip("<>").removeprefix("0x")]

    def text(self, entry):
        """A type, as it is written near enough."""
        if entry is None:
            return "void"
        inner = self.type_of(entry)
        if entry.tag in AROUND:
            return AROUND[entry.tag].format(self.text(inner))
        if entry.tag == "array_type":
            counts = "".join(
                f"[{part.number('upper_bound', -1) + 1}]"
                for part in entry.inside
            )
            return self.text(inner) + counts
        if entry.tag == "subroutine_type":
            arguments = ", ".join(
                self.text(self.type_of(part)) for part in entry.inside
                if part.tag == "formal_parameter"
            )  # fmt: skip
            return f"{self.text(inner)} ({arguments})"
        if entry.tag in KINDS:
            return f"{KINDS[entry.tag]} {entry.name}" if entry.name else "{" + (
                "; ".join(self.inside_of(entry))
            ) + "}"
        return entry.name

    def inside_of(self, entry):
        if entry.tag == "enumeration_type":
            for part in entry.inside:
                yield f"{part.name} = {part.number('const_value')}"
            return
        for part in entry.inside:
            if part.tag != "member":
                continue
            at = part.number("data_member_location", 0)
            bit = part.number("data_bit_offset", part.number("bit_offset"))
            place = f"{at}" if bit is None else f"{at} + {bit}"
            yield f"{place}: {self.text(self.type_of(part))} {part.name}"


DECLARED = re.compile(
    r"^(?:typedef )?(?:struct|union|enum) (\w+) \{|^\} (\w+);", re.M
)


def declared():
    """Names of types that the public headers define."""
    for header in tree.public_headers():
        for found in DECLARED.finditer(tree.text(tree.source_of(header))):
            yield found.group(1) or found.group(2)


def layouts(source):
    types = Types(source)
    wanted = set(declared())
    for entry in types.entries.values():
        kind = KINDS.get(entry.tag)
        inner = types.type_of(entry) if entry.tag == "typedef" else None
        if kind is None and inner is not None and not inner.name:
            kind = KINDS.get(inner.tag)  # without a tag
        elif kind is not None:
            inner = entry
        if kind is None or entry.name not in wanted or not inner.inside:
            continue
        size = f" {inner.number('byte_size')}" if kind != "enum" else ""
        yield "\n    ".join(
            [f"{kind} {entry.name}{size}"] + list(types.inside_of(inner))
        )


def wrap(line):
    indent = " " * (8 if line.startswith(" ") else 4)
    return textwrap.fill(
        line, 90, subsequent_indent=indent, drop_whitespace=True,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


class Library:
    """libxbar, or an adapter beside it: what the latter adds."""

    def __init__(self, plug=None):
        self.name = f"libxbar-{plug}" if plug else "libxbar"
        self.list = f"abi-{plug}.txt" if plug else "abi.txt"
        self.is_plug = plug is not None
        more = f"#include <xbar/jit/plug/{plug}.h>\n" if plug else ""
        self.source = SOURCE + more

    def exports(self):
        return tree.exports(os.path.join(tree.BUILD, f"{self.name}.so"))

    def parts(self):
        found = [set(prototypes(self.source)), set(layouts(self.source))]
        if self.is_plug:
            found[0] -= set(prototypes(SOURCE))
            found[1] -= set(layouts(SOURCE))
            found.append(set(self.exports()))
        return found

    def current(self):
        parts = [sorted(part) + [""] for part in self.parts()]
        lines = "\n".join(sum(parts, [])[:-1]).split("\n")
        text = "\n".join(wrap(line) for line in lines)
        return f"{HEAD.format(self.name)}\n{text}\n"

    def path(self):
        return os.path.join(HERE, self.list)

    def update(self):
        with open(self.path(), "w", encoding="utf-8") as file:
            file.write(self.current())

    def difference(self):
        with open(self.path(), encoding="utf-8") as file:
            stored = file.read()
        for line in difflib.unified_diff(
            stored.splitlines(), self.current().splitlines(),
            self.list, "now", "", "", 2,
        ):  # fmt: skip
            yield line.rstrip()


def libraries():
    yield Library()
    for name, _ in tree.plugs():
        yield Library(name)


def main():
    if sys.argv[1:] == ["--update"]:
        for library in libraries():
            library.update()
        return
    tap = Tap()
    for library in libraries():
        if platform.machine() == "x86_64":
            tap.case(
                f"the ABI of {library.name} is what {library.list} says",
                library.difference(),
            )
    tap.end()


if __name__ == "__main__":
    main()
