#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What libxbar.so and the adapters beside it show, need and keep: exported names,
dependencies, what an embedder would notice, TLS, relocations, and writable
statics."""

import os
import re
import subprocess

import tree
from tap import Tap

LIBRARY = os.environ.get("XBAR_LIBRARY") or os.path.join(
    tree.BUILD, "libxbar.so"
)
EXPORTS = re.compile(
    r"^(xbar|memory|address_space|flatview|tlb|dma|iommu|ram|object|error)_"
)
NEEDED = re.compile(
    r"^(liburcu-(bp|common)|libc|libm|libpthread|libdl|libgcc_s|librt"
    r"|ld-linux[-\w]*|linux-vdso)\.so"
)
TLS_LIMIT = 256  # bytes: static TLS is scarce in programs that dlopen


def output(*command):
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout


def exports(library=LIBRARY):
    for name in tree.exports(library):
        yield name.split("@")[0]


def foreign_exports():
    for name in exports():
        if not EXPORTS.match(name):
            yield name


def undeclared_exports():
    """A symbol that no public header declares is exported by accident."""
    declared = " ".join(
        tree.text(tree.source_of(n)) for n in tree.public_headers()
    )
    for name in exports():
        if not re.search(rf"\b{re.escape(name)}\b", declared):
            yield name


def foreign_dependencies():
    for line in output("ldd", LIBRARY).splitlines():
        name = os.path.basename(line.split()[0])
        if not NEEDED.match(name):
            yield name


# ---- Adapters ----------------------------------------------------------------

# What an adapter links beside libxbar and its engine, which has its name.
PLUG_NEEDED = re.compile(
    r"^lib(xbar|urcu-bp|c|m|stdc\+\+|gcc_s|pthread)\.so|^ld-linux"
)


def plug_of(path):
    """unicorn: of jit/plug/unicorn_map.c."""
    return re.match(r"[a-z0-9]+", os.path.basename(path)).group(0)


def plugs():
    """(name, library, header) of each that is built."""
    for name, header in tree.plugs():
        library = os.path.join(tree.BUILD, f"libxbar-{name}.so")
        yield name, library, tree.source_of(header)


def misplaced_exports(name, library, header):
    declared = set(
        re.findall(r"XBAR_API[^;(]*?(\w+)\s*\(", tree.code(header))
    )
    exported = set(exports(library))
    for symbol in sorted(exported - declared):
        yield f"{symbol} is exported, but {header} does not declare it"
    for symbol in sorted(declared - exported):
        yield f"{header} declares {symbol}, which is not exported"
    for symbol in sorted(exported):
        if not symbol.startswith(f"xbar_{name}_"):
            yield f"{symbol} has not the adapter's prefix"


def foreign_needs(name, library):
    found = output("readelf", "-dW", library)
    for needed in re.findall(r"NEEDED.*\[(.*)\]", found):
        if not PLUG_NEEDED.match(needed) and not needed.startswith(f"lib{name}"):
            yield needed


# What an embedder would notice: threads, signals, output, the process's end.
NOTICED = re.compile(
    r"^(pthread_(create|kill|sigmask|atfork)|thrd_create|clone\d?|v?fork|daemon"
    r"|execv?\w*|system|popen|posix_spawnp?"
    r"|(sys|bsd_)?signal|sig(action|procmask|altstack|set\w*)|raise|kill"
    r"|alarm|setitimer|timer_create|atexit|on_exit|__cxa_atexit"
    r"|_?exit|_Exit|quick_exit|abort|__assert_fail|stdout|stderr|stdin"
    r"|v?f?printf|puts|fputs|putchar|fputc|putc|fwrite|perror|v?syslog"
    r"|getenv|setenv|setlocale|set\w*uid|setrlimit|mlockall)$"
)
# A failed assert says why; a dump writes into its caller's FILE.
NOTICED_ALLOWED = {
    "engine/check.c": {"abort", "fprintf", "stderr"},
    "flatview/dump.c": {"fprintf", "fputc", "fputs", "fwrite"},
    "flatview/dump_info.c": {"fprintf", "fputc", "fputs", "fwrite"},
}


def noticed_imports():
    for path, source in library_objects():
        allowed = NOTICED_ALLOWED.get(source, set())
        for line in output("nm", "-u", path).splitlines():
            name = line.split()[-1].split("@")[0]
            if NOTICED.match(name) and name not in allowed:
                yield f"{source} uses {name}"


def large_tls():
    for line in output("readelf", "-lW", LIBRARY).splitlines():
        words = line.split()
        if words and words[0] == "TLS":
            size = int(words[5], 16)
            if size > TLS_LIMIT:
                yield f"{size} bytes, of at most {TLS_LIMIT}"


def text_relocations():
    return re.findall(r"TEXTREL", output("readelf", "-dW", LIBRARY))


def read_allowed():
    """statics.allow: "symbol  reason" lines."""
    path = os.path.join(os.path.dirname(__file__), "statics.allow")
    with open(path, encoding="utf-8") as file:
        lines = [line.split("#")[0].split(None, 1) for line in file]
    return {words[0]: words[1].strip() for words in lines if len(words) == 2}


def library_objects():
    """(object, its source) of all that the libraries are made of."""
    for path in tree.compile_commands():
        folder, target = tree.folder(path), tree.folder(path)
        if folder not in tree.LIBRARY:
            continue
        if path.startswith("jit/plug/"):
            folder = "jit/plug"
            target = f"libxbar-{plug_of(path)}"
        inside = path[len(folder) + 1 :] + ".o"
        yield os.path.join(
            tree.BUILD, folder, "CMakeFiles", f"{target}.dir", inside
        ), path


def writable(section):
    """Constant tables with pointers live in .data.rel.ro: those are fine."""
    return section.startswith(
        (".data", ".bss", ".tdata", ".tbss", "*COM*")
    ) and not section.startswith(".data.rel.ro")


# "<value> <7 flags> <section> <size> <name>"
SYMBOL = re.compile(
    r"^[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)"
)


def writable_statics():
    """(symbol, object) of all variables that can change."""
    for path, _ in library_objects():
        for line in output("objdump", "-twC", path).splitlines():
            found = SYMBOL.match(line)
            if not found or not int(found.group(3), 16):
                continue
            if found.group(4).startswith("DW.ref."):
                continue  # where C++ finds its unwinder
            if "d" not in found.group(1) and writable(found.group(2)):
                name = found.group(4).split("::")[-1].split(".")[0]
                yield name, os.path.relpath(path, tree.BUILD)


def main():
    tap = Tap()
    tap.case("exported names have our prefixes", foreign_exports())
    tap.case("exported names are declared in public", undeclared_exports())
    tap.case("liburcu is the only dependency", foreign_dependencies())
    for name, library, header in plugs():
        tap.case(
            f"libxbar-{name} exports what its header declares",
            misplaced_exports(name, library, header),
        )
        tap.case(
            f"libxbar-{name} needs libxbar and its engine only",
            foreign_needs(name, library),
        )
    tap.case("no thread, signal, output or end of its own", noticed_imports())
    tap.case(f"thread-local data is under {TLS_LIMIT} bytes", large_tls())
    tap.case("no text relocations", text_relocations())
    allowed = read_allowed()
    found = list(writable_statics())
    tap.case(
        "no machine state in statics",
        (f"{name} in {path}" for name, path in found if name not in allowed),
    )
    tap.case(
        "the list of allowed statics is current",
        sorted(set(allowed) - {name for name, _ in found}),
    )
    tap.end()


if __name__ == "__main__":
    main()
