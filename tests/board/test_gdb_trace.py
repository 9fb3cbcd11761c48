# SPDX-License-Identifier: MIT
"""Tracepoints (--gdb): gdb-multiarch itself on a guest of known values, the
packets by hand, and sessions that go wrong byte by byte."""

import os
import random
import shutil
import socket
import subprocess
import time

from asm import (A0, A1, A2, LOOP as HANG, MRET, MSTATUS, MTVEC, RAM, T0, T1,
                 UART, ZERO, addi, bne, csrw, jump, ld, li, sd)
from debugger import (ECHO, GDB, GDB_OPTIONS, Guest, Link, expect, frame,
                      write_demo)
from guestio import (PATIENCE, Failed, check, check_equal, in_folder, main,
                     need, put)

C_SOURCE = """\
struct node { struct node *next; long value; char name[8]; };
struct node nodes[3] = { { &nodes[1], 10, "one" }, { &nodes[2], 20, "two" },
                         { 0, 30, "three" } };
int count;

__attribute__((noinline)) long visit(struct node *n, int depth)
{
    int x = depth * 2;
    count += x; /* here */
    return n->value + x;
}

int run(void)
{
    long sum = 0;
    for (int i = 0; i < 9; i++) {
        sum += visit(&nodes[i % 3], i);
    }
    *(volatile unsigned *)0x100000 = sum == 252 ? 0x5555 : 0x13333;
    for (;;) {
    }
}
__asm__(".section .start,\\"ax\\"; .global _start; _start: "
        "lla sp, _start + 0xff000; call run; .text");
"""
HERE = 1 + [i for i, line in enumerate(C_SOURCE.splitlines())
            if "here" in line][0]


def compile_guest(folder):
    need(shutil.which("riscv64-linux-gnu-gcc"), "no riscv64-linux-gnu-gcc")
    source = put(folder, "guest.c", C_SOURCE.encode())
    elf = os.path.join(folder, "guest.elf")
    subprocess.run(
        ["riscv64-linux-gnu-gcc", "-g", "-O0", "-nostdlib", "-static",
         "-fno-pic", "-no-pie", "-mcmodel=medany", "-Wl,--build-id=none",
         "-Wl,--no-relax,--section-start=.start=0x80001000",
         "-Wl,-Ttext=0x80002000,-e,_start", "-o", elf, source], check=True)
    return elf


def script(guest, elf, text):
    """gdb's output for commands that need a file: some span lines."""
    need(GDB, "gdb-multiarch is not installed")
    path = guest.address + ".gdb"
    with open(path, "w", encoding="ascii") as file:
        file.write(f"set confirm off\nfile {elf}\n"
                   f"target remote {guest.address}\n{text}\ndetach\n")
    done = subprocess.run([GDB, "-batch", *GDB_OPTIONS, "-x", path],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120 * PATIENCE)
    return done.stdout.decode(errors="replace")


# ---- gdb itself -------------------------------------------------------------

@in_folder
def test_collect(folder):
    """gdb: trace, actions, collect, tstart, tstop, tfind, tdump"""
    elf = compile_guest(folder)
    with Guest(folder, ["--bios", elf]) as guest:
        text = script(guest, elf, f"""\
tvariable $seen = 7
trace {HERE}
actions
collect $regs, *n, $args, $locals, count
teval $seen = $seen + 1
collect $seen
end
break 17 if i == 8
tstart a note
continue
tstatus
tstop enough
tstatus
info tracepoints
tfind start
tdump
tfind 4
print *n
print depth
x/s n->name
print count
print $seen
backtrace
print nodes[0]
print nodes[2].value
tfind pc
tfind end
tfind none
print $seen
print i
print nodes[0].value""")
        expect(text, r"Breakpoint 2, .*run \(\)",
               r"Trace is running", r"Collected 8 trace frames",
               r"Trace notes: a note",
               r"stopped by a tstop command \(enough\)",
               r"already hit 8 times", r"trace buffer usage \d+ bytes",
               r"trace frame 0, tracepoint 1",
               r"\ba1 +0x0", r"pc +0x8000201[0-9a-f]",
               r"\*n = {next = 0x[0-9a-f]+ <nodes\+24>, value = 10",
               r"depth = 0", r"x = 0", r"count = 0", r"\$seen = 8",
               r"trace frame 4, tracepoint 1", r'value = 20, name = "two',
               r"= 4\n", r'"two"', r"= 12\n", r"= 12\n",
               r"#0 +visit .*depth=4", r"<unavailable>", r"<unavailable>",
               r"trace frame 5, tracepoint 1",
               r"= 15\n", r"= 8\n", r"= 10\n", r"detached")
        check_equal(guest.wait_exit(), 0, "status")


