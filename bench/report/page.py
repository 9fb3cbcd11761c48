# SPDX-License-Identifier: MIT
"""The page: one HTML file, nothing beside it."""

import re
from pathlib import Path

from . import machine, plots, ratios, results, text

HERE = Path(__file__).resolve().parent
escape = plots.escape


# ---- Plots -------------------------------------------------------------------

def by_count(found, pattern):
    """[(n, ns)] of the figures whose name is @pattern and a number."""
    shape = re.compile(pattern + r"/(\d+)$")
    pairs = []
    for name, figure in found.items():
        match = shape.match(name)
        if match:
            pairs.append((int(match.group(1)), figure.median))
    return sorted(pairs)


def access_plot(found):
    series = {
        "xbar, one device": by_count(found, "regions/mmio/repeat"),
        "xbar, bursts": by_count(found, "regions/mmio/trace"),
        "xbar, random": by_count(found, "regions/mmio/random"),
        "Unicorn, one device": by_count(found, "unicorn/mmio_read/repeat"),
        "Unicorn, random": by_count(found, "unicorn/mmio_read/random"),
    }
    return plots.lines("access", "A device read, by number of regions",
                       "4 bytes through the address space", series, "regions")


def ram_plot(found):
    series = {
        "xbar, one page": by_count(found, "regions/ram/repeat"),
        "xbar, random": by_count(found, "regions/ram/random"),
        "Unicorn, one page": by_count(found, "unicorn/read/repeat"),
        "Unicorn, random": by_count(found, "unicorn/read/random"),
    }
    return plots.lines("ram", "A read of RAM, by number of regions",
                       "4 bytes through the address space", series, "regions")


def lookup_plot(found):
    series = {
        pattern: by_count(found, f"flatview/lookup/{pattern}")
        for pattern in ("hot", "random")
    }
    return plots.lines("lookup", "FlatView lookup, by number of regions",
                       "which section decodes an address", series, "regions")


def commit_plot(found):
    series = {
        "xbar, any change": by_count(found, "flatview/commit"),
        "Unicorn, devices": by_count(found, "unicorn/map_mmio"),
        "Unicorn, RAM": by_count(found, "unicorn/map_ram"),
        "KVM memory slots": by_count(found, "kvm/slot"),
    }
    return plots.lines("commit", "One change, by number of regions",
                       "a region appears or vanishes, until it holds",
                       series, "regions")


def pages_plot(found):
    return plots.lines("pages", "A load, by pages in use",
                       "inline probe, at random: hits, then misses",
                       {"xbar": by_count(found, "tlb/pages")}, "pages")


LATENCIES = {
    "RAM, inline probe": "latency/tlb_probe",
    "RAM, address space": "latency/ldl_ram",
    "device, known section": "latency/tlb_load_mmio",
    "device, address space": "latency/ldl_mmio",
    "device, machine lock": "latency/ldl_mmio_machine_lock",
    "random device of 100 000": "latency/ldl_mmio_random/100000",
}


def latency_plot(found):
    series = {title: found[name].histogram
              for title, name in LATENCIES.items() if name in found}
    cost = next((found[n].counters.get("counter_cost")
                 for n in LATENCIES.values() if n in found), None)
    note = "single operations by the time-stamp counter"
    if cost:
        note += f"; its own cost of {text.duration(cost)} is taken out"
    return plots.tails("latency", "How long one access takes", note, series)


BESIDE = [
    ("load in a guest loop", "hart/load"),
    ("store in a guest loop", "hart/store"),
    ("device load, guest", "hart/mmio_load"),
    ("device load, emitted", "emit/load_mmio"),
    ("API read of RAM", "access/ldl_ram"),
    ("API read of a device", "access/ldl_mmio"),
    ("observed load", "tlb/load_observed"),
    ("new code, per instr.", "code/translate_alu"),
    ("change among 100", "flatview/commit/100"),
    ("change among 1000", "flatview/commit/1000"),
]
SIDES = ["xbar", "floor", "Unicorn", "KVM"]


def beside_row(found, name):
    floor, peers = ratios.rule_for(name)
    values = {"xbar": found[name].median}
    if floor in found:
        values["floor"] = found[floor].median
    for peer in peers:
        side = {"unicorn": "Unicorn", "kvm": "KVM"}.get(peer.split("/")[0])
        if peer in found and side:
            values[side] = found[peer].median
    return values


def beside_plot(found):
    rows = [(title, beside_row(found, name))
            for title, name in BESIDE if name in found]
    return plots.dots("peers", "xbar, what others take, and the floor",
                      "one operation; the floor is what the host charges for"
                      " its least part", rows, SIDES)


