"""No answer is wrong without a word: indices of every kind of bytes, outputs that overlap what is
read, and what Python and NumPy ask of an array."""

import collections
import itertools
import random
import unittest
import warnings

import multibuffer
from support import DEVICE, needs, optional_import, require_device, upload

numpy = optional_import("numpy")
HOST = unittest.skipUnless(DEVICE == "host", "host memory alone")


def setUpModule():
    require_device()


def bools(*bytes_):
    """Bools that stand for true by whatever byte."""
    return numpy.array(bytes_, "u1").view(bool)


@needs(numpy, "NumPy")
class BoolsAsIndices(unittest.TestCase):
    """A bool is 0 or 1 whatever its byte."""

    def setUp(self):
        self.source = numpy.arange(10, 13)
        self.arrays = [upload(self.source), upload([self.source, self.source + 10]),
                       multibuffer.reference(self.source)]

    def layouts(self):
        """Bools [False, True, True] in every layout, and what makes index arrays of other things."""
        dense = bools(0, 2, 255)
        yield dense
        yield bools(255, 2, 0)[::-1]
        yield bools(0, 9, 2, 9, 3)[::2]
        yield list(dense)
        yield [dense[:1], dense[1:2], dense[2:]]
        yield tuple(dense)
        yield upload(dense).copy()
        yield upload(bools(255, 2, 0))[::-1]
        yield memoryview(dense)

    def test_take_and_gather(self):
        expected = [10, 11, 11]
        for indices in self.layouts():
            for array in (self.arrays[0], self.arrays[2]):
                with self.subTest(indices=repr(indices), array=type(array).__name__):
                    taken = array.take(indices)
                    self.assertEqual(list(itertools.chain(*taken.tolist()))
                                     if len(taken.shape) > 1 else taken.tolist(), expected)
                    gathered = array.gather((indices,))
                    self.assertEqual(gathered.tobytes(), taken.tobytes())
                    for mode in ("clip", "wrap"):
                        self.assertEqual(array.take(indices, mode=mode).tobytes(), taken.tobytes())

    def test_plans(self):
        array = self.arrays[0]
        for indices in self.layouts():
            expected = array.take(indices).tobytes()
            self.assertEqual(array.plan_take(indices).run().tobytes(), expected)
            self.assertEqual(array.plan_gather((indices,)).run().tobytes(), expected)

    def test_masks_in_keys(self):
        for mask in self.layouts():
            if isinstance(mask, (list, tuple)) and getattr(mask[0], "shape", ()) != ():
                continue  # a mask of two axes
            for array in (self.arrays[0], self.arrays[2]):
                key = list(mask) if isinstance(mask, tuple) else mask
                self.assertEqual(array[key].tolist(), [11, 12])
        table = self.arrays[1]
        self.assertEqual(table[:, bools(0, 2, 255)].tolist(), [[11, 12], [21, 22]])
        self.assertEqual(table[bools(4, 0), bools(0, 2, 255)].tolist(), [11, 12])
        self.assertEqual(table[bools(4, 0, 8, 0, 0, 16).reshape(2, 3)].tolist(), [10, 12, 22])

    def test_random_layouts(self):
        generator = random.Random(1)
        for _ in range(200):
            bytes_ = [generator.choice([0, 0, 1, 2, 128, 255]) for _ in range(12)]
            view = bools(*bytes_).reshape(3, 4)[::generator.choice([1, -1]),
                                               ::generator.choice([1, 2, -1, -3])]
            if generator.random() < 0.5:
                view = view.T
            numbers = (view.view("u1") != 0).astype("i8")
            for array in (self.arrays[0], self.arrays[2]):
                self.assertEqual(array.take(view).tolist(), self.source.take(numbers).tolist())


