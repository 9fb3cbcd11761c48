# SPDX-License-Identifier: MIT
"""Whatever is wrong with the command line or a file: status 2, one line on
stderr that names it and says why, nothing on stdout, nothing written."""

import os
import random
import struct
import subprocess

import noexec
from asm import (FINISHER, T0, T1, UART, ZERO, andi, beq, finish, lbu, li,
                 sw)
from guestio import (XBAR, Terminal, check, check_equal, has_libslirp,
                     in_folder, main, need, put, run)

LOAD = 1  # PT_LOAD


def elf(machine=243, bits=2, order=1, kind=2, entry=0x80000000, segments=(),
        phoff=64, phnum=None):
    """An ELF file; a segment is (type, offset, paddr, filesz, memsz)."""
    ident = b"\x7fELF" + bytes([bits, order, 1]) + bytes(9)
    count = len(segments) if phnum is None else phnum
    header = ident + struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, entry,
                                 phoff, 0, 0, 64, 56, count, 0, 0, 0)
    table = b"".join(
        struct.pack("<IIQQQQQQ", t, 7, off, addr, addr, filesz, memsz, 8)
        for t, off, addr, filesz, memsz in segments)
    return header + table + bytes(256)


def segment(offset=64, paddr=0x80000000, filesz=64, memsz=64):
    return (LOAD, offset, paddr, filesz, memsz)


# name, bytes, what the line must say beside the file's name
BAD_FILES = [
    ("empty", b"", "empty"),
    ("magic-only", b"\x7fELF", "truncated"),
    ("header-cut", elf(segments=[segment()])[:40], "truncated"),
    ("table-cut", elf(segments=[segment()] * 3)[:100], "truncated"),
    ("table-beyond", elf(phoff=1 << 40, phnum=1), "truncated"),
    ("table-wraps", elf(phoff=(1 << 64) - 8, phnum=1), "truncated"),
    ("x86", elf(machine=62, segments=[segment()]), "another machine"),
    ("elf32", elf(bits=1, segments=[segment()]), "64-bit"),
    ("big-endian", elf(order=2, segments=[segment()]), "little-endian"),
    ("object", elf(kind=1, segments=[segment()]), "not executable"),
    ("core", elf(kind=4, segments=[segment()]), "not executable"),
    ("nothing", elf(), "nothing to load"),
    ("below-ram", elf(segments=[segment(paddr=0x1000)]), "outside RAM"),
    ("above-ram", elf(segments=[segment(paddr=0xa0000000)]), "outside RAM"),
    ("across-end", elf(segments=[segment(paddr=0x9fffffe0)]), "outside RAM"),
    ("addr-wraps", elf(segments=[segment(paddr=(1 << 64) - 16)]),
     "outside RAM"),
    ("memsz-huge", elf(segments=[segment(memsz=(1 << 64) - 1)]),
     "larger than RAM"),
    ("file-over-mem", elf(segments=[segment(filesz=64, memsz=32)]),
     "more than its size"),
    ("data-beyond", elf(segments=[segment(offset=1 << 30)]), "truncated"),
    ("data-cut", elf(segments=[segment(offset=300, filesz=4096, memsz=4096)]),
     "truncated"),
    ("offset-wraps", elf(segments=[segment(offset=(1 << 64) - 32)]),
     "truncated"),
    ("many", elf(segments=[segment(paddr=0x80000000 + 4096 * i)
                           for i in range(40)]), "segments"),
]

BAD_SIZES = ["0", "", "-1", "+1", " 1", "x", "1X", "1MM", "0x10", "1.5G", "1T",
             "1K", "99999999999999999999", "18446744073709551615G",
             "70000000G", "65535G"]

