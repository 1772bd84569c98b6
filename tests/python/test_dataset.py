"""multibuffer.open(): arrays in files, read as NumPy reads them in memory, on each device."""

import glob
import os
import pickle
import random
import signal
import tempfile
import threading
import unittest

import multibuffer
from packages import Image, numpy, torch
from support import DEVICE, needs, require_device, sampled


def setUpModule():
    require_device()


@needs(numpy, "NumPy")
class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def save(self, name, array):
        numpy.save(self.path(name), array)
        return self.path(name)

    def open(self, *arguments, **options):
        return multibuffer.open(*arguments, **options).on(DEVICE.replace("fake_", ""))


def host(result):
    """What was read, as a NumPy array."""
    return numpy.asarray(result.to_host() if isinstance(result, multibuffer.DeviceBuffer)
                         else result)


class Random(Files):
    def key(self, chooser, shape):
        """Slices, integers, index lists, masks, None and ..., as NumPy takes them."""
        parts, left = [], list(shape)
        lists = chooser.choice((0, 0, 1, 2))
        length = chooser.randrange(1, 5)
        while left and chooser.random() < 0.85:
            extent = left.pop(0)
            kind = chooser.random()
            if kind < 0.2 and extent:
                parts.append(chooser.randrange(-extent, extent))
            elif kind < 0.5 and lists and extent:
                lists -= 1
                parts.append([chooser.randrange(-extent, extent) for _ in range(length)])
            elif kind < 0.55:
                parts.append(None)
                left.insert(0, extent)
            else:
                ends = [chooser.choice((None, chooser.randrange(-extent - 2, extent + 3)))
                        for _ in range(2)]
                parts.append(slice(*ends, chooser.choice((None, 1, 2, 3, -1, -2))))
        if chooser.random() < 0.2:
            parts.append(Ellipsis)
        return tuple(parts)

    def test_selections_are_numpys(self):
        chooser = random.Random(3)
        for round_ in sampled(60):
            rest = tuple(chooser.randrange(1, 6) for _ in range(chooser.randrange(0, 3)))
            dtype = chooser.choice(("i4", ">f8", "u1", "f2", "?", [("a", "i2"), ("b", "f4", (2,))]))
            stacked = chooser.random() < 0.3
            lengths = [4] * 3 if stacked else [chooser.randrange(0, 6) for _ in range(3)]
            parts = [numpy.frombuffer(chooser.randbytes(2000), "u1")[:numpy.dtype(dtype).itemsize
                     * n * int(numpy.prod(rest))].view(dtype).reshape(n, *rest) for n in lengths]
            if dtype == "?":
                parts = [numpy.frombuffer(chooser.randbytes(2000), "u1")[:n * int(numpy.prod(rest))]
                         .reshape(n, *rest) % 2 == 1 for n in lengths]
            names = [self.save(f"r{round_}-{i}.npy", part) for i, part in enumerate(parts)]
            # NumPy joins numbers of the other byte order to this machine's.
            whole = (numpy.stack if stacked else numpy.concatenate)(parts).astype(parts[0].dtype)
            dataset = self.open(names, join="stack" if stacked else "concatenate",
                                window=chooser.choice((0, 0, 1, 64, "1 KiB")))
            for _ in range(8):
                key = self.key(chooser, whole.shape)
                with self.subTest(dtype=dtype, shape=whole.shape, key=key, dataset=dataset):
                    expected = numpy.asarray(whole[key], whole.dtype)  # also of a single element
                    found = dataset[key]
                    if isinstance(found, multibuffer.Dataset):
                        if chooser.random() < 0.3:
                            found = pickle.loads(pickle.dumps(found))
                        self.assertTrue(multibuffer.verify(found.reference(), expected))
                        found = found.copy()
                    self.assertEqual(found.shape, expected.shape)
                    self.assertEqual(found.device.split(":")[0], DEVICE.replace("fake_", ""))
                    self.assertTrue(multibuffer.verify(found, expected))

    def test_results_are_converted_and_go_where_they_are_told(self):
        numbers = numpy.arange(5000, dtype="u2").reshape(100, 5, 10)
        dataset = self.open([self.save("a.npy", numbers[:30]), self.save("b.npy", numbers[30:])])
        rows = [99, 3, 3, -30]
        self.assertEqual(host(dataset.take(rows, dtype="float32")).tolist(),
                         numbers[rows].astype("f4").tolist())
        scaled = host(dataset.take(rows, dtype="float32", scale=[1, 2, 4, 8, 16], bias=1,
                                   channel_axis=1))
        factors = numpy.float32([1, 2, 4, 8, 16])[:, None]
        self.assertEqual(scaled.tolist(), (numbers[rows].astype("f4") * factors + 1).tolist())
        self.assertEqual(host(dataset.copy(order="F")).tolist(), numbers.tolist())
        out = numpy.zeros((4, 5, 10), "u2")
        self.assertIs(dataset.take(rows, out=out), out)
        self.assertEqual(out.tolist(), numbers[rows].tolist())
        there = dataset.take([0, 0, 0, 0])
        self.assertIs(dataset.take(rows, out=there), there)
        self.assertEqual(host(there).tolist(), numbers[rows].tolist())
        uploaded = dataset.upload()
        self.assertEqual(host(uploaded.take([5], axis=0)).tolist(), numbers[[5]].tolist())
        self.assertTrue(multibuffer.verify(dataset[10:40].copy(), numbers[10:40]))
        self.assertEqual(host(dataset.gather(([1, 50], [2, 3]))).tolist(),
                         numbers[[1, 50], [2, 3]].tolist())
        told = []
        dataset.copy(progress=lambda done, total: told.append((done, total)))
        if told:
            self.assertEqual(told[-1], (numbers.nbytes, numbers.nbytes))


