"""Datasets of HDF5: multibuffer.open() beside h5py, on files of random kinds."""

import os
import pickle
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import multibuffer
import numpy
from support import DEVICE, needs, optional_import, require_device, sampled

h5py = optional_import("h5py")

FORMATS = dict(multibuffer.file_formats())

# Of the file format. The library that reads may be older than h5py's, which h5py calls "latest".
VERSIONS = ["earliest", ("earliest", "v110"), ("v110", "v110")]

TYPES = ["|b1", "|i1", "|u1", "<i2", ">i2", "<u4", ">i8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "<c8",
         ">c16", "|S5", "|V3",
         [("a", "<i2"), ("b", ">f8", (2, 2)), ("c", "|S3")],
         {"names": ["x", "y"], "formats": ["<i4", ">f4"], "offsets": [0, 8], "itemsize": 16}]


def setUpModule():
    require_device()
    if FORMATS["HDF5"] is not None:
        raise unittest.SkipTest(f"this build does not read HDF5: it lacked {FORMATS['HDF5']}")
    if h5py is None:
        raise unittest.SkipTest("h5py is not installed")


def random_array(rng, dtype, shape):
    dtype = numpy.dtype(dtype)
    count = int(numpy.prod(shape, dtype=int))
    array = numpy.frombuffer(rng.randbytes(count * dtype.itemsize), dtype).reshape(shape)
    if dtype == bool:  # of which other bytes are no values
        array = numpy.frombuffer(rng.randbytes(count), "u1").reshape(shape) > 127
    if dtype.names and "y" in dtype.names:  # h5py leaves padding alone
        array = array.copy()
    return array


def random_index(rng, shape):
    """An index of slices, integers and lists, as NumPy takes it."""
    length = rng.randint(1, 4)  # of all lists, which go together

    def one(extent):
        kind = rng.choice("ssil") if extent else "s"
        if kind == "s":
            ends = [rng.choice([None, rng.randint(-extent - 1, extent + 1)]) for _ in range(2)]
            return slice(*ends, rng.choice([None, 1, 2, 3, -1, -2]))
        if kind == "i":
            return rng.randrange(-extent, extent)
        return [rng.randrange(-extent, extent) for _ in range(length)]

    first = rng.randint(0, len(shape))
    last = rng.randint(first, len(shape)) if rng.random() < 0.2 else len(shape)
    index = [*map(one, shape[:first]), ..., *map(one, shape[last:])]
    if last == len(shape) and rng.random() < 0.7:
        index.remove(...)
    if rng.random() < 0.1:
        index.insert(rng.randint(0, len(index)), None)
    return tuple(index)


def random_storage(rng, shape):
    """Keywords of h5py's create_dataset."""
    if not shape or rng.random() < 0.3:
        return {}
    grows = [rng.random() < 0.3 for _ in shape]
    chunks = tuple(rng.randint(1, max(1, extent + (2 if grow else 0)))
                   for extent, grow in zip(shape, grows))
    return {"chunks": chunks,
            "maxshape": tuple(None if grow else extent for extent, grow in zip(shape, grows))}


def bits(array):
    """What is compared: the bytes, padding of structs apart."""
    array = numpy.asarray(array)
    if array.dtype.names:
        return [bits(array[name]) for name in array.dtype.names]
    return array.shape, array.dtype.kind, array.tobytes()


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "it.h5")

    def write(self, name, array, **storage):
        with h5py.File(self.path, "a") as file:
            file.create_dataset(name, data=array, **storage)

    def open(self, name, **options):
        return multibuffer.open(f"{self.path}::{name}", device=DEVICE, **options)

    def fetch(self, result):
        return numpy.asarray(result if DEVICE == "host" else result.to_host())