def threads_plot(found):
    rows = []
    for policy in ("none", "region", "machine"):
        for who in ("alone", "shared"):
            name = f"threads/device_{policy}/{who}"
            if name in found:
                rows.append((f"lock {policy}, {who}",
                             {"xbar": found[name].median}))
    for name, title in (("threads/read/alone", "read, alone"),
                        ("threads/read/beside_writer", "read, a writer"),
                        ("threads/commit/alone", "commit, alone"),
                        ("threads/commit/beside_reader", "commit, a reader")):
        if name in found:
            rows.append((title, {"xbar": found[name].median}))
    return plots.dots("threads", "Threads beside one another",
                      "wall clock of one of them; shared: two vCPUs on one"
                      " device", rows, ["xbar"])


def guests_plot(found):
    qemu = ratios.class_ratios(found, "qemu")
    native = ratios.class_ratios(found, "native")
    rows = []
    for group in {**qemu, **native}:
        row = {"QEMU": qemu.get(group), "native": native.get(group)}
        rows.append((group, {k: v for k, v in row.items() if v}))
    boot = "board/boot/xbar"
    if boot in found and ratios.best_peer(found, boot):
        rows.append(("boot", {"QEMU": ratios.best_peer(found, boot)[0]}))
    return plots.bars("guests", "Guest programs: time against xbar's",
                      "by class, geometric means; to the right of 1x: takes"
                      " longer than xbar", rows, ["QEMU", "native"])


PLOTS = (access_plot, ram_plot, lookup_plot, commit_plot, latency_plot,
         guests_plot, beside_plot, pages_plot, threads_plot)


# ---- Tables ------------------------------------------------------------------

COUNTERS = ("p50", "p99", "p99.9", "max")


def cell(value, kind=""):
    mark = f' class="{kind}"' if kind else ""
    return f"<td{mark}>{escape(value)}</td>"


def row(found, name):
    figure = found[name]
    tail = "".join(cell(text.duration(figure.counters[c]))
                   for c in COUNTERS if c in figure.counters)
    return (f"<tr>{cell(name)}{cell(text.duration(figure.median))}"
            f"{cell(text.spread(figure))}"
            f"{cell(text.ratio(ratios.against_floor(found, name)))}"
            f"{cell(text.peer_cell(found, name), 'note')}{tail}</tr>")


def tables(found):
    for heading, names in text.by_area(found):
        has_tail = any("p99" in found[n].counters for n in names)
        tail = "".join(f"<th>{c}</th>" for c in COUNTERS) if has_tail else ""
        yield (f"<details><summary>{escape(heading)}"
               f" <span>{len(names)}</span></summary><div class=\"wide\">"
               "<table><thead><tr><th>benchmark</th><th>median</th>"
               "<th>&#177;</th><th>floors</th>"
               f'<th class="note">best peer / xbar</th>{tail}</tr></thead>'
               f"<tbody>{''.join(row(found, n) for n in names)}</tbody>"
               "</table></div></details>")


# ---- The page ----------------------------------------------------------------

def asset(name):
    """Without the licence line, which the page carries itself."""
    body = (HERE / name).read_text(encoding="utf-8")
    return body.partition("\n")[2].strip()


def notes(document, found):
    return "".join(f"<li>{escape(line)}</li>"
                   for line in text.notes(document, found))


def make(document):
    found = results.measured(document)
    context = document["context"]
    about = "".join(f"<p>{escape(line)}</p>"
                    for line in machine.summary(context))
    rounds = text.rounds(context.get("xbar_rounds", 0))
    return f"""<!DOCTYPE html>
<!-- SPDX-License-Identifier: MIT -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>xbar benchmarks</title>
<style>
{asset("page.css")}
</style>
</head>
<body>
<header>
<h1>xbar benchmarks</h1>
<button type="button" id="theme">light / dark</button>
</header>
<p>{escape(context.get("xbar_started", ""))}, {rounds}; medians, and
half the range of the middle half (&#177;).</p>
{about}
<ul class="notes">{notes(document, found)}</ul>
<main>
{"".join(plot(found) for plot in PLOTS)}
</main>
<h2>All figures</h2>
<p>&#8220;floors&#8221; is how many times the hardware&#8217;s own charge the
operation takes; &#8220;best peer / xbar&#8221; how many times as long as xbar
the fastest peer takes.</p>
{"".join(tables(found))}
<script>
{asset("page.js")}
</script>
</body>
</html>
"""
