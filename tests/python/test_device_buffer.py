"""DeviceBuffer: what results say, and how they are handed on."""

import array
import ctypes
import gc
import unittest

import multibuffer
from support import DEVICE, needs, optional_import, require_device, upload

numpy = optional_import("numpy")
on_host = unittest.skipUnless(DEVICE == "host", "exports of host memory")


def setUpModule():
    require_device()


class DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32),
                ("device_id", ctypes.c_int32), ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8),
                ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class Versioned(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32),
                ("manager", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
                ("flags", ctypes.c_uint64), ("tensor", DLTensor)]


def opened(capsule, name, kind):
    """What a capsule of this name holds; None if it has another name."""
    is_valid = ctypes.pythonapi.PyCapsule_IsValid
    is_valid.argtypes = [ctypes.py_object, ctypes.c_char_p]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.argtypes, get_pointer.restype = is_valid.argtypes, ctypes.c_void_p
    if not is_valid(capsule, name):
        return None
    result = kind.from_address(get_pointer(capsule, name))
    result.capsule = capsule  # whose tensor it is
    return result


def legacy(capsule):
    return opened(capsule, b"dltensor", DLTensor)


def versioned(capsule):
    return opened(capsule, b"dltensor_versioned", Versioned)


class Description(unittest.TestCase):
    def test_what_a_result_says(self):
        result = upload([b"abcd", b"efgh"]).copy(order="F")
        self.assertEqual((result.shape, result.strides), ((2, 4), (1, 2)))
        self.assertEqual((result.format, result.dtype, result.itemsize), ("B", "uint8", 1))
        self.assertEqual((result.ndim, result.size, result.nbytes, len(result)), (2, 8, 8, 2))
        self.assertTrue(result.device.startswith(DEVICE))
        self.assertEqual(result.tobytes(), b"abcdefgh")
        self.assertEqual(result.tolist(), [[97, 98, 99, 100], [101, 102, 103, 104]])
        self.assertRegex(repr(result), r"^DeviceBuffer\(shape=\(2, 4\), dtype='uint8', device='")
        self.assertEqual(result.to_host().device, "host")
        self.assertEqual(result.to_host().tolist(), result.tolist())
        result.synchronize()

    def test_without_elements(self):
        result = upload([b"abcd"])[:, 4:].copy()
        self.assertEqual((result.shape, result.tobytes(), result.tolist()), ((1, 0), b"", [[]]))


