"""DeviceArrays without pointer tables go to other packages where they lie, and show updates."""

import array
import ctypes
import gc
import sys
import types
import unittest
import unittest.mock
import weakref

import multibuffer
import numpy
from support import DEVICE, exporter, require_device, upload
from test_device_buffer import legacy, versioned

ON_HOST = DEVICE == "host"
on_host = unittest.skipUnless(ON_HOST, "exports of host memory")


def setUpModule():
    require_device()


def rows(count=4, length=6, dtype="i4"):
    """Arrays each in memory of its own, which upload() makes one dense array of."""
    return [numpy.arange(length * i, length * (i + 1)).astype(dtype) for i in range(count)]


def with_tables():
    """An array that keeps its pointer table: rows in no order, and one twice."""
    block = numpy.arange(20, dtype="i4").reshape(5, 4)
    result = upload([block[i] for i in (3, 0, 2, 0)], placement="preserved")
    assert result.levels == 1
    return result


@on_host
class NumPy(unittest.TestCase):
    def test_floats_that_numpy_has_no_word_for_are_read_only(self):
        rows = multibuffer.upload([numpy.ones(3, "f4")] * 2, device="host").astype("bfloat16")
        array = multibuffer.upload(rows, device="host", placement="packed")
        stand_in = types.SimpleNamespace(bfloat16="u2")
        with unittest.mock.patch.dict(sys.modules, ml_dtypes=stand_in):
            shared = numpy.asarray(array)
        self.assertEqual(shared.tolist(), [[0x3f80] * 3] * 2)
        self.assertFalse(shared.flags.writeable)
        with self.assertRaises(ValueError):
            shared.setflags(write=True)

    def test_cycles_through_a_memoryview_are_collected(self):
        class Holder(numpy.ndarray):
            pass

        source = numpy.zeros(4).view(Holder)
        array = multibuffer.upload(source, device="host", placement="in_place")
        source.view_of_itself = memoryview(array)
        gone = weakref.ref(source)
        del source, array
        gc.collect()
        self.assertIsNone(gone())

    def test_shares_the_memory_read_only(self):
        source = rows()
        uploaded = upload(source)
        first, second = numpy.asarray(uploaded), numpy.asarray(uploaded)
        self.assertTrue(numpy.shares_memory(first, second))
        self.assertFalse(first.flags.writeable)
        self.assertTrue((first == numpy.stack(source)).all())
        self.assertEqual(first.dtype, numpy.dtype("i4"))
        for each in (numpy.array(uploaded, copy=False), uploaded.__array__(copy=False),
                     numpy.frombuffer(uploaded, "i4"), numpy.from_dlpack(uploaded)):
            self.assertTrue(numpy.shares_memory(first, each))
            self.assertFalse(each.flags.writeable)

    def test_shows_updates(self):
        source = rows()
        uploaded = upload(source)
        seen = numpy.asarray(uploaded[::-1, 1:])
        uploaded.update([row + 100 for row in source])
        self.assertEqual(seen.tolist(), (numpy.stack(source) + 100)[::-1, 1:].tolist())

    def test_an_array_is_updated_from_its_own_memory(self):
        source = numpy.arange(200_000, dtype="i4").reshape(4, 50_000)
        for seen in (lambda a: a[::-1], lambda a: [a[i] for i in (3, 2, 1, 0)],
                     lambda a: list(numpy.asarray(a)[::-1])):
            uploaded = upload(source)
            uploaded.update(seen(uploaded))
            self.assertTrue((numpy.asarray(uploaded) == source[::-1]).all())

    def test_keeps_the_memory(self):
        uploaded = upload(rows())
        kept = weakref.ref(uploaded)
        expected = uploaded.tolist()
        seen, view, tensor = (numpy.asarray(uploaded), memoryview(uploaded),
                              numpy.from_dlpack(uploaded))
        del uploaded
        gc.collect()
        upload(rows(dtype="i8"))  # would take the memory if it were free
        for each in (seen, view, tensor):
            self.assertEqual(each.tolist(), expected)
        del seen, view, each
        gc.collect()
        self.assertIsNone(kept())
        self.assertEqual(tensor.tolist(), expected)

    def test_keeps_the_exporter_of_an_array_in_place(self):
        source = numpy.arange(12.0).reshape(3, 4)
        kept = weakref.ref(source)
        uploaded = upload(source, placement="in_place")
        seen = numpy.asarray(uploaded)
        self.assertTrue(numpy.shares_memory(seen, source))
        source[1, 2] = -7
        self.assertEqual(seen[1, 2], -7)
        del source, uploaded
        gc.collect()
        self.assertIsNotNone(kept())
        self.assertEqual(seen[1, 2], -7)
        del seen
        gc.collect()
        self.assertIsNone(kept())

    def test_every_stride(self):
        source = numpy.arange(4 * 6 * 5, dtype="i2").reshape(4, 6, 5)
        uploaded = upload(list(source))
        views = [(slice(None),), (slice(None, None, -1),), (1,), (slice(1, 3), 2),
                 (Ellipsis, slice(None, None, -2)), (None, slice(0, 0)), (2, 3, 4),
                 (slice(None), None, slice(None, None, 3))]
        for key in views:
            seen = numpy.asarray(uploaded[key])
            self.assertEqual((seen.shape, seen.strides), (source[key].shape, source[key].strides)
                             if source[key].size else (seen.shape, seen.strides))
            self.assertEqual(seen.tolist(), source[key].tolist())
        self.assertEqual(numpy.asarray(uploaded.T).strides, source.T.strides)
        self.assertEqual(numpy.asarray(uploaded.transpose(1, 2, 0)).tolist(),
                         source.transpose(1, 2, 0).tolist())
        self.assertEqual(numpy.asarray(uploaded.reshape((24, 5))).tolist(),
                         source.reshape(24, 5).tolist())
        broadcast = upload(numpy.broadcast_to(numpy.arange(3), (4, 3)))
        self.assertEqual(numpy.asarray(broadcast).strides, (0, 8))
        self.assertEqual(numpy.asarray(broadcast).tolist(), [[0, 1, 2]] * 4)

    def test_elements_of_every_kind(self):
        dtype = numpy.dtype([("a", "u1"), ("b", ">i4", (2,)), ("c", "f8")])
        source = numpy.frombuffer(bytes(range(dtype.itemsize * 6)), dtype).reshape(2, 3)
        uploaded = upload(list(source))
        self.assertEqual(numpy.asarray(uploaded).tobytes(), source.tobytes())
        for name in dtype.names:
            seen = numpy.asarray(uploaded[name])
            self.assertEqual((seen.dtype, seen.strides), (source[name].dtype,
                                                          source[name].strides))
            self.assertEqual(seen.tobytes(), source[name].tobytes())
        self.assertEqual(numpy.asarray(uploaded[["a", "c"]])["c"].tobytes(), source["c"].tobytes())
        swapped = upload(numpy.arange(5, dtype=">f4"))
        self.assertEqual(numpy.asarray(swapped).dtype, numpy.dtype(">f4"))
        memory = ctypes.create_string_buffer(b"abcdefghij", 10)
        opaque = upload(exporter(ctypes.addressof(memory), (2,), (5,), format="nonsense",
                                 itemsize=5, keep=memory))
        view = memoryview(opaque)
        self.assertEqual((view.format, view.itemsize, view.tobytes()), ("5s", 5, b"abcdefghij"))

    def test_an_array_with_tables(self):
        uploaded = with_tables()
        with self.assertRaisesRegex(BufferError, r"pointer tables.*copy\(\)"):
            memoryview(uploaded)
        self.assertFalse(hasattr(uploaded, "__array_interface__"))
        with self.assertRaisesRegex(ValueError, "only by a copy"):
            uploaded.__array__(copy=False)
        copy = numpy.asarray(uploaded)  # of its elements, which lie nowhere side by side
        self.assertTrue(copy.flags.writeable)
        self.assertEqual(copy.tolist(), uploaded.tolist())
        row = numpy.asarray(uploaded[1])
        self.assertEqual(row.tolist(), uploaded[1].tolist())

    def test_other_dtypes_are_copies(self):
        uploaded = upload(rows())
        seen = numpy.asarray(uploaded, dtype="f8")
        self.assertTrue(seen.flags.writeable)
        self.assertEqual(seen.tolist(), uploaded.tolist())
        with self.assertRaisesRegex(ValueError, "only by a copy"):
            uploaded.__array__("f8", copy=False)
        self.assertTrue(numpy.array(uploaded).flags.writeable)

    def test_requests_of_consumers(self):
        import _testbuffer as t

        uploaded = upload(rows())
        for flags in (t.PyBUF_SIMPLE, t.PyBUF_ND, t.PyBUF_STRIDES, t.PyBUF_INDIRECT,
                      t.PyBUF_C_CONTIGUOUS, t.PyBUF_CONTIG_RO, t.PyBUF_FULL_RO):
            got = t.ndarray(uploaded, getbuf=flags)
            self.assertTrue(got.readonly)
            self.assertEqual(got.nbytes, uploaded.nbytes)
        for flags in (t.PyBUF_WRITABLE, t.PyBUF_FULL, t.PyBUF_CONTIG):
            with self.assertRaisesRegex(BufferError, "read-only"):
                t.ndarray(uploaded, getbuf=flags)
        with self.assertRaisesRegex(BufferError, "not C-contiguous"):
            t.ndarray(uploaded[:, ::2], getbuf=t.PyBUF_CONTIG_RO)
        with self.assertRaisesRegex(TypeError, "not writable"):
            (ctypes.c_char * 4).from_buffer(uploaded)

    def test_it_is_no_output(self):
        uploaded = upload(rows())
        for out in (uploaded, numpy.asarray(uploaded), memoryview(uploaded)):
            with self.assertRaisesRegex((TypeError, BufferError, ValueError),
                                        "read-only|not writable|whose memory is its own"):
                uploaded.copy(out=out)

    def test_array_interface(self):
        uploaded = upload(rows())
        interface = uploaded.__array_interface__
        self.assertEqual((interface["shape"], interface["strides"], interface["data"][1]),
                         ((4, 6), None, True))
        self.assertEqual(uploaded[:, ::-1].__array_interface__["strides"], (24, -4))
        self.assertFalse(hasattr(uploaded, "__cuda_array_interface__"))

    def test_one_cycle_is_collected(self):
        class Holder:
            pass

        holder = Holder()
        holder.source = numpy.arange(4.0)

        class Source(numpy.ndarray):
            pass

        source = numpy.arange(4.0).view(Source)
        source.holder = holder
        holder.array = upload(source, placement="in_place")
        numpy.asarray(holder.array)
        kept = weakref.ref(holder)
        del holder, source
        gc.collect()
        self.assertIsNone(kept())