@in_folder
def test_conditions_and_steps(folder):
    """gdb: conditions, while-stepping, pass counts, enable and disable"""
    elf = compile_guest(folder)
    with Guest(folder, ["--bios", elf]) as guest:
        text = script(guest, elf, f"""\
trace {HERE} if depth > 2 && n->value / 10 == 2
actions
while-stepping 3
collect $pc, $a5
end
end
trace visit if (char)depth == 5 || ~depth == 0
passcount 1 2
trace run
disable 3
break 17 if i == 0
break 17 if i == 8
tstart
continue
disable 1
enable 1
continue
tstatus
tfind start
info registers pc
tfind
info registers pc
tfind
info registers pc
tfind
info registers pc
tfind tracepoint 2
info registers pc
tfind
info tracepoints""")
        expect(text, r"Breakpoint 4,", r"Breakpoint 5,",
               r"Trace stopped by tracepoint 2",
               r"Collected 5 trace frames",
               r"frame 0, tracepoint 1", r"pc +0x0*80002(...)",
               r"frame 1, tracepoint 1", r"pc +0x0*80002(...)",
               r"frame 2, tracepoint 1", r"pc +0x0*80002(...)",
               r"frame 3, tracepoint 1", r"pc +0x0*80002(...)",
               r"frame 4, tracepoint 2", r"pc +0x0*80002(...)",
               r"hit 1 time", r"hit 1 time", r"detached")
        check_equal(text.count("frame 4"), 1, "as many frames as that")
        check_equal(guest.wait_exit(), 0, "status")


@in_folder
def test_full(folder):
    """gdb: a buffer that is full ends the trace, and the guest goes on"""
    elf = compile_guest(folder)
    for is_circular, frames in (("off", r"Collected 2 trace"),
                                ("on", r"2 trace frames \(of 8 created")):
        with Guest(folder, ["--bios", elf]) as guest:
            text = script(guest, elf, f"""\
set trace-buffer-size 256
set circular-trace-buffer {is_circular}
trace {HERE}
actions
collect n->value
end
break 17 if i == 8
tstart
continue
tstatus
{"tstop" if is_circular == "on" else ""}
tfind 1
print n->value
tfind none""")
            expect(text, r"Breakpoint 2,",
                   r"running on the target" if is_circular == "on"
                   else r"the buffer was full", frames, r"= 20\n",
                   r"detached")
            check_equal(guest.wait_exit(), 0, "status")


@in_folder
def test_expression_fails(folder):
    """gdb: an expression that cannot be evaluated ends the trace, with words
    """
    elf = compile_guest(folder)
    for condition, why in (("count / (depth - depth)", "division by zero"),
                           ("*(long *)depth", "memory that cannot be read")):
        with Guest(folder, ["--bios", elf]) as guest:
            text = script(guest, elf, f"""\
trace {HERE} if {condition}
break 17 if i == 8
tstart
continue
tstatus""")
            expect(text, r"Breakpoint 2,",
                   rf"stopped by an error \({why}, tracepoint 1\)",
                   r"Collected 0 trace frames", r"detached")
            check_equal(guest.wait_exit(), 0, "status")


@in_folder
def test_deterministic(folder):
    """Tracepoints change nothing in a run that is deterministic"""
    demo = write_demo(folder)
    outputs = []
    for commands in ("break draw_mandelbrot\ncontinue",
                     "trace print_number\nactions\ncollect $regs\n"
                     "while-stepping 9\ncollect $pc\nend\nend\n"
                     "break draw_mandelbrot\ntstart\ncontinue\ntstatus"):
        with Guest(folder, ["--deterministic", "--bios", demo]) as guest:
            text = script(guest, demo, commands + "\np $cycle")
            expect(text, r"Breakpoint ., ", r"\$1 = ", r"detached")
            check_equal(guest.wait_exit(), 0, "status")
            cycles = text[text.index("$1 = "):].split()[2]
            outputs.append((guest.printed(), cycles))
        check("Collected 0" not in text, text)
    check_equal(outputs[1], outputs[0], "printed, and cycles")