@needs(numpy, "NumPy")
class UnsignedIndices(unittest.TestCase):
    """Numbers that 64 bits with a sign cannot hold are what they are."""

    LARGE = (2**64 - 1, 2**63, 2**63 + 1, 2**64 - 2)

    def forms(self, number):
        yield numpy.array([number], "u8")
        yield numpy.array([number], ">u8")
        yield numpy.array([0, number, 7], "u8")[1::2]
        yield [number]
        yield [numpy.uint64(number)]
        yield [numpy.array(number, "u8")]
        yield (number,)
        yield collections.deque([number])

    def test_wrap_and_clip(self):
        for extent, number in itertools.product((1, 3, 5, 7), self.LARGE):
            source = numpy.arange(extent)
            for array in (upload(source), multibuffer.reference(source)):
                for indices in self.forms(number):
                    with self.subTest(number=number, extent=extent, indices=repr(indices)):
                        self.assertEqual(array.take(indices, mode="wrap").tolist(), [number % extent])
                        self.assertEqual(array.take(indices, mode="clip").tolist(), [extent - 1])
                        self.assertEqual(array.gather((indices,), mode="wrap").tolist(),
                                         [number % extent])
                for scalar in (number, numpy.uint64(number), numpy.array(number, "u8")):
                    self.assertEqual(array.take(scalar, mode="wrap").tolist(), number % extent)
                    self.assertEqual(array.take(scalar, mode="clip").tolist(), extent - 1)

    def test_raise_names_the_number(self):
        source = numpy.arange(3)
        for array in (upload(source), multibuffer.reference(source)):
            for number in self.LARGE:
                for indices in self.forms(number):
                    for ask in (array.take, array.__getitem__, lambda key: array.gather((key,))):
                        if ask == array.__getitem__ and isinstance(indices, tuple):
                            continue
                        with self.assertRaisesRegex(IndexError, f"{number} at position .0"):
                            ask(indices)
                for scalar in (numpy.uint64(number), numpy.array(number, "u8"), number):
                    for ask in (array.take, array.__getitem__):
                        with self.assertRaisesRegex(IndexError, f"index {number} is out of bounds"):
                            ask(scalar)

    def test_mixed_with_others(self):
        array = upload(numpy.arange(5))
        mixed = numpy.array([[1, 2**64 - 1], [2**63, 4]], "u8")
        expected = [[1, (2**64 - 1) % 5], [2**63 % 5, 4]]
        self.assertEqual(array.take(mixed, mode="wrap").tolist(), expected)
        self.assertEqual(array.take([[-1, 2**64 - 1], [2**63, 4]], mode="wrap").tolist(),
                         [[4, expected[0][1]], expected[1]])
        self.assertEqual(array.plan_take(mixed, mode="wrap").run().tolist(), expected)
        with self.assertRaisesRegex(IndexError, r"position \(0, 1\)"):
            array.take(mixed)

    def test_in_range(self):
        array = upload(numpy.arange(5))
        for index in (numpy.uint64(3), numpy.array(3, "u8"), numpy.array([3], "u8")):
            self.assertEqual(array[index].tolist(), index.tolist())

    def test_beyond_64_bits(self):
        for number in (2**64, -2**63 - 1, 10**30):
            for array in (upload(numpy.arange(3)), multibuffer.reference(numpy.arange(3))):
                for ask in (lambda: array[number], lambda: array.take([number]),
                            lambda: array.take([number], mode="wrap"), lambda: array[[number]]):
                    with self.assertRaises(IndexError):
                        ask()


@needs(numpy, "NumPy")
class Outputs(unittest.TestCase):
    def test_an_uploaded_array_is_none(self):
        array = upload(numpy.arange(3))
        other = upload(numpy.zeros(3, int))
        reference = multibuffer.reference(numpy.arange(3))
        for call in (lambda: array.copy(out=other), lambda: array.take([0, 1, 2], out=other[::1]),
                     lambda: array.gather([[0, 1, 2]], out=other),
                     lambda: array.plan_copy(out=other), lambda: reference.copy(out=other)):
            with self.assertRaisesRegex(TypeError, "out is a DeviceArray"):
                call()
        self.assertEqual(other.tolist(), [0, 0, 0])


