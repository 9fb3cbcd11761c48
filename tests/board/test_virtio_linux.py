# SPDX-License-Identifier: MIT
"""Disks, networks, entropy and the console as Debian's kernel uses them.

The guest is that of test_linux.py, with Debian's modules and a job: a script
that comes in an archive behind the guest's own (tests/linux/init.sh).
"""

import gzip
import http.server
import os
import random
import re
import resource
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zlib

from guestio import (ENGINE, PATIENCE, SOURCE_DIR, TERMINAL_SIZE, XBAR, Failed,
                     Terminal, check, check_equal, in_folder, main, need,
                     need_network, put)

sys.path.insert(0, os.path.join(SOURCE_DIR, "tests", "linux"))
import cpio  # noqa: E402

GUESTS = os.path.join(SOURCE_DIR, "build", "guests")
MIB = 1 << 20


def guest(name):
    path = os.path.join(GUESTS, name)
    need(os.path.exists(path), f"no {name}: ./dev guests could not fetch it")
    return path


def linux(folder, job, *arguments, words="t=quick quiet", before=(), **kwargs):
    """Debian's kernel with virtio modules, on a terminal, to do @job.

    @before: a command that runs the one behind it."""
    archive = cpio.Archive()
    archive.file("job", job.encode())
    initrd = os.path.join(folder, "initrd")
    with open(guest("initramfs-virtio.cpio.gz"), "rb") as file:
        whole = file.read() + gzip.compress(archive.bytes(), 1)
    with open(initrd, "wb") as file:
        file.write(whole)
    return Terminal([
        *before, XBAR, "run", "-m", "256", "--bios", guest("fw_jump.bin"),
        "--kernel", guest("Image"), "--initrd", initrd,
        "--append", f"console=ttyS0 {words}", *ENGINE, *arguments], **kwargs)


def check_content(terminal, steps):
    """The job's steps are all right, and the guest powers itself off."""
    seen = terminal.wait_for("T GUEST-BEGIN", 240)
    seen += terminal.wait_for("T GUEST-", 240)
    check_equal(terminal.wait_exit(60), 0, "status")
    seen += terminal.rest()
    check_equal(re.findall(r"T ok (\S+)", seen), ["shell"] + steps,
                f"steps: {re.findall('T FAIL.*', seen)}")
    return seen


def make_disk(folder, name, mib):
    path = os.path.join(folder, name)
    subprocess.run(["mkfs.ext4", "-q", path, f"{mib}M"], check=True,
                   capture_output=True)
    return path


def fsck(path, *flags):
    return subprocess.run(["e2fsck", "-f", *flags, path],
                          capture_output=True, text=True, check=False)


def read_from(disk, name):
    """A file in the root of the file system on @disk."""
    return subprocess.run(["debugfs", "-R", f"cat {name}", disk],
                          capture_output=True, check=True).stdout


def reserve_port():
    """A socket on a port that nobody else is given. Who wants just that one
    can have it, as the socket does not listen."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    return probe


class Server:
    """Files of @folder over HTTP, on the host's loopback."""

    def __init__(self, folder):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=folder)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()


NETWORK = """
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
"""

SIZE_AFTER = (33, 99)  # rows, columns

ALL_JOB = NETWORK + """
mkdir -p /disk; mount -t ext4 /dev/vda /disk || check mount 0 1
check given SUM_GIVEN $(digest md5sum </disk/given)
ping -c 1 -W 10 10.0.2.2 >/dev/null; check ping 0 $?
wget -q -O /disk/fetched http://10.0.2.2:PORT/page; check wget 0 $?
check sent SUM_PAGE $(digest md5sum </disk/fetched)
seq 1 100000 >/disk/made
sync
echo 3 >/proc/sys/vm/drop_caches
check made SUM_MADE $(digest md5sum </disk/made)
rm /disk/given
fstrim /disk; check trim 0 $?
umount /disk; check umount 0 $?
check readonly 1 $(cat /sys/block/vdb/ro)
check whole SUM_WHOLE $(digest md5sum </dev/vdb)
dd if=/dev/zero of=/dev/vdb bs=512 count=1 2>/dev/null && check refused 0 1
check entropy 64 $(head -c 64 /dev/hwrng | wc -c)
check random 1 $(test "$(head -c 32 /dev/hwrng | digest md5sum)" != \
    "$(head -c 32 /dev/hwrng | digest md5sum)" && echo 1)
exec 3<>/dev/hvc0
echo "this is hvc0" >&3
read -r typed <&3
check typed hello $typed
check size "$SIZE_BEFORE" "$(stty size </dev/hvc0)"
echo T resize
i=0
while [ "$(stty size </dev/hvc0)" = "$SIZE_BEFORE" ] && [ $i -lt 1000 ]; do
    i=$((i + 1)); sleep 0.1
done
check resized "$SIZE_AFTER" "$(stty size </dev/hvc0)"
httpd -p 22 -h /tmp
echo "from the guest" >/tmp/answer
echo T serving
while [ ! -e /tmp/over ]; do
    sleep 0.2
    nc -w 1 10.0.2.2 DONE_PORT >/tmp/over 2>/dev/null </dev/null || rm -f /tmp/over
done
head -c 24 /dev/input/event0 >/tmp/key &
while ! ls -l /proc/$!/fd | grep -q event0; do sleep 0.1; done
echo T listening
wait
# A struct input_event: 16 bytes of time, type 1, code 116, value 1.
check power-key "1 0 116 0 1 0 0 0" "$(echo $(tail -c 8 /tmp/key |
    od -An -v -tu1))"
"""


