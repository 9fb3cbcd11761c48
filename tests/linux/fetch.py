#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts real guests into a folder, from Debian's packages.

  fetch.py FOLDER             make what is missing
  fetch.py --refresh FOLDER   make all of it anew, from the newest packages

  fw_jump.bin, fw_jump.elf    OpenSBI 1.1, loaded at 0x80000000
  fw_jump-trixie.bin          OpenSBI 1.6
  u-boot.bin                  U-Boot 2023.01, started by it at 0x80200000
  u-boot-trixie.bin           U-Boot 2025.01
  Image                       Linux 6.12, uncompressed, as Debian 13 installs it
  di-initrd.gz                Debian's installer for it, on the serial line
  initramfs.cpio.gz           busybox and init.sh: tests itself
  initramfs-virtio.cpio.gz    the same, with Debian's modules for virtio, ext4
  MANIFEST                    packages, versions, and what came out

The packages are those of the archive that this machine installs from, asked
for with apt's own means, in a state of our own: nothing is installed, and
apt's lists and cache are left alone. Exit status: 0; 2 for bad usage; 3 if
the archive cannot be used; 4 if a package is not what it was.
"""

import argparse
import gzip
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile

import cpio

HERE = os.path.dirname(os.path.abspath(__file__))
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
OLD, NEW = "bookworm", "trixie"  # Debian 12, Debian 13

OPENSBI = "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump"
UBOOT = "usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin"
INSTALLER = ("usr/lib/debian-installer/images/13/riscv64/text/"
             "debian-installer/riscv64/")
INSTALLER_PACKAGE = "debian-installer-13-netboot-riscv64"

# (package, suite, [(file in it, file of ours)])
COPIES = [
    ("opensbi", OLD, [(OPENSBI + ".bin", "fw_jump.bin"),
                      (OPENSBI + ".elf", "fw_jump.elf")]),
    ("opensbi", NEW, [(OPENSBI + ".bin", "fw_jump-trixie.bin")]),
    ("u-boot-qemu", OLD, [(UBOOT, "u-boot.bin")]),
    ("u-boot-qemu", NEW, [(UBOOT, "u-boot-trixie.bin")]),
    (INSTALLER_PACKAGE, NEW, [(INSTALLER + "linux", "Image"),
                              (INSTALLER + "initrd.gz", "di-initrd.gz")]),
]

# In the order in which they can be loaded.
MODULES = [
    "drivers/virtio/virtio_mmio", "net/core/failover",
    "drivers/net/net_failover", "drivers/block/virtio_blk",
    "drivers/net/virtio_net", "drivers/char/hw_random/virtio-rng",
    "drivers/input/evdev", "drivers/virtio/virtio_input",
    "lib/crc16", "crypto/crc32c_generic", "fs/mbcache", "fs/jbd2/jbd2",
    "fs/ext4/ext4",
]

PLAIN = "initramfs.cpio.gz"
WITH_MODULES = "initramfs-virtio.cpio.gz"
PRODUCTS = [ours for _, _, files in COPIES for _, ours in files] + [
    PLAIN, WITH_MODULES]


class Trouble(Exception):
    """Why it cannot be done, and the exit status that says so."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def say(text):
    print(f"guests: {text}", file=sys.stderr, flush=True)


def read(path):
    with open(path, "rb") as file:
        return file.read()


# ---- The archive ------------------------------------------------------------


def archive_address():
    """Where this machine gets its own main packages from."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format",
         "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"],
        capture_output=True, text=True, check=False).stdout
    for line in targets.splitlines():
        words = line.split()
        # Not an archive of updates only, nor somebody else's.
        if len(words) == 3 and words[2] == "main" and re.fullmatch(
                r"[a-z]+", words[1]):
            return words[0]
    raise Trouble(3, "apt knows no archive with a `main` to fetch from")


class Archive:
    """apt, with lists and cache below @folder."""

    def __init__(self, folder):
        if not shutil.which("apt-get"):
            raise Trouble(3, "this machine has no apt-get")
        if not os.path.exists(KEYRING):
            raise Trouble(3, f"{KEYRING} is missing "
                             "(package debian-archive-keyring)")
        self.folder = folder
        for name in ("lists/partial", "cache/archives/partial", "debs"):
            os.makedirs(os.path.join(folder, name))
        source = os.path.join(folder, "sources.list")
        address = archive_address()
        with open(source, "w", encoding="utf-8") as file:
            for suite in (OLD, NEW):
                # Debian 12 is not made for riscv64: what is for all machines.
                arch = "amd64" if suite == OLD else "riscv64"
                file.write(f"deb [arch={arch} signed-by={KEYRING}] "
                           f"{address} {suite} main\n")
        options = {
            "APT::Architecture": "riscv64",
            "APT::Architectures": "riscv64,amd64",
            "APT::Sandbox::User": "",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Dir::Cache": os.path.join(folder, "cache"),
            "Dir::Etc::sourcelist": source,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::lists": os.path.join(folder, "lists"),
            "Dir::State::status": "/dev/null",
        }
        self.command = ["apt-get", "-q"]
        for name, value in options.items():
            self.command += ["-o", f"{name}={value}"]
        self._apt("update", what="the list of packages")

    def _apt(self, *arguments, what):
        done = subprocess.run(
            self.command + list(arguments), capture_output=True, text=True,
            cwd=os.path.join(self.folder, "debs"), check=False,
            env=os.environ | {"LC_ALL": "C"})
        if done.returncode:
            reasons = [line for line in done.stderr.splitlines()
                       if line.startswith("E:")]
            raise Trouble(3, f"the archive did not give {what}: " +
                          (reasons or ["no reason given"])[0])

    def unpack(self, package, suite):
        """The folder with the files of @package, and its version."""
        debs = os.path.join(self.folder, "debs")
        self._apt("download", f"{package}/{suite}", what=package)
        (name,) = os.listdir(debs)
        deb = os.path.join(debs, name)
        say(f"{name}, {os.path.getsize(deb):,} bytes")
        version = subprocess.run(["dpkg-deb", "-f", deb, "Version"],
                                 capture_output=True, text=True,
                                 check=True).stdout.strip()
        to = tempfile.mkdtemp(dir=self.folder)
        subprocess.run(["dpkg-deb", "-x", deb, to], check=True)
        os.remove(deb)
        return to, version


def find(folder, *candidates):
    for path in candidates:
        whole = os.path.join(folder, path)
        if os.path.isfile(whole):
            return whole
    raise Trouble(4, f"a package has no {candidates[0]} any more")


# ---- What is made -----------------------------------------------------------


def linux_release(image):
    """The kernel's name for itself; @image is what boots uncompressed."""
    if image[56:60] != b"RSC\x05":
        raise Trouble(4, "the installer's kernel is not a plain Image")
    found = re.search(rb"Linux version (\S+) ", image)
    if not found:
        raise Trouble(4, "the installer's kernel does not name its version")
    return found.group(1).decode()