class Overlaps(unittest.TestCase):
    """Nothing is read after it has been written over."""

    @HOST
    def test_indices_inside_of_the_output_are_read_first(self):
        random_ = numpy.random.default_rng(15)
        for count, dtype in ((50, "i8"), (5000, "i8"), (5000, "i4"), (70000, "i8")):
            rows = random_.integers(0, 1000, (1000, 2)).astype(dtype)
            for array in (upload(rows), upload(list(rows)), multibuffer.reference(rows)):
                indices = random_.integers(0, 1000, count).astype(dtype)
                expected = rows[indices]
                for inside in (lambda out: out.reshape(-1)[:count], lambda out: out.reshape(-1)[count:]):
                    out = numpy.empty((count, 2), dtype)
                    own = inside(out)
                    own[:] = indices
                    array.take(own, out=out)
                    self.assertTrue((out == expected).all())
                    own[:] = indices
                    array.gather((own,), out=out)
                    self.assertTrue((out == expected).all())
                    if isinstance(array, multibuffer.DeviceArray):
                        own[:] = indices
                        array.plan_take(own, out=out).run()
                        self.assertTrue((out == expected).all())

    @HOST
    def test_an_array_in_place_is_not_written_over(self):
        def refused(array, out):
            for call in (lambda: array.copy(out=out), lambda: array.take(range(len(array)), out=out),
                         lambda: array.astype(out.dtype.str, out=out),
                         lambda: array.plan_copy(out=out),
                         lambda: array.plan_take(range(len(array)), out=out),
                         lambda: array.gather((range(len(array)),), out=out)):
                with self.assertRaisesRegex(ValueError, "the output overlaps the array"):
                    call()

        source = numpy.arange(12.0).reshape(4, 3)
        before = source.copy()
        in_place = multibuffer.upload(source, device="host", placement="in_place")
        refused(in_place, source)
        refused(in_place[::-1], source)
        refused(in_place[1:3], source[:2])
        refused(in_place[:, ::-1], source)
        rows = [numpy.arange(3.0) + i for i in range(50)]
        table = multibuffer.upload(rows[::-1], device="host", placement="in_place")
        refused(table[7:8], rows[42][None])
        refused(table[:, 1:2][7:8], rows[42][None, 1:2])
        refused(table[7:8, 2:], numpy.frombuffer(rows[42].data, "f8")[None, 2:])
        result = table.copy()
        refused(multibuffer.upload(result, device="host", placement="in_place"),
                numpy.asarray(result))
        block = numpy.zeros((2, 3, 4), "i4")
        refused(multibuffer.upload(list(block), device="host", placement="in_place"), block)
        self.assertTrue((source == before).all())

    @HOST
    def test_what_only_lies_between_is_written(self):
        for make in (lambda source: source, list):
            source = numpy.arange(40).reshape(5, 8)
            expected = source.copy()
            in_place = multibuffer.upload(make(source), device="host", placement="in_place")
            for read, written in ((numpy.s_[:, 0:2], numpy.s_[:, 3:5]),
                                  (numpy.s_[:, 0::2], numpy.s_[:, 1::2]),
                                  (numpy.s_[0:2], numpy.s_[2:4]),
                                  (numpy.s_[1:4, 2:4], numpy.s_[0:3, 5:7])):
                in_place[read].copy(out=source[written])
                expected[written] = expected[read]
                self.assertTrue((source == expected).all())
                again = numpy.empty_like(source[written])
                in_place[read].copy(out=again)
                self.assertTrue((again == expected[read]).all())

    @HOST
    def test_uploads_that_were_copied_may_be_written_back(self):
        source = numpy.arange(12).reshape(4, 3)
        array = upload(source)
        array[::-1].copy(out=source)
        self.assertEqual(source.tolist(), numpy.arange(12).reshape(4, 3)[::-1].tolist())

    @HOST
    def test_random_views_of_one_block(self):
        generator = random.Random(7)

        def view(block):
            key = []
            for extent in block.shape:
                step = generator.choice([1, 1, 2, 3])
                start = generator.randrange(extent)
                key.append(slice(start, start + step * generator.choice([1, 2]), step))
            return tuple(key)

        apart = together = 0
        for _ in range(3000):
            block = numpy.arange(60).reshape(3, 4, 5)
            in_place = multibuffer.upload(
                block if generator.random() < 0.5 else list(block), device="host",
                placement="in_place")
            read, written = view(block), view(block)
            if block[read].shape != block[written].shape:
                continue
            if numpy.shares_memory(block[read], block[written]):
                together += 1
                with self.assertRaises(ValueError):
                    in_place[read].copy(out=block[written])
            else:
                apart += 1
                expected = block[read].copy()
                in_place[read].copy(out=block[written])
                self.assertEqual(block[written].tolist(), expected.tolist())
        self.assertGreater(min(apart, together), 20)

    def test_outputs_whose_elements_overlap_or_go_backwards_are_refused_by_the_reference(self):
        memory = numpy.zeros(3, "i8")
        for out, why in ((numpy.lib.stride_tricks.as_strided(memory, (3,), (0,)), "overlap"),
                         (numpy.lib.stride_tricks.as_strided(memory, (3,), (4,)), "overlap"),
                         (memory[::-1], "stride -8 of axis 0 is negative")):
            with self.assertRaisesRegex(ValueError, why):
                multibuffer.reference(numpy.arange(3)).copy(out=out)
        self.assertEqual(memory.tolist(), [0, 0, 0])