class Sources(Files):
    def test_names(self):
        numbers = numpy.arange(24).reshape(6, 4)
        for i in (9, 10):
            self.save(f"s{i}.npy", numbers * i)
        both = self.open(self.path("s*.npy"))
        self.assertEqual(host(both)[[0, 6]].tolist(), [(numbers * 9)[0].tolist(),
                                                       (numbers * 10)[0].tolist()])
        self.assertEqual([os.path.basename(file) for file in both.files], ["s9.npy", "s10.npy"])
        with self.assertRaisesRegex(OSError, "one array"):
            self.open(self.path("s9.npy") + "::x")
        with self.assertRaisesRegex(OSError, "no such files"):
            self.open(self.path("t*.npy"))
        with self.assertRaisesRegex(ValueError, "says itself"):
            self.open(self.path("s9.npy"), dtype="f4")
        with self.assertRaisesRegex(ValueError, "of one file"):
            self.open({"x": self.path("s9.npy")}, dtype="f4")

    def test_memory_maps(self):
        numbers = numpy.arange(600, dtype="i4").reshape(20, 30)
        self.save("m.npy", numbers)
        mapped = numpy.load(self.path("m.npy"), mmap_mode="r")
        for view in (mapped, mapped[3:], mapped[::-2, 5:20:3], mapped.T, mapped[2:9].T[::-1]):
            self.assertEqual(host(self.open(view)).tolist(), view.tolist())
            again = pickle.loads(pickle.dumps(self.open(view, window=64)))
            self.assertEqual(host(again[1:3]).tolist(), view[1:3].tolist())
        changed = numpy.load(self.path("m.npy"), mmap_mode="r+")
        changed[0] = -1
        self.assertEqual(host(self.open(changed)[0]).tolist(), [-1] * 30)
        with self.assertRaisesRegex(ValueError, "mode 'c'"):
            self.open(numpy.load(self.path("m.npy"), mmap_mode="c"))

    def test_arrays_in_memory(self):
        parts = [numpy.arange(6.0).reshape(2, 3), numpy.arange(3.0).reshape(1, 3)]
        dataset = self.open(parts)
        self.assertEqual(host(dataset[[2, 0]]).tolist(), [[0, 1, 2], [0, 1, 2]])
        with self.assertRaisesRegex(TypeError, "pickle"):
            pickle.dumps(dataset)
        with self.assertRaisesRegex(ValueError, "windows"):
            self.open(parts, window=10)

    def test_memory_maps_of_other_elements_and_files(self):
        for dtype in ("S3", "<U2", [("a", "i2"), ("b", "f4")]):
            mapped = numpy.memmap(self.path(f"m{len(str(dtype))}"), dtype=dtype, shape=(4,), mode="w+")
            self.assertTrue(multibuffer.verify(self.open(mapped).copy(), numpy.array(mapped)))
        self.save("a.npy", numpy.arange(100))
        mapped = numpy.load(self.path("a.npy"), mmap_mode="r")
        self.assertEqual(host(self.open(mapped[7, ...])).tolist(), 7)
        os.rename(self.path("a.npy"), self.path("b.npy"))
        self.save("a.npy", numpy.zeros(100, int))
        with self.assertRaisesRegex(ValueError, "not the file"):
            self.open(mapped)

    def test_options_that_mean_nothing_are_refused(self):
        name = self.save("o.npy", numpy.arange(6))
        for source in (multibuffer.open(name), numpy.load(name, mmap_mode="r"), numpy.arange(6)):
            with self.assertRaisesRegex(ValueError, "by name"):
                self.open(source, dtype="f4", shape=(3,))
        with self.assertRaisesRegex(ValueError, "by name"):
            self.open(name + "::x", dtype="u1")
        with self.assertRaisesRegex(ValueError, "axis 0"):
            self.open([numpy.arange(3)] * 2, join="stack")
        with self.assertRaisesRegex(ValueError, "nonsense"):
            self.open(name, join="nonsense")
        with self.assertRaises(TypeError):
            self.open(name, window=True)
        with self.assertRaises(TypeError):
            self.open({"x": {"y": name}})
        self.assertEqual(self.open(multibuffer.open(name), window="1 KiB").window, 1024)

    def test_names_in_any_encoding(self):
        try:
            name = os.fsdecode(b"\xff\xfe.npy")
            with open(self.path(name), "wb") as file:
                numpy.save(file, numpy.arange(3))
        except (OSError, UnicodeError):
            self.skipTest("the file system has no such names")
        self.assertEqual(host(self.open(self.path(name))).tolist(), [0, 1, 2])
        self.assertEqual(host(self.open(os.fsencode(self.path(name)))).tolist(), [0, 1, 2])

    def test_many_arrays_in_memory(self):
        dataset = self.open([numpy.full(2, i) for i in range(100_000)])
        self.assertEqual(host(dataset[[-1, 0]]).tolist(), [99_999, 0])
        del dataset

    @unittest.skipUnless(DEVICE == "host", "a fork")
    def test_a_fork_in_the_middle_of_opening(self):
        names = [self.save(f"f{i}.npy", numpy.full((200, 100), i)) for i in range(4)]
        ends = threading.Event()

        def read():
            while not ends.is_set():
                multibuffer.open(names)[::50].copy()

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    signal.alarm(20)
                    right = host(multibuffer.open(names)[[0, -1]])[:, 0].tolist() == [0, 3]
                    os._exit(0 if right else 1)
                self.assertEqual(os.waitpid(child, 0)[1], 0)
        finally:
            ends.set()
            for thread in threads:
                thread.join()

    @needs(Image, "Pillow")
    def test_pictures(self):
        if dict(multibuffer.file_formats())["PNG"]:
            self.skipTest("a wheel's module reads no PNG")
        pixels = numpy.arange(300, dtype="u1").reshape(10, 10, 3)
        Image.fromarray(pixels).save(self.path("p.png"))
        picture = self.open(self.path("p.png"))
        self.assertEqual(host(pickle.loads(pickle.dumps(picture))[::2]).tolist(),
                         pixels[::2].tolist())
        with self.assertRaisesRegex(ValueError, "windows"):
            picture.with_window("1 KiB")

    def test_several_at_once(self):
        x, y = numpy.arange(20).reshape(10, 2), numpy.arange(10.0)
        both = self.open({"x": self.save("x.npy", x), "y": self.save("y.npy", y)})
        batch = both.take([7, 1])
        self.assertEqual({name: host(part).tolist() for name, part in batch.items()},
                         {"x": x[[7, 1]].tolist(), "y": [7, 1]})
        self.assertEqual((len(both), len(both[2:5]), sorted(both)), (10, 3, ["x", "y"]))
        with self.assertRaisesRegex(ValueError, "'y' has 9 rows, 'x' has 10"):
            self.open({"x": self.path("x.npy"), "y": self.save("z.npy", y[:9])})

    def test_names_of_any_characters(self):
        for name in ("a[1].npy", "a*b?.npy", "[", "b\\c.npy", "d::e.npy", "[*].npy"):
            with open(self.path(name), "wb") as file:
                numpy.save(file, numpy.arange(3))
            with open(self.path("a1.npy"), "wb") as file:  # which patterns would find
                numpy.save(file, numpy.arange(9))
            escaped = os.path.join(glob.escape(self.folder), glob.escape(name))
            escaped = escaped.replace("::", "[:]:")
            for source in (self.path(name), escaped, [escaped, self.path(name)][:1]):
                self.assertEqual(host(self.open(source)).tolist(), [0, 1, 2], source)
        arrays = {name: numpy.full(2, i) for i, name in enumerate(("a*b", "axb", "a?b", "w[0]", "[*]"))}
        numpy.savez(self.path("all.npz"), **arrays)
        for name, array in arrays.items():
            one = self.open(f"{self.path('all.npz')}::{glob.escape(name)}")
            self.assertEqual(host(one).tolist(), array.tolist())
        whole = self.path("all.npz")
        self.assertEqual(host(self.open(whole + "::w[0]")).tolist(), [3, 3])  # no escape
        self.assertEqual(host(self.open(whole + "::a*b")).tolist(), [[0, 0], [2, 2], [1, 1]])
        self.assertEqual(host(self.open(whole + "::a[*]*")).tolist(), [[0, 0]])
        with self.assertRaisesRegex(OSError, r"a\*c"):
            self.open(whole + "::a[*]c")


