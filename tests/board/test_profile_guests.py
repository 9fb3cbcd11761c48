# SPDX-License-Identifier: MIT
"""profile on guests whose calls and counts are known beforehand."""

import html
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import chrometrace
import devicetree
import perf
from debugger import Guest, expect, run_gdb
from guestio import (OPENSBI, SOURCE_DIR, UBOOT, check, check_equal,
                     in_folder, main, need, need_firmware, run)
from profiling import LAYOUT, build_assembly, chains_of, profile, read

sys.path.insert(0, os.path.join(SOURCE_DIR, "tests"))
import browser  # noqa: E402


# ---- Chains of calls -------------------------------------------------------

CALLERS = {"spin": {"quiet", "trapped", "dive", "leap"}, "leap": {"deep"},
           "dive": {"dive", "work"}, "deep": {"work"}, "quiet": {"work"},
           "trapped": {"work"}, "handler": {"work", "trapped"},
           "remember": {"work"}, "work": {"_start"},
           # Half of its registers are already of where it goes back to.
           "go_back": {"leap", "deep", "work"}}


def build_calls(folder, frame_pointers, rounds, spins):
    need(shutil.which("riscv64-linux-gnu-gcc"), "no riscv64-linux-gnu-gcc")
    script, elf = (os.path.join(folder, name) for name in ("ld", "calls.elf"))
    with open(script, "w", encoding="ascii") as file:
        file.write(LAYOUT)
    way = "no-omit" if frame_pointers else "omit"
    subprocess.run(
        ["riscv64-linux-gnu-gcc", "-O2", "-march=rv64imac_zicsr",
         "-mabi=lp64", "-mcmodel=medany", f"-f{way}-frame-pointer",
         "-fno-stack-protector", "-fno-pic", "-no-pie", "-ffreestanding",
         f"-DROUNDS={rounds}", f"-DSPINS={spins}", "-nostdlib", "-static",
         "-Wl,--build-id=none", "-T", script, "-o",
         elf, os.path.join(SOURCE_DIR, "tests", "board", "calls.c")],
        check=True, capture_output=True)
    return elf


ENOUGH = 300  # samples, so that what has 1 in 20 of them is among them


def count(chains):
    return sum(samples for _, samples in chains)


SPINS = 1000000


def profile_calls(folder, frame_pointers, rounds, *options, spins=SPINS):
    """A profile with samples enough, however fast the host is. Return: the
    report, the chains."""
    for _ in range(6):
        elf = build_calls(folder, frame_pointers, rounds, spins)
        report, _ = profile(folder, "--bios", elf, "-m", "1", *options)
        chains = chains_of(folder)
        if count(chains) > ENOUGH:
            break
        rounds *= 3
    return report, chains


def check_calls(chains):
    """Each one was called by the one before it, and all are seen. Return: the
    share of the samples that lead up to work."""
    whole = count(chains)
    known = 0
    wrong = []
    for chain, samples in chains:
        wrong += samples * [chain for caller, function in zip(chain, chain[1:])
                            if caller not in CALLERS[function]]
        check(chain.count("dive") <= 24, chain)
        known += samples if "work" in chain else 0
    check_equal(wrong, [], f"wrong chains of {whole}")
    check(whole > ENOUGH, f"{whole} samples")
    for function in ("quiet", "trapped", "leap", "dive"):
        check(any(function in chain for chain, _ in chains), function)
    # Whose frame is of 4000 bytes.
    check(any({"work", "quiet", "spin"} <= set(chain) for chain, _ in chains),
          "who called quiet")
    return known / whole


@in_folder
def test_return_stack(folder):
    """Calls are right without frame pointers, behind longjmp and traps"""
    report, chains = profile_calls(folder, False, 80)
    need("translated" in report["counted"], "no translator for this host")
    # What is deeper than the return stack is cut at its outer end.
    check(check_calls(chains) > 0.5, chains)
    # Nobody counts: then what is rare is not interpreted either.
    _, chains = profile_calls(folder, False, 120, "--measure", "samples")
    check(check_calls(chains) > 0.5, chains)
    # Calls take most of the time, so that samples are of any instruction.
    _, chains = profile_calls(folder, False, 500000, "--measure", "samples",
                              spins=8)
    check(check_calls(chains) > 0.5, chains)