@needs(numpy, "NumPy")
class AsASequence(unittest.TestCase):
    def test_in(self):
        source = numpy.arange(6).reshape(2, 3)
        reverted = upload(source)[:, ::-1]
        for array in (upload(source), upload(list(source)), multibuffer.reference(source),
                      upload(source).copy(), reverted):
            self.assertIn(3, array)
            self.assertIn(3.0, array)
            self.assertIn(numpy.int8(5), array)
            self.assertNotIn(6, array)
            self.assertNotIn(None, array)
            self.assertNotIn("3", array)
            # As NumPy has it: some element equals what stands in its place.
            for item in ([0, 9, 9], [9, 9, 9], (0, 1, 2), numpy.array([9, 1, 9]), [[0], [9]],
                         numpy.array(3)):
                self.assertEqual(item in array, item in source[:, ::-1]
                                 if array is reverted else item in source)
        self.assertIn("ab", upload(numpy.array(["ab", "c"])))
        self.assertIn((1, 2.5), upload(numpy.array([(1, 2.5)], "i4,f8")))
        self.assertNotIn(1, upload(numpy.zeros(0)))
        self.assertIn(7, upload(numpy.float32(7)))
        self.assertNotIn(float("nan"), upload(numpy.array([float("nan")])))

    def test_iteration(self):
        for scalar in (numpy.float32(7), numpy.array(7)):
            for array in (upload(scalar), multibuffer.reference(scalar)):
                with self.assertRaisesRegex(TypeError, "without axes"):
                    list(array)
                with self.assertRaises(TypeError):
                    iter(array)
        source = numpy.arange(6).reshape(2, 3)
        for array in (upload(source), multibuffer.reference(source)):
            self.assertEqual([part.tolist() for part in array], source.tolist())
        self.assertEqual(list(upload(numpy.zeros((0, 3)))), [])


