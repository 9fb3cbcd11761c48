# SPDX-License-Identifier: MIT
"""Rounds: everything once, ours and the peers' of an area side by side.

    round:  calibration
            area 1: xbar's figures, the peers' beside them
            area 2: ...
            calibration

A slow minute of the host then meets all of them alike. What somebody else's
work is in is measured again in further rounds, as long as there is time.
"""

import dataclasses
import sys
import time

from . import ratios, results


FURTHER = 6  # times as many rounds as are enough, on a machine that is shared


@dataclasses.dataclass
class Step:
    """One call of one suite."""

    area: str
    suite: object
    names: list

    def is_in(self, number):
        """Is it made in this round? Long ones are not in all."""
        most = self.suite.most_rounds
        return most is None or number < most

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

    def round(self, number, at=0):
        """Seconds of round @number, from step @at on."""
        return sum(self._seconds(step) for step in self.steps[at:]
                   if step.is_in(number))

    def left(self, number, at):
        """Seconds from step @at of round @number on."""
        return self.round(number, at) + sum(
            map(self.round, range(number + 1, self.rounds)))

    def spent(self):
        return time.monotonic() - self.begun

    def show(self, number, at):
        done = self.spent()
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
        line = f"bench: done in {clock(self.spent())}"
        start = "\r\033[K" if sys.stderr.isatty() else ""
        print(start + line, file=sys.stderr, flush=True)


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def plan(selected):
    """Steps of a round; @selected: a list of (suite, names)."""
    by_area = {}
    for suite, names in selected:
        for name in names:
            parts = by_area.setdefault(ratios.beside(name), {})
            parts.setdefault((suite, suite.part(name)), []).append(name)
    order = {area: i for i, area in enumerate(ratios.AREAS)}
    return [Step(area, suite, names)
            for area in sorted(by_area, key=lambda a: order.get(a, 99))
            for (suite, _), names in by_area[area].items()]


def is_over(progress, number, limit):
    """Would round @number end later than @limit seconds after the start?"""
    return number > 0 and progress.spent() + progress.round(number) > limit


def is_dropped(progress, step, number, at, limit):
    """A suite that is not in all rounds is left out where time is short."""
    return (number > 0 and step.suite.most_rounds is not None
            and progress.spent() + progress.left(number, at) > limit)


class Run:
    """What the rounds found."""

    def __init__(self):
        self.rows, self.context = [], {}

    def make(self, step, number, progress):
        begun = time.monotonic()
        found, about = step.suite.measure(step.names, number)
        progress.took[step.key()] = time.monotonic() - begun
        self.rows += found
        self.context = {**about, **self.context}


def shared_steps(steps, rows):
    """Of @steps what is to be measured again."""
    names = results.short_of_alone(rows)
    again = (dataclasses.replace(step, names=[n for n in step.names
                                              if n in names])
             for step in steps)
    return [step for step in again if step.names]


def run_again(run, steps, number, limit, progress):
    """Further rounds, from @number on, of what was not alone."""
    for number in range(number, FURTHER * results.ENOUGH):
        progress.steps = shared_steps(steps, run.rows)
        progress.rounds = number + 1
        if not progress.steps or is_over(progress, number, limit):
            break
        for at, step in enumerate(progress.steps):
            progress.show(number, at)
            run.make(step, number, progress)


def run(selected, calibrator, rounds, limit):
    """
    @calibrator: the suite that has the calibration loops; or None.

    Rows of all rounds, and the context: google-benchmark's, and how many
    rounds there were. A slow machine gets fewer of them within @limit seconds.
    """
    for suite, names in selected:
        suite.prepare(names)
    calibration = [Step("calibration", calibrator, list(results.CALIBRATION))
                   ] if calibrator else []
    steps = calibration + plan(selected) + calibration
    progress = Progress(steps, rounds)
    done = Run()
    number = 0
    while number < rounds and not is_over(progress, number, limit):
        for at, step in enumerate(steps):
            if not step.is_in(number):
                continue
            if is_dropped(progress, step, number, at, limit):
                step.suite.most_rounds = number
                continue
            progress.show(number, at)
            done.make(step, number, progress)
        number += 1
    about = {"xbar_rounds": number, "xbar_rounds_wanted": rounds}
    if number >= results.ENOUGH:
        run_again(done, plan(selected), number, limit, progress)
    progress.end()
    for suite, _ in selected:
        done.rows += suite.rest()
    return done.rows, {**done.context, **about}