# ---- Packets ----------------------------------------------------------------

LOOP = 0x80000000 + len(li(T0, UART))  # what the echoing guest does for ever
ALL_REGS = "R" + "f" * 9
NOT_RUN = "T0;tnotrun:0;tframes:0;tcreated:0;"


@in_folder
def test_packets(folder):
    """Packets: what each answers, and what is wrong with it"""
    echo = put(folder, "echo", ECHO)
    with Guest(folder, ["--bios", echo], address="0") as guest, \
            Link(guest) as link:
        check(link.ask("qTStatus").startswith(NOT_RUN), "not run yet")
        check("QTBuffer:size+" in link.ask("qSupported"), "supported")
        for packet, answer in (
                ("QTinit", "OK"), ("qTfP", "l"), ("qTsV", "l"),
                ("QTDP:", "E16"), ("QTDP:1", "E16"), ("QTDP:1:80000000", "E16"),
                ("QTDP:1:80000000:X:0:0", "E16"),
                ("QTDP:1:80000000:E:0:0:F4", "E.only tracepoints of the common"
                 " kind are supported"),
                ("QTDP:100000000:80000000:E:0:0", "E16"),
                ("QTDP:2:80000000:E:0:0:X1,zz", "E16"),
                ("QTDP:3:80000000:E:0:0:Xffffffffffffffff,27", "E16"),
                ("QTDP:4:80000000:E:0:0+", "E16"),
                ("QTDP:-4:80000000:R1", "E16"),  # nobody is being defined
                ("QTDP:5:80000000:E:0:0-", "OK"),
                ("QTDP:5:80000000:E:0:0-", "E16"),  # there is one
                ("QTDP:6:80000000:E:0:0-", "OK"),
                ("QTDP:-5:80000000:R1", "E16"),  # another one
                ("QTDP:6:80000001:E:0:0-", "OK"),
                ("QTDP:-6:80000001:R", "E16"),
                ("QTDP:7:80000000:E:0:0-", "OK"),
                ("QTDP:-7:80000000:M-1,0,10001",
                 "E.more than may be collected at once"),
                ("QTDP:8:80000000:E:0:0-", "OK"),
                ("QTDP:-8:80000000:M1042,0,1", "E16"),
                ("QTDP:9:80000000:E:0:0-", "OK"),
                ("QTDP:-9:80000000:M-1,0", "E16"),
                ("QTDP:a:80000000:E:0:0-", "OK"),
                ("QTDP:-a:80000000:Q", "E16"),
                ("QTDP:b:80000000:E:0:0-", "OK"),
                ("QTDP:-b:80000000:X2000,00", "E16"),
                ("QTDV:", "E16"), ("QTDV:1", "E16"), ("QTDV:1:5:0:41", "OK"),
                ("qTV:1", "V5"), ("qTV:2", "U"), ("qTV:x", "E16"),
                ("qTP:5:80000000", "V0:0"), ("qTP:5:80000004", "E16"),
                ("qTP:", "E16"), ("QTFrame:0", "F-1"), ("QTFrame:", "E16"),
                ("QTFrame:range:0", "E16"), ("QTFrame:zz", "E16"),
                ("QTFrame:ffffffffffffffffff", "E16"),
                ("QTBuffer:size:0", "E16"), ("QTBuffer:size:x", "E16"),
                ("QTBuffer:size:7fffffffffffffff",
                 "E.a trace buffer has 268435456 bytes at most"),
                ("QTBuffer:circular:2", "E16"), ("QTBuffer:", "E16"),
                ("QTEnable:5:80000000", "OK"), ("QTEnable:99:0", "E16"),
                ("QTDisable:5", "E16"), ("QTNotes:user:41;", "OK"),
                ("QTNotes:user", "E16"), ("QTNotes:notes:" + "4" * 9999 + ";",
                                          "OK"),
                ("QTnonsense", ""), ("qTnonsense", ""), ("QTStop", "OK"),
                ("QTinit", "OK"), ("qTV:1", "U"), ("qTP:5:80000000", "E16")):
            check_equal(link.ask(packet), answer, packet)
        # Bounded: so many, and so much.
        answers = [link.ask(f"QTDP:{i:x}:80000000:E:0:0")
                   for i in range(1100)]
        check_equal(answers.count("OK"), 1024, "tracepoints")
        check_equal(link.ask("QTinit"), "OK", "again")
        answers = [link.ask(f"QTDP:{i:x}:80000000:E:0:0:X1f00," + "27" * 0x1f00)
                   for i in range(200)]
        check(100 < answers.count("OK") < 140, answers.count("OK"))
        answers = [link.ask(f"QTDV:{i:x}:1") for i in range(300)]
        check_equal(answers.count("OK"), 256, "variables")
        guest.child.kill()


