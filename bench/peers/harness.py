"""Measures sides that do the same work next to each other, and checks what they made.

A case is one piece of work on one set of data. Its sides are run in turn, A B C A B C ..., so that
a machine that changes its speed changes it for all of them; what is reported of two sides is the
median of the ratios of neighbours, not the ratio of two medians. The first side is ours. Every
result of every round is compared with the expected bits, outside of the timing.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy


class Missing(Exception):
    """Raised if this machine lacks something that a side needs; the message names it."""


class WrongBits(Exception):
    """A side's result is not what it should be."""


@dataclass
class Clock:
    """A way to time work.

    time: seconds that so many calls of a function take together, and what the last one returned.
    least_seconds: a sample is long enough for the clock.
    most_calls: and not longer than this many calls.
    """

    name: str
    time: Callable[[Callable[[], Any], int], tuple[float, Any]]
    least_seconds: float = 2e-3
    most_calls: int = 1 << 30


@dataclass
class Side:
    """One way to do a case's work.

    prepare: everything that is not timed. Returns the work itself, a function that returns its
      result or None if it wrote to the case's `out`; raises Missing.
    goal: how many times as fast ours is to be, by number of threads (0: all others).
    clock: if it is not the case's.
    """

    name: str
    prepare: Callable[[], Callable[[], Any]]
    goal: dict[int, float] = field(default_factory=dict)
    clock: Clock | None = None

    def goal_for(self, threads):
        return self.goal.get(threads, self.goal.get(0))


@dataclass
class Case:
    """A piece of work: what it is, how much it moves, and who can do it.

    payload: bytes of the result.
    expected: the result's bits, C-contiguous: on the host a NumPy array.
    out: what sides that reuse memory write to, or None.
    row_bytes: what a plot has on its axis, if there is one.
    limit: seconds that moving what must be moved takes at the rate of a copy, if that is known.
    goal_of_limit: the fraction of its rate that ours is to reach.
    clock: if it is not the device's.
    """

    group: str
    name: str
    payload: int
    expected: Any
    sides: list[Side]
    out: Any = None
    row_bytes: int | None = None
    limit: float | None = None
    clock: Clock | None = None
    goal_of_limit: float | None = None


@dataclass
class Device:
    """The place where the work is done: how it is timed and compared there.

    same: whether a result has the expected bits.
    spoil: changes an output, so that one from before cannot pass for a new one.
    """

    name: str
    clock: Clock
    same: Callable[[Any, Any], bool]
    spoil: Callable[[Any], None]


# A case is short enough to be repeated.
LEAST_ROUNDS, MOST_ROUNDS = 3, 25


# ---- The host


def as_bytes(array):
    return numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8)


def same_on_host(result, expected):
    """Returns whether a result has the expected bits; compares large words if they divide it."""
    if isinstance(result, bytes):
        result = numpy.frombuffer(result, numpy.uint8)
    actual, expected = as_bytes(result), as_bytes(expected)
    if actual.size != expected.size:
        return False
    words = actual.size // 8 * 8
    return numpy.array_equal(actual[:words].view(numpy.uint64),
                             expected[:words].view(numpy.uint64)) and \
        numpy.array_equal(actual[words:], expected[words:])


def spoil_on_host(out):
    if isinstance(out, numpy.ndarray):
        out.reshape(-1).view(numpy.uint8)[::509] = 0xA5


def by_wall_clock(work, calls):
    start = time.perf_counter()
    for _ in range(calls - 1):
        work()
    result = work()
    return time.perf_counter() - start, result


HOST = Device("host", Clock("wall", by_wall_clock), same_on_host, spoil_on_host)


# ---- Anywhere


class Runner:
    """One side of a case, ready to be timed."""

    def __init__(self, case, side, device):
        self.case, self.side, self.device = case, side, device
        self.clock = side.clock or case.clock or device.clock
        self.work = side.prepare()
        self.seconds = []
        self.spoil()
        self.check(self.clock.time(self.work, 1)[1])
        self.repeats = self.calls_a_sample()

    def spoil(self):
        self.device.spoil(self.case.out)

    def check(self, result):
        if not self.device.same(self.case.out if result is None else result, self.case.expected):
            raise WrongBits(f"{self.case.name}: the result of {self.side.name} is wrong")

    def calls_a_sample(self):
        calls, least, most = 1, self.clock.least_seconds, self.clock.most_calls
        while (seconds := self.clock.time(self.work, calls)[0]) < least and calls < most:
            calls = min(most, max(calls + 1, int(calls * min(10, 1.2 * least / seconds))))
        return calls

    def sample(self):
        self.spoil()
        seconds, result = self.clock.time(self.work, self.repeats)
        self.check(result)
        self.seconds.append(seconds / self.repeats)


def prepared(case, device, record, threads):
    """The sides that are there, each with its entry in the record."""
    runners = []
    for side in case.sides:
        entry = {"name": side.name, "goal": side.goal_for(threads)}
        record["sides"].append(entry)
        try:
            runners.append((entry, Runner(case, side, device)))
        except Missing as missing:
            entry["missing"] = str(missing)
        except Exception as error:  # of a peer's library, too, and of any kind
            entry["failed"] = f"{type(error).__name__}: {error}".splitlines()[0]
    return runners


def measure(case, threads, device=HOST, seconds=2.0):
    """Runs a case's sides in turn for about `seconds`; returns a record of what came out."""
    record = {"group": case.group, "case": case.name, "device": device.name, "threads": threads,
              "payload": case.payload, "row_bytes": case.row_bytes, "sides": []}
    runners = prepared(case, device, record, threads)
    if case.goal_of_limit is not None:
        record["sides"][0]["goal_of_limit"] = case.goal_of_limit
    started = time.perf_counter()
    for rounds in range(MOST_ROUNDS):
        if rounds >= LEAST_ROUNDS and time.perf_counter() - started > seconds:
            break
        for entry, runner in runners:
            try:
                runner.sample()
            except Exception as error:
                entry["failed"] = f"{type(error).__name__}: {error}".splitlines()[0]
        runners = [(entry, runner) for entry, runner in runners if "failed" not in entry]
    first_is_there = runners and runners[0][0] is record["sides"][0]
    for entry, runner in runners:
        entry["clock"] = runner.clock.name
        entry["seconds"] = statistics.median(runner.seconds)
        entry["best_seconds"] = min(runner.seconds)
        entry["rounds"], entry["calls_a_sample"] = len(runner.seconds), runner.repeats
        if case.limit is not None:
            entry["of_limit"] = case.limit / entry["seconds"]
        if not first_is_there:  # nothing to compare with
            entry["goal"] = None
            continue
        ratios = [theirs / own for theirs, own in zip(runner.seconds, runners[0][1].seconds)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        entry["ratio"], entry["ratio_low"], entry["ratio_high"] = middle, low, high
    return record
