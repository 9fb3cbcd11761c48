# SPDX-License-Identifier: MIT
"""The monitor (ctrl-a c) on a guest that echoes what is typed."""

import os
import subprocess
import time

from asm import (A0, A1, RAM, T0, T1, T2, TIME, UART, ZERO, addi, andi, beq,
                 csrr, lbu, ld, li, sb, sd, srli, sub)
from guestio import (ENGINE, PATIENCE, XBAR, Terminal, check, check_equal,
                     in_folder, main, put)

VIRTIO = 0x10008000  # the first device has the last place

ECHO = (li(T0, UART) + lbu(T1, 5, T0) + andi(T1, T1, 1) + beq(T1, ZERO, -8)
        + lbu(T2, 0, T0) + sb(T2, 0, T0) + beq(ZERO, ZERO, -20))


def start(folder):
    return [XBAR, "run", "--bios", put(folder, "echo", ECHO), *ENGINE]


@in_folder
def test_lines(folder):
    """Lines are edited, answered, or refused with a hint"""
    with Terminal(start(folder)) as terminal:
        terminal.wait_until(terminal.is_raw, "it runs")
        terminal.send("a")
        terminal.wait_for("a")
        terminal.send("\x01c")
        terminal.wait_for("(xbar) ")
        for typed, answer in (
                ("info\r", "state         running"),
                ("  info  \r", "MMIO "),
                ("inxy\x7f\x08fo\r", "instructions  "),
                ("mtree\r", "uart"),
                ("junk\x15help\r", "mtree    the region tree"),
                ("?\r", "quit     end the run"),
                ("fly\r", "fly: no such command (try help)"),
                ("x" * 300 + "\r", "no such command")):
            terminal.send(typed)
            terminal.wait_for(answer)
            terminal.wait_for("(xbar) ")
        terminal.send("\r")
        terminal.wait_for("(xbar) ")
        terminal.send("\x01cb")
        terminal.wait_for("\nb")  # the guest's again
        terminal.send("\x01x")
        check_equal(terminal.wait_exit(), 0, "status")
        check(terminal.is_restored(), "the terminal is as before")


@in_folder
def test_stop(folder):
    """A guest that is stopped does nothing until it goes on"""
    with Terminal(start(folder)) as terminal:
        terminal.wait_until(terminal.is_raw, "it runs")
        terminal.send("a")
        terminal.wait_for("a")
        terminal.send("\x01cstop\rinfo\r")
        terminal.wait_for("state         stopped")
        terminal.wait_for("(xbar) ")
        terminal.send("\x01c")
        terminal.wait_for("\n")
        terminal.send("z")
        time.sleep(0.5)
        terminal.send("\x01h")
        check("z" not in terminal.wait_for("ctrl-a h"), "it echoed")
        terminal.send("\x01ccont\r")
        terminal.wait_for("z")
        terminal.send("quit\r")
        check_equal(terminal.wait_exit(), 0, "status")
        check(terminal.is_restored(), "the terminal is as before")


@in_folder
def test_ends_while_stopped(folder):
    """A stopped machine ends by key, and by SIGTERM"""
    for end, status in ((lambda t: t.send("\x01x"), 0),
                        (lambda t: t.child.terminate(), 143)):
        with Terminal(start(folder)) as terminal:
            terminal.wait_until(terminal.is_raw, "it runs")
            terminal.send("\x01cstop\r")
            terminal.wait_for("stop")
            terminal.wait_for("(xbar) ")
            end(terminal)
            check_equal(terminal.wait_exit(), status, "status")
            check(terminal.is_restored(), "the terminal is as before")


@in_folder
def test_in_a_pipe(folder):
    """The same keys work in a pipe; only what the guest prints is in stdout"""
    done = subprocess.run(start(folder), input=b"ab\x01cinfo\rquit\r",
                          capture_output=True, timeout=60 * PATIENCE,
                          check=False)
    check_equal(done.returncode, 0, "status")
    check(b"ab".startswith(done.stdout), done.stdout)
    check(b"MMIO " in done.stderr, done.stderr)