def arrive(link, guest):
    """Let the echoing guest run past its tracepoints, and stop it."""
    link.send(frame("c"))
    guest.echoes(b"it runs ")
    link.send(b"\x03")
    check_equal(link.answer(), "T02thread:1;", "the interrupt")


@in_folder
def test_frames(folder):
    """Packets: frames answer g, p and m; nothing else changes them"""
    echo = put(folder, "echo", ECHO)
    with Guest(folder, ["--bios", echo]) as guest, Link(guest) as link:
        for packet in (
                "QTinit", f"QTDP:2:{LOOP:x}:E:0:3", "QTDP:1:80000004:E:0:0-",
                f"QTDP:-1:80000004:{ALL_REGS}M-1,80000000,10MFFFFFFFF,80000020"
                ",4-", "QTDP:-1:80000004:M20,0,4M-1,10000000,8M-1,0,100",
                "QTStart"):
            check_equal(link.ask(packet), "OK", packet)
        check(link.ask("QTStart").startswith("E.tracing runs"), "twice")
        check(link.ask("QTDP:2:80000000:E:0:0").startswith("E.tracing runs"),
              "a tracepoint meanwhile")
        check_equal(link.ask("Z0,80000004,4"), "OK", "a breakpoint, too")
        check_equal(link.ask("c"), "T05thread:1;", "it stops there")
        check_equal(link.ask("vCont;s:1"), "T05thread:1;", "a step off it")
        check_equal(link.ask("qTP:1:80000004")[:3], "V1:", "collected once")
        check_equal(link.ask("z0,80000004,4"), "OK", "without it")
        live = link.ask("g")
        check_equal(link.ask("QTFrame:0"), "F0T1", "the frame")
        check_equal(link.ask("p20"), "0400008000000000", "its pc")
        check_equal(link.ask("g")[:33 * 16][-16:], "0400008000000000", "in g")
        check_equal(link.ask("m80000000,20"), ECHO[:16].hex(), "memory: a part")
        check_equal(link.ask("m80000002,4"), ECHO[2:6].hex(), "from within")
        check_equal(link.ask("m80000020,4"), (ECHO + bytes(64))[32:36].hex(),
                    "another block")
        check_equal(link.ask("m10000000,1"), "E0e", "a device")
        check_equal(link.ask("m80000100,1"), "E0e", "what was not collected")
        check_equal(link.ask("p381"), "x" * 16, "a CSR")
        info = link.ask("qXfer:traceframe-info:read::0,1000")
        check('start="0x80000000" length="0x10"' in info and
              'start="0x80000020"' in info and 'start="0x0"' not in info, info)
        for packet in "M80000000,1:00", "P1=0000000000000000", "G00", \
                "X80000000,1:0":
            check(link.ask(packet).startswith("E.a trace frame"), packet)
        for packet, answer in (
                ("QTFrame:pc:80000004", "F-1"), ("QTFrame:0", "F0T1"),
                ("QTFrame:ffffffff", "F-1"), ("QTFrame:pc:80000004", "F0T1"),
                ("QTFrame:tdp:1", "F-1"), ("QTFrame:tdp:1", "F0T1"),
                ("QTFrame:ffffffff", "F-1"),
                ("QTFrame:range:80000004:80000004", "F0T1"),
                ("QTFrame:ffffffff", "F-1"),
                ("QTFrame:outside:80000004:80000004", "F-1"),
                ("QTFrame:outside:0:1", "F0T1"), ("qTV:1", "U")):
            check_equal(link.ask(packet), answer, packet)
        check_equal(link.ask("QTFrame:ffffffff"), "F-1", "the guest itself")
        check_equal(link.ask("g"), live, "as it was")
        arrive(link, guest)
        status = link.ask("qTStatus")
        check(status.startswith("T0;tpasscount:2;"), status)
        check_equal(link.ask("D"), "OK", "detach")
        guest.echoes(b"and on ")
        # What one debugger set, the next one does not find.
        with Link(guest) as other:
            check(other.ask("qTStatus").startswith(NOT_RUN), "a new session")
        guest.echoes(b"the last ")
        guest.child.terminate()


