# SPDX-License-Identifier: MIT
"""What the tests of the program share: terminals with deadlines, TAP cases.

A guest that hangs fails its case and is killed, and what it printed until
then is shown.
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

SOURCE_DIR = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
XBAR = os.environ.get("XBAR_PROGRAM", os.path.join(
    SOURCE_DIR, "build", "release", "xbar", "xbar"))
# What the tests are started with, "--engine interp" say, goes to each guest.
ENGINE = sys.argv[1:]
OPENSBI = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.bin"
UBOOT = "/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin"
RAM_BASE = 0x80000000
TERMINAL_SIZE = (50, 500)  # wide, so that nothing is wrapped

# Deadlines are for hangs only: a sanitizer's build is ten times slower, and
# the machine may be slow, and busy with other tests.
PATIENCE = 20 if "san" in os.environ.get("XBAR_BUILD_DIR", "") else 10


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def need(condition, reason):
    """Skip the case unless @condition."""
    if not condition:
        raise Skipped(reason)


def need_firmware():
    for path in (OPENSBI, UBOOT):
        need(os.path.exists(path), path + " is not installed")


def has_libslirp():
    libraries = subprocess.run(["ldd", XBAR], capture_output=True, check=True)
    return b"libslirp" in libraries.stdout


def need_network():
    """Skip the case if the program was built without libslirp."""
    need(has_libslirp(), "built without libslirp")


def check(condition, message):
    if not condition:
        raise Failed(message)


def check_equal(got, wanted, what):
    check(got == wanted, f"{what}: got {got!r}, not {wanted!r}")


def check_same_lines(ours, theirs, what):
    """Equal texts; a difference is shown with its line."""
    mine, other = ours.splitlines(), theirs.splitlines()
    for number, (a, b) in enumerate(zip(mine, other), 1):
        check(a == b, f"{what}, line {number}: got {a!r}, not {b!r}")
    check_equal(len(mine), len(other), what + ", lines")


class Terminal:
    """A child on a pseudo-terminal of its own."""

    def __init__(self, argv, **kwargs):
        self.master, self.slave = pty.openpty()
        self.child = None
        self.resize(*TERMINAL_SIZE)
        # `slave` stays open: the terminal's settings outlive the child.
        self.modes_before = termios.tcgetattr(self.slave)
        self.argv = argv
        self.seen = b""
        streams = {"stdin": self.slave, "stdout": self.slave,
                   "stderr": self.slave}
        streams.update(kwargs)
        self.child = subprocess.Popen(argv, start_new_session=True, **streams)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, columns):
        """As a terminal's window does, which tells who runs in front."""
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))
        if self.child:
            self.child.send_signal(signal.SIGWINCH)

    def is_raw(self):
        modes = termios.tcgetattr(self.slave)
        return not modes[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def is_restored(self):
        return termios.tcgetattr(self.slave) == self.modes_before

    def send(self, text):
        os.write(self.master, text.encode())

    def _read(self, deadline):
        """Take what comes within a moment; False when time is up."""
        left = deadline - time.monotonic()
        ready, _, _ = select.select([self.master], [], [],
                                    max(0, min(left, 0.05)))
        if ready:
            self.seen += os.read(self.master, 65536)
        return left > 0

    def wait_until(self, condition, what, seconds=20):
        """Up to a deadline, or until the child has ended and said it all."""
        begin = time.monotonic()
        while not condition():
            has_ended = self.child.poll() is not None
            before = len(self.seen)
            is_late = not self._read(begin + seconds * PATIENCE)
            is_silent = has_ended and len(self.seen) == before
            if (is_late or is_silent) and not condition():
                raise Failed(f"waited {time.monotonic() - begin:.0f} s until "
                             f"{what}; status {self.child.poll()}, "
                             f"seen {self.seen[-1500:]!r}")

    def wait_for(self, what, seconds=20):
        """Return what was printed up to and with @what, and forget it."""
        mark = what.encode()
        self.wait_until(lambda: mark in self.seen, f"{what!r} came", seconds)
        end = self.seen.index(mark) + len(mark)
        text, self.seen = self.seen[:end], self.seen[end:]
        return text.decode(errors="replace").replace("\r", "")

    def wait_exit(self, seconds=20):
        """Read to the end; return the exit status, -N for signal N."""
        self.wait_until(lambda: self.child.poll() is not None, "it ended",
                        seconds)
        while select.select([self.master], [], [], 0)[0]:
            self._read(time.monotonic())
        return self.child.returncode

    def rest(self):
        return self.seen.decode(errors="replace").replace("\r", "")


def run(arguments, stdin=subprocess.DEVNULL, **kwargs):
    """Run xbar to its end without a terminal."""
    if "input" not in kwargs:
        kwargs["stdin"] = stdin
    return subprocess.run([XBAR, *arguments], capture_output=True,
                          timeout=60 * PATIENCE, **kwargs)


def profile_demo(folder):
    """A profile of the demo in @folder/xbar-report: again if few samples were
    taken, as a host is fast, or busy. Return: what it printed; its report."""
    for _ in range(8):
        result = run(["profile"], cwd=folder)
        text = result.stdout.decode().replace("\r", "")
        check_equal(result.returncode, 0, "status of " + text)
        check_equal(result.stderr, b"", "stderr")
        with open(os.path.join(folder, "xbar-report", "report.json"),
                  encoding="utf-8") as file:
            report = json.load(file)
        if report["counted"]["samples"]["total"] > 40:
            break
    return text, report


def put(folder, name, content):
    """A file with @content; returns its path."""
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def in_folder(case):
    """Run @case(folder) in a folder of its own that is then removed."""
    def wrapped():
        with tempfile.TemporaryDirectory() as folder:
            case(folder)
    wrapped.__doc__ = case.__doc__
    return wrapped


def main(cases):
    """Run functions whose first line of documentation is their name."""
    failed = 0
    for number, case in enumerate(cases, 1):
        name = case.__doc__.splitlines()[0].rstrip(".")
        try:
            case()
            print(f"ok {number} - {name}", flush=True)
        except Skipped as why:
            print(f"ok {number} - {name} # SKIP {why}", flush=True)
        except (Failed, OSError, subprocess.TimeoutExpired) as why:
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in re.split(r"\n", str(why)):
                print("#   " + line, flush=True)
    print(f"1..{len(cases)}")
    sys.exit(1 if failed else 0)
