"""Threads, Ctrl-C, the time an import takes, and what help() has to say."""

import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

import multibuffer
from support import Tables, exporter


class Threads(unittest.TestCase):
    def run_threads(self, work, count=4):
        errors = []

        def guarded(number):
            try:
                work(number)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def test_each_with_arrays_of_its_own(self):
        def work(number):
            for _ in range(100):
                rows = [bytes([number, i]) for i in range(20)]
                array = multibuffer.upload(rows)
                self.assertEqual(array[::-1].tobytes(), b"".join(rows[::-1]))
                self.assertEqual(memoryview(multibuffer.stack(rows)).tobytes(), b"".join(rows))

        self.run_threads(work)

    def test_all_with_one(self):
        rows = [bytes([i] * 1000) for i in range(50)]
        array, reference = multibuffer.upload(rows), multibuffer.reference(rows)

        def work(number):
            random_ = random.Random(number)
            for _ in range(50):
                indices = [random_.randrange(-50, 50) for _ in range(20)]
                expected = b"".join(rows[i] for i in indices)
                self.assertEqual(array.take(indices).tobytes(), expected)
                self.assertEqual(array[indices, 3].tobytes(), expected[::1000])
            self.assertEqual(reference.tobytes(), b"".join(rows))

        self.run_threads(work)

    def test_the_gil_is_released_around_long_work(self):
        array = multibuffer.upload([bytes(1000)])
        indices = memoryview(bytes(8 * 200_000)).cast("q")
        ticks, stop = [], threading.Event()

        def tick():
            while not stop.is_set():
                ticks.append(time.perf_counter())
                time.sleep(0.001)

        thread = threading.Thread(target=tick)
        thread.start()
        try:
            start = time.perf_counter()
            result = array.take(indices)
            end = time.perf_counter()
        finally:
            stop.set()
            thread.join()
        self.assertEqual(result.shape, (200_000, 1000))
        during = sum(start < moment < end for moment in ticks)
        self.assertGreater(during, 3, f"in {end - start:.3f} s")


INTERRUPTED = """
import multibuffer, signal, sys
row, count = 1 << 20, 1500
array = multibuffer.upload([bytes(row)])
indices = memoryview(bytes(8 * count)).cast("q")
out = memoryview(bytearray(b"1") * (count * row)).cast("B", (count, row))
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.001)
try:
    array.take(indices, out=out)
except KeyboardInterrupt:
    sys.exit("too late" if out[count - 1, row - 1] == 0 else 42)
"""


# How much longer than by itself the module may take: under sanitizers everything does.
SLOWER = float(os.environ.get("MULTIBUFFER_TEST_SLOWER", 1))

STOPPED = """
import multibuffer, signal, sys, time
{setup}
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.05)
start = time.perf_counter()
try:
    {work}
except KeyboardInterrupt:
    sys.exit(42 if time.perf_counter() - start < {limit} else "too late")
sys.exit("it came to its end")
"""


class Interrupts(unittest.TestCase):
    def test_ctrl_c_stops_everything_that_may_take_long(self):
        for setup, work in (
                # A reference and a comparison of what would take minutes.
                ("a = multibuffer.reference(bytes(1 << 26))", "a.tobytes()"),
                ("a = multibuffer.upload(bytearray(1 << 28), device='host').copy()\n"
                 "b = multibuffer.upload(b'\\1' * (1 << 28), device='host').copy()",
                 "multibuffer.verify(a, b, atol=0.5)"),
                ("a = multibuffer.upload(bytearray(1 << 27), device='host').copy()",
                 "while True: multibuffer.verify(a, a)"),
                # Lists and tables of many entries.
                ("rows = [bytes(8)] * 40_000_000", "multibuffer.stack(rows)"),
                ("rows = multibuffer.stack([bytes(8)] * 8_000_000)",
                 "while True: multibuffer.upload(rows, device='host')")):
            with self.subTest(work=work, setup=setup):
                process = subprocess.run(
                    [sys.executable, "-c", STOPPED.format(setup=setup, work=work, limit=5 * SLOWER)], timeout=120,
                    capture_output=True, text=True)
                self.assertEqual(process.returncode, 42, process.stderr)

    def test_ctrl_c_stops_long_work_in_its_middle(self):
        process = subprocess.run([sys.executable, "-c", INTERRUPTED], timeout=120,
                                 capture_output=True, text=True)
        self.assertEqual(process.returncode, 42, process.stderr)

    def test_a_handler_that_does_not_raise_stops_nothing(self):
        called = []
        previous = signal.signal(signal.SIGUSR1, lambda *_: called.append(1))
        self.addCleanup(signal.signal, signal.SIGUSR1, previous)
        array = multibuffer.upload([bytes(1000)])
        indices = memoryview(bytes(8 * 200_000)).cast("q")
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        result = array.take(indices)
        timer.join()
        self.assertEqual(result.size, 200_000_000)
        self.assertEqual(called, [1])


