# SPDX-License-Identifier: MIT
"""The document of a run: google-benchmark's JSON, with a few fields more.

    context      google-benchmark's, and ours, which begin with "xbar_"
    benchmarks   one row for each benchmark and round ("iteration"), then the
                 "median" and "cv" of those that have one

A row that failed its check has error_occurred and error_message, and no times.
Times are in time_unit; xbar_clock says which of them counts.

xbar_alone is the time without what was slowed by somebody else's work on the same
core, as xbar_probe shows it, which knows nothing of what is measured
(bench/gbench.h). Where enough rows of a benchmark have it, it is the figure; the
other rows are kept, but do not count.
"""

import dataclasses
import json
import os
import re
import statistics
import tempfile

SCHEMA = 1  # of the fields that are ours; another one is not read
UNITS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
# What google-benchmark appends to a name to say how it ran.
RAN_AS = re.compile(r"/(iterations|repeats|min_time):[^/]+|/(real|manual)_time")
NOISE_LIMIT = 0.10  # of a calibration loop, most over least
CALIBRATION = ("floors/add", "floors/add_parallel")
ALONE, PROBE = "xbar_alone", "xbar_probe"
ENOUGH = 5  # rounds of a figure that were alone


class BadInput(Exception):
    """Something that the user gave is no good: one line, status 2."""


@dataclasses.dataclass
class Figure:
    """One benchmark, over all rounds."""

    name: str
    samples: list = dataclasses.field(default_factory=list)  # ns an operation
    counters: dict = dataclasses.field(default_factory=dict)  # medians
    histogram: list = dataclasses.field(default_factory=list)  # (ns, count)
    error: str = ""

    @property
    def median(self):
        return statistics.median(self.samples)

    @property
    def spread(self):
        """Half the middle half of the samples, relative to the median."""
        if len(self.samples) < 3 or not self.median:
            return 0.0
        low, _, high = statistics.quantiles(self.samples, n=4)
        return (high - low) / 2 / self.median

    @property
    def area(self):
        return self.name.split("/")[0]


def plain_name(name):
    return RAN_AS.sub("", name)


# ---- From google-benchmark's rows ------------------------------------------

KNOWN = {
    "name", "family_index", "per_family_instance_index", "run_name",
    "run_type", "repetitions", "repetition_index", "threads", "iterations",
    "real_time", "cpu_time", "time_unit", "label", "error_occurred",
    "error_message", "aggregate_name", "aggregate_unit", "xbar_clock",
    "xbar_round", ALONE, PROBE,
}


def row_nanoseconds(row):
    """Nanoseconds: a mean that the row counted itself, or its clock's."""
    if "mean" in row:
        return float(row["mean"])
    clock = row.get("xbar_clock", "cpu")
    return float(row[f"{clock}_time"]) * UNITS[row.get("time_unit", "ns")]


def parse_histogram(label):
    """Pairs of ns and count from a label "ns:count ns:count"."""
    pairs = []
    for word in label.split():
        number, _, count = word.partition(":")
        try:
            pairs.append((float(number), int(count)))
        except ValueError:
            return []
    return pairs


def tidy_rows(rows, number):
    """Rows of one run of a program, under their plain names."""
    for row in rows:
        if row.get("run_type", "iteration") != "iteration":
            continue
        row = dict(row)
        if "/real_time" in row["name"]:
            row["xbar_clock"] = "real"
        row.setdefault("xbar_clock", "cpu")
        row["name"] = row["run_name"] = plain_name(row["name"])
        row["run_type"] = "iteration"
        row["repetition_index"] = number
        row["xbar_round"] = number
        yield row


def probe_limit(rows):
    """What xbar_probe is at most where a program had the core at its best."""
    seen = [row[PROBE] for row in rows if PROBE in row]
    return min(seen, default=0.0) * (1 + NOISE_LIMIT)


def can_tell(row):
    """Could it have a time of its own alone? Not if it counted its mean."""
    return PROBE in row and "mean" not in row


def is_alone(row, limit):
    return can_tell(row) and ALONE in row and row[PROBE] <= limit


def by_name(rows):
    """The rows of each benchmark, failed ones left out."""
    groups = {}
    for row in rows:
        if (row.get("run_type", "iteration") == "iteration"
                and not row.get("error_occurred")):
            groups.setdefault(row["name"], []).append(row)
    return groups


def counting(group, limit):
    """
    Of one benchmark's rows those that its figure is made of, and how to read
    their nanoseconds.
    """
    alone = [row for row in group if is_alone(row, limit)]
    if len(alone) >= ENOUGH:
        return alone, lambda row: float(row[ALONE])
    return group, row_nanoseconds