def has_engine(folder, engine):
    elf = build_calls(folder, True, 1, SPINS)
    return run(["profile", "--bios", elf, "-m", "1", "-o", folder, "--engine",
                engine]).returncode != 2


@in_folder
def test_frame_pointers(folder):
    """Frame pointers lead to the first caller, in each engine"""
    for engine, rounds in (("jit", 120), ("interp", 4)):
        if not has_engine(folder, engine):
            continue
        _, chains = profile_calls(folder, True, rounds, "--engine", engine)
        check(check_calls(chains) > 0.98, chains)
        deep = [chain for chain, _ in chains if chain.count("dive") == 24]
        check(["_start", "work"] + 24 * ["dive"] + ["spin"] in deep, deep)


@in_folder
def test_ends_of_functions(folder):
    """Who has no frame yet, or none any more, has all callers"""
    # Calls take most of the time, so that samples are of any instruction.
    for engine, rounds in (("jit", 500000), ("interp", 20000)):
        if not has_engine(folder, engine):
            continue
        _, chains = profile_calls(folder, True, rounds, "--engine", engine,
                                  "--measure", "samples", spins=8)
        check(check_calls(chains) > 0.98, chains)


# Half a microsecond of computing, then a register of the UART.
POLLING = """
    .section .text.start, "ax"
    .globl _start
    .type _start, @function
    _start: li s1, 1000000
    1: call compute
    call poll
    addi s1, s1, -1
    bnez s1, 1b
    power_off
    .size _start, . - _start
    .type compute, @function
    compute: li t0, 300
    3: addi t0, t0, -1
    mul t1, t0, t0
    xor t2, t1, t0
    bnez t0, 3b
    ret
    .size compute, . - compute
    .type poll, @function
    poll: li t0, 0x10000000
    lbu t1, 5(t0)
    ret
    .size poll, . - poll
"""


# Calls that are no calls fill the return stack; what returned last lies behind
# them, and in ra.
UNBALANCED = """
    .section .text.start, "ax"
    .globl _start
    .type _start, @function
    _start: la sp, stack
    call work
    .size _start, . - _start
    .type work, @function
    work: addi sp, sp, -16
    sd ra, 8(sp)
    li s1, 100
    1: .rept 20
    call 2f
    2:
    .endr
    call leaf
    li t0, 1000000
    3: addi t0, t0, -1
    mul t1, t0, t0
    xor t2, t1, t0
    bnez t0, 3b
    addi s1, s1, -1
    bnez s1, 1b
    power_off
    .size work, . - work
    .type leaf, @function
    leaf: ret
    .size leaf, . - leaf
    .bss
    .balign 16
    .skip 4096
    stack:
"""


@in_folder
def test_unbalanced_calls(folder):
    """What returned is no caller, though it is in ra and in the return stack"""
    elf = build_assembly(folder, UNBALANCED)
    report, _ = profile(folder, "--bios", elf, "-m", "1", "--measure",
                        "samples")
    need(report["engine"] == "jit", "no translator for this host")
    chains = chains_of(folder)
    check(count(chains) > 10, chains)
    check("work" in {chain[-1] for chain, _ in chains}, chains)
    check_equal([chain for chain, _ in chains if chain.count("work") > 1], [],
                "chains")


# Accesses by one base, of which one loads an f register of the same number.
FLOATS = """
    .section .text.start, "ax"
    .globl _start
    .type _start, @function
    _start: li t0, 0x6000
    csrs mstatus, t0
    lla a1, values
    li s1, 100000
    1: fld f10, 0(a1)
    fld f11, 8(a1)
    fld f12, 16(a1)
    fsd f11, 24(a1)
    fsd f12, 32(a1)
    addi s1, s1, -1
    bnez s1, 1b
    power_off
    .size _start, . - _start
    .bss
    .balign 64
    values: .skip 64
"""


@in_folder
def test_float_accesses(folder):
    """Accesses of f registers count for their page in translated code"""
    elf = build_assembly(folder, FLOATS)
    counts = {}
    for engine in ("interp", "jit"):
        result = run(["profile", "--bios", elf, "-m", "1", "--engine", engine,
                      "-o", folder])
        need(result.returncode != 2 or engine != "jit",
             "no translator for this host")
        check_equal(result.returncode, 0, result.stderr.decode())
        counts[engine] = json.loads(
            read(folder, "report.json"))["counted"]["pages"]
    check_equal(counts["jit"], counts["interp"], "pages")
    check_equal(sum(page[1] for page in counts["jit"]), 300000, "loads")