class Conformance(Files):
    def test_random_files(self):
        for seed in sampled(200):
            rng = random.Random(seed)
            dtype = numpy.dtype(rng.choice(TYPES))
            shape = tuple(rng.randint(0 if rng.random() < 0.1 else 1, 9)
                          for _ in range(rng.randint(0, 4)))
            storage = random_storage(rng, shape)
            if 0 in shape and any(0 == extent for extent in storage.get("maxshape", ())):
                storage = {}
            with self.subTest(seed=seed, dtype=str(dtype), shape=shape, **storage):
                with h5py.File(self.path, "w", libver=rng.choice(VERSIONS)) as file:
                    file.create_dataset("a/b", data=random_array(rng, dtype, shape), dtype=dtype,
                                        **storage)
                with h5py.File(self.path, "r") as file:
                    stored = file["a/b"]
                    whole = stored[...]
                    if not isinstance(whole, numpy.ndarray):
                        whole = numpy.asarray(whole, stored.dtype)
                    datasets = [self.open("a/b"), self.open("/a/b", window=rng.choice([16, 4096])),
                                multibuffer.open(stored, device=DEVICE)]
                    datasets.append(pickle.loads(pickle.dumps(datasets[rng.randrange(3)])))
                    for _ in range(6):
                        index = random_index(rng, shape)
                        # One element is a scalar, whose byte order is the machine's.
                        expected = bits(numpy.asarray(whole[index], whole.dtype))
                        for dataset in datasets:
                            self.assertEqual(dataset.shape, shape)
                            result = dataset[index]
                            self.assertEqual(bits(self.fetch(result)), expected, index)

    def test_take_and_many_rows(self):
        array = numpy.arange(3000 * 7, dtype=">i4").reshape(3000, 7)
        self.write("contiguous", array)
        self.write("rows", array, chunks=(100, 7))
        self.write("blocks", array, chunks=(64, 3))
        rows = numpy.random.default_rng(1).integers(0, 3000, 5000)
        for name in ("contiguous", "rows", "blocks"):
            for window in (0, 512, "1 MiB"):
                dataset = self.open(name, window=window)
                self.assertEqual(self.fetch(dataset.take(rows)).tolist(), array[rows].tolist())
                self.assertEqual(self.fetch(dataset[rows, 2:5]).tolist(), array[rows, 2:5].tolist())

    def test_several_datasets(self):
        for i in range(12):
            self.write(f"layers/{i}/w", numpy.full((4, 5), i, "f4"), chunks=(3, 2))
        stacked = self.open("layers/*/w")
        self.assertEqual(stacked.shape, (12, 4, 5))
        self.assertEqual(self.fetch(stacked[[11, 2], 1, 3]).tolist(), [11, 2])
        joined = multibuffer.open([f"{self.path}::layers/{i}/w" for i in (1, 0)])
        self.assertEqual(numpy.asarray(joined[:, 0]).tolist(), [1] * 4 + [0] * 4)

    def test_dates(self):
        dates = numpy.array(["2001-02-03", "2026-11-29"], "M8[D]")
        self.write("dates", dates.astype(h5py.opaque_dtype(dates.dtype)))
        read = self.fetch(self.open("dates")[:])
        self.assertEqual((read.dtype, read.tolist()), (dates.dtype, dates.tolist()))


