"""Every array that CPython's own tests of the buffer protocol make goes through ours as well."""

import random
import sys
import unittest

import multibuffer
from support import DEVICE, require_device, upload

try:
    import _testbuffer
    from test import test_buffer
except ImportError:
    test_buffer = None


class Counter:
    """What has been checked, and how."""

    arrays = suboffsets = lists = takes = refused = 0


class Checker:
    """Puts an array of CPython's through upload()."""

    # On a GPU each upload waits for the device: a share of the arrays is enough there.
    share = 1.0 if DEVICE == "host" else 0.1

    def __init__(self):
        self.random = random.Random(3118)

    def __call__(self, source):
        if self.random.random() > self.share:
            return
        try:
            view = memoryview(source)
        except (BufferError, ValueError) as error:
            try:
                upload(source)
            except (BufferError, ValueError):
                Counter.refused += 1
                return
            raise AssertionError(f"memoryview() refuses {source}, upload() does not") from error
        with view:
            self.compare(source, view)

    def compare(self, source, view):
        uploaded = upload(source)
        expect(uploaded.shape, view.shape)
        expect(uploaded.format, view.format)
        expect(uploaded.tobytes(), view.tobytes())
        Counter.arrays += 1
        Counter.suboffsets += bool(view.suboffsets)
        try:
            elements = view.tolist()
        except NotImplementedError:  # a format that memoryview does not know
            elements = None
        if view.format == "B" and view.itemsize > 1:  # items whose format nobody has asked for,
            elements = None  # of which memoryview shows the first byte
        if elements is not None:
            # As text, in which a NaN equals itself.
            expect(repr(uploaded.tolist()), repr(elements))
            Counter.lists += 1
        if uploaded.ndim and uploaded.size:
            axis = self.random.randrange(uploaded.ndim)
            extent = uploaded.shape[axis]
            indices = [self.random.randrange(-extent, extent) for _ in range(3)]
            expect(uploaded.take(indices, axis).tobytes(),
                   multibuffer.reference(source).take(indices, axis).tobytes())
            Counter.takes += 1


def expect(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r} != {expected!r}")


def load_tests(loader, tests, pattern):
    """CPython's test case, with its `ndarray` and its `verify` followed by ours; then the count."""
    if test_buffer is None:
        return loader.loadTestsFromTestCase(NotInstalled)
    check = Checker()
    original = _testbuffer.ndarray

    class Wrapped(type):
        def __call__(cls, *args, **keywords):
            made = original(*args, **keywords)
            check(made)
            return made

        def __instancecheck__(cls, instance):
            return isinstance(instance, original)

    class ndarray(metaclass=Wrapped):
        pass

    class Conformance(test_buffer.TestBufferProtocol):
        def verify(self, result, **expected):
            super().verify(result, **expected)
            check(result)

    test_buffer.ndarray = ndarray
    # Up to 3.11 these tests also call a method that NumPy has no more; without NumPy they leave it out.
    if getattr(test_buffer, "numpy_array", None) and not hasattr(test_buffer.numpy_array, "tostring"):
        test_buffer.numpy_array = None
    suite = unittest.TestSuite()
    suite.addTests(loader.loadTestsFromTestCase(Conformance))
    suite.addTest(loader.loadTestsFromTestCase(Counted))
    return suite


class NotInstalled(unittest.TestCase):
    def test_conformance(self):
        self.skipTest("CPython's test.test_buffer is not installed (on Debian: apt-get install "
                      f"libpython3.{sys.version_info.minor}-testsuite)")


class Counted(unittest.TestCase):
    """Runs last: that the wrapping works at all."""

    def test_enough_was_checked(self):
        counts = {name: getattr(Counter, name)
                  for name in ("arrays", "suboffsets", "lists", "takes", "refused")}
        print(counts)
        self.assertGreater(Counter.arrays, 20_000 * Checker.share)
        self.assertGreater(Counter.suboffsets, 1_500 * Checker.share)
        self.assertGreater(Counter.takes, 10_000 * Checker.share)


def setUpModule():
    require_device()


if __name__ == "__main__":
    unittest.main()
