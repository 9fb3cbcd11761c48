#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The report: figures, noise, comparison, and what a user gets wrong."""

import copy
import json
import os
import subprocess
import tempfile
from pathlib import Path

import common
from common import row
from tap import Tap

from report import compare, docs, ratios, results, rounds, text


def document(values, **context):
    """@values: name -> ns of each round."""
    rows = [row(name, i, ns) for name, samples in values.items()
            for i, ns in enumerate(samples)]
    return results.make(context, rows)


STEADY = {
    "floors/add": [0.30, 0.30, 0.31, 0.30, 0.30],
    "floors/dependent_load": [1.0] * 5,
    "floors/indirect_call": [2.0] * 5,
    "access/ldl_ram": [5.0, 5.1, 5.0, 5.2, 5.0],
    "access/ldl_mmio": [10.0, 10.1, 9.9, 10.0, 10.0],
    "unicorn/read/repeat/1": [40.0] * 5,
}


def changed(**values):
    return document({**STEADY, **values})


# ---- Figures -----------------------------------------------------------------

def check_figures(tap):
    found = results.measured(document(STEADY))
    tap.case("a figure is the median of its rounds",
             [] if found["access/ldl_ram"].median == 5.0 else ["no"])
    floors = ratios.against_floor(found, "access/ldl_ram")
    best = ratios.best_peer(found, "access/ldl_ram")
    tap.case("it has a ratio to its floor and to its best peer",
             [] if (floors, best) == (5.0, (8.0, "unicorn/read/repeat/1"))
             else [f"{floors}, {best}"])
    shown = "\n".join(text.table(document(STEADY)))
    tap.case("the table shows all three",
             (w for w in ("5.00 ns", "5.00x", "8.00x unicorn/read/repeat/1")
              if w not in shown))
    tail = {"p50": 5.0, "p99": 9.0, "p99.9": 20.0, "max": 4e5,
            "counter_cost": 19.0}
    latency = results.make({}, [row("latency/ldl_ram", 0, 6.0, **tail)])
    shown = "\n".join(text.table(latency))
    tap.case("the table shows percentiles, and what the counter cost",
             (w for w in ("p50 5.00 ns", "p99.9 20.0 ns", "max 400 us",
                          "19.0 ns, taken out") if w not in shown))
    units = [(0.5, "0.50 ns"), (999.4, "999 ns"), (999.6, "1.00 us"),
             (12345, "12.3 us"), (4.5e9, "4.50 s")]
    tap.case("durations have three digits and a unit",
             (f"{ns}: {text.duration(ns)}" for ns, want in units
              if text.duration(ns) != want))
    medians = [r for r in document(STEADY)["benchmarks"]
               if r["run_type"] == "aggregate"
               and r["aggregate_name"] == "median"]
    tap.case("the JSON has google-benchmark's aggregates",
             [] if len(medians) == len(STEADY) else [f"{len(medians)}"])


def check_promises(tap):
    case = "guest/float/fma/bare"
    guests = document({f"{case}/xbar": [10.0], f"{case}/plain": [20.0],
                       f"{case}/qemu": [90.0], f"{case}/native": [5.0]})
    shown = "\n".join(text.table(guests))
    written = "\n".join(docs.block(guests))
    tap.case("classes are judged with and without BMI2 and FMA",
             (w for w in ("9.00x of xbar's time, native 0.50x; promised 7x: met",
                          "4.50x of xbar's time without BMI2 and FMA;"
                          " promised 5x: missed")
              if w not in shown))
    tap.case("and so they are in the page of figures",
             (w for w in ("| float | 9.00x | 7x | yes |",
                          "| float, without BMI2 and FMA | 4.50x | 5x | **no** |")
              if w not in written))
    for size, verdict in ((0.5, "met"), (4.5, "missed")):
        board = results.make({}, [row("board/boot/xbar", 0, 1e8, code_mib=size,
                                      code_mib_bar=4)])
        line = f"{size:.2f} MiB of code; promised: at most 4 MiB: {verdict}"
        shown = "\n".join(text.table(board))
        tap.case(f"{size} MiB of code: {verdict}",
                 [] if line in shown else [shown])


def check_noise(tap):
    shaky = changed(**{"floors/add": [0.30, 0.30, 0.34, 0.30, 0.30]})
    quiet = results.noise_lines(results.measured(document(STEADY)))
    noisy = results.noise_lines(results.measured(shaky))
    tap.case("a machine is noisy if calibration varied, and only then",
             [] if not quiet and len(noisy) == 1 and "13%" in noisy[0]
             else [f"{quiet}, {noisy}"])


