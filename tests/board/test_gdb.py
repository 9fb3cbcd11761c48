# SPDX-License-Identifier: MIT
"""A debugger (--gdb): gdb-multiarch itself on the demo guest and on U-Boot, and
a socket that sends whatever one should not send."""

import os
import random
import re
import signal
import socket
import subprocess
import time

from asm import T0, finish, li
from debugger import (ECHO, GDB, GDB_OPTIONS, Guest, Link, expect, frame, run_gdb,
                      write_demo)
from guestio import (ENGINE, OPENSBI, PATIENCE, UBOOT, XBAR,
                     Terminal, check, check_equal, in_folder, main,
                     need, need_firmware, put, run)

def without_times(output):
    return re.sub(rb" +\d+ ms|timer \d+", b"", output)


def plain_output(demo, *arguments):
    """Status and output without a debugger."""
    done = subprocess.run([XBAR, "run", *arguments, "--bios", demo, *ENGINE],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=120 * PATIENCE)
    return done.returncode, done.stdout


# ---- gdb itself -------------------------------------------------------------

@in_folder
def test_stack(folder):
    """gdb: a function by name, its callers, registers, steps; then to the end
    """
    demo = write_demo(folder)
    status, output = plain_output(demo)
    with Guest(folder, ["--bios", demo]) as guest:
        text = run_gdb(
            guest, "break longest_collatz", "info registers pc", "continue",
            "backtrace", "finish", "print/x $pc", "stepi", "stepi",
            "info registers pc", "p/x $mstatus", "p $priv", "info threads",
            "set $t6 = 0x1234", "p/x $x31", "p/x $misa",
            "set $ft0.double = 1.5", "p $f0", "detach", file=demo)
        expect(text, r"pc +0x1000",
               r"Breakpoint 1, 0x0*800002f. in longest_collatz",
               r"#0 .* in longest_collatz", r"#1 .* in main",
               r"in main", r"\$1 = 0x800005[0-9a-f]{2}",
               r"in main", r"in board_ticks", r"pc +0x8000004c",
               r"\$\d+ = 0x[0-9a-f]+", r"\$\d+ = .*3",
               r"Thread 1 .*hart 0, M-mode",
               r"\$\d+ = 0x1234", r"\$\d+ = 0x8000000000[0-9a-f]+",
               r"double = 1.5", r"detached")
        check_equal(guest.wait_exit(), status, "status")
        check_equal(without_times(guest.printed()), without_times(output),
                    "what the guest printed")
        check_equal(guest.messages().count("\n"), 1, "lines of messages")


@in_folder
def test_memory_and_watch(folder):
    """gdb: watchpoints, memory by both kinds of address, monitor commands"""
    demo = write_demo(folder)
    with Guest(folder, ["--deterministic", "--bios", demo]) as guest:
        text = run_gdb(
            guest, "watch *(unsigned long *)&timer_interrupts",
            "rwatch *(unsigned char *)0x80000908",
            "break longest_collatz", "continue", "delete 1", "continue",
            "x/4i $pc", "x/gx &timer_interrupts",
            "set *(unsigned int *)0x80400000 = 0x12345678",
            "x/wx 0x80400000", "x/wx 0x10000000", "monitor phys on",
            "x/wx 0x80400000", "monitor phys off", "monitor translate 80400000",
            "monitor nonsense", "delete", "detach", file=demo)
        expect(text, r"Hardware watchpoint 1", r"Hardware read watchpoint 2",
               r"Hardware watchpoint 1", r"Old value = 0", r"New value = 1",
               r"take_trap", r"longest_collatz", r"0x80500a.*|timer_interrupts",
               r"0x80400000.*0x12345678", r"Cannot access memory",
               r"physical address", r"0x12345678", r"virtual address",
               r"0x80400000 is at 0x80400000", r"no such command",
               r"detached")
        check_equal(guest.wait_exit(), 0, "status")


