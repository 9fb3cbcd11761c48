# SPDX-License-Identifier: MIT
"""profile, mtree, help: what a person reads, and what a program parses."""

import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import xml.etree.ElementTree

import chrometrace
import devicetree
import perf
from asm import (A0, T0, T1, UART, ZERO, addi, bne, finish, jump, li, sb, word)
from guestio import (OPENSBI, PATIENCE, SOURCE_DIR, UBOOT, XBAR, Terminal,
                     check, check_equal, in_folder, main, need, need_firmware,
                     profile_demo, put, run)

DEVICES = ["boot-rom", "test-finisher", "rtc", "aclint", "plic", "uart", "ram"]
SLOTS = 7 * ["virtio-mmio"] + ["virtio-input"]
PLACES = DEVICES[:-1] + SLOTS + DEVICES[-1:]  # by address
PARTS = ["integer", "sequential", "strided", "random", "chased", "float",
         "double"]


def number(text):
    return int(text.replace(",", ""))


class Demo:
    """One run of `profile` without a guest, and what it left."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        self.text = None

    def close(self):
        shutil.rmtree(self.folder)

    def ensure(self):
        if self.text is None:
            self.text, _ = profile_demo(self.folder)
        return self.text

    def path(self, name):
        self.ensure()
        return os.path.join(self.folder, "xbar-report", name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()


DEMO = Demo()


def test_demo():
    """Without a guest, profile runs the demo and reports"""
    text = DEMO.ensure()
    for part in PARTS:
        check(re.search(rf"^ +{part} .* ms$", text, re.M), part + " ran")
    check("xbar demo: all right" in text, "the demo's own verdict")
    check_equal(text.count("xbar demo: a bare-metal"), 1, "runs shown")
    found = re.search(r"^  without counting +([\d,]+) +([\d.]+) +([\d.]+) +"
                      r"([\d.]+)$", text, re.M)
    check(found, "a speed without counting in " + text)
    check(50e6 < number(found[1]) < 150e6, "instructions: " + found[1])
    for device in DEVICES:
        check_equal(re.search(rf"^  {device} +0x", text, re.M) is not None,
                    device != "rtc", device + " is shown: it was accessed")
    check(DEMO.path("report.html") in text, "where the report is")
    tables = text[text.index("Profile of"):].split("Hottest blocks")[0]
    wide = [line for line in tables.splitlines() if len(line) > 80]
    check_equal(wide, [], "tables within 80 columns")
    check_equal(re.findall(r"^.* $", tables, re.M), [], "blanks at the end")


def test_json():
    """report.json adds up"""
    check_equal(os.listdir(DEMO.folder), ["xbar-report"], "files")
    report = json.loads(DEMO.read("report.json"))
    counted = report["counted"]
    regions = {region["name"]: region for region in counted["regions"]}
    check_equal(sorted(regions), sorted(set(PLACES)), "regions")
    check(report["engine"] in ("interp", "jit"), "engine")
    check_equal(report["status"], 0, "the guest's status")
    memory = counted["memory"]
    check(memory["commits"] >= memory["views"] >= 1, "commits and views")
    check(memory["windows"] >= memory["views"], "windows")
    check(memory["nodes_copied"] > 0, "nodes")
    check(memory["bytes_live"] > memory["bytes_retired"] >= 0, "bytes")
    # Every load and store reached exactly one region.
    check_equal(sum(region["reads"] for region in regions.values()),
                counted["loads"], "reads and loads")
    check_equal(sum(region["writes"] for region in regions.values()),
                counted["stores"], "writes and stores")
    ram = regions["ram"]
    check(ram["reads"] * 8 >= ram["bytes_read"] >= ram["reads"], "bytes")
    check_equal(sum(trap["count"] for trap in counted["traps"]),
                counted["exceptions"] + counted["interrupts"], "traps")
    for region in regions.values():
        for way, sizes in (("read", region["read_sizes"]),
                           ("written", region["write_sizes"])):
            number = region["reads" if way == "read" else "writes"]
            check_equal(sum(sizes), number, f"sizes of {region['name']}")
            check_equal(sum(n << log2 for log2, n in enumerate(sizes)),
                        region["bytes_" + way], f"bytes of {region['name']}")
    machine = counted["modes"]["M"]
    check_equal(sum(machine["reads"]), counted["loads"], "loads in M-mode")
    check_equal(sum(machine["writes"]), counted["stores"], "stores in M-mode")
    check_equal(sum(page[1] for page in counted["pages"]), ram["reads"],
                "reads by page")
    check_equal(sum(page[2] for page in counted["pages"]), ram["writes"],
                "writes by page")
    names = [trap["name"] for trap in counted["traps"]]
    check("machine timer interrupt" in names, "timer interrupts")
    check("machine external interrupt" in names, "external interrupts")


def test_devices():
    """Accesses to devices have registers, and took their time"""
    counted = json.loads(DEMO.read("report.json"))["counted"]
    seconds = counted["speed"]["seconds"]
    for region in counted["regions"]:
        number = region["reads"] + region["writes"]
        if region["ram"] or not number:
            check("latency" not in region, region["name"])
            continue
        took = region["latency"]
        check_equal(took["count"], number, region["name"])
        check(0 < took["p50_ns"] <= took["p99_ns"] <= took["max_ns"],
              f"{region['name']}: {took}")
        check(took["sum_ns"] <= seconds * 1e9, f"{took} of {seconds} s")
        check_equal(sum(n for _, n in took["histogram"]), number, "classes")
        check_equal(sum(r["reads"] + r["writes"]
                        for r in counted["registers"]
                        if r["region"] == region["name"]), number,
                    "registers of " + region["name"])
    first = counted["registers"][0]
    check_equal((first["region"], first["offset"]), ("uart", "0x5"),
                "the register that is polled")
    check(re.search(rf"^  uart \+ 0x5 +{first['reads']:,} ",
                    DEMO.ensure(), re.M), "the table of registers")


def hottest(report):
    return max(report["counted"]["functions"],
               key=lambda function: function["instructions"])


def test_functions():
    """Functions have names and exact counts; samples agree"""
    counted = json.loads(DEMO.read("report.json"))["counted"]
    need("translated" in counted, "no translator for this host")
    functions = counted["functions"]
    check_equal(sum(f["instructions"] for f in functions),
                counted["translated"]["instructions"], "instructions")
    first = hottest({"counted": counted})
    check_equal(first["name"], "longest_collatz", "the hottest function")
    check(0.3 * counted["speed"]["instructions"] < first["instructions"],
          f"{first}")
    samples = counted["samples"]
    check_equal(sum(count for count, _ in samples["chains"]),
                samples["total"] - samples["lost"], "samples")
    check(samples["total"] > 4, f"{samples['total']} samples")
    check_equal(samples["period_ns"], 4000000, "period")
    if samples["taken"] <= 250:
        check_equal(samples["taken"], samples["total"], "samples of 4 ms each")
        check_equal(round(samples["margin"] ** 2 * samples["total"], 3),
                    0.96, "margin")
    check_equal(sum(f["self"] for f in functions), samples["total"],
                "samples by function")
    called = sum(count for count, chain in samples["chains"]
                 if [functions[place]["name"] for place in chain[:-1]][-1:]
                 == ["main"])
    check(called > 0.05 * samples["total"], "main calls what is hot")
    text = DEMO.ensure()
    check(re.search(rf"^  longest_collatz +{first['at']} +"
                    rf"{first['instructions']:,} ", text, re.M), text)


def test_timeline():
    """The timeline goes up to what was counted in all"""
    counted = json.loads(DEMO.read("report.json"))["counted"]
    timeline = counted["timeline"]
    columns = list(timeline.values())
    check(len(columns[0]) > 10, f"{len(columns[0])} points")
    check_equal({len(column) for column in columns}, {len(columns[0])},
                "lengths")
    for name in ("ns", "instructions", "walks", "mmio", "commits"):
        check_equal(timeline[name], sorted(timeline[name]), name)
    check_equal(timeline["instructions"][-1], counted["speed"]["instructions"],
                "instructions")
    check_equal(timeline["walks"][-1], counted["tlb"]["walks"], "walks")
    check_equal(timeline["mmio"][-1], counted["tlb"]["mmio_reads"]
                + counted["tlb"]["mmio_writes"], "MMIO")
    check(min(timeline["resident_bytes"]) > 1 << 20, "resident bytes")


def test_callgrind():
    """callgrind_annotate finds the hottest function"""
    need(shutil.which("callgrind_annotate"), "no callgrind_annotate")
    report = json.loads(DEMO.read("report.json"))
    need(report["engine"] == "jit", "no translator for this host")
    first = hottest(report)
    found = subprocess.run(["callgrind_annotate", DEMO.path("callgrind.out")],
                           capture_output=True, text=True, check=True)
    lines = [line for line in found.stdout.splitlines() if "???:" in line]
    check(re.match(rf"{first['instructions']:,} \( *[\d.]+%\) +"
                   rf"\?\?\?:{first['name']} ", lines[0]),
          found.stdout + found.stderr)
    total = report["counted"]["translated"]["instructions"]
    check(f"{total:,} (100.0%)  PROGRAM TOTALS" in found.stdout, found.stdout)


def test_stacks():
    """stacks.folded and trace.json hold the samples"""
    samples = json.loads(DEMO.read("report.json"))["counted"]["samples"]
    folded = [line.rsplit(" ", 1)
              for line in DEMO.read("stacks.folded").splitlines()]
    check_equal(sum(int(count) for _, count in folded), samples["total"],
                "samples")
    check(any("main;" in stack for stack, _ in folded), folded)
    check(any(stack.endswith("longest_collatz") for stack, _ in folded), folded)
    trace = DEMO.read("trace.json")
    calls = chrometrace.slices_of(trace)
    check("longest_collatz" in [name for name, *_ in calls], calls)
    last = json.loads(DEMO.read("report.json"))["counted"]["timeline"]["ns"][-1]
    check(max(end for *_, end in calls) >= last / 1e3 - 0.001, "its end")
    events = json.loads(trace)["traceEvents"]
    check_equal([(event["name"], event["args"]["name"]) for event in events
                 if event["ph"] == "M"],
                [("process_name", "the built-in demo"),
                 ("thread_name", "hart 0")], "names")
    check_equal({event["name"] for event in events if event["ph"] == "C"},
                {"MIPS", "TLB walks/s", "MMIO/s", "commits/s", "resident MiB"},
                "counters")


def test_devtools():
    """DevTools show trace.json, and the hottest function in it"""
    chrometrace.check_in_devtools(DEMO.read("trace.json"), "longest_collatz")


def test_pictures():
    """flame.svg and timeline.svg are pictures of the samples"""
    samples = json.loads(DEMO.read("report.json"))["counted"]["samples"]
    svg = "{http://www.w3.org/2000/svg}"
    root = xml.etree.ElementTree.fromstring(DEMO.read("flame.svg"))
    frames = {}
    for frame in root.findall(svg + "g"):
        rect, title = frame.find(svg + "rect"), frame.find(svg + "title").text
        name, count = re.match(r"(\S+): (\d+) samples", title).groups()
        frames.setdefault(rect.get("y"), []).append(
            (float(rect.get("x")), float(rect.get("width")), int(count)))
        if name == "all":
            check_equal(int(count), samples["total"], "samples")
    check(len(frames) > 1, frames)
    for row in frames.values():
        check(sum(count for _, _, count in row) <= samples["total"], row)
        row.sort()
        for (x, width, _), (after, _, _) in zip(row, row[1:]):
            check(x + width <= after + 0.2, f"frames overlap: {row}")
    root = xml.etree.ElementTree.fromstring(DEMO.read("timeline.svg"))
    check_equal(len(root.findall(svg + "path")), 3, "lines")
    for path in root.findall(svg + "path"):
        check(re.fullmatch(r"(M|L)?[\d. LM]+", path.get("d")), path.get("d"))


@in_folder
def test_perf_map(folder):
    """--perf leaves a map of translated code by guest function"""
    child = subprocess.Popen([XBAR, "profile", "--perf"], cwd=folder,
                             stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL)
    check_equal(child.wait(60 * PATIENCE), 0, "status")
    path = f"/tmp/perf-{child.pid}.map"
    with open(path, encoding="ascii") as file:
        lines = file.read().splitlines()
    os.unlink(path)
    need(lines, "no translator for this host")
    for line in lines:
        check(re.fullmatch(r"[0-9a-f]+ [0-9a-f]+ \S+\+0x[0-9a-f]+", line), line)
    check(any(" longest_collatz+0x" in line for line in lines), lines)
    check_dump(os.path.join(folder, "xbar-report", f"jit-{child.pid}.dump"),
               child.pid, {line.split()[0]: line.split()[1] for line in lines})


def check_dump(path, pid, blocks):
    """A jitdump has the blocks of the map, with their code."""
    with open(path, "rb") as file:
        dump = file.read()
    header = struct.unpack_from("<6I2Q", dump)
    check_equal((header[0], header[1], header[2], header[5]),
                (0x4a695444, 1, 40, pid), "header")
    at, found, names = 40, {}, set()
    while at < len(dump):
        kind, size, _, owner, _, vma, code, length, index = struct.unpack_from(
            "<2IQ2I4Q", dump, at)
        check_equal((kind, owner, vma, index), (0, pid, code, len(found)),
                    "record")
        name = dump[at + 56:at + size - length]
        check(name.endswith(b"\0") and b"\0" not in name[:-1], name)
        names.add(name[:-1].decode())
        found[f"{code:x}"] = f"{length:x}"
        at += size
    check_equal(at, len(dump), "its end")
    check_equal(found, blocks, "blocks")
    check("longest_collatz" in names, names)


@in_folder
def test_perf(folder):
    """perf script, report and annotate know the hottest guest function"""
    named, mapped = perf.record(folder)
    check(" longest_collatz+0x" in mapped, mapped)
    seen = perf.counts(named)
    for function in "longest_collatz", "walk_random":
        check(seen[function] > 0, f"{function} in {seen}")
    said = perf.perf("report", "--stdio", "-i", named, "--sort", "symbol")
    check("longest_collatz" in said, said)
    perf.check_annotated(named, "longest_collatz")


@in_folder
def test_symbols(folder):
    """--symbols FILE@ADDR; what is stripped, foreign or another one's"""
    need(shutil.which("riscv64-linux-gnu-gcc"), "no riscv64-linux-gnu-gcc")
    source = os.path.join(folder, "guest.S")
    elf = os.path.join(folder, "guest.elf")
    raw = os.path.join(folder, "guest.bin")
    with open(source, "w", encoding="ascii") as file:
        file.write("""
            .globl _start
            _start: li a0, 1000
            1: jal spin
            addi a0, a0, -1
            bnez a0, 1b
            li t0, 0x100000
            li t1, 0x5555
            sw t1, 0(t0)
            2: j 2b
            .globl spin
            .type spin, @function
            spin: li a1, 20
            3: addi a1, a1, -1
            bnez a1, 3b
            ret
            .size spin, . - spin
        """)
    for command in (
            ["gcc", "-nostdlib", "-Wl,-Ttext=0x1000,--build-id=none",
             "-Wl,--no-dynamic-linker", "-static", "-o", elf, source],
            ["objcopy", "-O", "binary", "-j", ".text", elf, raw],
            ["strip", "-o", elf + ".stripped", elf]):
        subprocess.run(["riscv64-linux-gnu-" + command[0], *command[1:]],
                       check=True, capture_output=True)

    def names(*options):
        result = run(["profile", "--bios", raw, "-m", "1", *options],
                     cwd=folder)
        if result.returncode == 2:
            return None, result.stderr.decode()
        with open(os.path.join(folder, "xbar-report", "report.json"),
                  encoding="utf-8") as file:
            report = json.load(file)
        need("translated" in report["counted"], "no translator for this host")
        return hottest(report)["name"], result.stderr.decode()

    name, _ = names()
    check(re.fullmatch(r"fn_800000[0-9a-f]+", name), f"from calls: {name}")
    header = subprocess.run(["riscv64-linux-gnu-readelf", "-lW", elf],
                            capture_output=True, text=True, check=True).stdout
    first = min(int(address, 16) for address in
                re.findall(r"LOAD +\S+ (0x\S+)", header))
    base = 0x80000000 - (0x1000 - first)
    check_equal(names("--symbols", f"{elf}@{base:x}"), ("spin", ""), "names")
    name, errors = names("--symbols", f"{elf}.stripped@{base:x}")
    check(name.startswith("fn_") and "has no names" in errors, errors)
    name, errors = names("--symbols", f"{elf}@{base + 4:x}")
    check("are not the file's: its names may be wrong" in errors, errors)
    for path, why in ((raw, "not an ELF file for 64-bit RISC-V"),
                      (XBAR, "not an ELF file for 64-bit RISC-V"),
                      (elf + ".none", "No such file"),
                      (elf + "@here", "what follows @ is no address"),
                      (elf + "@", "what follows @ is no address")):
        name, errors = names("--symbols", path)
        check(name is None and why in errors and len(errors.splitlines()) == 1,
              errors)


