"""progress=: long calls say how far they are, and stop when what they call raises."""

import threading
import unittest

import multibuffer
import numpy
from support import DEVICE, require_device, upload

ON_HOST = DEVICE == "host"
COUNT = 1 << 20


def setUpModule():
    require_device()


class Stop(Exception):
    pass


class Told:
    """A progress function that remembers what it was told."""

    def __init__(self):
        self.calls = []
        self.threads = set()

    def __call__(self, done, total):
        self.calls.append((done, total))
        self.threads.add(threading.get_ident())


def raising(done, total):
    raise Stop(done, total)


def calls():
    """(name, call with progress, bytes in all): every call that takes one, on arrays of 4 MiB."""
    source = numpy.arange(COUNT, dtype="i4")
    rows = list(source.reshape(1024, 1024))
    array = upload(rows)
    swapped = upload(source.astype(">i4"))
    kept = upload(rows[:512], keep_sources=True)
    reference = multibuffer.reference(rows[:16])
    result = array.copy()
    indices = numpy.arange(1024)
    nbytes = 4 * COUNT
    yield "upload", lambda p: upload(rows, progress=p), nbytes
    yield "update", lambda p: array.update(rows, progress=p), nbytes
    yield "update_pointers", lambda p: kept.update_pointers(rows, progress=p), nbytes // 2
    yield "verify", lambda p: multibuffer.verify(result, result, atol=1, progress=p), nbytes
    yield "Reference.copy", lambda p: reference.copy(progress=p), nbytes // 64
    yield "Reference.take", lambda p: reference.take([1, 0], progress=p), nbytes // 512
    yield "Reference.gather", lambda p: reference.gather([[1, 0]], progress=p), nbytes // 512
    yield "Reference.astype", lambda p: reference.astype("f8", progress=p), nbytes // 64
    yield ("gather_in_pieces",
           lambda p: multibuffer.gather_in_pieces(rows, indices, device=DEVICE, progress=p),
           nbytes)
    unequal = [source[:i * 1024] for i in range(1, 64)]
    yield ("ragged", lambda p: multibuffer.ragged(unequal, device=DEVICE, placement="packed",
                                                  progress=p), None)
    yield ("upload in place", lambda p: multibuffer.upload(rows, device="host",
                                                           placement="in_place", progress=p), nbytes)
    yield ("ragged in place", lambda p: multibuffer.ragged(unequal, device="host", progress=p),
           sum(row.nbytes for row in unequal))
    if not ON_HOST:  # there a gather is enqueued
        return
    ragged = multibuffer.ragged(rows, device=DEVICE)
    yield "RaggedArray.pack", lambda p: ragged.pack(progress=p), nbytes
    yield "RaggedArray.pad", lambda p: ragged.pad(progress=p), nbytes
    yield "copy", lambda p: array.copy(progress=p), nbytes
    yield "take", lambda p: array.take(indices, progress=p), nbytes
    yield "gather", lambda p: array.gather([indices], progress=p), nbytes
    yield "astype", lambda p: array.astype("f8", progress=p), 2 * nbytes
    yield "native", lambda p: swapped.native(progress=p), nbytes
    yield "DeviceBuffer.native", lambda p: swapped.copy().native(progress=p), nbytes
    yield "DeviceBuffer.astype", lambda p: result.astype("f4", progress=p), nbytes


class Progress(unittest.TestCase):
    def test_every_call_tells_how_far_it_is(self):
        for name, call, total in calls():
            with self.subTest(name):
                told = Told()
                call(told)
                self.assertTrue(told.calls)
                self.assertEqual(told.threads, {threading.get_ident()})
                for done, whole in told.calls:
                    self.assertLessEqual(0, done)
                    self.assertLessEqual(done, whole)
                if total:
                    self.assertIn((total, total), told.calls)

    def test_what_it_raises_stops_the_call(self):
        for name, call, _ in calls():
            with self.subTest(name):
                with self.assertRaises(Stop):
                    call(raising)
                call(None)  # and it may be made again

    def test_it_may_raise_in_the_middle(self):
        source = numpy.zeros(COUNT * 16, "i1")
        array = multibuffer.upload(source, device="host")
        seen = []

        def stop_soon(done, total):
            seen.append(done)
            if done > 0:
                raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            array.astype("f8", progress=stop_soon)
        self.assertEqual(sum(done > 0 for done in seen), 1)

    def test_it_may_call_the_module(self):
        array = multibuffer.upload(numpy.arange(COUNT), device="host")
        inner = []
        result = array.copy(
            progress=lambda *_: inner.append(array[:COUNT // 2].copy().nbytes))
        self.assertEqual(set(inner), {4 * COUNT})
        self.assertEqual(result.nbytes, 8 * COUNT)

    def test_small_calls_tell_it_too(self):
        array = multibuffer.upload(b"abcdef", device="host")
        told = Told()
        self.assertEqual(array.take([1, 2], progress=told).tobytes(), b"bc")
        self.assertIn((2, 2), told.calls)

    def test_what_is_no_function_is_refused(self):
        array = upload(b"abc")
        for call in (lambda: array.copy(progress=1), lambda: upload(b"abc", progress="x"),
                     lambda: array.update(b"abc", progress=()),
                     lambda: multibuffer.verify(b"a", b"a", progress=3)):
            with self.assertRaisesRegex(TypeError, "progress must be a function of the bytes done"):
                call()


if __name__ == "__main__":
    unittest.main()
