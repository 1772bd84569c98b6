"""Streams: every call that enqueues takes one, and access() declares work of one's own."""

import gc
import threading
import time
import unittest
import weakref

import multibuffer
import numpy
from support import DEVICE, require_device, upload

LEGACY, PER_THREAD = 1, 2
ON_HOST = DEVICE == "host"


def setUpModule():
    require_device()


class Stream:
    """An owner of a stream, as cuda.core's are."""

    def __init__(self, handle):
        self.handle = handle

    def __cuda_stream__(self):
        return 0, self.handle


class Interface:
    """Memory that is not the library's, for all that it can tell."""

    def __init__(self, buffer):
        self.__cuda_array_interface__ = dict(buffer.__cuda_array_interface__, stream=LEGACY)
        self.buffer = buffer


class EveryCall(unittest.TestCase):
    def test_takes_a_stream(self):
        rows = [numpy.arange(i, i + 4, dtype="i4") for i in range(5)]
        expected = numpy.stack(rows)
        for stream in None, 0, LEGACY, PER_THREAD, Stream(LEGACY):
            with self.subTest(stream=stream):
                array = upload(rows, stream=stream)
                self.assertEqual(
                    array.take([4, 0], stream=stream).tolist(), expected[[4, 0]].tolist()
                )
                self.assertEqual(
                    array.gather([[1], [2]], stream=stream).tolist(), expected[[1], [2]].tolist()
                )
                self.assertEqual(array.copy(stream=stream).tolist(), expected.tolist())
                self.assertEqual(
                    array.astype("float64", stream=stream).tolist(), expected.tolist()
                )
                self.assertEqual(array.native(stream=stream).tolist(), expected.tolist())
                dense = array.copy(stream=stream)
                self.assertEqual(dense.native(stream=stream).tolist(), expected.tolist())
                self.assertEqual(
                    dense.astype("float64", stream=stream).tolist(), expected.tolist()
                )
                array.update([row + 1 for row in rows], stream=stream)
                self.assertEqual(array.tolist(), (expected + 1).tolist())

    def test_refuses_what_is_none(self):
        array = upload(numpy.arange(3))
        for call in (
            lambda: array.take([0], stream=object()),
            lambda: array.gather([[0]], stream="1"),
            lambda: array.copy(stream=1.0),
            lambda: array.astype("f4", stream=True),
            lambda: array.update(numpy.arange(3), stream=object()),
            lambda: upload(numpy.arange(3), stream=object()),
            lambda: multibuffer.access(object(), array),
        ):
            with self.assertRaisesRegex(TypeError, "stream must be a CUDA stream or its handle"):
                call()

    def test_writes_out_in_the_order_of_its_stream(self):
        array = upload(numpy.arange(1000))
        out = array.copy()
        self.assertIs(array[::-1].copy(out=out, stream=PER_THREAD), out)
        self.assertEqual(out.tolist(), list(range(999, -1, -1)))
        if not ON_HOST:
            foreign = Interface(out)
            self.assertIs(array.copy(out=foreign, stream=LEGACY), foreign)
            self.assertEqual(multibuffer.upload(foreign).tolist(), list(range(1000)))

    def test_still_finds_bad_indices_that_were_on_the_device(self):
        array = upload(numpy.arange(5))
        indices = upload(numpy.array([1, 7])).copy()
        out = upload(numpy.arange(2)).copy()
        with self.assertRaisesRegex(IndexError, "index 7"):
            array.take(indices, out=out, stream=LEGACY)

    def test_keeps_the_stream_of_a_plan(self):
        stream = Stream(LEGACY)
        kept = weakref.ref(stream)
        plan = upload(numpy.arange(3)).plan_copy(stream=stream)
        del stream
        gc.collect()
        self.assertIsNotNone(kept())
        self.assertEqual(plan.run().tolist(), [0, 1, 2])
        del plan
        gc.collect()
        self.assertIsNone(kept())