def beside(values, **more):
    """A document of one benchmark; @values: (ns, xbar_probe, xbar_alone or
    None) of each round."""
    return results.make({}, [
        row("access/a", i, ns, xbar_probe=probe, **more,
            **({} if alone is None else {"xbar_alone": alone}))
        for i, (ns, probe, alone) in enumerate(values)])


def check_neighbours(tap):
    alone = [(20.0, 0.080, 10.0), (21.0, 0.081, 11.0), (22.0, 0.087, 12.0),
             (23.0, 0.080, 13.0), (24.0, 0.082, 14.0)]
    shared = [(30.0, 0.080, None), (31.0, 0.089, 12.5), (32.0, 0.16, 12.5)]
    for values, wanted, lines in ((alone + shared, 12.0, 0),
                                  (alone[1:] + shared, 24.0, 1),
                                  (alone, 12.0, 0)):
        made = beside(values)
        figure = results.measured(made)["access/a"]
        median = [r["cpu_time"] for r in made["benchmarks"]
                  if r["name"] == "access/a_median"]
        said = list(results.neighbour_lines(made))
        shown = "\n".join(text.table(made))
        tap.case(f"of {len(values)} rounds the figure is {wanted}",
                 [] if figure.median == wanted and median == [wanted]
                 else [f"{figure.median}, {median}"])
        tap.case(f"and {lines} lines tell who was in it",
                 [] if len(said) == lines and all(s in shown for s in said)
                 and all("1 of 1 figures" in s for s in said) else said)
    counted = beside(alone, mean=5.0)
    tap.case("a row that counts its mean has no other time",
             [] if results.measured(counted)["access/a"].median == 5.0
             and not list(results.neighbour_lines(counted)) else ["no"])
    bare = document(STEADY)
    tap.case("programs that cannot tell are taken as they are",
             [] if not list(results.neighbour_lines(bare))
             and results.measured(bare)["access/ldl_ram"].median == 5.0
             else ["no"])


# ---- Failed checks -------------------------------------------------------------

