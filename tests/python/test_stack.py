"""stack(), reference() and verify()."""

import array
import gc
import unittest
import zlib

import multibuffer
from support import Tables, optional_import

numpy = optional_import("numpy")


class Stack(unittest.TestCase):
    def test_it_exports_pointers(self):
        rows = [bytearray(b"abcd"), bytearray(b"efgh"), bytearray(b"ijkl")]
        stack = multibuffer.stack(rows)
        view = memoryview(stack)
        self.assertEqual((view.shape, view.strides, view.suboffsets), ((3, 4), (8, 1), (0, -1)))
        self.assertEqual((view.format, view.readonly), ("B", False))
        self.assertEqual(view.tolist(), [list(row) for row in rows])
        self.assertEqual(multibuffer.upload(stack).tobytes(), b"abcdefghijkl")
        self.assertEqual(multibuffer.reference(stack)[::-1, 1].tolist(), [106, 102, 98])
        self.assertEqual((stack.shape, stack.dtype, stack.nbytes, len(stack)),
                         ((3, 4), "uint8", 12, 3))
        self.assertEqual(repr(stack), "Stack(shape=(3, 4), dtype='uint8', device='host')")

    def test_nothing_is_copied(self):
        rows = [bytearray(b"abcd"), bytearray(b"efgh")]
        view = memoryview(multibuffer.stack(rows))
        rows[1][0] = 0
        self.assertEqual(view[1, 0], 0)
        view[0, 3] = 255
        self.assertEqual(rows[0], b"abc\xff")

    def test_it_holds_its_parts(self):
        rows = [bytearray(b"abcd"), bytearray(b"efgh")]
        stack = multibuffer.stack(rows)
        view = memoryview(stack)
        del stack
        with self.assertRaises(BufferError):
            rows[0].clear()
        view.release()
        gc.collect()
        rows[0].clear()

    def test_it_is_writable_where_all_parts_are(self):
        self.assertTrue(multibuffer.stack([bytearray(2), bytes(2)]).readonly)
        self.assertTrue(memoryview(multibuffer.stack([bytearray(2), bytes(2)])).readonly)
        self.assertFalse(multibuffer.stack([bytearray(2), bytearray(2)]).readonly)

    def test_who_cannot_follow_pointers_is_refused(self):
        stack = multibuffer.stack([b"ab", b"cd"])
        with self.assertRaisesRegex(BufferError, "PyBUF_INDIRECT"):
            zlib.crc32(stack)
        if numpy:
            with self.assertRaises((BufferError, ValueError)):
                numpy.frombuffer(stack)

    def test_parts_that_differ_are_named(self):
        with self.assertRaisesRegex(BufferError, "part 1 differs from part 0 in the extent of axis 0"):
            multibuffer.stack([b"abc", b"ab"])
        with self.assertRaisesRegex(BufferError, "part 2 differs from part 0 in the stride of axis 0"):
            multibuffer.stack([b"abc", b"abc", memoryview(b"abcdef")[::2]])
        with self.assertRaisesRegex(BufferError, "part 1 differs from part 0 in format"):
            multibuffer.stack([array.array("i", [1]), array.array("f", [1])])
        for nothing in ([], ()):
            with self.assertRaises(ValueError):
                multibuffer.stack(nothing)
        with self.assertRaises(TypeError):
            multibuffer.stack(1)

    def test_stacks_of_stacks_and_of_tables(self):
        planes = [multibuffer.stack([bytes([10 * i + j, 7]) for j in range(3)]) for i in range(2)]
        cube = multibuffer.stack(planes)
        self.assertEqual(memoryview(cube).suboffsets, (0, 0, -1))
        self.assertEqual(multibuffer.upload(cube)[1, :, 0].tolist(), [10, 11, 12])
        self.assertEqual(multibuffer.upload(cube).tobytes(), memoryview(cube).tobytes())
        tables = [Tables((2, 3), {0, 1}) for _ in range(2)]
        deep = multibuffer.stack([table.exporter() for table in tables])
        self.assertEqual(memoryview(deep).suboffsets, (0, 8, 8))
        self.assertEqual(multibuffer.upload(deep).tolist(), [table.nested() for table in tables])

    def test_of_elements_without_axes(self):
        import ctypes

        stack = multibuffer.stack([ctypes.c_int(5), ctypes.c_int(6)])
        self.assertEqual(memoryview(stack).suboffsets, (0,))
        self.assertEqual(multibuffer.upload(stack).tolist(), [5, 6])


class Reference(unittest.TestCase):
    def test_it_reads_when_asked(self):
        memory = bytearray(b"abcd")
        reference = multibuffer.reference(memory)[::-1]
        memory[0] = ord("z")
        self.assertEqual(reference.tobytes(), b"dcbz")
        self.assertEqual((reference.shape, reference.format), ((4,), "B"))
        self.assertEqual(repr(reference), "Reference(shape=(4,), dtype='uint8')")
        with self.assertRaises(BufferError):
            memory.clear()
        del reference
        memory.clear()


class Verify(unittest.TestCase):
    def test_equal_and_different(self):
        rows = [array.array("i", [1, 2, 3]), array.array("i", [4, 5, 6])]
        uploaded = multibuffer.upload(rows)
        for expected in (rows, uploaded, uploaded.copy(), multibuffer.stack(rows),
                         multibuffer.reference(rows)):
            comparison = multibuffer.verify(uploaded, expected)
            self.assertTrue(comparison and comparison.equal)
            self.assertEqual((comparison.elements, comparison.mismatches), (6, 0))
            self.assertIsNone(comparison.first)
        rows[1][2] = 7
        comparison = multibuffer.verify(uploaded.copy(), rows)
        self.assertFalse(comparison)
        self.assertEqual((comparison.first, comparison.actual, comparison.expected),
                         ((1, 2), "6", "7"))
        self.assertIn("1 of 6 elements differs; the first at (1, 2): 6, expected 7",
                      repr(comparison))

    def test_tolerances(self):
        a, b = array.array("d", [1.0, float("nan")]), array.array("d", [1.0 + 1e-9, float("nan")])
        self.assertFalse(multibuffer.verify(a, b))
        self.assertTrue(multibuffer.verify(a, b, atol=1e-8))
        self.assertTrue(multibuffer.verify(a, b, rtol=1e-8))
        self.assertFalse(multibuffer.verify(a, b, ulp=1))
        self.assertTrue(multibuffer.verify(a, array.array("d", [1.0 + 2**-52, a[1]]), ulp=1))
        with self.assertRaises(TypeError):
            multibuffer.verify(a, b, 1e-8)

    def test_arrays_that_cannot_be_compared(self):
        with self.assertRaisesRegex(ValueError, r"shapes \(2,\) and \(3,\) differ"):
            multibuffer.verify(b"ab", b"abc")
        with self.assertRaisesRegex(ValueError, "formats"):
            multibuffer.verify(array.array("i", [1]), array.array("f", [1]))


if __name__ == "__main__":
    unittest.main()
