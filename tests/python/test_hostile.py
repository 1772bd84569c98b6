"""Exporters that break the rules end in a clear exception or a right answer: never in a crash, a
leak, or an export that is not given back."""

import ctypes
import gc
import os
import sys
import threading
import time
import unittest

import multibuffer
from _exporters import Exporter
from support import DEVICE, Tables, exporter, needs, optional_import, require_device, upload

numpy = optional_import("numpy")


def setUpModule():
    require_device()


def block(data=b"abcdef"):
    memory = (ctypes.c_char * len(data))(*data)
    return exporter(ctypes.addressof(memory), (len(data),), (1,), keep=memory)


class ReachedByDlpack(Exporter):
    """An exporter that refuses; DLPack gives its array."""

    def __init__(self, array, kind=BufferError):
        super().__init__()

        def refuse(_):
            raise kind("not by the buffer protocol")

        self.array, self.where, self.on_getbuffer = array, None, refuse

    def __dlpack_device__(self):
        return self.where() if self.where else self.array.__dlpack_device__()

    def __dlpack__(self, **words):
        return self.array.__dlpack__(**words)


class ReachedByCuda(ReachedByDlpack):
    """The same, by the older interface."""

    __dlpack__ = __dlpack_device__ = property()  # neither is there

    @property
    def __cuda_array_interface__(self):
        return self.array.__cuda_array_interface__


class Immutable(ReachedByDlpack):
    """The older interface alone says that it must not be written to."""

    @property
    def __cuda_array_interface__(self):
        interface = dict(self.array.__cuda_array_interface__)
        interface["data"] = (interface["data"][0], True)
        return interface


class Checked(unittest.TestCase):
    """checked=True: addresses that lead nowhere are refused, where reading them would end the process."""

    def setUp(self):
        self.memory = (ctypes.c_char * 64)(*range(64))
        self.address = ctypes.addressof(self.memory)

    def rows(self, *pointers, length=4):
        table = (ctypes.c_void_p * len(pointers))(*pointers)
        return exporter(ctypes.addressof(table), (len(pointers), length), (8, 1),
                        suboffsets=[0, -1], keep=table)

    def test_honest_exports_are_as_without(self):
        for source in (self.rows(self.address, self.address + 8), block(), b"", [b"ab", b"cd"],
                       [memoryview(b"abcd")[::2], b"xy"]):
            with self.subTest(source=source):
                self.assertEqual(upload(source, checked=True).copy().tobytes(),
                                 upload(source).copy().tobytes())

    def test_pointers_that_lead_nowhere_are_named(self):
        for wild in (16, 2**63, 2**64 - 1):
            with self.assertRaisesRegex(BufferError, r"index \[1, 0\] of shape \(2, 4\)"):
                upload(self.rows(self.address, wild), checked=True)

    def test_extents_that_lead_nowhere_are_named(self):
        with self.assertRaisesRegex(BufferError, r"index \[0, \d+\].* axis 1 leads"):
            upload(self.rows(self.address, length=2**50), checked=True)
        with self.assertRaisesRegex(BufferError, "axis 0 leads"):
            upload(exporter(self.address, (2**50,), (1,)), checked=True)

    def test_so_are_parts_that_are_copied_on_the_way(self):
        with self.assertRaisesRegex(BufferError, "cannot be read"):
            upload([exporter(16, (3,), (2,)), b"abc"], checked=True)

    def test_so_are_ragged_rows(self):
        rows = [exporter(self.address, (3,), (1,)), exporter(16, (2,), (1,))]
        with self.assertRaisesRegex(BufferError, "row 1 of 2 would be 2 bytes at 0x10"):
            multibuffer.ragged(rows, device=DEVICE, checked=True)
        with self.assertRaisesRegex(BufferError, "cannot be read"):
            multibuffer.ragged([exporter(16, (3,), (2,)), b"abc"], device=DEVICE, checked=True)
        wild = exporter(16, (3,), (8,), format="q", itemsize=8)
        for words in ({"offsets": wild}, {"lengths": wild}):
            with self.assertRaisesRegex(BufferError, "cannot be read"):
                multibuffer.ragged(bytes(9), device=DEVICE, checked=True, **words)


