"""Several threads at a time: each uploads, takes, copies and updates; they share arrays and let go of them."""

import gc
import os
import random
import subprocess
import sys
import sysconfig
import threading
import unittest
import weakref

import multibuffer
from support import DEVICE, needs, optional_import, require_device, upload

numpy = optional_import("numpy")
THREADS, ROUNDS, ROWS, LENGTH = 4, 100, 64, 33


def setUpModule():
    require_device()


def on_threads(work):
    """Runs work(thread) on threads that begin together and often change places; raises what one of them raised."""
    begin, raised = threading.Barrier(THREADS), []

    def run(thread):
        try:
            begin.wait(timeout=60)
            work(thread)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(THREADS)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if raised:
        raise raised[0]


@needs(numpy, "NumPy")
class Threads(unittest.TestCase):
    def rows(self, first=0):
        """Rows in an order that needs a table, and what they hold together."""
        held = numpy.arange(first, first + ROWS * LENGTH, dtype="i4").reshape(ROWS, LENGTH)
        order = [row * 29 % ROWS for row in range(ROWS)]
        return [held[row] for row in order], held[order]

    def equal(self, result, expected):
        self.assertEqual((result.shape, result.tobytes()), (expected.shape, expected.tobytes()))

    def test_each_has_an_array_of_its_own(self):
        def work(thread):
            rng = random.Random(thread)
            rows, held = self.rows(thread)
            array = upload(rows)
            for turn in range(ROUNDS):
                index = [rng.randrange(-ROWS, ROWS) for _ in range(rng.randrange(1, 9))]
                self.equal(array.take(numpy.array(index)), held[index])
                self.equal(array[::-1].take(index), held[::-1][index])
                self.equal(array.copy(), held)
                self.equal(array[:, thread:].copy("F"), held[:, thread:])
                rows, held = self.rows(1000 * turn + thread)
                array.update(rows)
                self.equal(array.copy(dtype="f8"), held.astype("f8"))

        on_threads(work)

    def test_they_upload_and_read_the_same_rows(self):
        rows, held = self.rows()
        shared = upload(rows)
        unequal = [row[: i % LENGTH] for i, row in enumerate(rows)]
        ragged, values = multibuffer.ragged(unequal, device=DEVICE), numpy.concatenate(unequal)

        def work(thread):
            index = numpy.arange(thread, ROWS, 3)
            plan = shared[:, thread:].plan_take(index)
            for _ in range(ROUNDS):
                self.equal(upload(rows).take(index), held[index])
                self.equal(shared.take(index), held[index])
                self.equal(shared[:, thread], held[:, thread])
                self.equal(plan.run(), held[index, thread:])
                self.equal(ragged.pack().values, values)

        on_threads(work)

    def test_they_let_go_of_what_they_share(self):
        class Row(numpy.ndarray):
            """A row that weak references can follow."""

        rows, held = self.rows()
        rows = [row.view(Row) for row in rows]
        followed = weakref.ref(rows[0])
        for _ in range(ROUNDS):
            array = multibuffer.upload(rows, device="host", placement="in_place")
            arrays = [array[:, thread:] for thread in range(THREADS)]
            del array

            def work(thread):
                view = arrays[thread]
                arrays[thread] = None
                views = [view[::-1] for _ in range(5)]
                if thread == 0:
                    gc.collect()
                self.equal(views.pop().copy(), held[::-1, thread:])

            on_threads(work)
        del rows, arrays, work
        gc.collect()
        self.assertIsNone(followed())


@unittest.skipUnless(sysconfig.get_config_var("Py_GIL_DISABLED"), "this Python always has the GIL")
class FreeThreaded(unittest.TestCase):
    def test_an_import_turns_the_gil_on_and_python_says_so(self):
        code = """
import sys, warnings
assert not sys._is_gil_enabled()
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    import multibuffer
assert sys._is_gil_enabled()
assert [warning.category for warning in said] == [RuntimeWarning]
assert "'multibuffer._core'" in str(said[0].message), said[0].message
"""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