# Frame pointers, and a callee that has no frame.
ENTERED = """
    .section .text.start, "ax"
    .globl _start
    .type _start, @function
    _start: la sp, stack
    li s0, 0
    call work
    .size _start, . - _start
    .text
    .type leaf, @function
    leaf: ret
    .size leaf, . - leaf
    .type work, @function
    work: addi sp, sp, -32
    sd ra, 24(sp)
    sd s0, 16(sp)
    addi s0, sp, 32
    li s1, 3000000
    1: call leaf
    addi s1, s1, -1
    bnez s1, 1b
    power_off
    .size work, . - work
    .bss
    .balign 16
    .skip 4096
    stack:
"""


@in_folder
def test_entered(folder):
    """Who is about to return has a caller, without a frame or return stack"""
    elf = build_assembly(folder, ENTERED)
    profile(folder, "--bios", elf, "-m", "1", "--measure", "samples",
            "--engine", "interp")
    chains = [chain for chain, _ in chains_of(folder) if chain[-1] == "leaf"]
    check(chains, "samples of leaf")
    check_equal([chain for chain in chains
                 if chain != ["_start", "work", "leaf"]], [], "other chains")


@in_folder
def test_interrupted_where_it_is(folder):
    """Samples are of where the time goes, not of what accesses devices"""
    elf = build_assembly(folder, POLLING)
    report, _ = profile(folder, "--bios", elf, "-m", "1", "--measure",
                        "samples")
    need(report["engine"] == "jit", "no translator for this host")
    functions = {f["name"]: f for f in report["counted"]["functions"]}
    total = report["counted"]["samples"]["total"]
    check(total > 10, f"{total} samples")
    check(functions["compute"]["self"] > 0.6 * total, functions)


# The library for JSON, short of memory for the number of a count once.
SHORT = """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <stdio.h>
    #include <stdlib.h>
    static long calls;
    void *json_integer(long long value)
    {
        void *(*next)(long long) =
            (void *(*)(long long))dlsym(RTLD_NEXT, "json_integer");
        return ++calls == atol(getenv("FAIL_AT")) ? NULL : next(value);
    }
    __attribute__((destructor)) static void tell(void)
    {
        fprintf(stderr, "calls: %ld\\n", calls);
    }
"""


@in_folder
def test_short_of_memory(folder):
    """A report that lacks a row for want of memory is none"""
    elf = build_assembly(folder, POLLING)
    source, library = (os.path.join(folder, name)
                       for name in ("short.c", "short.so"))
    with open(source, "w", encoding="ascii") as file:
        file.write(SHORT)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"],
                   check=True)

    # How many it makes differs from run to run.
    for call in range(1, 100000, 400):
        out = os.path.join(folder, str(call))
        result = run(["profile", "-o", out, "--bios", elf, "-m", "1"], env={
            **os.environ, "LD_PRELOAD": library, "FAIL_AT": str(call),
            "ASAN_OPTIONS": "verify_asan_link_order=0"})
        said = result.stderr.decode()
        if int(re.search("calls: ([0-9]+)", said)[1]) < call:
            break
        check_equal(result.returncode, 2, f"call {call}: {said}")
        check("no memory for the report" in said, said)
        # Either has all of it, made for it alone.
        check(sum(os.path.exists(os.path.join(out, f"report.{end}"))
                  for end in ("json", "html")) == 1, f"call {call}")
    check_equal(result.returncode, 0, said)
    check(call > 2000, f"{call} calls")


# ---- OpenSBI and U-Boot ----------------------------------------------------

RAM = 128 << 20
SUMMED = 4 << 20  # bytes
SCRIPT = f"mw.l 0x85000000 0x1234 0x1000; crc32 0x85000000 {SUMMED:#x}; " \
    "bdinfo; poweroff"