def figure_of(name, group, limit):
    rows, nanoseconds = counting(group, limit)
    figure = Figure(name, [nanoseconds(row) for row in rows])
    counted = {}
    for row in rows:
        for key, value in row.items():
            if key not in KNOWN and isinstance(value, (int, float)):
                counted.setdefault(key, []).append(value)
        figure.histogram = (parse_histogram(row.get("label", ""))
                            or figure.histogram)
    figure.counters = {key: statistics.median(values)
                       for key, values in counted.items()}
    return figure


def figures(document):
    """Figure by name, in the order of their first row."""
    rows = document["benchmarks"]
    limit = probe_limit(rows)
    groups = by_name(rows)
    found = {}
    for row in rows:
        name = row["name"]
        if row.get("run_type", "iteration") != "iteration":
            continue
        if name not in found:
            found[name] = figure_of(name, groups.get(name, []), limit)
        if row.get("error_occurred"):
            found[name].error = row.get("error_message", "failed")
    return found


def measured(document):
    """Figures that have samples, and no failure in any round."""
    return {name: figure for name, figure in figures(document).items()
            if figure.samples and not figure.error}


def failures(document):
    return {name: figure.error for name, figure in figures(document).items()
            if figure.error}


# ---- Making, writing, reading -----------------------------------------------

def aggregate_rows(rows):
    """The median and the coefficient of variation, as rows."""
    limit = probe_limit(rows)
    for name, all_rows in by_name(rows).items():
        group, nanoseconds = counting(all_rows, limit)
        unit = group[0].get("time_unit", "ns")
        times = {clock: [row[clock] for row in group]
                 for clock in ("real_time", "cpu_time")}
        if nanoseconds is not row_nanoseconds:
            times = dict.fromkeys(times, [nanoseconds(row) / UNITS[unit]
                                          for row in group])
        for kind, function in (("median", statistics.median),
                               ("cv", variation)):
            yield {
                "name": f"{name}_{kind}", "run_name": name,
                "run_type": "aggregate", "aggregate_name": kind,
                "aggregate_unit": "percentage" if kind == "cv" else "time",
                "repetitions": len(group), "threads": 1,
                "iterations": len(group), "time_unit": unit,
                **{clock: function(each) for clock, each in times.items()},
            }


def variation(values):
    mean = statistics.fmean(values)
    return statistics.stdev(values) / mean if len(values) > 1 and mean else 0.0


def make(context, rows):
    rounds = 1 + max((row["repetition_index"] for row in rows), default=0)
    for row in rows:
        row["repetitions"] = rounds
    return {
        "context": {**context, "xbar_schema": SCHEMA},
        "benchmarks": rows + list(aggregate_rows(rows)),
    }


def write(document, path):
    """All of it or nothing: a reader never sees half a file."""
    text = json.dumps(document, indent=1) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False,
                                     encoding="utf-8") as out:
        out.write(text)
    os.chmod(out.name, 0o644)
    os.replace(out.name, path)


def load(path):
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadInput(f"{path}: not JSON: {error}") from None
    check(document, path)
    return document


def check(document, path):
    if not (isinstance(document, dict)
            and isinstance(document.get("context"), dict)
            and isinstance(document.get("benchmarks"), list)):
        raise BadInput(f"{path}: not the JSON of a benchmark run")
    version = document["context"].get("xbar_schema")
    if version != SCHEMA:
        raise BadInput(f"{path}: of another version: xbar_schema is "
                       f"{version!r}, and {SCHEMA} is read")
    try:
        measured(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path}: a row is not as it should be: "
                       f"{error!r}") from None


# ---- Noise ------------------------------------------------------------------

def calibration_spread(found):
    """How much each calibration loop varied: most over least, less 1."""
    spreads = {}
    for name in CALIBRATION:
        samples = found[name].samples if name in found else []
        if len(samples) > 1 and min(samples) > 0:
            spreads[name] = max(samples) / min(samples) - 1
    return spreads


def noise_lines(found):
    """One line for each calibration loop that varied too much."""
    return [f"noisy machine: {name} varied by {spread:.0%}"
            f" (more than {NOISE_LIMIT:.0%}) between rounds"
            for name, spread in calibration_spread(found).items()
            if spread > NOISE_LIMIT]


def short_of_alone(rows):
    """Benchmarks that were not alone in enough rounds."""
    limit = probe_limit(rows)
    return {name for name, group in by_name(rows).items()
            if can_tell(group[0])
            and sum(is_alone(row, limit) for row in group) < ENOUGH}


def neighbour_lines(document):
    """Which figures somebody else's work is in; or nothing."""
    rows = document["benchmarks"]
    short = len(short_of_alone(rows))
    if short:
        told = sum(can_tell(group[0]) for group in by_name(rows).values())
        yield (f"shared machine: {short} of {told} figures were alone on the"
               f" core in fewer than {ENOUGH} rounds, and have somebody else's"
               " work in them")