@in_folder
def test_breakpoints_in_a_loop(folder):
    """gdb: ignore counts and conditions; a guest that is killed ends"""
    demo = write_demo(folder)
    with Guest(folder, ["--bios", demo]) as guest:
        text = run_gdb(
            guest, "break print_number", "ignore 1 3", "continue",
            "info breakpoints", "tbreak print_text if $a0 != 0", "continue",
            "delete", "kill", file=demo)
        expect(text, r"Breakpoint 1.* in print_number",
               r"already hit 4 times", r"in print_(text|number)", r"killed")
        check_equal(guest.wait_exit(), 128 + signal.SIGKILL, "status")


@in_folder
def test_ctrl_c(folder):
    """gdb: ctrl-c stops a guest that runs; afterwards it goes on"""
    need(GDB, "gdb-multiarch is not installed")
    echo = put(folder, "echo", ECHO)
    with Guest(folder, ["--bios", echo], waits=False) as guest:
        guest.echoes(b"before ")
        with Terminal([GDB, "-q", *GDB_OPTIONS, "-ex",
                       "target remote " + guest.address]) as gdb:
            gdb.wait_for("(gdb) ")
            for turn in range(3):
                gdb.send("continue\r")
                gdb.wait_for("Continuing.")
                guest.echoes(b"turn %d " % turn)
                gdb.child.send_signal(signal.SIGINT)
                gdb.wait_for("SIGINT")
                gdb.wait_for("(gdb) ")
            gdb.send("x/2i $pc\r")
            gdb.wait_for("t")
            gdb.wait_for("(gdb) ")
            gdb.send("quit\r")
            gdb.wait_for("y or n")
            gdb.send("y\r")
            gdb.wait_exit()
        guest.echoes(b"after ")
        guest.child.terminate()


@in_folder
def test_uboot(folder):
    """gdb: U-Boot under OpenSBI, stopped where that enters it"""
    need_firmware()
    elf = os.path.join(os.path.dirname(UBOOT), "uboot.elf")
    need(os.path.exists(elf), elf + " is not installed")
    with Guest(folder, ["--bios", OPENSBI, "--kernel", UBOOT]) as guest:
        text = run_gdb(guest, "hbreak *0x80200000", "continue",
                       "p $priv", "x/2i $pc", "stepi 5", "p/x $stvec",
                       "p/x $satp", "detach")
        expect(text, r"Breakpoint 1, 0x0*80200000", r"Supervisor|= .*1",
               r"=> 0x80200000", r"\$\d+ = 0x", r"\$\d+ = 0x0", r"detached")
        guest.wait_printed(b"U-Boot 2")
        guest.wait_printed(b"autoboot")
        guest.child.terminate()


# ---- A socket ---------------------------------------------------------------