# arguments, what the line must say
BAD_LINES = [
    ([], "no command"),
    (["fly"], "fly: no such command"),
    (["trace", "--kernel", "k"], "--bios"),
    (["trace", "-o", "/nowhere/at/all"], "/nowhere/at/all: No such file"),
    (["trace", "-o", "/dev/full"], "/dev/full: No space left"),
    (["trace", "-o", "/"], "/: Is a directory"),
    (["trace", "-o", "-"], "--output -: standard output is the guest's"),
    (["profile", "-o", "-"], "--output -: standard output is the guest's"),
    (["trace", "--json"], "--json: not an option of trace"),
    (["replay"], "the trace is missing"),
    (["replay", "missing"], "missing: No such file"),
    (["replay", "/dev/null"], "/dev/null: not a trace"),
    (["replay", "/bin/sh"], "/bin/sh: not a trace"),
    (["replay", "x", "y"], "y: not expected here (see xbar replay --help"),
    (["replay", "--bios", "x"], "not an option of replay"),
    (["replay", "--"], "the trace is missing"),
    (["replay", "--", "--missing"], "xbar: --missing: No such file"),
    (["replay", "--", "x", "--json"], "--json: not expected here"),
    (["replay", "missing", "--json"], "missing: No such file"),
    (["run"], "--bios"),
    (["profile", "--kernel", "k"], "--bios"),
    (["run", "--bios"], "--bios: needs a value"),
    (["run", "--bios="], "--bios: needs a value"),
    (["run", "--biios", "x"], "--biios: unknown option"),
    (["run", "-bios", "x"], "two dashes"),
    (["run", "-z"], "-z: unknown option"),
    (["run", "--deterministic=1"], "takes no value"),
    (["run", "stray"], "stray: not expected here (a guest is named by --bios"),
    (["profile", "stray"], "stray: not expected here (a guest is named by"),
    (["mtree", "stray"], "stray: not expected here (see xbar mtree "),
    (["run", "--json"], "--json: not an option of run"),
    (["mtree", "--bios", "x"], "not an option of mtree"),
    (["mtree", "--json", "--dot"], "choose one"),
    (["mtree", "--json", "--flat"], "go without"),
    (["run", "--flat"], "--flat: not an option of run"),
    (["mtree", "--dtb", "missing"], "missing"),
    (["mtree", "--dtb", "/dev/null"], "/dev/null"),
    (["run", "--smp", "0"], "--smp 0"),
    (["run", "--smp", "2"], "--smp 2: more than 1"),
    (["run", "--smp", "x"], "--smp x"),
    (["run", "--smp", "-1"], "--smp -1"),
    (["run", "--smp", "99999999999999999999"], "not supported yet"),
    (["run", "--code-limit", "0"], "--code-limit 0: not a size"),
    (["run", "--code-limit", "2G"], "--code-limit 2G: not a size"),
    (["run", "--host-cpu", "386"], "--host-cpu 386: no such CPU"),
    (["run", "--log", "all"], "--log all: not a list of guest_errors"),
    (["run", "--log", "unimp,"], "--log unimp,: not a list"),
    (["run", "--engine", "warp"], "--engine warp: no such engine"),
    (["run", "--drive", "x"], "--drive: x: no such setting (try file=, "),
    (["run", "--drive", "format=raw"], "--drive: file=FILE is missing"),
    (["run", "--drive", "file=x,format=qcow2"], "format=qcow2: only raw"),
    (["run", "--drive", "file=x,readonly=maybe"], "readonly=maybe: on or off"),
    (["run", "--drive", "file=,format=raw"], "file=: needs a value"),
    (["run", "--drive", "file=x,,y,z"], "--drive: z: no such setting"),
    (["run", "--netdev", "tap"], "type=tap: only user networks"),
    (["run", "--netdev", "user,tftp=/nowhere"], "tftp=/nowhere: no such folder"),
    (["run", "--netdev", "user,tftp=/dev/null"], "/dev/null: no such folder"),
    (["run", "--netdev", "id=x"], "--netdev: the type is missing"),
    (["run", "--netdev", "user,x=1"], "--netdev: x: no such setting (try type=, "
                                      "id=, hostfwd=, restrict=, net=, host=, "
                                      "dhcpstart=, dns=, tftp=, bootfile=)"),
    (["run", "--device", "x"], "--device x: no such device"),
    (["run"] + ["--device", "virtconsole"] * 2, "virtconsole: given twice"),
    (["run"] + ["--device", "virtio-rng-device"] * 2, "given twice, and there "
                                                      "is but one"),
    (["help", "fly"], "fly: no such command"),
    (["mtree", "--fly"], "--fly: unknown option (see xbar mtree --help)"),
    (["run"] + ["--drive", "file=x"] * 9, "--drive: more than 8"),
    (["run", "--gdb", "x"], "--bios"),
    (["run", "--gdb-wait"], "--gdb-wait: nobody can connect without --gdb"),
    (["profile", "--gdb", "1"], "--gdb: not an option of profile"),
]


