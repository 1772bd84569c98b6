"""a[key], take, gather, reshape and transpose mean what they mean in NumPy."""

import array
import gc
import itertools
import random
import unittest
import weakref

import multibuffer
from support import DEVICE, Tables, needs, optional_import, require_device, upload

numpy = optional_import("numpy")


def setUpModule():
    require_device()


def stacked(source):
    """A NumPy array as an array of pointers: a table over the first axis, where it has one."""
    return upload([numpy.ascontiguousarray(part) for part in source] if source.ndim > 1
                  else source)


@needs(numpy, "NumPy")
class Keys(unittest.TestCase):
    def setUp(self):
        self.source = numpy.arange(2 * 3 * 4 * 5, dtype="i2").reshape(2, 3, 4, 5)
        # The parts in memory that is in another order, so that the table is one.
        rows = [row.copy() for row in self.source[::-1]]
        self.uploaded = upload(rows[::-1])

    def check(self, key, source=None, uploaded=None):
        source = self.source if source is None else source
        uploaded = self.uploaded if uploaded is None else uploaded
        reference = multibuffer.reference(source)
        with self.subTest(key=key):
            try:
                expected = source[key]
            except (IndexError, ValueError) as error:
                for array_ in (uploaded, reference):
                    with self.assertRaises(type(error)):
                        array_[key]
                return None
            for array_ in (uploaded, reference):
                result = array_[key]
                self.assertEqual(result.shape, expected.shape)
                self.assertEqual(result.tobytes(), expected.tobytes())
            return uploaded[key]

    def test_basic_keys_are_views(self):
        for key in (0, -1, (1, 2), (0, 1, 2, 3), slice(None), slice(None, None, -1),
                    (slice(1), 2), ..., (..., 1), (1, ...), (0, ..., 0), None, (None, 1, None),
                    (slice(5, 1), 0), (slice(None, None, -2), ..., slice(1, -1, 3)), (),
                    (slice(-100, 100), None, ..., None), numpy.int8(1), numpy.array(1),
                    (slice(10**30), slice(-10**30, None, 10**30))):
            self.assertIsInstance(self.check(key), multibuffer.DeviceArray)

    def test_advanced_keys_gather(self):
        mask = self.source % 3 == 0
        for key in ([0, 1, 0], [[0, 1], [1, 1]], [], [True, False], (0, [1, 2]), ([1, 0], 0),
                    (slice(None), [0, 2]), (..., [0, 4, -5]), ([0, 1], [2, 0]),
                    ([0, 1], slice(None), [2, 0]), (slice(None), [0, 1], [2, 0]),
                    (0, slice(None), [2, 0]), (slice(None), 1, [2, 0]), ([1], ..., [2]),
                    ([[0], [1]], [0, 1, 2]), ([0, 1], None, [2, 0]), (None, [0, 1], [2, 0]),
                    (numpy.array([0, 1], dtype="u1"), 0), (numpy.array([1, 0], dtype=">i8"),),
                    mask, (slice(None), mask[0]), (0, mask[0]), mask[:, :, 0, 0], (mask[:, 0, 0, 0],),
                    (mask[:, :, 0, 0], [1], slice(2)), True, False, (True, 0), (0, True),
                    (slice(None), True), (slice(None), False, [1]), ([1, 0], True), numpy.True_,
                    (numpy.array(True), ...), (array.array("h", [1, 0]),), [numpy.int64(1), 0],
                    (slice(None, None, -1), [2, -1], slice(None, None, 2)), ([0], [1], [2], [3])):
            self.assertIsInstance(self.check(key), multibuffer.DeviceBuffer)

    def test_keys_that_are_none(self):
        for key in (2, -3, (0, 3), (0, 0, 0, 0, 0), (..., ...), [2], [-3], ([0, 1], [0, 1, 2]),
                    1.0, [1.5], "name", (slice(None), 1.0), [True], [True, False, True],
                    numpy.zeros((2, 4), bool), numpy.zeros(2), {}, object(), (0, "name")):
            if isinstance(key, str):  # NumPy's error is the same for any array
                with self.assertRaises(TypeError):
                    self.uploaded[key]
                continue
            with self.subTest(key=key), self.assertRaises(IndexError):
                self.uploaded[key]
        with self.assertRaisesRegex(IndexError, "index 3 is out of bounds for axis 1 with size 3"):
            self.uploaded[0, 3]
        with self.assertRaisesRegex(IndexError, r"index -9 at position \(1,\) is out of bounds for "
                                                "axis 2 with size 4"):
            self.uploaded[0, None, 1, [0, -9]]
        with self.assertRaisesRegex(ValueError, "step cannot be zero"):
            self.uploaded[::0]
        with self.assertRaisesRegex(TypeError, "slice indices"):
            self.uploaded[1.0:]

    def test_random_keys(self):
        random_ = random.Random(118)
        for _ in range(1500):
            ndim = random_.randint(1, 4)
            shape = tuple(random_.randint(0 if random_.random() < 0.1 else 1, 4)
                          for _ in range(ndim))
            source = numpy.arange(int(numpy.prod(shape)), dtype="i4").reshape(shape)
            self.check(self.random_key(random_, shape), source, upload(source))

    def random_key(self, random_, shape):
        common = random_.choice([(3,), (2, 1), (1, 3), (), (1,)])
        key, axis, ellipsis = [], 0, False
        while axis < len(shape):
            extent = shape[axis]
            kind = random_.choice(["int", "slice", "slice", "array", "array", "list", "mask", "new",
                                   "dots", "bool", "end"])
            if kind == "end":
                break
            if kind == "new":
                key.append(None)
                continue
            if kind == "bool":
                if random_.random() < 0.2:
                    key.append(random_.random() < 0.7)
                continue
            if kind == "dots":
                if not ellipsis:
                    key.append(...)
                    ellipsis = True
                    axis += random_.randint(0, len(shape) - axis)
                continue
            if kind == "slice":
                bounds = [random_.choice([None, *range(-5, 6)]) for _ in range(2)]
                key.append(slice(*bounds, random_.choice([None, 1, -1, 2, -3])))
            elif kind == "int":
                key.append(random_.randrange(-extent, extent) if extent else 0)
            elif kind == "mask":
                axes = random_.randint(1, len(shape) - axis)
                key.append(numpy.array([random_.random() < 0.5 for _ in range(
                    int(numpy.prod(shape[axis:axis + axes])))], dtype=bool).reshape(
                        shape[axis:axis + axes]))
                axis += axes - 1
            else:
                size = int(numpy.prod(common))
                if extent == 0:
                    key.append(slice(None))
                else:
                    indices = numpy.array([random_.randrange(-extent, extent)
                                           for _ in range(size)], dtype="i8").reshape(common)
                    key.append(indices if kind == "array" else indices.tolist())
            axis += 1
        return tuple(key)

    def test_a_result_is_an_index_again(self):
        indices = upload(numpy.array([[1, 0], [1, 1]])).copy()
        self.assertEqual(self.uploaded[indices].tobytes(), self.source[[[1, 0], [1, 1]]].tobytes())
        self.assertEqual(self.uploaded[upload([b"\1", b"\0"])].tobytes(),
                         self.source[[[1], [0]]].tobytes())
        mask = upload(self.source > 50).copy()
        self.assertEqual(self.uploaded[mask].tobytes(), self.source[self.source > 50].tobytes())


