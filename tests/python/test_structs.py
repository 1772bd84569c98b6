"""Structs mean what their dtype says: random ones of NumPy's, compared with NumPy's own indexing.

Each has its fields at other places, packed and aligned within each other, with room between and
behind them, and as NumPy's views of several fields leave them.
"""

import ctypes
import os
import random
import unittest

import multibuffer
from support import DEVICE, exporter, needs, optional_import, require_device, upload

numpy = optional_import("numpy")
SLOWER = float(os.environ.get("MULTIBUFFER_TEST_SLOWER", 1)) * (1 if DEVICE == "host" else 5)
CASES = int(3000 / SLOWER)


def setUpModule():
    require_device()


def model(array):
    """An array's elements as tolist() gives them, by NumPy's indexing of fields alone."""
    if array.ndim:
        return [model(array[i:i + 1].reshape(array.shape[1:])) for i in range(array.shape[0])]
    if array.dtype.names:
        return tuple(model(array[name]) for name in array.dtype.names)
    if array.dtype.kind == "V":
        return array.tobytes()
    return array.tolist()


def has_dates(dtype):
    """Whether an element has a date or a time span in it."""
    if dtype.names is not None:
        return any(has_dates(dtype.fields[name][0].base) for name in dtype.names)
    return dtype.base.kind in "mM"


def same_bytes(array):
    """An array's fields as bytes, in their order: what is between them is nobody's."""
    if array.dtype.names is None:
        return array.tobytes()
    return [(name, array[name].shape, same_bytes(array[name])) for name in array.dtype.names]