class Several(Files):
    """Datasets do what a Dataset does, by name."""

    def setUp(self):
        super().setUp()
        self.x = numpy.arange(60, dtype="u2").reshape(10, 2, 3)
        self.y = numpy.arange(10.0)
        self.arrays = {"x": self.x, "y": self.y}
        self.both = self.open({"x": self.save("x.npy", self.x), "y": self.save("y.npy", self.y)})

    def check(self, results, expected):
        self.assertEqual(list(results), list(expected))
        for name, array in expected.items():
            self.assertTrue(multibuffer.verify(results[name], array), name)

    def test_what_reads_gives_dicts(self):
        self.check(self.both.take([7, -1]), {name: each[[7, -1]] for name, each in self.arrays.items()})
        self.check(self.both.gather([[1, 2]]), {name: each[[1, 2]] for name, each in
                                                self.arrays.items()})
        self.check(self.both.copy(), self.arrays)
        self.check(self.both.reference(), self.arrays)
        uploaded = self.both.upload()
        self.check(uploaded, self.arrays)
        self.assertIsInstance(uploaded["x"], multibuffer.DeviceArray)
        self.assertEqual(self.both.upload("host")["y"].device, "host")
        self.check(self.both[[2, 0]], {name: each[[2, 0]] for name, each in self.arrays.items()})
        self.check(self.both[3], {name: each[3] for name, each in self.arrays.items()})

    def test_views_are_datasets(self):
        for view, expected in (
                (self.both[2:8:2], {"x": self.x[2:8:2], "y": self.y[2:8:2]}),
                (self.both[["y"]], {"y": self.y}),
                (self.both[["y", "x"]][:3], {"y": self.y[:3], "x": self.x[:3]}),
                (self.both[["x"]][1:, 0], {"x": self.x[1:, 0]}),
                (self.both.with_window("1 KiB"), self.arrays),
                (self.both.on("host"), self.arrays),
                (pickle.loads(pickle.dumps(self.both[::3])), {"x": self.x[::3], "y": self.y[::3]})):
            self.assertIsInstance(view, multibuffer.Datasets)
            self.check(view.copy(), expected)
            self.check(view.reference(), expected)
        self.assertEqual({each.window for each in self.both.with_window(64).values()}, {64})
        self.assertIsInstance(self.both[["x"]][0, 1:], dict)  # without an axis of rows
        with self.assertRaises(KeyError):
            self.both[["x", "z"]]
        with self.assertRaises(IndexError):
            self.both[:, 0]  # y has one axis
        with self.assertRaisesRegex(ValueError, "at least one"):
            multibuffer.Datasets({})

    def test_words_are_for_all_or_by_name(self):
        rows = [9, 1]
        x, y = self.x[rows], self.y[rows]
        for words, expected in (
                ({"dtype": "float32"}, {"x": x.astype("f4"), "y": y.astype("f4")}),
                ({"dtype": {"x": "int64"}}, {"x": x.astype("i8"), "y": y}),
                ({"dtype": {"x": "u1", "y": "f4"}, "saturate": {"y": True}},
                 {"x": x.astype("u1"), "y": y.astype("f4")}),
                ({"dtype": {"x": "float32"}, "scale": {"x": [2, 4, 8]}, "bias": {"x": 1},
                  "channel_axis": {"x": 2}},
                 {"x": x.astype("f4") * numpy.float32([2, 4, 8]) + numpy.float32(1), "y": y}),
                ({"dtype": "f4", "scale": 2},
                 {"x": x.astype("f4") * 2, "y": y.astype("f4") * 2})):
            with self.subTest(words=words):
                self.check(self.both.take(rows, **words), expected)
                self.check(self.both.gather([rows], **words), expected)
        self.check(self.both.copy("F", dtype={"y": ">f4"}),
                   {"x": self.x, "y": self.y.astype(">f4")})
        for name in ("dtype", "scale", "bias", "saturate", "channel_axis"):
            for call in (self.both.copy, lambda **words: self.both.take([0], **words)):
                with self.assertRaisesRegex(ValueError, f"{name} names 'z', which is none"):
                    call(**{name: {"z": "f4"}})

    def test_out_has_all_names(self):
        out = {"x": numpy.zeros((2, 2, 3), "f4"), "y": numpy.zeros(2)}
        result = self.both.take([5, 3], out=out, dtype={"x": "f4"})
        self.assertEqual(list(result), ["x", "y"])
        for name in out:
            self.assertIs(result[name], out[name])
        self.check(out, {"x": self.x[[5, 3]].astype("f4"), "y": self.y[[5, 3]]})
        whole = {"y": numpy.zeros(10), "x": numpy.zeros((10, 2, 3), "u2")}  # in any order
        self.check(self.both.copy(out=whole), self.arrays)
        for wrong, error in (({"x": out["x"]}, ValueError), ([], TypeError)):
            for call in (self.both.copy, lambda out: self.both.take([0], out=out)):
                with self.assertRaises(error):
                    call(out=wrong)

    def test_progress_is_told_for_each(self):
        told = []
        self.both.copy(progress=lambda done, all: told.append((done, all)))
        if told:  # work that a GPU is only given to do tells nothing
            self.assertEqual([all for done, all in told if done == all],
                             [self.x.nbytes, self.y.nbytes])