@in_folder
def test_packets(folder):
    """Packets: what each answers, and what is wrong with it"""
    echo = put(folder, "echo", ECHO)
    with Guest(folder, ["--bios", echo], address="0") as guest, \
            Link(guest) as link:
        for packet, answer in (
                ("?", "T02thread:1;"), ("qC", "QC1"), ("qAttached", "1"),
                ("qfThreadInfo", "m1"), ("qsThreadInfo", "l"),
                ("Hg0", "OK"), ("Hc-1", "OK"), ("Hg2", "E16"), ("H", "E16"),
                ("T1", "OK"), ("T2", "E16"), ("vCont?", "vCont;c;C;s;S"),
                ("vMustReplyEmpty", ""), ("junk", ""), ("", ""),
                ("m80000000,4", ECHO[:4].hex()), ("m10000000,4", "E0e"),
                ("m,4", "E16"), ("m80000000", "E16"),
                ("m80000000,11111111111111111", "E16"),
                ("m0,0", ""), ("M80001000,2:abcd", "OK"),
                ("m80001000,2", "abcd"), ("M80001000,3:abcd", "E16"),
                ("M80001000,2:abcde", "E16"), ("M80001000,2:abxx", "E16"),
                ("M80001000,ffffffffffffffff:", "E16"),
                ("M10000000,1:00", "E0e"), ("p20", "0010000000000000"),
                ("p1041", "0300000000000000"), ("p1042", "E16"),
                ("pffffffffffffffff", "E16"), ("p", "E16"),
                ("P1f=efcdab8967452301", "OK"), ("p1f", "efcdab8967452301"),
                ("P1f=efcd", "E16"), ("P1f", "E16"),
                ("Pffffffff=0000000000000000", "E16"), ("G00", "E16"),
                ("Z0,80000000,4", "OK"), ("Z0,80000000,4", "OK"),
                ("z0,80000000,4", "OK"), ("z0,80000000,4", "OK"),
                ("Z2,80000000,0", "E16"), ("Z3,ffffffffffffffff,2", "E16"),
                ("Z9,0,4", ""), ("Z", "E16"), ("Z1,2", "E16"), ("Zx", "E16"),
                ("vCont", "E16"), ("vCont;", "E16"), ("vCont;x", "E16"),
                ("vCont;c:7", "E16"), ("vCont;c:" + "9" * 99, "E16"),
                ("cxyz", "E16"), ("C", "E16"), ("Cxx", "E16"),
                ("qXfer:features:read:other.xml:0,10", "E00"),
                ("qXfer:features:read:target.xml:ffffffff,10", "E00"),
                ("qXfer:features:read:target.xml:0,5", "m<?xml"),
                ("qXfer:features:read:target.xml:", "E00"),
                ("qRcmd,zz", "E16"), ("qRcmd," + "41" * 300, "E16"),
                ("qqemu.PhyMemMode", "0"), ("Qqemu.PhyMemMode:1", "OK"),
                ("qqemu.PhyMemMode", "1"), ("m80001000,2", "abcd"),
                ("Qqemu.PhyMemMode:2", ""), ("Qqemu.PhyMemMode:0", "OK")):
            check_equal(link.ask(packet), answer, packet)
        check_equal(len(link.ask("g")), 33 * 16, "digits of g")
        regs = "00" * 8 + "11" * 8 * 31 + "0000008000000000"
        check_equal(link.ask("G" + regs), "OK", "G")
        check_equal(link.ask("g"), regs, "g after G")
        check_equal(link.ask(b"X80001000,3:a}\x03b"), "OK", "X")
        check_equal(link.ask("m80001000,3"), "612362", "after X")
        check_equal(link.ask("X80001000,3:ab"), "E16", "X that is short")
        # A step, and what stops it.
        check_equal(link.ask("vCont;s:1"), "T05thread:1;", "a step")
        check_equal(link.ask("s"), "T05thread:1;", "another")
        check_equal(link.ask("s80000000"), "T05thread:1;", "from elsewhere")
        check_equal(link.ask("QStartNoAckMode"), "OK", "no acks")
        check_equal(link.ask("?"), "T05thread:1;", "without acks")
        link.send(frame("c"))
        guest.echoes(b"it runs ")
        check(link.ask("g").startswith("E.the guest runs"), "g meanwhile")
        link.send(b"\x03")
        check_equal(link.answer(), "T02thread:1;", "the interrupt")
        check_equal(link.ask("D"), "OK", "detach")
        check(link.is_closed(), "the end")
        guest.echoes(b"and on ")
        guest.child.terminate()


@in_folder
def test_end_of_run(folder):
    """A debugger that waits is told the exit status"""
    path = put(folder, "finish", li(T0, 1) * 3 + finish(0x73333))
    with Guest(folder, ["--bios", path]) as guest, Link(guest) as link:
        link.send(frame("c"))
        check_equal(link.answer(), "W07", "the status")
        check_equal(guest.wait_exit(), 7, "status")
    check(not os.path.exists(os.path.join(folder, "gdb.sock")), "socket left")


