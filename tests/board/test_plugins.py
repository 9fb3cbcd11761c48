# SPDX-License-Identifier: MIT
"""The example plug-ins, as a person would use them: known guests, both engines,
lcov and genhtml; and what is wrong with an option or a file."""

import os
import shutil
import subprocess

from asm import (A0, A1, A2, T0, UART, ZERO, addi, bne, finish, lbu, ld, li,
                 sb)
from guestio import check, check_equal, in_folder, main, need, run

PLUGINS = os.path.join(os.environ["XBAR_BUILD_DIR"], "docs", "examples",
                       "plugins")
PASS = 0x5555
DATA = 0x80100000
ENGINES = ("jit", "interp")

C_SOURCE = """\
static volatile unsigned *const finisher = (unsigned *)0x100000;
static volatile int sum;

__attribute__((noinline)) static void often(int i)
{
    sum += i; /* 5 */
}

__attribute__((noinline)) void never(void)
{
    sum = 0; /* never */
}

void run(void)
{
    for (int i = 0; i < 1000; i++) {
        often(i); /* the call */
    }
    if (sum == 1) {
        never(); /* not taken */
    }
    *finisher = 0x5555;
    for (;;) {
    }
}
__asm__(".section .start,\\"ax\\"; .global _start; _start: li sp, 0x80100000; "
        "call run; .text");
"""


def plugin(name):
    path = os.path.join(PLUGINS, name + ".so")
    need(os.path.exists(path), name + ".so was not built")
    return path


def play(folder, guest, spec, *more):
    """Run @guest, bytes or a path, with a plug-in. Return: stderr."""
    path = guest
    if isinstance(guest, bytes):
        path = os.path.join(folder, "guest.bin")
        with open(path, "wb") as file:
            file.write(guest)
    result = run(["run", "--bios", path, "--plugin", spec, *more], cwd=folder)
    check_equal(result.returncode, 0, f"status; {result.stderr}")
    return result.stderr.decode()


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


@in_folder
def test_mmio_log(folder):
    """mmio_log: each access to a device, and no other, in both engines"""
    code = li(T0, UART) + li(A1, DATA)
    first = len(code)
    code += addi(A0, ZERO, ord("x")) + sb(A0, 0, T0) + ld(A2, 0, A1)
    code += lbu(A2, 5, T0) + finish(PASS)
    for engine in ENGINES:
        play(folder, code, plugin("mmio_log") + ",out=log", "--engine", engine)
        pc = 0x80000000 + first + 4
        lines = read(folder, "log").splitlines()
        check_equal(lines[0], f"{pc:x} W 1 uart+0x0 0x78", "the store")
        check_equal(lines[1], f"{pc + 8:x} R 1 uart+0x5 0x60", "the load")
        check("W 4 test-finisher+0x0 0x5555" in lines[2], "the end: " + lines[2])
        check_equal(len(lines), 3, "accesses")
        play(folder, code, plugin("mmio_log") + ",region=uart", "--engine",
             engine)
        check_equal(len(read(folder, "mmio.txt").splitlines()), 2, "uart's")


def misses(report, kind):
    for line in report.splitlines():
        if line.strip().startswith(kind + ":"):
            return int(line.split("accesses, ")[1].split()[0])
    return None


@in_folder
def test_cache_sim(folder):
    """cache_sim: 64 lines, 50 times, in caches of any shape"""
    walk = (ld(A2, 0, A1) + addi(A1, A1, 64) + addi(T0, T0, -1)
            + bne(T0, ZERO, -12))
    again = li(A1, DATA) + addi(T0, ZERO, 64) + walk + addi(A0, A0, -1)
    code = addi(A0, ZERO, 50) + again + bne(A0, ZERO, -len(again))
    code += finish(PASS)
    shapes = [
        ("dsize=4096,dways=1", 64),  # all of it fits
        ("dsize=4096,dways=64", 64),
        ("dsize=2048,dways=32", 50 * 64),  # the oldest is the next one
        ("dsize=4096,dways=4,line=128", 32),
    ]
    for shape, wanted in shapes:
        for engine in ENGINES:
            play(folder, code, plugin("cache_sim") + ",out=report," + shape,
                 "--engine", engine)
            report = read(folder, "report")
            # And the boot ROM's two loads, of one line.
            check_equal(misses(report, "data"), wanted + 1, shape + report)
            check("data: 3202 accesses" in report, report)
            line = 128 if "line" in shape else 64
            lines = (len(code) + line - 1) // line
            check(lines - 1 <= misses(report, "instructions") <= lines + 3,
                  f"{lines} lines of code: {report}")