@needs(numpy, "NumPy")
class Axes(unittest.TestCase):
    """An array has 64 axes at the most, and so has each view on the way to a result."""

    def test_sixty_four_axes_result(self):
        rows = [bytes([1, 2]), bytes([3, 4])]
        for array_ in (upload(rows), multibuffer.reference(rows)):
            self.assertEqual(array_[(None,) * 64 + (0, 1)].shape, (1,) * 64)
            self.assertEqual(array_[(None,) * 64 + (0, 1)].tobytes(), b"\2")
            self.assertEqual(array_[(None,) * 63 + (-1, slice(None))].shape, (1,) * 63 + (2,))
            self.assertEqual(array_[(0,) + (None,) * 63 + (slice(1, None),)].tobytes(), b"\2")
            self.assertEqual(array_[(slice(None), None, 1)].tolist(), [[2], [4]])
            if numpy:
                expected = numpy.array([[1, 2], [3, 4]])
                for key in ((None, 1, None, [1, 0], None), (1, None, [1, 0]), ([1, 0], None, 1),
                            (None, [1], 0), (0, ..., [1]), (..., None, 1, None), (slice(1), 1, None)):
                    self.assertEqual(array_[key].tolist(), expected[key].tolist())

    def test_the_sixty_fifth_is_a_value_error(self):
        rows = [bytes([1, 2]), bytes([3, 4])]
        for array_ in (upload(rows), multibuffer.reference(rows)):
            for call in (lambda: array_[(None,) * 63], lambda: array_.reshape([1] * 63 + [2, 2]),
                         lambda: array_[(None,) * 65 + (0, 1)]):
                with self.assertRaisesRegex(ValueError, "65 axes|more than 64"):
                    call()