TWO_FUNCTIONS = """
    .globl _start
    _start: li s0, 20000
    1: jal busiest
    addi s0, s0, -1
    bnez s0, 1b
    li t0, 0x100000
    li t1, 0x5555
    sw t1, 0(t0)
    2: j 2b
    .globl busiest
    busiest: li a1, 2000
    3: addi a1, a1, -1
    bnez a1, 3b
    ret
"""


def build_two_functions(folder, name):
    """An ELF file of this name, and what profile says of its hottest one."""
    need(shutil.which("riscv64-linux-gnu-gcc"), "no riscv64-linux-gnu-gcc")
    source, elf = os.path.join(folder, "two.S"), os.path.join(folder, name)
    with open(source, "w", encoding="ascii") as file:
        file.write(TWO_FUNCTIONS)
    subprocess.run(
        ["riscv64-linux-gnu-gcc", "-nostdlib", "-static", "-no-pie", "-Wl,"
         "-Ttext=0x80001000,--build-id=none,--entry=_start", "-o", elf,
         source], check=True, capture_output=True)
    return elf


def profile_elf(folder, elf, **kwargs):
    result = run(["profile", "--bios", elf, "-o", folder], **kwargs)
    check_equal((result.returncode, result.stderr), (0, b""), "status")
    with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
        report = json.load(file)
    need("translated" in report["counted"], "no translator for this host")
    return report, result.stdout


