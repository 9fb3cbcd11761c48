# SPDX-License-Identifier: MIT
"""Plots as SVG text: no library, no script; colours come from the page.

A plot is 480 units wide, so that its text can be read where it is shown on a
telephone. Each point carries what it says as data-tip, and as a title.
"""

import html
import math

from . import text

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 32, 10, 40
SERIES = 6  # colours of the page: s0 .. s5


def escape(value):
    return html.escape(str(value), quote=True)


# ---- Scales ------------------------------------------------------------------

class LogScale:
    """Powers of ten between two values, on a stretch of units."""

    def __init__(self, values, low, high):
        self.first = math.floor(math.log10(min(values)) + 1e-9)
        self.last = math.ceil(math.log10(max(values)) - 1e-9)
        self.last = max(self.last, self.first + 1)
        self.low, self.high = low, high

    def at(self, value):
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return self.low + share * (self.high - self.low)

    def ticks(self):
        return [10.0 ** e for e in range(self.first, self.last + 1)]

    def few_ticks(self):
        """Those that have room for long labels side by side."""
        return self.ticks()[::2 if self.last - self.first > 4 else 1]


class TailScale:
    """Shares of samples, the rarest stretched: 0.9, 0.99, 0.999 equidistant."""

    LAST = 5

    def __init__(self, low, high):
        self.low, self.high = low, high

    def at(self, share):
        nines = min(self.LAST, -math.log10(max(1 - share, 10.0 ** -self.LAST)))
        return self.low + nines / self.LAST * (self.high - self.low)

    def ticks(self):
        return [0.5, 0.9, 0.99, 0.999, 0.9999]


# ---- Parts -------------------------------------------------------------------

def label(x, y, words, kind="", anchor="middle"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}"'
            f' text-anchor="{anchor}">{escape(words)}</text>')


def rule(x1, y1, x2, y2, kind="grid"):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
            f' class="{kind}"/>')


def point(x, y, series, tip, radius=3.2):
    return (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"'
            f' class="p s{series % SERIES}" data-tip="{escape(tip)}">'
            f"<title>{escape(tip)}</title></circle>")


def y_axis(scale, words):
    for tick in scale.ticks():
        y = scale.at(tick)
        yield rule(LEFT, y, WIDTH - RIGHT, y)
        yield label(LEFT - 5, y + 4, words(tick), anchor="end")


def x_axis(scale, words, title):
    for tick in scale.ticks():
        x = scale.at(tick)
        yield rule(x, TOP, x, HEIGHT - BOTTOM)
        yield label(x, HEIGHT - BOTTOM + 17, words(tick))
    yield label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, title, "axis")


def legend(names):
    if len(names) < 2:
        return ""
    items = "".join(f'<li><i class="s{i % SERIES}"></i>{escape(name)}</li>'
                    for i, name in enumerate(names))
    return f'<ul class="legend">{items}</ul>'


def figure(key, title, note, body, names, points, height=HEIGHT):
    """A plot with its heading, legend and place for what a point says."""
    return (f'<figure data-plot="{escape(key)}" data-points="{points}">'
            f"<figcaption><b>{escape(title)}</b><span>{escape(note)}</span>"
            f"</figcaption>"
            f'<svg viewBox="0 0 {WIDTH} {height}" role="img"'
            f' aria-label="{escape(title)}">{"".join(body)}</svg>'
            f"{legend(names)}<output></output></figure>")


# ---- Plots -------------------------------------------------------------------

def short(ns):
    """A tick: 10 ns, 1 us."""
    return text.duration(ns).replace(".00 ", " ").replace(".0 ", " ")


def short_count(value):
    """A tick: 1, 10, 1k, 1M."""
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:g}{unit}"
    return f"{value:g}"