class Take(unittest.TestCase):
    def setUp(self):
        self.source = numpy.arange(24.0).reshape(2, 3, 4)
        self.uploaded = stacked(self.source)

    def test_take_is_numpy_take(self):
        for axis, indices in itertools.product(range(-3, 3), ([1, 0, -1], 1, [[0, 1], [1, 0]], [])):
            expected = numpy.take(self.source, numpy.array(indices, dtype=int), axis)
            for array_ in (self.uploaded, multibuffer.reference(self.source)):
                result = array_.take(indices, axis)
                self.assertEqual(result.shape, expected.shape)
                self.assertEqual(result.tobytes(), expected.tobytes())

    def test_indices_of_every_type_and_layout(self):
        source = numpy.arange(100 * 3, dtype="i2").reshape(100, 3)
        uploaded, reference = stacked(source), multibuffer.reference(source)
        plain = numpy.random.default_rng(3).integers(0, 100, (150, 600))  # more than are read at once
        for dtype in ("i1", "u1", "i2", ">i2", "u2", "i4", ">i4", "u4", "i8", ">i8", "u8", "q", "?"):
            values = plain.astype(dtype)
            misaligned = numpy.zeros(values.nbytes + 1, "u1")[1:].view(dtype).reshape(values.shape)
            misaligned[:] = values
            for indices in (values, values[::-1, ::-2], values.T, values[:, :1], values[3], misaligned,
                            values[3, 4], numpy.broadcast_to(values[0], (2, 600)), values[:0],
                            memoryview(values[3]) if values.dtype.isnative else values[3]):
                expected = source.take(numpy.asarray(indices).astype("i8"), 0)
                with self.subTest(dtype=dtype, shape=expected.shape):
                    self.assertEqual(uploaded.take(indices).tobytes(), expected.tobytes())
                    if expected.size < 3000:
                        self.assertEqual(reference.take(indices).tobytes(), expected.tobytes())
            if dtype != "?":
                self.assertEqual(uploaded[values, 1].tobytes(), source[plain, 1].tobytes())
        with self.assertRaisesRegex(IndexError, r"index 100 at position \(2, 5\) is out of bounds for "
                                                "axis 0 with size 100"):
            uploaded[numpy.where(numpy.arange(90000).reshape(150, 600) == 1205, 100, plain)]
        mask = plain[:100, :3] % 2 == 0
        for layout in (mask, mask.copy("F"), mask[::-1, ::-1]):
            self.assertEqual(uploaded[layout].tobytes(), source[layout].tobytes())

    def test_modes(self):
        wild = [-9, -4, -1, 0, 3, 4, 100]
        for mode in ("clip", "wrap"):
            expected = numpy.take(self.source, wild, 2, mode=mode)
            self.assertEqual(self.uploaded.take(wild, axis=2, mode=mode).tobytes(),
                             expected.tobytes())
        with self.assertRaisesRegex(IndexError, r"index 100 at position \(1,\) on axis 2, whose"):
            self.uploaded.take([0, 100], axis=2)
        with self.assertRaisesRegex(ValueError, "raise, clip and wrap"):
            self.uploaded.take([0], mode="ignore")
        with self.assertRaisesRegex(ValueError, "axis 3"):
            self.uploaded.take([0], axis=3)

    def test_gather(self):
        i, j = [[0], [1]], [2, 0]
        expected = self.source[numpy.array(i), numpy.array(j)]
        for array_ in (self.uploaded, multibuffer.reference(self.source)):
            result = array_.gather([i, j])
            self.assertEqual(result.shape, expected.shape)
            self.assertEqual(result.tobytes(), expected.tobytes())
            self.assertEqual(array_.gather([]).tobytes(), self.source.tobytes())
        with self.assertRaisesRegex(IndexError, "do not broadcast"):
            self.uploaded.gather([[0, 1], [0, 1, 2]])
        with self.assertRaisesRegex(IndexError, "4 coordinates"):
            self.uploaded.gather([[0]] * 4)
        with self.assertRaisesRegex(IndexError, "integer or boolean type, not 'd'"):
            self.uploaded.gather([[0.0], [1.0]] if False else [numpy.array([0.5])])

    def test_out(self):
        expected = numpy.take(self.source, [2, 0], 1)
        out = numpy.full_like(expected, -1)
        self.assertIs(self.uploaded.take([2, 0], 1, out=out), out)
        self.assertTrue((out == expected).all())
        wide = numpy.full((2, 2, 9), -1.0)
        self.uploaded.take([2, 0], 1, out=wide[:, :, 1:9:2])
        self.assertTrue((wide[:, :, 1:9:2] == expected).all())
        self.assertTrue((wide[:, :, ::2] == -1).all())
        buffer = self.uploaded.take([0, 0], 1)
        self.assertIs(self.uploaded.take([2, 0], 1, out=buffer), buffer)
        self.assertEqual(buffer.tobytes(), expected.tobytes())
        whole = numpy.empty_like(self.source)
        self.assertIs(self.uploaded.copy(out=whole), whole)
        self.assertTrue((whole == self.source).all())
        picked = numpy.empty((2, 4))
        self.uploaded.gather([[0, 1], [2, 2]], out=picked)
        self.assertTrue((picked == self.source[[0, 1], [2, 2]]).all())

    def test_outs_that_do_not_fit(self):
        take = self.uploaded.take
        with self.assertRaisesRegex(ValueError, r"out has shape \(2, 4\), the result \(1, 3, 4\)"):
            take([0], out=numpy.zeros((2, 4)))
        with self.assertRaisesRegex(ValueError, "out has format 'f', the result 'd'"):
            take([0], out=numpy.zeros((1, 3, 4), "f4"))
        read_only = numpy.zeros((1, 3, 4))
        read_only.flags.writeable = False
        with self.assertRaises((BufferError, ValueError)):
            take([0], out=read_only)
        with self.assertRaises(BufferError):
            take([0], out=memoryview(bytes(96)).cast("d", [1, 3, 4]))
        with self.assertRaisesRegex(BufferError, "made of pointers"):
            take([0], out=multibuffer.stack([numpy.zeros((3, 4))]))
        with self.assertRaisesRegex(ValueError, "stride -8 of axis 2 is negative"):
            take([0], out=numpy.zeros((1, 3, 4))[:, :, ::-1])
        with self.assertRaises(TypeError):
            take([0], out=[1, 2])


