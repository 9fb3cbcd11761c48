# SPDX-License-Identifier: MIT
"""OpenSBI and U-Boot, unmodified, on a terminal; the same under QEMU.

Both get the same device tree: --dump-dtb's, with an rng-seed, which QEMU
overwrites if it is there and adds if not; so sizes and addresses are equal.
It has U-Boot wait for its key.
"""

import os
import re
import shutil
import tempfile
import zlib

import devicetree
from guestio import (ENGINE, OPENSBI, UBOOT, XBAR, Terminal, check,
                     check_equal, check_same_lines, main, need,
                     need_firmware)

QEMU = "qemu-system-riscv64"
# QEMU's hart without what ours has not.
QEMU_CPU = ("rv64,h=off,sstc=on,zba=on,zbb=on,zbc=off,zbs=on,svinval=on,"
            "pmu-num=0")

# Typed into both; all of their output is compared. The pattern, if any, must
# be in it: these are known without QEMU.
COMMANDS = [
    ("echo hello $arch $board", r"hello riscv qemu-riscv"),
    ("bdinfo", r"-> size     = 0x0000000020000000"),
    ("cpu list", r"0: cpu@0 +rv64imafdc_zicbom_zicboz_zicntr_zicond_zicsr_"
                 r"zifencei_zba_zbb_zbs_sstc_svadu_svinval"),
    ("sbi", r"OpenSBI 1\.1"),
    ("md.l 80200000 4", r"80200000: "),
    ("mw.l 84000000 12345678 4", None),
    ("md.l 84000000 4", r"84000000: 12345678 12345678 12345678 12345678"),
    ("crc32 80200000 1000", None),
    ("mw.b 0x84000000 0x5a 0x1000; crc32 0x84000000 0x1000", r"7cd551dd"),
    ("mw.q 0x84000000 0x0123456789abcdef 0x20; crc32 0x84000000 0x100",
     r"7afa683f"),
    ("md.q 0x84000000 4", r"84000000: 0123456789abcdef 0123456789abcdef"),
    ("md.l 0x84000000 4", r"84000000: 89abcdef 01234567"),
    ("md.w 0x84000000 4", r"84000000: cdef 89ab 4567 0123"),
    ("md.b 0x84000000 4", r"84000000: ef cd ab 89"),
    ("mw.l 0x85000000 0 0x400000; crc32 0x85000000 0x1000000", r"a47ca14a"),
    # Without flash in the device tree, this U-Boot takes any copy for one to
    # flash, under QEMU as well.
    ("cp.b 0x84000000 0x84100000 0x100", None),
    ("mw.q 0x84100000 0x0123456789abcdef 0x20; "
     "cmp.b 0x84000000 0x84100000 0x100",
     r"Total of 256 byte\(s\) were the same"),
    ("mw.b 0x84100010 0xff; cmp.b 0x84000000 0x84100000 0x100",
     r"byte at 0x84000010 \(0xef\) != byte at 0x84100010 \(0xff\)"),
    ("setexpr x 0x1234 * 0x10; printenv x", r"x=12340"),
    ("itest 5 -gt 3 && echo yes", r"\nyes"),
    ("for i in 1 2 3; do echo loop $i; done", r"loop 1\nloop 2\nloop 3"),
    ("random 0x84000000 0x100 1; crc32 0x84000000 0x100", r"8beb8b95"),
    ("mw.l 0x83000000 0x00008067; go 0x83000000",
     r"Application terminated, rc = 0x1"),
    ("fdt addr ${fdtcontroladdr}", None),
    ("fdt print /memory", r"device_type = \"memory\""),
    ("fdt print /", r"riscv,ndev = <0x0000001f>"),
    ("sleep 1", None),
    ("version", r"U-Boot 2"),
]

# Where the boards differ, on purpose.
MASKS = [
    # 4 KiB here, so that a TLB entry never has to know of a smaller one.
    (r"(PMP Granularity : )\d+", r"\1N"),
    # mvendorid and the like name the implementation.
    (r"((?:Architecture|Implementation) ID )\d+", r"\1N"),
    (r"(rng-seed = <)[^>]*", r"\1SEED"),
    # The countdown shows how much time went by before the key.
    (r"(stop autoboot:).*", r"\1"),
]


class Transcript:
    """What one machine printed, command by command."""

    def __init__(self):
        self.boot = ""
        self.outputs = {}
        self.second_boot = ""
        self.info = ""  # what the monitor says at the first prompt
        self.status = None


def masked(text):
    for pattern, replacement in MASKS:
        text = re.sub(pattern, replacement, text)
    return text


def boot(terminal):
    """Up to U-Boot's prompt; returns what was printed."""
    text = terminal.wait_for("Hit any key to stop autoboot:", 60)
    terminal.send(" ")
    return text + terminal.wait_for("\n=> ", 60)


def ask_monitor(terminal):
    terminal.send("\x01c")
    terminal.wait_for("(xbar) ", 60)
    terminal.send("info\r")
    text = terminal.wait_for("(xbar) ", 60)
    terminal.send("\x01c")
    terminal.wait_for("\n", 60)
    return text


