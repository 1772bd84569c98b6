"""multibuffer.dask: gathers on workers, what they hold, what they say, and what is left of them.

MULTIBUFFER_TEST_SHARDS=N takes shards of N MB for the test of the workers' memory (256), and from 1000
on shows that the same work by mapped files does end workers.
"""

import ast
import glob
import inspect
import logging
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from unittest import mock

import multibuffer
from packages import dask, distributed, numpy
from support import ALL_CASES, needs, sampled

if dask and distributed and numpy:
    import dask as _dask
    import dask.array as da
    import dask_cluster
    import multibuffer.dask
    from dask_cluster import cluster

HERE = os.path.dirname(os.path.abspath(__file__))
SHARDS = int(os.environ.get("MULTIBUFFER_TEST_SHARDS", 256))


def setUpModule():
    for module, name in ((numpy, "NumPy"), (dask, "Dask"), (distributed, "distributed")):
        if module is None:
            raise unittest.SkipTest(f"{name} is not installed")
    if dask_cluster.SLOWER > 1:
        raise unittest.SkipTest("under the sanitizers, the tests of Dataset do what this does in C++")
    print(f"Dask {_dask.__version__}, distributed {distributed.__version__}")


def ends(condition, seconds=30):
    """Waits for what other processes do in their own time."""
    end = time.monotonic() + seconds * dask_cluster.SLOWER
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Shards(unittest.TestCase):
    """A folder with an array in shards."""

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory()) \
            if hasattr(self, "enterContext") else self.temporary()

    def temporary(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def shards(self, whole, count, name="shard"):
        """The dataset of an array that is written to so many files."""
        for old in glob.glob(self.path(f"{name}-*.npy")):
            os.remove(old)
        for i, part in enumerate(numpy.array_split(whole, count)):
            numpy.save(self.path(f"{name}-{i}.npy"), part)
        return multibuffer.open(self.path(f"{name}-*.npy"))

    def rows(self, count=1000, width=16):
        return numpy.random.default_rng(5).random((count, width)).astype("f4")

    def same(self, result, expected):
        result = result.compute() if isinstance(result, da.Array) else numpy.asarray(result)
        self.assertEqual(result.dtype, expected.dtype)
        self.assertEqual(result.shape, expected.shape)
        self.assertEqual(result.tobytes(), numpy.ascontiguousarray(expected).tobytes())


class Takes(Shards):
    """What take() and array() are is what NumPy's take of the whole array is."""

    def arrays(self, rng, count):
        kinds = ["u1", "i2", "<f4", ">f8", "c8", "?", "u8", "S3", [("a", "i4"), ("b", "f4")]]
        for number in count:
            kind = numpy.dtype(rng.choice(kinds))
            shape = tuple(rng.randint(0 if rng.random() < .1 else 1, 9)
                          for _ in range(rng.randint(1, 4)))
            shape = (shape[0] * rng.randint(1, 8), *shape[1:])
            size = int(numpy.prod(shape)) * kind.itemsize
            data = numpy.frombuffer(rng.randbytes(size) if kind != "?" else
                                    bytes(rng.choices((0, 1), k=size)), kind).reshape(shape)
            yield number, data, self.shards(data, rng.randint(1, 5), f"random-{number}")

    def case(self, rng, data, ds):
        axis = rng.randrange(-data.ndim, data.ndim)
        extent = data.shape[axis]
        count = rng.choice((0, 1, 5, 60)) if extent else 0
        mode = rng.choice(("raise", "raise", "wrap", "clip"))
        reach = extent if mode == "raise" else 3 * extent
        indices = numpy.array([rng.randrange(-reach, reach) for _ in range(count)],
                              rng.choice(("i2", "i4", "i8")))
        chunks = rng.choice((1, 7, 10**6, "1 B", "100 B", "1 MiB"))
        expected = numpy.take(data, indices, axis, mode=mode)
        if rng.random() < .3:
            numpy.save(self.path("indices.npy"), indices)
            given = self.path("indices.npy")
        else:
            given = indices
        passes = 1
        if axis in (0, -data.ndim) and data.size and expected.size and data.ndim > 0 and \
                rng.random() < .6:
            passes, chunks = 2, (rng.choice((1, 7, 1000)), *data.shape[1:])
        result = multibuffer.dask.take(ds, given, axis=axis, mode=mode, chunks=chunks, passes=passes,
                                       window=rng.choice((0, 1, 100, "1 MiB")))
        return result, expected

    def test_random_arrays(self):
        rng = random.Random(11)
        with _dask.config.set(scheduler="sync"):
            for number, data, ds in self.arrays(rng, sampled(60)):
                with self.subTest(number, shape=data.shape, dtype=data.dtype):
                    result, expected = self.case(rng, data, ds)
                    self.same(result, expected)
                    self.same(multibuffer.dask.array(ds, chunks=rng.choice(("9 B", 3))), data)

    def test_random_arrays_by_one_to_four_workers(self):
        rng = random.Random(12)
        for workers in (1, 2, 3, 4):
            with cluster(workers, processes=False):
                for number, data, ds in self.arrays(rng, range(5 if ALL_CASES else 1)):
                    with self.subTest(number, workers=workers, shape=data.shape):
                        self.same(*self.case(rng, data, ds))

    def test_slices_of_an_array_read_no_more(self):
        whole = self.rows()
        x = multibuffer.dask.array(self.shards(whole, 3), chunks="8 KiB")
        with mock.patch.object(multibuffer.dask, "_read", wraps=multibuffer.dask._read) as read:
            self.same(x[5:9, 2], whole[5:9, 2])
        self.assertEqual([call.args[0].shape for call in read.mock_calls
                          if call.args and hasattr(call.args[0], "shape")], [(4,)])

    def test_elements_are_converted(self):
        whole = numpy.arange(-50, 50, dtype="i4").reshape(50, 2) * 10
        ds, order = self.shards(whole, 3), numpy.arange(50)[::-1]
        for passes in (1, 2):
            for options, expected in (({"dtype": "float16"}, whole.astype("f2")),
                                      ({"dtype": "int8", "saturate": True},
                                       whole.clip(-128, 127).astype("i1"))):
                y = multibuffer.dask.take(ds, order, chunks="60 B", passes=passes, **options)
                self.same(y, expected[order])

    def test_skew(self):
        whole = self.rows(600)
        ds = self.shards(whole, 6)
        some = numpy.random.default_rng(1).integers(0, 100, 600)
        for indices in (some, some * 0 + 599, numpy.sort(some), numpy.arange(600)[::-1],
                        numpy.arange(600), [], [-1], numpy.array([599], "u8")):
            for passes in (1, 2) if len(indices) else (1,):
                y = multibuffer.dask.take(ds, indices, chunks="4 KiB", passes=passes)
                with _dask.config.set(scheduler="threads"):
                    self.same(y, whole[numpy.asarray(indices, "i8")])

    def test_threads_of_one_worker_share_files(self):
        whole = self.rows(4000)
        ds, order = self.shards(whole, 5), numpy.random.default_rng(2).permutation(4000)
        with cluster(1, threads_per_worker=4):
            for passes in (1, 2):
                self.same(multibuffer.dask.take(ds, order, chunks="4 KiB", passes=passes),
                          whole[order])

    def test_large_descriptions_are_a_task_of_their_own(self):
        whole = self.rows(300, 2)
        ds = self.shards(whole, 300)
        with mock.patch.object(multibuffer.dask, "_INLINE", 100):
            y = multibuffer.dask.take(ds, numpy.arange(300)[::-1], chunks="200 B")
            self.assertEqual(len(y.__dask_graph__()), y.npartitions + 1)
            self.same(y, whole[::-1])


class Sizes(Shards):
    """What a dataset adds to a graph."""

    def test_a_task_for_each_chunk(self):
        ds = self.shards(self.rows(), 4)
        y = multibuffer.dask.take(ds, numpy.arange(1000), chunks="6.4 kB".replace("6.4 k", "6400 "))
        self.assertEqual(y.chunks, ((100,) * 10, (16,)))
        self.assertEqual(len(y.__dask_graph__()), 10)
        self.assertEqual(len(_dask.optimize(y)[0].__dask_graph__()), 10)

    def test_a_dataset_is_200_bytes_a_shard(self):
        ds = self.shards(self.rows(2000, 1), 1000)
        self.assertLessEqual(len(pickle.dumps(ds)), 200 * 1000)

    def test_a_graph_is_8_bytes_a_row(self):
        ds = self.shards(self.rows(100_000, 1), 10)
        order = numpy.random.default_rng(0).permutation(100_000)
        for passes in (1, 2):
            y = multibuffer.dask.take(ds, order, chunks="100 kB", passes=passes)
            self.assertLessEqual(len(pickle.dumps(dict(y.__dask_graph__()))), 8 * 100_000, passes)
        numpy.save(self.path("order.npy"), order)
        y = multibuffer.dask.take(ds, multibuffer.open(self.path("order.npy")), chunks="100 kB")
        self.assertLessEqual(len(pickle.dumps(dict(y.__dask_graph__()))), 20_000)

    def test_names_are_tokens_in_every_process(self):
        ds = self.shards(self.rows(), 4)
        options = {"chunks": "4 KiB", "dtype": "float16"}
        name = multibuffer.dask.take(ds, [3, 1, -1], **options).name
        script = f"import multibuffer.dask as d, multibuffer as m; print(d.take(m.open(" \
                 f"{self.path('shard-*.npy')!r}), [3, 1, 999], **{options!r}).name)"
        said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        self.assertEqual(said.stdout.strip(), name, said.stderr)
        for other in (multibuffer.dask.take(ds, [3, 1, 2], **options),
                      multibuffer.dask.take(ds[1:], [3, 1, -1], **options),
                      multibuffer.dask.take(ds, [3, 1, -1], chunks="4 KiB")):
            self.assertNotEqual(other.name, name)
        self.assertEqual(_dask.base.tokenize(ds), _dask.base.tokenize(pickle.loads(pickle.dumps(ds))))
        before = _dask.base.tokenize(ds)
        os.utime(self.path("shard-0.npy"), (1, 1))
        self.assertNotEqual(_dask.base.tokenize(multibuffer.open(self.path("shard-*.npy"))), before)

    def test_stubs_are_the_module(self):
        stubs = os.path.join(os.path.dirname(multibuffer.__file__), "dask.pyi")
        with open(stubs) as file:
            functions = {node.name: node for node in ast.parse(file.read()).body
                         if isinstance(node, ast.FunctionDef)}
        self.assertEqual(sorted(functions), sorted(multibuffer.dask.__all__))
        for name, node in functions.items():
            parameters = inspect.signature(getattr(multibuffer.dask, name)).parameters
            stubbed = [each.arg for each in node.args.args + node.args.kwonlyargs]
            self.assertEqual(stubbed, list(parameters))
            defaults = [ast.literal_eval(each) for each in node.args.kw_defaults]
            self.assertEqual(defaults, [each.default for each in parameters.values()
                                        if each.kind is each.KEYWORD_ONLY])


class Passes(Shards):
    """One pass or two, by the bytes that would be read."""

    def plan(self, **options):
        with self.assertLogs("multibuffer.dask", logging.INFO) as logs:
            multibuffer.dask.take(self.ds, self.indices, chunks="16 KiB", **options)
        return logs.records[0].getMessage()

    def setUp(self):
        super().setUp()
        self.ds = self.shards(self.rows(16_000), 4)  # 1 MiB, 64 B a row
        self.indices = numpy.random.default_rng(3).permutation(16_000)

    def test_the_page_cache_is_looked_at_first(self):
        self.assertIn("1 pass: the page cache holds", self.plan())
        with mock.patch.object(multibuffer.dask, "_cache_bytes", return_value=1000):
            self.assertRegex(self.plan(), r"2 passes: one would read \d+ MiB of files of 1000 KiB")

    def test_few_rows_and_sorted_ones_take_one_pass(self):
        with mock.patch.object(multibuffer.dask, "_cache_bytes", return_value=1000):
            self.indices.sort()
            self.assertIn("1 pass: it reads", self.plan())
            self.indices = self.indices[::100]
            self.assertIn("1 pass: it reads", self.plan())

    def test_what_has_no_two_passes_says_why(self):
        with self.assertRaisesRegex(ValueError, "cannot be two passes: the indices are of axis 1"):
            multibuffer.dask.take(self.ds, [0], axis=1, passes=2)
        with self.assertRaisesRegex(ValueError, "cut other axes"):
            multibuffer.dask.take(self.ds, [0], chunks=(1, 4), passes=2)
        with mock.patch.object(multibuffer.dask, "_hosts", return_value={"a", "b"}), \
                mock.patch.object(multibuffer.dask, "_cache_bytes", return_value=1000):
            self.assertIn("scratch= names no folder", self.plan())
            self.assertIn("2 passes", self.plan(scratch=self.folder))
            with self.assertRaisesRegex(ValueError, "several machines"):
                multibuffer.dask.take(self.ds, [0], passes=2)
        with self.assertRaisesRegex(ValueError, "passes 3: there are"):
            multibuffer.dask.take(self.ds, [0], passes=3)

    def test_scratch_is_empty_afterwards_and_may_be_removed(self):
        scratch = self.path("scratch")
        os.mkdir(scratch)
        expected = numpy.asarray(self.ds)[self.indices]
        y = multibuffer.dask.take(self.ds, self.indices, chunks="16 KiB", passes=2, scratch=scratch)
        with _dask.config.set(scheduler="threads"):
            self.same(y, expected)
            self.assertEqual(os.listdir(scratch), [])
            self.same(y, expected)  # once more
            read = multibuffer.dask._Scratch.read

            def gone(scratch, kind, *rest):
                if kind == "part":
                    shutil.rmtree(scratch.folder, ignore_errors=True)
                return read(scratch, kind, *rest)

            with mock.patch.object(multibuffer.dask._Scratch, "read", gone), \
                    self.assertLogs("multibuffer.dask", logging.WARNING) as logs:
                self.same(y, expected)
            self.assertIn("is read in one pass", logs.output[0])


    def test_runs_that_share_scratch_do_not_disturb_each_other(self):
        expected = numpy.asarray(self.ds)[self.indices]
        scratch = self.path("scratch")
        os.mkdir(scratch)

        def taken():
            return multibuffer.dask.take(self.ds, self.indices, chunks="16 KiB", passes=2,
                                         scratch=scratch)

        real, calls = os.makedirs, []

        def makedirs(folder, **options):
            real(folder, **options)
            calls.append(folder)
            if len(calls) == 1:
                shutil.rmtree(folder)  # the other one has just ended

        with _dask.config.set(scheduler="sync"):
            with mock.patch.object(os, "makedirs", makedirs):
                self.same(taken(), expected)
            self.assertEqual(os.listdir(scratch), [])
            # One that was interrupted has left a mark of a chunk that it had done.
            os.makedirs(os.path.join(calls[0], "done"))
            open(os.path.join(calls[0], "done", "1"), "w").close()
            with mock.patch.object(multibuffer.dask, "_take",
                                   side_effect=AssertionError("a chunk is read in one pass")):
                self.same(taken(), expected)
            self.assertEqual(os.listdir(scratch), [])


class Arguments(Shards):
    """What is wrong with a call is said by the call, before any task."""

    def setUp(self):
        super().setUp()
        self.ds = self.shards(self.rows(10), 2)

    def refused(self, kind, words, *arguments, call=None, **options):
        with self.assertRaisesRegex(kind, words):
            (call or multibuffer.dask.take)(*arguments, **options)

    def test_indices(self):
        for indices, words in (([0, 10], r"index 10 at position 1 .* axis 0, whose extent is 10"),
                               ([-11], "index -11 at position 0"),
                               (numpy.array([2**63], "u8"), "index 9223372036854775808"),
                               ([1.5], "integers along one axis"), ([[1]], r"shape \(1, 1\)"),
                               (3, r"shape \(\)"), ([True], "dtype bool")):
            self.refused(IndexError, words, self.ds, indices)
        self.refused(TypeError, "compute\\(\\)", self.ds, da.arange(3))
        self.refused(IndexError, "dtype float32", self.ds, self.ds[:, 0])

    def test_indices_in_a_file_are_refused_by_the_task(self):
        numpy.save(self.path("indices.npy"), [3, 4, 5, 10])
        y = multibuffer.dask.take(self.ds, self.path("indices.npy"), chunks=(2, 16))
        with self.assertRaisesRegex(IndexError, "index 10 at position 3 "):
            y.compute(scheduler="sync")

    def test_others(self):
        self.refused(TypeError, "multibuffer.open\\(\\) makes", numpy.zeros(3), [0])
        self.refused(ValueError, "in memory", multibuffer.open(numpy.zeros(3)), [0])
        self.refused(ValueError, "axis 2", self.ds, [0], axis=2)
        self.refused(ValueError, "mode 'no'", self.ds, [0], mode="no")
        self.refused(TypeError, "", self.ds, [0], dtype="no")
        self.refused(ValueError, "chunks 'many'", self.ds, [0], chunks="many")
        self.refused(ValueError, "window", self.ds, [0], window="many")

    def test_shards_that_differ_are_named(self):
        numpy.save(self.path("shard-2.npy"), numpy.zeros((3, 16), "f8"))
        self.refused(ValueError, "shard-2.npy.*shard-0.npy|shard-0.npy.*shard-2.npy",
                     self.path("shard-*.npy"), call=multibuffer.open)

    def test_store(self):
        store = multibuffer.dask.store
        self.refused(TypeError, "a dask.array.Array", numpy.zeros(3), self.folder, call=store)
        self.refused(ValueError, "rechunk\\(\\)", da.zeros((4, 4), chunks=2), self.folder, call=store)
        x = da.arange(10, chunks=3)
        self.refused(ValueError, "compute_chunk_sizes", x[x > 3], self.folder, call=store)
        self.refused(ValueError, "has not written \\(0000007.npy\\)", x,
                     os.path.dirname(self.touched("other", "0000007.npy")), call=store)

    def touched(self, *names):
        os.makedirs(self.path(*names[:-1]), exist_ok=True)
        open(self.path(*names), "w").close()
        return self.path(*names)


class Stores(Shards):
    """Files appear when they are whole, and once."""

    def setUp(self):
        super().setUp()
        self.whole = self.rows()
        self.ds = self.shards(self.whole, 4)
        self.order = numpy.random.default_rng(4).permutation(1000)
        self.y = multibuffer.dask.take(self.ds, self.order, chunks="6400 B")
        self.out = self.path("out")
        self.enter(_dask.config.set(scheduler="threads"))

    def enter(self, context):
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def stamps(self):
        return {name: os.stat(os.path.join(self.out, name)).st_mtime_ns
                for name in os.listdir(self.out)}

    def test_a_damaged_description_is_refused(self):
        multibuffer.dask.store(self.y, self.out)
        for damaged in ("[1]", '{"shape": 3}', "{", '"x"'):
            with open(os.path.join(self.out, "multibuffer.json"), "w") as file:
                file.write(damaged)
            with self.assertRaisesRegex(ValueError, "not what store\\(\\) writes"):
                multibuffer.dask.store(self.y, self.out)

    def test_what_is_stored_can_be_opened(self):
        paths = multibuffer.dask.store(self.y, self.out)
        self.assertEqual(paths, [os.path.join(self.out, f"{i:06d}.npy") for i in range(10)])
        self.same(multibuffer.open(paths), self.whole[self.order])
        self.same(numpy.concatenate([numpy.load(path) for path in paths]), self.whole[self.order])
        self.assertEqual(sorted(os.listdir(self.out)),
                         [f"{i:06d}.npy" for i in range(10)] + ["multibuffer.json"])

    def test_a_second_run_does_what_is_missing(self):
        paths = multibuffer.dask.store(self.y, self.out)
        before = self.stamps()
        os.remove(paths[3])
        os.truncate(paths[7], 100)
        open(os.path.join(self.out, ".000003.npy.0.tmp"), "w").close()
        again = multibuffer.dask.take(self.ds, self.order, chunks="6400 B")
        self.assertEqual(multibuffer.dask.store(again, self.out), paths)
        after = self.stamps()
        self.assertEqual({name for name in after if before[name] != after[name]},
                         {"000003.npy", "000007.npy"})
        self.same(multibuffer.open(paths), self.whole[self.order])

    def test_files_of_another_array_are_noticed(self):
        multibuffer.dask.store(self.y, self.out)
        others = [multibuffer.dask.take(self.ds, self.order[::-1], chunks="6400 B"), self.y + 1]
        os.utime(self.path("shard-1.npy"), (1, 1))
        others.append(multibuffer.dask.take(multibuffer.open(self.path("shard-*.npy")), self.order,
                                            chunks="6400 B"))
        for other in others:
            with self.assertRaisesRegex(ValueError, "another array"):
                multibuffer.dask.store(other, self.out)
        few = multibuffer.dask.take(multibuffer.open(self.path("shard-*.npy")), [1, 2])
        self.assertEqual(len(multibuffer.dask.store(few, self.out, resume=False)), 1)
        self.assertEqual(sorted(os.listdir(self.out)), ["000000.npy", "multibuffer.json"])

    def test_any_array_of_dask_can_be_stored(self):
        x = da.arange(20, chunks=6) * 2
        self.same(multibuffer.open(multibuffer.dask.store(x, self.out)), numpy.arange(20) * 2)
        x = da.from_array(numpy.zeros((0, 3), "f4"))
        self.assertEqual([numpy.load(path).shape
                          for path in multibuffer.dask.store(x, self.path("none"))], [(0, 3)])

    def test_a_chunk_that_is_not_what_the_array_says_is_refused(self):
        for change, words in ((lambda block: block[1:], r"chunk \d has shape \(99, 16\)"),
                              (lambda block: block.astype("f8"), r"chunk \d has .* dtype float64"),
                              (numpy.ma.masked_array, r"chunk \d is masked")):
            wrong = self.y.map_blocks(change, dtype="f4", meta=self.y._meta, name=words)
            with self.assertRaisesRegex((TypeError, ValueError), words), \
                    _dask.config.set(scheduler="sync"):
                multibuffer.dask.store(wrong, self.out, resume=False)

    def test_a_chunk_that_fails_leaves_the_others(self):
        def failing(block, block_info=None):
            if block_info and block_info[0]["chunk-location"][0] == 5:
                raise RuntimeError("chunk 5")
            return block

        y = self.y.map_blocks(failing, dtype="f4", name="failing")
        with self.assertRaisesRegex(RuntimeError, "chunk 5"), _dask.config.set(scheduler="sync"):
            multibuffer.dask.store(y, self.out)
        for name in os.listdir(self.out):
            self.assertRegex(name, r"^(\d{6}\.npy|multibuffer\.json)$")
            if name.endswith(".npy"):
                number = int(name[:6])
                self.same(numpy.load(os.path.join(self.out, name)),
                          self.whole[self.order[number * 100:number * 100 + 100]])


class Lost(Shards):
    """A worker that is killed, and a whole process that is, lose nothing."""

    def setUp(self):
        super().setUp()
        self.whole = self.rows(2000)
        self.ds = self.shards(self.whole, 4)
        self.order = numpy.random.default_rng(4).permutation(2000)

    def killed_once(self, client, directory, after):
        """Kills one worker when so many chunks have come by."""
        def work():
            if ends(lambda: len(os.listdir(directory)) >= after):
                pid = int(sorted(os.listdir(directory))[-1].split("-")[1])
                killed.append(pid)
                dask_cluster.kill(pid)

        killed = []
        os.mkdir(directory)
        thread = threading.Thread(target=work)
        thread.start()
        return thread, killed

    def test_in_compute(self):
        for passes in (1, 2):
            with self.subTest(passes=passes), cluster() as client:
                noted = self.path(f"noted-{passes}")
                thread, killed = self.killed_once(client, noted, 4)
                y = multibuffer.dask.take(self.ds, self.order, chunks="12800 B", passes=passes)
                self.same(y.map_blocks(dask_cluster.noted, noted, dtype="f4", meta=y._meta),
                          self.whole[self.order])
                thread.join()
                self.assertEqual(len(killed), 1)

    def test_in_store(self):
        with cluster() as client:
            noted, out = self.path("noted"), self.path("out")
            thread, killed = self.killed_once(client, noted, 4)
            y = multibuffer.dask.take(self.ds, self.order, chunks="12800 B")
            y = y.map_blocks(dask_cluster.noted, noted, dtype="f4", meta=y._meta)
            paths = multibuffer.dask.store(y, out)
            thread.join()
            self.assertEqual(len(killed), 1)
            self.same(multibuffer.open(paths), self.whole[self.order])
            self.assertEqual(len(os.listdir(out)), len(paths) + 1)

    def test_a_run_that_is_killed_is_gone_on_with(self):
        out = self.path("out")
        script = self.path("script.py")
        with open(script, "w") as file:
            file.write(textwrap.dedent(f"""
                import sys
                sys.path.insert(0, {HERE!r})
                if __name__ == "__main__":
                    import dask_cluster, multibuffer, multibuffer.dask, numpy
                    with dask_cluster.cluster(1):
                        y = multibuffer.dask.take(
                            multibuffer.open({self.path("shard-*.npy")!r}),
                            numpy.load({self.path("order.npy")!r}), chunks="12800 B")
                        y = y.map_blocks(dask_cluster.slowly, dtype="f4", meta=y._meta)
                        multibuffer.dask.store(y, {out!r})
                """))
        numpy.save(self.path("order.npy"), self.order)
        process = subprocess.Popen([sys.executable, script], start_new_session=True)
        try:
            self.assertTrue(ends(lambda: os.path.exists(out) and len(os.listdir(out)) > 3, 60))
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        time.sleep(0.2)
        before = {name: os.stat(os.path.join(out, name)).st_mtime_ns
                  for name in os.listdir(out) if name.startswith("0")}
        self.assertIn(len(before), range(1, 10))
        y = multibuffer.dask.take(self.ds, self.order, chunks="12800 B")
        y = y.map_blocks(dask_cluster.slowly, dtype="f4", meta=y._meta)
        with _dask.config.set(scheduler="threads"):
            paths = multibuffer.dask.store(y, out)
        self.same(multibuffer.open(paths), self.whole[self.order])
        self.assertEqual(before, {name: os.stat(os.path.join(out, name)).st_mtime_ns
                                  for name in before})
        self.assertEqual(len(os.listdir(out)), len(paths) + 1)


class Errors(Shards):
    """A file that is not what it was is an error of the first try, and ends no worker."""

    @classmethod
    def setUpClass(cls):
        cls.manager = cluster()
        cls.client = cls.manager.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.manager.__exit__(None, None, None)

    def setUp(self):
        super().setUp()
        self.whole = self.rows()
        self.ds = self.shards(self.whole, 4)
        self.before = dask_cluster.pids(self.client)

    def tearDown(self):
        self.assertEqual(dask_cluster.pids(self.client), self.before)
        self.assertEqual(dask_cluster.suspicions(self.client), 0)
        self.assertEqual(self.client.submit(sum, (1, 2), pure=False).result(), 3)

    def raised(self, work):
        with self.assertRaises(OSError) as caught:
            work()
        return caught.exception

    def test_shards_that_changed(self):
        changes = {"truncated": lambda path: os.truncate(path, 2000),
                   "written to": lambda path: os.utime(path, (1, 1)),
                   "replaced": lambda path: numpy.save(path, self.whole[:10])}
        for passes in (1, 2):
            for name, change in changes.items():
                with self.subTest(name, passes=passes):
                    ds = self.shards(self.whole, 4)
                    y = multibuffer.dask.take(ds, numpy.arange(1000)[::-1], chunks="4 KiB",
                                              passes=passes)
                    change(self.path("shard-2.npy"))
                    error = self.raised(y.compute)
                    self.assertIs(type(error), multibuffer.StaleError)
                    self.assertIn(self.path("shard-2.npy"), str(error))
                    self.assertRegex(str(error), r"on worker tcp://127.0.0.1:\d+")

    def test_a_shard_that_is_gone(self):
        y = multibuffer.dask.take(self.ds, numpy.arange(1000)[::-1], chunks="4 KiB")
        x = multibuffer.dask.array(self.ds, chunks="4 KiB")
        futures = multibuffer.dask.map(dask_cluster.summed, self.ds[:, 0], [600], chunks="4 KiB")
        os.rename(self.path("shard-2.npy"), self.path("gone"))
        for work in (y.compute, x.compute, futures[0].result):
            if work == futures[0].result and futures[0].status == "finished":
                continue  # before the file was gone
            error = self.raised(work)
            self.assertIs(type(error), FileNotFoundError)
            self.assertEqual(error.filename, self.path("shard-2.npy"))
            self.assertRegex(str(error), r"on worker tcp://127.0.0.1:\d+")
        os.rename(self.path("gone"), self.path("shard-2.npy"))

    def test_indices_that_changed(self):
        numpy.save(self.path("indices.npy"), numpy.arange(1000))
        y = multibuffer.dask.take(self.ds, self.path("indices.npy"), chunks="4 KiB")
        os.utime(self.path("indices.npy"), (1, 1))
        self.assertIn("indices.npy", str(self.raised(y.compute)))

    def test_the_folder_of_store_is_not_seen_by_a_worker(self):
        y = multibuffer.dask.take(self.ds, numpy.arange(1000), chunks="4 KiB")
        run = multibuffer.dask._prepare

        def prepared_elsewhere(target, y, resume):
            run(target, y, resume)
            os.rename(os.path.join(target.folder, "multibuffer.json"), self.path("elsewhere"))

        with mock.patch.object(multibuffer.dask, "_prepare", prepared_elsewhere):
            error = self.raised(lambda: multibuffer.dask.store(y, self.path("out")))
        self.assertRegex(str(error), "is not there on worker tcp://")

    def test_a_task_that_is_cancelled_ends_within_a_window(self):
        path = self.path("shard-0.npy")
        future = self.client.submit(dask_cluster.read_until_cancelled, path, 60, pure=False)
        self.assertTrue(ends(lambda: os.path.exists(path + ".begun")))
        future.cancel()
        self.assertTrue(ends(lambda: os.path.exists(path + ".cancelled"), 20))
        self.assertFalse(os.path.exists(path + ".ran-on"))


class Maps(Shards):
    def test_batches_stay_where_they_are_until_they_are_asked_for(self):
        whole = numpy.arange(1000, dtype="i8")
        ds = self.shards(whole, 4)
        with cluster(2, resources={"GPU": 1}) as client:
            futures = multibuffer.dask.map(dask_cluster.summed, ds, whole[::-1], chunks="800 B",
                                           device="host", resources={"GPU": 1})
            self.assertEqual(len(futures), 10)
            results = client.gather(futures)
            self.assertEqual([each[0] for each in results],
                             [float(whole[::-1][i:i + 100].sum()) for i in range(0, 1000, 100)])
            self.assertEqual({each[1] for each in results}, {"host"})
            futures = multibuffer.dask.map(dask_cluster.itself, ds, [5, -1, 5], dtype="float32")
            batch = futures[0].result()
            self.assertIsInstance(batch, multibuffer.DeviceBuffer)
            self.assertEqual((batch.dtype, batch.tolist()), ("float32", [5.0, 999.0, 5.0]))
            (there,) = client.who_has(futures)[futures[0].key]
            other, = set(dask_cluster.pids(client)) - {there}
            moved = client.submit(dask_cluster.summed, futures[0], workers=[other])
            self.assertEqual(moved.result()[0], 1009)

    def test_a_buffer_of_any_shape_is_sent(self):
        from distributed import protocol

        for values in (numpy.array(3.5), numpy.zeros((0, 2), "i2"), numpy.arange(6).reshape(2, 3)):
            buffer = multibuffer.upload(values, device="host").copy()
            sent = protocol.deserialize(*protocol.serialize(buffer))
            self.assertEqual((sent.shape, sent.tolist()), (values.shape, values.tolist()))

    def test_it_needs_a_client(self):
        with self.assertRaises(ValueError):
            multibuffer.dask.map(print, self.shards(self.rows(10), 1), [0])


class Starts(Shards):
    """Workers that are forked, spawned, or of a fork server."""

    def test_processes(self):
        whole = self.rows()
        ds, order = self.shards(whole, 4), numpy.arange(1000)[::-1]
        numpy.asarray(ds.take(order))  # so that a forked process has mappings of this one
        for method in ("fork", "spawn", "forkserver"):
            with self.subTest(method), cluster(1, method=method):
                self.same(multibuffer.dask.take(ds, order, chunks="32 KiB"), whole[order])
            with self.subTest(method, scheduler="processes"), _dask.config.set(
                    {"scheduler": "processes", "num_workers": 1, "multiprocessing.context": method}):
                self.same(multibuffer.dask.take(ds, order, chunks="32 KiB"), whole[order])


class Memory(Shards):
    """Workers whose limit is less than the shards: none is restarted, and none has more."""

    ROW = 1024

    def setUp(self):
        super().setUp()
        try:
            import psutil
        except ImportError:
            self.skipTest("psutil is not installed")
        self.psutil = psutil
        self.megabytes = SHARDS
        self.limit = 450_000_000 if SHARDS >= 1000 else 230_000_000
        rows = self.megabytes * 10**6 // self.ROW
        per = rows // 16
        self.sums = numpy.empty(16 * per, "i8")
        for i in range(16):
            part = numpy.random.default_rng(i).integers(0, 255, (per, self.ROW), "u1")
            self.sums[i * per:(i + 1) * per] = part.sum(1)
            numpy.save(self.path(f"shard-{i}.npy"), part)
        self.ds = multibuffer.open(self.path("shard-*.npy"))
        self.order = numpy.random.default_rng(3).permutation(len(self.ds))

    def run_with(self, client, chunks, **options):
        """Gathers a permutation; (restarted workers, the most memory that one had)."""
        before = set(dask_cluster.pids(client).values())
        most, stop = [0], threading.Event()

        def sample():
            while not stop.wait(0.02):
                for pid in before:
                    try:
                        most[0] = max(most[0], self.psutil.Process(pid).memory_info().rss)
                    except self.psutil.Error:
                        pass

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            y = multibuffer.dask.take(self.ds, self.order, chunks=chunks, **options)
            sums = y.sum(axis=1, dtype="i8").compute()
            self.assertTrue(numpy.array_equal(sums, self.sums[self.order]))
        finally:
            stop.set()
            thread.join()
        return before - set(dask_cluster.pids(client).values()), most[0]

    def test_windows_are_all_that_a_task_holds(self):
        with cluster(memory_limit=self.limit) as client:
            for passes in (1, 2):
                with self.subTest(passes=passes):
                    lost, most = self.run_with(client, "16 MiB", window="16 MiB", passes=passes)
                    self.assertEqual(lost, set())
                    self.assertLessEqual(most, self.limit)
                    print(f"{self.megabytes} MB of shards, limit {self.limit / 1e6:.0f} MB, "
                          f"{passes} passes: at most {most / 1e6:.0f} MB")

    @unittest.skipIf(SHARDS < 1000, "takes shards of 1 GB or more: MULTIBUFFER_TEST_SHARDS=2000")
    def test_mapped_files_fail_the_same_test(self):
        with cluster(memory_limit=self.limit) as client:
            try:
                lost, most = self.run_with(client, "128 MiB", window=0)
            except distributed.scheduler.KilledWorker:
                return
            self.assertTrue(lost or most > self.limit, "mapped pages no longer count as memory")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def reason_for_no_namespaces():
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip") or not shutil.which("mount"):
        return "there is no ip, of iproute2, or no mount"
    name = f"mbt{os.getpid()}"
    made = run("ip", "netns", "add", name)
    if made.returncode:
        return f"no network namespaces here: {made.stderr.strip()}"
    run("ip", "netns", "del", name)
    for kind in (("veth", "peer", "name", f"{name}b"), ("bridge",)):
        made = run("ip", "link", "add", f"{name}a", "type", *kind)
        if made.returncode:
            return f"no devices of the kind {kind[0]} here: {made.stderr.strip()}"
        run("ip", "link", "del", f"{name}a")
    return None


class Machines(Shards):
    """Workers with networks of their own, and disks of their own behind the shards' name."""

    def setUp(self):
        super().setUp()
        if reason := reason_for_no_namespaces():
            self.skipTest(reason)
        self.number = os.getpid() % 200 + 20
        self.processes = []
        self.addCleanup(self.end)

    def end(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()

    def ip(self, *words):
        done = run("ip", *words)
        self.assertEqual(done.returncode, 0, f"ip {' '.join(words)}: {done.stderr}")

    def network(self):
        """A switch that all machines and this one are at."""
        self.switch = f"mb{self.number}"
        self.ip("link", "add", self.switch, "type", "bridge")
        self.addCleanup(run, "ip", "link", "del", self.switch)
        self.ip("addr", "add", f"10.213.{self.number}.1/24", "dev", self.switch)
        self.ip("link", "set", self.switch, "up")

    def machine(self, i):
        """A namespace with a network and mounts of its own: (its name, its address)."""
        name, address = f"{self.switch}n{i}", f"10.213.{self.number}.{i + 2}"
        self.ip("netns", "add", name)
        self.addCleanup(run, "ip", "netns", "del", name)
        self.ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name)
        self.addCleanup(run, "ip", "link", "del", f"{name}a")
        self.ip("link", "set", f"{name}a", "master", self.switch, "up")
        self.ip("-n", name, "addr", "add", f"{address}/24", "dev", f"{name}b")
        self.ip("-n", name, "link", "set", f"{name}b", "up")
        self.ip("-n", name, "link", "set", "lo", "up")
        return name, address

    def worker(self, machine, scheduler, disk):
        """A worker on a machine, where the shards' folder is a disk of its own."""
        name, address = machine
        script = f"mount --bind {disk} {self.path('data')} && exec {sys.executable} -m " \
                 f"distributed.cli.dask_worker tcp://10.213.{self.number}.1:{scheduler} " \
                 f"--host {address} --nthreads 1 --no-nanny --no-dashboard " \
                 f"--local-directory {self.path(name)}"
        self.processes.append(subprocess.Popen(
            ["ip", "netns", "exec", name, "unshare", "-m", "sh", "-c", script],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=HERE))
        return f"tcp://{address}:"

    def test_nothing_is_taken_for_one_machine(self):
        whole = self.rows(4000)
        for name in ("data", "out", "scratch", "empty"):
            os.mkdir(self.path(name))
        ds = self.shards(whole, 4, "data/shard")
        order = numpy.random.default_rng(3).permutation(4000)
        disks = []
        for i in range(2):
            disks.append(self.path(f"disk-{i}"))
            shutil.copytree(self.path("data"), disks[-1])  # and the times of the files
        self.network()
        machines = [self.machine(i) for i in range(3)]
        with distributed.LocalCluster(n_workers=0, host="0.0.0.0", dashboard_address=None,
                                      silence_logs=logging.CRITICAL) as local, \
                distributed.Client(local.scheduler_address.replace("0.0.0.0", "127.0.0.1")) as client:
            port = local.scheduler_address.rpartition(":")[2]
            for machine, disk in zip(machines, disks):
                self.worker(machine, port, disk)
            self.assertTrue(ends(lambda: self.workers(client) == 2, 60), "workers did not come")
            self.assertEqual(len(multibuffer.dask._hosts()), 2)

            y = multibuffer.dask.take(ds, order, chunks="16 KiB")
            self.same(y, whole[order])
            ran = client.run(os.readlink, "/proc/self/ns/net")
            self.assertEqual(len(set(ran.values()) | {os.readlink("/proc/self/ns/net")}), 3)
            paths = multibuffer.dask.store(y, self.path("out"))
            self.same(multibuffer.open(paths), whole[order])
            with self.assertRaisesRegex(ValueError, "several machines"):
                multibuffer.dask.take(ds, order, passes=2)
            self.same(multibuffer.dask.take(ds, order, chunks="16 KiB", passes=2,
                                            scratch=self.path("scratch")), whole[order])
            self.assertEqual(os.listdir(self.path("scratch")), [])

            address = self.worker(machines[2], port, self.path("empty"))
            self.assertTrue(ends(lambda: self.workers(client) == 3, 60), "no third worker")
            y = multibuffer.dask.take(ds, order[::-1], chunks="16 KiB")
            with self.assertRaises(FileNotFoundError) as caught:
                y.compute()
            self.assertIn(f"on worker {address}", str(caught.exception))
            self.assertIn("data/shard-", str(caught.exception))

    def workers(self, client):
        return len(client.nthreads())


if __name__ == "__main__":
    unittest.main()