class DLPack(unittest.TestCase):
    def test_capsules(self):
        uploaded = upload(rows())
        tensor = versioned(uploaded.__dlpack__(max_version=(1, 0)))
        self.assertEqual((tensor.flags, tensor.tensor.ndim), (1, 2))
        self.assertEqual((tensor.tensor.shape[:2], tensor.tensor.strides[:2]), ([4, 6], [6, 1]))
        again = versioned(uploaded.__dlpack__(max_version=(1, 0), copy=False))
        self.assertEqual(again.tensor.data, tensor.tensor.data)
        copy = versioned(uploaded.__dlpack__(max_version=(1, 0), copy=True))
        self.assertEqual(copy.flags, 2)
        self.assertNotEqual(copy.tensor.data, tensor.tensor.data)
        self.assertEqual(legacy(uploaded.__dlpack__()).data, tensor.tensor.data)
        self.assertEqual(uploaded.__dlpack_device__(), (1, 0) if ON_HOST else (2, 0))

    def test_strides(self):
        uploaded = upload(rows())
        tensor = versioned(uploaded[::-1, 4:1:-2].__dlpack__(max_version=(1, 0))).tensor
        whole = versioned(uploaded.__dlpack__(max_version=(1, 0))).tensor
        # torch before 2.0, which asks for this one, ends the process over a negative stride.
        with self.assertRaisesRegex(BufferError, r"negative.*copy\(\)"):
            uploaded[::-1].__dlpack__()
        self.assertEqual((tensor.shape[:2], tensor.strides[:2]), ([4, 2], [-6, -2]))
        self.assertEqual(tensor.data - whole.data, 4 * (3 * 6 + 4))
        broadcast = upload(numpy.broadcast_to(numpy.arange(3), (4, 3)))
        self.assertEqual(versioned(broadcast.__dlpack__(max_version=(1, 0))).tensor.strides[:2],
                         [0, 1])
        point = versioned(uploaded[1, 2].__dlpack__(max_version=(1, 0))).tensor
        self.assertEqual((point.ndim, point.data - whole.data), (0, 4 * 8))
        empty = versioned(uploaded[:0].__dlpack__(max_version=(1, 0))).tensor
        self.assertEqual(empty.shape[:2], [0, 6])

    def test_what_it_cannot_say(self):
        structs = upload(numpy.zeros(3, [("a", "i8"), ("b", "i4")]))
        with self.assertRaisesRegex(BufferError, "axis 0(, 12 bytes| has a stride of 12 bytes)"):
            structs["a"].__dlpack__()
        self.assertEqual(versioned(structs["b"].__dlpack__(max_version=(1, 0))).tensor.strides[0],
                         3)
        versioned(structs["a"].__dlpack__(max_version=(1, 0), copy=True))
        with self.assertRaisesRegex(BufferError, r"native\(\)"):
            upload(numpy.zeros(2, ">i4")).__dlpack__()
        with self.assertRaisesRegex(BufferError, "structs"):
            structs.__dlpack__()

    def test_an_array_with_tables(self):
        uploaded = with_tables()
        for words in ({}, {"max_version": (1, 0)}, {"copy": False}):
            with self.assertRaisesRegex(BufferError, r"pointer tables.*copy\(\)"):
                uploaded.__dlpack__(**words)
        copy = versioned(uploaded.__dlpack__(max_version=(1, 0), copy=True))
        self.assertEqual((copy.flags, copy.tensor.shape[:2]), (2, [4, 4]))
        host = versioned(uploaded.__dlpack__(max_version=(1, 0), copy=True, dl_device=(1, 0)))
        self.assertEqual(ctypes.string_at(host.tensor.data, 64), uploaded.tobytes())

    @on_host
    def test_what_may_be_write_protected_goes_to_who_can_be_told(self):
        uploaded = upload(b"abcd", placement="in_place")
        self.assertEqual(versioned(uploaded.__dlpack__(max_version=(1, 0))).flags, 1)
        with self.assertRaisesRegex(BufferError, "read-only"):
            uploaded.__dlpack__()
        self.assertEqual(legacy(uploaded.__dlpack__(copy=True)).shape[0], 4)

    def test_results_with_strides_that_it_cannot_say(self):
        out = numpy.zeros(3, [("a", "i8"), ("b", "i4")])
        if ON_HOST:
            plan = upload(numpy.arange(3)).plan_copy(out=out["a"])
            with self.assertRaisesRegex(BufferError, "12 bytes"):
                plan.run().__dlpack__()

    def test_the_exchange_table(self):
        self.assertTrue(hasattr(multibuffer.DeviceArray, "__dlpack_c_exchange_api__"))