class Import(unittest.TestCase):
    def test_it_takes_under_50_ms(self):
        code = ("import time; t = time.perf_counter(); import multibuffer; "
                "print(time.perf_counter() - t)")
        times = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5)]
        self.assertLess(min(times), 0.05 * SLOWER)

    def test_it_brings_nothing_that_it_does_not_need(self):
        code = "import sys, multibuffer; print('numpy' in sys.modules, 'PIL' in sys.modules)"
        self.assertEqual(subprocess.check_output([sys.executable, "-c", code], text=True).strip(),
                         "False False")

    def test_it_shares_nothing_with_other_modules_of_pybind11(self):
        # They find each other by a name among the builtins or, later, in the interpreter's own state.
        code = """
import builtins, ctypes, multibuffer
api = ctypes.pythonapi
api.PyInterpreterState_Get.restype = ctypes.c_void_p
api.PyInterpreterState_GetDict.argtypes = [ctypes.c_void_p]
api.PyInterpreterState_GetDict.restype = ctypes.py_object
names = [*vars(builtins), *api.PyInterpreterState_GetDict(api.PyInterpreterState_Get())]
print(*(name for name in names if str(name).startswith("__pybind11_internals")))
"""
        names = subprocess.check_output([sys.executable, "-c", code], text=True).split()
        self.assertEqual(len(names), 1)
        self.assertIn("multibuffer", names[0])

    def test_it_exports_nothing_but_its_entry(self):
        # A variable of a template or of an inline function that two modules export is one for both
        # (GNU_UNIQUE), whatever the flags of dlopen. With a libstdc++ of its own, linked statically
        # and exported, the ids of the streams' facets are such: then the first number that is
        # written to a std::ostream after torch has come crashes.
        if sys.platform != "linux" or not shutil.which("nm"):
            self.skipTest("no nm of binutils")
        listed = subprocess.check_output(
            ["nm", "--dynamic", "--defined-only", "--format=posix", multibuffer._core.__file__], text=True)
        self.assertEqual([line.split()[0] for line in listed.splitlines()], ["PyInit__core"])


