# SPDX-License-Identifier: MIT
"""Rounds: everything once, ours and the peers' of an area side by side.

    round:  calibration
            area 1: xbar's figures, the peers' beside them
            area 2: ...
            calibration

A slow minute of the host then meets all of them alike.
"""

import dataclasses
import sys
import time

from . import ratios, results


@dataclasses.dataclass
class Step:
    """One call of one suite."""

    area: str
    suite: object
    names: list

    def key(self):
        return (self.area, self.suite.name, self.names[0])


class Progress:
    """How far, and how long still: on stderr, in place on a terminal."""

    EVERY = 10  # seconds between lines where it is not a terminal

    def __init__(self, steps, rounds):
        self.steps = steps
        self.rounds = rounds
        self.took = {}  # seconds of a step, by its key, when last run
        self.begun = time.monotonic()
        self.shown = -self.EVERY

    def _seconds(self, step):
        return self.took.get(step.key(), step.suite.seconds(step.names))

    def left(self, number, at):
        """Seconds from step @at of round @number on."""
        full = sum(map(self._seconds, self.steps))
        return (sum(map(self._seconds, self.steps[at:]))
                + full * (self.rounds - number - 1))

    def show(self, number, at):
        done = time.monotonic() - self.begun
        left = self.left(number, at)
        step = self.steps[at]
        line = (f"bench: {done / max(done + left, 0.1):4.0%}, round"
                f" {number + 1} of {self.rounds}, {step.area}"
                f" ({step.suite.name}), {clock(left)} left")
        if sys.stderr.isatty():
            print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)
        elif done - self.shown >= self.EVERY:
            print(line, file=sys.stderr, flush=True)
            self.shown = done

    def end(self):
        line = f"bench: done in {clock(time.monotonic() - self.begun)}"
        start = "\r\033[K" if sys.stderr.isatty() else ""
        print(start + line, file=sys.stderr, flush=True)


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def plan(selected):
    """Steps of a round; @selected: a list of (suite, names)."""
    by_area = {}
    for suite, names in selected:
        for name in names:
            area = ratios.beside(name)
            by_area.setdefault(area, {}).setdefault(suite, []).append(name)
    order = {area: i for i, area in enumerate(ratios.AREAS)}
    return [Step(area, suite, names)
            for area in sorted(by_area, key=lambda a: order.get(a, 99))
            for suite, names in by_area[area].items()]


def calibrations(selected, brief):
    """A step of the calibration loops, or nothing to calibrate with."""
    for suite, names in selected:
        if suite.name == "xbar" and not brief:
            suite.names()
            return [Step("calibration", suite, list(results.CALIBRATION))]
    return []


LEAST_ROUNDS = 3  # fewer have no median to speak of


def is_over(begun, done, limit):
    """Would another round end later than @limit seconds after @begun?"""
    took = time.monotonic() - begun
    return done >= LEAST_ROUNDS and took + took / done > limit


def run(selected, rounds, limit, brief):
    """
    Rows of all rounds, and the context: google-benchmark's, and how many
    rounds there were. A slow machine gets fewer of them within @limit seconds.
    """
    calibration = calibrations(selected, brief)
    steps = calibration + plan(selected) + calibration
    progress = Progress(steps, rounds)
    rows, context = [], {}
    start = time.monotonic()
    number = 0
    while number < rounds and not (number and is_over(start, number, limit)):
        for at, step in enumerate(steps):
            progress.show(number, at)
            begun = time.monotonic()
            found, about = step.suite.measure(step.names, number)
            progress.took[step.key()] = time.monotonic() - begun
            rows += found
            context = {**about, **context}
        number += 1
    progress.end()
    return rows, {**context, "xbar_rounds": number}
