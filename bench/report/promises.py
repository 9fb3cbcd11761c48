# SPDX-License-Identifier: MIT
"""What the project promises of a figure, beside what was measured.

A promise is of a row's time, of the memory or the speed that it counted, or of
how it stands to another row. Which, the row says by its counters, or a table
here and in ratios.py.
"""

import dataclasses

from . import ratios

TIME, BYTES, SHARE, TIMES, MEBIBYTES = range(5)


@dataclasses.dataclass
class Promise:
    """Of @value at most @bar; of a share, at least."""

    name: str
    unit: int
    value: float
    bar: float
    of: str = ""  # the other row

    @property
    def met(self):
        if self.unit == SHARE:
            return self.value >= self.bar
        return self.value <= self.bar


# One figure over another, at most so many times.
GROWTHS = [
    ("flatview/commit/1000000", "flatview/commit/1000", 6),
]


def of(name, found):
    """The promises of one figure."""
    figure = found[name]
    counters = figure.counters
    bar = ratios.bar_of(figure)
    if bar is not None:
        yield Promise(name, TIME, figure.median, bar)
    if "view_bytes_bar" in counters:
        yield Promise(name, BYTES, counters["view_bytes"],
                      counters["view_bytes_bar"])
    if "code_mib_bar" in counters:
        yield Promise(name, MEBIBYTES, counters["code_mib"],
                      counters["code_mib_bar"])
    if "share_bar" in counters:
        yield Promise(name, SHARE, counters["share"], counters["share_bar"])
    for above, below, most in GROWTHS:
        if name == above and below in found:
            yield Promise(name, TIMES, figure.median / found[below].median,
                          most, below)


def all_of(found):
    for name in found:
        yield from of(name, found)
