# SPDX-License-Identifier: MIT
"""A guest under --gdb, gdb-multiarch on it, and the protocol by hand."""

import os
import re
import shutil
import socket
import subprocess
import time

from asm import T0, T1, T2, UART, ZERO, andi, beq, lbu, li, sb
from guestio import (ENGINE, PATIENCE, SOURCE_DIR, XBAR, Failed, check,
                     check_equal, need, put)

GDB = shutil.which("gdb-multiarch")
# By itself gdb gives up on an answer that takes 2 s.
GDB_OPTIONS = ["-nx", "-ex", "set pagination off", "-ex",
               "set remotetimeout 600", "-ex",
               "set architecture riscv:rv64"]
ECHO = (li(T0, UART) + lbu(T1, 5, T0) + andi(T1, T1, 1) + beq(T1, ZERO, -8)
        + lbu(T2, 0, T0) + sb(T2, 0, T0) + beq(ZERO, ZERO, -20))


def write_demo(folder):
    """The embedded guest as the ELF file that it is, names included."""
    path = os.path.join(SOURCE_DIR, "xbar", "demo", "demo_image.inc")
    with open(path, encoding="ascii") as file:
        text = file.read()
    return put(folder, "demo.elf", bytes(
        int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2}),", text)))


class Guest:
    """xbar with a debugger's socket; its messages are read from a file."""

    def __init__(self, folder, arguments, waits=True, address=None):
        self.address = address or os.path.join(folder, "gdb.sock")
        self.log = os.path.join(folder, "stderr")
        self.out = os.path.join(folder, "stdout")
        wait = ["--gdb-wait"] if waits else []
        with open(self.log, "wb") as log, open(self.out, "wb") as out:
            self.child = subprocess.Popen(
                [XBAR, "run", *arguments, "--gdb", self.address, *wait,
                 *ENGINE],
                stdin=subprocess.PIPE, stdout=out, stderr=log)
        self.wait_for("xbar: gdb: ")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.child.poll() is None:
            self.child.kill()
        self.child.stdin.close()
        self.child.wait()

    def messages(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def printed(self):
        with open(self.out, "rb") as file:
            return file.read()

    def wait_until(self, condition, what, seconds=20):
        deadline = time.monotonic() + seconds * PATIENCE
        while not condition():
            has_ended = self.child.poll() is not None
            if (has_ended or time.monotonic() > deadline) and not condition():
                raise Failed(f"waited until {what}; status "
                             f"{self.child.poll()}, said {self.messages()!r}, "
                             f"printed {self.printed()[-500:]!r}")
            time.sleep(0.01)

    def wait_for(self, text):
        self.wait_until(lambda: text in self.messages(), f"{text!r} was said")

    def wait_printed(self, text):
        self.wait_until(lambda: text in self.printed(), f"{text!r} was printed")

    def wait_exit(self):
        return self.child.wait(timeout=60 * PATIENCE)

    def echoes(self, text):
        """Does the echoing guest run?"""
        self.child.stdin.write(text)
        self.child.stdin.flush()
        self.wait_printed(text)

    def connect(self):
        if "/" in self.address:
            link = socket.socket(socket.AF_UNIX)
            link.connect(self.address)
        else:
            port = re.search(r"127\.0\.0\.1:(\d+)", self.messages()).group(1)
            link = socket.create_connection(("127.0.0.1", int(port)))
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.settimeout(20 * PATIENCE)
        return link


def run_gdb(guest, *commands, file=None):
    """gdb's commands, one after the other; returns what it printed."""
    need(GDB, "gdb-multiarch is not installed")
    argv = [GDB, "-batch", *GDB_OPTIONS]
    if file:
        argv += ["-ex", "file " + file]
    argv += ["-ex", "target remote " + guest.address]
    for command in commands:
        argv += ["-ex", command]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120 * PATIENCE)
    return done.stdout.decode(errors="replace")


def expect(text, *patterns):
    """Each of @patterns, in this order."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern).search(text, at)
        check(found, f"{pattern!r} does not follow, in:\n{text}")
        at = found.end()


def frame(payload):
    if isinstance(payload, str):
        payload = payload.encode()
    return b"$" + payload + b"#%02x" % (sum(payload) & 0xff)


class Link:
    """The protocol by hand."""

    def __init__(self, guest):
        self.socket = guest.connect()
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def read_byte(self):
        if not self.data:
            self.data = self.socket.recv(65536)
            if not self.data:
                raise Failed("the connection was closed")
        byte, self.data = self.data[:1], self.data[1:]
        return byte

    def answer(self):
        """The next packet's payload; acknowledged."""
        while self.read_byte() != b"$":
            pass
        payload = b""
        while True:
            byte = self.read_byte()
            if byte == b"#":
                break
            payload += byte
        check_equal(self.read_byte() + self.read_byte(),
                    b"%02x" % (sum(payload) & 0xff), "the sum")
        try:
            self.send(b"+")
        except ConnectionError:
            pass  # that was its last word
        return payload.decode()

    def ask(self, payload):
        self.send(frame(payload))
        return self.answer()

    def is_closed(self):
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True
