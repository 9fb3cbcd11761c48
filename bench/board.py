#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program on real firmware: how soon, and with how much memory.

    bench/board.py --xbar PROGRAM [--qemu] --list
    bench/board.py --xbar PROGRAM [--qemu] --json FILE --only NAME...

board/boot/ENGINE is the time from start to U-Boot's prompt, its countdown
skipped by a key: OpenSBI and U-Boot of Debian 12, 512 MiB, each with the
machine's own device tree. memory_mib is what is resident then beyond guest
RAM: the Pss of all mappings but the RAM block. code_mib is the most that
translated code took up to there, as xbar's monitor says.
"""

import argparse
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

FIRMWARE = Path("/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.bin")
U_BOOT = Path("/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin")
QEMU = "qemu-system-riscv64"
RAM_MIB = 512
PATIENCE = 120  # seconds
CODE_BAR = 4  # MiB of translated code, at most
NOT_HERE = 3


class Console:
    """A program on a pseudo-terminal, and what it printed so far."""

    def __init__(self, command):
        self.master, slave = pty.openpty()
        self.start = time.monotonic()
        self.child = subprocess.Popen(command, stdin=slave, stdout=slave,
                                      stderr=slave)
        os.close(slave)
        self.seen = b""

    def wait_for(self, text):
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.master], [], [], max(0, left))
            if not ready:
                raise TimeoutError(f"no {text!r} within {PATIENCE} s")
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:
                raise TimeoutError(f"ended before {text!r}") from None
        return time.monotonic() - self.start

    def ask_monitor(self):
        """What xbar's monitor says of the machine."""
        self.seen = b""
        self.send(b"\x01cinfo\r")
        self.wait_for(b"MMIO ")
        return self.seen.decode(errors="replace")

    def send(self, text):
        os.write(self.master, text)

    def close(self):
        self.child.terminate()
        self.child.wait()
        os.close(self.master)


# ---- Memory ------------------------------------------------------------------

def mappings(pid):
    """(is anonymous, size in KiB, Pss in KiB) of each mapping."""
    found = []
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            found.append([len(line.split()) == 5, 0, 0])
        elif line.startswith("Size:"):
            found[-1][1] = int(line.split()[1])
        elif line.startswith("Pss:"):
            found[-1][2] = int(line.split()[1])
    return found


def beyond_ram(pid):
    """MiB, or None if it cannot be told which mapping is RAM."""
    maps = mappings(pid)
    ram = [m for m in maps if m[0] and m[1] >= RAM_MIB * 1024]
    if len(ram) != 1:
        return None
    return (sum(m[2] for m in maps) - ram[0][2]) / 1024


# ---- Figures -----------------------------------------------------------------

def code_size(said):
    """MiB of translated code, from the monitor's answer."""
    found = re.search(r"code .* KiB in use, (\d+) KiB of all blocks", said)
    return int(found.group(1)) / 1024


def boot(command, is_ours):
    """Seconds to the prompt, and what is counted there."""
    console = Console(command)
    counted = {}
    try:
        console.wait_for(b"stop autoboot")
        console.send(b"\n")
        seconds = console.wait_for(b"=> ")
        memory = beyond_ram(console.child.pid)
        if memory is not None:
            counted["memory_mib"] = memory
        if is_ours:
            counted["code_mib"] = code_size(console.ask_monitor())
            counted["code_mib_bar"] = CODE_BAR
        return seconds, counted
    finally:
        console.close()


def commands(options):
    """By name of a figure."""
    guest = ["-m", str(RAM_MIB)]
    firmware = [str(FIRMWARE), str(U_BOOT)]
    found = {"board/boot/xbar": [
        str(options.xbar), "run", "--bios", firmware[0], "--kernel",
        firmware[1], *guest]}
    if options.qemu and shutil.which(QEMU):
        found["board/boot/qemu"] = [
            QEMU, "-M", "virt", "-nographic", "-bios", firmware[0],
            "-kernel", firmware[1], *guest]
    return found


def row(name, command):
    base = {"name": name, "run_name": name, "run_type": "iteration",
            "iterations": 1, "threads": 1, "time_unit": "ms",
            "xbar_clock": "real"}
    try:
        seconds, counted = boot(command, name.endswith("/xbar"))
    except TimeoutError as error:
        return {**base, "error_occurred": True, "error_message": str(error)}
    base.update(real_time=seconds * 1e3, cpu_time=seconds * 1e3, **counted)
    return base


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--xbar", type=Path, required=True)
    parser.add_argument("--qemu", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    for path in (options.xbar, FIRMWARE, U_BOOT):
        if not path.exists():
            print(f"{path} is missing", file=sys.stderr)
            return NOT_HERE
    found = commands(options)
    if options.list:
        print("\n".join(found))
        return 0
    rows = [row(name, found[name]) for name in options.only]
    options.json.write_text(json.dumps({"benchmarks": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
