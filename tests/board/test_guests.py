# SPDX-License-Identifier: MIT
"""Guests that do what they should not, and how a run ends.

The program outlives all of them: a guest gets its exception, a person gets
the terminal back, and the exit status says what happened.
"""

import os
import re
import shlex
import signal
import subprocess
import time

from asm import (A0, A1, ECALL, LOOP, MEPC, MRET, MSTATUS, MTVEC, NOP, RAM,
                 SATP, T0, T1, T2, UART, WFI, ZERO, addi, amoadd_w, andi, beq,
                 bne, csrw, finish, jr, ld, lbu, li, lr_d, lw, reporting, sb,
                 sd, sw, word)
from guestio import (ENGINE, PATIENCE, XBAR, Terminal, check, check_equal, in_folder,
                     main, run)

MIB = 1 << 20
NOWHERE = 0x40000000
ROM = 0x1000
PLIC = 0xc000000
END = RAM + MIB  # with -m 1

# name, code, the exception's cause; None: no exception
TRESPASSES = [
    ("fetch from nowhere", li(T0, NOWHERE) + jr(T0), 1),
    ("fetch from a device", li(T0, UART) + jr(T0), 1),
    ("fetch past the end of RAM", li(T0, END - 4) + li(T1, 0x13)
     + sw(T1, 0, T0) + jr(T0), 1),
    ("fetch half past the end", li(T0, END - 4) + li(T1, 0x00130001)
     + sw(T1, 0, T0) + jr(T0), 1),
    ("fetch at the top of the address space", li(T0, (1 << 64) - 4) + jr(T0),
     1),
    ("an illegal instruction", word(0), 2),
    ("load from nowhere", li(T0, NOWHERE) + ld(T1, 0, T0), 5),
    ("load at 0", ld(T1, 0, ZERO), 5),
    ("load past the end of RAM", li(T0, END) + ld(T1, 0, T0), 5),
    ("load across the end of RAM", li(T0, END - 4) + ld(T1, 0, T0), 5),
    ("load at the top of the address space", addi(T0, ZERO, -8)
     + ld(T1, 0, T0), 5),
    ("store to nowhere", li(T0, NOWHERE) + sd(T1, 0, T0), 7),
    ("store across the end of RAM", li(T0, END - 4) + sd(T1, 0, T0), 7),
    ("load of a size that a device refuses", li(T0, PLIC) + ld(T1, 0, T0), 5),
    ("store of a size that a device refuses", li(T0, PLIC) + sb(T1, 0, T0), 7),
    ("load past the registers of a device", li(T0, UART + 8)
     + lbu(T1, 0, T0), 5),
    ("atomic on a device", li(T0, PLIC) + amoadd_w(T1, ZERO, T0), 7),
    ("reservation on a device", li(T0, PLIC) + lr_d(T1, T0), 5),
    ("an unknown CSR", csrw(0x5ff, T0), 2),
    ("a call without anybody to answer", ECALL, 11),
    ("load of ROM", li(T0, ROM) + lw(T1, 0, T0), None),
]

# S-mode with page tables where there is no memory: mret to @code.
PAGED_NOWHERE = (
    li(T0, (1 << 54) - 1) + csrw(0x3b0, T0)     # pmpaddr0: everything
    + addi(T0, ZERO, 0x1f) + csrw(0x3a0, T0)    # pmpcfg0: NAPOT, RWX
    + li(T0, 8 << 60 | NOWHERE >> 12) + csrw(SATP, T0)
    + li(T0, 1 << 11) + csrw(MSTATUS, T0)       # MPP = S
    + li(T0, RAM) + csrw(MEPC, T0) + MRET)

TRANSMIT = li(T0, UART)
# Echo until "Q", without looking at the line status before it writes.
ECHO = (TRANSMIT + li(A1, ord("Q"))
        + lbu(T1, 5, T0) + andi(T1, T1, 1) + beq(T1, ZERO, -8)
        + lbu(A0, 0, T0) + sb(A0, 0, T0) + bne(A0, A1, -20)
        + finish(0x5555))
# Read until "Q" and say nothing.
SWALLOW = (TRANSMIT + li(A1, ord("Q"))
           + lbu(T1, 5, T0) + andi(T1, T1, 1) + beq(T1, ZERO, -8)
           + lbu(A0, 0, T0) + bne(A0, A1, -16) + finish(0x5555))