def plain(item):
    """What NumPy's tolist() gives, with lists for the arrays that it leaves in structs."""
    if isinstance(item, numpy.ndarray):
        return item.tolist()
    return type(item)(map(plain, item)) if isinstance(item, (list, tuple)) else item


class Dates(Files):
    """Dates and time spans are NumPy's own, in files and in memory."""

    DTYPES = ("M8[s]", "m8[ns]", ">M8[D]", "m8[25us]", "M8[2h]", "<m8")

    def made(self, dtype, shape=(6, 4)):
        counts = numpy.arange(numpy.prod(shape), dtype="i8").reshape(shape) - 5
        counts.flat[0] = numpy.iinfo("i8").min  # not a time
        return counts.astype(numpy.dtype("i8").newbyteorder(numpy.dtype(dtype).byteorder)).view(dtype)

    def check(self, result, expected):
        self.assertEqual(result.dtype, str(expected.dtype) if expected.dtype.isnative
                         else expected.dtype.str)
        seen = host(result)
        self.assertEqual(seen.dtype, expected.dtype)
        self.assertEqual(seen.tobytes(), expected.tobytes())
        if isinstance(result, multibuffer.DeviceBuffer):
            result = result.to_host()
            self.assertEqual(numpy.asarray(result).dtype, expected.dtype)
            self.assertEqual(numpy.array(result).dtype, expected.dtype)
        if expected.dtype.isnative and numpy.datetime_data(expected.dtype)[0] != "generic":
            self.assertEqual(result.tolist(), expected.tolist())

    def test_in_files(self):
        for dtype in self.DTYPES:
            with self.subTest(dtype=dtype):
                array = self.made(dtype)
                dataset = self.open(self.save("d.npy", array))
                self.check(dataset.take([3, -1]), array[[3, -1]])
                self.check(dataset[1:, ::-2].copy(), array[1:, ::-2].copy())
                self.check(pickle.loads(pickle.dumps(dataset)).copy(), array)
                self.check(dataset.reference(), array)
                self.check(dataset.upload().copy(), array)
                self.check(dataset.with_window(16).copy(), array)
                self.assertTrue(multibuffer.verify(dataset.copy(), array))
                counts = array.view(f"{array.dtype.byteorder}i8")
                seen = host(dataset.copy(dtype="int64"))
                self.assertEqual((seen.dtype.str, seen.tolist()), ("<i8", counts.tolist()))
                out = numpy.empty((2, 4), dtype)
                self.assertIs(dataset.take([1, 2], out=out), out)
                self.assertEqual(out.tobytes(), array[1:3].tobytes())
                self.assertEqual(host(self.open(numpy.load(self.path("d.npy"), mmap_mode="r")))
                                 .dtype, array.dtype)
                array.tofile(self.path("raw"))
                self.check(self.open(self.path("raw"), dtype=dtype).copy(), array.ravel())

    def test_in_memory(self):
        for dtype in self.DTYPES:
            with self.subTest(dtype=dtype):
                array = self.made(dtype)
                uploaded = multibuffer.upload(array, device=DEVICE.replace("fake_", ""))
                self.check(uploaded[[4, 0]], array[[4, 0]])
                self.check(multibuffer.upload(list(array[::-1]))[1:].copy(), array[::-1][1:].copy())
                self.check(multibuffer.reference(array).take([2]), array[[2]])
                self.check(multibuffer.upload(numpy.asfortranarray(array)).copy(), array)
                for other in array.astype(array.dtype.newbyteorder()), array.view(array.dtype.str):
                    uploaded.update(array[::-1].copy())
                    self.check(uploaded.take([0], dtype=other.dtype), array[[5]].astype(other.dtype))
                    uploaded.update(array)
                self.check(multibuffer.upload(array[0, 1]).copy(), numpy.array(array[0, 1]))

    def test_in_structs(self):
        dtype = numpy.dtype([("n", "u1"), ("t", "M8[ms]"), ("d", ">m8[D]", (2,)),
                             ("in", [("b", "i2"), ("t", "M8[Y]"), ("c", "S3")])])
        for dtype in (dtype, numpy.dtype(dtype.descr, align=True)):
            array = numpy.frombuffer(bytes(i % 7 + 1 for i in range(dtype.itemsize * 6)), dtype)
            self.save("s.npy", array)
            dataset = self.open(self.path("s.npy"))
            for made in (dataset.copy(), multibuffer.upload(array).copy(),
                         multibuffer.upload(list(array.reshape(2, 3))).reshape(6).copy(),
                         multibuffer.reference(array).copy()):
                self.assertEqual(made.tobytes(), array.tobytes())
                self.assertEqual(made.tolist(), plain(array.tolist()))
            for field in ("n", "t", "d"):
                self.assertEqual(host(dataset[field].copy()).dtype, array[field].dtype)
                self.assertEqual(host(dataset[field].copy()).tobytes(), array[field].tobytes())
                self.assertEqual(host(multibuffer.upload(array)[field].copy()).dtype,
                                 array[field].dtype)
            self.assertTrue(multibuffer.verify(dataset["in"]["t"].copy(), array["in"]["t"].copy()))

    def test_what_has_no_word_for_them_says_so(self):
        array = self.made("M8[s]")
        result = multibuffer.upload(array).copy().to_host()
        with self.assertRaisesRegex(BufferError, r'numpy.asarray\(\).*astype\("int64"\)'):
            memoryview(result)
        with self.assertRaisesRegex(BufferError, "int64"):
            result.__dlpack__()
        for dtype in ("M8[ms]", "m8[s]", "float64", "uint64", "M8"):
            with self.assertRaisesRegex(TypeError, "int64"):
                result.astype(dtype)
        with self.assertRaisesRegex(TypeError, "int64"):
            multibuffer.upload(numpy.arange(3.0)).take([0], dtype="M8[s]")
        numbers = multibuffer.upload(numpy.arange(3)).take([2, 0], dtype="M8[s]")
        self.check(numbers, numpy.array([2, 0], "M8[s]"))
        with self.assertRaises(IndexError):
            multibuffer.upload(numpy.arange(3))[array]
        for one, there in ((numpy.datetime64(1, "s"), True), (numpy.datetime64(1000, "ms"), True),
                           (numpy.datetime64(77, "s"), False)):
            self.assertEqual(one in multibuffer.upload(array), there)
        self.assertEqual(multibuffer.explain(array, (1, 0)).value, "datetime64(-1, 's')")

    def test_batches(self):
        dataset = multibuffer.open(self.save("b.npy", self.made("M8[s]")))
        batch = next(iter(dataset.batches(3, framework="numpy")))
        self.assertEqual((batch.dtype.str, batch.tolist()),
                         ("<M8[s]", self.made("M8[s]")[:3].tolist()))

    @needs(torch, "torch")
    def test_torch_gets_counts_if_it_asks_for_them(self):
        dataset = multibuffer.open(self.save("b.npy", self.made("M8[s]")))
        with self.assertRaisesRegex(TypeError, r'datetime64\[s\]; dtype="int64"'):
            dataset.batches(3)
        batch = next(iter(dataset.batches(3, dtype="int64")))
        self.assertEqual(batch.tolist(), self.made("M8[s]")[:3].view("i8").tolist())


