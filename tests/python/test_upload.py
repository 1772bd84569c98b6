"""upload(): every kind of exporter, lists as pointer tables, and what an array says of itself."""

import array
import ctypes
import mmap
import tempfile
import unittest

import multibuffer
from support import DEVICE, Tables, exporter, needs, optional_import, require_device, upload

numpy = optional_import("numpy")


def setUpModule():
    require_device()


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int32), ("y", ctypes.c_double)]


class Exporters(unittest.TestCase):
    def check(self, obj):
        expected = memoryview(obj)
        uploaded = upload(obj)
        self.assertEqual(uploaded.shape, expected.shape)
        self.assertEqual(uploaded.format, expected.format)
        self.assertEqual(uploaded.itemsize, expected.itemsize)
        self.assertEqual(uploaded.nbytes, expected.nbytes)
        self.assertEqual(uploaded.tobytes(), expected.tobytes())
        return uploaded

    def test_of_the_standard_library(self):
        for obj in (b"abc", bytearray(b"abcd"), memoryview(b"abcdef")[::-2], b""):
            self.assertEqual(self.check(obj).tolist(), list(obj))
        for code in "bBhHiIlLqQfd":
            self.assertEqual(self.check(array.array(code, [1, 2, 3])).tolist(), [1, 2, 3])
        self.assertEqual(self.check(array.array("u", "añ\0")).tolist(), ["a", "ñ", "\0"])

    def test_mmap(self):
        with tempfile.TemporaryFile() as file:
            file.write(bytes(range(200)))
            file.flush()
            with mmap.mmap(file.fileno(), 200) as mapped:
                self.check(mapped)  # and may be closed: the export has been released

    def test_ctypes_arrays(self):
        self.assertEqual(self.check((ctypes.c_int16 * 3)(1, 2, 3)).tolist(), [1, 2, 3])
        self.assertEqual(self.check((ctypes.c_int16 * 2 * 3)((1, 2), (3, 4), (5, 6))).tolist(),
                         [[1, 2], [3, 4], [5, 6]])
        self.assertEqual(self.check(ctypes.c_double(2.5)).tolist(), 2.5)

    def test_ctypes_structs_are_opaque_where_their_format_lies(self):
        points = (Point * 2)(Point(1, 2.5), Point(3, 4.5))
        uploaded = self.check(points)
        # ctypes leaves the padding out of the format before Python 3.12.
        if "4x" in memoryview(points).format:
            self.assertEqual(uploaded.tolist(), [(1, 2.5), (3, 4.5)])
        else:
            self.assertEqual(uploaded.dtype, "|V16")
            with self.assertRaisesRegex(TypeError, "12 bytes, but the itemsize is 16"):
                uploaded.tolist()

    @needs(numpy, "NumPy")
    def test_integers_and_dates_are_no_rows_of_one_array(self):
        dates = numpy.arange(3).astype("M8[s]")
        for other in (numpy.arange(3), dates.astype("M8[ms]"), dates.view("m8[s]")):
            with self.assertRaisesRegex(ValueError, "datetime64"):
                upload([other, dates])

    @needs(numpy, "NumPy")
    def test_numpy_with_every_dtype(self):
        codes = [code for code in numpy.typecodes["All"] if code != "O"]
        for code in codes + ["M8[s]", ">m8[25us]", ">i4", ">f8", ">c8", "S5", ">U3", "V7", "(2,3)i2"]:
            dtype = numpy.dtype(code)
            if dtype.itemsize == 0:
                dtype = numpy.dtype(code + "2")
            with self.subTest(dtype=dtype):
                values = numpy.arange(12 * dtype.itemsize, dtype="u1").view("u1")
                source = numpy.frombuffer(values.tobytes(), dtype=dtype.base).copy()
                if dtype.base.kind == "b":
                    source = source != 0
                if dtype.base.kind == "U":
                    source = numpy.array(["añ", "b", "xyz"], dtype=dtype)
                uploaded = upload(source)
                self.assertEqual(uploaded.shape, source.shape)
                self.assertEqual(uploaded.tobytes(), source.tobytes())
                self.assertEqual(numpy.dtype(uploaded.dtype), source.dtype)
                if dtype.base.kind in "biu":
                    self.assertEqual(uploaded.tolist(), source.tolist())

    @needs(numpy, "NumPy")
    def test_numpy_structs_and_records(self):
        for align in (False, True):
            dtype = numpy.dtype([("a", "u1"), ("b", ">i4"), ("c", [("d", "f8"), ("e", "S3")]),
                                 ("f", "i2", (2, 3))], align=align)
            source = numpy.frombuffer(bytes(range(dtype.itemsize)) * 4, dtype=dtype)
            with self.subTest(align=align):
                uploaded = upload(source)
                self.assertEqual(uploaded.tobytes(), source.tobytes())
                self.assertEqual(upload(source["b"]).tobytes(), source["b"].tobytes())

    @needs(numpy, "NumPy")
    def test_objects_are_refused(self):
        with self.assertRaisesRegex(TypeError, "object"):
            upload(numpy.array([1, "a"], dtype=object))

    @needs(optional_import("_testbuffer"), "CPython's _testbuffer")
    def test_testbuffer(self):
        from _testbuffer import ND_PIL, ndarray

        source = ndarray(list(range(24)), shape=[2, 3, 4], format="i", flags=ND_PIL)
        uploaded = upload(source)
        self.assertEqual(uploaded.tolist(), source.tolist())

    def test_things_that_are_no_arrays(self):
        for obj in (1, None, "abc", {}, object(), [1, 2], ["a"], [b"a", 3]):
            with self.subTest(obj=obj), self.assertRaisesRegex(TypeError, "buffer protocol"):
                upload(obj)
        with self.assertRaisesRegex(ValueError, "list of no arrays"):
            upload([])