@in_folder
def test_asked_ahead(folder):
    """What is asked before an answer came is answered, too, each in its turn"""
    orders = ("snapshot", "info", "restore", "stop", "mtree", "info", "quit")
    words = (b"kept: ", b"state ", b"back: ", b"address-space: ",
             b"state         stopped")
    done = subprocess.run(start(folder), capture_output=True, check=False,
                          input=b"\x01c" + "\r".join(orders).encode() + b"\r",
                          timeout=60 * PATIENCE)
    check_equal(done.returncode, 0, "status")
    places = [done.stderr.rfind(word) for word in words]
    places[1] = done.stderr.find(b"state ")
    check(-1 not in places and places == sorted(places), done.stderr)


@in_folder
def test_quit_twice(folder):
    """More than is answered at once, and the end after that, or at once"""
    for orders in (b"info\r" * 40 + b"quit\r", b"info\rquit\rquit\r"):
        done = subprocess.run(start(folder), input=b"\x01c" + orders,
                              capture_output=True, timeout=60 * PATIENCE,
                              check=False)
        check_equal(done.returncode, 0, "status")


# Each key is answered by the next letter, which is kept in memory.
COUNT = (li(T0, UART) + li(T2, RAM + 0x8000) + lbu(T1, 5, T0)
         + andi(T1, T1, 1) + beq(T1, ZERO, -8) + lbu(T1, 0, T0)
         + lbu(T1, 0, T2) + addi(T1, T1, 1) + sb(T1, 0, T2)
         + addi(T1, T1, 64) + sb(T1, 0, T0) + beq(ZERO, ZERO, -36))


# Each key is answered by the time since the last one, of which a bit is STEP:
# enough bits for a host that is busy.
STEP = 2 ** 22 / 10e6  # seconds
WATCH = (li(T0, UART) + li(T2, RAM + 0x8000) + lbu(T1, 5, T0)
         + andi(T1, T1, 1) + beq(T1, ZERO, -8) + lbu(T1, 0, T0)
         + csrr(A0, TIME) + ld(A1, 0, T2) + sd(A0, 0, T2)
         + sub(A0, A0, A1) + srli(A0, A0, 22) + addi(A0, A0, ord("A"))
         + sb(A0, 0, T0) + addi(A0, ZERO, ord(".")) + sb(A0, 0, T0)
         + beq(ZERO, ZERO, -52))


def start_code(folder, code, *options):
    return [XBAR, "run", "--bios", put(folder, "code", code), *options, *ENGINE]


@in_folder
def test_snapshot(folder):
    """A guest goes back to where it was, again and again"""
    for options in ((), ("--deterministic",), ("--device", "virtio-rng-device")):
        with Terminal(start_code(folder, COUNT, *options)) as terminal:
            terminal.wait_until(terminal.is_raw, "it runs")
            terminal.send("\x01crestore\r")
            terminal.wait_for("there is no snapshot")
            terminal.wait_for("(xbar) ")
            terminal.send("\x01cx")
            terminal.wait_for("A")
            terminal.send("\x01csnapshot\r")
            terminal.wait_for("kept: 0.0 MiB")
            terminal.wait_for("(xbar) ")
            for _ in range(3):
                terminal.send("\x01cx")
                terminal.wait_for("B")
                terminal.send("x")
                terminal.wait_for("C")
                terminal.send("\x01crestore\r")
                terminal.wait_for("back: ")
                terminal.wait_for("(xbar) ")
            terminal.send("stop\rrestore\r")
            terminal.wait_for("back: ")
            terminal.send("cont\r\x01cx")
            terminal.wait_for("B")
            terminal.send("\x01x")
            check_equal(terminal.wait_exit(), 0, "status")