@in_folder
def test_unsized(folder):
    """A name without a size goes no further than where a call leads"""
    elf = build_two_functions(folder, "two.elf")
    report, _ = profile_elf(folder, elf)
    first = hottest(report)
    check_equal(first["name"], "busiest", "with both names")
    with open(elf, "rb") as file:  # what can be read once is enough
        report, _ = profile_elf(folder, "/dev/stdin", input=file.read())
    check_equal(hottest(report)["name"], "busiest", "from a pipe")
    subprocess.run(["riscv64-linux-gnu-objcopy", "-N", "busiest", elf],
                   check=True)
    report, _ = profile_elf(folder, elf)
    check_equal(hottest(report)["name"], "fn_" + first["at"][2:],
                "with the name of what is before")
    names = [f["name"] for f in report["counted"]["functions"]]
    check_equal(names.count("_start"), 1, names)


@in_folder
def test_odd_names(folder):
    """Names that are no text leave each file what it should be"""
    elf = build_two_functions(folder, "two.elf")
    with open(elf, "rb") as file:
        image = file.read()
    rows = [(b"\xff;\x1b \n\xc3\xa9", "?;? ?\u00e9"),
            (b"\xc2\x9bmore\x7f", "??more?"),
            (b"\xed\xa0\x80\xe2\x82", "?????")]
    for raw, wanted in rows:
        odd = os.path.join(folder.encode(), raw.strip(b"\n;") + b".elf")
        with open(odd, "wb") as file:
            file.write(image.replace(b"busiest\0", raw.ljust(7, b"!") + b"\0"))
        name = wanted + (7 - len(raw)) * "!"
        report, text = profile_elf(folder, odd)
        check(hottest(report)["name"] == name, report["counted"]["functions"])
        check(report["guest"].endswith(".elf"), report["guest"])
        text = text.decode()  # which is UTF-8
        check(re.search("^  " + re.escape(name) + "  ", text, re.M), text)
        check("\x1b" not in text and "\x9b" not in text, text)
        for file in FILES:
            with open(os.path.join(folder, file), encoding="utf-8") as opened:
                text = opened.read()
            if file == "trace.json":
                calls = [call for call, *_ in chrometrace.slices_of(text)]
                check(not calls or name in calls, calls)
            elif file == "stacks.folded":
                check(all(re.fullmatch(r"[^;]+(;[^;]+)* \d+", line)
                          for line in text.splitlines()), text)
            elif file.endswith(".svg"):
                xml.etree.ElementTree.fromstring(text)