FLOOD = TRANSMIT + li(T1, ord("f")) + sb(T1, 0, T0) + beq(ZERO, ZERO, -4)


def guest(folder, code, *options):
    path = os.path.join(folder, "guest.bin")
    with open(path, "wb") as file:
        file.write(code)
    return ["run", "--bios", path, "-m", "1", *ENGINE, *options]


@in_folder
def test_trespasses(folder):
    """A guest that trespasses gets its architectural exception"""
    for name, code, cause in TRESPASSES:
        status = run(guest(folder, reporting(code))).returncode
        check_equal(status, 99 if cause is None else 64 + cause, name)


@in_folder
def test_log(folder):
    """What a device refuses is told to who asks for it"""
    code = li(T0, PLIC + 8) + ld(T1, 0, T0)
    line = rb"^xbar: plic: read of 8 bytes at offset 0x8 refused: .+$"
    for options, told in ((["--log", "guest_errors"], 1),
                          (["--log", "unimp,guest_errors"], 1),
                          (["--log", "unimp"], 0), ([], 0)):
        result = run(guest(folder, reporting(code), *options))
        check_equal(result.returncode, 64 + 5, str(options))
        check_equal(len(re.findall(line, result.stderr, re.M)), told,
                    f"{options}: lines in {result.stderr!r}")


@in_folder
def test_rom_store(folder):
    """A store to ROM changes nothing, and the program goes on"""
    code = (li(T0, ROM) + lw(A0, 0, T0) + li(A1, 0x55) + sw(A1, 0, T0)
            + lw(A1, 0, T0) + beq(A0, A1, 8) + word(0))
    status = run(guest(folder, reporting(code))).returncode
    check(status in (99, 64 + 7), f"status {status}: ROM was written")


@in_folder
def test_paged_nowhere(folder):
    """Page tables outside memory give access faults"""
    status = run(guest(folder, reporting(PAGED_NOWHERE))).returncode
    check_equal(status, 64 + 1, "status")


@in_folder
def test_status(folder):
    """The finisher's codes become exit statuses"""
    for command, status in ((0x5555, 0), (0x00013333, 1), (0x00023333, 2),
                            (0x00ff3333, 255), (0x01003333, 255),
                            (0x00003333, 255), (0xffff3333, 255)):
        check_equal(run(guest(folder, finish(command))).returncode, status,
                    hex(command))


@in_folder
def test_reset(folder):
    """Reset reloads the images and keeps the rest of RAM"""
    # Count resets outside the image; spoil the image; pass at the fifth.
    counter, spoiled = RAM + 0x8000, RAM + 0x400
    code = (li(T0, counter) + lw(T1, 0, T0) + addi(T1, T1, 1) + sw(T1, 0, T0)
            + li(T0, spoiled) + lw(A0, 0, T0) + beq(A0, ZERO, 8) + word(0)
            + sw(T1, 0, T0) + addi(T2, ZERO, 5))
    again = finish(0x7777)
    code += beq(T1, T2, 4 + len(again)) + again + finish(0x5555)
    image = reporting(code)
    image += bytes(0x500 - len(image))
    check_equal(run(guest(folder, image)).returncode, 0, "status")


HANGS = [
    ("a fault loop", li(T0, NOWHERE) + csrw(MTVEC, T0) + jr(T0)),
    ("an illegal loop", word(0)),
    ("an idle loop", LOOP),
    ("sleep", WFI + beq(ZERO, ZERO, -4)),
    ("a trap vector in a device", li(T0, UART) + csrw(MTVEC, T0) + jr(T0)),
    ("a flood of output", FLOOD),
]


@in_folder
def test_sigterm(folder):
    """SIGTERM ends a guest that hangs: 143, the terminal restored"""
    for name, code in HANGS:
        with Terminal([XBAR, *guest(folder, code)]) as terminal:
            terminal.wait_until(terminal.is_raw, name + ": raw mode")
            time.sleep(0.1)
            terminal.child.terminate()
            check_equal(terminal.wait_exit(), 143, name)
            check(terminal.is_restored(), name + ": terminal restored")


