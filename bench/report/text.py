# SPDX-License-Identifier: MIT
"""Numbers and tables for people."""

from . import promises, ratios, results

UNITS = (("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9))


def duration(ns):
    """Three digits and a unit: 4.51 ns, 12.3 us."""
    unit, scale = UNITS[0]
    for unit, scale in UNITS:
        if ns < 999.5 * scale:
            break
    return f"{digits(ns / scale)} {unit}"


def digits(value):
    """Three significant digits, without an exponent; two of small ones."""
    if value >= 99.95:
        return f"{value:.0f}"
    if value < 0.0995:
        return f"{value:.2g}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def ratio(value):
    return "" if value is None else f"{digits(value)}x"


def spread(figure):
    """Nothing where there are too few rounds to have one."""
    return f"{figure.spread:.0%}" if len(figure.samples) >= 3 else ""


def rounds(number):
    return "1 round" if number == 1 else f"{number} rounds"


def count(value):
    """10000 as 10 000."""
    return f"{value:,}".replace(",", " ")


def peer_cell(found, name):
    best = ratios.best_peer(found, name)
    return "" if best is None else f"{ratio(best[0])} {best[1]}"


def promised(promise):
    """(what was measured, what is promised), in words."""
    value, bar = promise.value, promise.bar
    if promise.unit == promises.TIME:
        return duration(value), f"at most {duration(bar)}"
    if promise.unit == promises.MEBIBYTES:
        return f"{promise.value:.2f} MiB of code", f"at most {promise.bar:g} MiB"
    if promise.unit == promises.BYTES:
        return f"{value:.0f} B a region", f"at most {bar:.0f} B"
    if promise.unit == promises.SHARE:
        return f"{value:.0%} of its speed alone", f"at least {bar:.0%}"
    return f"{ratio(value)} of {promise.of}", f"at most {ratio(bar)}"


def tail_line(counters):
    """How long single operations took."""
    tail = ", ".join(f"{name} {duration(counters[name])}"
                     for name in ("p50", "p99", "p99.9", "max"))
    line = (f"      {tail} (reading the counter:"
            f" {duration(counters['counter_cost'])}, taken out)")
    if "slept" in counters:
        line += f"; waited {counters['slept']:.0f} times"
    return line


def counter_lines(name, found):
    """What a row counted beside its time, and what is promised of it."""
    counters = found[name].counters
    if "p50" in counters:
        yield tail_line(counters)
    if "memory_mib" in counters:
        yield f"      {counters['memory_mib']:.1f} MiB beyond guest RAM"
    if "view_bytes" in counters and "view_bytes_bar" not in counters:
        yield f"      {counters['view_bytes']:.0f} B a region"
    if "commits_a_second" in counters:
        yield (f"      alone {duration(counters['alone'])};"
               f" {count(round(counters['commits_a_second']))}"
               " commits a second")
    for promise in promises.of(name, found):
        value, bar = promised(promise)
        yield (f"      {value}; promised: {bar}:"
               f" {'met' if promise.met else 'missed'}")


def lines_of(found, names):
    for name in names:
        figure = found[name]
        yield (f"  {name:42}{duration(figure.median):>10}"
               f"{spread(figure):>7}"
               f"{ratio(ratios.against_floor(found, name)):>9}"
               f"  {peer_cell(found, name)}").rstrip()
        yield from counter_lines(name, found)


def by_area(found):
    """(heading, names) of xbar's own areas, then of each peer."""
    areas = {}
    for name in found:
        area = name.split("/")[0]
        # Guests in other engines are there as ratios to ours.
        if area not in ("guest", "board") or ratios.is_ours(name):
            areas.setdefault(area, []).append(name)
    for area, heading in ratios.AREAS.items():
        if area in areas:
            yield heading, areas.pop(area)
    for area, names in areas.items():
        yield f"Peer: {area}", names


def class_lines(found):
    """Guests by class: what QEMU takes, what native code takes."""
    native = ratios.class_ratios(found, "native")
    for group, is_plain, ratio_to_qemu, bar in ratios.judged_classes(found):
        beside = f", native {ratio(native[group])}" if group in native else ""
        if is_plain:
            beside = " without BMI2 and FMA"
        yield (f"  class {group:10} QEMU takes {ratio(ratio_to_qemu)} of"
               f" xbar's time{beside}; promised {bar:g}x:"
               f" {'met' if ratio_to_qemu >= bar else 'missed'}")


def table(document):
    """The report for a terminal."""
    found = results.measured(document)
    yield (f"{'':44}{'median':>10}{'+-':>7}{'x floor':>9}"
           "  best peer / xbar")
    for heading, names in by_area(found):
        yield ""
        yield heading
        yield from lines_of(found, names)
        if names[0].startswith("guest/"):
            yield from class_lines(found)
    yield ""
    yield from notes(document, found)


def notes(document, found):
    """What a reader of any figure must know."""
    for name, why in results.failures(document).items():
        yield f"FAILED {name}: {why}"
    for peer, why in document["context"].get("xbar_skipped", {}).items():
        yield f"skipped: {peer}: {why}"
    done = document["context"].get("xbar_rounds", 0)
    wanted = document["context"].get("xbar_rounds_wanted", done)
    if done < wanted:
        yield f"slow machine: time for {done} of {wanted} rounds only"
    yield from results.neighbour_lines(document)
    yield from results.noise_lines(found)
    spreads = results.calibration_spread(found)
    if spreads and not results.noise_lines(found):
        yield "calibration: " + ", ".join(
            f"{name} varied by {spread:.0%}"
            for name, spread in spreads.items())