@needs(numpy, "NumPy")
class NumpyProtocols(unittest.TestCase):
    def test_single_dates_are_elements_and_no_indices(self):
        for date in (numpy.datetime64(3, "s"), numpy.timedelta64(3, "D")):
            for obj in (date, [date, date], [[date], [date]], (date,)):
                for call in (upload, multibuffer.reference):
                    made = call(obj)
                    self.assertEqual(made.dtype, str(date.dtype))
                    self.assertEqual(made.tolist(), numpy.array(obj).tolist())
                self.assertEqual(multibuffer.stack([obj]).copy().to_host().dtype, str(date.dtype))
            for array in (upload(numpy.arange(5)), multibuffer.reference(numpy.arange(5))):
                for ask in (array.take, array.__getitem__):
                    for key in (date, [date], numpy.array([date])):
                        with self.assertRaises((BufferError, TypeError, IndexError)):
                            ask(key)

    @HOST
    def test_array_copies_as_numpy_2_says(self):
        source = numpy.arange(3)
        buffer = upload(source).copy()
        shared = buffer.__array__()
        self.assertTrue(numpy.shares_memory(shared, buffer.__array__(copy=False)))
        self.assertTrue(numpy.shares_memory(shared, buffer.__array__("i8", copy=False)))
        self.assertTrue(numpy.shares_memory(shared, buffer.__array__(numpy.int64)))
        for dtype in ("f4", numpy.float32, ">i8", numpy.dtype("i4")):
            with self.assertRaisesRegex(ValueError, "only by a copy"):
                buffer.__array__(dtype, copy=False)
            for copy in (None, True):
                made = buffer.__array__(dtype, copy=copy)
                self.assertEqual(made.dtype, numpy.dtype(dtype))
                self.assertEqual(made.tolist(), [0, 1, 2])
                self.assertFalse(numpy.shares_memory(shared, made))
        self.assertFalse(numpy.shares_memory(shared, buffer.__array__(copy=True)))
        array = upload(source)
        self.assertTrue(numpy.shares_memory(numpy.asarray(array), array.__array__(copy=False)))
        with self.assertRaises(ValueError):
            multibuffer.reference(source).__array__(copy=False)

    def test_code_units_that_are_no_characters_are_named(self):
        units = numpy.array([[0x61, 0x10ffff], [0x110000, 0x62]], "u4")
        for dtype, where in (("U1", r"\(1, 0\)"), ("U2", r"\(1, 0\)")):
            source = units.view(dtype)
            for array in (upload(source), multibuffer.reference(source), upload(source).copy()):
                with self.assertRaisesRegex(ValueError, f"element {where} has the code unit 0x110000"):
                    array.tolist()
                self.assertEqual(array.tobytes(), units.tobytes())
        swapped = numpy.array([0xffffffff], ">u4").view(">U1")
        with self.assertRaisesRegex(ValueError, r"element \(0,?\) .* 0xffffffff"):
            upload(swapped).tolist()
        fields = numpy.zeros(3, [("a", "i4"), ("t", "U2")])
        fields.view("u4").reshape(3, 3)[2, 2] = 0x7fffffff
        with self.assertRaisesRegex(ValueError, r"element \(2,?\)"):
            upload(fields).tolist()
        self.assertEqual(upload(units[:1].view("U2")).tolist(), [["a\U0010ffff"]])

    def test_complex_numbers_become_complex_alone(self):
        for array in (upload(numpy.array([1j])), multibuffer.reference(numpy.array([1j]))):
            for dtype in (bool, "float64", "int32"):
                with self.assertRaisesRegex(TypeError, "complex numbers become complex alone"):
                    array.astype(dtype)
            self.assertEqual(array.astype("complex64").tolist(), [1j])

    def test_axes_are_integers(self):
        source = numpy.arange(6).reshape(2, 3)
        for array in (upload(source), multibuffer.reference(source)):
            for axis in (numpy.array([[[1]]]), 1.0, "1", None, numpy.array([1]), [1]):
                with self.subTest(axis=axis, array=type(array).__name__):
                    with self.assertRaises(TypeError):
                        array.take([0], axis=axis)
            for axis in (1, -1, numpy.int8(1), numpy.array(1), True):
                self.assertEqual(array.take([0], axis=axis).tolist(), [[0], [3]])
            with self.assertRaises(ValueError):
                array.take([0], axis=2)