def expect_refusal(arguments, *words, **kwargs):
    result = run(arguments, **kwargs)
    what = "xbar " + " ".join(arguments)
    lines = [line for line in result.stderr.decode().splitlines()
             if "built without liburing" not in line]  # as each drive says
    check_equal(result.returncode, 2, what + ", status")
    check_equal(result.stdout, b"", what + ", stdout")
    check(len(lines) == 1 and lines[0].startswith("xbar: "),
          f"{what}: not one line: {lines}")
    for word in words:
        check(word in lines[0], f"{what}: {word!r} is not in {lines[0]!r}")


@in_folder
def test_command_lines(folder):
    """Wrong command lines are refused"""
    for arguments, word in BAD_LINES:
        expect_refusal(arguments, word, cwd=folder)
    check_equal(os.listdir(folder), [], "files written")


@in_folder
def test_sizes(folder):
    """Impossible sizes of memory are refused, and named"""
    bios = put(folder, "bios", bytes(64))
    for size in BAD_SIZES:
        expect_refusal(["run", "--bios", bios, "--memory", size],
                       "--memory", *([size] if size in BAD_SIZES[2:9] else []))
    check_equal(os.listdir(folder), ["bios"], "files written")


@in_folder
def test_files(folder):
    """Bad firmware files are refused, named, with the reason"""
    for name, content, reason in BAD_FILES:
        path = put(folder, name, content)
        expect_refusal(["run", "--bios", path, "-m", "512M"], path, reason)


@in_folder
def test_good_file(folder):
    """The same ELF without a fault is accepted"""
    path = put(folder, "good", elf(segments=[segment()]))
    tree = os.path.join(folder, "tree")
    result = run(["run", "--bios", path, "--dump-dtb", tree])
    check_equal(result.returncode, 0, "status")
    check(os.path.getsize(tree) > 500, "a device tree was written")


@in_folder
def test_places(folder):
    """What cannot be read, or is no file, is named with the reason"""
    missing = os.path.join(folder, "missing")
    bios = put(folder, "bios", bytes(64))
    for option in ("--bios", "--kernel", "--initrd", "--dtb"):
        first = ["run"] if option == "--bios" else ["run", "--bios", bios]
        expect_refusal(first + [option, missing], missing, "No such file")
        expect_refusal(first + [option, folder], folder, "Is a directory")
    expect_refusal(["run", "--bios", bios, "--dump-dtb",
                    os.path.join(missing, "x")], missing, "No such file")
    expect_refusal(["profile", "--bios", bios, "-o", bios], bios)
    expect_refusal(["profile", "--bios", bios, "-o", bios + "/x"], bios)
    check_equal(os.listdir(folder), ["bios"], "files written")


@in_folder
def test_room(folder):
    """Images that do not fit into RAM, or not beside one another"""
    small = put(folder, "small", bytes(4096))
    large = put(folder, "large", bytes(3 << 20))
    expect_refusal(["run", "--bios", large, "-m", "2"], large, "larger than")
    expect_refusal(["run", "--bios", "/dev/zero", "-m", "2"],
                   "/dev/zero: larger than 258 MiB")
    sparse = os.path.join(folder, "sparse")
    with open(sparse, "wb") as file:
        file.truncate(17 << 20)
    expect_refusal(["mtree", "--dtb", sparse], "sparse: larger than 16 MiB")
    expect_refusal(["run", "--bios", small, "--dtb", sparse],
                   "sparse: larger than 16 MiB")
    os.truncate(sparse, 300 << 20)
    expect_refusal(["run", "--bios", sparse, "-m", "2"],
                   "sparse: larger than 258 MiB")
    # The kernel's place lies inside the firmware, or past the end of RAM.
    expect_refusal(["run", "--bios", large, "--kernel", small], small,
                   "overlaps", large)
    expect_refusal(["run", "--bios", small, "--kernel", small, "-m", "2"],
                   small, "outside RAM")
    expect_refusal(["run", "--bios", small, "--initrd", small, "-m", "2"],
                   small, "outside RAM")
    expect_refusal(["run", "--bios", small, "-m", "4K"], small, "no room")