class Session:
    """A session in U-Boot, profiled by each engine: the same, to the
    instruction."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        self.found = {}

    def close(self):
        shutil.rmtree(self.folder)

    def path(self, engine, name=""):
        return os.path.join(self.folder, engine, name)

    def guest(self, script):
        """The options of a guest that does what @script says."""
        need_firmware()
        # Then a session needs no keys, which come when they come.
        tree = devicetree.dump(self.folder, {
            "bootcmd": script.encode() + b"\0",
            "bootdelay": struct.pack(">I", 0)}, "-m", "128")
        return ["-m", "128", "--dtb", tree, "--bios", OPENSBI,
                "--kernel", UBOOT]

    def ensure(self, engine):
        """(report, text)"""
        if engine not in self.found:
            result = run(["profile", *self.guest(SCRIPT), "--deterministic",
                          "--engine", engine, "-o", self.path(engine)])
            need(result.returncode != 2 or engine != "jit",
                 "no translator for this host")
            check_equal(result.returncode, 0, result.stderr.decode())
            self.found[engine] = (
                json.loads(read(self.path(engine), "report.json")),
                result.stdout.decode().replace("\r", ""))
        return self.found[engine]

    def hottest(self):
        """The checksum's function, which bdinfo tells the place of."""
        report, text = self.ensure("jit")
        moved = int(re.search(r"relocaddr += (0x[0-9a-f]+)", text)[1], 16)
        first = max(report["counted"]["functions"],
                    key=lambda function: function["instructions"])
        check(moved <= int(first["at"], 16) < moved + 0x100000, first)
        check(first["instructions"] > 4 * SUMMED, first)
        return first


SESSION = Session()


def test_session():
    """Both engines count the same in a session in U-Boot"""
    found = {}
    for engine in ("jit", "interp"):
        report, text = SESSION.ensure(engine)
        check("crc32 for 85000000 ... " in text, text)
        for slot in range(1, 8):
            check(re.search(rf"^  virtio-mmio@1000{slot}000 +3 ", text, re.M),
                  f"slot {slot} in {text}")
        counted = report["counted"]
        found[engine] = exact(report)
        # Each page that was summed up, once; and what was executed.
        pages = {int(page[0], 16): page for page in counted["pages"]}
        check(set(pages[a][1] for a in range(
            0x85000000, 0x85000000 + SUMMED, 4096)) <= {1024, 4096}, "sums")
    for key, value in found["interp"].items():
        check_equal(found["jit"][key], value, key)
    check(found["jit"]["instructions"] > 10 * SUMMED, found["jit"])
    check_equal({mode for mode, (reads, _) in found["jit"]["modes"].items()
                 if sum(reads)}, {"M", "S"}, "modes")


def exact(report):
    """What is equal in each engine."""
    counted = report["counted"]
    return {
        "instructions": counted["speed"]["instructions"],
        "traps": counted["traps"],
        "modes": {name: (mode["reads"], mode["writes"])
                  for name, mode in counted["modes"].items()},
        "regions": [{key: value for key, value in region.items()
                     if key != "latency"} for region in counted["regions"]],
        "registers": sorted((r["first"], r["offset"], r["reads"], r["writes"])
                            for r in counted["registers"]),
        "pages": counted["pages"]}


def test_session_callgrind():
    """callgrind_annotate finds what was hot in U-Boot"""
    need(shutil.which("callgrind_annotate"), "no callgrind_annotate")
    first = SESSION.hottest()
    found = subprocess.run(
        ["callgrind_annotate", SESSION.path("jit", "callgrind.out")],
        capture_output=True, text=True, check=True).stdout
    lines = [line for line in found.splitlines() if "???:" in line]
    check(re.match(rf"{first['instructions']:,} .*\?\?\?:{first['name']}",
                   lines[0]), lines[0])
    total = SESSION.ensure("jit")[0]["counted"]["translated"]["instructions"]
    check(f"{total:,} (100.0%)  PROGRAM TOTALS" in found, found)


FIND = """<script>
const found = {};
const field = document.getElementById("flame-search");
field.value = "NAME";
field.dispatchEvent(new Event("input"));
found.share = document.getElementById("flame-found").textContent;
found.named = [...document.querySelectorAll("#flame .found")].map(
  (node) => node.dataset.name);
found.row = [...document.querySelectorAll("td")].some(
  (cell) => cell.textContent === "NAME");
found.hidden = [...document.querySelectorAll("#latency-more figure")].map(
  (node) => node.dataset.plot);
found.rest = document.getElementById("latency-rest").hidden;
found.plots = document.querySelectorAll("figure[data-plot]").length;
document.title = JSON.stringify(found);
</script></body>"""


