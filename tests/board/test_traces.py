# SPDX-License-Identifier: MIT
"""What a run accessed, recorded and played again: the same values are read.

Whatever happens to a trace, the run goes on, and what was recorded is
readable up to there.
"""

import collections
import json
import os
import random
import re
import resource
import signal
import subprocess
import time

import devicetree
from guestio import (ENGINE, OPENSBI, PATIENCE, UBOOT, XBAR, Terminal, check,
                     check_equal, in_folder, main, need, need_firmware, run)

UART = 0x10000000
PROMPT = "\n=> "
FIRMWARE = ["--bios", OPENSBI, "--kernel", UBOOT]


def need_zstd():
    result = run(["replay", "/dev/null"])
    need(b"without zstd" not in result.stderr, "xbar was built without zstd")


def trace_demo(path, *arguments, engine=None, **kwargs):
    return run(["trace", "-o", path, *(ENGINE if engine is None else engine),
                *arguments], **kwargs)


def lines(path):
    """The records of a whole trace, as --json has them, one at a time: a guest
    that polls for as long as we were busy has made millions."""
    with subprocess.Popen([XBAR, "replay", "--json", path],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as replay:
        yield from replay.stdout
        check_equal(replay.stderr.read(), b"", "what --json complains of")
    check_equal(replay.returncode, 0, "--json's status")


def records(path, wanted=b""):
    """Those whose line has this expression."""
    return [json.loads(line) for line in lines(path)
            if re.search(wanted, line)]


def accesses(path, wanted=b""):
    return [r for r in records(path, b'^{"kind":"access".*' + wanted)
            if r["kind"] == "access"]


def check_replay(path):
    result = run(["replay", path])
    check_equal(result.stderr, b"", "what replay complains of")
    check(b"all that was read is as recorded" in result.stdout, result.stdout)
    check_equal(result.returncode, 0, "replay's status")
    return result.stdout.decode()


# ---- Runs -------------------------------------------------------------------


@in_folder
def test_demo(folder):
    """The built-in demo: what it printed is in the trace"""
    need_zstd()
    path = os.path.join(folder, "demo.trace")
    result = trace_demo(path)
    check_equal(result.returncode, 0, "status")
    seen = accesses(path)
    printed = bytes(int(r["value"], 16) for r in seen if r["write"]
                    and r["region"] == "uart" and r["offset"] == 0)
    # In loop-back, what it writes goes no further.
    check(result.stdout in printed, (result.stdout, printed))
    said = re.search(rb"(\d+) accesses, (\d+) inputs", result.stderr)
    check_equal(int(said[1]), len(seen), "accesses")
    check(all(0x80000000 <= int(r["pc"], 16) < 0x80100000 for r in seen),
          "every access has its pc")
    times = [r["ns"] for r in records(path) if "ns" in r]
    check_equal(times, sorted(times), "times")
    text = check_replay(path)
    reads = sum(not r["write"] for r in seen if r["region"] == "uart")
    check(re.search(rf"^uart +read +{reads} ", text, re.MULTILINE), text)


@in_folder
def test_deterministic(folder):
    """With --deterministic both engines record the same"""
    need_zstd()
    seen = []
    for engine in "jit", "interp":
        path = os.path.join(folder, engine)
        result = trace_demo(path, "--deterministic",
                            engine=["--engine", engine])
        check_equal(result.returncode, 0, "status")
        check_replay(path)
        seen.append(records(path))
    check(seen[0] == seen[1], "the records are the same")
    check(any(r["kind"] == "mtime" for r in seen[0]), "the clock was read")


class Session:
    """Firmware and boot loader at the prompt, being traced."""

    def __init__(self, path, *arguments):
        tree = devicetree.dump(os.path.dirname(path), devicetree.PATIENT)
        self.terminal = Terminal([XBAR, "trace", "-o", path, *FIRMWARE,
                                  "--dtb", tree, *ENGINE, *arguments])

    def __enter__(self):
        self.boot()
        return self

    def __exit__(self, *exc):
        self.terminal.__exit__(*exc)

    def boot(self):
        self.terminal.wait_for("stop autoboot", 60)
        self.terminal.send(" ")
        self.terminal.wait_for(PROMPT, 60)

    def do(self, command):
        self.terminal.send(command + "\r")
        return self.terminal.wait_for(PROMPT, 60)

    def power_off(self):
        self.terminal.send("poweroff\r")
        check_equal(self.terminal.wait_exit(), 0, "status")
        return self.terminal.rest()


@in_folder
def test_session(folder):
    """OpenSBI and U-Boot with a session and a reset play again"""
    need_zstd()
    need_firmware()
    path = os.path.join(folder, "session.trace")
    with Session(path) as session:
        session.do("echo hello")
        session.do("mw.l 0x84000000 1 0x1000; crc32 0x84000000 0x1000")
        session.do("md.l 0x84000000 40")
        session.do("sleep 1")
        session.terminal.send("reset\r")
        session.boot()
        said = session.power_off()
    size = float(re.search(r"([0-9.]+) bytes an access", said)[1])
    check(size <= 6, f"{size} bytes an access")
    seen = records(path, b'^{"kind":"(uart|reset)"')
    typed = "".join(r["bytes"] for r in seen if r["kind"] == "uart")
    check(typed.startswith(" echo hello\r") and typed.endswith("poweroff\r"),
          typed)
    check_equal(sum(r["kind"] == "reset" for r in seen), 1, "resets")
    check_replay(path)


@in_folder
def test_disk(folder):
    """A disk, used by another thread, plays again without it"""
    need_zstd()
    need_firmware()
    path = os.path.join(folder, "disk.trace")
    disk = os.path.join(folder, "disk")
    with open(disk, "wb") as file:
        file.write(bytes(range(256)) * 512)
    with Session(path, "--drive", f"file={disk},format=raw",
                 "--device", "virtio-rng-device") as session:
        session.do("virtio scan")
        for _ in range(10):
            text = session.do("virtio read 0x84000000 0 100")
            check("256 blocks read: OK" in text, text)
        text = session.do("virtio write 0x84000000 10 10")
        check("16 blocks written: OK" in text, text)
        session.power_off()
    os.unlink(disk)
    seen = accesses(path, b'"virtio-blk"')
    check(sum(r["region"] == "virtio-blk" and r["offset"] == 0x50
              for r in seen) >= 11, "kicks are recorded")
    check_replay(path)


@in_folder
def test_pipe(folder):
    """A trace is read from a pipe while it is written"""
    need_zstd()
    path = os.path.join(folder, "pipe")
    os.mkfifo(path)
    with open(os.path.join(folder, "out"), "w+b") as out:
        replay = subprocess.Popen([XBAR, "replay", "-"], stdout=out,
                                  stdin=subprocess.PIPE)
        cat = subprocess.Popen(["cat", path], stdout=replay.stdin)
        replay.stdin.close()
        check_equal(trace_demo(path).returncode, 0, "status")
        check_equal(cat.wait(60 * PATIENCE), 0, "cat's status")
        check_equal(replay.wait(60 * PATIENCE), 0, "replay's status")
        out.seek(0)
        check(b"all that was read is as recorded" in out.read(), "replay")


# ---- Ends -------------------------------------------------------------------


@in_folder
def test_interrupted(folder):
    """ctrl-c ends the run, and the trace is whole"""
    need_zstd()
    need_firmware()
    path = os.path.join(folder, "interrupted.trace")
    with Session(path) as session:
        session.terminal.send("\x03")
        check_equal(session.terminal.wait_exit(), 130, "status")
    last = collections.deque(lines(path), 1)
    check(last[0].startswith(b'{"kind":"end"'), f"the last record: {last}")
    check_replay(path)


def kill_session(path):
    """Kill a session seconds after a key. Return: that is in the trace."""
    with Session(path) as session:
        time.sleep(3)
        session.terminal.child.send_signal(signal.SIGKILL)
        check_equal(session.terminal.wait_exit(), -9, "status")
    result = run(["replay", path])
    check_equal(result.returncode, 2, "replay's status")
    check(b"killed.trace: cut off after" in result.stderr, result.stderr)
    check(b"all that was read is as recorded" in result.stdout, result.stdout)
    with subprocess.Popen([XBAR, "replay", path, "--json"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as replay:
        return sum(line.startswith(b'{"kind":"uart"')
                   for line in replay.stdout) > 0


@in_folder
def test_killed(folder):
    """What was recorded a second before a kill is readable"""
    need_zstd()
    need_firmware()
    path = os.path.join(folder, "killed.trace")
    # Not always, where the program itself gets no processor for seconds.
    check(any(kill_session(path) for _ in range(5)), "the session had begun")


@in_folder
def test_full_disk(folder):
    """A full disk in the middle ends the trace, not the run"""
    need_zstd()
    path = os.path.join(folder, "full.trace")
    # The translator's memory is a file, too.
    engine = ["--engine", "interp"]
    check_equal(trace_demo(path, "--deterministic", engine=engine).returncode,
                0, "status without a limit")
    half = os.path.getsize(path) // 2  # of what is equal each time
    for arguments, limit in ([], 2000), (["--deterministic"], half):
        def limit_size(limit=limit):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        result = trace_demo(path, *arguments, engine=engine,
                            preexec_fn=limit_size)
        check_equal(result.returncode, 1, "status")
        check(result.stdout.endswith(b"all right\r\n"), "the guest goes on")
        check(b"full.trace: File too large: the trace ends here, the guest "
              b"goes on\n" in result.stderr, result.stderr)
        check(len(result.stderr.splitlines()) == 1, result.stderr)
        result = run(["replay", path])
        check_equal(result.returncode, 2, "replay's status")
        check(b"cut off after" in result.stderr, result.stderr)


@in_folder
def test_cut(folder):
    """A trace that is cut anywhere is readable to there"""
    need_zstd()
    path = os.path.join(folder, "cut.trace")
    check_equal(trace_demo(path).returncode, 0, "status")
    with open(path, "rb") as file:
        whole = file.read()
    for size in 24, 25, 40, len(whole) // 2, len(whole) - 1:
        with open(path, "wb") as file:
            file.write(whole[:size])
        for arguments in ["replay"], ["replay", "--json"]:
            result = run([*arguments, path])
            check_equal(result.returncode, 2, f"status at {size}")
            check_equal(len(result.stderr.splitlines()), 1, "lines")
            check(b"cut.trace: cut off after" in result.stderr, result.stderr)
    with open(path, "wb") as file:
        file.write(whole[:16] + b"\x07" + whole[17:])
    result = run(["replay", path])
    check(b"a trace of version 7, and this is xbar" in result.stderr,
          result.stderr)
    check_equal(result.returncode, 2, "status")


# ---- Traces of our own ------------------------------------------------------


def number(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def record(code, *numbers, tail=None):
    out = b"".join(number(n) for n in (code, *numbers))
    return out if tail is None else out + number(len(tail)) + tail


def frame(block):
    """A zstd frame that is not compressed."""
    return (b"\x28\xb5\x2f\xfd\x00\x38"
            + (1 | len(block) << 3).to_bytes(3, "little") + block)


def write_trace(path, block):
    with open(path, "wb") as file:
        file.write(b"\x5b\x2a\x4d\x18\x10\0\0\0xbartrce\x01\0\0\0\0\0\0\0")
        file.write(frame(block))


BOARD = record(1, 1 << 20, 10000000, 0, tail=b"ours")
UART_REGION = record(2, UART, 8, tail=b"uart")


def site(region, offset, size, flags=0, result=0, pc=0x80000000):
    return record(3, flags, region, offset, size, result, pc)


@in_folder
def test_difference(folder):
    """What is not as recorded is told, and fails"""
    need_zstd()
    path = os.path.join(folder, "other.trace")
    rows = [
        # LSR with nothing received; then a byte is there
        (record(32, 9, 2 * 0x61) + record(0, 0, 1, 0),
         rb"access 1, after 0.000000 s: pc 0x80000000 reads 1 bytes of uart "
         rb"\+ 0x5: 0x60, and not 0x61 as recorded"),
        (record(32, 9, 2 * 0x60) + record(10, 0, 11, 1) + record(33, 5)
         + record(0, 0, 2, 0),
         rb"access 2, .*: interrupt line 11 of the hart is down, and not"),
        (record(32, 9, 2 * 0x60) + record(8, 3, tail=b"x")
         + record(32, 1, 2) + record(0, 0, 2, 1), None),
    ]
    for block, wanted in rows:
        write_trace(path, BOARD + UART_REGION + site(0, 5, 1) + block)
        result = run(["replay", path])
        check_equal(result.returncode, 1 if wanted else 0, "status")
        check(re.search(wanted, result.stderr) if wanted
              else not result.stderr, (wanted, result.stderr))
    write_trace(path, record(1, 1 << 20, 10000000, 0, tail=b"o\x1b[2J\xff")
                + record(0, 0, 0, 0))
    check(b": o?[2J?, " in run(["replay", path]).stdout, "a name that is none")
    write_trace(path, BOARD + UART_REGION + site(0, 5, 1, result=2)
                + record(32, 9, 2 * 0x60) + record(0, 0, 1, 0))
    result = run(["replay", path])
    check(b"result 0, and not 2 as recorded" in result.stderr, result.stderr)


@in_folder
def test_other_board(folder):
    """A trace of a board that there is not is refused"""
    need_zstd()
    path = os.path.join(folder, "other.trace")
    rows = [
        (BOARD + record(2, UART, 16, tail=b"uart"), b"another board"),
        (BOARD + record(2, UART, 8, tail=b"uarts"), b"another board"),
        (BOARD + record(2, 0x80000000, 1 << 20, tail=b"ram"),
         b"another board"),
        (BOARD + record(2, 0, 8, tail=b"x"), b"another board"),
        (BOARD + record(12, 7, 2, 0, 3, 64, 0, tail=b"x"), b"there cannot be"),
        (BOARD + record(12, 7, 2, 0, 1, 512, 0, tail=b"x"),
         b"there cannot be"),
        (BOARD + record(12, 7, 2, 0, 1, 64, 200, tail=b"x"),
         b"there cannot be"),
        (BOARD + UART_REGION + record(12, 7, 2, 0, 1, 64, 0, tail=b"x"),
         b"there cannot be"),
        (UART_REGION, b"before the board"),
        (record(1, 1 << 55, 10000000, 0, tail=b"x") + UART_REGION,
         b"cannot give"),
    ]
    for block, wanted in rows:
        write_trace(path, block)
        result = run(["replay", path])
        check_equal(result.returncode, 2, f"status for {wanted}")
        check(wanted in result.stderr, (wanted, result.stderr))


REGIONS = [(0x100000, 4096, b"test-finisher"), (0x101000, 4096, b"rtc"),
           (0x2000000, 0x10000, b"aclint"), (0xc000000, 0x600000, b"plic"),
           (UART, 8, b"uart"), (0x10001000, 512, b"virtio-mmio"),
           (0x10008000, 512, b"fake")]


def random_record(rng):
    """A record other than an access that is well-formed, or nearly."""
    code = rng.choice([5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 8, 5, 6])
    numbers = {5: [rng.getrandbits(64)], 6: [rng.getrandbits(64)],
               9: [rng.randrange(256)],
               10: [rng.choice([9, 11, rng.randrange(64)]), rng.randrange(2)],
               13: [rng.randrange(8), rng.getrandbits(32)],
               14: [rng.randrange(8), rng.getrandbits(32)],
               15: [rng.randrange(8)]}.get(code, [])
    tail = rng.randbytes(rng.randrange(256)) if code in (8, 13, 16) else None
    return record(code, rng.randrange(1000), *numbers, tail=tail)


def random_trace(rng):
    """Any device, any register, any value: as no guest would."""
    devices = record(12, 7, rng.getrandbits(32) or 1, rng.getrandbits(64),
                     rng.randrange(3), rng.choice([0, 1, 8, 256]),
                     rng.randrange(137), tail=b"fake")
    block = BOARD + devices + b"".join(
        record(2, address, size, tail=name) for address, size, name in REGIONS)
    sites = 0
    for _ in range(600):
        kind = rng.random()
        if kind < 0.3 or not sites:
            region = rng.randrange(len(REGIONS))
            size = 1 << rng.randrange(4)
            reach = rng.choice([8, 256, REGIONS[region][1]])
            offset = rng.randrange(min(reach, REGIONS[region][1]))
            offset -= offset % size
            if offset + size <= REGIONS[region][1]:
                block += site(region, offset, size, rng.randrange(2))
                sites += 1
        elif kind < 0.8:
            block += record(32 + 2 * rng.randrange(sites), rng.randrange(99),
                            2 * rng.randrange(256))
        else:
            block += random_record(rng)
    return block


@in_folder
def test_hostile(folder):
    """Records that no run made do no harm"""
    need_zstd()
    path = os.path.join(folder, "hostile.trace")
    rng = random.Random(2026)
    deadline = time.monotonic() + 20
    statuses = set()
    for _ in range(60):
        write_trace(path, random_trace(rng))
        result = run(["replay", path])
        check(result.returncode in (1, 2),
              (result.returncode, result.stderr[-2000:]))
        check(len(result.stderr.splitlines()) <= 2, result.stderr[-2000:])
        statuses.add(result.returncode)
        if time.monotonic() > deadline:
            break
    check(2 in statuses, "they have no end")


main([test_demo, test_deterministic, test_session, test_disk, test_pipe,
      test_interrupted, test_killed, test_full_disk, test_cut,
      test_difference, test_other_board, test_hostile])