@needs(numpy, "NumPy")
class EmptyIndices(unittest.TestCase):
    def both(self, shape):
        source = numpy.arange(numpy.prod(shape, dtype=int)).reshape(shape)
        arrays = [upload(source), multibuffer.reference(source)]
        if len(shape) > 1 and shape[0] > 0:
            arrays.append(upload([part.copy() for part in source[::-1]])[::-1])
        return source, arrays

    def check(self, source, arrays, key):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = source[key]
            except IndexError:
                expected = None
        for array in arrays:
            with self.subTest(shape=source.shape, key=key, array=type(array).__name__):
                if expected is None:
                    with self.assertRaises(IndexError):
                        array[key]
                else:
                    result = array[key]
                    self.assertEqual(result.shape, expected.shape)
                    self.assertEqual(result.tobytes(), expected.tobytes())

    def test_masks_of_no_elements(self):
        for shape in ((2, 3, 4), (2, 3), (3,), (0, 3), (0,), (2, 0)):
            source, arrays = self.both(shape)
            for ndim in range(1, len(shape) + 1):
                for extents in itertools.product((0, 2, 3, 5), repeat=ndim):
                    if 0 in extents:
                        mask = numpy.zeros(extents, bool)
                        self.check(source, arrays, mask)
                        self.check(source, arrays, (mask, ...))
                        self.check(source, arrays, (..., mask))

    def test_indices_that_broadcast_to_none(self):
        source, arrays = self.both((2, 2, 2))
        empty = numpy.zeros(0, int)
        for key in (([[3], [2]], []), ([[3], [2]], empty, 1), ([[0], [1]], [], slice(None, None, -1)),
                    (numpy.array([[99]]), slice(None), empty), (empty, [[2**40]]),
                    (empty, numpy.array([[2**64 - 1]], "u8")), ([], [], []), ([], 1),
                    (numpy.zeros((0, 1), int), [5, 6, 7])):
            self.check(source, arrays, key)
        for key in (([3], []), ([3, 4], empty), ([[3], [2]], 1)):
            self.check(source, arrays, key)
        for array in arrays:
            self.assertEqual(array.gather(([[3], [2]], [])).shape, (2, 0, 2))
            if isinstance(array, multibuffer.DeviceArray):
                self.assertEqual(array.plan_gather(([[3], [2]], [])).run().shape, (2, 0, 2))
        source, arrays = self.both((2, 0))
        for array in arrays:
            for ask in (array.take, array.__getitem__):
                with self.assertRaises(IndexError):
                    ask([5])


@needs(numpy, "NumPy")
class SequencesAsIndices(unittest.TestCase):
    def test_as_numpy_takes_them(self):
        class Own(collections.abc.Sequence):
            def __init__(self, *items):
                self.items = items

            def __len__(self):
                return len(self.items)

            def __getitem__(self, i):
                return self.items[i]

        class Labelled(Own):
            """As a series of pandas, whose items are found by their labels."""

            def __array__(self, dtype=None, copy=None):
                return numpy.array(self.items, dtype)

            def __iter__(self):
                raise AssertionError("labels")

        source = numpy.arange(12).reshape(4, 3)
        arrays = [upload(source), upload([row.copy() for row in source]),
                  multibuffer.reference(source)]
        for key in (range(3), range(3, 0, -2), range(0), range(-1, -5, -1),
                    collections.deque([1, 3]), collections.deque(), Own(1, 2), Own(True, False, True, True),
                    Own(range(2), range(2, 4)), Labelled(2, 0), collections.deque([[0, 1], [2, 3]]),
                    collections.UserList([3, 0])):
            for array in arrays:
                with self.subTest(key=key, array=type(array).__name__):
                    self.assertEqual(array[key].tolist(), source[key].tolist())
                    self.assertEqual(array[key, 1].tolist(), source[key, 1].tolist())
                    self.assertEqual(array[:, range(2)].tolist(), source[:, range(2)].tolist())
                    self.assertEqual(array.take(key).tolist(), source.take(key, axis=0).tolist())
        for key in (range(5), range(10**6, 10**6 + 3), range(-5, 0), collections.deque([4]),
                    b"12", {1: 2}, {1, 2}, collections.deque([1.5]), Own("a"), range(2**70, 2**70 + 2)):
            for array in arrays:
                with self.subTest(key=key), self.assertRaises((IndexError, OverflowError)):
                    array[key]


if __name__ == "__main__":
    unittest.main()
