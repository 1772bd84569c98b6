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
    """What a side needs is not on this machine; the message says what."""


@dataclass
class Side:
    """One way to do a case's work.

    prepare: everything that is not timed. Returns the work itself, a function that returns its
      result or None if it wrote to the case's `out`; raises Missing.
    goal: how many times as fast ours is to be, by number of threads (0: all others).
    """

    name: str
    prepare: Callable[[], Callable[[], Any]]
    goal: dict[int, float] = field(default_factory=dict)

    def goal_for(self, threads):
        return self.goal.get(threads, self.goal.get(0))


@dataclass
class Case:
    """A piece of work: what it is, how much it moves, and who can do it.

    payload: bytes of the result.
    expected: the result's bits, as a C-contiguous NumPy array, on the host.
    out: what sides that reuse memory write to, or None.
    """

    group: str
    name: str
    payload: int
    expected: numpy.ndarray
    sides: list[Side]
    out: Any = None


@dataclass
class Device:
    """What has to be known of where the work is done.

    synchronize: returns when all work that was asked for is done.
    to_host: the bits of a result as a NumPy array.
    """

    name: str = "host"
    synchronize: Callable[[], None] = lambda: None
    to_host: Callable[[Any], numpy.ndarray] = lambda result: (
        numpy.frombuffer(result, numpy.uint8) if isinstance(result, bytes)
        else numpy.asarray(result))


HOST = Device()

# A sample is long enough for the clock, and a case short enough to be repeated.
LEAST_SECONDS_A_SAMPLE = 2e-3
LEAST_ROUNDS, MOST_ROUNDS = 3, 25


def as_bytes(array):
    return numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8)


def is_right(case, result, device):
    """Whether a result has the expected bits, compared as large words where they go up."""
    actual, expected = as_bytes(device.to_host(result)), as_bytes(case.expected)
    if actual.size != expected.size:
        return False
    words = actual.size // 8 * 8
    return numpy.array_equal(actual[:words].view(numpy.uint64),
                             expected[:words].view(numpy.uint64)) and \
        numpy.array_equal(actual[words:], expected[words:])


class Runner:
    """One side of a case, ready to be timed."""

    def __init__(self, case, side, device):
        self.case, self.side, self.device = case, side, device
        self.work = side.prepare()
        self.seconds = []
        self.spoil()
        self.check(self.work())
        self.repeats = self.calls_a_sample()

    def spoil(self):
        """An output from before cannot pass for a new one."""
        if isinstance(self.case.out, numpy.ndarray):
            self.case.out.reshape(-1).view(numpy.uint8)[::509] = 0xA5

    def check(self, result):
        if not is_right(self.case, self.case.out if result is None else result, self.device):
            raise AssertionError(f"{self.case.name}: the result of {self.side.name} is wrong")

    def calls_a_sample(self):
        calls = 1
        while (seconds := self.time(calls)[0]) < LEAST_SECONDS_A_SAMPLE:
            calls = max(calls + 1, int(calls * min(10, 1.2 * LEAST_SECONDS_A_SAMPLE / seconds)))
        return calls

    def time(self, calls):
        """Seconds a call, and the last result."""
        work, synchronize = self.work, self.device.synchronize
        synchronize()
        start = time.perf_counter()
        for _ in range(calls - 1):
            work()
        result = work()
        synchronize()
        return time.perf_counter() - start, result

    def sample(self):
        self.spoil()
        seconds, result = self.time(self.repeats)
        self.check(result)
        self.seconds.append(seconds / self.repeats)


def measure(case, threads, device=HOST, seconds=2.0):
    """Runs a case's sides in turn for about `seconds`; returns a record of what came out."""
    record = {"group": case.group, "case": case.name, "device": device.name, "threads": threads,
              "payload": case.payload, "sides": []}
    runners = []
    for side in case.sides:
        entry = {"name": side.name, "goal": side.goal_for(threads)}
        record["sides"].append(entry)
        try:
            runners.append((entry, Runner(case, side, device)))
        except Missing as missing:
            entry["missing"] = str(missing)
    started = time.perf_counter()
    for rounds in range(MOST_ROUNDS):
        if rounds >= LEAST_ROUNDS and time.perf_counter() - started > seconds:
            break
        for _, runner in runners:
            runner.sample()
    ours = runners[0][1].seconds
    for entry, runner in runners:
        ratios = [theirs / own for theirs, own in zip(runner.seconds, ours)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        entry["seconds"] = statistics.median(runner.seconds)
        entry["best_seconds"] = min(runner.seconds)
        entry["ratio"], entry["ratio_low"], entry["ratio_high"] = middle, low, high
        entry["rounds"], entry["calls_a_sample"] = len(ratios), runner.repeats
    return record