def exact(report):
    """What is equal in each engine."""
    counted = report["counted"]
    modes = {name: (mode["reads"], mode["writes"])
             for name, mode in counted["modes"].items()}
    regions = [{key: value for key, value in region.items()
                if key != "latency"} for region in counted["regions"]]
    registers = sorted((r["region"], r["offset"], r["reads"], r["writes"])
                       for r in counted["registers"])
    return {"instructions": counted["speed"]["instructions"],
            "traps": counted["traps"], "modes": modes, "regions": regions,
            "registers": registers, "pages": counted["pages"]}


@in_folder
def test_engines(folder):
    """Both engines count the same, to the access"""
    found = {}
    for engine in ("jit", "interp"):
        out = os.path.join(folder, engine)
        result = run(["profile", "--deterministic", "--engine", engine, "-o",
                      out], cwd=folder)
        if engine == "jit":
            need(result.returncode != 2, "no translator for this host")
        check_equal(result.returncode, 0, "status")
        with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
            found[engine] = exact(json.load(file))
    for key, value in found["interp"].items():
        check_equal(found["jit"][key], value, key)
    check(len(found["jit"]["pages"]) > 1000, "pages")


@in_folder
def test_measure(folder):
    """--measure leaves out what is not asked for"""
    report, text = profile(folder, finish(0x5555), "--measure", "counts")
    check_equal(report["counted"]["pages"], [], "pages")
    check_equal(report["counted"]["samples"]["total"], 0, "samples")
    check("Hottest pages" not in text and "Time in devices" not in text, text)
    check_equal([region["name"] for region in report["counted"]["regions"]
                 if "latency" in region], [], "latency")
    check("in samples" not in text, "columns of what was not measured")
    check_equal(report["measured"], ["counts"], "measured")
    check(report["counted"]["speed"]["instructions"] > 0, "still counts")
    step = addi(T0, T0, 1) + jump(4)
    shift = word(6 << 20 | A0 << 15 | 1 << 12 | A0 << 7 | 0x13)  # slli a0, 6
    code = (addi(A0, ZERO, 2000) + shift + step * 500 + addi(A0, A0, -1)
            + bne(A0, ZERO, -4004) + finish(0x5555))
    report, text = profile(folder, code, "--measure", "samples")
    check(report["counted"]["samples"]["total"] > 0, "samples")
    check("Functions" in text and "Hot blocks" not in text, text)
    check(re.search(r"^  function +at +in samples +itself$", text, re.M), text)
    check("per 1000 blocks" not in text, "relations to what was not counted")
    check_equal(report["measured"], ["samples"], "measured")
    check_equal(report["counted"]["loads"], 0, "nothing is counted")
    result = run(["profile", "--measure", "counts,heat"])
    check_equal(result.returncode, 2, "status")
    check(b"--measure counts,heat: not a list" in result.stderr, "why")


def test_html():
    """report.html has the same figures, and stands alone"""
    report = json.loads(DEMO.read("report.json"))
    page = DEMO.read("report.html")
    for region in report["counted"]["regions"]:
        row = f"<td>{region['reads']:,}</td><td>{region['writes']:,}</td>"
        was_accessed = region["reads"] + region["writes"] > 0
        check_equal(row in page, was_accessed, region["name"])
    check("prefers-color-scheme: dark" in page, "light and dark")
    check(not re.search(r"\s(src|href)=", page), "self-contained")


def translated(report):
    """What the engine translated; its sums hold, wherever it is from."""
    counted = report["counted"]
    figures = counted["translated"]
    live, gone, hot = figures["live"], figures["gone"], figures["hot"]
    check_equal(live["instructions"] + gone["instructions"],
                figures["instructions"], "instructions of all blocks")
    check(figures["instructions"] <= counted["speed"]["instructions"],
          "more translated than executed")
    check_equal(figures["blocks"] + figures["recalled"],
                figures["blocks_live"] + figures["invalidated"]
                + figures["replaced"] + figures["evicted"], "blocks")
    check(sum(block["instructions"] for block in hot) <= live["instructions"],
          "the hot blocks are some of all")
    check_equal([block["instructions"] for block in hot],
                sorted((block["instructions"] for block in hot), reverse=True),
                "hottest first")
    for block in hot:
        check(block["executions"] > 0 and block["instructions"]
              <= block["executions"] * block["insns"], f"count of {block}")
    check(figures["jump_misses"] <= figures["jumps"], "indirect jumps")
    return figures


def test_translated():
    """The demo runs in translated code, to the last few instructions"""
    report = json.loads(DEMO.read("report.json"))
    need(report["engine"] == "jit", "no translator for this host")
    figures = translated(report)
    total = report["counted"]["speed"]["instructions"]
    # The rest: CSRs, traps, and what ends a slice.
    check(figures["instructions"] > 0.99 * total, f"{figures} of {total}")
    check_equal(len(figures["hot"]), 10, "hot blocks")
    # The demo's handler saves f registers: code is there for both, then.
    made = [(block["pc"], block["mode"]) for block in figures["hot"]]
    check_equal(len(set(made)), len(made), "what is told apart")
    check({mode for _, mode in made} <= {"M", "M, FP"}, made)
    text = DEMO.ensure()
    for block in figures["hot"]:
        row = (f"{block['mode']} +{block['insns']:,} +"
               f"{block['executions']:,} +{block['instructions']:,} ")
        check(re.search(rf"^  {block['pc']} +{row}", text, re.M),
              f"{row} is not in {text}")
    check(re.search(rf"^  instructions +{figures['instructions']:,} +(99|100)\.",
                    text, re.M), "the table of translated code")