@unittest.skipIf(ON_HOST, "exports of GPU memory")
class OnAGpu(unittest.TestCase):
    def test_cuda_array_interface(self):
        uploaded = upload(rows())
        interface = uploaded.__cuda_array_interface__
        self.assertEqual((interface["shape"], interface["typestr"], interface["strides"]),
                         ((4, 6), "<i4", None))
        self.assertTrue(interface["data"][1])
        self.assertEqual(uploaded[::-1].__cuda_array_interface__["strides"], (-24, 4))
        self.assertEqual(uploaded[::-1].__cuda_array_interface__["data"][0],
                         interface["data"][0] + 3 * 24)

        class Interface:
            __cuda_array_interface__ = uploaded.T.__cuda_array_interface__

        again = upload(Interface())
        self.assertEqual(again.tolist(), uploaded.T.tolist())
        uploaded.update([row + 1 for row in rows()])
        self.assertEqual(again.tolist(), uploaded.T.tolist())

    def test_what_it_refuses(self):
        with self.assertRaisesRegex(AttributeError, r"pointer tables.*copy\(\)"):
            with_tables().__cuda_array_interface__
        uploaded = upload(rows())
        with self.assertRaisesRegex(BufferError, r"copy\(\)\.to_host\(\)"):
            memoryview(uploaded)
        with self.assertRaisesRegex(TypeError, r"copy\(\)\.to_host\(\)"):
            numpy.asarray(uploaded)
        packed = upload(numpy.zeros(3, [("a", "i1"), ("b", "i4"), ("c", "i1")]))
        with self.assertRaisesRegex(AttributeError, "multiple of the 4 bytes"):
            packed["b"].__cuda_array_interface__
        with self.assertRaisesRegex(BufferError, "stride of|multiple of the 4 bytes"):
            packed["b"].__dlpack__()
        self.assertEqual(packed["b"].copy().__cuda_array_interface__["shape"], (3,))

    def test_streams(self):
        uploaded = upload(rows())
        for stream in (None, 1, 2, -1):
            self.assertEqual(legacy(uploaded.__dlpack__(stream=stream)).device_type, 2)
        with self.assertRaises(ValueError):
            uploaded.__dlpack__(stream=0)
        here = versioned(uploaded.__dlpack__(max_version=(1, 0), dl_device=(1, 0)))
        self.assertEqual((here.tensor.device_type, here.flags), (1, 2))
        self.assertEqual(ctypes.string_at(here.tensor.data, uploaded.nbytes), uploaded.tobytes())

    def test_a_capsule_keeps_the_memory(self):
        uploaded = upload(rows())
        expected = uploaded.tolist()
        capsule = uploaded.__dlpack__(max_version=(1, 0))
        del uploaded
        gc.collect()
        upload(rows(dtype="i8"))

        class Tensor:
            def __dlpack_device__(self):
                return (2, 0)

            def __dlpack__(self, **words):
                return capsule

        self.assertEqual(upload(Tensor()).tolist(), expected)


