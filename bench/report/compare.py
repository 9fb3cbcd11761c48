# SPDX-License-Identifier: MIT
"""What got slower since another run, beyond what noise explains.

Noise of one figure is the spread of its own rounds, in both runs. A figure is
slower if its median grew by more than 10 %, and by more than three times the
two spreads together, and if even its best round is slower than the old median.
A host whose clock differs shifts every figure alike: medians are divided by
those of the calibration chain, if both runs have it.
"""

from . import ratios, results, text

THRESHOLD = 0.10
SPREADS = 3


def clock_scale(old, new):
    """How much slower the clock is now: floors/add, new over old."""
    name = results.CALIBRATION[0]
    if name in old and name in new and old[name].median:
        return new[name].median / old[name].median
    return 1.0


def limit_of(before, after):
    return 1 + max(THRESHOLD, SPREADS * (before.spread + after.spread))


def is_slower(before, after, scale):
    growth = after.median / scale / before.median
    best = min(after.samples) / scale
    return growth > limit_of(before, after) and best > before.median


def is_faster(before, after, scale):
    return is_slower(after, before, 1 / scale)


def line(name, before, after, scale):
    return (f"  {name:42}{text.duration(before.median):>10} ->"
            f"{text.duration(after.median):>10}"
            f"  {after.median / scale / before.median:.2f}x, noise up to"
            f" {limit_of(before, after):.2f}x")


def compare(old_document, new_document):
    """(lines to print, how many figures got slower)."""
    old = results.measured(old_document)
    new = results.measured(new_document)
    scale = clock_scale(old, new)
    both = [name for name in new
            if name in old and ratios.is_ours(name)
            and old[name].median > 0 and new[name].median > 0]
    slower = [n for n in both if is_slower(old[n], new[n], scale)]
    faster = [n for n in both if is_faster(old[n], new[n], scale)]
    lines = []
    for heading, names in (("slower", slower), ("faster", faster)):
        if names:
            lines += ["", f"{heading}, beyond noise:"]
            lines += [line(n, old[n], new[n], scale) for n in names]
    lines += ["", f"compared {len(both)} figures: {len(slower)} slower,"
              f" {len(faster)} faster; the clock is {scale:.2f}x the old one"]
    lines += results.noise_lines(old) + results.noise_lines(new)
    missing = [n for n in old if ratios.is_ours(n) and n not in new]
    if missing:
        lines.append(f"not measured this time: {len(missing)} figures,"
                     f" {missing[0]} the first")
    return lines, len(slower)