def test_listing():
    """The hottest blocks are listed, each guest instruction by its code"""
    report = json.loads(DEMO.read("report.json"))
    need(report["engine"] == "jit", "no translator for this host")
    hot = report["counted"]["translated"]["hot"]
    text, page = DEMO.ensure(), DEMO.read("report.html")
    listing = text[text.index("Hottest blocks"):text.index("The report is in")]
    check(max(map(len, listing.splitlines())) <= 112, "within 100 columns")
    captions = re.findall(r"^  0x.* guest bytes, .*", listing, re.M)
    check(len(captions) == 5 and max(map(len, captions)) <= 80, captions)
    check_equal(re.findall(r"^.* $", listing, re.M), [], "blanks at the end")
    check_equal(["listing" in block for block in hot],
                [True] * 5 + [False] * 5, "listed")
    for block in hot[:5]:
        entry, *insns = block["listing"]
        check("guest" not in entry and entry["host"], "the entry comes first")
        guest = [insn for insn in insns if "guest" in insn]
        check_equal(len(guest), block["insns"], "instructions listed")
        check_equal(guest[0]["address"], block["pc"], "the first one")
        addresses = [int(insn["address"], 16) for insn in guest]
        check(all(0 < b - a <= 4 for a, b in zip(addresses, addresses[1:])),
              f"addresses {addresses}")
        check_equal(sum(insn["executed"] for insn in guest),
                    block["instructions"], "counts of its instructions")
        for insn in guest:
            address, host = insn["address"][2:], insn["host"]
            first = re.escape(host[0]) if host else ""
            count = insn["executed"]
            check(re.search(rf"^ +{count}  {address}  {re.escape(insn['guest'])} *"
                            rf"{first}$", listing, re.M), f"{insn} as text")
            check(f"<td>{count}</td><td>{address}</td>"
                  f"<td>{insn['guest']}</td>" in page,
                  f"{insn} in the page")


def profile(folder, code, *options):
    """The report on a guest that is @code."""
    path = os.path.join(folder, "guest")
    with open(path, "wb") as file:
        file.write(code)
    result = run(["profile", "--bios", path, "-m", "1", *options], cwd=folder)
    check_equal(result.returncode, 0, "status: " + result.stderr.decode())
    with open(os.path.join(folder, "xbar-report", "report.json"),
              encoding="utf-8") as file:
        return json.load(file), result.stdout.decode()


@in_folder
def test_evicted(folder):
    """Blocks that had to go are in the sums"""
    step = addi(T0, T0, 1) + jump(4)
    loop = step * 100 + addi(A0, A0, -1)
    code = (addi(A0, ZERO, 50) + loop + bne(A0, ZERO, -len(loop))
            + finish(0x5555))
    report, text = profile(folder, code, "--code-limit", "4K")
    need(report["engine"] == "jit", "no translator for this host")
    figures = translated(report)
    check(figures["evicted"] > 100, f"evicted: {figures['evicted']}")
    check(figures["gone"]["instructions"] > 50 * 100, "of these")
    check("blocks evicted" in text, text)


@in_folder
def test_interpreted(folder):
    """Nothing is said about translation where there is none"""
    report, text = profile(folder, finish(0x5555), "--engine", "interp")
    check("translated" not in report["counted"], "JSON")
    check("Translated" not in text and "blocks" not in text, text)


@in_folder
def test_deterministic(folder):
    """Deterministic runs execute the same instructions, counted or not"""
    out = os.path.join(folder, "a", "b")
    result = run(["profile", "--deterministic", "-o", out], cwd=folder)
    check_equal(result.returncode, 0, "status")
    check_equal(os.listdir(folder), ["a"], "files")
    with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
        report = json.load(file)
    check_equal(report["plain"]["instructions"],
                report["counted"]["speed"]["instructions"], "instructions")


@in_folder
def test_status(folder):
    """profile of a user's guest reports, and passes its status on"""
    path = os.path.join(folder, "<guest>.bin")
    with open(path, "wb") as file:
        file.write(finish(0x00053333))
    result = run(["profile", "--bios", path, "-m", "1"], cwd=folder)
    check_equal(result.returncode, 5, "status")
    text = result.stdout.decode()
    check("exit status 5" in text and "with counting" in text, text)
    check("without counting" not in text, "it ran once")
    html = os.path.join(folder, "xbar-report", "report.html")
    with open(html, encoding="utf-8") as file:
        check("&lt;guest&gt;.bin" in file.read(), "the name is escaped")


@in_folder
def test_demo_bytes(folder):
    """The demo's bytes are those of its sources"""
    demo = os.path.join(SOURCE_DIR, "xbar", "demo")
    checked_in = os.path.join(demo, "demo_image.inc")
    made = os.path.join(folder, "demo_image.inc")
    need(shutil.which("riscv64-linux-gnu-gcc"), "no riscv64-linux-gnu-gcc")
    build = subprocess.run([os.path.join(demo, "build.sh"), made],
                           capture_output=True)
    check_equal(build.returncode, 0, "build.sh: " + build.stderr.decode())
    with open(checked_in, encoding="ascii") as file:
        old = file.read()
    with open(made, encoding="ascii") as file:
        new = file.read()
    need(new.splitlines()[1] == old.splitlines()[1],
         "another compiler: " + new.splitlines()[1])
    check(new == old, "demo_image.inc is not what build.sh makes")


def test_mtree():
    """mtree lists the board"""
    text = run(["mtree", "-m", "64"]).stdout.decode()
    for device in DEVICES:
        check_equal(text.count(": " + device), 2, device)
    check("0000000080000000-0000000083ffffff (prio 0, ram): ram" in text, text)


def test_mtree_json():
    """mtree --json parses, tree and view agree"""
    listing = json.loads(run(["mtree", "--json", "-m", "1G"]).stdout)
    tree, view = listing["tree"], listing["flatview"]
    check_equal(tree["size"], hex(1 << 64), "size of the root")
    check_equal(sorted(region["name"] for region in tree["children"]),
                sorted(PLACES), "children")
    check_equal([part["region"] for part in view], PLACES, "sections")
    for region in tree["children"]:
        part = next(p for p in view if p["first"] == region["address"])
        check_equal(part["region"], region["name"], region["address"])
        check_equal(int(part["last"], 16) + 1 - int(part["first"], 16),
                    int(region["size"], 16), region["name"])
        check_equal(part["ram"], region["kind"] in ("ram", "rom"),
                    region["name"])


def test_mtree_dot():
    """mtree --dot is a graph with each region once"""
    text = run(["mtree", "--dot"]).stdout.decode()
    check(text.startswith("digraph mtree {") and text.endswith("}\n"), text)
    for device in DEVICES:
        check_equal(text.count(f'label="{device}\\n'), 1, device)


