# SPDX-License-Identifier: MIT
"""The figures in docs/benchmarks.md and README.md, put there by `--docs`."""

from . import machine, promises, ratios, results, text

BEGIN = "<!-- figures: ./dev bench --docs -->"
END = "<!-- end of figures -->"


def bar_rows(found):
    yield "| of | measured | promised | met |"
    yield "|---|---|---|---|"
    for each in promises.all_of(found):
        value, bar = text.promised(each)
        yield (f"| `{each.name}` | {value} | {bar} |"
               f" {'yes' if each.met else '**no**'} |")


def class_rows(found):
    native = ratios.class_ratios(found, "native")
    yield "| class | QEMU / xbar | at least | met | native / xbar |"
    yield "|---|---|---|---|---|"
    for group, is_plain, value, bar in ratios.judged_classes(found):
        host = ", without BMI2 and FMA" if is_plain else ""
        beside = "" if is_plain else f" {text.ratio(native.get(group))}"
        yield (f"| {group}{host} | {text.ratio(value)} | {bar:g}x |"
               f" {'yes' if value >= bar else '**no**'} |{beside} |")


def area_rows(found, names):
    tail = any("p99" in found[n].counters for n in names)
    more = " p50 | p99 | p99.9 | max |" if tail else ""
    yield f"| benchmark | median | +- | floors | best peer / xbar |{more}"
    yield "|---|---|---|---|---|" + ("---|---|---|---|" if tail else "")
    for name in names:
        figure = found[name]
        floors = text.ratio(ratios.against_floor(found, name))
        row = (f"| `{name}` | {text.duration(figure.median)} |"
               f" {text.spread(figure)} | {floors} |"
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
           f" {text.rounds(context.get('xbar_rounds', 0))}.")
    yield ""
    for line in machine.summary(context):
        yield f"- {line}"
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
        for name in names:
            if "memory_mib" in found[name].counters:
                yield ""
                yield (f"`{name}`: {found[name].counters['memory_mib']:.1f} MiB"
                       " resident beyond guest RAM, at the prompt.")
    costs = [f.counters["counter_cost"] for f in found.values()
             if "counter_cost" in f.counters]
    if costs:
        yield ""
        yield ("Reading the counter twice takes"
               f" {text.duration(min(costs))} to {text.duration(max(costs))};"
               " that is taken out of the figures of `latency/`.")
    yield ""
    yield END


# ---- The readme ---------------------------------------------------------------

README = [
    ("RAM hit in emitted code", "emit/load"),
    ("RAM hit from C, inline probe", "tlb/load_hit"),
    ("device read from emitted code, callback included", "emit/load_mmio"),
    ("the same by a guest instruction", "hart/mmio_load"),
    ("4-byte `address_space` read of RAM", "access/ldl_ram"),
    ("4-byte `address_space` read of a device", "access/ldl_mmio"),
    ("the same, any of 1 000 devices", "regions/mmio/random/1000"),
    ("the same, any of 1 000 000", "regions/mmio/random/1000000"),
    ("one change among 1 000 regions", "flatview/commit/1000"),
    ("one change among 1 000 000", "flatview/commit/1000000"),
    ("new code, per guest instruction", "code/translate_alu"),
    ("interpreter, per addition", "interp/alu"),
    ("OpenSBI and U-Boot to the prompt", "board/boot/xbar"),
]


def best_peer_cell(found, name):
    best = ratios.best_peer(found, name)
    if best is None:
        return ""
    who = {"unicorn": "Unicorn", "kvm": "KVM"}.get(best[1].split("/")[0],
                                                   "QEMU")
    return f"{who} {text.duration(found[best[1]].median)}"


def readme_block(document):
    found = results.measured(document)
    context = document["context"]
    yield BEGIN
    yield ""
    yield (f"Taken {context.get('xbar_started', '')[:10]}, in"
           f" {text.rounds(context.get('xbar_rounds', 0))}.")
    for line in (*results.neighbour_lines(document),
                 *results.noise_lines(found)):
        yield f"{line[0].upper()}{line[1:]}."
    yield ""
    yield "| | xbar | best peer |"
    yield "|---|---|---|"
    for title, name in README:
        if name in found:
            yield (f"| {title} | {text.duration(found[name].median)} |"
                   f" {best_peer_cell(found, name)} |")
    memory = {engine: found[f"board/boot/{engine}"].counters.get("memory_mib")
              for engine in ("xbar", "qemu") if f"board/boot/{engine}" in found}
    if memory.get("xbar"):
        qemu = memory.get("qemu")
        yield (f"| resident beyond guest RAM, U-Boot at its prompt |"
               f" {memory['xbar']:.1f} MiB |"
               f" {f'QEMU {qemu:.1f} MiB' if qemu else ''} |")
    for group, value in ratios.class_ratios(found, "qemu").items():
        yield (f"| guest programs, {group}: times as fast as QEMU |"
               f" {text.ratio(value)} | |")
    yield ""
    yield END


# ---- Files --------------------------------------------------------------------

def replaced(path, lines):
    """The page with @lines between its marks."""
    old = path.read_text(encoding="utf-8")
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise results.BadInput(f"{path}: no marks for the figures")
    return before + "\n".join(lines) + after


def rewrite(document, root):
    """Replace what is between the marks of both pages, or of none."""
    pages = [(root / "docs" / "benchmarks.md", block),
             (root / "README.md", readme_block)]
    written = [(path, replaced(path, lines(document)))
               for path, lines in pages]
    for path, words in written:
        path.write_text(words, encoding="utf-8")