class Lists(unittest.TestCase):
    def test_a_list_is_a_pointer_table(self):
        rows = [array.array("i", [10 * i, 10 * i + 1, 10 * i + 2]) for i in range(4)]
        self.assertEqual(upload(rows).tolist(), [row.tolist() for row in rows])
        self.assertEqual(upload(tuple(rows)).shape, (4, 3))

    def test_at_any_nesting(self):
        rows = [[bytes([10 * i + j, 0]) for j in range(3)] for i in range(2)]
        self.assertEqual(upload(rows).tolist(),
                         [[[0, 0], [1, 0], [2, 0]], [[10, 0], [11, 0], [12, 0]]])
        self.assertEqual(upload([[[b"x"]]]).shape, (1, 1, 1, 1))

    def test_parts_that_are_tables_themselves(self):
        parts = [Tables((2, 3), {0}), Tables((2, 3), {0})]
        self.assertEqual(upload([part.exporter() for part in parts]).tolist(),
                         [part.nested() for part in parts])

    def test_parts_that_lie_differently_are_copied(self):
        backwards = memoryview(bytes(range(6)))[::-2]
        self.assertEqual(upload([b"abc", backwards]).tolist(), [[97, 98, 99], [5, 3, 1]])
        self.assertEqual(upload([backwards, b"abc"]).tolist(), [[5, 3, 1], [97, 98, 99]])
        direct, indirect = Tables((2, 2), ()), Tables((2, 2), {0, 1})
        self.assertEqual(upload([direct.exporter(), indirect.exporter()]).tolist(),
                         [direct.nested(), indirect.nested()])

    def test_one_format_however_it_is_spelt(self):
        self.assertEqual(upload([array.array("i", [1]), (ctypes.c_int * 1)(2)]).tolist(),
                         [[1], [2]])

    def test_parts_that_cannot_be_one_array(self):
        with self.assertRaisesRegex(ValueError, r"part 1 has \(2,\), part 0 has \(3,\)"):
            upload([b"abc", b"ab"])
        with self.assertRaisesRegex(ValueError, "part 2 has 'f', part 0 has 'i'"):
            upload([array.array("i", [1]), array.array("i", [2]), array.array("f", [1])])

    def test_a_list_that_holds_itself(self):
        endless = []
        endless.append(endless)
        for call in (upload, lambda x: upload(b"abc")[x], multibuffer.stack):
            for _ in range(2):
                with self.assertRaisesRegex(ValueError, "nested deeper than 64"):
                    call(endless)


class Placements(unittest.TestCase):
    def setUp(self):
        self.rows = [bytearray(b"abcd"), bytearray(b"efgh")]

    def test_an_upload_is_a_snapshot_and_lets_go(self):
        for placement in ("auto", "packed", "preserved"):
            uploaded = upload(self.rows, placement=placement)
            self.rows[0][0] ^= 1
            self.rows[0].extend(b"more")  # would raise if the export were still held
            del self.rows[0][4:]
            self.rows[0][0] ^= 1
            self.assertEqual(uploaded[0].tobytes(), b"abcd")
            self.assertIn(uploaded.placement, ("packed", "preserved"))

    @unittest.skipUnless(DEVICE == "host", "host memory is in place on the host alone")
    def test_in_place_nothing_moves_and_the_exporter_is_held(self):
        uploaded = upload(self.rows, placement="in_place")
        self.rows[0][0] = ord("z")
        self.assertEqual(uploaded.tobytes(), b"zbcdefgh")
        view = uploaded[::-1]
        del uploaded
        with self.assertRaises(BufferError):
            self.rows[1].clear()
        del view
        self.rows[1].clear()

    def test_names(self):
        with self.assertRaisesRegex(ValueError, "auto, packed, preserved and in_place"):
            upload(b"a", placement="dense")
        with self.assertRaisesRegex(ValueError, "auto, host, cuda, and cuda:N"):
            multibuffer.upload(b"a", device="gpu")
        if not any(device.name.startswith("cuda") for device in multibuffer.devices()):
            with self.assertRaisesRegex(RuntimeError, "device not available"):
                multibuffer.upload(b"a", device="cuda")
        self.assertEqual(multibuffer.devices()[-1].name, "host")


