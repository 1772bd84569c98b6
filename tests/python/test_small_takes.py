"""Takes and copies of a few rows on the host, which go a way of their own: the same as all others."""

import gc
import os
import random
import unittest

import multibuffer
from support import needs, optional_import

numpy = optional_import("numpy")


def quietly(done, total):
    """With a progress function, a take goes the way of all others."""


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_sanitized():
    """A sanitizer keeps memory that was freed."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        return any("libasan" in line or "libclang_rt" in line for line in file)


@needs(numpy, "NumPy")
class ManyCalls(unittest.TestCase):
    @unittest.skipIf(is_sanitized(), "a sanitizer keeps memory that was freed")
    def test_memory_is_flat(self):
        held = numpy.arange(8000, dtype="u1").reshape(1000, 8)
        array = multibuffer.upload(held, device="host")
        index, out, floats = numpy.array([3, 7]), numpy.empty((2, 8), "u1"), numpy.empty((2, 8), "f4")
        wrong = 0

        def calls(rounds):
            nonlocal wrong
            for i in range(rounds):
                index[0] = i % 1000
                array.take(index, out=out)
                wrong += out[0, 0] != held[i % 1000, 0]
                array.take(index, out=out)
                array.take(index)
                array[index]
                array.take(index, out=out)
                array.take(index, out=out)
                array.take(index, out=floats, dtype="f4")
                array.take(index, out=out)
                array.take(index, out=out)
                array.take(index, out=out)

        calls(1000)
        gc.collect()
        before = resident_bytes()
        calls(int(os.environ.get("MULTIBUFFER_TEST_CALLS", 100_000)) // 10)
        self.assertEqual(wrong, 0)
        self.assertLess(resident_bytes() - before, 1 << 20)


@needs(numpy, "NumPy")
class SmallTakes(unittest.TestCase):
    def sources(self, rng, item, rows):
        """Arrays of rows of `item` bytes, and what they hold."""
        whole = numpy.frombuffer(rng.randbytes(2 * rows * item), "u1").reshape(2 * rows, item)
        order = rng.sample(range(2 * rows), rows)
        table = multibuffer.stack([whole[i] for i in order])
        for placement in ("packed", "in_place"):
            upload = lambda obj: multibuffer.upload(obj, device="host", placement=placement)
            yield upload(whole), whole
            yield upload(whole)[1::2], whole[1::2]
            yield upload(whole)[::-1], whole[::-1]
            yield upload(whole)[:, : item // 2 + 1], whole[:, : item // 2 + 1]
            yield upload(table), whole[order]
            yield upload(table)[::-1], whole[order][::-1]

    def test_they_are_those_of_numpy(self):
        rng = random.Random(1)
        lengths = (*range(1, 10), 15, 16, 17, 24, 32, 40, 63, 64, 65, 128, 200, 256, 300, 2047, 2048, 5000)
        for item in lengths:
            for array, held in self.sources(rng, item, rng.choice([1, 5, 30])):
                for kind in ("i4", "i8"):
                    count = rng.choice([1, 2, 3, 50])
                    index = numpy.array([rng.randrange(-len(held), len(held)) for _ in range(count)], kind)
                    expected = held[index]
                    self.assertEqual(array.take(index).tobytes(), expected.tobytes())
                    self.assertEqual(array[index].tobytes(), expected.tobytes())
                    out = numpy.zeros(expected.shape, "u1")
                    self.assertIs(array.take(index, out=out), out)
                    self.assertEqual(out.tobytes(), expected.tobytes())
                    for mode in ("clip", "wrap"):
                        far = (index.astype("i8") * 3).astype(kind)
                        expected = numpy.take(held, far, axis=0, mode=mode)
                        self.assertEqual(array.take(far, mode=mode).tobytes(), expected.tobytes())
                self.assertEqual(array.copy().tobytes(), held.tobytes())
                out = numpy.zeros(held.shape, "u1")
                self.assertIs(array.copy(out=out), out)
                self.assertEqual(out.tobytes(), held.tobytes())

    def test_results_are_those_of_the_other_way(self):
        held = numpy.arange(60, dtype=">i4").reshape(5, 4, 3)
        array = multibuffer.upload(held, device="host")
        for index in (numpy.array([[0, 4], [-1, 2]]), numpy.array([3])):
            quick, other = array.take(index), array.take(index, progress=quietly)
            for name in ("shape", "strides", "dtype", "device", "readonly", "format"):
                self.assertEqual(getattr(quick, name, None), getattr(other, name, None), name)
            self.assertEqual(quick.tobytes(), held[index].tobytes())
            self.assertEqual(numpy.asarray(quick).tolist(), held[index].tolist())
        for array, expected in ((array, held), (array[::-2], held[::-2]), (array[:, 1], held[:, 1])):
            quick, other = array.copy(), array.copy(progress=quietly)
            for name in ("shape", "strides", "dtype", "device", "readonly", "format"):
                self.assertEqual(getattr(quick, name, None), getattr(other, name, None), name)
            self.assertEqual(numpy.asarray(quick).tolist(), expected.tolist())
            self.assertEqual(numpy.asarray(array.copy("F")).tolist(), expected.tolist())
            self.assertEqual(numpy.asarray(array.copy(dtype="f8")).tolist(), expected.tolist())

    def test_numbers_become_those_of_numpy(self):
        rng = random.Random(2)
        kinds = ("bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">f4", ">i2")
        for source in kinds:
            for target in kinds:
                length = rng.choice([1, 3, 8, 17, 300])
                held = numpy.array([[rng.randrange(2 if source == "bool" else 100) for _ in range(length)]
                                    for _ in range(6)]).astype(source)
                index = numpy.array([rng.randrange(-6, 6) for _ in range(rng.choice([1, 4, 70]))])
                expected = held[index].astype(target)
                for placement in ("packed", "in_place"):
                    array = multibuffer.upload(held, device="host", placement=placement)
                    for dtype in (target, numpy.dtype(target)):
                        taken = array.take(index, dtype=dtype)
                        self.assertEqual(taken.tobytes(), expected.tobytes(), (source, target))
                        other = array.take(index, dtype=dtype, progress=quietly)
                        for name in ("shape", "strides", "dtype", "device", "readonly", "format"):
                            self.assertEqual(getattr(taken, name, None), getattr(other, name, None), name)
                        out = numpy.zeros(expected.shape, target)
                        self.assertIs(array.take(index, out=out, dtype=dtype), out)
                        self.assertEqual(out.tobytes(), expected.tobytes(), (source, target))
                    whole = held.astype(target)
                    self.assertEqual(array.astype(target).tobytes(), whole.tobytes())
                    out = numpy.zeros(whole.shape, target)
                    array[::-1].copy(dtype=target, out=out)
                    self.assertEqual(out.tobytes(), whole[::-1].tobytes())

    def test_what_does_not_fit_saturates_or_wraps(self):
        held = numpy.array([[-1, 300], [70, -200]], "i4")
        array = multibuffer.upload(held, device="host")
        index = numpy.array([1, 0])
        self.assertEqual(array.take(index, dtype="u1").tolist(), held[index].astype("u1").tolist())
        self.assertEqual(array.take(index, dtype="u1", saturate=True).tolist(), [[70, 0], [0, 255]])
        self.assertEqual(array.copy(dtype="i1", saturate=True).tolist(), [[-1, 127], [70, -128]])

    def test_what_is_wrong_with_a_dtype_is_said(self):
        array = multibuffer.upload(numpy.zeros((4, 3), "c8"), device="host")
        index = numpy.array([1, 2])
        for call in (lambda dtype: array.take(index, dtype=dtype), lambda dtype: array.copy(dtype=dtype)):
            with self.assertRaisesRegex(TypeError, "'nonsense'"):
                call("nonsense")
            with self.assertRaisesRegex(TypeError, "imaginary"):
                call("f4")
        bytes_alone = multibuffer.upload(numpy.zeros((4, 3), "u1"), device="host")
        with self.assertRaisesRegex(ValueError, "out"):
            bytes_alone.take(index, dtype="f4", out=numpy.zeros((2, 3), "u1"))
        row = numpy.lib.stride_tricks.as_strided(numpy.zeros(8, "u1"), (1, 2**60), (2**60, 1))
        large = multibuffer.upload(row, device="host", placement="in_place")
        for call in (lambda: large.take(numpy.array([0]), dtype="c16"), lambda: large.copy(dtype="c16")):
            with self.assertRaisesRegex(ValueError, "too large"):
                call()
        with self.assertRaisesRegex(IndexError, "index 9"):
            bytes_alone.take(numpy.array([9]), dtype="f4")
        with self.assertRaisesRegex(ValueError, "overlaps"):
            in_place = multibuffer.upload(held := numpy.zeros((4, 4), "f4"), device="host", placement="in_place")
            in_place.take(index, dtype="i4", out=held[:2].view("i4"))

    def test_a_dtype_that_changes_the_indices_is_read_before_them(self):
        held = numpy.arange(12, dtype="u1").reshape(4, 3)
        array = multibuffer.upload(held, device="host")
        index = numpy.zeros(20_000, "i8")

        class Shrinking:
            @property
            def name(self):
                index.resize(2, refcheck=False)
                return "float32"

        self.assertEqual(array.take(index, dtype=Shrinking()).tolist(), held[[0, 0]].astype("f4").tolist())

    def test_indices_that_are_none_are_said_before_the_dtype_is_asked(self):
        class Failing:
            @property
            def name(self):
                raise RuntimeError("asked")

        array = multibuffer.upload(numpy.zeros((4, 3), "u1"), device="host")
        for progress in (None, quietly):
            with self.assertRaisesRegex(IndexError, "integer"):
                array.take(numpy.array([1.5]), dtype=Failing(), progress=progress)
            with self.assertRaisesRegex(RuntimeError, "asked"):
                array.take(numpy.array([1]), dtype=Failing(), progress=progress)

    def test_an_index_out_of_range_leaves_out_as_it_was(self):
        array = multibuffer.upload(numpy.arange(12).reshape(4, 3), device="host")
        for bad in (4, -5, 2**40, -(2**63)):
            out = numpy.full((3, 3), 7)
            index = numpy.array([0, 1, bad])
            with self.assertRaisesRegex(IndexError, f"index {bad}"):
                array.take(index, out=out)
            self.assertTrue((out == 7).all())
            with self.assertRaises(IndexError):
                array[index]

    def test_out_may_not_be_what_is_read(self):
        held = numpy.arange(12).reshape(4, 3)
        array = multibuffer.upload(held, device="host", placement="in_place")
        with self.assertRaisesRegex(ValueError, "overlaps"):
            array.take(numpy.array([1, 0]), out=held[2:])
        with self.assertRaisesRegex(ValueError, "overlaps"):
            array.copy(out=held)
        self.assertEqual(held.ravel().tolist(), list(range(12)))
        # Indices inside of it are all read first.
        memory = numpy.array([3, 2, 1, 0, 0, 0])
        packed = multibuffer.upload(held, device="host", placement="packed")
        expected = held[memory[:2]]
        packed.take(memory[:2], out=memory.reshape(2, 3))
        self.assertEqual(memory.tolist(), expected.ravel().tolist())

    def test_what_is_asked_of_out_is_asked(self):
        array = multibuffer.upload(numpy.arange(12, dtype="f4").reshape(4, 3), device="host")
        index = numpy.array([1, 2])
        readonly = numpy.zeros((2, 3), "f4")
        readonly.flags.writeable = False
        with self.assertRaisesRegex(ValueError, "read-only"):
            array.take(index, out=readonly)
        with self.assertRaisesRegex(ValueError, "read-only"):
            array[1:3].copy(out=readonly)
        for out in (numpy.zeros((2, 2), "f4"), numpy.zeros((2, 3), "i4"), numpy.zeros((1, 2, 3), "f4")):
            with self.assertRaises(ValueError):
                array.take(index, out=out)
            with self.assertRaises(ValueError):
                array[1:3].copy(out=out)
        strided = numpy.zeros((2, 6), "f4")[:, ::2]
        array[:2].copy(out=strided)
        self.assertEqual(strided.tolist(), [[0, 1, 2], [3, 4, 5]])
        array.take(index, out=strided)
        self.assertEqual(strided.tolist(), [[3, 4, 5], [6, 7, 8]])

    def test_keys_without_axes_are_views(self):
        array = multibuffer.upload(numpy.arange(12).reshape(4, 3), device="host")
        self.assertIsInstance(array[numpy.array(1)], multibuffer.DeviceArray)
        self.assertEqual(array.take(numpy.array(1)).tolist(), [3, 4, 5])

    def test_arrays_and_indices_of_no_elements(self):
        for shape in ((0, 3), (4, 0), (4, 3)):
            array = multibuffer.upload(numpy.zeros(shape), device="host")
            none = numpy.zeros(0, "i8")
            self.assertEqual(array.take(none).shape, (0, shape[1]))
            self.assertEqual(array.copy().shape, shape)
        with self.assertRaises(IndexError):
            multibuffer.upload(numpy.zeros((0, 3)), device="host").take(numpy.array([0]))


@needs(numpy, "NumPy")
class CopiesOfStacks(unittest.TestCase):
    def test_they_are_those_of_numpy(self):
        rng = random.Random(2)
        for _ in range(60):
            shape = tuple(rng.randrange(1, 6) for _ in range(rng.randrange(0, 3)))
            whole = numpy.frombuffer(rng.randbytes(8000), "i2")
            size = int(numpy.prod(shape))
            starts = [rng.randrange(3000) for _ in range(rng.randrange(1, 40))]
            parts = [whole[i : i + size].reshape(shape) for i in starts]
            if shape and rng.random() < 0.3:
                parts = [part[::-1] for part in parts]
            expected = numpy.stack(parts)
            stack = multibuffer.stack(parts)
            self.assertEqual(stack.copy().tobytes(), expected.tobytes())
            self.assertEqual(stack.copy().shape, expected.shape)
            out = numpy.zeros_like(expected)
            self.assertIs(stack.copy(out), out)
            self.assertEqual(out.tobytes(), expected.tobytes())

    def test_images_are_copied_by_several_threads(self):
        parts = [numpy.random.default_rng(i).integers(0, 255, (300, 500), "u1") for i in range(40)]
        told = []
        copy = multibuffer.stack(parts).copy(progress=lambda done, total: told.append((done, total)))
        self.assertEqual(copy.tobytes(), numpy.stack(parts).tobytes())
        self.assertEqual(told[-1], (6_000_000, 6_000_000))

    def test_nested_lists_and_tables_of_others(self):
        rows = [[numpy.arange(i, i + 3) for i in (j, 10 * j)] for j in range(4)]
        nested = multibuffer.stack([multibuffer.stack(pair) for pair in rows])
        self.assertEqual(nested.copy().tolist(), numpy.array(rows).tolist())
        held = numpy.arange(12, dtype="i4").reshape(3, 4)
        addresses = held.ctypes.data + numpy.array([16, 0, 32], "u8")
        table = multibuffer.from_pointers(addresses, (4,), "i", device="host", owner=held)
        self.assertEqual(table.copy().tolist(), held[[1, 0, 2]].tolist())
        addresses[1] = 0
        with_null = multibuffer.from_pointers(addresses, (4,), "i", device="host", owner=held)
        with self.assertRaisesRegex(BufferError, r"NULL"):
            with_null.copy()

    def test_out_may_not_be_the_table(self):
        parts = numpy.arange(64).reshape(8, 8)
        memory = numpy.zeros(72, "u8")
        memory[:8] = parts.ctypes.data + 64 * numpy.arange(8)
        stack = multibuffer.from_pointers(memory[:8], (8,), "q", device="host", owner=parts)
        with self.assertRaisesRegex(ValueError, "pointer table"):
            stack.copy(out=memory[:64].view("i8").reshape(8, 8))
        stack.copy(out=memory[8:].view("i8").reshape(8, 8))
        self.assertEqual(memory[8:].tolist(), parts.ravel().tolist())

    def test_out_may_not_be_a_part(self):
        parts = list(numpy.arange(12).reshape(3, 4))
        with self.assertRaisesRegex(ValueError, "overlaps"):
            multibuffer.stack(parts).copy(out=parts[0].base.reshape(3, 4))
        with self.assertRaises(ValueError):
            multibuffer.stack(parts).copy(out=numpy.zeros((3, 5), "i8"))


if __name__ == "__main__":
    unittest.main()