def compile_guest(folder):
    need(shutil.which("riscv64-linux-gnu-gcc"), "no riscv64-linux-gnu-gcc")
    source = os.path.join(folder, "guest.c")
    elf = os.path.join(folder, "guest.elf")
    with open(source, "w", encoding="ascii") as file:
        file.write(C_SOURCE)
    subprocess.run(
        ["riscv64-linux-gnu-gcc", "-g", "-O1", "-nostdlib", "-static",
         "-fno-pic", "-no-pie", "-mcmodel=medany", "-Wl,--build-id=none",
         "-Wl,--section-start=.start=0x80001000,-Ttext=0x80002000,-e,_start",
         "-o", elf, source], check=True)
    return elf


def line_of(text):
    return next(number for number, line in
                enumerate(C_SOURCE.splitlines(), 1) if text in line)


@in_folder
def test_coverage(folder):
    """coverage: lines and functions as lcov and genhtml read them"""
    spec = plugin("coverage") + ",elf=guest.elf,out=all.info"
    elf = compile_guest(folder)
    for engine in ENGINES:
        play(folder, elf, spec, "--engine", engine)
        info = read(folder, "all.info")
        lines = info.splitlines()
        check("SF:" + os.path.join(folder, "guest.c") in lines, info)
        for text, count in (("/* 5 */", 1000), ("/* the call */", 1000),
                            ("/* never */", 0), ("/* not taken */", 0),
                            ("*finisher = 0x5555", 1)):
            check(f"DA:{line_of(text)},{count}" in lines, text + info)
        check("FNDA:1000,often" in lines and "FNDA:0,never" in lines, info)
    need(shutil.which("genhtml"), "no genhtml")
    made = subprocess.run(
        ["genhtml", "--output-directory", "html", "all.info"], cwd=folder,
        capture_output=True, text=True, check=False)
    check_equal(made.returncode, 0, made.stderr)
    check("functions..: 66.7% (2 of 3 functions)" in made.stdout, made.stdout)
    summary = subprocess.run(["lcov", "--summary", "all.info"], cwd=folder,
                             capture_output=True, text=True, check=False)
    check_equal(summary.returncode, 0, summary.stderr)
    check(any("lines" in line and "%" in line for line in
              (summary.stdout + summary.stderr).splitlines()), summary.stdout)


@in_folder
def test_cache_names(folder):
    """cache_sim: misses by function, from the guest's ELF file"""
    play(folder, compile_guest(folder),
         plugin("cache_sim") + ",elf=guest.elf,out=report")
    report = read(folder, "report")
    check(report.rstrip().splitlines()[-1].split()[-1] in ("often", "run"),
          report)


@in_folder
def test_bad_input(folder):
    """plug-ins that are none, options that are none: one line, status 2"""
    with open(os.path.join(folder, "guest.bin"), "wb") as file:
        file.write(finish(PASS))
    log = plugin("mmio_log")
    text = os.path.join(folder, "text.so")
    with open(text, "w", encoding="ascii") as file:
        file.write("no object\n")
    rows = [
        (["/nowhere.so"], "/nowhere.so"),
        ([text], "text.so"),
        ([log + ",colour=red"], "colour: no such option (out, region)"),
        ([log + ",out=/nowhere/log"], "/nowhere/log: No such file"),
        ([plugin("cache_sim") + ",line=24"], "there is no such cache"),
        ([plugin("cache_sim") + ",dsize=0"], "there is no such cache"),
        ([plugin("cache_sim") + ",elf=guest.bin"], "not an ELF file"),
        ([log] * 9, "more than 8"),
        ([log, "--engine=lockstep"], "not with --engine lockstep"),
    ]
    for specs, wanted in rows:
        arguments = []
        for spec in specs:
            arguments += [spec] if spec[0] == "-" else ["--plugin", spec]
        result = run(["run", "--bios", "guest.bin", *arguments], cwd=folder)
        message = result.stderr.decode()
        check_equal(result.returncode, 2, f"status of {specs}: {message}")
        check(wanted in message, f"{specs}: {message}")
        check_equal(message.count("\n"), 1, "lines of " + message)
    result = run(["run", "--bios", "guest.bin", "--plugin",
                  log + ",out=/dev/full"], cwd=folder)
    check_equal(result.returncode, 0, "the run itself")
    check("could not all be written" in result.stderr.decode(), result.stderr)


if __name__ == "__main__":
    main([test_mmio_log, test_cache_sim, test_coverage, test_cache_names,
          test_bad_input])