class Help(unittest.TestCase):
    def test_everything_has_a_docstring(self):
        self.assertIn("torch.from_dlpack", multibuffer.__doc__)
        for name in multibuffer.__all__:
            thing = getattr(multibuffer, name)
            if name == "__version__":
                continue
            self.assertTrue(thing.__doc__, name)
            self.assertEqual(thing.__module__, "multibuffer", name)
            if isinstance(thing, type):
                for member, value in vars(thing).items():
                    if not member.startswith("_"):
                        self.assertTrue(value.__doc__, f"{name}.{member}")

    def test_wrong_arguments_are_not_shown_one_by_one(self):
        class Row(bytearray):
            def __repr__(self):
                raise AssertionError("a million of these would take a minute")

        rows = [Row(b"ab"), Row(b"cd")]
        array = multibuffer.upload(rows)
        for call, message in (
                (lambda: multibuffer.upload(rows, "host"), "positional"),
                (lambda: multibuffer.upload(rows, device=3), "device must be a str, not int"),
                (lambda: multibuffer.upload(rows, placement=None), "placement must be a str"),
                (lambda: multibuffer.stack(*rows), "positional"),
                (lambda: multibuffer.reference(), "missing"),
                (lambda: multibuffer.verify(rows, rows, 1e-8), "positional"),
                (lambda: multibuffer.verify(rows, rows, atol="1"), "must be real number, not str"),
                (lambda: multibuffer.verify(rows, rows, ulp=1.5), "as an integer"),
                (lambda: array.take(rows[0], mode=1), "mode must be a str, not int"),
                (lambda: array.copy(order=None), "order must be a str, not NoneType")):
            with self.assertRaisesRegex(TypeError, message):
                call()

    def test_arguments_that_do_not_go_with_the_parameters(self):
        array = multibuffer.upload([b"ab", b"cd"])
        for call, message in (
                (lambda: array.take(), r"take\(\) is missing the argument 'indices'"),
                (lambda: array.take([0], 0, "raise", None, None), "at most 4 positional .* 5 were"),
                (lambda: array.take([0], axis=0, indices=[1]), "multiple values .* 'indices'"),
                (lambda: array.gather([[0]], axis=0), "unexpected keyword argument 'axis'"),
                (lambda: array.take([0], axis="x"), "axis must be an integer, not str"),
                (lambda: array.copy(saturate="x"), "saturate must be a bool, not str"),
                (lambda: array.copy("C", None, "f4"), "at most 2 positional"),
                (lambda: multibuffer.DeviceArray.take(3, [0]), "DeviceArray"),
                (lambda: multibuffer.DeviceArray.take(), "argument")):
            with self.assertRaisesRegex(TypeError, message):
                call()
        with self.assertRaises((ValueError, OverflowError)):
            array.take([0], axis=2**70)
        with self.assertRaises((ValueError, TypeError)):
            array.take([0], axis=2**40)
        # Names that are made, not written, and every argument by its own.
        made = {"".join(letters): value for letters, value in (
            (("a", "xis"), 1), (("ind", "ices"), [1]), (("mo", "de"), "clip"), (("ou", "t"), None),
            (("dt", "ype"), "u2"), (("satu", "rate"), True))}
        self.assertEqual(array.take(**made).tolist(), [[98], [100]])
        self.assertEqual(array.take([0], True).tolist(), [[97], [99]])
        self.assertEqual(array.copy(saturate=None).tolist(), [[97, 98], [99, 100]])

    def test_shapes_and_axes_that_are_none(self):
        array = multibuffer.upload([b"ab", b"cd"])
        for view in (array, multibuffer.reference([b"ab", b"cd"])):
            for call in (view.reshape, view.transpose):
                for argument, message in (("x", "sequence of integers, not str"), (1.5, "not float"),
                                          ((1, 1.5), "must be integers, not float"),
                                          ((1, None), "must be integers, not NoneType")):
                    with self.assertRaisesRegex(TypeError, message):
                        call(argument)
            for call, message in ((lambda: view.reshape((2, -2)), "extent -2"),
                                  (lambda: view.reshape(5), "5 elements|none of the elements"),
                                  (lambda: view.reshape(-3), "extent -3"),
                                  (lambda: view.transpose(0, 0), "no permutation"),
                                  (lambda: view.transpose(0, 2), "axis 2 of an array with 2"),
                                  (lambda: view.transpose(2**40, 0), "out of range")):
                with self.assertRaisesRegex(ValueError, message):
                    call()
            with self.assertRaises(OverflowError):
                view.reshape(2**70)

    def test_messages_name_axis_and_index(self):
        array = multibuffer.upload(Tables((2, 3), {0}).exporter())
        for call, message in (
                (lambda: array[0, 7], "index 7 is out of bounds for axis 1 with size 3"),
                (lambda: array[[0, -3]], r"index -3 at position \(1,\) is out of bounds for axis 0"),
                (lambda: array.take([5], 1), r"index 5 at position \(0,\) on axis 1")):
            with self.assertRaisesRegex(IndexError, message):
                call()

    def test_memory_that_there_is_not(self):
        memory = ctypes.c_char(b"x")  # 2**46 elements, all of them one byte
        wide = multibuffer.upload(exporter(ctypes.addressof(memory), (2**46,), (0,)))
        with self.assertRaisesRegex(MemoryError, f"{2**46} bytes"):
            wide.copy()
        self.assertEqual(wide[[0, 2**46 - 1]].tobytes(), b"xx")


if __name__ == "__main__":
    unittest.main()