def test_mtree_flags():
    """mtree --flat, --dispatch, --owner and --disabled"""
    flat = run(["mtree", "--flat"]).stdout.decode()
    check(flat.startswith('FlatView #0\n AS "memory"'), flat)
    dispatch = run(["mtree", "--dispatch"]).stdout.decode()
    check("  Dispatch\n    Physical sections\n      #0 @" in dispatch, dispatch)
    check("Dispatch" not in flat, flat)
    for flag in ("--owner", "--disabled"):
        tree = run(["mtree", flag]).stdout.decode()
        check(tree.startswith("address-space: memory\n") and
              "FlatView" not in tree, tree)


@in_folder
def test_mtree_dtb(folder):
    """mtree --dtb lists what the board's own device tree describes"""
    blob = os.path.join(folder, "board.dtb")
    run(["run", "-m", "64", "--dump-dtb", blob])
    text = run(["mtree", "--dtb", blob]).stdout.decode()
    check("0000000080000000-0000000083ffffff (prio 0, ram): memory@80000000"
          in text, text)
    check("0000000010000000-00000000100000ff (prio 0, i/o): serial@10000000"
          in text, text)
    listing = json.loads(run(["mtree", "--json", "--dtb", blob]).stdout)
    names = [region["name"] for region in listing["tree"]["children"]]
    check("memory@80000000" in names, str(names))
    graph = run(["mtree", "--dot", "--dtb", blob]).stdout.decode()
    check("memory@80000000" in graph, graph)


def test_help():
    """--help and --version go to stdout, with status 0"""
    every = set()
    for arguments in (["--help"], ["-h"], ["help"], ["help", "run"],
                      *([command, "--help"] for command in
                        ("run", "profile", "trace", "mtree", "replay"))):
        result = run(arguments)
        check_equal(result.returncode, 0, str(arguments))
        check(result.stdout.startswith(b"usage: xbar"), str(arguments))
        check(all(len(line) <= 80 for line in result.stdout.splitlines()),
              "lines within 80 columns")
        if arguments[-1] == "--help":
            listed = set(re.findall(rb"--[a-z-]+", result.stdout))
            every |= listed if len(arguments) == 2 else set()
            for option, command in ((b"--gdb", "run"), (b"--perf", "profile"),
                                    (b"--dot", "mtree")):
                check_equal(option in listed,
                            arguments[0] in (command, "--help"),
                            f"{option} in {arguments}")
    check_equal(every, set(re.findall(rb"--[a-z-]+", run(["help"]).stdout)),
                "options of all commands")
    for arguments in (["--version"], ["version"], ["mtree", "--version"]):
        check(re.fullmatch(rb"xbar \d+\.\d+\.\d+\n", run(arguments).stdout),
              str(arguments))


def test_man_page():
    """The manual page has each option that --help lists"""
    listed = set(re.findall(r"--[a-z-]+", run(["--help"]).stdout.decode()))
    with open(os.path.join(SOURCE_DIR, "xbar", "xbar.1"),
              encoding="ascii") as file:
        page = file.read()
    check_equal(sorted(listed - set(re.findall(r"--[a-z-]+", page))), [],
                "not in the page")
    need(shutil.which("groff"), "no groff")
    made = subprocess.run(["groff", "-man", "-Tascii", "-ww"], input=page,
                          capture_output=True, text=True, check=False)
    check_equal((made.returncode, made.stderr), (0, ""), "groff")


def test_full_disk():
    """A listing that cannot be written is an error"""
    with open("/dev/full", "wb") as full:
        for arguments in (["mtree"], ["mtree", "--json"], ["--help"]):
            result = subprocess.run([XBAR, *arguments], stdout=full,
                                    stderr=subprocess.PIPE)
            check(result.returncode != 0, str(arguments))
            check_equal(len(result.stderr.splitlines()), 1, str(arguments))


def test_closed_pipe():
    """A reader that goes away ends a listing quietly"""
    for arguments in (["mtree"], ["mtree", "--json"], ["--help"]):
        reader, writer = os.pipe()
        os.close(reader)
        result = subprocess.run([XBAR, *arguments], stdout=writer,
                                stderr=subprocess.PIPE)
        os.close(writer)
        check_equal(result.stderr, b"", str(arguments))
        check_equal(result.returncode, 128 + signal.SIGPIPE, str(arguments))


@in_folder
def test_cut_short(folder):
    """Ctrl-a x in the demo's first run ends profile"""
    with Terminal([XBAR, "profile"], cwd=folder) as terminal:
        terminal.wait_for("xbar demo:")
        terminal.send("\x01x")
        check_equal(terminal.wait_exit(), 0, "status")
        check("Once more" not in terminal.rest(), "it did not run again")
        check(terminal.is_restored(), "terminal restored")


SUMMED = 0x4000000  # bytes of RAM that U-Boot sums up


@in_folder
def test_uboot(folder):
    """OpenSBI and U-Boot in a session: the checksum is what is hot"""
    need_firmware()
    tree = devicetree.dump(folder, devicetree.PATIENT)
    with Terminal([XBAR, "profile", "--bios", OPENSBI, "--kernel", UBOOT,
                   "--dtb", tree, "-o", "out"], cwd=folder) as terminal:
        terminal.wait_for("Hit any key to stop autoboot:", 60)
        terminal.send(" ")
        terminal.wait_for("\n=> ", 60)
        terminal.send("bdinfo\r")
        moved = int(re.search(r"relocaddr += (0x[0-9a-f]+)",
                              terminal.wait_for("\n=> ", 60))[1], 16)
        terminal.send(f"crc32 0x85000000 {SUMMED:#x}\r")
        terminal.wait_for("\n=> ", 60)
        terminal.send("poweroff\r")
        check_equal(terminal.wait_exit(60), 0, "status")
        text = terminal.rest()
    names = os.listdir(os.path.join(folder, "out"))
    check_equal(sorted(names), ["callgrind.out", "flame.svg", "report.html",
                                "report.json", "stacks.folded",
                                "timeline.svg", "trace.json"], "files")
    with open(os.path.join(folder, "out", "report.json"),
              encoding="utf-8") as file:
        report = json.load(file)
    counted = report["counted"]
    need("translated" in counted, "no translator for this host")
    # Each word of what is summed up is read once.
    pages = {int(page[0], 16): page[1] for page in counted["pages"]}
    summed = [pages[address] for address in
              range(0x85000000, 0x85000000 + SUMMED, 4096)]
    check(set(summed) <= {1024, 4096}, f"reads of a page: {set(summed)}")
    first = hottest(report)
    check(moved <= int(first["at"], 16) < moved + 0x100000, first)
    check(first["instructions"] > 4 * SUMMED, first)
    check(re.search(rf"^  {first['name']} +{first['at']} +"
                    rf"{first['instructions']:,} ", text, re.M), text)
    check_equal(sum(f["instructions"] for f in counted["functions"]),
                counted["translated"]["instructions"], "instructions")
    uart = next(r for r in counted["registers"] if r["region"] == "uart")
    check(uart["reads"] > 1000, uart)
    need(shutil.which("callgrind_annotate"), "no callgrind_annotate")
    found = subprocess.run(
        ["callgrind_annotate", os.path.join(folder, "out", "callgrind.out")],
        capture_output=True, text=True, check=True).stdout
    lines = [line for line in found.splitlines() if "???:" in line]
    check(f"???:{first['name']}" in lines[0], lines[0])