def seconds_without_hold(terminal, orders):
    """The guest's and the host's at most, from key to key around a hold."""
    begin = time.monotonic()
    terminal.send("x")
    terminal.wait_for(".")
    terminal.send("\x01cstop\rinfo\r")
    terminal.wait_for("stopped")
    terminal.wait_for("(xbar) ")
    held = time.monotonic()
    time.sleep(1.5)
    for order, answer in orders:
        terminal.send(order)
        terminal.wait_for(answer)
        terminal.wait_for("(xbar) ")
    held = time.monotonic() - held
    terminal.send("cont\r\x01cx")
    steps = ord(terminal.wait_for(".")[-2]) - ord("A")
    return steps * STEP, time.monotonic() - begin - held


@in_folder
def test_time_of_a_hold(folder):
    """What the monitor does while it holds a guest takes none of its time"""
    with Terminal(start_code(folder, WATCH)) as terminal:
        terminal.wait_until(terminal.is_raw, "it runs")
        for orders in ([("mtree\r", "uart")],
                       [("restore\r", "there is no snapshot")],
                       [("snapshot\r", "kept: "), ("restore\r", "back: ")]):
            guest, host = seconds_without_hold(terminal, orders)
            check(guest <= host, f"{guest} s of {host} s, {orders}")
        terminal.send("\x01x")
        check_equal(terminal.wait_exit(), 0, "status")


# Each key is answered by the columns of the console, as a character.
COLUMNS = (li(T0, UART) + li(T2, VIRTIO) + lbu(T1, 5, T0) + andi(T1, T1, 1)
           + beq(T1, ZERO, -8) + lbu(T1, 0, T0) + lbu(T1, 0x100, T2)
           + sb(T1, 0, T0) + beq(ZERO, ZERO, -24))


@in_folder
def test_window_of_a_snapshot(folder):
    """A guest that goes back has the terminal's size of now"""
    with Terminal(start_code(folder, COLUMNS, "--device",
                             "virtconsole")) as terminal:
        terminal.wait_until(terminal.is_raw, "it runs")

        def resize(columns):
            terminal.resize(24, ord(columns))
            for _ in range(100):  # the signal comes when it comes
                terminal.send("x")
                terminal.wait_until(lambda: terminal.seen, "an answer")
                if terminal.wait_for(chr(terminal.seen[0])) == columns:
                    return
                time.sleep(0.05)
            check(False, "another size")

        resize("A")
        terminal.send("\x01csnapshot\r")
        terminal.wait_for("kept: ")
        terminal.wait_for("(xbar) ")
        terminal.send("\x01c")
        terminal.wait_for("\n")
        resize("B")
        terminal.send("\x01crestore\r")
        terminal.wait_for("back: ")
        terminal.wait_for("(xbar) ")
        terminal.send("\x01c")
        terminal.wait_for("\n")
        terminal.send("x")
        terminal.wait_until(lambda: terminal.seen, "an answer")
        check_equal(terminal.seen, b"B", "columns")
        terminal.send("\x01x")
        check_equal(terminal.wait_exit(), 0, "status")


@in_folder
def test_refused_snapshot(folder):
    """What could not go back says so, and the guest goes on"""
    disk = os.path.join(folder, "disk")
    with open(disk, "wb") as file:
        file.truncate(1 << 20)
    with Terminal(start_code(folder, COUNT, "--drive",
                             f"file={disk}")) as terminal:
        terminal.wait_until(terminal.is_raw, "it runs")
        terminal.send("\x01csnapshot\r")
        terminal.wait_for("virtio-blk: a drive that the guest may write")
        terminal.wait_for("(xbar) ")
        terminal.send("\x01cx")
        terminal.wait_for("A")
        terminal.send("\x01x")
        check_equal(terminal.wait_exit(), 0, "status")


if __name__ == "__main__":
    main([test_lines, test_stop, test_ends_while_stopped, test_in_a_pipe,
          test_asked_ahead, test_quit_twice,
          test_snapshot, test_time_of_a_hold, test_window_of_a_snapshot,
          test_refused_snapshot])