def test_session_page():
    """Chromium opens the page of a session in U-Boot, and finds what is hot"""
    need(shutil.which("chromium"), "no chromium")
    first = SESSION.hottest()
    path = SESSION.path("jit", "found.html")
    with open(path, "w", encoding="utf-8") as file:
        file.write(read(SESSION.path("jit"), "report.html").replace(
            "</body>", FIND.replace("NAME", first["name"])))
    page, said = browser.browse("chromium", "file://" + path, 3000)
    check_equal(said, [], "the console")
    found = json.loads(html.unescape(re.search("<title>(.*?)</title>",
                                               page)[1]))
    check(found["row"], f"{first['name']} in the tables")
    check_equal(set(found["named"]), {first["name"]}, "frames")
    share = 100 * first["total"] / sum(
        f["self"] for f in SESSION.ensure("jit")[0]["counted"]["functions"])
    check_equal(found["share"], f"{share:.1f} % of samples", "share")
    check(found["plots"] > 5, found)
    timed = sorted(
        (r for r in SESSION.ensure("jit")[0]["counted"]["regions"]
         if "latency" in r), key=lambda r: -r["latency"]["sum_ns"])
    check(len(timed) > 6 and not found["rest"], "devices")
    check_equal(sorted(found["hidden"]),
                sorted(region["name"] for region in timed[6:]),
                "what is folded away")


def test_session_stacks():
    """Samples of a session in U-Boot name it, too"""
    name = SESSION.hottest()["name"]
    check(any(chain[-1] == name for chain, _ in
              chains_of(SESSION.path("jit"))), "folded stacks")
    calls = chrometrace.slices_of(read(SESSION.path("jit"), "trace.json"))
    check(name in [call for call, *_ in calls], "Chrome's trace")


def test_session_devtools():
    """DevTools show a session in U-Boot, and what is hot in it"""
    chrometrace.check_in_devtools(read(SESSION.path("jit"), "trace.json"),
                                  SESSION.hottest()["name"])


@in_folder
def test_session_perf(folder):
    """perf names what is hot in a session in U-Boot, and shows its code"""
    name = SESSION.hottest()["name"]
    # 48 MiB are summed up: some hundred samples, on any host.
    named, mapped = perf.record(folder, *SESSION.guest(
        "crc32 0x83000000 0x3000000; poweroff"))
    check(f" {name}+0x" in mapped, "it is in the map")
    seen = {symbol: count for symbol, count in perf.counts(named).items()
            if re.match(r"(?:fn|code)_[0-9a-f]", symbol)}
    check_equal(max(seen, key=seen.get, default=None), name,
                f"what is hot in {seen}")
    said = perf.perf("report", "--stdio", "-i", named, "--sort", "symbol")
    first = re.search(r"\] ((?:fn|code)_[0-9a-f]+)", said)
    check(first and first[1] == name, said)
    perf.check_annotated(named, name)


@in_folder
def test_session_gdb(folder):
    """gdb stops a session in U-Boot at what is hot, called with what is summed
    up"""
    at = SESSION.hottest()["at"]
    with Guest(folder, SESSION.guest(SCRIPT)) as guest:
        text = run_gdb(guest, f"hbreak *{at} if $a1 == 0x85000000", "continue",
                       "p/x $pc", "p/x $a2", "p $priv", "x/i $pc", "delete",
                       "detach")
        expect(text, rf"Breakpoint 1, 0x0*{at[2:]} in", rf"\$1 = {at}",
               rf"\$2 = {SUMMED:#x}", r"\$3 = .*1", rf"=> {at}:", r"detached")
        check_equal(guest.wait_exit(), 0, "status")


if __name__ == "__main__":
    try:
        main([test_return_stack, test_frame_pointers, test_ends_of_functions,
              test_unbalanced_calls, test_float_accesses, test_entered,
              test_interrupted_where_it_is, test_short_of_memory, test_session,
              test_session_callgrind, test_session_page, test_session_stacks,
              test_session_devtools, test_session_perf, test_session_gdb])
    finally:
        SESSION.close()