def md5(content):
    return subprocess.run(["md5sum"], input=content, capture_output=True,
                          check=True).stdout.split()[0].decode()


def noise(size, salt):
    return random.Random(salt).randbytes(size)


@in_folder
def test_all(folder):
    """A file system, a fetched file, a forward, entropy and hvc0"""
    need_network()
    given, page, whole = (noise(MIB, n) for n in range(3))
    made = "".join(f"{n}\n" for n in range(1, 100001)).encode()
    tree = os.path.join(folder, "tree")
    os.mkdir(tree)
    put(tree, "given", given)
    put(folder, "page", page)
    disk = os.path.join(folder, "disk")
    subprocess.run(["mkfs.ext4", "-q", "-d", tree, disk, "32M"], check=True,
                   capture_output=True)
    second = put(folder, "second", whole)
    reserved = reserve_port()
    forward = reserved.getsockname()[1]
    over = socket.create_server(("127.0.0.1", 0))
    with Server(folder) as server:
        job = ALL_JOB
        for name, value in (("$SIZE_BEFORE", "%d %d" % TERMINAL_SIZE),
                            ("$SIZE_AFTER", "%d %d" % SIZE_AFTER),
                            ("SUM_GIVEN", md5(given)), ("SUM_PAGE", md5(page)),
                            ("SUM_MADE", md5(made)), ("SUM_WHOLE", md5(whole)),
                            ("DONE_PORT", str(over.getsockname()[1])),
                            ("PORT", str(server.port))):
            job = job.replace(name, value)
        with linux(folder, job, "--drive", f"file={disk},format=raw",
                   "--drive", f"file={second},format=raw,readonly=on",
                   "--netdev", f"user,hostfwd=tcp:127.0.0.1:{forward}-:22",
                   "--device", "virtio-rng-device",
                   "--device", "virtconsole") as terminal:
            seen = terminal.wait_for("this is hvc0", 240)
            check("T FAIL" not in seen, re.findall("T FAIL.*", seen))
            terminal.send("hello\n")
            seen += terminal.wait_for("T resize", 60)
            terminal.resize(*SIZE_AFTER)
            seen += terminal.wait_for("T serving", 60)
            with urllib.request.urlopen(
                    f"http://127.0.0.1:{forward}/answer",
                    timeout=60 * PATIENCE) as page_:
                check_equal(page_.read(), b"from the guest\n", "the forward")
            over.settimeout(60 * PATIENCE)
            over.accept()[0].close()
            seen += terminal.wait_for("T listening", 60)
            terminal.child.terminate()
            seen += terminal.wait_for("T GUEST-OK", 60)
            check_equal(terminal.wait_exit(60), 143, "status")
    reserved.close()
    check_equal(re.findall(r"T ok (\S+)", seen),
                ["shell", "given", "ping", "wget", "sent", "made", "trim",
                 "umount", "readonly", "whole", "entropy", "random", "typed",
                 "size", "resized", "power-key"],
                "steps")
    done = fsck(disk, "-n")
    check_equal(done.returncode, 0, "e2fsck: " + done.stdout)
    check(read_from(disk, "made") == made, "what the guest made")
    check(read_from(disk, "fetched") == page, "what the guest fetched")
    with open(second, "rb") as file:
        check(file.read() == whole, "the read-only disk")
    check(os.stat(disk).st_blocks * 512 < 24 * MIB, "what was trimmed is free")


FULL_JOB = """
dd if=/dev/zero bs=64k count=64 of=/dev/vda oflag=direct 2>/dev/null
check fits 0 $?
dd if=/dev/zero bs=64k count=64 seek=256 of=/dev/vda oflag=direct 2>/dev/null
check full 1 $?
dd if=/dev/vda bs=64k count=64 of=/dev/null iflag=direct 2>/dev/null
check goes-on 0 $?
echo T now
while dd if=/dev/vda bs=64k count=1 skip=100 of=/dev/null iflag=direct \
    2>/dev/null; do sleep 0.1; done
check shrunk 0 0
dd if=/dev/vda bs=64k count=32 of=/dev/null iflag=direct 2>/dev/null
check still 0 $?
"""


