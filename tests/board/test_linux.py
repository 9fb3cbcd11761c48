# SPDX-License-Identifier: MIT
"""Debian's kernel, unmodified, from the firmware to its power-off.

What the guests are and where they come from stands in tests/linux. A quick
boot is always run; with XBAR_LONG, all of them.
"""

import os
import re
import struct

from guestio import (ENGINE, SOURCE_DIR, XBAR, Terminal, check, check_equal,
                     in_folder, main, need)

GUESTS = os.path.join(SOURCE_DIR, "build", "guests")
IMAGE_AT, INITRD_AT, KERNEL_AT = 0x84000000, 0x88200000, 0x80200000

# The steps of tests/linux/init.sh.
STEPS = ["shell", "hash", "loop", "awk", "sort", "gzip", "float", "fork"]


def guest(name):
    path = os.path.join(GUESTS, name)
    need(os.path.exists(path), f"no {name}: ./dev guests could not fetch it")
    return path


def linux(words="", bios="fw_jump.bin", initrd="initramfs.cpio.gz", memory=512,
          engine=ENGINE):
    """Debian's kernel on a terminal."""
    return Terminal([
        XBAR, "run", "-m", str(memory), "--bios", guest(bios),
        "--kernel", guest("Image"), "--initrd", guest(initrd),
        "--append", f"console=ttyS0 earlycon {words}", *engine])


def check_end(terminal, steps, seconds):
    """The steps are all right, and the guest powers itself off."""
    terminal.wait_for("T GUEST-BEGIN", seconds)
    check_equal(terminal.wait_exit(seconds), 0, "status")
    text = terminal.rest()
    check("T FAIL" not in text, re.findall("T FAIL.*", text))
    check_equal(re.findall(r"T ok (\S+)", text), steps, "steps")
    check("T GUEST-OK" in text, "the guest is content")
    check("reboot: Power down" in text, "the kernel's last word")
    check(terminal.is_restored(), "the terminal is as before")


def test_quick():
    """OpenSBI 1.1 and Linux boot, run a program, and power off"""
    with linux("t=quick") as terminal:
        text = terminal.wait_for("Run /init", 120)
        for line in ("OpenSBI v1.1", "Linux version 6.12",
                     "console [ttyS0] enabled"):
            check(line in text, f"{line!r} in {text[-2000:]!r}")
        check(re.search(r"ttyS0 at MMIO 0x10000000 \(irq = [1-9].* is a 16550A",
                        text), "the serial line has its interrupt")
        check_end(terminal, STEPS[:1], 120)


def test_new_firmware():
    """The same with OpenSBI 1.6"""
    with linux("t=quick", bios="fw_jump-trixie.bin") as terminal:
        check("OpenSBI v1.6" in terminal.wait_for("Run /init", 120), "banner")
        check_end(terminal, STEPS[:1], 120)


def test_interpreted():
    """The same in the interpreter"""
    with linux("t=quick", engine=["--engine", "interp"]) as terminal:
        check_end(terminal, STEPS[:1], 300)


def test_lockstep():
    """The same in both engines at once: they agree"""
    with linux("t=quick", engine=["--engine", "lockstep"]) as terminal:
        check_end(terminal, STEPS[:1], 900)


def test_deterministic():
    """Two deterministic boots print the same, times included"""
    texts = []
    for _ in range(2):
        with linux("t=quick", engine=["--deterministic"]) as terminal:
            text = terminal.wait_for("T GUEST-OK", 300)
            check_equal(terminal.wait_exit(60), 0, "status")
            texts.append(text)
    check_equal(texts[1], texts[0], "the second boot")


def test_terminate():
    """SIGTERM powers down a guest that has no more than a serial line"""
    with linux("t=shell") as terminal:
        terminal.wait_for("~ # ", 120)
        terminal.child.terminate()
        check_equal(terminal.wait_exit(60), 143, "status")
        text = terminal.rest()
        for line in ("the guest is asked to power off",
                     "sysrq: Emergency Sync", "sysrq: Emergency Remount R/O",
                     "sysrq: Power Off", "reboot: Power down"):
            check(line in text, f"{line!r} in {text[-2000:]!r}")
        check(terminal.is_restored(), "the terminal is as before")


def test_terminate_twice():
    """A second SIGTERM ends what the guest does about the first"""
    with linux("t=shell") as terminal:
        terminal.wait_for("~ # ", 120)
        terminal.child.terminate()
        terminal.wait_for("the guest is asked to power off")
        terminal.child.terminate()
        check_equal(terminal.wait_exit(5), 143, "status")
        check(terminal.is_restored(), "the terminal is as before")


def test_self_test():
    """A boot with the self-test computes what was computed elsewhere"""
    with linux() as terminal:
        check_end(terminal, STEPS, 300)


def test_little_memory():
    """96 MiB are enough"""
    with linux("t=quick", memory=96) as terminal:
        check_end(terminal, STEPS[:1], 120)


def test_installer():
    """Debian's installer comes to its first dialog"""
    with linux("", initrd="di-initrd.gz") as terminal:
        text = terminal.wait_for("Select a language", 300)
        check("Kernel panic" not in text, "no panic")
        terminal.send("\x01x")
        check_equal(terminal.wait_exit(), 0, "status of ctrl-a x")


def segments(path, parts):
    """An ELF file that loads each (address, bytes) and starts the first."""
    at = 64 + 56 * len(parts)
    headers, data = b"", b""
    for address, part in parts:
        headers += struct.pack("<IIQQQQQQ", 1, 7, at + len(data), address,
                               address, len(part), len(part), 0x1000)
        data += part
    ident = b"\x7fELF\2\1\1" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 243, 1, parts[0][0], 64,
                                 0, 0, 64, 56, len(parts), 0, 0, 0)
    with open(path, "wb") as file:
        file.write(header + headers + data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def run_chain(folder, bios, uboot):
    """From the firmware to U-Boot, from there to Linux."""
    initrd = guest("initramfs.cpio.gz")
    both = os.path.join(folder, "both.elf")
    segments(both, [(KERNEL_AT, read(guest(uboot))),
                    (IMAGE_AT, read(guest("Image")))])
    argv = [XBAR, "run", "-m", "512", "--bios", guest(bios), "--kernel", both,
            "--initrd", initrd, "--append", "console=ttyS0 earlycon t=quick"]
    with Terminal(argv + ENGINE) as terminal:
        terminal.wait_for("Hit any key to stop autoboot:", 60)
        terminal.send(" ")
        terminal.wait_for("\n=> ", 60)
        terminal.send(f"booti {IMAGE_AT:#x} {INITRD_AT:#x}:"
                      f"{os.path.getsize(initrd):x} ${{fdtcontroladdr}}\r")
        text = terminal.wait_for("Run /init", 120)
        check("Starting kernel ..." in text, "U-Boot's last word")
        check_end(terminal, STEPS[:1], 120)


@in_folder
def test_chain(folder):
    """OpenSBI 1.1 starts U-Boot 2023.01, which starts Linux"""
    run_chain(folder, "fw_jump.bin", "u-boot.bin")


@in_folder
def test_new_chain(folder):
    """OpenSBI 1.6 starts U-Boot 2025.01, which starts Linux"""
    run_chain(folder, "fw_jump-trixie.bin", "u-boot-trixie.bin")


if __name__ == "__main__":
    cases = [test_quick, test_terminate]
    if os.environ.get("XBAR_LONG"):
        cases += [test_new_firmware, test_interpreted, test_lockstep,
                  test_terminate_twice,
                  test_deterministic, test_self_test, test_little_memory,
                  test_installer, test_chain, test_new_chain]
    main(cases)
