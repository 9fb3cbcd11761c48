# SPDX-License-Identifier: MIT
"""Disks and networks as U-Boot's drivers use them.

A driver that polls, from Debian's package: quick, and in each engine. Linux's
drivers are test_virtio_linux.py's.
"""

import os
import re
import subprocess
import zlib

import devicetree
from guestio import (ENGINE, OPENSBI, UBOOT, XBAR, Terminal, check,
                     check_equal, in_folder, main, need, need_firmware,
                     need_network, put, run)

SECTOR = 512
BUFFER = 0x84000000
PROMPT = "\n=> "


class UBoot:
    """U-Boot at its prompt; commands in, text out."""

    def __init__(self, folder, *arguments, engine=None):
        tree = devicetree.dump(folder, devicetree.PATIENT)
        self.terminal = Terminal([
            XBAR, "run", "--bios", OPENSBI, "--kernel", UBOOT, "--dtb", tree,
            *(ENGINE if engine is None else engine), *arguments])

    def __enter__(self):
        self.terminal.wait_for("stop autoboot", 60)
        self.terminal.send("\n")
        self.terminal.wait_for(PROMPT)
        return self

    def __exit__(self, *exc):
        self.terminal.__exit__(*exc)

    def do(self, command, seconds=60):
        """Give a command; return what it prints."""
        self.terminal.send(command + "\n")
        text = self.terminal.wait_for(PROMPT, seconds)
        return text.removeprefix(command).removesuffix(PROMPT)

    def crc(self, address, size):
        text = self.do(f"crc32 {address:x} {size:x}")
        return int(re.search(r"==> *([0-9a-f]{8})", text)[1], 16)

    def power_off(self):
        self.terminal.send("poweroff\n")
        return self.terminal.wait_exit()