class Description(unittest.TestCase):
    def test_what_an_array_says(self):
        parts = [array.array("d", [1, 2, 3]) for _ in range(2)]
        uploaded = upload([parts[1], parts[0], parts[1]])
        self.assertEqual((uploaded.shape, uploaded.ndim, uploaded.size), ((3, 3), 2, 9))
        self.assertEqual((uploaded.format, uploaded.dtype, uploaded.itemsize), ("d", "float64", 8))
        self.assertEqual((uploaded.nbytes, len(uploaded)), (72, 3))
        self.assertTrue(uploaded.device.startswith(DEVICE))
        self.assertGreater(uploaded.storage_bytes, 0)
        self.assertEqual([axis.extent for axis in uploaded.axes], [3, 3])
        self.assertEqual(len(uploaded.origins), uploaded.levels + 1)
        self.assertRegex(repr(uploaded), r"^DeviceArray\(shape=\(3, 3\), dtype='float64', device=")
        self.assertRegex(repr(uploaded), r"axis 0: extent 3, stride \d+ entries of offset array 0\n")
        self.assertRegex(repr(uploaded), r"axis 1: extent 3, stride 8 bytes$")

    def test_without_axes(self):
        uploaded = upload(ctypes.c_int(7))
        self.assertEqual((uploaded.shape, uploaded.size, uploaded.tolist()), ((), 1, 7))
        with self.assertRaises(TypeError):
            len(uploaded)

    def test_iterating_gives_views(self):
        self.assertEqual([row.tolist() for row in upload([b"ab", b"cd"])], [[97, 98], [99, 100]])

    @needs(numpy, "NumPy")
    def test_numpy_gets_a_copy_where_there_is_no_gpu(self):
        uploaded = upload([b"ab", b"cd"])
        if DEVICE == "host":
            self.assertEqual(numpy.asarray(uploaded).tolist(), [[97, 98], [99, 100]])
            self.assertEqual(numpy.array(uploaded, dtype="f4").dtype, "f4")
        else:
            with self.assertRaisesRegex(TypeError, "to_host"):
                numpy.asarray(uploaded)


class Traps(unittest.TestCase):
    """Those of the protocol."""

    def test_nothing_is_followed_where_an_extent_is_0(self):
        for shape in ((0, 3), (3, 0)):
            source = exporter(8, shape, (8, 1), suboffsets=[0, -1])
            self.assertEqual(upload(source).shape, shape)
            self.assertEqual(upload(source).tobytes(), b"")

    def test_suboffsets_without_axes(self):
        memory = ctypes.c_int32(5)
        source = exporter(ctypes.addressof(memory), (), (), suboffsets=[], format="i", itemsize=4)
        self.assertEqual(upload(source).tolist(), 5)

    def test_suboffsets_that_are_all_negative(self):
        memory = (ctypes.c_char * 4)(*b"abcd")
        source = exporter(ctypes.addressof(memory), (2, 2), (2, 1), suboffsets=[-1, -5])
        self.assertEqual(upload(source).tobytes(), b"abcd")

    def test_defaults_for_what_is_null(self):
        memory = (ctypes.c_char * 4)(*b"abcd")
        source = exporter(ctypes.addressof(memory), (4,), (1,))
        source.strides = None
        self.assertEqual(upload(source).tobytes(), b"abcd")
        source.format = None
        self.assertEqual(upload(source).format, "B")
        source.shape = None
        self.assertEqual(upload(source).tobytes(), b"abcd")
        source.shape, source.itemsize = [2], 2  # an item of two bytes, whose format nobody said
        self.assertEqual(upload(source).itemsize, 2)
        self.assertEqual(upload(source).tobytes(), b"abcd")

    def test_any_stride(self):
        memory = (ctypes.c_char * 16)(*range(16))
        source = exporter(ctypes.addressof(memory) + 5, (2, 3), (0, 3), format="h", itemsize=2)
        self.assertEqual(upload(source).tobytes(), bytes([5, 6, 8, 9, 11, 12]) * 2)
        source = exporter(ctypes.addressof(memory) + 15, (4,), (-5,))
        self.assertEqual(upload(source).tobytes(), bytes([15, 10, 5, 0]))

    def test_null_in_a_table_is_named(self):
        table = (ctypes.c_void_p * 3)(ctypes.addressof(ctypes.create_string_buffer(4)), None, None)
        source = exporter(ctypes.addressof(table), (3, 4), (8, 1), suboffsets=[0, -1])
        with self.assertRaisesRegex(BufferError, "NULL pointer in a pointer table: .*1"):
            upload(source)

    def test_sixty_four_axes_and_no_more(self):
        memory = ctypes.c_char(b"x")
        address = ctypes.addressof(memory)
        self.assertEqual(upload(exporter(address, [1] * 64, [1] * 64)).ndim, 64)
        with self.assertRaisesRegex(BufferError, "65 axes"):
            upload(exporter(address, [1] * 65, [1] * 65))


if __name__ == "__main__":
    unittest.main()