def spin(folder):
    """A guest that prints a line behind its first thousands of instructions,
    and goes on for ever."""
    path = os.path.join(folder, "spin")
    with open(path, "wb") as file:
        file.write(addi(T0, ZERO, 2000) + addi(T0, T0, -1) + bne(T0, ZERO, -4)
                   + li(T0, UART) + addi(T1, ZERO, ord("\n")) + sb(T1, 0, T0)
                   + addi(T0, T0, 1) + bne(T0, ZERO, -4))
    return ["profile", "--bios", path, "-m", "1", "-o",
            os.path.join(folder, "out")]


def check_cut(folder, status):
    """What was counted until the run was cut is all there."""
    with open(os.path.join(folder, "out", "report.json"),
              encoding="utf-8") as file:
        report = json.load(file)
    check_equal(report["status"], status, "the run's status")
    check(report["counted"]["speed"]["instructions"] > 1000, "instructions")


@in_folder
def test_interrupted(folder):
    """Ctrl-c and signals end the run, and the report is written"""
    with Terminal([XBAR, *spin(folder)], cwd=folder) as terminal:
        terminal.wait_until(terminal.is_raw, "it runs")
        terminal.wait_for(" M instructions, ")
        terminal.send("\x03")
        check_equal(terminal.wait_exit(), 130, "status")
        text = terminal.rest()
        check("exit status 130" in text and "report.html" in text, text)
        check("\x1b[1mSpeed\x1b[0m" in text, "colours on a terminal")
        check(terminal.is_restored(), "terminal restored")
    check_cut(folder, 130)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        shutil.rmtree(os.path.join(folder, "out"))
        child = subprocess.Popen([XBAR, *spin(folder)], cwd=folder,
                                 stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        check_equal(child.stdout.read(1), b"\n", "it runs")
        child.send_signal(number)
        out, err = child.communicate(timeout=60 * PATIENCE)
        check_equal(child.returncode, 128 + number, "status")
        check(b"\x1b" not in out, "no colours without a terminal")
        check_equal(err, b"", "no progress without a terminal")
        check_cut(folder, 128 + number)


@in_folder
def test_narrow_terminal(folder):
    """On a narrow terminal the line of progress is cut: one that is folded is
    not erased"""
    with Terminal([XBAR, *spin(folder)], cwd=folder) as terminal:
        terminal.resize(10, 20)
        terminal.wait_until(
            lambda: terminal.seen.count(b" M i") > 1, "progress")
        terminal.send("\x03")
        check_equal(terminal.wait_exit(), 130, "status")
        text = terminal.rest()
    lines = re.findall("\x1b\\[K([0-9]+ s, [^\x1b\n]*)", text)
    check(len(lines) > 1, text)
    check(all(len(line) <= 19 for line in lines), repr(lines))


@in_folder
def test_stopped(folder):
    """A profile that was stopped for a while has no samples of that"""
    child = subprocess.Popen([XBAR, *spin(folder), "--measure", "samples"],
                             cwd=folder, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE)
    check_equal(child.stdout.read(1), b"\n", "it runs")
    child.send_signal(signal.SIGSTOP)
    time.sleep(2)
    child.send_signal(signal.SIGCONT)
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60 * PATIENCE)
    check_equal(child.returncode, 130, "status")
    with open(os.path.join(folder, "out", "report.json"),
              encoding="utf-8") as file:
        counted = json.load(file)["counted"]
    seconds = counted["speed"]["seconds"]
    check(seconds > 2, f"{seconds} s, stopped for two of them")
    total = counted["samples"]["total"]
    check(0 < total < 250 * (seconds - 2) + 20, f"{total} in {seconds} s")


@in_folder
def test_no_color(folder):
    """NO_COLOR and TERM=dumb are heeded; ctrl-a ctrl-c is the guest's"""
    for name, value, is_plain in (("NO_COLOR", "1", True),
                                  ("NO_COLOR", "", False),
                                  ("TERM", "dumb", True)):
        environment = dict(os.environ, TERM="xterm", **{"NO_COLOR": ""})
        environment[name] = value
        with Terminal([XBAR, *spin(folder)], cwd=folder,
                      env=environment) as terminal:
            terminal.wait_until(terminal.is_raw, "it runs")
            terminal.send("\x01\x03")
            time.sleep(0.3)
            check(terminal.child.poll() is None, "it goes on")
            terminal.send("\x01x")
            check_equal(terminal.wait_exit(), 0, "status")
            text = terminal.rest()
            check("Speed" in text and ("\x1b" not in text) == is_plain,
                  f"{name}={value}: {text}")