class Void(Files):
    def test_raw_bytes_stay_void(self):
        array = numpy.frombuffer(b"ab\0\0c" b"\0\0\0\0\0" b"xyz\0\0", "V5")
        dataset = self.open(self.save("v.npy", array))
        for made in (dataset.copy(), dataset.take([0, 1, 2]), multibuffer.upload(array).copy(),
                     multibuffer.upload([array, array])[1], dataset.upload()):
            seen = host(made.copy() if isinstance(made, multibuffer.DeviceArray) else made)
            self.assertEqual((seen.dtype, seen.tobytes()), (array.dtype, array.tobytes()))
            self.assertIsInstance(seen[0], numpy.void)
            self.assertEqual(made.dtype, "|V5")
            self.assertEqual(made.tolist(), [bytes(each) for each in array])
        fields = numpy.zeros(3, [("a", "V3"), ("b", "i4"), ("c", "V2", (2,)), ("d", "S2")])
        self.save("f.npy", fields)
        for name in fields.dtype.names:
            self.assertEqual(host(self.open(self.path("f.npy"))[name].copy()).dtype,
                             fields[name].dtype)
        self.assertEqual(host(self.open(self.path("f.npy"))).dtype.fields["a"][0], "V3")
        result = multibuffer.upload(array).copy().to_host()
        with self.assertRaisesRegex(BufferError, r"\|V5: numpy.asarray\(\)"):
            memoryview(result)
        out = numpy.zeros(2, "V5")
        self.assertIs(dataset.take([2, 0], out=out), out)
        self.assertEqual(out.tobytes(), array[[2, 0]].tobytes())