@in_folder
def test_host_is_full(folder):
    """A host that is full, and an image that shrinks, are I/O errors"""
    disk = put(folder, "disk", b"")
    os.truncate(disk, 32 * MIB)
    with linux(folder, FULL_JOB, "--drive",
               f"file={disk},format=raw") as terminal:
        terminal.wait_for("OpenSBI", 60)
        # By now, as the memory of translated code is a file as well.
        resource.prlimit(terminal.child.pid, resource.RLIMIT_FSIZE,
                         (8 * MIB, 8 * MIB))
        seen = terminal.wait_for("T now", 240)
        os.truncate(disk, 3 * MIB)
        seen += terminal.wait_for("T GUEST-", 60)
        check_equal(terminal.wait_exit(60), 0, "status")
    check_equal(re.findall(r"T ok (\S+)", seen),
                ["shell", "fits", "full", "goes-on", "shrunk", "still"],
                re.findall("T FAIL.*", seen))


KILL_JOB = """
mkdir -p /disk; mount -t ext4 /dev/vda /disk || check mount 0 1
i=FIRST
while true; do
    seq $i $((i + 20000)) >/disk/f$((i % 7))
    mv /disk/f$((i % 7)) /disk/g$((i % 7))
    sync
    echo "T synced $i"
    i=$((i + 1))
done
"""


NO_SPACE_JOB = """
dd if=/dev/zero bs=64k count=64 of=/dev/vda oflag=direct 2>/dev/null
check fits 0 $?
dd if=/dev/zero bs=64k count=128 seek=64 of=/dev/vda oflag=direct 2>/dev/null
check full 1 $?
dd if=/dev/vda bs=64k count=64 of=/dev/null iflag=direct 2>/dev/null
check reads 0 $?
dd if=/dev/zero bs=64k count=64 of=/dev/vda oflag=direct 2>/dev/null
check rewrites 0 $?
blkdiscard -o 0 -l 4194304 /dev/vda
check discards 0 $?
dd if=/dev/zero bs=64k count=64 seek=256 of=/dev/vda oflag=direct 2>/dev/null
check fits-again 0 $?
"""

# In a user's own name space, so that nobody has to be root.
ON_TMPFS = ["unshare", "--map-root-user", "--mount", "sh", "-ec",
            "mount -t tmpfs -o size=8m none $0; truncate -s 32M $0/disk; "
            "exec \"$@\""]


@in_folder
def test_no_space(folder):
    """A file system that fills up is I/O errors until there is space again"""
    room = os.path.join(folder, "room")
    os.mkdir(room)
    need(subprocess.run([*ON_TMPFS, room, "true"], capture_output=True,
                        check=False).returncode == 0, "no mount name spaces")
    with linux(folder, NO_SPACE_JOB, "--drive",
               f"file={room}/disk,format=raw",
               before=[*ON_TMPFS, room]) as terminal:
        seen = check_content(terminal, ["fits", "full", "reads", "rewrites",
                                        "discards", "fits-again"])
    check("No space left on device; the guest gets an error" in seen, seen)


def check_synced(disk, newest, attempt):
    """What the guest was told is on the disk is there."""
    for i in range(max(newest - 5, 1), newest + 1):
        name = f"g{i % 7}"
        wanted = "".join(f"{n}\n" for n in range(i, i + 20001)).encode()
        content = read_from(disk, name)
        # The round that was under way may have replaced the oldest.
        if content != wanted and i > newest - 5:
            raise Failed(f"kill {attempt}: {name} is not what round {i} "
                         f"synced: {content[:40]!r}, {len(content)} bytes")


def kill_once(folder, disk, first, attempt, moment):
    """Return: the newest round that was synced."""
    job = KILL_JOB.replace("FIRST", str(first))
    with linux(folder, job, "--drive", f"file={disk},format=raw") as terminal:
        terminal.wait_for(f"T synced {first + 6}", 240)
        time.sleep(moment)
        terminal.child.kill()
        terminal.child.wait()
        time.sleep(0.1)
        terminal.wait_until(lambda: not terminal._read(time.monotonic()),
                            "all is read")
        rounds = re.findall(r"T synced (\d+)\r?\r?\n", terminal.rest())
    newest = int(rounds[-1]) if rounds else first + 6
    done = fsck(disk, "-p")  # replays the journal; mends nothing else
    check(done.returncode in (0, 1), f"kill {attempt}: e2fsck -p: "
          f"{done.returncode}: {done.stdout}")
    done = fsck(disk, "-n")
    check_equal(done.returncode, 0, f"kill {attempt}: e2fsck: {done.stdout}")
    check_synced(disk, newest, attempt)
    return newest


@in_folder
def test_kill(folder):
    """Killed a hundred times while it writes, and nothing synced is lost"""
    noise_ = random.Random(7)
    newest = 0
    disk = make_disk(folder, "disk", 64)
    for attempt in range(int(os.environ.get("XBAR_KILLS", "100"))):
        if attempt % 10 == 0:
            disk = make_disk(folder, "disk", 64)
            newest = 0
        newest = kill_once(folder, disk, newest + 1, attempt,
                           noise_.uniform(0, 0.7))


if __name__ == "__main__":
    cases = [test_all]
    if os.environ.get("XBAR_LONG"):
        cases += [test_host_is_full, test_no_space, test_kill]
    main(cases)