def noise(size, salt):
    """Bytes that are everywhere different, the same in each run."""
    word = bytes([salt, 0x5a])
    return b"".join(zlib.crc32(word + n.to_bytes(4, "big")).to_bytes(4, "big")
                    for n in range(size // 4))


@in_folder
def test_disks(folder):
    """Two disks are found in order, read, and written"""
    need_firmware()
    content = noise(256 * SECTOR, 1)
    first = put(folder, "first", content)
    second = put(folder, "second", bytes(4096 * SECTOR))
    with UBoot(folder, "--drive", f"file={first},format=raw",
               "--drive", f"file={second},format=raw,if=virtio") as uboot:
        uboot.do("virtio scan")
        text = uboot.do("virtio info")
        check(re.search(r"Device 0: .*\n.*\n.*\(256 x 512\)\n"
                        r"Device 1: .*\n.*\n.*\(4096 x 512\)", text), text)
        check("128 blocks read: OK" in
              uboot.do(f"virtio read {BUFFER:x} 10 80"), "read")
        check_equal(uboot.crc(BUFFER, 128 * SECTOR),
                    zlib.crc32(content[16 * SECTOR:144 * SECTOR]), "read")
        check("device 1" in uboot.do("virtio device 1").lower(), "device 1")
        check("128 blocks written: OK" in
              uboot.do(f"virtio write {BUFFER:x} ff0 10")
              + uboot.do(f"virtio write {BUFFER:x} 8 80"), "write")
        check_equal(uboot.power_off(), 0, "status")
    with open(second, "rb") as file:
        written = file.read()
    wanted = bytearray(4096 * SECTOR)
    wanted[0xff0 * SECTOR:] = content[16 * SECTOR:32 * SECTOR]
    wanted[8 * SECTOR:136 * SECTOR] = content[16 * SECTOR:144 * SECTOR]
    check(written == wanted, "what was written is there, and nothing else")


@in_folder
def test_readonly(folder):
    """A read-only disk is not written; one that shrinks says so"""
    need_firmware()
    path = put(folder, "disk", noise(64 * SECTOR, 2))
    os.chmod(path, 0o444)
    with UBoot(folder, "--drive",
               f"file={path},format=raw,readonly=on") as uboot:
        uboot.do("virtio scan")
        check("OK" not in uboot.do(f"virtio write {BUFFER:x} 0 1"), "refused")
        check("2 blocks read: OK" in uboot.do(f"virtio read {BUFFER:x} 8 2"),
              "read")
        os.chmod(path, 0o644)
        os.truncate(path, 8 * SECTOR)
        # U-Boot keeps what it has read: another place.
        check("OK" not in uboot.do(f"virtio read {BUFFER:x} 20 2"), "gone")
        os.unlink(path)
        check("8 blocks read: OK" in uboot.do(f"virtio read {BUFFER:x} 0 8"),
              "read what is left")
        check_equal(uboot.crc(BUFFER, 8 * SECTOR),
                    zlib.crc32(noise(8 * SECTOR, 2)), "what is left")
        check_equal(uboot.power_off(), 0, "status")


@in_folder
def test_ext4(folder):
    """A file in a file system that the host made is read"""
    need_firmware()
    tree = os.path.join(folder, "tree")
    os.mkdir(tree)
    content = noise(300 * 1024, 3)
    put(tree, "hello", content)
    disk = os.path.join(folder, "disk")
    subprocess.run(["mkfs.ext4", "-q", "-d", tree, disk, "8M"], check=True,
                   capture_output=True)
    with UBoot(folder, "--drive", f"file={disk},format=raw") as uboot:
        uboot.do("virtio scan")
        text = uboot.do("ls virtio 0")
        check(re.search("307200 +hello", text), text)
        uboot.do(f"ext4load virtio 0 {BUFFER:x} hello")
        check_equal(uboot.crc(BUFFER, len(content)), zlib.crc32(content),
                    "the file")
        check_equal(uboot.power_off(), 0, "status")
    fsck = subprocess.run(["e2fsck", "-fn", disk], capture_output=True)
    check_equal(fsck.returncode, 0, f"e2fsck: {fsck.stdout}")


@in_folder
def test_network(folder):
    """DHCP, ping, and a file by TFTP"""
    need_firmware()
    need_network()
    content = noise(200 * 1024, 4)
    put(folder, "file", content)
    with UBoot(folder, "--netdev",
               f"user,id=net0,tftp={folder},bootfile=file") as uboot:
        uboot.do("setenv autoload no")
        text = uboot.do("dhcp")
        check("DHCP client bound to address 10.0.2.15" in text, text)
        check("10.0.2.2 is alive" in uboot.do("ping 10.0.2.2"), "ping")
        text = uboot.do(f"tftpboot {BUFFER:x} file")
        check("Bytes transferred = 204800" in text, text)
        check_equal(uboot.crc(BUFFER, len(content)), zlib.crc32(content),
                    "the file")
        check_equal(uboot.power_off(), 0, "status")


@in_folder
def test_deterministic(folder):
    """With --deterministic, two runs do the same with their disks"""
    need_firmware()
    outputs = []
    for n in range(2):
        path = put(folder, f"disk{n}", noise(256 * SECTOR, 5))
        with UBoot(folder, "--deterministic", "--drive",
                   f"file={path}") as uboot:
            uboot.do("virtio scan")
            uboot.do(f"virtio read {BUFFER:x} 0 80")
            uboot.do(f"virtio write {BUFFER:x} 80 80")
            outputs.append(uboot.crc(BUFFER, 0x80 * SECTOR))
            check_equal(uboot.power_off(), 0, "status")
        with open(path, "rb") as file:
            check(file.read() == 2 * noise(256 * SECTOR, 5)[:0x80 * SECTOR],
                  "the copy on the disk")
    check_equal(outputs[0], outputs[1], "both runs")


@in_folder
def test_qemu_tree(folder):
    """The slots stand in the device tree as in QEMU's"""
    ours = os.path.join(folder, "ours.dtb")
    theirs = os.path.join(folder, "theirs.dtb")
    run(["run", "--dump-dtb", ours])
    subprocess.run(["qemu-system-riscv64", "-M", f"virt,dumpdtb={theirs}"],
                   check=True, capture_output=True)
    found = []
    for path in (ours, theirs):
        with open(path, "rb") as file:
            found.append(re.findall(rb"virtio_mmio@[0-9a-f]+", file.read()))
    check_equal(len(found[0]), 8, "slots")
    check_equal(found[0], found[1], "their order")


@in_folder
def test_kill_frees_image(folder):
    """An image is free again when its process was killed"""
    need_firmware()
    path = put(folder, "disk", bytes(64 * SECTOR))
    arguments = ["--drive", f"file={path}"]
    with UBoot(folder, *arguments) as uboot:
        second = run(["run", "--bios", OPENSBI, *arguments])
        check_equal(second.returncode, 2, "a second one")
        check(b"in use" in second.stderr, str(second.stderr))
        uboot.terminal.child.kill()
        uboot.terminal.child.wait()
        with UBoot(folder, *arguments) as third:
            check("64 x 512" in third.do("virtio scan; virtio info"), "third")


if __name__ == "__main__":
    main([test_disks, test_readonly, test_ext4, test_network,
          test_deterministic, test_qemu_tree, test_kill_frees_image])