@in_folder
def test_garbage(folder):
    """Garbage is refused, and the guest does not notice"""
    echo = put(folder, "echo", ECHO)
    rng = random.Random(8)
    with Guest(folder, ["--bios", echo], waits=False) as guest:
        for data in (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
                     bytes(rng.randrange(256) for _ in range(100000)),
                     b"\0" * 100, b"-" * 100,
                     b"$" + b"x" * 1000000 + b"#00" + b"z" * 100,
                     b"$g#00" * 100, b"$g#xx" * 100, b"}" * 100):
            with Link(guest) as link:
                try:
                    link.send(data)
                    link.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                check(link.is_closed(), "closed")
            guest.echoes(b"%d bytes " % len(data))
        guest.wait_for("does not speak gdb's protocol")
        # A good packet after a bad one: it is asked for again.
        with Link(guest) as link:
            link.send(b"+\x03$qC#00")
            check_equal(link.read_byte(), b"-", "refused")
            check_equal(link.ask("qC"), "QC1", "the next one")
            link.send(b"-")
            check_equal(link.answer(), "QC1", "once more")
            link.send(b"$qAtt$qC#b4")
            check_equal(link.answer(), "QC1", "begun anew")
            check(link.ask("m80000000," + "0" * 20000 + "1")
                  .startswith("E.packet longer"), "too long")
            check_equal(link.ask("qC"), "QC1", "after that")
        guest.echoes(b"the last ")
        guest.child.terminate()


@in_folder
def test_going_away(folder):
    """A debugger that goes away, at whatever moment, leaves no trace"""
    echo = put(folder, "echo", ECHO)
    rng = random.Random(9)
    talk = (frame("?") + frame("Z0,80000000,4") + frame("Z4,10000000,8")
            + frame("m80000000,100") + frame("s") + frame("c"))
    with Guest(folder, ["--bios", echo], waits=False) as guest:
        for turn in range(30):
            with Link(guest) as link:
                for byte in talk[:rng.randrange(len(talk) + 1)]:
                    link.send(bytes([byte]))
                if turn % 3 == 0:
                    time.sleep(0.02)
                if turn % 2 == 0:
                    link.socket.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" * 2)
            guest.echoes(b"turn %d " % turn)
        # And one that never reads its answers.
        with Link(guest) as link:
            link.socket.settimeout(1)
            try:
                for _ in range(20000):
                    link.send(frame("m80000000,1000"))
            except OSError:
                pass
            guest.wait_for("does not read its answers")
        guest.echoes(b"the last ")
        # A second one is turned away while there is a first.
        with Link(guest) as link:
            check_equal(link.ask("qC"), "QC1", "the first")
            with Link(guest) as other:
                check(other.is_closed(), "the second")
            check_equal(link.ask("qC"), "QC1", "the first still")
        guest.wait_for("turned away")
        guest.echoes(b"the very last ")
        guest.child.terminate()


@in_folder
def test_waiting_guest(folder):
    """A guest that waits for gdb waits for a packet, and for nothing else"""
    echo = put(folder, "echo", ECHO)
    with Guest(folder, ["--bios", echo]) as guest:
        guest.child.stdin.write(b"x")
        guest.child.stdin.flush()
        for data in (b"", b"garbage " * 20, b"+", b"\x03"):
            with Link(guest) as link:
                try:
                    link.send(data)
                except OSError:
                    pass  # it was enough
        time.sleep(0.3)
        check_equal(guest.printed(), b"", "what it printed")
        with Link(guest) as link:
            check_equal(link.ask("?"), "T02thread:1;", "where it is")
            check_equal(link.ask("p20"), "0010000000000000", "its pc")
        guest.wait_printed(b"x")
        guest.wait_for("the debugger went away; the guest goes on")
        guest.child.terminate()