class Hostile(unittest.TestCase):
    def check_released(self, source):
        self.assertEqual(source.acquired, source.released)

    def refused(self, source, message, kind=BufferError):
        for call in (upload, multibuffer.reference, lambda x: multibuffer.stack([x]),
                     lambda x: upload([b"abcdef", x])):
            with self.assertRaisesRegex(kind, message):
                call(source)
            self.check_released(source)

    def test_the_exception_of_the_exporter_is_the_callers(self):
        source = block()

        def fail(_):
            raise ZeroDivisionError("in getbuffer")

        source.on_getbuffer = fail
        self.refused(source, "in getbuffer", ZeroDivisionError)
        self.assertEqual(source.acquired, 0)

    def test_what_an_attribute_raises_is_no_absence(self):
        """As for Python's own hasattr: AttributeError alone says that there is none."""
        array = upload([b"abcd", b"efgh"])

        def with_attribute(name, error, base=object):
            def fail(_):
                raise error(name)

            return type("Asked", (base,), {name: property(fail)})()

        asked = [("str", lambda it: array.astype(it)), ("name", lambda it: array.astype(it)),
                 ("__cuda_stream__", lambda it: array.take([0], stream=it)),
                 ("cuda_stream", lambda it: array.take([0], stream=it)),
                 ("ptr", lambda it: array.take([0], stream=it)),
                 ("tolist", lambda it: array.copy(dtype="f4", scale=it)),
                 ("__dlpack__", upload), ("__cuda_array_interface__", upload),
                 ("is_conj", lambda it: multibuffer.upload(it, device=DEVICE)),
                 ("__dlpack__", lambda it: array.take(it)),
                 ("is_nested", multibuffer.ragged)]
        for name, ask in asked:
            for error in (ZeroDivisionError, KeyboardInterrupt):
                with self.subTest(f"{name} {error.__name__}"), self.assertRaisesRegex(error, name):
                    ask(with_attribute(name, error, Exporter if name == "is_conj" else object))
            with self.subTest(name), self.assertRaises((TypeError, IndexError, BufferError)):
                ask(with_attribute(name, AttributeError))

    def test_failing_without_an_exception(self):
        source = block()
        source.misbehave = "silent"
        self.refused(source, "without saying why")

    def test_succeeding_with_an_exception(self):
        source = block()
        source.misbehave = "both"
        self.refused(source, "and yet it failed", RuntimeError)
        self.assertGreater(source.acquired, 0)

    def test_whoever_refuses_a_buffer_is_asked_otherwise(self):
        # CuPy's and JAX's arrays on a GPU have a buffer slot, which refuses; here, on any device.
        result = upload([b"abc", b"def"]).copy()
        for kind, says_device in ((BufferError, True), (TypeError, True), (BufferError, False)):
            for array in ReachedByDlpack(result, kind), ReachedByCuda(result, kind):
                if isinstance(array, ReachedByCuda) and DEVICE == "host":
                    continue
                if not says_device:
                    array.where = lambda: (1, 0)
                with self.subTest(kind=kind, says_device=says_device, type=type(array).__name__):
                    self.assertEqual(upload(array).tolist(), result.tolist())
                    self.assertEqual(upload([array, array])[1].tolist(), result.tolist())
                    self.assertEqual(upload([[array], [array]])[1, 0].tolist(), result.tolist())
                    self.assertEqual(multibuffer.stack([array, array]).shape, (2, 2, 3))
                    self.assertTrue(multibuffer.verify(result, array))
                    self.check_released(array)

    def test_an_index_array_that_refuses_a_buffer(self):
        indices = upload([ctypes.c_int64(2), ctypes.c_int64(0)]).copy()
        self.assertEqual(upload(b"abc")[ReachedByDlpack(indices)].tobytes(), b"ca")

    def test_an_output_that_refuses_a_buffer(self):
        out = upload(bytes(3)).copy()
        array = ReachedByDlpack(out)
        if DEVICE == "host":  # what refuses to be written to is not asked twice
            with self.assertRaisesRegex(BufferError, "not by the buffer protocol"):
                upload(b"abc").copy(out=array)
            self.assertEqual(out.tobytes(), bytes(3))
            return
        upload(b"abc").copy(out=array)
        self.assertEqual(out.tobytes(), b"abc")
        with self.assertRaisesRegex(BufferError, "out is read-only"):
            upload(b"abc").copy(out=Immutable(out))

    def test_memory_of_a_gpu_is_not_read_by_the_buffer_protocol(self):
        result = upload(b"abcdef").copy()
        array = ReachedByDlpack(result)
        other = block(b"uvwxyz")  # as if it were reached over the bus, before its time
        array.buf, array.shape, array.strides, array.len = other.buf, [6], [1], 6
        array.format = "B"
        array.on_getbuffer = None
        expected = b"uvwxyz" if DEVICE == "host" else b"abcdef"
        self.assertEqual(upload(array).tobytes(), expected)
        self.assertEqual(upload([array] * 2).tobytes(), expected * 2)
        array.where = lambda: (3, 0)  # page-locked memory, which is the host's
        self.assertEqual(upload(array).tobytes(), b"uvwxyz")
        self.check_released(array)

    def test_whoever_refuses_everything_is_quoted(self):
        array = ReachedByDlpack(None)
        array.where = lambda: (1, 0)
        for call in (upload, lambda x: upload([x]), lambda x: multibuffer.stack([b"abc", x]),
                     multibuffer.reference):
            with self.assertRaisesRegex(
                    BufferError, "The buffer protocol: not by the buffer protocol; "
                    "__dlpack__: .*NoneType") as caught:
                call(array)
            cause = caught.exception.__cause__
            self.assertIsInstance(cause, AttributeError)
            self.assertRegex(str(cause.__context__), "not by the buffer protocol")

    def test_fields_that_cannot_be(self):
        for field, value, message in (
                ("len", 7, "the length is 7 bytes, but shape"), ("len", -1, "the length is -1"),
                ("itemsize", 0, "itemsize is 0"), ("itemsize", -1, "itemsize is -1"),
                ("ndim", -1, "-1 axes"), ("ndim", 65, "65 axes"), ("ndim", 2**31 - 1, "axes"),
                ("shape", [-6], "axis 0 has the negative extent -6"), ("buf", 0, "NULL")):
            with self.subTest(field=field, value=value):
                source = block()
                setattr(source, field, value)
                self.refused(source, message)

    def test_axes_without_shape_and_suboffsets_without_strides(self):
        source = exporter(block().buf, (2, 3), (3, 1))
        source.shape = None
        self.refused(source, "no shape for 2 axes")
        source = exporter(block().buf, (2, 3), (3, 1), suboffsets=[0, -1])
        source.strides = None
        self.refused(source, "suboffsets without strides")

    def test_sizes_that_overflow(self):
        source = block()
        source.shape, source.ndim, source.strides = [2**40, 2**40], 2, [1, 1]
        self.refused(source, "64 bits", ValueError)
        source = exporter(block().buf, (2**40, 2), (2**40, 1))
        self.refused(source, "64 bits", ValueError)

    def test_formats_that_mean_nothing_are_bytes(self):
        for text in ("", "i", "T{", "\x01", "3", "(2,", "T{i:a:i:a:}", "%s%n" * 50, "T{" * 5000):
            source = block()
            source.format = text
            with self.subTest(format=text[:20]):
                uploaded = upload(source)
                self.assertEqual(uploaded.tobytes(), b"abcdef")
                self.assertEqual(uploaded[[5, 0]].tobytes(), b"fa")
                with self.assertRaises(TypeError):
                    uploaded.tolist()
                self.check_released(source)

    def test_suboffsets_that_nobody_asked_for(self):
        # Ours is always the full request; what is used is what the exporter says.
        tables = Tables((3, 2), {0})
        source = tables.exporter()
        self.assertEqual(upload(source).tolist(), tables.nested())
        out = tables.exporter()
        out.readonly = False
        with self.assertRaisesRegex(BufferError, "made of pointers"):
            upload(source).copy(out=out)
        self.check_released(out)

    def test_an_answer_that_changes_with_every_question(self):
        source = block()
        answers = iter(range(1, 100))

        def change(exporter_):
            exporter_.shape = [next(answers)]
            exporter_.len = exporter_.shape[0]

        source.on_getbuffer = change
        for extent in (1, 2, 3):
            uploaded = upload(source)
            self.assertEqual(uploaded.shape, (extent,))
            self.assertEqual(uploaded.tobytes(), b"abcdef"[:extent])
        with self.assertRaises(BufferError):
            multibuffer.stack([source, source])
        self.check_released(source)

    def test_an_answer_that_changes_while_it_is_held(self):
        source = block()
        reference = multibuffer.reference(source)
        source.shape, source.strides, source.suboffsets = [10**9], [10**9], [0]
        self.assertEqual(reference.tobytes(), b"abcdef")

    def test_exports_within_exports(self):
        source = block()
        depth = []

        def again(exporter_):
            if len(depth) < 3:
                depth.append(1)
                self.assertEqual(upload(exporter_).tobytes(), b"abcdef")

        source.on_getbuffer = again
        self.assertEqual(upload(source).tobytes(), b"abcdef")
        self.assertEqual((source.acquired, source.released), (4, 4))

    def test_a_list_that_changes_while_it_is_read(self):
        source = block()
        parts = [source, block(), block()]
        source.on_getbuffer = lambda _: parts.clear()
        self.assertEqual(upload(parts).tolist(), [list(b"abcdef")])

    def test_a_release_that_raises_is_nobodys_exception(self):
        source = block()

        def fail(_):
            raise ZeroDivisionError("in releasebuffer")

        source.on_release = fail
        seen = []
        hook, sys.unraisablehook = sys.unraisablehook, seen.append
        try:
            self.assertEqual(upload(source).tobytes(), b"abcdef")
            source.len = 1
            with self.assertRaisesRegex(BufferError, "the length is 1"):
                upload(source)
        finally:
            sys.unraisablehook = hook
        self.assertEqual([entry.exc_type for entry in seen], [ZeroDivisionError] * 2)
        self.check_released(source)

    def test_memory_that_is_resized_while_it_is_held(self):
        memory = bytearray(b"abcdef")
        stack = multibuffer.stack([memory])
        with self.assertRaises(BufferError):
            memory.extend(b"more")
        del stack
        memory.extend(b"more")

    def test_an_exporter_that_has_gone(self):
        view = memoryview(b"abc")
        view.release()
        with self.assertRaises(ValueError):
            upload(view)

    @needs(numpy, "NumPy")
    def test_indices_that_change_after_they_were_checked(self):
        indices = numpy.array([0, 1])
        uploaded = upload(b"abcdef")

        class Changing:
            """Spoils what has been read before it."""

            def __index__(self):
                indices[:] = 10**15
                return 1

        self.assertEqual(uploaded[[indices[0], Changing()]].tobytes(), b"ab")

    @needs(numpy, "NumPy")
    def test_indices_that_change_while_they_are_read(self):
        # They are borrowed, and a writer that needs no GIL for it is always busy: a result is made
        # of elements of the array, or there is none.
        indices = numpy.zeros(1 << 18, "i8")
        valid, wild = numpy.full_like(indices, 3), numpy.full_like(indices, 1 << 44)
        uploaded = upload(numpy.full((4, 2), 7, "i4"))
        stop = threading.Event()

        def write():
            while not stop.is_set():
                numpy.copyto(indices, wild)
                numpy.copyto(indices, valid)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            end = time.monotonic() + 0.4
            while time.monotonic() < end:
                for call in (lambda: uploaded[indices, indices % 2], lambda: uploaded.take(indices)):
                    try:
                        result = numpy.frombuffer(call().to_host(), "i4")
                    except IndexError:
                        continue
                    self.assertEqual((result.min(), result.max()), (7, 7))
        finally:
            stop.set()
            writer.join()
        indices[:] = 3
        self.assertEqual(uploaded.take(indices).shape, (1 << 18, 2))