def make_initramfs(path, busybox, modules):
    archive = cpio.Archive()
    for name in ("bin", "dev", "etc", "mnt", "proc", "root", "sys", "tmp"):
        archive.folder(name)
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", busybox, executable=True)
    archive.file("init", read(os.path.join(HERE, "init.sh")), executable=True)
    if modules:
        archive.folder("m")
    for number, (name, data) in enumerate(modules):
        archive.file(f"m/{number:02}-{name}.ko", data)
    with open(path, "wb") as file:
        # The same bytes whenever they are made.
        file.write(gzip.compress(archive.bytes(), 9, mtime=0))


def read_modules(folder, release):
    modules = []
    for module in MODULES:
        path = f"lib/modules/{release}/kernel/{module}.ko.xz"
        packed = read(find(folder, "usr/" + path, path))
        modules.append((os.path.basename(module), lzma.decompress(packed)))
    return modules


def make_all(work, out):
    """Fill the folder @out. Return: (package, version, suite) of each used."""
    archive = Archive(work)
    used = []

    def unpack(package, suite):
        folder, version = archive.unpack(package, suite)
        used.append((package, version, suite))
        return folder

    for package, suite, files in COPIES:
        folder = unpack(package, suite)
        for theirs, ours in files:
            shutil.copyfile(find(folder, theirs), os.path.join(out, ours))
    release = linux_release(read(os.path.join(out, "Image")))
    folder = unpack("busybox-static:riscv64", NEW)
    busybox = read(find(folder, "usr/bin/busybox", "bin/busybox"))
    make_initramfs(os.path.join(out, PLAIN), busybox, [])
    folder = unpack(f"linux-image-{release}:riscv64", NEW)
    make_initramfs(os.path.join(out, WITH_MODULES), busybox,
                   read_modules(folder, release))
    return used


# ---- Being complete ---------------------------------------------------------


def recipe():
    """Names the way in which guests are made."""
    digest = hashlib.sha256()
    for name in ("fetch.py", "cpio.py", "init.sh"):
        digest.update(read(os.path.join(HERE, name)))
    return digest.hexdigest()


def sums(folder):
    return {name: hashlib.sha256(read(os.path.join(folder, name))).hexdigest()
            for name in PRODUCTS}


def is_complete(folder):
    try:
        manifest = read(os.path.join(folder, "MANIFEST")).decode()
        made = sums(folder)
    except (OSError, UnicodeDecodeError):
        return False
    wanted = [f"recipe {recipe()}"] + [
        f"file {made[name]} {name}" for name in PRODUCTS]
    return set(wanted) <= set(manifest.splitlines())


def write_manifest(folder, used):
    lines = [f"recipe {recipe()}"]
    lines += [f"package {name} {version} {suite}"
              for name, version, suite in used]
    lines += [f"file {digest} {name}" for name, digest in sums(folder).items()]
    with open(os.path.join(folder, "MANIFEST"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def publish(made, folder):
    """The manifest goes first and comes last: half of it is not complete."""
    manifest = os.path.join(folder, "MANIFEST")
    if os.path.exists(manifest):
        os.remove(manifest)
    for name in PRODUCTS + ["MANIFEST"]:
        os.replace(os.path.join(made, name), os.path.join(folder, name))


def fetch(folder):
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as work:
        made = os.path.join(work, "made")
        os.mkdir(made)
        used = make_all(work, made)
        write_manifest(made, used)
        publish(made, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refresh", action="store_true",
                        help="make all anew, from the newest packages")
    parser.add_argument("folder")
    arguments = parser.parse_args()
    try:
        os.makedirs(arguments.folder, exist_ok=True)
        folder = os.path.abspath(arguments.folder)
        if arguments.refresh or not is_complete(folder):
            fetch(folder)
        print(read(os.path.join(folder, "MANIFEST")).decode(), end="")
    except Trouble as trouble:
        say(str(trouble))
        return trouble.status
    except (OSError, subprocess.CalledProcessError, lzma.LZMAError) as error:
        say(str(error))
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