@needs(numpy, "NumPy")
class Shapes(unittest.TestCase):
    def setUp(self):
        self.source = numpy.arange(24, dtype="i4").reshape(2, 3, 4)
        self.uploaded = stacked(self.source)

    def test_transpose(self):
        for axes in itertools.permutations(range(3)):
            expected = self.source.transpose(axes)
            for array_ in (self.uploaded, multibuffer.reference(self.source)):
                self.assertEqual(array_.transpose(axes).tobytes(), expected.tobytes())
                self.assertEqual(array_.transpose(*axes).shape, expected.shape)
        self.assertEqual(self.uploaded.T.tobytes(), self.source.T.tobytes())
        self.assertEqual(self.uploaded.transpose().shape, (4, 3, 2))
        for axes in ((0, 1), (0, 0, 1), (0, 1, 3)):
            with self.assertRaises(ValueError):
                self.uploaded.transpose(axes)

    def test_orders(self):
        c, f = self.uploaded.copy(), self.uploaded.copy(order="F")
        self.assertEqual((c.strides, f.strides), ((48, 16, 4), (4, 8, 24)))
        self.assertEqual(c.tobytes(), f.tobytes())
        with self.assertRaisesRegex(ValueError, "C and F"):
            self.uploaded.copy(order="A")

    def test_reshape(self):
        for shape in ((24,), 24, -1, (6, 4), (2, -1), (4, 3, 2), (2, 3, 2, 2), (1, 24, 1)):
            for view in (self.uploaded, self.uploaded.T, self.uploaded[:, ::2, ::-1]):
                if view.size != 24 and shape not in (-1, (2, -1)):
                    continue
                source = numpy.frombuffer(view.tobytes(), "i4").reshape(view.shape)
                result = view.reshape(shape)
                self.assertIsInstance(result, multibuffer.DeviceArray)
                self.assertEqual(result.shape, source.reshape(shape).shape)
                self.assertEqual(result.tobytes(), source.tobytes())
        for shape in ((5, 5), (-1, 5), (-1, -1), (-2, -12)):
            with self.assertRaises(ValueError):
                self.uploaded.reshape(shape)

    def test_shapes_and_axes_may_be_arrays(self):
        shape = numpy.array([2, 12])
        self.assertEqual(self.uploaded.reshape(shape).shape, (2, 12))
        axes = numpy.arange(self.uploaded.ndim)[::-1]
        self.assertEqual(self.uploaded.transpose(axes).shape, self.uploaded.T.shape)

    def test_reshape_copies_as_told(self):
        rows = [bytes([i] * 400) for i in range(2)]
        array_ = upload([rows[i] for i in (0, 1, 1, 0, 1, 0, 0, 0)])
        self.assertEqual(array_.reshape((2, 4, 20, 20), copy=False).tobytes(), array_.tobytes())
        with self.assertRaisesRegex(ValueError, r"has no view of shape \(3200,\)"):
            array_.reshape(3200, copy=False)
        self.assertEqual(array_.reshape(3200).tobytes(), array_.tobytes())
        self.assertEqual(array_.reshape((8, 400), copy=True).levels, 0)
        if DEVICE == "host":  # a view sees what happens to the memory, a copy does not
            memory = bytearray(4)
            view = upload(memory, placement="in_place").reshape((2, 2))
            copy = upload(memory, placement="in_place").reshape((2, 2), copy=True)
            memory[3] = 1
            self.assertEqual((view.tolist(), copy.tolist()), ([[0, 0], [0, 1]], [[0, 0], [0, 0]]))

    def test_fields_are_views(self):
        dtype = numpy.dtype([("a", ">i4"), ("b", [("c", "f8"), ("d", "i2", (2, 2))]), ("e", "S3")])
        source = numpy.zeros((2, 3), dtype)
        source.view("u1")[:] = numpy.arange(source.nbytes, dtype="u1").reshape(2, -1)
        uploaded = stacked(source)
        for key in ("a", "e"):
            self.assertIsInstance(uploaded[key], multibuffer.DeviceArray)
            self.assertEqual(uploaded[key].tobytes(), source[key].tobytes())
            self.assertEqual(numpy.dtype(uploaded[key].dtype), source[key].dtype)
        self.assertEqual(uploaded["b"]["d"].shape, (2, 3, 2, 2))
        self.assertEqual(uploaded["b"]["d"].tolist(), source["b"]["d"].tolist())
        self.assertEqual(uploaded["b"][1].tobytes(), source["b"][1].tobytes())
        self.assertEqual(uploaded["b"]["c"][:, [2, 0]].tobytes(),
                         source["b"]["c"][:, [2, 0]].tobytes())
        for array_ in (uploaded, multibuffer.reference([row.copy() for row in source])):
            with self.assertRaisesRegex(ValueError, "no field 'z'; there are 'a', 'b', 'e'"):
                array_["z"]
            with self.assertRaisesRegex(TypeError, "have no fields"):
                array_["a"]["a"]

    def test_fields_by_the_reference(self):
        dtype = numpy.dtype([("a", ">i4"), ("b", [("c", "f8"), ("d", "i2", (2, 2))]), ("e", "S3")])
        source = numpy.zeros((2, 3, 4), dtype)
        source.view("u1")[:] = numpy.arange(source.nbytes, dtype="u2").reshape(2, 3, -1)
        for key in (slice(None), (slice(None, None, -1), 1), (1, slice(2), None), ([1, 0],)):
            for way in (lambda a: a["b"]["d"], lambda a: a["e"], lambda a: a["b"]["c"]):
                for obj in (source, [row.copy() for row in source],
                            [[cell.copy() for cell in row] for row in source]):
                    reference, uploaded = multibuffer.reference(obj), upload(obj)
                    expected = way(source)[key].tobytes()
                    self.assertEqual(way(reference)[key].tobytes(), expected)
                    self.assertEqual(way(uploaded)[key].tobytes(), expected)
                    if key != ([1, 0],):  # the field of a view, and not a view of the field
                        self.assertEqual(way(reference[key]).tobytes(), expected)
                        self.assertEqual(way(reference[key].T).tobytes(),
                                         way(source[key].T).tobytes())
                        flat = source[key].reshape(-1)
                        self.assertEqual(way(reference[key].reshape(-1)).tobytes(),
                                         way(flat).tobytes())
        # The axes that a field's sub-array adds are axes like any other.
        self.assertEqual(multibuffer.reference(source)["b"]["d"][:, 1, ::-1, 0].T.tolist(),
                         source["b"]["d"][:, 1, ::-1, 0].T.tolist())

    def test_several_fields(self):
        dtype = numpy.dtype([("a", ">i4"), ("b", "f8"), ("c", "i2", 2), ("d", "S3")])
        source = numpy.zeros((2, 3), dtype)
        source.view("u1")[:] = numpy.arange(source.nbytes, dtype="u1").reshape(2, -1) % 50
        rows = [row.copy() for row in source]
        for names in (["a"], ["a", "c"], ["b", "d"], ["a", "b", "c", "d"]):
            expected = source[names]
            for array_ in (upload(rows), multibuffer.reference(rows)):
                fields = array_[names]
                self.assertEqual(fields.itemsize, source.itemsize)
                self.assertEqual(fields.tolist(), [[tuple(x.tolist() if hasattr(x, "tolist") else x
                                                          for x in item)
                                                    for item in row] for row in expected])
                result = numpy.asarray(fields[::-1].copy().to_host())
                self.assertEqual(result.dtype, expected.dtype)
                for name in names:
                    self.assertEqual(result[name].tobytes(), expected[::-1][name].tobytes())
        for array_ in (upload(rows), multibuffer.reference(rows)):
            with self.assertRaisesRegex(ValueError, "'a' does not come after 'c'"):
                array_[["c", "a"]]
            with self.assertRaisesRegex(ValueError, "no field 'x'"):
                array_[["a", "x"]]
            with self.assertRaises(IndexError):
                array_["a", "b"]

    def test_native(self):
        for dtype in (">i4", ">f8", ">c16", ">U3", [("a", ">i2"), ("b", "u1"), ("c", ">f4", 2)]):
            source = numpy.zeros((2, 3), dtype)
            source.view("u1")[:] = numpy.arange(source.nbytes, dtype="u1").reshape(2, -1) % 3
            expected = source.astype(source.dtype.newbyteorder("="))
            self.assertEqual(stacked(source).native().tobytes(), expected.tobytes())
            self.assertEqual(upload(source).T.native().tobytes(), expected.T.tobytes())
            self.assertEqual(stacked(source).copy().native().tobytes(), expected.tobytes())


