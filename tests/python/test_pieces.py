"""gather_in_pieces(): what a[key] gives, by way of a device that the array need not fit on."""

import unittest

import multibuffer
import numpy
from support import DEVICE, Tables, require_device, upload


def setUpModule():
    require_device()


def gather(obj, *key, **options):
    return multibuffer.gather_in_pieces(obj, *key, device=DEVICE, **options)


class Pieces(unittest.TestCase):
    def setUp(self):
        self.whole = numpy.arange(40 * 30, dtype="i4").reshape(40, 30)
        self.rows = [row.copy() for row in self.whole]

    def test_every_key(self):
        mask = self.whole % 7 == 3
        for key in (..., slice(None, None, -3), 5, (slice(2, 9), slice(None, None, 2)),
                    [3, 1, 3], ([3, 1], [2, 0]), (slice(4), [1, -1]), numpy.array([[0], [39]]),
                    (None, slice(3), 2), mask, range(3), (..., [0, 29]),
                    ([1, 2], None, [3, 4])):
            with self.subTest(key=str(key)[:40]):
                expected = self.whole[tuple(key) if isinstance(key, tuple) else
                                      list(key) if isinstance(key, range) else key]
                for limit in (0, 4096):
                    result = gather(self.rows, key, memory_limit=limit)
                    self.assertEqual((result.device, result.shape), ("host", expected.shape))
                    self.assertEqual(result.tolist(), expected.tolist())
        self.assertEqual(gather(self.rows).tolist(), self.whole.tolist())

    def test_through_pointer_tables(self):
        tables = Tables((3, 4, 5), {0, 1})
        expected = numpy.array(tables.nested())
        result = gather(tables.exporter(), (slice(None, None, -1), [2, 0]))
        self.assertEqual(result.tolist(), expected[::-1, [2, 0]].tolist())

    def test_options(self):
        out = numpy.zeros((2, 30), "f8")
        self.assertIs(gather(self.rows, [3, 1], out=out, dtype="f8"), out)
        self.assertEqual(out.tolist(), self.whole[[3, 1]].tolist())
        there = upload(numpy.zeros((2, 30), "i4")).copy()
        self.assertIs(gather(self.rows, [3, 1], out=there), there)
        self.assertEqual(there.tolist(), self.whole[[3, 1]].tolist())
        self.assertEqual(gather(self.rows, order="F").strides, (4, 160))
        self.assertEqual(gather(self.rows, [40, -1], mode="clip").tolist(),
                         self.whole[[39, 0]].tolist())
        self.assertEqual(gather(self.rows, [41, -1], mode="wrap").tolist(),
                         self.whole[[1, 39]].tolist())
        self.assertEqual(gather(self.rows, 9, dtype="i1", saturate=True).tolist(), [127] * 30)
        with self.assertRaisesRegex(IndexError, "40"):
            gather(self.rows, [0, 40])
        with self.assertRaisesRegex(ValueError, r"out has shape \(3, 30\), the result \(2, 30\)"):
            gather(self.rows, [0, 1], out=numpy.zeros((3, 30), "i4"))
        with self.assertRaisesRegex(ValueError, "memory_limit"):
            gather(self.rows, memory_limit=-1)
        with self.assertRaisesRegex(TypeError, "field names"):
            gather(self.rows, "x")

    @unittest.skipIf(DEVICE == "host", "on the host nothing travels")
    def test_a_limit_that_one_element_exceeds(self):
        with self.assertRaises(MemoryError):
            gather(self.rows, memory_limit=1)


if __name__ == "__main__":
    unittest.main()