class Leaks(unittest.TestCase):
    """Every way in and out, a few hundred times: no reference is kept, and no memory."""

    def operations(self):
        rows = [bytearray(range(64)) for _ in range(16)]
        stack = multibuffer.stack(rows)
        uploaded = upload(rows)
        result = uploaded.copy()
        yield "upload", lambda: upload(rows)
        yield "stack", lambda: memoryview(multibuffer.stack(rows)).tobytes()
        yield "reference", lambda: multibuffer.reference(stack)[1].tobytes()
        yield "views", lambda: uploaded[::-1, 3:].T.reshape(-1)
        yield "take", lambda: uploaded.take([1, 2], 1)
        yield "gather", lambda: uploaded[[1, 2], [3, 4]]
        yield "tolist", lambda: (uploaded.tolist(), result.tolist())
        yield "out", lambda: uploaded.copy(out=result)
        yield "bytes", lambda: (uploaded.tobytes(), result.tobytes())
        yield "dlpack", lambda: (result.__dlpack__(), result.__dlpack__(max_version=(1, 0)))
        yield "verify", lambda: multibuffer.verify(uploaded, stack)
        yield "native", lambda: uploaded.native()
        yield "repr", lambda: (repr(uploaded), repr(result), repr(stack), uploaded.axes)
        yield "devices", multibuffer.devices
        if result.device == "host":
            yield "memoryview", lambda: memoryview(result).tobytes()
            yield "in place", lambda: upload(rows, placement="in_place")[1:].copy()

        def fails(call, *kinds):
            def failing():
                try:
                    call()
                except kinds:
                    return
                raise AssertionError("no exception")
            return failing

        yield "bad index", fails(lambda: uploaded[99], IndexError)
        yield "bad indices", fails(lambda: uploaded[[99]], IndexError)
        yield "bad key", fails(lambda: uploaded["x"], TypeError)
        yield "bad parts", fails(lambda: multibuffer.stack([b"a", b"ab"]), BufferError)
        yield "bad list", fails(lambda: upload([b"a", b"ab"]), ValueError)
        yield "bad out", fails(lambda: uploaded.copy(out=bytearray(3)), ValueError)
        yield "no exporter", fails(lambda: upload(object()), TypeError)
        if numpy:
            array = numpy.arange(64).reshape(8, 8)
            yield "numpy", lambda: numpy.asarray(upload(list(array)).copy().to_host()).sum()
            yield "dlpack in", lambda: numpy.from_dlpack(uploaded.copy().to_host())
            yield "index arrays", lambda: upload(array)[array % 2 == 0]

    def test_no_reference_is_kept(self):
        for name, operation in self.operations():
            with self.subTest(name):
                operation()
                counts = []
                for _ in range(6):
                    for _ in range(200):
                        operation()
                    gc.collect()
                    counts.append(sys.getallocatedblocks())
                # A leak grows by as much in every round; the caches of Python and NumPy fill up.
                growth = [after - before for before, after in zip(counts, counts[1:])]
                self.assertLess(min(growth), 100)

    def test_exports_come_back(self):
        memory = bytearray(b"abcdefgh")
        count = sys.getrefcount(memory)
        for _ in range(100):
            upload(memory)
            upload([memory, memory])
            multibuffer.stack([memory, memory])
            multibuffer.verify(memory, memory)
            upload(bytes(300))[memory]
        gc.collect()
        self.assertEqual(sys.getrefcount(memory), count)
        memory.clear()  # raises if an export is out

    @unittest.skipIf("MULTIBUFFER_FAKE_CUDA" in os.environ, "the fake device reuses no memory")
    def test_memory_does_not_grow(self):
        import resource

        rows = [bytes(1 << 20)] * 4
        upload(rows).copy().tobytes()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(50):
            upload(rows).copy().tobytes()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        self.assertLess(grown, 40 * 1024, "KiB")  # 50 leaks of 4 MiB would be 200 MiB


if __name__ == "__main__":
    unittest.main()