class Dtypes:
    """Random dtypes, and arrays of them."""

    SCALARS = ("?", "i1", "u1", "i2", ">i2", "i4", "<u4", ">i4", "i8", "u8", ">u8", "f2", "f4", ">f4",
               "f8", "g", "c8", "c16", ">c8", "G", "S1", "S3", "U1", "U2", ">U1", "V1", "V5", "S0", "M8[s]",
               ">m8[25us]")

    def __init__(self, seed):
        self.random = random.Random(seed)

    def scalar(self):
        return numpy.dtype(self.random.choice(self.SCALARS))

    def field(self, depth):
        base = self.struct(depth - 1) if depth and self.random.random() < 0.4 else self.scalar()
        if self.random.random() < 0.2 and base.itemsize:
            shape = self.random.choice([(2,), (1,), (3,), (2, 2), (0,), (1, 3)])
            return numpy.dtype((base, shape))
        return base

    def struct(self, depth):
        count = self.random.randint(1, 4)
        names = self.random.sample(["a", "b", "x", "y", "f0", "ä", "long name", "g", "i"], count)
        fields = [self.field(depth) for _ in names]
        kind = self.random.randrange(5)
        if kind == 0:
            return numpy.dtype(list(zip(names, fields)))
        if kind == 1:
            return numpy.dtype(list(zip(names, fields)), align=True)
        if kind == 2:
            return numpy.dtype([((name.upper() + "!", name), field)
                                for name, field in zip(names, fields)],
                               align=self.random.random() < 0.5)
        if kind == 3:  # NumPy's view of some of the fields
            whole = numpy.dtype(list(zip(names, fields)), align=self.random.random() < 0.5)
            kept = sorted(self.random.sample(range(count), self.random.randint(1, count)))
            some = numpy.zeros(1, whole)[[names[i] for i in kept]].dtype
            return some
        offsets, end = [], 0
        for field in fields:
            end += self.random.choice([0, 0, 0, 1, 3, 4])
            offsets.append(end)
            end += field.itemsize
        return numpy.dtype({"names": names, "formats": fields, "offsets": offsets,
                            "itemsize": end + self.random.choice([0, 0, 1, 2, 8])})

    def fill(self, array):
        """Gives each field values of its own, and leaves what is between them."""
        if array.dtype.names:
            for name in array.dtype.names:
                self.fill(array[name])
            return
        kind = array.dtype.kind
        flat = numpy.empty(array.size, array.dtype)
        for i in range(array.size):
            number = self.random.randint(1, 100)
            if kind in "SV":
                flat[i] = numpy.frombuffer(bytes([number]) * array.itemsize, array.dtype)[0] \
                    if array.itemsize else b""
            elif kind == "U":
                flat[i] = "ü" * (array.itemsize // 4)
            else:
                flat[i] = number % 2 if kind == "b" else number
        array[...] = flat.reshape(array.shape)

    def array(self, dtype, shape):
        count = 1
        for extent in shape:
            count *= extent
        noise = self.random.randbytes(count * dtype.itemsize + 16)
        start = self.random.choice([0, 0, 8, 1])
        memory = numpy.frombuffer(bytearray(noise), "u1")[start:start + count * dtype.itemsize]
        array = memory.view(dtype).reshape(shape)
        self.fill(array)
        return array


@needs(numpy, "NumPy")
class AgainstNumpy(unittest.TestCase):
    def check(self, source, obj):
        """`obj` is `source`, in some form that upload() takes."""
        uploaded = upload(obj)
        reference = multibuffer.reference(obj)
        expected = model(source)
        for array in (uploaded, reference):
            self.assertEqual(array.shape, source.shape)
            self.assertEqual(array.itemsize, source.itemsize)
            self.assertEqual(array.tolist(), expected)
        result = uploaded.copy()
        self.assertTrue(multibuffer.verify(result, reference))
        if DEVICE == "host":
            back = numpy.asarray(result)
            if not has_dates(source.dtype):
                self.assertEqual(memoryview(result).tobytes(), memoryview(source).tobytes())
            self.assertEqual(same_bytes(back), same_bytes(source))
            self.assertEqual(back.dtype.itemsize, source.dtype.itemsize)
        names = source.dtype.names
        for name in names:
            if source[name].itemsize == 0:
                continue  # a view of NumPy's of no bytes: nothing that a format can say
            field = uploaded[name]
            self.assertEqual(field.shape, source[name].shape)
            self.assertEqual(field.tolist(), model(source[name]))
            self.assertTrue(multibuffer.verify(field, reference[name]))
        some = [name for i, name in enumerate(names) if i % 2] or list(names[:1])
        self.assertEqual(uploaded[some].tolist(), model(source[some]))
        self.assertEqual(reference[some].tolist(), model(source[some]))
        if DEVICE == "host":
            back = numpy.asarray(uploaded[some].copy())
            self.assertEqual(same_bytes(back), same_bytes(source[some]))

    def check_memoryview(self, source):
        """Where all that is known is the format, the meaning is right or refused. Returns whether it
        is known."""
        uploaded = upload(memoryview(source))
        try:
            read = uploaded.tolist()
        except TypeError as error:
            self.assertRegex(str(error), "ambiguous|itemsize")
            if DEVICE == "host":
                back = numpy.asarray(uploaded.copy())
                self.assertIsNone(back.dtype.names)
            read = None
        else:
            self.assertEqual(read, model(source))
            if DEVICE == "host":
                self.assertEqual(same_bytes(numpy.asarray(uploaded.copy())), same_bytes(source))
        self.assertEqual(uploaded.tobytes(), memoryview(source).tobytes())
        return read is not None

    def test_random_dtypes(self):
        dtypes = Dtypes(3118)
        checked = known = 0
        while checked < CASES:
            dtype = dtypes.struct(2)
            if dtype.itemsize == 0:
                continue
            source = dtypes.array(dtype, dtypes.random.choice([(), (1,), (2,), (3,), (1, 2), (0,)]))
            with self.subTest(dtype=dtype, shape=source.shape):
                form = dtypes.random.randrange(6)
                obj = source
                if form == 1 and source.ndim and source.shape[0]:
                    obj = list(source)  # records, or rows
                elif form == 2 and source.ndim:
                    source = obj = source[::-1]
                elif form == 3:
                    obj = source.view(numpy.recarray)
                elif form == 4 and source.ndim == 1 and source.size:
                    obj = [source[i:i + 1].reshape(()) for i in range(source.size)]
                elif form == 5 and source.ndim == 0:
                    obj = source[()]
                self.check(source, obj)
                if not has_dates(dtype):  # NumPy exports none
                    known += self.check_memoryview(source)
            checked += 1
        self.assertGreater(known, CASES / 4)

    def test_parts_of_a_list_whose_formats_read_alike_are_told_apart(self):
        # Both are "T{i:a:T{e:f0:B:f1:}:b:B:c:B:d:}" of 12 bytes.
        inner = numpy.dtype("f2,u1")
        dense = numpy.dtype([("a", "i4"), ("b", inner), ("c", "u1"), ("d", "u1")], align=True)
        padded = numpy.dtype({"names": ["a", "b", "c", "d"], "formats": ["i4", inner, "u1", "u1"],
                              "offsets": [0, 4, 7, 9], "itemsize": 12})
        one, other = numpy.zeros(2, dense), numpy.zeros(2, padded)
        self.assertEqual(memoryview(one).itemsize, 12)
        with self.assertRaisesRegex(ValueError, "part 1"):
            upload([one, other])
        again = numpy.dtype([("a", "i4"), ("b", inner), ("c", "u1"), ("d", "u1")], align=True)
        self.assertEqual(upload([one, numpy.ones(2, again)])["d"].tolist(), [[0, 0], [1, 1]])

    def test_the_samples(self):
        packed_in_aligned = numpy.dtype(
            [("a", "i4"), ("b", numpy.dtype("f2,u1")), ("c", "u1"), ("d", "u1")], align=True)
        source = numpy.array([(1, (0, 0), 3, 4)], packed_in_aligned)
        self.assertEqual(upload(source).tolist(), [(1, (0.0, 0), 3, 4)])
        inner = numpy.dtype([("a", "u1"), ("b", "i4"), ("c", "i2")], align=True)
        outer = numpy.dtype([("n", inner), ("q", "u1")], align=True)
        source = numpy.zeros(2, outer)
        source["q"] = 5, 6
        self.assertEqual(upload(source)["q"].tolist(), [5, 6])
        if DEVICE == "host":
            self.assertEqual(numpy.asarray(upload(source).copy())["q"].tolist(), [5, 6])
        one = numpy.zeros(1, [("id", "i8"), ("v", "f4")])
        self.assertEqual(upload(one)["id"].tolist(), [0])
        self.assertEqual(upload([one[0], one[0]])["id"].tolist(), [0, 0])
        ends_with_room = numpy.zeros(3, [("n", [("v", "f8"), ("x", "i4")]), ("y", "i4")])
        self.assertEqual(upload(ends_with_room)["y"].tolist(), [0, 0, 0])
        self.assertEqual(upload(ends_with_room)["n"]["x"].tolist(), [0, 0, 0])

    def test_records_of_such_arrays_are_read_alike(self):
        whole = numpy.zeros(2, [("a", "i4"), ("b", "u8"), ("c", "f4")])
        whole["a"], whole["b"], whole["c"] = [1, 4], [2, 5], [3, 6]
        packed = numpy.dtype({"names": ["a", "b"], "formats": ["u1", "i4"], "offsets": [0, 1],
                              "itemsize": 8})
        for array in (whole[["a", "b"]], whole[["b", "c"]],
                      numpy.array([(1, 5), (2, 6)], dtype=packed)):
            expected = array.tolist()
            for record, value in zip(array, expected):
                for given in (record, memoryview(record)):
                    with self.subTest(dtype=array.dtype, kind=type(given).__name__):
                        read = multibuffer.upload(given, device="host")
                        self.assertEqual(read.tolist(), value)
                        self.assertEqual(multibuffer.reference(given).tolist(), value)
                        self.assertTrue(multibuffer.verify(read, multibuffer.reference(given)))
            records = list(array)
            self.assertEqual(multibuffer.upload(records, device="host").tolist(), expected)
            self.assertEqual(multibuffer.reference(records).tolist(), expected)

    @unittest.skipUnless(DEVICE == "host", "NumPy reads host memory")
    def test_long_doubles_are_written_as_numpy_reads_them(self):
        source = numpy.zeros(2, [("v", "g"), ("w", "i2"), ("z", "G"), ("u", ">i4")])
        source["v"], source["z"] = 1.5, 2 + 3j
        for names in (["v"], ["v", "w"], ["z"], ["v", "u"], ["w", "z", "u"]):
            back = numpy.asarray(upload(source)[names].copy())
            self.assertEqual(same_bytes(back), same_bytes(source[names]))

    def test_an_update_may_spell_its_format_otherwise(self):
        source = numpy.zeros(1, [("id", "i8"), ("v", "f4")])
        array = upload(source)
        source["id"] = 7
        array.update(source)
        self.assertEqual(array["id"].tolist(), [7])
        two = numpy.zeros(2, [("id", "i8"), ("v", "f4")])
        array = upload(two)
        two["v"] = 3
        array.update([two[0], two[1]])
        self.assertEqual(array["v"].tolist(), [3, 3])

    def test_dtypes_that_numpy_does_not_export_are_refused(self):
        overlapping = numpy.dtype({"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2]})
        backwards = numpy.zeros(2, [("a", "i4"), ("b", "i2")])[["b", "a"]]
        for source in (numpy.zeros(2, overlapping), backwards):
            with self.assertRaises((BufferError, ValueError, TypeError)):
                upload(source)


class FormatsOfOthers(unittest.TestCase):
    """Where a format is all there is, both of its readings count."""

    def array(self, format, itemsize, count=1):
        memory = (ctypes.c_char * (itemsize * count))()
        return exporter(ctypes.addressof(memory), (count,), (itemsize,), format=format,
                        itemsize=itemsize, keep=memory)

    def test_two_readings_that_fit_are_opaque(self):
        for format, itemsize in (("T{T{i:a:b:b:}:n:b:k:}", 12), ("T{(2)T{i:a:b:b:}:n:}", 16),
                                 ("T{i:a:T{e:x:B:y:}:n:B:c:B:d:}", 12),
                                 ("T{(2)T{=i:a:}:n:xxh:k:}", 12)):
            with self.subTest(format=format):
                array = upload(self.array(format, itemsize))
                for ask in (array.tolist, lambda array=array: array["n"]):
                    with self.assertRaisesRegex(TypeError, "ambiguous: NumPy"):
                        ask()
                self.assertEqual(len(array.tobytes()), itemsize)

    def test_one_reading_is_taken(self):
        for format, itemsize in (("T{T{i:a:b:b:}:n:i:k:}", 12),  # no number of NumPy's is at 5
                                 ("T{T{i:a:b:b:}:n:}", 8),       # nothing behind it
                                 ("T{T{<i:a:b:b:}:n:b:k:}", 6),  # nothing to pad
                                 ("T{^T{i:a:b:b:}:n:b:k:}", 6),
                                 ("T{T{ib}:n:b:k:}", 12)):       # NumPy names all fields
            with self.subTest(format=format):
                upload(self.array(format, itemsize)).tolist()

    @unittest.skipUnless(DEVICE == "host", "exports are host memory's")
    def test_what_is_not_understood_is_handed_on_as_bytes(self):
        for format, itemsize in (("T{T{i:a:b:b:}:n:b:k:}", 12), ("T{l:id:f:v:}", 12), ("3B:a:", 8)):
            source = self.array(format, itemsize, 2)
            for made in (upload(source).copy(), multibuffer.stack([source, source])):
                self.assertEqual(memoryview(made).format, f"{itemsize}s")
                self.assertEqual(memoryview(made).itemsize, itemsize)


class Ctypes(unittest.TestCase):
    """ctypes writes formats that leave out bit fields, unions, packing and base classes."""

    def opaque(self, made, word):
        for obj in (made, memoryview(made), [made, made]):
            array = upload(obj)
            for each in (array, multibuffer.reference(obj)):
                with self.assertRaisesRegex(TypeError, word):
                    each.tolist()
            self.assertEqual(array.tobytes()[:ctypes.sizeof(made)], bytes(made))
        self.assertEqual(memoryview(upload(made).copy().to_host()).format,
                         f"{memoryview(made).itemsize}s")

    def test_bit_fields_are_opaque_and_named(self):
        class Bits(ctypes.Structure):
            _fields_ = [("a", ctypes.c_uint8, 4), ("b", ctypes.c_uint8, 4), ("c", ctypes.c_uint16)]

        class Outer(ctypes.Structure):
            _fields_ = [("n", Bits), ("m", ctypes.c_uint32)]

        class ArrayOf(ctypes.Structure):
            _fields_ = [("n", Bits * 2)]

        for made in (Bits(3, 9, 500), (Bits * 3)(), Outer(), ArrayOf(), (ArrayOf * 2 * 2)()):
            with self.subTest(type=type(made).__name__):
                self.opaque(made, "Bits.a|itemsize")
        # From Python 3.12 on, ctypes writes padding as well, and with that a format of 5 bytes.
        self.opaque(Bits(3, 9, 500), "Bits has bit fields|has bit fields, as Bits.a|takes 5 bytes")

    def test_what_the_class_and_the_format_agree_on_is_read(self):
        class Point(ctypes.Structure):
            _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_double)]

        class Line(ctypes.Structure):
            _fields_ = [("ends", Point * 2), ("tag", ctypes.c_int64), ("name", ctypes.c_wchar * 2)]

        class Big(ctypes.BigEndianStructure):
            _fields_ = [("a", ctypes.c_uint16), ("b", ctypes.c_uint16)]

        line = Line(((1, 2), (3, 4)), 5, "ab")
        self.assertEqual(upload(line).tolist(), ([(1.0, 2.0), (3.0, 4.0)], 5, ["a", "b"]))
        self.assertEqual(upload((Line * 2)(line, line))["tag"].tolist(), [5, 5])
        self.assertEqual(upload(Big(1, 2)).tolist(), (1, 2))

    def test_other_classes_are_never_read_wrong(self):
        class Base(ctypes.Structure):
            _fields_ = [("p", ctypes.c_int)]

        class Derived(Base):
            _fields_ = [("q", ctypes.c_int)]

        class Pair(ctypes.Union):
            _fields_ = [("a", ctypes.c_uint16), ("b", ctypes.c_uint8)]

        class HasUnion(ctypes.Structure):
            _fields_ = [("u", Pair), ("v", ctypes.c_uint8)]

        class Packed(ctypes.Structure):
            _pack_ = 1
            _fields_ = [("u", ctypes.c_uint8), ("v", ctypes.c_uint16)]

        class HasPacked(ctypes.Structure):
            _fields_ = [("n", Packed), ("v", ctypes.c_uint8)]

        # From Python 3.12 on, the formats of packed structures are right.
        for made, expected in ((Derived(1, 2), (1, 2)), (HasUnion(), None),
                               (HasPacked((1, 0x203), 4), ((1, 0x203), 4))):
            with self.subTest(cls=type(made).__name__):
                try:
                    read = upload(made).tolist()
                except TypeError:
                    continue
                self.assertEqual(read, expected)

    def test_parts_with_one_format_and_two_classes_are_told_apart(self):
        class Bits(ctypes.Structure):
            _fields_ = [("a", ctypes.c_uint8, 4), ("b", ctypes.c_uint8, 4), ("c", ctypes.c_uint16)]

        class Plain(ctypes.Structure):
            _fields_ = [("a", ctypes.c_uint8), ("b", ctypes.c_uint8), ("c", ctypes.c_uint16)]

        if memoryview(Bits()).format != memoryview(Plain()).format:
            self.skipTest("this ctypes tells them apart")
        for parts in ([Plain(), Bits()], [Bits(), Plain()]):
            with self.assertRaisesRegex(ValueError, "part 1"):
                upload(parts)


if __name__ == "__main__":
    unittest.main()