@unittest.skipIf(ON_HOST, "the host has no other devices")
class OtherDevices(unittest.TestCase):
    def setUp(self):
        if len(multibuffer.devices()) < 3:
            self.skipTest("needs two CUDA devices")

    def test_refuse_an_output_on_another(self):
        here = multibuffer.upload(numpy.arange(4), device="cuda:0")
        there = multibuffer.upload(numpy.arange(4), device="cuda:1").copy()
        for out in there, Interface(there):
            with self.assertRaisesRegex(ValueError, "cuda:1.* cuda:0"):
                here.copy(out=out)
            with self.assertRaisesRegex(ValueError, "cuda:1.* cuda:0"):
                here.plan_copy(out=out)
        self.assertEqual(there.tolist(), [0, 1, 2, 3])

    def test_are_not_asked_for_their_memory_unless_they_are_used(self):
        unused = multibuffer.devices()[-2]
        self.assertIsNone(unused.free_bytes)
        self.assertRegex(repr(unused), r" MiB\)")


class Access(unittest.TestCase):
    def test_is_a_context_manager(self):
        array = upload(numpy.arange(3))
        result = array.copy()
        for reads, writes in (((array,), result), ((), (result,)), ((array, result), [])):
            access = multibuffer.access(LEGACY, *reads, writes=writes)
            self.assertIsInstance(access, multibuffer.Access)
            with access:
                self.assertIn("open", repr(access))
                with self.assertRaisesRegex(ValueError, "open already"):
                    access.__enter__()
            with self.assertRaisesRegex(ValueError, "not open"):
                access.__exit__(None, None, None)
            with access:  # once more
                pass

    def test_takes_what_the_library_returns_alone(self):
        array = upload(numpy.arange(3))
        for wrong in (None, numpy.arange(3), "a", [array]):
            with self.assertRaisesRegex(TypeError, "access\\(\\) takes what upload"):
                multibuffer.access(None, wrong)
        with self.assertRaises(TypeError):
            multibuffer.access(None, writes=3)

    def test_is_collected_with_what_it_names(self):
        class Source(numpy.ndarray):
            pass

        source = numpy.arange(3).view(Source)
        kept = weakref.ref(source)
        source.access = multibuffer.access(
            None, multibuffer.upload(source, device="host", placement="in_place")
        )
        del source
        gc.collect()
        self.assertIsNone(kept())

    def test_is_entered_by_one_thread_at_a_time(self):
        access = multibuffer.access(None, upload(numpy.arange(3)))
        wrong = []

        def work():
            for _ in range(300):
                try:
                    access.__enter__()
                except ValueError:
                    continue
                try:
                    access.__exit__(None, None, None)
                except ValueError as error:
                    wrong.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_keeps_what_it_names(self):
        source = numpy.arange(3) if ON_HOST else upload(numpy.arange(3)).copy()
        kept = weakref.ref(source)
        array = upload(source, placement="in_place")
        del source
        access = multibuffer.access(None, array)
        del array
        gc.collect()
        if ON_HOST:
            self.assertIsNotNone(kept())
        with access:
            pass

    @unittest.skipIf(ON_HOST, "on the host there is nothing to order")
    def test_makes_other_threads_wait(self):
        array = upload(numpy.arange(1000))
        result = array.copy()
        seen = []
        reader = threading.Thread(target=lambda: seen.append(result.tolist()))
        with multibuffer.access(LEGACY, writes=result):
            reader.start()
            time.sleep(0.05)
            self.assertEqual(seen, [])
        reader.join()
        self.assertEqual(seen, [list(range(1000))])

    @unittest.skipIf(ON_HOST, "on the host there is nothing to order")
    def test_tells_a_thread_that_would_wait_for_itself(self):
        array = upload(numpy.arange(3))
        with multibuffer.access(LEGACY, array):
            with self.assertRaisesRegex(ValueError, "this thread has an access"):
                array.update(numpy.arange(3))
            array.update(numpy.arange(3) + 1, stream=LEGACY)
        self.assertEqual(array.tolist(), [1, 2, 3])


if __name__ == "__main__":
    unittest.main()