@on_host
class BufferProtocol(unittest.TestCase):
    def test_memoryview_shares_the_memory(self):
        result = upload([b"abcd", b"efgh"]).copy()
        view = memoryview(result)
        self.assertEqual((view.shape, view.strides, view.format), ((2, 4), (4, 1), "B"))
        self.assertEqual((view.suboffsets, view.readonly), ((), False))
        view[1, 2] = 0
        self.assertEqual(result.tobytes(), b"abcdef\0h")
        del result
        gc.collect()
        self.assertEqual(view.tobytes(), b"abcdef\0h")

    @needs(optional_import("_testbuffer"), "CPython's _testbuffer")
    def test_every_request(self):
        import _testbuffer as t

        dense, fortran = upload([b"abcd", b"efgh"]).copy(), upload([b"abcd", b"efgh"]).copy("F")
        strided = t.PyBUF_STRIDES
        for flags in (t.PyBUF_SIMPLE, t.PyBUF_WRITABLE, t.PyBUF_ND, strided, t.PyBUF_INDIRECT,
                      t.PyBUF_C_CONTIGUOUS, t.PyBUF_ANY_CONTIGUOUS, t.PyBUF_CONTIG_RO,
                      t.PyBUF_FULL, t.PyBUF_FULL_RO, t.PyBUF_RECORDS):
            got = t.ndarray(dense, getbuf=flags)
            has_strides = (flags & strided) == strided
            self.assertEqual(got.strides, (4, 1) if has_strides else ())
            self.assertEqual(got.shape, (2, 4) if flags & t.PyBUF_ND else ())
            self.assertEqual(got.format, "B" if flags & t.PyBUF_FORMAT else "")
            self.assertEqual(got.nbytes, 8)
        t.ndarray(fortran, getbuf=t.PyBUF_F_CONTIGUOUS)
        t.ndarray(fortran, getbuf=t.PyBUF_ANY_CONTIGUOUS)
        for flags in (t.PyBUF_SIMPLE, t.PyBUF_ND, t.PyBUF_C_CONTIGUOUS, t.PyBUF_CONTIG):
            with self.assertRaises(BufferError):
                t.ndarray(fortran, getbuf=flags)
        with self.assertRaises(BufferError):
            t.ndarray(dense, getbuf=t.PyBUF_F_CONTIGUOUS)
        with self.assertRaises(BufferError):
            t.ndarray(dense, getbuf=t.PyBUF_SIMPLE | t.PyBUF_FORMAT)

    def test_it_is_an_input_again(self):
        result = upload([b"abcd", b"efgh"]).copy()
        self.assertEqual(upload(result).T.tobytes(), b"aebfcgdh")

    @needs(numpy, "NumPy")
    def test_numpy_shares_the_memory(self):
        source = numpy.arange(6.0).reshape(2, 3)
        result = upload(list(source)).copy()
        for array in (numpy.asarray(result), numpy.frombuffer(result), numpy.from_dlpack(result)):
            self.assertEqual(array.ctypes.data, memoryview_address(result))
        self.assertEqual(numpy.asarray(result).dtype, source.dtype)
        self.assertTrue((numpy.asarray(result) == source).all())
        interface = result.__array_interface__
        self.assertEqual((interface["shape"], interface["typestr"], interface["strides"],
                          interface["version"]), ((2, 3), "<f8", None, 3))
        self.assertEqual(upload(list(source)).copy("F").__array_interface__["strides"], (8, 16))
        self.assertFalse(hasattr(result, "__cuda_array_interface__"))

    @needs(numpy, "NumPy")
    def test_the_array_interface_describes_structs(self):
        dtype = numpy.dtype([("a", "u1"), ("b", ">i4", (2,)), ("c", [("d", "f8")])], align=True)
        source = numpy.frombuffer(bytes(range(dtype.itemsize)) * 2, dtype)
        result = upload(source).copy()
        interface = result.__array_interface__
        self.assertEqual(interface["typestr"], f"|V{dtype.itemsize}")

        class Interface:
            __array_interface__ = interface

        again = numpy.asarray(Interface())
        for name in "abc":
            self.assertEqual(again[name].tobytes(), source[name].tobytes())


def memoryview_address(result):
    return ctypes.addressof(ctypes.c_char.from_buffer(result))