class BesideH5py(Files):
    def test_an_open_file(self):
        self.write("a", numpy.arange(6), chunks=(2,))
        with h5py.File(self.path, "r+") as file:
            file["a"][0] = 100
            self.assertEqual(self.fetch(multibuffer.open(file["a"])[:2]).tolist(), [100, 1])
            file["a"][1] = 200
            self.assertEqual(file["a"][:2].tolist(), [100, 200])
            dataset = multibuffer.open(file["a"])
            self.assertEqual(numpy.asarray(dataset[:2]).tolist(), [100, 200])
            time.sleep(0.05)  # which file systems' times can tell
            file["a"][1] = 300
            file.flush()
            with self.assertRaises(multibuffer.StaleError):
                self.fetch(dataset[:2])

    def test_what_has_no_file(self):
        with h5py.File("nowhere.h5", "w", driver="core", backing_store=False) as file:
            file["a"] = numpy.arange(3)
            with self.assertRaisesRegex(ValueError, "does not name"):
                multibuffer.open(file["a"])
            with self.assertRaisesRegex(ValueError, "without a name"):
                multibuffer.open(file.create_dataset(None, data=[1]))

    def test_refusals_name_the_dataset_and_the_way_out(self):
        self.write("x/zipped", numpy.arange(100), chunks=(10,), compression="gzip")
        with self.assertRaisesRegex(OSError, r"it\.h5::x/zipped: .*gzip.*h5repack -f NONE -l CONTI"):
            self.open("x/zipped")
        self.write("x/words", "some words")
        with self.assertRaisesRegex(OSError, r"it\.h5::x/words: strings of variable length"):
            self.open("x/words")

    def test_threads_of_both(self):
        array = numpy.arange(3000).reshape(300, 10)
        self.write("a", array, chunks=(7, 10))
        failures = []

        def repeat(work):
            try:
                for _ in range(60):
                    work()
            except Exception as error:
                failures.append(error)

        def ours():
            assert self.open("a").shape == (300, 10)

        def theirs():
            with h5py.File(self.path, "r") as file:
                assert (file["a"][...] == array).all()

        threads = [threading.Thread(target=repeat, args=[work]) for work in (ours, theirs) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_either_may_be_imported_first(self):
        self.write("a", numpy.arange(12).reshape(3, 4), chunks=(2, 3))
        script = ("import {0}; import {1}; import sys\n"
                  "file = h5py.File(sys.argv[1], 'r')\n"
                  "whole = file['a'][...]\n"
                  "assert multibuffer.open(file['a'])[...].tolist() == whole.tolist()\n"
                  "assert file['a'][...].tolist() == whole.tolist()\n")
        for names in (("h5py", "multibuffer"), ("multibuffer", "h5py")):
            subprocess.run([sys.executable, "-c", script.format(*names), self.path], check=True)


class Library(Files):
    def test_it_is_loaded_by_the_first_file(self):
        self.write("a", numpy.arange(12).reshape(3, 4))
        script = ("import multibuffer, sys\n"
                  "loaded = lambda: 'libhdf5' in open('/proc/self/maps').read()\n"
                  "multibuffer.upload([b'row', b'two'])\n"
                  "assert not loaded()\n"
                  "assert multibuffer.open(sys.argv[1] + '::a').shape == (3, 4)\n"
                  "assert loaded()\n")
        subprocess.run([sys.executable, "-c", script, self.path], check=True)

    def test_it_cannot_be_loaded(self):
        self.write("a", numpy.arange(12).reshape(3, 4))
        with open(multibuffer._core.__file__, "rb") as module:
            found = re.search(rb"libhdf5[a-z_]*\.so[.0-9]*", module.read())
        if not found:
            self.skipTest("the module is linked with a library that loads libhdf5")
        library = found[0].decode()
        script = ("import multibuffer, sys\n"
                  "for attempt in range(2):\n"
                  "    try:\n"
                  "        multibuffer.open(sys.argv[1] + '::a')\n"
                  "    except OSError as error:\n"
                  "        print(error)\n"
                  "print(multibuffer.upload([b'row', b'two'])[1].tobytes())\n")
        with tempfile.TemporaryDirectory() as broken:
            open(os.path.join(broken, library), "wb").close()
            paths = os.pathsep.join([broken, os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(os.pathsep)
            done = subprocess.run([sys.executable, "-c", script, self.path], check=True, text=True,
                                  stdout=subprocess.PIPE, env={**os.environ, "LD_LIBRARY_PATH": paths})
        *attempts, rest = done.stdout.splitlines()
        self.assertEqual(rest, "b'two'")
        self.assertEqual(len(attempts), 2)
        for said in attempts:
            self.assertRegex(said, f"{self.path}: this build reads HDF5 by {library}, which cannot be loaded "
                                   ".*file too short.*install that version")

    def test_another_one_is_in_the_global_scope(self):
        """Debian's symbols have versions, so that no libhdf5 uses the variables of another, that for MPI for one."""
        if not shutil.which("c++"):
            self.skipTest("there is no compiler")
        self.write("a", numpy.arange(12).reshape(3, 4))
        script = ("import ctypes, multibuffer, sys\n"
                  "ctypes.CDLL(sys.argv[2], ctypes.RTLD_GLOBAL)\n"
                  "assert multibuffer.open(sys.argv[1] + '::a').shape == (3, 4)\n")
        with tempfile.TemporaryDirectory() as folder:
            source, versions, other = (os.path.join(folder, name) for name in ("a.cpp", "a.map", "liba.so"))
            with open(source, "w") as file:
                for name in ("H5P_CLS_FILE_ACCESS_ID_g", "H5P_CLS_LINK_ACCESS_ID_g", "H5T_NATIVE_LDOUBLE_g"):
                    file.write(f'extern "C" {{ long {name} = -1; }}\n')
            with open(versions, "w") as file:
                file.write("OTHER_1 { global: H5*; local: *; };\n")
            subprocess.run(["c++", "-shared", "-fPIC", f"-Wl,--version-script={versions}", source, "-o", other],
                           check=True)
            subprocess.run([sys.executable, "-c", script, self.path, other], check=True)


if __name__ == "__main__":
    unittest.main()
