"""multibuffer.open(): arrays in files, read as NumPy reads them in memory, on each device."""

import os
import pickle
import random
import signal
import tempfile
import threading
import unittest

import multibuffer
from packages import Image, numpy
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