class Again(unittest.TestCase):
    """An array as an input again."""

    def test_in_place_it_is_not_copied(self):
        source = rows()
        uploaded = upload(source)
        again = upload(uploaded[::-1], placement="in_place")
        self.assertEqual(again.tolist(), uploaded.tolist()[::-1])
        uploaded.update([row + 1 for row in source])
        self.assertEqual(again.tolist(), uploaded.tolist()[::-1])
        del uploaded
        gc.collect()
        self.assertEqual(again.tolist(), [(row + 1).tolist() for row in source[::-1]])

    @on_host
    def test_otherwise_it_is_a_snapshot(self):
        source = rows()
        uploaded = upload(source)
        again = upload(uploaded)
        uploaded.update([row + 1 for row in source])
        self.assertEqual(again.tolist(), [row.tolist() for row in source])

    def test_stacks_of_arrays(self):
        source = rows()
        uploaded = [upload(row) for row in source]
        stack = multibuffer.stack(uploaded)
        self.assertTrue(stack.readonly)
        array = upload(stack, placement="in_place")
        self.assertEqual(array.tolist(), [row.tolist() for row in source])
        uploaded[2].update(source[2] + 50)
        self.assertEqual(array[2].tolist(), (source[2] + 50).tolist())

    def test_arrays_with_tables_are_copied(self):
        uploaded = with_tables()
        self.assertEqual(upload(uploaded).tolist(), uploaded.tolist())
        self.assertEqual(upload([uploaded, uploaded]).tolist(), [uploaded.tolist()] * 2)

    def test_index_arrays(self):
        indices = upload(array.array("q", [2, 0]))
        self.assertEqual(upload(rows())[indices].tolist(), upload(rows()).tolist()[2::-2])


if __name__ == "__main__":
    unittest.main()
