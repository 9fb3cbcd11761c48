# SPDX-License-Identifier: MIT
"""The figures that docs/benchmarks.md shows, put there by `--docs`."""

from . import machine, ratios, results, text

BEGIN = "<!-- figures: ./dev bench --docs -->"
END = "<!-- end of figures -->"


def bar_rows(found):
    yield "| promised | median | at most | met |"
    yield "|---|---|---|---|"
    for name, bar in ratios.BARS.items():
        if name in found:
            median = found[name].median
            met = "yes" if median <= bar else "**no**"
            yield (f"| `{name}` | {text.duration(median)} |"
                   f" {text.duration(bar)} | {met} |")


def class_rows(found):
    native = ratios.class_ratios(found, "native")
    yield "| class | QEMU / xbar | at least | met | native / xbar |"
    yield "|---|---|---|---|---|"
    for group, value in ratios.class_ratios(found, "qemu").items():
        bar = ratios.GUEST_BARS.get(group, 0)
        yield (f"| {group} | {text.ratio(value)} | {bar:g}x |"
               f" {'yes' if value >= bar else '**no**'} |"
               f" {text.ratio(native.get(group))} |")


def area_rows(found, names):
    tail = any("p99" in found[n].counters for n in names)
    more = " p50 | p99 | p99.9 | max |" if tail else ""
    yield f"| benchmark | median | +- | floors | best peer / xbar |{more}"
    yield "|---|---|---|---|---|" + ("---|---|---|---|" if tail else "")
    for name in names:
        figure = found[name]
        floors = text.ratio(ratios.against_floor(found, name))
        row = (f"| `{name}` | {text.duration(figure.median)} |"
               f" {figure.spread:.0%} | {floors} |"
               f" {text.peer_cell(found, name)} |")
        for counter in ("p50", "p99", "p99.9", "max") if tail else ():
            value = figure.counters.get(counter)
            row += f" {'' if value is None else text.duration(value)} |"
        yield row


def block(document):
    found = results.measured(document)
    context = document["context"]
    yield BEGIN
    yield ""
    yield (f"Taken {context.get('xbar_started', '')}, in"
           f" {context.get('xbar_rounds')} rounds. "
           + " ".join(f"{line}." for line in machine.summary(context)))
    yield ""
    for line in text.notes(document, found):
        yield f"- {line}"
    yield ""
    yield from bar_rows(found)
    for heading, names in text.by_area(found):
        yield ""
        yield f"### {heading}"
        yield ""
        if names[0].startswith("guest/"):
            yield from class_rows(found)
            yield ""
        yield from area_rows(found, names)
    costs = [f.counters["counter_cost"] for f in found.values()
             if "counter_cost" in f.counters]
    if costs:
        yield ""
        yield ("Reading the counter twice takes"
               f" {text.duration(min(costs))} to {text.duration(max(costs))};"
               " that is taken out of the figures of `latency/`.")
    yield ""
    yield END


def rewrite(document, path):
    """Replace what is between the marks."""
    old = path.read_text(encoding="utf-8")
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise results.BadInput(f"{path}: no marks for the figures")
    path.write_text(before + "\n".join(block(document)) + after,
                    encoding="utf-8")