@in_folder
def test_escape(folder):
    """Ctrl-a x ends a guest that hangs: 0, the terminal restored"""
    for name, code in HANGS:
        with Terminal([XBAR, *guest(folder, code)]) as terminal:
            terminal.wait_until(terminal.is_raw, name + ": raw mode")
            time.sleep(0.1)
            terminal.send("\x01x")
            check_equal(terminal.wait_exit(), 0, name)
            check(terminal.is_restored(), name + ": terminal restored")


@in_folder
def test_signals(folder):
    """Other signals restore the terminal, too; ctrl-c is the guest's"""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        with Terminal([XBAR, *guest(folder, LOOP)]) as terminal:
            terminal.wait_until(terminal.is_raw, "raw mode")
            terminal.send("\x03\x1c\x1a")
            time.sleep(0.1)
            check_equal(terminal.child.poll(), None, "after ctrl-c")
            terminal.child.send_signal(number)
            check_equal(terminal.wait_exit(), 128 + number, str(number))
            check(terminal.is_restored(), f"signal {number}: restored")


@in_folder
def test_crash(folder):
    """A crash restores the terminal and dies of its signal"""
    with Terminal([XBAR, *guest(folder, LOOP)]) as terminal:
        terminal.wait_until(terminal.is_raw, "raw mode")
        terminal.child.send_signal(signal.SIGABRT)
        check_equal(terminal.wait_exit(), -signal.SIGABRT, "status")
        check(terminal.is_restored(), "terminal restored")


