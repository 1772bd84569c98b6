"""What others do with an array of pointers, side by side.

Each consumer reads the same numbers, 3 rows of 2, behind 3 pointers, from a few exporters. The table
that this prints is the one in the README.
"""

import array
import unittest
import warnings

import cython_views
import multibuffer
from _exporters import read_with_pybind11
from support import Tables, optional_import

numpy = optional_import("numpy")
torch = optional_import("torch")
numba = optional_import("numba")
cython = optional_import("Cython")

ROWS = [array.array("i", [0, 1]), array.array("i", [2, 3]), array.array("i", [4, 5])]
EXPECTED = b"".join(row.tobytes() for row in ROWS)


def with_numba(exporter):
    @numba.njit
    def element(values, i, j):
        return values[i, j]

    numbers = [element(exporter, i, j) for i in range(3) for j in range(2)]
    return array.array("i", numbers).tobytes()


def consumers(views):
    """How each reads all elements, as bytes in C order; None for what is not installed."""
    yield "multibuffer.upload", lambda x: multibuffer.upload(x).tobytes()
    yield "memoryview", lambda x: memoryview(x).tobytes()
    yield "Cython", views and (lambda x: array.array("i", views.elements(x)).tobytes())
    yield "numpy.asarray", numpy and (lambda x: numpy.asarray(x).tobytes())
    yield "numpy.frombuffer", numpy and (lambda x: numpy.frombuffer(x, "i4").tobytes())
    yield "pybind11", read_with_pybind11
    yield "torch.frombuffer", torch and (
        lambda x: torch.frombuffer(x, dtype=torch.int32).numpy().tobytes())
    yield "Numba", numba and with_numba


def exporters(views):
    yield "multibuffer.stack", multibuffer.stack(ROWS)
    lax = Tables((3, 2), {0}, format="i").exporter()
    lax.readonly = False
    yield "suboffsets unasked", lax
    if views:
        yield "Cython's own view", views.indirect(Tables((3, 2), {0}, format="i").exporter())


def outcome(consumer, exporter):
    if consumer is None:
        return "not installed"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = consumer(exporter)
    except Exception as error:
        return type(error).__name__
    return "right" if result == EXPECTED else "**garbage**"


class Others(unittest.TestCase):
    def test_side_by_side(self):
        views = cython_views.load(type(self)) if cython else None
        columns = list(exporters(views))
        table = {name: [outcome(consumer, exporter) for _, exporter in columns]
                 for name, consumer in consumers(views)}
        print("\n| consumer |" + "".join(f" {name} |" for name, _ in columns))
        print("|---|" + "---|" * len(columns))
        for name, row in table.items():
            print(f"| {name} |" + "".join(f" {cell} |" for cell in row))
        self.assertEqual(table["multibuffer.upload"], ["right"] * len(columns))
        # The exporter of ours gives pointers to nobody who has not asked for them.
        for name, row in table.items():
            self.assertNotEqual(row[0], "**garbage**", name)


if __name__ == "__main__":
    unittest.main()
