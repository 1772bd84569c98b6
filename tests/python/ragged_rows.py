"""What the tests of rows of unequal length share."""

import array
import unittest

import multibuffer
from support import DEVICE

ON_HOST = DEVICE == "host"
ROWS = [[1, 2], [], [3, 4, 5], [6]]


def ragged(rows, **options):
    return multibuffer.ragged(rows, device=DEVICE, **options)


def ints(*rows):
    return [array.array("i", row) for row in rows]


def lists_of(packed):
    """A Packed as lists of its rows."""
    values, offsets = packed
    flat, ends = values.tolist(), offsets.tolist()
    return [flat[begin:end] for begin, end in zip(ends, ends[1:])]


class Case(unittest.TestCase):
    def refused(self, error, words, call, *arguments, **options):
        with self.assertRaisesRegex(error, words):
            call(*arguments, **options)