# ---- Interrupts -------------------------------------------------------------

MIE, MIP = 0x304, 0x344
S2, S3 = 18, 19
TURNS = 20000


def make_interrupted(turns):
    """A loop that counts to @turns in a0, which timer interrupts every 10 us,
    and a software interrupt, count in a1. Return: it, the loop, its end."""
    handler = (ld(T1, 0, S2) + addi(T1, T1, 100) + sd(T1, 0, S3)
               + csrw(MIP, ZERO) + addi(A1, A1, 1) + MRET)
    code = jump(4 + len(handler)) + handler + (
        li(S2, 0x200bff8) + li(S3, 0x2004000) + sd(ZERO, 0, S3)
        + li(T0, RAM + 4) + csrw(MTVEC, T0) + li(T0, 0x82) + csrw(MIE, T0)
        + li(A2, turns) + addi(T0, ZERO, 8) + csrw(MSTATUS, T0))
    loop = RAM + len(code)
    code += addi(A0, A0, 1) + bne(A0, A2, -4)
    return code + HANG, loop, RAM + len(code)


def reg(link, number):
    return int.from_bytes(bytes.fromhex(link.ask(f"p{number:x}")), "little")


def check_turns(link, loop, end, steps=0):
    """Each turn of the loop, up to its end, has one frame, and its steps."""
    check_equal(link.ask(f"Z0,{end:x},4"), "OK", "a breakpoint at the end")
    check_equal(link.ask("c"), "T05thread:1;", "the end")
    check_equal((reg(link, 0x20), reg(link, A0)), (end, TURNS), "turns")
    check(reg(link, A1) > 20, f"{reg(link, A1)} interrupts")
    status = link.ask("qTStatus")
    check(f"tcreated:{TURNS * (1 + steps):x};" in status, status)
    check_equal(link.ask(f"qTP:1:{loop:x}").split(":")[0], f"V{TURNS:x}",
                "hits")
    for turn in (0, 1, TURNS // 3, TURNS // 2, TURNS - 2, TURNS - 1):
        which = turn * (1 + steps)
        check_equal(link.ask(f"QTFrame:{which:x}"), f"F{which:x}T1", "a frame")
        check_equal(reg(link, A0), turn, "its turn")


@in_folder
def test_interrupts(folder):
    """Packets: what interrupts come between is collected once"""
    code, loop, end = make_interrupted(TURNS)
    path = put(folder, "interrupted", code)
    for arguments, steps in ([], 0), ([], 2), (["--deterministic"], 0):
        with Guest(folder, [*arguments, "--bios", path]) as guest, \
                Link(guest) as link:
            for packet in ("QTinit", f"QTDP:1:{loop:x}:E:{steps:x}:0-",
                           f"QTDP:-1:{loop:x}:R400", "QTStart"):
                check_equal(link.ask(packet), "OK", packet)
            check_turns(link, loop, end, steps)
            guest.child.kill()


@in_folder
def test_interrupt_meanwhile(folder):
    """Packets: an interrupt that comes while the debugger has the guest waits
    for what was collected to be executed"""
    code, loop, end = make_interrupted(TURNS)
    path = put(folder, "interrupted", code)
    with Guest(folder, ["--bios", path]) as guest, Link(guest) as link:
        for packet in ("QTinit", f"QTDP:1:{loop:x}:E:0:0-",
                       f"QTDP:-1:{loop:x}:R400", "QTStart",
                       f"Z0,{loop:x},4"):
            check_equal(link.ask(packet), "OK", packet)
        for turn in range(50):
            check_equal(link.ask("c"), "T05thread:1;", "at the loop")
            check_equal((reg(link, 0x20), reg(link, A0)), (loop, turn), "turn")
            check_equal(link.ask(f"P{0x41 + MIP:x}=0200000000000000"), "OK",
                        "an interrupt")
        check_equal(link.ask(f"z0,{loop:x},4"), "OK", "without it")
        check_turns(link, loop, end)
        guest.child.kill()


# ---- How much at once -------------------------------------------------------

# Counts down from 2475, four steps each, and is then true.
LONG = "Xd,2309ab22010328200003220127"


def go_past(link, loop, end, packets):
    """Let a loop run to its end under tracepoints. Return: the status."""
    for packet in ("QTinit", *packets, "QTBuffer:circular:1",
                   "QTBuffer:size:1000000", "QTStart", f"Z0,{end:x},4"):
        check_equal(link.ask(packet), "OK", packet[:50])
    check_equal(link.ask("c"), "T05thread:1;", "the end")
    return link.ask("qTStatus")


@in_folder
def test_too_much(folder):
    """Packets: what is evaluated and collected at one instruction is bounded"""
    code = li(A2, 20)
    loop = RAM + len(code)
    end = loop + 8
    why = b"more than may be done in one place".hex()
    path = put(folder, "loop",
               code + addi(A0, A0, 1) + bne(A0, A2, -4) + HANG)
    for kind, fits, packets in (
            # Conditions, and what is collected, here and behind a step.
            ("conditions", 10, lambda n: [
                f"QTDP:{n:x}:{loop:x}:E:0:0:" + LONG]),
            ("expressions", 10, lambda n: [
                f"QTDP:{n:x}:{loop:x}:E:0:0-",
                f"QTDP:-{n:x}:{loop:x}:" + LONG]),
            ("steps", 10, lambda n: [
                f"QTDP:{n:x}:{loop:x}:E:1:0-",
                f"QTDP:-{n:x}:{loop:x}:S" + LONG]),
            ("memory", 390, lambda n: [
                f"QTDP:{n:x}:{loop:x}:E:0:0-",
                f"QTDP:-{n:x}:{loop:x}:M-1,80000000,10000"])):
        with Guest(folder, ["--bios", path]) as guest, Link(guest) as link:
            many = [packet for n in range(1, 1000 + 1)
                    for packet in packets(n)]
            status = go_past(link, loop, end, many)
            check(status.startswith(f"T0;terror:{why}:{fits + 2:x};"),
                  f"{kind}: {status}")
            guest.child.kill()
        with Guest(folder, ["--bios", path]) as guest, Link(guest) as link:
            status = go_past(link, loop, end, [
                packet for n in range(1, fits + 1) for packet in packets(n)])
            check(status.startswith("T1;"), f"{kind}: {status}")
            guest.child.kill()


# ---- Sessions that go wrong -------------------------------------------------

# As gdb sends them; none that writes the guest or ends it.
SESSION = [
    "qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+;fork-events+",
    "vMustReplyEmpty", "QStartNoAckMode", "Hg0", "qTStatus", "qTfV", "qTfP",
    "?", "qXfer:features:read:target.xml:0,ffb", "qXfer:features:read:"
    "target.xml:ffa,ffb", "Hc-1", "qC", "qAttached", "g", "p1041", "p20",
    "m80000000,40", "qSymbol::", "qThreadExtraInfo,1", "qfThreadInfo",
    "qsThreadInfo", "T1", "qRcmd,7472616e736c61746520383030",
    "qRcmd,68656c70", "qqemu.PhyMemMode", "Qqemu.PhyMemMode:1",
    "Qqemu.PhyMemMode:0", "Z0,80000044,4", "Z2,80000100,8", "z0,80000044,4",
    "z2,80000100,8", "vCont?", "vCont;s:1;c", "vCont;c", "QTinit",
    "QTDP:1:0000000080000044:E:0:5-",
    "QTDP:-1:0000000080000044:R0200000000000000000000000000000000000000000000"
    "000000000000007c00000000000000000000000000000000000000ffffffffffffffff-",
    "QTDP:-1:0000000080000044:M-1,80000000,4X00000012,26000822d81608020d081a2"
    "2100222080c27X0000000F,26000822d81608020d081a22180c27-",
    "QTDP:-1:0000000080000044:X0000000C,2c000122010216402d000127X00000008,2c0"
    "0012e00012927",
    "QTDP:2:0000000080000048:E:3:0:X3a,26000822d416080219162022052b1420001521"
    "003726000822d81608021a2208021a1640220a05164022021320003221003722012100392"
    "20027-", "QTDP:-2:0000000080000048:SRffffffffff",
    "QTDV:1:0000000000000007:0:68697473", "QTro:80001000,8000101e:80002000,8",
    "QTBuffer:circular:1", "QTBuffer:size:-1", "QTBuffer:size:1000",
    "QTNotes:user:;notes:6d79;", "QTStart", "vCont;c", "QTStop", "qTStatus",
    "qTP:1:80000044", "qTV:1", "QTFrame:0", "qXfer:traceframe-info:read::0,ff",
    "g", "m80000000,4", "qTV:1", "QTFrame:pc:80000044", "QTFrame:range:0:f",
    "QTFrame:ffffffff", "QTEnable:2:80000048", "QTDisable:1:80000044",
]
WRITERS = b"GPMXkDcCsSRbBA"


def mutate(rng, packet):
    """Packets of a session with something wrong in them."""
    data = bytearray(packet.encode())
    for _ in range(rng.choice((0, 1, 1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at:at + rng.randrange(1, 9)]
        elif kind == 2:
            data[at:at] = data[rng.randrange(len(data) + 1):][:64]
        elif kind == 3:
            data[at:at] = rng.choice((b"f" * 16, b"f" * 17, b"0", b"-", b":",
                                      b",", b"0" * 5000, b";", b"S", b"8000"))
        elif kind == 4 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 5:
            data[at:] = rng.choice(SESSION).encode()[at:]
    return bytes(data)


def is_harmless(data):
    return (data[:1] not in [WRITERS[i:i + 1] for i in range(len(WRITERS))]
            and not data.startswith(b"vKill")
            and not any(byte in data for byte in b"$#}\x03"))


def settle(link):
    """The guest is stopped, and all was answered. Return: False: gone."""
    try:
        link.send(b"\x03")
        link.send(frame("qC"))
        while link.answer() != "QC1":
            link.send(b"\x03" + frame("qC"))
    except (Failed, ConnectionError):
        return False
    return True


@in_folder
def test_mutants(folder):
    """Sessions of gdb's, mutated: each is answered, and the guest runs on"""
    echo = put(folder, "echo", ECHO)
    rng = random.Random(20)
    deadline = time.monotonic() + 60  # what is done in that time is enough
    rounds = 0
    with Guest(folder, ["--bios", echo], waits=False) as guest:
        while rounds < 11 or (rounds < 60 and time.monotonic() < deadline):
            with Link(guest) as link:
                for packet in SESSION:
                    data = mutate(rng, packet)
                    if not is_harmless(data):
                        continue
                    link.send(frame(data))
                    if rng.random() < 0.3 and not settle(link):
                        break
                if rounds % 3 == 0:
                    check(settle(link), "closed: " + guest.messages())
                if rounds % 4 == 1:
                    link.socket.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" * 2)
            guest.echoes(b"round %d " % rounds)
            rounds += 1
        # Bytes that are wrong, rather than packets: with their sums as before.
        for turn in range(40):
            stream = bytearray(b"".join(frame(p) for p in SESSION))
            for _ in range(rng.randrange(1, 30)):
                stream[rng.randrange(len(stream))] = rng.randrange(256)
            with Link(guest) as link:
                try:
                    link.send(bytes(stream[:rng.randrange(len(stream))]))
                except OSError:
                    pass
            guest.echoes(b"turn %d " % turn)
        guest.child.terminate()


@in_folder
def test_reconnect(folder):
    """gdb: one after the other, each traces anew; one that was killed, too"""
    elf = compile_guest(folder)
    echo = put(folder, "echo", ECHO)
    with Guest(folder, ["--bios", echo], waits=False) as guest:
        # At once: the one before is not yet quite gone.
        for turn in range(50):
            with Link(guest) as link:
                check_equal(link.ask("qC"), "QC1", f"turn {turn}")
                link.send(frame("g"))
        for turn in range(3):
            guest.echoes(b"turn %d " % turn)
            text = script(guest, elf, f"trace *{LOOP}\nactions\n"
                          "collect $regs\nend\ntstart\nstepi 40\ntstatus\n"
                          "tstop\ntfind start\ninfo registers pc")
            expect(text, r"Collected [1-9]\d* trace frames",
                   r"frame 0, tracepoint 1", rf"pc +0x0*{LOOP:x}", r"detached")
        with Link(guest) as link:
            for packet in "QTinit", f"QTDP:1:{LOOP:x}:E:0:0", "QTStart":
                check_equal(link.ask(packet), "OK", packet)
            link.send(frame("c"))
        guest.echoes(b"the last ")
        guest.child.terminate()


if __name__ == "__main__":
    main([test_collect, test_conditions_and_steps, test_full,
          test_expression_fails, test_deterministic, test_packets, test_frames,
          test_interrupts, test_interrupt_meanwhile, test_too_much,
          test_mutants, test_reconnect])