@unittest.skipUnless(DEVICE == "cuda", "exports of GPU memory")
class OnAGpu(unittest.TestCase):
    def test_it_has_no_host_buffer(self):
        result = upload(b"abcd").copy()
        with self.assertRaisesRegex(BufferError, "to_host"):
            memoryview(result)
        self.assertFalse(hasattr(result, "__array_interface__"))
        self.assertEqual(memoryview(result.to_host()).tobytes(), b"abcd")

    def test_cuda_array_interface(self):
        result = upload([b"abcd", b"efgh"]).copy()
        interface = result.__cuda_array_interface__
        self.assertEqual((interface["shape"], interface["typestr"], interface["version"]),
                         ((2, 4), "|u1", 3))
        self.assertIsNone(interface["strides"])
        self.assertIsNone(interface["stream"])
        self.assertEqual(interface["data"][1], False)

        class Interface:
            __cuda_array_interface__ = interface

        self.assertEqual(upload(Interface())[::-1].tobytes(), b"efghabcd")
        empty = upload(b"abcd")[4:].copy()
        self.assertEqual(empty.__cuda_array_interface__["data"][0], 0)

    @unittest.skipIf(len(multibuffer.devices()) < 3, "one GPU alone")
    def test_the_interface_of_memory_on_another_gpu(self):
        result = multibuffer.upload([b"abcd", b"efgh"], device="cuda:1").copy()

        class Interface:
            __cuda_array_interface__ = result.__cuda_array_interface__

        again = multibuffer.upload(Interface())
        self.assertEqual((again.device, again[::-1].tobytes()), ("cuda:1", b"efghabcd"))
        with self.assertRaisesRegex(ValueError, "part 1 is on cuda:1, part 0 on cuda:0"):
            multibuffer.stack([upload([b"abcd", b"efgh"]).copy(), Interface()])

    def test_the_interface_of_memory_that_is_not_a_gpus(self):
        memory = ctypes.create_string_buffer(8)

        class Interface:
            __cuda_array_interface__ = {"shape": (8,), "typestr": "|u1", "version": 3,
                                        "data": (ctypes.addressof(memory), False)}

        with self.assertRaisesRegex(BufferError, "not a CUDA device's"):
            upload(Interface())

    def test_lists_of_results(self):
        rows = [upload(bytes([i] * 4)).copy() for i in range(10)]
        stack = multibuffer.stack(rows)
        self.assertEqual(stack.device, rows[0].device)
        with self.assertRaisesRegex(BufferError, "the parts of this stack are on cuda:0"):
            memoryview(stack)
        expected = b"".join(row.tobytes() for row in rows)
        self.assertEqual(multibuffer.upload(stack, placement="in_place").tobytes(), expected)
        self.assertEqual(multibuffer.upload(rows)[::-1].tobytes(),
                         b"".join(row.tobytes() for row in rows[::-1]))
        self.assertEqual(multibuffer.upload(rows, device="host").tobytes(), expected)
        planes = [upload([b"ab", b"cd"]).copy(order) for order in "CFC"]
        self.assertEqual(multibuffer.upload(planes).tobytes(), b"abcd" * 3)

    def test_dlpack_devices(self):
        result = upload(b"abcd").copy()
        self.assertEqual(result.__dlpack_device__(), (2, 0))
        for stream in (None, 1, 2, -1):  # the consumer's, which is made to wait for our work
            self.assertEqual(legacy(result.__dlpack__(stream=stream)).device_type, 2)
        with self.assertRaises(ValueError):
            result.__dlpack__(stream=0)
        here = versioned(result.__dlpack__(max_version=(1, 0), dl_device=(1, 0)))
        self.assertEqual((here.tensor.device_type, here.flags), (1, 2))
        with self.assertRaises(BufferError):
            result.__dlpack__(dl_device=(1, 0), copy=False)

    def test_it_is_an_input_again(self):
        result = upload([b"abcd", b"efgh"]).copy()
        self.assertEqual(multibuffer.upload(result).device, result.device)
        self.assertEqual(multibuffer.upload(result).T.tobytes(), b"aebfcgdh")
        self.assertEqual(multibuffer.upload(result, device="host").tobytes(), b"abcdefgh")


class Verified(unittest.TestCase):
    @unittest.skipUnless(DEVICE == "cuda", "indices on a GPU")
    def test_indices_that_were_out_of_range_are_told_on_either_side(self):
        rows = upload([b"abcd", b"efgh"])
        indices = upload(array.array("q", [0, 2])).copy()
        whole = rows.copy()
        for pair in ((rows.take(indices), whole), (whole, rows.take(indices))):
            with self.assertRaisesRegex(IndexError, "index 2 at position"):
                multibuffer.verify(*pair)


