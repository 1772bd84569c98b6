"""What the tests share: the device they run on, and exporters made to measure."""

import ctypes
import itertools
import os
import unittest

import multibuffer
from _exporters import Exporter

DEVICE = os.environ.get("MULTIBUFFER_TEST_DEVICE", "host")
# How many random files, tables or samples a reader is compared on, beyond the few that each run takes.
AT_LEAST = int(os.environ.get("MULTIBUFFER_TEST_RANDOM", 0))
# `./dev test --long` asks tests that try many cases of one kind for all of them, not for some.
ALL_CASES = os.environ.get("MULTIBUFFER_TEST_CASES") == "all"


def require_device():
    """For setUpModule: skips the module on a machine that lacks the device."""
    if not any(device.name.startswith(DEVICE) for device in multibuffer.devices()):
        raise unittest.SkipTest(f"no {DEVICE} device")


def optional_import(name):
    """A module, or None; what needs it is skipped with `needs`."""
    try:
        return __import__(name, fromlist=["_"])
    except ImportError:
        return None


def needs(module, name):
    return unittest.skipIf(module is None, f"{name} is not installed")


def sampled(count):
    """Random cases, by number: `count` of them, or as many as a long run asks for."""
    return range(max(count, AT_LEAST))


def upload(obj, **options):
    return multibuffer.upload(obj, device=DEVICE, **options)


def exporter(address, shape, strides, *, suboffsets=None, format="B", itemsize=1, readonly=True,
             keep=None):
    """An exporter that says just this, with the right len."""
    result = Exporter()
    result.buf = address
    result.itemsize = itemsize
    result.ndim = len(shape)
    result.readonly = readonly
    result.format = format
    result.shape, result.strides, result.suboffsets = list(shape), list(strides), suboffsets
    result.len = itemsize
    for extent in shape:
        result.len *= extent
    result.keep = keep
    return result


class Tables:
    """An array with any of its axes indirect, out of ctypes memory; elements count up in C order.

    padding: bytes in front of each block that a suboffset skips.
    reverse: axes that run backwards through memory, so that their pointers lead to the end.
    """

    def __init__(self, shape, indirect, *, padding=8, reverse=(), format="<i"):
        self.shape = tuple(shape)
        self.indirect = tuple(indirect)
        self.padding = padding
        self.reverse = frozenset(reverse)
        self.format = format
        self.memory = []  # every block, kept
        self.counter = itertools.count()
        self.strides = self._strides()
        self.suboffsets = [padding if axis in self.indirect else -1 for axis in range(len(shape))]
        self.address = self._block(0)

    def _end_of_level(self, axis):
        """The last axis of the level that `axis` is in."""
        for a in range(axis, len(self.shape)):
            if a in self.indirect:
                return a
        return len(self.shape) - 1

    def _strides(self):
        strides = [0] * len(self.shape)
        for axis in range(len(self.shape)):
            end = self._end_of_level(axis)
            stride = 8 if end in self.indirect else 4
            for inner in range(axis + 1, end + 1):
                stride *= self.shape[inner]
            strides[axis] = -stride if axis in self.reverse else stride
        return strides

    def _block(self, axis):
        """A block for the level that begins with `axis`; the address of its index 0."""
        ndim = len(self.shape)
        if axis == ndim:  # behind an indirect last axis: one element
            memory = (ctypes.c_int32 * (self.padding // 4 + 1))()
            memory[self.padding // 4] = next(self.counter)
            self.memory.append(memory)
            return ctypes.addressof(memory) + self.padding
        end = self._end_of_level(axis)
        extents = self.shape[axis:end + 1]
        count = 1
        for extent in extents:
            count *= extent
        pointers = end in self.indirect
        kind = ctypes.c_void_p if pointers else ctypes.c_int32
        size = ctypes.sizeof(kind)
        memory = (ctypes.c_char * (self.padding + count * size))()
        self.memory.append(memory)
        base = ctypes.addressof(memory) + self.padding
        start = base
        for a in range(axis, end + 1):
            if a in self.reverse:
                start += -self.strides[a] * (self.shape[a] - 1)
        for index in itertools.product(*map(range, extents)):
            at = start + sum(i * s for i, s in zip(index, self.strides[axis:end + 1]))
            # A pointer leads to where the suboffset begins.
            value = self._block(end + 1) - self.padding if pointers else next(self.counter)
            kind.from_address(at).value = value
        return start

    def exporter(self):
        suboffsets = self.suboffsets if self.indirect else None
        return exporter(self.address, self.shape, self.strides, suboffsets=suboffsets,
                        format=self.format, itemsize=4, keep=self)

    def nested(self):
        """What the elements are, as nested lists."""
        counter = itertools.count()

        def build(shape):
            return [build(shape[1:]) for _ in range(shape[0])] if shape else next(counter)

        return build(self.shape)