def linux(size, image_size=None, flags=0):
    """What starts as a Linux kernel does, @size bytes of it."""
    header = struct.pack("<QQQQ", 0, 0x200000, image_size or size, flags)
    return (header + bytes(24) + b"RSC\5").ljust(size, b"\0")


# name, bytes, what the line must say beside the file's name
BAD_KERNELS = [
    ("gzip", b"\x1f\x8b\x08" + bytes(100), "packed (gzip)"),
    ("xz", b"\xfd7zXZ\0" + bytes(100), "packed (xz)"),
    ("zstd", b"\x28\xb5\x2f\xfd" + bytes(100), "packed (zstd)"),
    ("zimg", b"MZ\0\0zimg" + bytes(100), "packed (an EFI program)"),
    ("big-endian", linux(4096, flags=1), "big-endian"),
    ("says-less", linux(8192, image_size=4096), "damaged"),
    ("says-all", linux(8192, image_size=(1 << 64) - 1), "larger than RAM"),
    ("says-much", linux(8192, image_size=0x1f000000), "outside RAM"),
]


@in_folder
def test_kernels(folder):
    """Kernels that could only hang are refused, with the reason"""
    bios = put(folder, "bios", elf(segments=[segment()]))
    for name, data, reason in BAD_KERNELS:
        kernel = put(folder, name, data)
        expect_refusal(["run", "--bios", bios, "--kernel", kernel, "-m", "496"],
                kernel, reason)
    # What a kernel uses behind its file is its own.
    kernel = put(folder, "kernel", linux(4096, image_size=0xc000000))
    initrd = put(folder, "initrd", b"x")
    expect_refusal(["run", "--bios", bios, "--kernel", kernel, "--initrd", initrd],
            initrd, "overlaps")


@in_folder
def test_reset_without_file(folder):
    """A reset loads the files anew: one that was cut since ends the run"""
    guest = (li(T0, UART) + lbu(T1, 5, T0) + andi(T1, T1, 1)
             + beq(T1, ZERO, -8)  # until a key is there
             + li(T0, FINISHER) + li(T1, 0x7777) + sw(T1, 0, T0))
    bios = put(folder, "bios", guest)
    with Terminal([XBAR, "run", "--bios", bios]) as terminal:
        terminal.wait_until(terminal.is_raw, "it runs")
        os.truncate(bios, 8)
        terminal.send("x")
        check_equal(terminal.wait_exit(), 2, "status")
        check(f"xbar: {bios}: cannot be read any more" in terminal.rest(),
              terminal.rest())
        check(terminal.is_restored(), "the terminal is as before")


@in_folder
def test_trees(folder):
    """What is no device tree is refused"""
    bios = put(folder, "bios", bytes(64))
    tree = os.path.join(folder, "tree")
    check_equal(run(["run", "--dump-dtb", tree]).returncode, 0, "dump")
    with open(tree, "rb") as file:
        good = file.read()
    check_equal(run(["run", "--dump-dtb", "-"]).stdout, good, "on stdout")
    for name, content in (("noise", b"noise" * 100), ("cut", good[:-64]),
                          ("head", good[:16]),
                          ("torn", good[:60] + b"\xff" * 40 + good[100:])):
        path = put(folder, name, content)
        expect_refusal(["run", "--bios", bios, "--dtb", path], path,
                       "not a device tree")


@in_folder
def test_elf_noise(folder):
    """One changed byte in an ELF header is refused or accepted, no more"""
    good = elf(segments=[segment()])
    tree = os.path.join(folder, "tree")
    for at in range(4, 120, 3):
        for value in (0x00, 0xff):
            path = put(folder, "noisy",
                       good[:at] + bytes([value]) + good[at + 1:])
            result = run(["run", "--bios", path, "--dump-dtb", tree])
            check(result.returncode in (0, 2),
                  f"byte {at} = {value}: status {result.returncode}, "
                  f"{result.stderr.decode()[-500:]}")