class DLPack(unittest.TestCase):
    def test_legacy_and_versioned_capsules(self):
        result = upload([b"abcd", b"efgh"]).copy()
        for version in (None, (0, 8)):
            tensor = legacy(result.__dlpack__(max_version=version))
            self.assertEqual((tensor.ndim, tensor.shape[:2], tensor.strides[:2]), (2, [2, 4], [4, 1]))
            self.assertEqual((tensor.code, tensor.bits, tensor.lanes), (1, 8, 1))
        for version in ((1, 0), (1, 3), (2, 0)):
            managed = versioned(result.__dlpack__(max_version=version))
            self.assertEqual((managed.major, managed.flags), (1, 0))

    def test_strides_count_elements(self):
        result = upload([memoryview(bytes(range(24))).cast("i"), bytes(24) and
                         memoryview(bytes(24)).cast("i")]).copy(order="F")
        self.assertEqual(legacy(result.__dlpack__()).strides[:2], [1, 2])

    @on_host
    def test_devices_copies_and_streams(self):
        result = upload(b"abcd").copy()
        self.assertEqual(result.__dlpack_device__(), (1, 0))
        shared = versioned(result.__dlpack__(max_version=(1, 0), dl_device=(1, 0), copy=False))
        self.assertEqual((shared.tensor.data, shared.flags), (memoryview_address(result), 0))
        capsule = result.__dlpack__(max_version=(1, 0), copy=True)
        self.assertNotEqual(versioned(capsule).tensor.data, memoryview_address(result))
        self.assertEqual(versioned(capsule).flags, 2)
        with self.assertRaisesRegex(BufferError, r"device \(2, 0\)"):
            result.__dlpack__(dl_device=(2, 0))
        with self.assertRaisesRegex(ValueError, "stream must be None"):
            result.__dlpack__(stream=1)
        with self.assertRaises(TypeError):
            result.__dlpack__(None, (1, 0))

    @needs(numpy, "NumPy")
    def test_types(self):
        codes = {"?": (6, 8), "i1": (0, 8), "u2": (1, 16), "i4": (0, 32), "u8": (1, 64),
                 "f2": (2, 16), "f4": (2, 32), "f8": (2, 64), "c8": (5, 64), "c16": (5, 128)}
        for dtype, code in codes.items():
            tensor = legacy(upload(numpy.zeros(2, dtype)).copy().__dlpack__())
            self.assertEqual((tensor.code, tensor.bits), code)
        for dtype in ("g", "S3", "U2", [("a", "i4")], "V3"):
            with self.assertRaisesRegex(BufferError, "DLPack cannot hold"):
                upload(numpy.zeros(2, dtype)).copy().__dlpack__()
        with self.assertRaisesRegex(BufferError, r"native\(\)"):
            upload(numpy.zeros(2, ">i4")).copy().__dlpack__()
        upload(numpy.zeros(2, ">i4")).native().__dlpack__()

    @on_host
    @needs(numpy, "NumPy")
    def test_the_memory_lives_as_long_as_the_consumer(self):
        array = numpy.from_dlpack(upload([b"abcd", b"efgh"])[[1, 0]])
        gc.collect()
        self.assertEqual(array.tobytes(), b"efghabcd")

    @on_host
    @needs(numpy, "NumPy")
    def test_dlpack_is_an_input(self):
        class Exporter:
            """DLPack alone, as torch's tensors have it."""

            def __init__(self, array, versions):
                self.array, self.versions, self.asked = array, versions, []

            def __dlpack_device__(self):
                return (1, 0)

            def __dlpack__(self, **words):
                self.asked.append(words)
                if "max_version" in words and not self.versions:
                    raise TypeError("no such word")
                return self.array.__dlpack__(**words)

        source = numpy.arange(12.0).reshape(3, 4)[::-1, ::2]
        old = Exporter(source, versions=False)
        self.assertEqual(upload(old).tobytes(), source.tobytes())
        self.assertEqual([list(words) for words in old.asked], [["max_version"], []])
        new = Exporter(upload(source).copy(), versions=True)
        self.assertEqual(upload([new, new])[1].tobytes(), source.tobytes())
        self.assertEqual(multibuffer.reference(new).T.tobytes(), source.T.tobytes())
        for versions in (False, True):
            out = upload(bytes(3)).copy()
            upload(b"abc").copy(out=Exporter(out, versions))
            self.assertEqual(out.tobytes(), b"abc")

    def test_devices_that_are_neither(self):
        class Elsewhere:
            def __dlpack_device__(self):
                return (8, 0)

            def __dlpack__(self, **words):
                raise BufferError("not for the likes of you")

        with self.assertRaisesRegex(BufferError, "not for the likes"):
            upload(Elsewhere())


if __name__ == "__main__":
    unittest.main()