def is_stopped(child):
    return os.waitid(os.P_PID, child.pid,
                     os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None


@in_folder
def test_stop(folder):
    """A stopped run gives the terminal back, and takes it again"""
    with Terminal([XBAR, *guest(folder, LOOP)]) as terminal:
        terminal.wait_until(terminal.is_raw, "raw mode")
        terminal.child.send_signal(signal.SIGTSTP)
        terminal.wait_until(terminal.is_restored, "the terminal is restored")
        terminal.wait_until(lambda: is_stopped(terminal.child), "it stopped")
        terminal.child.send_signal(signal.SIGCONT)
        terminal.wait_until(terminal.is_raw, "raw mode again")
        terminal.child.terminate()
        check_equal(terminal.wait_exit(), 143, "status")
        check(terminal.is_restored(), "terminal restored")


@in_folder
def test_keys(folder):
    """Ctrl-a ctrl-a reaches the guest; ctrl-a h explains; others vanish"""
    with Terminal([XBAR, *guest(folder, ECHO)]) as terminal:
        terminal.wait_until(terminal.is_raw, "raw mode")
        terminal.send("a\x01\x01b\x01zc\x03")
        terminal.wait_for("a\x01bc\x03")
        terminal.send("\x01h")
        terminal.wait_for("ctrl-a x")
        terminal.send("Q")
        check_equal(terminal.wait_exit(), 0, "status")


@in_folder
def test_no_loss(folder):
    """200 KiB through a pipe come back byte for byte"""
    text = bytes(range(0x20, 0x51)) * 4180 + b"Q"
    result = subprocess.run([XBAR, *guest(folder, ECHO)], input=text,
                            capture_output=True, timeout=60 * PATIENCE)
    check_equal(result.returncode, 0, "status")
    check(result.stdout == text[:text.index(b"Q")] + b"Q", "the echo differs")


@in_folder
def test_silent_reader(folder):
    """A guest that reads and prints nothing gets all of its input"""
    result = run(guest(folder, SWALLOW),
                 input=b"x" * 200000 + b"Q")
    check_equal(result.returncode, 0, "status")


@in_folder
def test_paste(folder):
    """A long paste into a terminal comes back whole"""
    text = "0123456789abcdef" * 1024
    with Terminal([XBAR, *guest(folder, ECHO)]) as terminal:
        terminal.wait_until(terminal.is_raw, "raw mode")
        echoed = ""
        for at in range(0, len(text), 512):
            terminal.send(text[at:at + 512])
            terminal.wait_until(lambda: len(terminal.seen) >= at + 512,
                                "the echo came")
        echoed = terminal.rest()
        check(echoed == text, "the echo differs")
        terminal.send("Q")
        check_equal(terminal.wait_exit(), 0, "status")


@in_folder
def test_end_of_input(folder):
    """The end of input does not end the run"""
    with subprocess.Popen([XBAR, *guest(folder, ECHO)],
                          stdin=subprocess.PIPE) as child:
        child.stdin.close()
        time.sleep(0.3)
        check_equal(child.poll(), None, "status after the end of input")
        child.terminate()
        check_equal(child.wait(20 * PATIENCE), 143, "status")


@in_folder
def test_hang_up(folder):
    """A terminal that is hung up ends the run, SIGHUP or not"""
    with Terminal([XBAR, *guest(folder, LOOP)]) as terminal:
        terminal.wait_until(terminal.is_raw, "raw mode")
        os.dup2(os.open(os.devnull, os.O_RDWR), terminal.master)
        check_equal(terminal.child.wait(20 * PATIENCE), 128 + signal.SIGHUP,
                    "status")


@in_folder
def test_closed_streams(folder):
    """Closed standard streams are no accident"""
    command = shlex.join([XBAR, *guest(folder, finish(0x00073333))])
    for streams in ("<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"):
        status = subprocess.run(["sh", "-c", f"{command} {streams}"],
                                timeout=30 * PATIENCE).returncode
        check_equal(status, 7, streams)


@in_folder
def test_closed_pipe(folder):
    """A reader that goes away ends the run quietly"""
    with subprocess.Popen([XBAR, *guest(folder, FLOOD)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as child:
        check_equal(child.stdout.read(5), b"fffff", "output")
        child.stdout.close()
        check_equal(child.wait(20 * PATIENCE), 128 + signal.SIGPIPE, "status")
        check_equal(child.stderr.read(), b"", "stderr")


@in_folder
def test_stalled_pipe(folder):
    """SIGTERM ends a run whose reader does not read"""
    with subprocess.Popen([XBAR, *guest(folder, FLOOD)],
                          stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as child:
        time.sleep(0.5)
        child.terminate()
        check_equal(child.wait(20 * PATIENCE), 143, "status")


@in_folder
def test_full_disk(folder):
    """Output that cannot be written is one line, and no success"""
    with open("/dev/full", "wb") as full:
        result = subprocess.run([XBAR, *guest(folder, FLOOD)],
                                stdin=subprocess.DEVNULL, stdout=full,
                                stderr=subprocess.PIPE, timeout=30 * PATIENCE)
    check_equal(result.returncode, 1, "status")
    check_equal(result.stderr.decode().splitlines(),
                ["xbar: standard output: No space left on device"], "stderr")


@in_folder
def test_slow_reader(folder):
    """A slow reader loses nothing of what a guest prints"""
    # 300 KiB without a look at the line status: far more than is buffered.
    count = 300 * 1024
    code = (TRANSMIT + li(A0, count) + andi(T1, A0, 31) + addi(T1, T1, 64)
            + sb(T1, 0, T0) + addi(A0, A0, -1) + bne(A0, ZERO, -16)
            + finish(0x5555))
    wanted = bytes(64 + (n & 31) for n in range(count, 0, -1))
    with subprocess.Popen([XBAR, *guest(folder, code)],
                          stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as child:
        time.sleep(0.5)
        got = child.stdout.read()
        check_equal(child.wait(20 * PATIENCE), 0, "status")
        check(got == wanted, f"{len(got)} bytes of {len(wanted)}, or others")


@in_folder
def test_deterministic(folder):
    """--deterministic: the same number of instructions sees the same time"""
    code = (li(T0, 0x200bff8) + ld(A0, 0, T0) + addi(A1, ZERO, 1000)
            + addi(A1, A1, -1) + bne(A1, ZERO, -4) + ld(A1, 0, T0)
            + word(0x40a58533)  # sub a0, a1, a0
            + li(T2, 0x3333) + word(0x01051513)  # slli a0, a0, 16
            + word(0x00756533)  # or a0, a0, t2
            + li(T0, 0x100000) + sw(A0, 0, T0) + LOOP)
    for _ in range(3):
        status = run(guest(folder, NOP + code, "--deterministic")).returncode
        # 2001 instructions at 10 a tick.
        check(status in (200, 201), f"{status} ticks")


if __name__ == "__main__":
    main([test_trespasses, test_log, test_rom_store, test_paged_nowhere, test_status,
          test_reset, test_sigterm, test_escape, test_signals, test_crash,
          test_stop, test_keys, test_no_loss, test_silent_reader,
          test_paste, test_end_of_input, test_hang_up,
          test_closed_streams, test_closed_pipe, test_stalled_pipe,
          test_full_disk, test_slow_reader, test_deterministic])