class WithoutNumPy(unittest.TestCase):
    def test_lists_and_buffers_index(self):
        tables = Tables((3, 4), {0})
        uploaded = upload(tables.exporter())
        self.assertEqual(uploaded[[2, 0], 1:3].tolist(), [[9, 10], [1, 2]])
        self.assertEqual(uploaded[:, array.array("q", [3])].tolist(), [[3], [7], [11]])
        self.assertEqual(uploaded[[True, False, True]].shape, (2, 4))
        self.assertEqual(uploaded[1, 2].tolist(), 6)


class Plans(unittest.TestCase):
    """Gathers that are decided once."""

    def setUp(self):
        self.rows = [bytearray(range(4 * i, 4 * i + 4)) for i in (2, 0, 1)]
        self.array = upload(self.rows)

    def test_they_gather_what_the_verbs_do(self):
        for plan, expected in (
                (self.array.plan_copy(), self.array.copy()),
                (self.array[::-1].plan_copy(order="F"), self.array[::-1].copy(order="F")),
                (self.array.plan_take([3, 0], axis=1), self.array.take([3, 0], axis=1)),
                (self.array.plan_take([5], mode="wrap"), self.array.take([5], mode="wrap")),
                (self.array.plan_gather([[2, 0], [1, -1]]), self.array.gather([[2, 0], [1, -1]]))):
            result = plan.run()
            self.assertEqual((result.shape, result.strides), (expected.shape, expected.strides))
            self.assertEqual(result.tolist(), expected.tolist())

    def test_a_run_reads_what_the_array_has_then(self):
        plan = self.array.plan_copy()
        before = plan.run().tolist()
        self.assertEqual(before[0], [8, 9, 10, 11])
        self.array.update([bytes(4), b"abcd", b"efgh"])
        self.assertEqual(plan.run().tolist(), [[0] * 4, list(b"abcd"), list(b"efgh")])
        self.assertEqual(plan.result.tolist(), [[0] * 4, list(b"abcd"), list(b"efgh")])

    def test_into_memory_that_is_there(self):
        out = upload([bytes(4)] * 2).copy()
        plan = self.array.plan_take([1, 0], out=out)
        plan.run().synchronize()
        self.assertEqual(out.tolist(), [[0, 1, 2, 3], [8, 9, 10, 11]])
        with self.assertRaisesRegex(ValueError, "out has shape"):
            self.array.plan_copy(out=out)
        if DEVICE == "host":
            memory = bytearray(12)
            plan = self.array.plan_copy(out=memoryview(memory).cast("B", (3, 4)))
            with self.assertRaises(BufferError):
                memory.clear()  # held
            plan.run()
            self.assertEqual(list(memory), [8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7])
        else:
            with self.assertRaisesRegex(ValueError, "host memory"):
                self.array.plan_copy(out=memoryview(bytearray(12)).cast("B", (3, 4)))

    def test_a_result_keeps_an_output_that_is_not_ours(self):
        def watched():
            """Memory of the device in the shape of the array, and whether it is still there."""
            if DEVICE != "host":
                owner = upload([bytes(4)] * 3).copy()
                return owner, weakref.ref(owner)
            owner = array.array("B", bytes(12))
            return memoryview(owner).cast("B", (3, 4)), weakref.ref(owner)

        expected = self.array.tolist()
        for name, ask in (("run()", lambda out: self.array.plan_copy(out=out).run()),
                          ("result", lambda out: self.array.plan_take([0, 1, 2], out=out).result)):
            with self.subTest(name):
                out, there = watched()
                result = ask(out)
                self.array.copy(out=out)
                if DEVICE == "host":
                    shared = memoryview(result)
                    del out, result
                    gc.collect()
                    self.assertIsNotNone(there())
                    self.assertEqual(shared.tolist(), expected)
                    shared.release()
                    del shared
                    gc.collect()
                    self.assertIsNone(there())
                else:
                    del out
                    gc.collect()
                    self.assertEqual(result.tolist(), expected)

    @needs(numpy, "NumPy")
    @unittest.skipUnless(DEVICE == "host", "NumPy's memory")
    def test_so_does_what_goes_on_through_dlpack(self):
        class Named(numpy.ndarray):
            pass

        for kind in (numpy.ndarray, Named):  # found by its layout, and by its export
            out = numpy.zeros((3, 4), "u1").view(kind)
            there = weakref.ref(out)
            tensor = numpy.from_dlpack(self.array.plan_copy(out=out).run())
            del out
            gc.collect()
            self.assertIsNotNone(there())
            self.assertEqual(tensor.tolist(), self.array.tolist())
            del tensor
            gc.collect()
            self.assertIsNone(there())

    def test_plans_over_results_keep_no_chain_of_them(self):
        first = self.array.copy()
        result = first
        for _ in range(3):
            before = weakref.ref(result)
            result = self.array.plan_copy(out=result).run()
            if before() is not first:
                gc.collect()
                self.assertIsNone(before())
        del first
        gc.collect()
        self.assertEqual(result.tolist(), self.array.tolist())

    def test_repr(self):
        plan = self.array.plan_take([0, 1])
        self.assertEqual(repr(plan), f"Plan(shape=(2, 4), dtype='uint8', device='{plan.result.device}')")

    def test_the_array_stays(self):
        plan = self.array.plan_copy()
        self.array = None
        self.assertEqual(plan.run().tolist()[1], [0, 1, 2, 3])

    def test_indices_out_of_range(self):
        with self.assertRaises(IndexError):
            self.array.plan_take([3])

    def test_indices_on_the_host_are_copied(self):
        numbers = array.array("q", [2, 0])
        plans = [self.array.plan_take(numbers), self.array.plan_gather([numbers])]
        numbers[0] = 1
        for plan in plans:
            self.assertEqual(plan.run().tolist(), [list(self.rows[2]), list(self.rows[0])])

    @unittest.skipUnless(DEVICE == "cuda", "indices on a GPU")
    def test_indices_on_the_device_are_read_by_every_run(self):
        class Foreign:
            """Somebody else's array."""

            def __init__(self, buffer):
                self.buffer = buffer
                self.__cuda_array_interface__ = buffer.__cuda_array_interface__

        def write(values):
            upload(array.array(buffer.format, values)).copy(out=buffer)
            buffer.synchronize()

        for code, foreign, verb in itertools.product("iq", (False, True), ("take", "gather")):
            with self.subTest(code=code, foreign=foreign, verb=verb):
                buffer = upload(array.array(code, [2, 0])).copy()
                indices = Foreign(buffer) if foreign else buffer
                there = weakref.ref(indices)
                plan = (self.array.plan_take(indices) if verb == "take" else
                        self.array.plan_gather([indices]))
                del indices
                gc.collect()
                self.assertIsNotNone(there())
                for values in ([2, 0], [1, 1], [-3, -1]):
                    write(values)
                    self.assertEqual(plan.run().tolist(),
                                     [list(self.rows[value]) for value in values])
                write([0, 3])
                with self.assertRaisesRegex(IndexError, "index 3"):
                    plan.run().synchronize()
                del plan
                gc.collect()
                self.assertEqual(there() is None, foreign)

    @unittest.skipUnless(DEVICE == "cuda", "indices on a GPU")
    def test_indices_that_cannot_be_read_there_are_copied(self):
        narrow = upload(array.array("H", [2, 0])).copy()
        strided = multibuffer.upload(array.array("q", [2, 9, 0, 9]), device=DEVICE)[::2]
        for numbers in (narrow, strided):
            plan = self.array.plan_take(numbers)
            self.assertEqual(plan.run().tolist(), [list(self.rows[2]), list(self.rows[0])])

    def test_streams(self):
        class Named:
            cuda_stream = 1  # the default one's handle

        class Protocol:
            def __cuda_stream__(self):
                return 0, 2

        for stream in (None, 0, 1, Named(), Protocol()):
            self.assertEqual(self.array.plan_copy(stream=stream).run().tolist(), self.array.tolist())
        if numpy:
            self.array.plan_copy(stream=numpy.int64(1)).run().synchronize()
        for stream in ("1", True, 1.0):
            with self.assertRaisesRegex(TypeError, "stream must be a CUDA stream"):
                self.array.plan_copy(stream=stream)
        for stream in (-1, 2**64, 2**70):
            with self.assertRaisesRegex(ValueError, "stream is out of range"):
                self.array.plan_copy(stream=stream)


if __name__ == "__main__":
    unittest.main()
