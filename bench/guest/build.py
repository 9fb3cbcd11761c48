# SPDX-License-Identifier: MIT
"""The programs of programs.toml, their hash, and how they are built."""

import functools
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
CROSS = "riscv64-linux-gnu-"
NATIVE_CC = os.environ.get("CC", "gcc")

# Both sides compute the same bits: no contraction behind the source's back.
# And a copy loop is a copy loop, not a call of memcpy().
SAME = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-ffp-contract=off",
        "-fno-tree-loop-distribute-patterns", "-fno-math-errno",
        "-fno-stack-protector"]
CROSS_FLAGS = ["-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany",
               "-ffreestanding", "-fno-pic", "-fno-pie"]
LINK_FLAGS = ["-nostdlib", "-static",
              "-Wl,--build-id=none,--no-warn-rwx-segments,-z,norelro"]
NATIVE_FLAGS = ["-march=native"]

# crt.S: where the two words of the header lie.
HEADER_ROUNDS = 8
QUICK_ROUNDS = 2
MODE_NAMES = {"m": "bare", "s": "sv39"}


class BuildError(Exception):
    """What the compiler said."""


class Program:
    """A row of programs.toml."""

    def __init__(self, group, name, row):
        self.group = group
        self.name = name  # group/name is the program's full name
        self.rounds = row.pop("rounds")
        self.checksum = row.pop("checksum", 1)
        self.modes = row.pop("modes", "ms")
        self.native = row.pop("native", False)
        self.count = row.pop("count")
        self.unit = row.pop("unit")
        self.generated = row.pop("generated", None)
        self.passes = row.pop("passes", 1)
        if row:
            raise BuildError(f"programs.toml: {group}.{name}: {sorted(row)}?")

    def source(self):
        if self.generated:
            return HERE / self.group / "driver.c"
        for suffix in (".c", ".S"):
            path = HERE / self.group / (self.name + suffix)
            if path.exists():
                return path
        raise BuildError(f"{self.group}/{self.name} has no source")


def load_programs():
    with open(HERE / "programs.toml", "rb") as file:
        groups = tomllib.load(file)
    return [Program(group, name, dict(row))
            for group, rows in groups.items() for name, row in rows.items()]


@functools.cache
def frozen_hash():
    """SHA-256 over names and contents of all that makes the programs."""
    digest = hashlib.sha256()
    for path in sorted(HERE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            name = str(path.relative_to(HERE)).encode()
            data = path.read_bytes()
            digest.update(struct.pack("<QQ", len(name), len(data)))
            digest.update(name + data)
    return digest.hexdigest()


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False,
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(map(str, command))}\n{done.stderr}")


def build_generated(shape, into):
    """The object of cold/generate.py's code; gets its path."""
    source = into / f"cold-{shape}.S"
    path = into / f"cold-{shape}.o"
    run([sys.executable, HERE / "cold" / "generate.py", shape, source])
    run([CROSS + "gcc", *CROSS_FLAGS, "-c", source, "-o", path])
    return path


def build_image(program, mode, objects, into):
    """A raw image for 0x80000000; gets its path."""
    stem = into / f"{program.group}-{program.name}-{mode}"
    elf = stem.with_suffix(".elf")
    defines = [f"-DROUNDS={program.rounds}", f"-DEXPECTED={program.checksum}",
               f"-DPASSES={program.passes}"]
    if mode == "sv39":
        defines.append("-DMODE_S")
    run([CROSS + "gcc", *SAME, *CROSS_FLAGS, *LINK_FLAGS, *defines,
         f"-I{HERE}", "-T", HERE / "guest.ld", HERE / "crt.S", HERE / "runtime.c",
         program.source(), *objects, "-o", elf])
    image = stem.with_suffix(".bin")
    run([CROSS + "objcopy", "-O", "binary", elf, image])
    return image


def build_native(program, into):
    path = into / f"{program.group}-{program.name}-native"
    run([NATIVE_CC, *SAME, *NATIVE_FLAGS, f"-DEXPECTED={program.checksum}u",
         f"-I{HERE}", HERE / "native.c", program.source(), "-o", path, "-lm"])
    return path


def with_rounds(image, rounds):
    """The image's bytes with another number of rounds in its header."""
    data = bytearray(image.read_bytes())
    struct.pack_into("<Q", data, HEADER_ROUNDS, rounds)
    return data


def build_once(path, make):
    """@path, by @make(scratch folder) unless it is there already.

    Appears at once and whole: several runs may build at the same time.
    """
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=path.parent) as name:
            os.replace(make(Path(name)), path)
    return path


def build_all(wanted, into):
    """{(program, "bare" | "sv39" | "native"): path} of {program: modes}."""
    into = into / frozen_hash()[:16]
    into.mkdir(parents=True, exist_ok=True)
    jobs = []
    for program, modes in wanted.items():
        jobs += [(program, mode) for mode in modes]
        if program.native:
            jobs.append((program, "native"))

    def object_of(shape):
        return build_once(into / f"cold-{shape}.o",
                          lambda scratch: build_generated(shape, scratch))

    def one(job):
        program, kind = job
        stem = f"{program.group}-{program.name}-{kind}"
        if kind == "native":
            return build_once(into / stem,
                              lambda scratch: build_native(program, scratch))
        objects = [into / f"cold-{program.generated}.o"] * bool(
            program.generated)
        return build_once(
            into / f"{stem}.bin",
            lambda scratch: build_image(program, kind, objects, scratch))

    shapes = {program.generated for program in wanted if program.generated}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(object_of, sorted(shapes)))
        return dict(zip(jobs, pool.map(one, jobs)))