@in_folder
def test_mtree_trees(folder):
    """mtree --dtb refuses what a tree cannot mean, whatever is in the file"""
    path = os.path.join(folder, "board.dtb")
    run(["run", "-m", "64", "--dump-dtb", path])
    with open(path, "rb") as file:
        good = file.read()
    memory = struct.pack(">QQ", 0x80000000, 64 << 20)
    check_equal(good.count(memory), 1, "the memory's reg")
    for size, word in ((1 << 50, "more memory"),
                       ((1 << 64) - 1, "beyond 2^64")):
        bad = put(folder, "bad", good.replace(
            memory, struct.pack(">QQ", 0x80000000, size)))
        expect_refusal(["mtree", "--dtb", bad], "bad: ", word)
    noise = random.Random(1)
    for _ in range(100):
        blob = bytearray(good)
        for _ in range(noise.randint(1, 6)):
            blob[noise.randrange(len(blob))] = noise.randrange(256)
        bad = put(folder, "bad", blob[:noise.choice(
            (len(blob), noise.randrange(1, len(blob))))])
        result = run(["mtree", "--dtb", bad])
        check(result.returncode in (0, 2), str(result.stderr))
        check_equal(len(result.stderr.splitlines()), result.returncode // 2,
                    "lines on stderr")


@in_folder
def test_pipes(folder):
    """A FIFO without another end is refused; with one it is a file"""
    bios = put(folder, "bios", finish(0x5555))
    path = os.path.join(folder, "pipe")
    os.mkfifo(path)
    unread, unwritten = "pipe that nobody reads", "pipe that nobody writes to"
    for arguments, why in (
            (["run", "--bios", path], unwritten),
            (["run", "--bios", bios, "--kernel", path], unwritten),
            (["run", "--bios", bios, "--initrd", path], unwritten),
            (["run", "--bios", bios, "--dtb", path], unwritten),
            (["run", "--bios", bios, "--plugin", path], "and not a file"),
            (["run", "--bios", bios, "--drive", "file=" + path], "neither"),
            (["run", "--dump-dtb", path], unread),
            (["profile", "--symbols", path], unwritten),
            (["profile", "-o", path], "Not a directory"),
            (["trace", "-o", path], unread), (["replay", path], unwritten),
            (["mtree", "--dtb", path], unwritten)):
        expect_refusal(arguments, "pipe", why, cwd=folder)
    check_equal(sorted(os.listdir(folder)), ["bios", "pipe"], "files written")
    # The other end may come a little later.
    tree = os.path.join(folder, "tree")
    with open(tree, "wb") as file, subprocess.Popen(
            ["sh", "-c", f"sleep 0.2; cat '{path}'"], stdout=file):
        result = run(["run", "--dump-dtb", path])
    check_equal(result.returncode, 0, "dump " + str(result.stderr))
    for source, arguments in ((tree, ["mtree", "--dtb", path]),
                              (bios, ["run", "--bios", path])):
        with subprocess.Popen(
                ["sh", "-c", f"sleep 0.2; exec cat '{source}' > '{path}'"]):
            result = run(arguments)
        check_equal((result.returncode, result.stderr), (0, b""),
                    " ".join(arguments))


@in_folder
def test_before_anything(folder):
    """A file that is missing is told before anything runs or is written"""
    kept = put(folder, "kept.trace", b"another run's")
    for command in (["profile"], ["profile", "--perf"],
                    ["trace", "-o", kept]):
        for arguments in (["--plugin", "missing.so"],
                          ["--drive", "file=missing"]):
            expect_refusal(command + arguments, "missing", "No such file",
                           cwd=folder)
    expect_refusal(["profile", "--symbols", "missing"], "missing", cwd=folder)
    check_equal(os.listdir(folder), ["kept.trace"], "files written")
    with open(kept, "rb") as file:
        check_equal(file.read(), b"another run's", "the old trace")


class Blob:
    """A device tree blob, as bytes, without dtc's sense of proportion"""

    def __init__(self):
        self.strings = b""
        self.offsets = {}

    def prop(self, name, value=b""):
        """Property @name: bytes, or a list of cells"""
        if not isinstance(value, bytes):
            value = struct.pack(f">{len(value)}I", *value)
        if name not in self.offsets:
            self.offsets[name] = len(self.strings)
            self.strings += name.encode() + b"\0"
        return (struct.pack(">3I", 3, len(value), self.offsets[name]) + value +
                bytes(-len(value) % 4))

    def bus(self, name, body, ranges=()):
        """A node of one cell each; everything in @body is inside"""
        name = name.encode() + b"\0"
        return (struct.pack(">I", 1) + name + bytes(-len(name) % 4) +
                self.prop("#address-cells", [1]) +
                self.prop("#size-cells", [1]) + self.prop("ranges", ranges) +
                body + struct.pack(">I", 2))

    def write(self, path, body):
        """The file: a head, no reservations, the nodes, the strings"""
        nodes = self.bus("", body) + struct.pack(">I", 9)
        sizes = (len(nodes) + len(self.strings) + 56, 56, 56 + len(nodes), 40,
                 17, 16, 0, len(self.strings), len(nodes))
        with open(path, "wb") as file:
            file.write(struct.pack(">10I", 0xd00dfeed, *sizes) + bytes(16) +
                       nodes + self.strings)