@unittest.skipUnless(DEVICE == "host", "files are the host's")
class Kept(Files):
    def test_small_files_are_not_pickled(self):
        names = [self.save(f"s{i:04}.npy", numpy.full(1000, i)) for i in range(300)]
        dataset = multibuffer.open(names)
        before = pickle.dumps(dataset)
        self.assertEqual(host(dataset)[::1000].tolist(), list(range(300)))
        self.assertEqual(pickle.dumps(dataset), before)
        self.assertLess(len(before), 300 * (200 + 16))


class Changes(Files):
    def test_each_is_named_and_reads_nothing(self):
        for window in (0, "4 KiB"):
            for how in ("cut", "grown", "touched", "removed"):
                with self.subTest(window=window, how=how):
                    first = self.save("a.npy", numpy.zeros((50, 100)))
                    second = self.save("b.npy", numpy.ones((500, 100)))
                    dataset = self.open([first, second], window=window)
                    self.assertEqual(host(dataset[[60]])[0, 0], 1)
                    if how == "removed":
                        os.remove(second)
                    elif how == "touched":
                        os.utime(second, (1, 1))
                    else:
                        with open(second, "r+b") as file:
                            file.truncate(9000 if how == "cut" else 900_000)
                    out = numpy.full((2, 100), 7.0)
                    with self.assertRaisesRegex(multibuffer.StaleError, "b.npy"):
                        dataset.take([10, 60], out=out)
                    self.assertTrue((out == 7).all())
                    self.assertEqual(host(dataset[[10]])[0, 0], 0)  # of the other file


if __name__ == "__main__":
    unittest.main()