def lines(key, title, note, series, x_title):
    """@series: name -> [(x, ns)]; both axes logarithmic."""
    series = {name: pairs for name, pairs in series.items() if pairs}
    if not series:
        return ""
    xs = [x for pairs in series.values() for x, _ in pairs]
    ys = [y for pairs in series.values() for _, y in pairs]
    across = LogScale(xs, LEFT, WIDTH - RIGHT)
    up = LogScale(ys, HEIGHT - BOTTOM, TOP)
    body = [*y_axis(up, short),
            *x_axis(across, short_count, x_title)]
    for i, (name, pairs) in enumerate(series.items()):
        spots = [(across.at(x), up.at(y)) for x, y in sorted(pairs)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        body.append(f'<polyline points="{path}" class="s{i % SERIES}"/>')
        body += [point(across.at(x), up.at(y), i,
                       f"{name}, {text.count(int(x))}: {text.duration(y)}")
                 for x, y in pairs]
    return figure(key, title, note, body, list(series), len(xs))


def quantiles(pairs):
    """(share within, ns) where each bucket of a histogram begins and ends."""
    total = sum(count for _, count in pairs)
    seen = 0
    for ns, count in sorted(pairs):
        yield seen / total, ns
        seen += count
        yield seen / total, ns


def tails(key, title, note, series):
    """@series: name -> [(ns, count)]: how long all but the slowest take."""
    series = {name: pairs for name, pairs in series.items() if pairs}
    if not series:
        return ""
    across = TailScale(LEFT, WIDTH - RIGHT)
    values = [max(ns, 1.0) for pairs in series.values() for ns, _ in pairs]
    up = LogScale(values, HEIGHT - BOTTOM, TOP)
    body = [*y_axis(up, short),
            *x_axis(across, lambda s: f"{s * 100:.4g}",
                    "% of the operations take no longer")]
    points = 0
    for i, (name, pairs) in enumerate(series.items()):
        steps = list(quantiles(pairs))
        path = " ".join(f"{across.at(s):.1f},{up.at(max(ns, 1.0)):.1f}"
                        for s, ns in steps)
        body.append(f'<polyline points="{path}" class="s{i % SERIES}"/>')
        for mark in (0.5, 0.9, 0.99, 0.999, 0.9999):
            ns = next((ns for share, ns in steps if share >= mark), None)
            if ns is not None:
                points += 1
                body.append(point(across.at(mark), up.at(max(ns, 1.0)), i,
                                  f"{name}: {mark * 100:.4g} % within"
                                  f" {text.duration(ns)}"))
    return figure(key, title, note, body, list(series), points)


ROW = 22
NAMES = 172  # units for the names of rows


def dots(key, title, note, rows, names):
    """@rows: (name, {series: ns}); one line a row, a dot a series."""
    rows = [(name, values) for name, values in rows if values]
    if not rows:
        return ""
    height = TOP + ROW * len(rows) + BOTTOM
    values = [ns for _, each in rows for ns in each.values()]
    across = LogScale(values, NAMES, WIDTH - 20)
    body = []
    for tick in across.few_ticks():
        x = across.at(tick)
        body += [rule(x, TOP, x, height - BOTTOM),
                 label(x, height - BOTTOM + 15, short(tick))]
    for i, (name, each) in enumerate(rows):
        y = TOP + ROW * (i + 0.5)
        body += [label(NAMES - 8, y + 4, name, "row", "end"),
                 rule(NAMES, y, WIDTH - 20, y)]
        body += [point(across.at(ns), y, names.index(series),
                       f"{name}, {series}: {text.duration(ns)}", 5)
                 for series, ns in each.items()]
    return figure(key, title, note, body, names, len(values), height)


def bars(key, title, note, rows, names):
    """@rows: (name, {series: ratio}); a bar each, from 1 to either side."""
    rows = [(name, values) for name, values in rows if values]
    if not rows:
        return ""
    thick = 12
    step = thick * len(names) + 10
    height = TOP + step * len(rows) + BOTTOM
    values = [v for _, each in rows for v in each.values()]
    across = LogScale([*values, 0.9, 1.1], 90, WIDTH - 44)
    body = []
    for tick in across.ticks():
        x = across.at(tick)
        body += [rule(x, TOP, x, height - BOTTOM),
                 label(x, height - BOTTOM + 15, f"{tick:g}x")]
    one = across.at(1.0)
    body.append(rule(one, TOP, one, height - BOTTOM, "one"))
    for i, (name, each) in enumerate(rows):
        top = TOP + step * i + 5
        body.append(label(82, top + step / 2, name, "row", "end"))
        for series, value in each.items():
            k = names.index(series)
            x = across.at(value)
            tip = f"{name}: {series} takes {text.ratio(value)} as long as xbar"
            body.append(
                f'<rect x="{min(one, x):.1f}" y="{top + k * thick:.1f}"'
                f' width="{max(abs(x - one), 1):.1f}" height="{thick - 1}"'
                f' class="p s{k % SERIES}" data-tip="{escape(tip)}">'
                f"<title>{escape(tip)}</title></rect>")
            body.append(label(max(one, x) + 4, top + k * thick + thick - 2,
                              text.ratio(value), "value", "start"))
    return figure(key, title, note, body, names, len(values), height)