def limit_files(size):
    """A disk with room for files of @size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@in_folder
def test_half_a_file(folder):
    """A file that cannot be written whole is not there, if it is one"""
    tree, link, full = (os.path.join(folder, name)
                        for name in ("tree", "link", "full"))
    os.symlink("target", link)
    os.symlink("/dev/full", full)
    for path, why in ((tree, b"File too large"), (link, b"File too large"),
                      (full, b"No space left on device")):
        for _ in "absent", "there":
            result = run(["run", "--dump-dtb", path], cwd=folder,
                         preexec_fn=lambda: limit_files(500))
            check_equal(result.returncode, 2, path)
            check_equal(result.stderr, b"xbar: %s: %s\n" % (path.encode(), why),
                        "message")
            check_equal(os.path.lexists(path), path != tree, path)
            put(folder, "tree", b"what was there")
    check(os.path.islink(link) and os.path.islink(full), "links stay")


def drop_root():
    if os.getuid() == 0:
        os.setuid(65534)


@in_folder
def test_report_folder(folder):
    """A folder that cannot be made is told before the run; a full disk after
    it, and what fits is there"""
    path = os.path.join(folder, "file")
    with open(path, "w", encoding="ascii"):
        pass
    result = run(["profile", "-o", os.path.join(path, "sub")], cwd=folder)
    check_equal((result.returncode, result.stdout), (2, b""), "no run")
    check_equal(len(result.stderr.splitlines()), 1, result.stderr)

    os.chmod(folder, 0o555)  # which does not keep root out
    result = run(["profile", "-o", "."], cwd=folder, preexec_fn=drop_root)
    check_equal((result.returncode, result.stdout, result.stderr),
                (2, b"", b"xbar: .: Permission denied\n"), "not ours")
    os.chmod(folder, 0o755)

    # Translated code would lie in a file as well, of memory.
    result = run(["profile", "-o", "out", "--engine", "interp"], cwd=folder,
                 preexec_fn=lambda: limit_files(20000))
    check_equal(result.returncode, 2, result.stderr)
    check(b"xbar demo: all right" in result.stdout, "the run")
    check(b"Accesses by region" in result.stdout, "the report on stdout")
    check(re.fullmatch(rb"xbar: out/report.json: File too large; and \d more of "
                       rb"the files\n", result.stderr), result.stderr)
    for name in os.listdir(os.path.join(folder, "out")):
        size = os.path.getsize(os.path.join(folder, "out", name))
        check(0 < size < 20000, f"{name} is whole: {size} bytes")
    with open(os.path.join(folder, "out", "stacks.folded"),
              encoding="ascii") as file:
        check("longest_collatz" in file.read(), "what fits is there")


FILES = ["report.json", "report.html", "callgrind.out", "stacks.folded",
         "trace.json", "flame.svg", "timeline.svg"]


@in_folder
def test_each_full(folder):
    """Each file that cannot be written is told by its name; the others are
    there, whatever the engine"""
    for name in FILES:
        out = os.path.join(folder, name + ".out")
        os.mkdir(out)
        os.symlink("/dev/full", os.path.join(out, name))
        result = run(["profile", "-o", out])
        check_equal((result.returncode, result.stderr.decode()),
                    (2, f"xbar: {out}/{name}: No space left on device\n"), name)
        check_equal(sorted(os.listdir(out)), sorted(FILES), "files")
        for other in set(FILES) - {name}:
            check(os.path.getsize(os.path.join(out, other)) > 0, other)


def profile_perf(folder, prepare, *options):
    """(status, stderr, process) of profile --perf, after @prepare in a shell."""
    child = subprocess.Popen(
        ["sh", "-c", prepare + '; exec "$0" profile --perf -o out "$@"', XBAR,
         *options], cwd=folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, errors = child.communicate(timeout=300)
    mapped = f"/tmp/perf-{child.pid}.map"
    if os.path.exists(mapped):
        os.unlink(mapped)
    return child.returncode, errors.decode(), child.pid


@in_folder
def test_no_dump(folder):
    """A dump that cannot be begun costs no run"""
    status, errors, pid = profile_perf(
        folder, "mkdir out && ln -s /dev/full out/jit-$$.dump")
    check_equal((status, errors), (
        2, f"xbar: out/jit-{pid}.dump: No space left on device\n"), "told")
    check_equal(os.listdir(os.path.join(folder, "out")), [f"jit-{pid}.dump"],
                "no report")
    status, errors, pid = profile_perf(folder, "mkdir -p out/jit-$$.dump")
    check_equal((status, errors),
                (2, f"xbar: out/jit-{pid}.dump: Is a directory\n"), "told")


@in_folder
def test_map_is_no_link(folder):
    """The map in /tmp takes the place of a link that somebody put there"""
    victim = put(folder, "victim", b"as it was")
    child = subprocess.Popen(
        ["sh", "-c", 'ln -s "$0" /tmp/perf-$$.map; '
         'exec "$@" profile --perf -o out', victim, XBAR],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    check_equal(child.wait(60 * PATIENCE), 0, "status")
    mapped = f"/tmp/perf-{child.pid}.map"
    is_link = os.path.islink(mapped)
    os.unlink(mapped)
    check(not is_link, "it is a file")
    with open(victim, "rb") as file:
        check_equal(file.read(), b"as it was", "what the link led to")


# Mounts a file system of $1 in out, which ends with the shell. What is left in
# it is listed.
SMALL_DISK = """
mkdir out || exit 3
mount -t tmpfs -o size="$1" none out || exit 3
shift
"$@" &
wait $!
status=$?
rm -f /tmp/perf-$!.map
ls -l out
exit $status
"""


@in_folder
def test_small_disk(folder):
    """A disk that fills in the middle of any of the files"""
    unshare = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-rm"]
    full, seen = 0, set()
    for kib in 8, 24, 64, 128, 160, 256, 320:
        where = os.path.join(folder, str(kib))
        os.mkdir(where)
        result = subprocess.run(
            [*unshare, "sh", "-c", SMALL_DISK, "sh", f"{kib}k", XBAR, "profile",
             "--perf", "-o", "out"], cwd=where, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=300)
        need(result.returncode not in (1, 3), "no disk of one's own: "
             + result.stderr.replace("\n", " "))
        check_equal(result.returncode, 2, f"status at {kib}: {result.stderr}")
        check(re.fullmatch(r"xbar: out/\S+: No space left on device"
                           r"(; and \d more of the files)?\n",
                           result.stderr), result.stderr)
        more = re.search(r"and (\d) more", result.stderr)
        check("xbar demo: all right" in result.stdout, "the run")
        there = re.findall(r"^-\S+ +\d+ \S+ +\S+ +(\d+) .* (\S+)$",
                           result.stdout, re.M)
        names = {re.sub(r"\d+", "PID", name) for _, name in there}
        check("0" not in [size for size, _ in there], f"whole: {there}")
        missing = 8 - len(names)
        check_equal(missing, 1 + (int(more[1]) if more else 0), "told")
        full += missing
        seen.add("jit-PID.dump" in names)
    check_equal(seen, {True, False}, "there was room for the dump")
    check(full > 10, f"{full} files had no room")


if __name__ == "__main__":
    try:
        main([test_demo, test_json, test_devices, test_engines, test_measure,
              test_functions, test_timeline, test_callgrind, test_stacks,
              test_devtools, test_pictures, test_perf_map, test_perf, test_symbols,
              test_unsized, test_odd_names,
              test_uboot, test_interrupted, test_narrow_terminal,
              test_stopped, test_no_color,
              test_half_a_file, test_report_folder, test_each_full,
              test_no_dump, test_map_is_no_link, test_small_disk,
              test_html, test_translated, test_listing,
              test_evicted, test_interpreted, test_deterministic, test_status,
              test_demo_bytes, test_mtree, test_mtree_json, test_mtree_dot,
              test_mtree_flags, test_mtree_dtb, test_help, test_man_page,
              test_full_disk, test_closed_pipe, test_cut_short])
    finally:
        DEMO.close()
