#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmarks: xbar, the peers and the floors, in rounds, and a report.

    ./dev bench [FILTER] [OPTION...]

FILTER is a regular expression on names, as the table prints them. The report
is a table on stdout, and bench.json (google-benchmark's schema) and bench.html
(one page, nothing beside it) in the output folder. Status 1: a result check
failed, or --compare found something slower; 2: the request was no good.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from report import (compare, docs, machine, page, ratios,  # noqa: E402
                    results, rounds, suites, text)

ROOT = HERE.parent
PEERS = ("unicorn", "kvm", "dynarmic", "qemu")
QEMU = "qemu-system-riscv64"


def arguments():
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("filter", nargs="?", default="",
                        help="regular expression on names")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=11, metavar="N",
                        help="fewer rounds, if they would take longer; more of"
                        " what shared its core, if there is time")
    parser.add_argument("--min-time", type=float, default=0.1,
                        metavar="SECONDS", help="of one figure in one round")
    parser.add_argument("--peers", default="auto", metavar="LIST",
                        help="of unicorn,kvm,dynarmic,qemu: must be"
                        " there; none: no peer; auto (default):"
                        " those that are")
    parser.add_argument("--output", type=Path, default=ROOT / "build/bench",
                        metavar="DIR")
    parser.add_argument("--compare", type=Path, metavar="OLD.json",
                        help="say what got slower since; status 1 if anything")
    parser.add_argument("--from", type=Path, dest="given", metavar="FILE.json",
                        help="measure nothing: report on this run")
    parser.add_argument("--docs", action="store_true",
                        help="put the figures into docs/benchmarks.md and"
                        " README.md")
    parser.add_argument("--brief", action="store_true",
                        help="each loop once, for its check: no figures")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release",
                        metavar="DIR", help=argparse.SUPPRESS)
    return parser.parse_args()


# ---- What to run -------------------------------------------------------------

def wanted_peers(options):
    """(peers to try, must they be there)"""
    if options.peers == "auto":
        return PEERS, False
    if options.peers == "none":
        return (), False
    named = tuple(filter(None, options.peers.split(",")))
    for name in named:
        if name not in PEERS:
            raise results.BadInput(f"no peer '{name}'; there are"
                                   f" {', '.join(PEERS)}")
    return named, True


def missing_qemu(options):
    """QEMU has no suite of its own: guests and board run beside it."""
    peers, required = wanted_peers(options)
    if "qemu" not in peers or shutil.which(QEMU):
        return {}
    if required:
        raise results.BadInput(f"qemu: {QEMU} is not installed")
    return {"qemu": f"{QEMU} is not installed"}


def all_suites(options, peers):
    bench = options.build / "bench"
    settings = (options.min_time, options.brief)
    yield suites.Program("xbar", bench / "xbar_bench", *settings)
    for peer in ("unicorn", "kvm", "dynarmic"):
        if peer in peers:
            yield suites.Program(
                peer, bench / "peers" / f"xbar_bench_{peer}", *settings)
    if options.brief:
        return
    program = options.build / "xbar" / "xbar"
    qemu = ["--qemu"] if "qemu" in peers else []
    yield suites.Guests(options.build, ROOT / "build/bench/guest", bool(qemu))
    yield suites.Script("board", HERE / "board.py",
                        ["--xbar", program, *qemu], 3)


def names_here(options, suites_here, skipped):
    """[(suite, all of its names)] of those that are here."""
    peers, required = wanted_peers(options)
    here = []
    for suite in suites_here:
        try:
            here.append((suite, suite.names()))
        except suites.Missing as why:
            if suite.name == "xbar" or (required and suite.name in peers):
                raise results.BadInput(f"{suite.name}: {why}") from None
            skipped[suite.name] = str(why)
    return here


def select(options, suites_here, skipped):
    """[(suite, names)] that the filter leaves, with their floors and peers."""
    try:
        pattern = re.compile(options.filter)
    except re.error as error:
        raise results.BadInput(f"filter '{options.filter}': {error}") from None
    here = names_here(options, suites_here, skipped)
    wanted = {n for _, names in here for n in names if pattern.search(n)}
    check_selection(options, wanted, skipped)
    for name in list(wanted):
        wanted.update(ratios.companions(name))
    selected = [(suite, [n for n in names if n in wanted])
                for suite, names in here]
    return [(suite, names) for suite, names in selected if names]


def check_selection(options, selected, skipped):
    if selected:
        return
    for name, why in skipped.items():
        if re.match(rf"\^?{name}", options.filter):
            raise results.BadInput(f"{name}: {why}")
    raise results.BadInput(f"no benchmark matches '{options.filter}'")


# ---- Running and reporting -----------------------------------------------------

def prepare_output(folder):
    """Fail now, not after ten minutes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise results.BadInput(f"cannot write to {folder}:"
                               f" {error.strerror}") from None


def measure(options):
    skipped = missing_qemu(options)
    context = machine.describe()
    suites_here = list(all_suites(options, wanted_peers(options)[0]))
    selected = select(options, suites_here, skipped)
    calibrator = None if options.brief else suites_here[0]
    number = 1 if options.brief else options.rounds
    rows, about = rounds.run(selected, calibrator, number,
                             options.minutes * 60)
    context = {**about, **context, "xbar_skipped": skipped,
               "xbar_brief": options.brief}
    return results.make(context, rows)


def write_report(document, folder):
    results.write(document, folder / "bench.json")
    (folder / "bench.html").write_text(page.make(document), encoding="utf-8")


def compare_with(old, document):
    lines, slower = compare.compare(old, document)
    print("\n".join(lines))
    return 1 if slower else 0


def run(options):
    if options.rounds < 1 or options.min_time <= 0:
        raise results.BadInput("--rounds and --min-time are positive")
    old = results.load(options.compare) if options.compare else None
    prepare_output(options.output)
    document = results.load(options.given) if options.given \
        else measure(options)
    write_report(document, options.output)
    print("\n".join(text.table(document)))
    print(f"\n{options.output / 'bench.json'}\n"
          f"{options.output / 'bench.html'}")
    status = 1 if results.failures(document) else 0
    if options.docs:
        docs.rewrite(document, ROOT)
    if old:
        status = max(status, compare_with(old, document))
    return status


def main():
    try:
        return run(arguments())
    except results.BadInput as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except suites.Failed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