def record_session(argv, has_monitor=False):
    transcript = Transcript()
    with Terminal(argv) as terminal:
        transcript.boot = boot(terminal)
        if has_monitor:
            transcript.info = ask_monitor(terminal)
        for command, _ in COMMANDS:
            terminal.send(command + "\r")
            transcript.outputs[command] = terminal.wait_for("\n=> ", 60)
        terminal.send("reset\r")
        transcript.second_boot = boot(terminal)
        terminal.send("poweroff\r")
        transcript.status = terminal.wait_exit()
        check(terminal.is_restored(), "the terminal is as before")
    return transcript


class Sessions:
    """The two transcripts, recorded when first asked for."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        self.tree = os.path.join(self.folder, "board.dtb")
        self.made = {}

    def close(self):
        shutil.rmtree(self.folder)

    def _make_tree(self):
        devicetree.dump(self.folder, devicetree.PATIENT, "-m", "512M")
        with open(self.tree, "rb") as file:
            tree = devicetree.add_rng_seed(file.read())
        with open(self.tree, "wb") as file:
            file.write(tree)

    def _record(self, name, argv, has_monitor=False):
        need_firmware()
        if not os.path.exists(self.tree):
            self._make_tree()
        if name not in self.made:
            self.made[name] = record_session(
                argv + ["-m", "512M"], has_monitor)
        return self.made[name]

    def ours(self):
        return self._record("xbar", [
            XBAR, "run", "--bios", OPENSBI, "--kernel", UBOOT,
            "--dtb", self.tree, *ENGINE], has_monitor=True)

    def qemu(self):
        need(shutil.which(QEMU), QEMU + " is not installed")
        return self._record("qemu", [
            QEMU, "-M", "virt", "-cpu", QEMU_CPU, "-display", "none",
            "-serial", "stdio", "-monitor", "none",
            "-bios", OPENSBI, "-kernel", UBOOT, "-dtb", self.tree])


SESSIONS = Sessions()


def test_banners():
    """OpenSBI and U-Boot print their banners"""
    text = SESSIONS.ours().boot
    for part in ("OpenSBI v1.1", "Boot HART Base ISA        : rv64imafdc",
                 "Boot HART ISA Extensions  : time,sstc", "U-Boot 2",
                 "DRAM:  512 MiB"):
        check(part in text, f"{part!r} in {text!r}")


def test_commands():
    """Typed commands give their known answers"""
    outputs = SESSIONS.ours().outputs
    for command, pattern in COMMANDS:
        check(not pattern or re.search(pattern, outputs[command]),
              f"{command!r} answered {outputs[command]!r}")


def test_checksum():
    """crc32 of the loaded kernel equals the file's"""
    with open(UBOOT, "rb") as file:
        expected = zlib.crc32(file.read(0x1000))
    output = SESSIONS.ours().outputs["crc32 80200000 1000"]
    check(f"==> {expected:08x}" in output, f"{expected:08x} in {output!r}")


def test_code_size():
    """Up to its prompt U-Boot is at most 4 MiB of translated code"""
    said = SESSIONS.ours().info
    found = re.search(r"code +\d+ KiB in use, (\d+) KiB of all blocks", said)
    check(found, f"no size of code in {said!r}")
    translated = int(re.search(r"in translated code (\d+)", said).group(1))
    size = int(found.group(1))
    check(0 < size <= 4096 or translated == size == 0,
          f"{size} KiB of code, {translated} instructions in it")


def test_reset():
    """`reset` starts the machine over, with the same output"""
    ours = SESSIONS.ours()
    check_same_lines(masked(ours.second_boot[ours.second_boot.index("\n\nU"):]),
                     masked(ours.boot[ours.boot.index("\n\nU"):]),
                     "after reset")
    check("OpenSBI v1.1" in ours.second_boot, "the firmware started again")


def test_poweroff():
    """`poweroff` ends the program with status 0, the terminal restored"""
    check_equal(SESSIONS.ours().status, 0, "status")


def test_boot_like_qemu():
    """The boot prints what it prints under QEMU"""
    check_same_lines(masked(SESSIONS.ours().boot),
                     masked(SESSIONS.qemu().boot), "boot")


def test_commands_like_qemu():
    """Each command prints what it prints under QEMU"""
    ours, qemu = SESSIONS.ours(), SESSIONS.qemu()
    for command, _ in COMMANDS:
        check_same_lines(masked(ours.outputs[command]),
                         masked(qemu.outputs[command]), command)


def test_reset_like_qemu():
    """After a reset, too, everything is as under QEMU"""
    check_same_lines(masked(SESSIONS.ours().second_boot),
                     masked(SESSIONS.qemu().second_boot), "second boot")


if __name__ == "__main__":
    try:
        main([test_banners, test_commands, test_checksum, test_code_size,
              test_reset, test_poweroff, test_boot_like_qemu,
              test_commands_like_qemu, test_reset_like_qemu])
    finally:
        SESSIONS.close()
