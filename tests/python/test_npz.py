"""multibuffer.open() of .npz files, which NumPy and zipfile write."""

import io
import os
import pickle
import random
import struct
import tempfile
import unittest
import warnings
import zipfile
from unittest import mock

import multibuffer
from packages import numpy
from support import needs, sampled


def npy_bytes(descr, shape, data):
    """A .npy file, written without NumPy."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "a.npz")

    def refused(self, name, words, error=OSError):
        with self.assertRaisesRegex(error, words):
            multibuffer.open(f"{self.path}::{name}")


class Zipfile(Case):
    """Archives that Python writes by itself."""

    def write(self, members, compression=zipfile.ZIP_STORED, mode="w"):
        with zipfile.ZipFile(self.path, mode, compression) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that are there
            for name, values in members:
                archive.writestr(name, npy_bytes("<i4", (len(values),),
                                                 struct.pack(f"<{len(values)}i", *values)))

    def test_members_are_arrays(self):
        self.write([("b.npy", [1, 2]), ("sub/ä ö.npy", [3]), ("x/y/a.npy", [])])
        self.assertEqual(multibuffer.open(self.path + "::b").copy().tolist(), [1, 2])
        self.assertEqual(multibuffer.open(self.path + "::sub/ä ö").copy().tolist(), [3])
        self.assertEqual(multibuffer.open(self.path + "::x/y/a").shape, (0,))
        self.refused("c", "no array c; there are b, sub/ä ö, x/y/a")
        with self.assertRaisesRegex(ValueError, "it has 3 arrays; name one of them"):
            multibuffer.open(self.path)

    def test_the_only_array_needs_no_name(self):
        self.write([("only.npy", [7, 8])])
        with zipfile.ZipFile(self.path, "a") as archive:
            archive.writestr("readme.txt", "hello")
        self.assertEqual(multibuffer.open(self.path)[[1]].tolist(), [8])

    def test_compressed_members_are_refused_when_they_are_asked_for(self):
        self.write([("plain.npy", [1])])
        for method in zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA:
            self.write([(f"packed{method}.npy", [1] * 100)], method, "a")
            self.refused(f"packed{method}", "is compressed.*numpy.savez, not")
        self.assertEqual(multibuffer.open(self.path + "::plain").copy().tolist(), [1])

    def test_names_that_are_there_twice(self):
        self.write([("a.npy", [1]), ("a.npy", [2]), ("b.npy", [3])])
        self.refused("a", "several members of this name")
        self.assertEqual(multibuffer.open(self.path + "::b").copy().tolist(), [3])

    def test_comments_and_streams(self):
        """A writer that cannot seek puts sizes behind the members."""
        class Pipe(io.RawIOBase):
            def __init__(self):
                self.bytes = b""

            def writable(self):
                return True

            def write(self, data):
                self.bytes += bytes(data)
                return len(data)

        pipe = Pipe()
        with zipfile.ZipFile(pipe, "w") as archive:
            archive.writestr("a.npy", npy_bytes("|u1", (3,), b"abc"))
            archive.comment = b"x" * 65535
        with open(self.path, "wb") as file:
            file.write(pipe.bytes)
        self.assertEqual(bytes(multibuffer.open(self.path + "::a").copy()), b"abc")

    def test_more_members_than_sixteen_bits_count(self):
        with zipfile.ZipFile(self.path, "w") as archive:
            for i in range(70_000):
                archive.writestr(f"{i}.npy", b"")
            archive.writestr("last.npy", npy_bytes("|u1", (3,), b"abc"))
        self.assertEqual(bytes(multibuffer.open(self.path + "::last").copy()), b"abc")

    def test_numbers_of_sixty_four_bits(self):
        """Python writes them where a number is larger than it thinks that 32 bits hold."""
        choice = random.Random(4)
        for limit in 100, 300, 1000:
            arrays = [[choice.randrange(99) for _ in range(choice.randrange(90))]
                      for _ in range(12)]
            with mock.patch("zipfile.ZIP64_LIMIT", limit):
                self.write([(f"{i}.npy", values) for i, values in enumerate(arrays)])
            for i, values in enumerate(arrays):
                self.assertEqual(multibuffer.open(f"{self.path}::{i}").copy().tolist(), values)

    def test_patterns(self):
        values = random.Random(1)
        arrays = {(i, name): [values.randrange(99) for _ in range(3)]
                  for i in range(12) for name in "ab"}
        order = list(arrays)
        values.shuffle(order)
        self.write([(f"layer{i}.{name}.npy", arrays[i, name]) for i, name in order])
        dataset = multibuffer.open(self.path + "::layer*.b")
        self.assertEqual(dataset.copy().tolist(), [arrays[i, "b"] for i in range(12)])
        self.assertEqual(multibuffer.open(self.path + "::layer*.*").shape, (12, 2, 3))


@needs(numpy, "numpy")
class Savez(Case):
    def test_random_arrays(self):
        for seed in sampled(40):
            choice = numpy.random.default_rng(seed)
            arrays = {}
            for i in range(int(choice.integers(1, 5))):
                dtype = numpy.dtype(str(choice.choice(
                    ["i1", "<i2", ">i4", "<i8", "u1", ">u2", "<f2", "<f4", ">f8", "c8", "?", "S5",
                     "<M8[ns]", "<U3"])))
                shape = tuple(int(n) for n in choice.integers(1, 9, choice.integers(1, 4)))
                values = choice.integers(0, 2, (*shape, dtype.itemsize), "u1").view(dtype)
                values = values.reshape(shape)
                if choice.integers(2):
                    values = numpy.asfortranarray(values)
                arrays[f"sub/{i}" if i % 2 else f"x{i}"] = values
            numpy.savez(self.path, **arrays)
            for name, values in arrays.items():
                for window in 0, 64, "1 MiB":
                    dataset = multibuffer.open(f"{self.path}::{name}", window=window)
                    self.assertEqual(dataset.shape, values.shape)
                    self.assertEqual(dataset.copy().tobytes(), values.tobytes())
                    self.assertEqual(numpy.asarray(dataset).dtype, values.dtype)
                    for _ in range(10):
                        at = choice.integers(0, len(values), choice.integers(1, 20))
                        self.assertEqual(dataset[at].tobytes(), values[at].tobytes())
                    self.assertEqual(dataset[::-2].copy().tobytes(), values[::-2].tobytes())
                again = pickle.loads(pickle.dumps(dataset[1:]))
                self.assertEqual(again.copy().tobytes(), values[1:].tobytes())

    def test_structs(self):
        values = numpy.zeros(5, [("a", "<i4"), ("b", "<f8", (2,))])
        values["a"], values["b"] = range(5), numpy.arange(10).reshape(5, 2)
        numpy.savez(self.path, x=values)
        dataset = multibuffer.open(self.path + "::x")
        self.assertEqual(dataset["a"][[4, 2]].tolist(), [4, 2])
        self.assertEqual(dataset["b"][[1]].tolist(), [[2, 3]])

    def test_what_does_not_lie_there(self):
        numpy.savez_compressed(self.path, x=numpy.arange(9))
        self.refused("x", "numpy.savez, not with numpy.savez_compressed")
        numpy.savez(self.path, x=numpy.array([None, {}], dtype=object))
        self.refused("x", "")

    def test_a_file_that_is_written_again_is_stale(self):
        numpy.savez(self.path, x=numpy.arange(9))
        dataset = multibuffer.open(self.path + "::x")
        numpy.savez(self.path, x=numpy.arange(10), y=numpy.arange(3))
        with self.assertRaises(multibuffer.StaleError):
            dataset.copy()

    def test_several_files(self):
        for i in 10, 2, 1:
            numpy.savez(os.path.join(self.folder, f"part{i}.npz"), x=numpy.full((i, 2), i))
        dataset = multibuffer.open(os.path.join(self.folder, "part*.npz::x"))
        self.assertEqual(dataset[:, 0].copy().tolist(), [1] + [2] * 2 + [10] * 10)


if __name__ == "__main__":
    unittest.main()