def check_failures(tap, folder):
    out = folder / "failing.json"
    program = common.BUILD / "tests" / "bench" / "bench_failing"
    run = subprocess.run([program, "--benchmark_min_time=0.001",
                          f"--benchmark_out={out}",
                          "--benchmark_out_format=json"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         check=False)
    rows = list(results.tidy_rows(json.loads(out.read_text())["benchmarks"],
                                  0))
    failed = results.make({}, rows)
    shown = list(text.table(failed))
    tap.case("a failed check is status 1",
             [] if run.returncode == 1 else [f"status {run.returncode}"])
    tap.case("a failed check is shown with its reason, and no figure",
             [] if "FAILED floors/wrong_result: the sum is wrong" in shown
             and "FAILED floors/no_setup: setup failed" in shown
             and sum("wrong_result" in line for line in shown) == 1
             else shown)
    tap.case("the others have their figures",
             [] if any("floors/right_result" in line for line in shown)
             else shown)


# ---- Rounds -------------------------------------------------------------------

class Fake:
    """A suite that takes no time."""

    def __init__(self, name, calls, most_rounds=None):
        self.name, self.calls, self.most_rounds = name, calls, most_rounds

    def prepare(self, names):
        assert not self.calls, "something was measured before"

    def rest(self):
        return [row(f"rest/{self.name}", 0, 1.0)]

    def part(self, name):
        return name.split("/")[1] if self.name == "guests" else ""

    def seconds(self, names):
        return len(names)

    def measure(self, names, number):
        self.calls.append((number, self.name, names[0]))
        return [row(name, number, 1.0) for name in names], {}


def run_rounds(limit):
    """(calls, context) of five rounds, if there is time for them."""
    calls = []
    ours, peer = Fake("xbar", calls), Fake("unicorn", calls)
    guests = Fake("guests", calls, most_rounds=3)
    selected = [(ours, ["access/a", "tlb/b"]),
                (peer, ["unicorn/read/repeat/1", "unicorn/load"]),
                (guests, ["guest/calls/fib/bare/xbar",
                          "guest/smc/load/bare/xbar"])]
    rows, context = rounds.run(selected, ours, 5, limit)
    assert rows[-1]["name"] == "rest/guests", "what comes last is missing"
    return calls, context


def check_rounds(tap):
    calls, context = run_rounds(limit=1e6)
    first = [(who, name) for number, who, name in calls if number == 0]
    wanted = [("xbar", "floors/add"), ("xbar", "access/a"),
              ("unicorn", "unicorn/read/repeat/1"), ("xbar", "tlb/b"),
              ("unicorn", "unicorn/load"),
              ("guests", "guest/calls/fib/bare/xbar"),
              ("guests", "guest/smc/load/bare/xbar"), ("xbar", "floors/add")]
    tap.case("a round: ours and the peers' in turn, between calibrations",
             [] if first == wanted else first)
    guests = {number for number, who, _ in calls if who == "guests"}
    tap.case("with time there are all rounds, guests in three",
             [] if context["xbar_rounds"] == 5 and guests == {0, 1, 2}
             else [f"{context}, guests in {guests}"])
    calls, context = run_rounds(limit=0)
    guests = {number for number, who, _ in calls if who == "guests"}
    said = list(text.notes(results.make(context, [row("floors/add", 0, 1.0)]),
                           {}))
    tap.case("without there is one, and the report says so",
             [] if context["xbar_rounds"] == 1 and guests == {0}
             and "slow machine: time for 1 of 5 rounds only" in said
             else [f"{context}, guests in {guests}, {said}"])


class Shared(Fake):
    """One on a machine that is its own in every third round."""

    def measure(self, names, number):
        self.calls.append((number, self.name, tuple(names)))
        return [row(name, number, 1.0, xbar_probe=0.08, **(
                    {"xbar_alone": 0.5}
                    if name.endswith("calm") or number % 3 == 0 else {}))
                for name in names], {}


def check_further_rounds(tap):
    for limit, rounds_wanted, last in ((1e6, 5, 12), (0, 5, 0), (1e6, 3, 2)):
        calls = []
        ours = Shared("xbar", calls)
        guests = Fake("guests", calls)
        _, context = rounds.run(
            [(ours, ["tlb/calm", "tlb/shared"]),
             (guests, ["guest/calls/fib/bare/xbar"])],
            None, rounds_wanted, limit)
        further = [names for number, _, names in calls
                   if number >= rounds_wanted]
        tap.case(f"{rounds_wanted} rounds, {limit:g} s: what was not"
                 f" alone, and only that, is measured up to round {last}",
                 [] if max(call[0] for call in calls) == last
                 and all(names == ("tlb/shared",) for names in further)
                 and context["xbar_rounds"] == min(last + 1, rounds_wanted)
                 else [f"{calls}, {context}"])
    calls = []
    rounds.run([(Shared("xbar", calls), ["tlb/calm", "tlb/shared"])],
               None, 5, 1e6)
    tap.case("and no longer than that", [] if len(calls) == 13 else [
        f"{len(calls)}"])


# ---- Comparison ------------------------------------------------------------------

def slower_lines(old, new):
    lines, count = compare.compare(old, new)
    return count, "\n".join(lines)


def check_compare(tap):
    old = document(STEADY)
    cases = [
        ("nothing changed", STEADY["access/ldl_ram"], 0),
        ("15 % slower", [5.75] * 5, 1),
        ("5 % slower is noise", [5.25] * 5, 0),
        ("faster", [4.0] * 5, 0),
        ("slower, but its rounds vary as much", [4.0, 5.2, 6.0, 7.0, 9.0], 0),
    ]
    for title, samples, want in cases:
        got, lines = slower_lines(old, changed(**{"access/ldl_ram": samples}))
        tap.case(f"compare: {title}", [] if got == want else [lines])
    slow_clock = {n: [2 * v for v in s] for n, s in STEADY.items()}
    got, lines = slower_lines(old, document(slow_clock))
    tap.case("compare: a slower clock is not a slower program",
             [] if got == 0 else [lines])
    got, lines = slower_lines(old, changed(**{"floors/indirect_call":
                                              [9.0] * 5}))
    tap.case("compare: floors and peers are not ours to blame",
             [] if got == 0 else [lines])


# ---- Bad input ------------------------------------------------------------------

def expect(tap, title, arguments, status, words):
    run = common.bench(*arguments)
    said = run.stderr.strip().splitlines()
    problems = []
    if run.returncode != status:
        problems.append(f"status {run.returncode}")
    if status == 2 and len(said) != 1:
        problems.append(f"{len(said)} lines: {said[:3]}")
    if words not in run.stderr + run.stdout:
        problems.append(f"no '{words}' in: {said[-1:]}")
    tap.case(title, problems)


def check_bad_input(tap, folder):
    good = folder / "good.json"
    results.write(document(STEADY), good)
    other = copy.deepcopy(document(STEADY))
    other["context"]["xbar_schema"] = 99
    (folder / "other.json").write_text(json.dumps(other))
    (folder / "broken.json").write_text("{")
    (folder / "list.json").write_text("[]")
    rows = copy.deepcopy(document(STEADY))
    del rows["benchmarks"][0]["cpu_time"]
    (folder / "rows.json").write_text(json.dumps(rows))
    out = ["--output", folder / "out"]
    (folder / "file").write_text("")

    for title, arguments, words in [
            ("unknown filter", ["no/such/benchmark"], "no benchmark matches"),
            ("filter that is no expression", ["("], "filter '('"),
            ("unknown peer", ["--peers", "bochs"], "no peer 'bochs'"),
            ("JSON of another version",
             ["--compare", folder / "other.json"], "of another version"),
            ("JSON that is none", ["--compare", folder / "broken.json"],
             "not JSON"),
            ("JSON of something else", ["--compare", folder / "list.json"],
             "not the JSON of a benchmark run"),
            ("JSON with a bad row", ["--compare", folder / "rows.json"],
             "a row is not as it should be"),
            ("JSON that is missing", ["--compare", folder / "nowhere"],
             "No such file"),
            ("no rounds", ["--rounds", "0"], "positive"),
    ]:
        expect(tap, title, [*out, *arguments], 2, words)
    expect(tap, "output folder that is a file",
           ["--output", folder / "file"], 2, "cannot write to")
    check_missing_peer(tap, folder)
    expect(tap, "compare without measuring: equal", [
        *out, "--from", good, "--compare", good], 0, "0 slower")
    slow = folder / "slow.json"
    results.write(changed(**{"access/ldl_mmio": [20.0] * 5}), slow)
    expect(tap, "compare without measuring: slower is status 1", [
        *out, "--from", slow, "--compare", good], 1, "1 slower")


def check_missing_peer(tap, folder):
    """A build without its peers."""
    build = folder / "build"
    (build / "bench").mkdir(parents=True)
    os.symlink(common.BUILD / "bench" / "xbar_bench",
               build / "bench" / "xbar_bench")
    base = ["--build", build, "--output", folder / "out"]
    expect(tap, "a peer that is missing and was asked for",
           [*base, "--peers", "unicorn"], 2, "unicorn: it was not built")
    expect(tap, "a filter for a peer that is missing",
           [*base, "unicorn/load"], 2, "unicorn: it was not built")
    expect(tap, "a peer that is missing is named as skipped",
           [*base, "--brief", "floors/add"], 0, "skipped: unicorn")


# ---- Docs -----------------------------------------------------------------------

def check_docs(tap, folder):
    pages = [folder / "docs" / "benchmarks.md", folder / "README.md"]
    pages[0].parent.mkdir()
    for page in pages:
        page.write_text(f"before\n{docs.BEGIN}\nold\n{docs.END}\nafter\n")
    docs.rewrite(document(STEADY), folder)
    for page, words in zip(pages, ("`access/ldl_ram` | 5.00 ns",
                                   "| 5.00 ns | Unicorn 40.0 ns |")):
        written = page.read_text()
        tap.case(f"docs: figures replace what is marked in {page.name}",
                 [] if written.startswith("before\n")
                 and written.endswith("after\n") and "old" not in written
                 and words in written else [written])
    pages[1].write_text("no marks")
    before = pages[0].read_text()
    try:
        docs.rewrite(changed(), folder)
        problems = ["nobody complained"]
    except results.BadInput:
        problems = [] if pages[0].read_text() == before else ["half done"]
    tap.case("docs: a page without marks is refused, and none is changed",
             problems)
    tap.case("docs: the real pages have the marks",
             (f"{name}: {mark}" for mark in (docs.BEGIN, docs.END)
              for name in ("docs/benchmarks.md", "README.md")
              if mark not in (common.SOURCE / name).read_text()))


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check_figures(tap)
        check_promises(tap)
        check_noise(tap)
        check_neighbours(tap)
        check_rounds(tap)
        check_further_rounds(tap)
        check_failures(tap, folder)
        check_compare(tap)
        check_bad_input(tap, folder)
        check_docs(tap, folder)
    tap.end()


if __name__ == "__main__":
    main()