@in_folder
def test_mtree_big_trees(folder):
    """mtree --dtb does not work for ever on a tree that is all too big"""
    blob = Blob()
    path = os.path.join(folder, "big")
    reg = blob.prop("reg", [i for n in range(30000) for i in (16 * n, 8)])
    many = blob.prop("reg", [0, 8] * 400000)
    ranges = [1 << 31, 0, 1] * 255 + [0, 0, 1 << 31]
    deep = blob.bus("dev", reg)
    for _ in range(20):
        deep = blob.bus("bus", deep, ranges)
    for body, word in (
            (blob.bus("dev", blob.prop("x") * 600000 + reg), None),
            (blob.bus("dev", many), "more than 65536 regions"),
            (blob.bus("bus", blob.bus("dev", many), [0, 0, 1]), "65536"),
            (blob.bus("pile", blob.bus("dev", reg), ranges * 2),
             "pile: more than 256 ranges"),
            (deep, None)):
        blob.write(path, body)
        if word:
            expect_refusal(["mtree", "--dtb", path], "big: ", word)
        else:
            result = run(["mtree", "--dtb", path])
            check_equal((result.returncode, result.stderr), (0, b""), "status")
            check_equal(result.stdout.count(b": dev\n"), 60000, "lines")


@in_folder
def test_no_executable_memory(folder):
    """A host that refuses executable memory is named, the interpreter runs"""
    need(noexec.is_known(), "another machine's system calls")
    bios = put(folder, "bios", finish(0x5555))
    for engine in ([], ["--engine", "jit"], ["--engine", "lockstep"]):
        expect_refusal(["run", "--bios", bios, *engine], " ".join(engine),
                       "refuses executable memory", "try --engine interp",
                       preexec_fn=noexec.refuse)
    result = run(["run", "--bios", bios, "--engine", "interp"],
                 preexec_fn=noexec.refuse)
    check_equal(result.returncode, 0, "status of the interpreter")


@in_folder
def test_bad_devices(folder):
    """Devices that the host cannot give are refused before the guest starts"""
    bios = put(folder, "bios", finish(0x5555))
    disk = put(folder, "disk", bytes(1 << 20))
    odd = put(folder, "odd", bytes(1000))
    rows = [
        (["--drive", f"file={folder}/none"], "none: ", "No such file"),
        (["--drive", f"file={folder}"], folder + ": ", "Is a directory"),
        (["--drive", f"file={odd}"], "odd: ", "no multiple of 512"),
        (["--drive", f"file={disk}"] * 2, "disk: ", "in use"),
        (["--netdev", "user", "--deterministic"], "--netdev: ",
         "not with --deterministic"),
        (["--netdev", "user,hostfwd=80"],
         *(["hostfwd=80: ", "not [tcp|udp]"] if has_libslirp() else
           ["--netdev: ", "built without libslirp"])),
        (["--netdev", "user"] * 8 + ["--device", "virtio-rng-device"],
         "9 virtio devices", "more than the board's 8"),
    ]
    for arguments, what, why in rows:
        expect_refusal(["run", "--bios", bios, *arguments], what, why)
    result = run(["run", "--bios", bios, "--drive", f"file={disk},readonly=on",
                  "--drive", f"file={disk},readonly=on"])
    check_equal(result.returncode, 0, "two who read " + str(result.stderr))


if __name__ == "__main__":
    main([test_command_lines, test_sizes, test_files, test_good_file,
          test_places, test_room, test_kernels, test_reset_without_file,
          test_trees, test_elf_noise, test_pipes, test_before_anything,
          test_mtree_trees, test_mtree_big_trees, test_bad_devices,
          test_no_executable_memory])