@in_folder
def test_reset_under_gdb(folder):
    """A guest that resets itself keeps its breakpoints, and stops at them"""
    path = put(folder, "reset", li(T0, 1) * 3 + finish(0x7777))
    with Guest(folder, ["--bios", path]) as guest, Link(guest) as link:
        check_equal(link.ask("Z0,80000004,4"), "OK", "a breakpoint")
        check_equal(link.ask("Z2,100000,4"), "OK", "a watchpoint: the finisher")
        for _ in range(20):
            check_equal(link.ask("c"), "T05thread:1;", "the breakpoint")
            check_equal(link.ask("p20"), "0400008000000000", "its pc")
            check_equal(link.ask("c"), "T05watch:100000;thread:1;", "the reset")
            check_equal(link.ask("p20"), "0010000000000000", "pc after it")
        check_equal(link.ask("D"), "OK", "detach")
        guest.child.terminate()


@in_folder
def test_parked_guest_ends(folder):
    """A guest that a debugger holds can be ended all the same"""
    echo = put(folder, "echo", ECHO)
    with Guest(folder, ["--bios", echo]) as guest:
        guest.child.terminate()
        time.sleep(0.1)
        guest.child.terminate()
        check_equal(guest.wait_exit(), 128 + signal.SIGTERM, "status")
    with Guest(folder, ["--bios", echo], waits=False) as guest, \
            Link(guest) as link:
        check_equal(link.ask("qC"), "QC1", "an answer")
        guest.child.send_signal(signal.SIGINT)
        check_equal(guest.wait_exit(), 128 + signal.SIGINT, "status")
        check(link.is_closed(), "the end")


@in_folder
def test_deterministic(folder):
    """Stops change nothing in a run that is deterministic"""
    demo = write_demo(folder)
    status, output = plain_output(demo, "--deterministic")
    with Guest(folder, ["--deterministic", "--bios", demo]) as guest:
        text = run_gdb(guest, "break walk_chain", "break draw_mandelbrot",
                       "continue", "stepi 100", "delete 1", "continue",
                       "p $cycle",
                       "detach", file=demo)
        expect(text, r"in walk_chain", r"in draw_mandelbrot", r"detached")
        check_equal(guest.wait_exit(), status, "status")
        check_equal(guest.printed(), output, "what it printed")


@in_folder
def test_addresses(folder):
    """Where it listens: bad addresses, ports in use, files left over"""
    echo = put(folder, "echo", ECHO)
    file = os.path.join(folder, "gdb.sock")

    def refused(address, *words):
        done = run(["run", "--bios", echo, "--gdb", address])
        lines = done.stderr.decode().splitlines()
        check_equal(done.returncode, 2, f"{address}: status")
        check(len(lines) == 1 and all(word in lines[0] for word in words),
              f"{address}: {lines}")

    refused("x", "--gdb x", "not a port")
    refused("65536", "not a port")
    refused("-1", "not a port")
    refused("tcp:host:1234", "not a port")
    refused("/nowhere/there", "cannot listen", "No such file")
    refused("/" + "x" * 200, "too long")
    refused(echo, "cannot listen", "in use")
    with Guest(folder, ["--bios", echo], address="tcp::0") as guest:
        port = re.search(r":(\d+)\n", guest.messages()).group(1)
        refused(port, "cannot listen", "in use")
        guest.child.kill()
    with Guest(folder, ["--bios", echo]) as guest:
        refused(file, "in use")
        guest.child.kill()
    check(os.path.exists(file), "a killed run leaves its socket")
    with Guest(folder, ["--bios", echo]) as guest:
        guest.child.send_signal(signal.SIGINT)
        guest.wait_exit()
    check(not os.path.exists(file), "an ended run does not")


main([test_stack, test_memory_and_watch, test_breakpoints_in_a_loop,
      test_ctrl_c, test_uboot, test_packets, test_end_of_run, test_garbage,
      test_going_away, test_waiting_guest, test_reset_under_gdb,
      test_parked_guest_ends, test_deterministic,
      test_addresses])
