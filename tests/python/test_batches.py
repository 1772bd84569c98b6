"""Dataset.batches() and Dataset.torch(): epochs, order, places to go on from, threads, memory."""

import gc
import itertools
import os
import pickle
import random
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from types import SimpleNamespace
from unittest import mock

import multibuffer
from packages import numpy, torch
from support import AT_LEAST, needs

if torch and numpy:
    import multibuffer.torch
    from torch.utils.data import DataLoader, default_collate
if numpy:
    from multibuffer import _loop

ROWS = 103
# The orders of ten rows, by seed and epoch.
GOLDEN = {(0, 0): [3, 2, 1, 8, 6, 0, 7, 4, 5, 9],
          (7, 2): [8, 6, 4, 0, 5, 7, 1, 3, 9, 2]}


def threads():
    return sum(thread.name == "multibuffer batches" for thread in threading.enumerate())


def ends(condition, seconds=10):
    """Waits for what threads do in their own time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.images = numpy.arange(ROWS * 12, dtype="f4").reshape(ROWS, 3, 4)
        self.labels = numpy.arange(ROWS)
        self.image_file = os.path.join(folder.name, "images.npy")
        self.label_file = os.path.join(folder.name, "labels.npy")
        numpy.save(self.image_file, self.images)
        numpy.save(self.label_file, self.labels)
        self.dataset = multibuffer.open(self.image_file)
        self.both = multibuffer.open({"image": self.image_file, "label": self.label_file})

    def rows_of(self, loader):
        """The rows that come, in order, and checks that they are what they should be."""
        rows = []
        for batch in loader:
            label = numpy.asarray(batch["label"])
            self.assertTrue((numpy.asarray(batch["image"]) == self.images[label]).all())
            rows += label.tolist()
        return rows

    def loader(self, n=10, **options):
        return self.both.batches(n, **{"framework": "numpy", **options})


@needs(numpy, "NumPy")
class Batches(Files):
    def test_in_order(self):
        loader = self.dataset.batches(10, framework="numpy")
        batches = list(loader)
        self.assertEqual(len(batches), len(loader))
        self.assertEqual([len(batch) for batch in batches], [10] * 10 + [3])
        self.assertTrue((numpy.concatenate(batches) == self.images).all())

    def test_each_row_once_in_any_world(self):
        for world, n, shuffle in itertools.product((1, 2, 3, 7, 110), (1, 10, 200), (False, True)):
            loaders = [self.loader(n, shuffle=shuffle, rank=rank, world=world, prefetch=0)
                       for rank in range(world)]
            rows = [self.rows_of(loader) for loader in loaders]
            self.assertEqual(sorted(itertools.chain(*rows)), list(range(ROWS)))
            counts = {len(loader) for loader in loaders}
            self.assertLessEqual(max(counts) - min(counts), 1)
            lengths = {len(each) for each in rows}
            self.assertLessEqual(max(lengths) - min(lengths), 1)
            if not shuffle:
                self.assertEqual(rows[-1], list(range(world - 1, ROWS, world)))

    def test_drop_last_gives_all_ranks_as_many_full_batches(self):
        for world, n in ((1, 10), (2, 10), (2, 52), (7, 5), (110, 1)):
            loaders = [self.loader(n, shuffle=True, rank=rank, world=world, drop_last=True)
                       for rank in range(world)]
            rows = [self.rows_of(loader) for loader in loaders]
            expected = ROWS // world // n
            self.assertEqual({len(loader) for loader in loaders}, {expected})
            self.assertEqual({len(each) for each in rows}, {expected * n})
            together = list(itertools.chain(*rows))
            self.assertEqual(len(together), len(set(together)))

    def test_the_order_is_the_same_for_any_prefetch(self):
        expected = None
        for prefetch in range(5):
            loader = self.loader(7, shuffle=True, seed=3, prefetch=prefetch)
            epochs = [self.rows_of(loader) for _ in range(3)]
            expected = expected or epochs
            self.assertEqual(epochs, expected)
        self.assertEqual(len({tuple(epoch) for epoch in expected}), 3)
        windows = multibuffer.open({"image": self.image_file, "label": self.label_file}, window=64)
        for prefetch in (2, 9):
            loader = windows.batches(7, shuffle=True, seed=3, prefetch=prefetch, framework="numpy")
            self.assertEqual([self.rows_of(loader) for _ in range(3)], expected)
        self.assertNotEqual(expected[0], self.rows_of(self.loader(7, shuffle=True, seed=4)))

    def test_the_order_is_what_it_was(self):
        # Of any NumPy, on any machine: a state that was saved there goes on here.
        self.assertEqual(_loop.shuffled(10, 0, 0).tolist(), GOLDEN[0, 0])
        self.assertEqual(_loop.shuffled(10, 7, 2).tolist(), GOLDEN[7, 2])

    def test_resumed_is_uninterrupted(self):
        generator = random.Random(5)
        for _ in range(60):
            options = {"n": generator.choice([1, 4, 10, 150]), "shuffle": generator.random() < 0.7,
                       "seed": generator.randrange(3), "world": (world := generator.randrange(1, 4)),
                       "rank": generator.randrange(world), "prefetch": generator.randrange(4)}
            loader = self.loader(**options)
            uninterrupted = [self.rows_of(loader) for _ in range(3)]
            loader = self.loader(**options)
            stop = generator.randrange(3 * len(loader))
            epoch, batch = divmod(stop, len(loader))
            got = [self.rows_of(loader) for _ in range(epoch)]
            iterator = iter(loader)
            begun = self.rows_of(itertools.islice(iterator, batch))
            state = pickle.loads(pickle.dumps(loader.state_dict()))
            again = self.loader(**{**options, "prefetch": generator.randrange(4)})
            again.load_state_dict(state)
            got.append(begun + self.rows_of(again))
            got += [self.rows_of(again) for _ in range(2 - epoch)]
            self.assertEqual(got, uninterrupted)
            pickled = pickle.loads(pickle.dumps(loader))
            self.assertEqual(begun + self.rows_of(pickled), uninterrupted[epoch])

    def test_after_a_break_comes_the_next_epoch(self):
        loader = self.loader(shuffle=True)
        epochs = [self.rows_of(loader) for _ in range(2)]
        loader = self.loader(shuffle=True)
        for _ in loader:
            break
        self.assertEqual(loader.state_dict()["batch"], 1)
        self.assertEqual(self.rows_of(loader), epochs[1])

    def test_a_state_of_another_order_is_refused(self):
        state = self.loader(shuffle=True).state_dict()
        for options in ({"n": 11}, {"seed": 1}, {"shuffle": False}, {"world": 2},
                        {"drop_last": True}):
            with self.assertRaisesRegex(ValueError, next(iter(options))):
                self.loader(**{"shuffle": True, **options}).load_state_dict(state)
        with self.assertRaisesRegex(ValueError, "no 'rows'"):
            self.loader().load_state_dict({})

    def test_a_batch_stays_as_it_is_while_it_is_held(self):
        for prefetch in (0, 1, 3):
            loader = self.dataset.batches(10, framework="numpy", prefetch=prefetch)
            held, copies = [], []
            for _ in range(3):
                for batch in loader:
                    held.append(batch[1:, 0])
                    copies.append(batch[1:, 0].copy())
            for view, copy in zip(held, copies):
                self.assertTrue((view == copy).all())

    def test_memory_that_was_let_go_of_is_used_again(self):
        loader = self.dataset.batches(10, framework="numpy", prefetch=2, drop_last=True)
        addresses = {batch.ctypes.data for _ in range(5) for batch in loader}
        self.assertLessEqual(len(addresses), 7)

    def test_conversion(self):
        batch = next(iter(self.loader(dtype="f8")))
        self.assertEqual({str(each.dtype) for each in batch.values()}, {"float64"})
        batch = next(iter(self.loader(dtype={"image": "f2"})))
        self.assertEqual([str(each.dtype) for each in batch.values()], ["float16", "int64"])
        with self.assertRaisesRegex(ValueError, "'x'"):
            self.loader(dtype={"x": "f2"})

    def test_arguments(self):
        for error, words, options in (
                (ValueError, "n 0", {"n": 0}), (ValueError, "rank 2 of", {"rank": 2, "world": 2}),
                (TypeError, "integer", {"n": 1.5}), (ValueError, "framework", {"framework": "jax"}),
                (ValueError, "device", {"device": "cuda"}), (ValueError, "seed", {"seed": -1}),
                (TypeError, "shuffle", {"shuffle": "yes"})):
            with self.assertRaisesRegex(error, words):
                self.loader(**options)

    def test_a_file_that_changed_is_said_in_its_turn(self):
        for prefetch in (0, 2):
            numpy.save(self.label_file, self.labels)
            both = multibuffer.open({"image": self.image_file, "label": self.label_file})
            iterator = iter(both.batches(10, framework="numpy", prefetch=prefetch))
            next(iterator)
            time.sleep(0.05)  # those that were on their way
            with open(self.label_file, "ab") as file:
                file.write(b"more")
            with self.assertRaises(multibuffer.StaleError):
                for _ in iterator:
                    pass
            self.assertEqual(list(iterator), [])
            self.assertTrue(ends(lambda: threads() == 0))

    def test_what_a_thread_raises_comes_at_its_batch(self):
        for prefetch in range(5):
            loader = self.dataset.batches(10, framework="numpy", prefetch=prefetch)
            column = loader._columns[None].column
            take = column.take

            def failing(rows, out=None, take=take):
                if 57 in rows:
                    raise LookupError("of row 57")
                return take(rows, out)
            column.take = failing
            iterator = iter(loader)
            self.assertEqual(len(list(itertools.islice(iterator, 5))), 5)
            with self.assertRaisesRegex(LookupError, "of row 57"):
                next(iterator)
            self.assertEqual(list(iterator), [])
            self.assertEqual(loader.state_dict()["batch"], 5)

    def test_without_threads_where_none_can_be_had(self):
        # As when there are too many, or when a daemon thread goes on while the interpreter ends.
        dataset = multibuffer.open(numpy.arange(100).reshape(50, 2))
        expected = [batch.tolist() for batch in dataset.batches(8, prefetch=0, framework="numpy")]
        for can_start in (0, 1):
            left = [can_start]

            def start(thread, left=left, begin=threading.Thread.start):
                if not left[0]:
                    raise RuntimeError("can't start new thread")
                left[0] -= 1
                begin(thread)

            with mock.patch.object(threading.Thread, "start", start):
                found = [batch.tolist()
                         for batch in dataset.batches(8, prefetch=2, framework="numpy")]
            self.assertEqual(found, expected)

    def test_threads_end_with_the_loop(self):
        before = threads()
        for _ in self.loader(1, prefetch=4):
            break
        self.assertTrue(ends(lambda: threads() == before))
        self.rows_of(self.loader())
        self.assertTrue(ends(lambda: threads() == before))
        iterator = iter(self.loader(1, prefetch=4))
        next(iterator)
        self.assertGreater(threads(), before)
        iterator.close()
        self.assertEqual(threads(), before)
        self.assertEqual(list(iterator), [])
        with self.assertRaises(KeyError):
            for _ in self.loader(1):
                raise KeyError
        gc.collect()
        self.assertTrue(ends(lambda: threads() == before))

    def test_no_thread_starts_once_the_interpreter_ends(self):
        # CPython crashes, up to 3.11, if its end meets a thread that has no more than begun.
        program = """
import atexit, threading
def last():  # after what multibuffer does at the end
    batches = multibuffer.open(bytearray(range(10))).batches(3, prefetch=2, framework="numpy")
    print([(batch.tolist(), threading.active_count()) for batch in batches])
atexit.register(last)
import multibuffer
"""
        said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual(said.stdout + said.stderr,
                         "[([0, 1, 2], 1), ([3, 4, 5], 1), ([6, 7, 8], 1), ([9], 1)]\n")

    def test_the_process_ends_in_the_middle_of_a_loop(self):
        program = ("import multibuffer, sys\n"
                   "loader = multibuffer.open(sys.argv[1]).batches(1, framework='numpy', prefetch=4)\n"
                   "iterator = iter(loader)\nnext(iterator)\n")
        for last in ("", "raise SystemExit(0)\n", "del loader\n"):
            for _ in range(3):
                done = subprocess.run([sys.executable, "-c", program + last, self.image_file],
                                      capture_output=True, text=True, timeout=60)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_an_epoch_outlives_the_names_of_its_module(self):
        # CPython may set them to None before it lets go of the last objects.
        iterator = iter(self.loader(1, prefetch=4))
        next(iterator)
        before, said = threads(), []
        with mock.patch.object(sys, "unraisablehook", said.append), \
                mock.patch.object(_loop, "os", None), mock.patch.object(_loop, "threading", None):
            del iterator
            gc.collect()
        self.assertEqual(said, [])
        self.assertTrue(ends(lambda: threads() < before))

    def test_a_forked_process_goes_on_by_itself(self):
        for prefetch in (0, 1, 4):
            for taken in (0, 1, 5):
                loader = self.loader(5, shuffle=True, prefetch=prefetch)
                expected = self.rows_of(self.loader(5, shuffle=True))
                iterator = iter(loader)
                begun = self.rows_of(itertools.islice(iterator, taken))
                child = os.fork()
                if child == 0:
                    rest = self.rows_of(iterator)
                    os._exit(0 if begun + rest == expected and threads() == 0 else 1)
                _, status = os.waitpid(child, 0)
                self.assertEqual(status, 0)
                self.assertEqual(begun + self.rows_of(iterator), expected)


@needs(numpy, "NumPy")
@needs(torch, "torch")
class Torch(Files):
    def test_batches_are_tensors(self):
        for prefetch in (0, 2):
            loader = self.both.batches(10, shuffle=True, prefetch=prefetch)
            self.assertEqual(sorted(self.rows_of(loader)), list(range(ROWS)))
            batch = next(iter(loader))
            self.assertEqual((batch["image"].dtype, batch["label"].dtype),
                             (torch.float32, torch.int64))

    def test_elements_that_numpy_has_no_name_for(self):
        loader = self.dataset.batches(10, dtype=torch.bfloat16)
        batches = torch.cat(list(loader))
        self.assertTrue(torch.equal(batches, torch.from_numpy(self.images).bfloat16()))

    def test_other_byte_orders_become_native(self):
        dataset = multibuffer.open(numpy.arange(5, dtype=">i4"))
        self.assertEqual(next(iter(dataset.batches(5))).tolist(), [0, 1, 2, 3, 4])

    def test_elements_that_torch_has_not(self):
        with self.assertRaisesRegex(TypeError, "no elements of type"):
            multibuffer.open(numpy.zeros(3, "i4,f4")).batches(2)

    def test_a_tensor_keeps_its_memory(self):
        loader = self.dataset.batches(10, prefetch=1, drop_last=True)
        held = [batch[:, 1].t() for _ in range(3) for batch in loader]
        for i, view in enumerate(held):
            row = 10 * (i % 10)
            self.assertEqual(view.t().tolist(), self.images[row:row + 10, 1].tolist())
        del held, view
        addresses = {batch.data_ptr() for _ in range(5) for batch in loader}
        self.assertLessEqual(len(addresses), 6)

    def test_the_cuda_part_with_a_device_that_stands_in(self):
        # Which stream waits for what, and that page-locked memory is written when its upload is
        # done; the copies are the host's.
        log = []

        class Event:
            def record(self, stream):
                log.append(("record", id(self)))

            def synchronize(self):
                log.append(("synchronize", id(self)))

        class Stream:
            def __init__(self, device=None):
                pass

            def __enter__(self):
                return self

            def __exit__(self, *_):
                pass

            def wait_event(self, event):
                log.append(("wait", id(event)))

        class Tensor:
            def __init__(self, tensor):
                self.tensor = tensor

            def copy_(self, other, non_blocking):
                self.tensor.copy_(other)

            def record_stream(self, stream):
                log.append(("record_stream", stream))

        current = Stream()
        fake = SimpleNamespace(
            cuda=SimpleNamespace(Stream=Stream, Event=Event, stream=lambda stream: stream,
                                 current_stream=lambda device: current),
            empty=lambda shape, dtype, pin_memory: torch.empty(shape, dtype=dtype),
            empty_like=lambda part, device: Tensor(torch.empty_like(part)),
            from_numpy=torch.from_numpy)
        for dtype in (None, torch.bfloat16):
            for prefetch in (0, 1, 3):
                loader = self.dataset.batches(10, prefetch=prefetch, dtype=dtype)
                column = loader._columns[None].column
                loader._columns = {None: _loop.Cuda(column, 10, prefetch, fake, "cuda:0")}
                for _ in range(2):
                    log.clear()
                    batches = [batch.tensor for batch in loader]
                    self.assertTrue(torch.equal(torch.cat(batches),
                                                torch.from_numpy(self.images).to(batches[0].dtype)))
                    kinds = [kind for kind, _ in log]
                    self.assertEqual(kinds.count("wait"), 11)
                    self.assertEqual(log.count(("record_stream", current)), 11)
                    for i, (kind, event) in enumerate(log):
                        if kind in ("wait", "synchronize"):
                            self.assertIn(("record", event), log[:i] if kind == "wait" else
                                          [*log[:i], ("record", event)])

    def test_a_device_that_is_not_there(self):
        if not torch.cuda.is_available():
            with self.assertRaisesRegex(RuntimeError, "CUDA"):
                self.dataset.batches(10, device="cuda:0")
            next(iter(self.dataset.batches(10, device="auto")))
        with self.assertRaisesRegex(ValueError, "device 'tpu'"):
            self.dataset.batches(10, device="tpu")


@needs(numpy, "NumPy")
@needs(torch, "torch")
class Samples(Files):
    def test_samples(self):
        samples = self.dataset.torch()
        self.assertEqual(len(samples), ROWS)
        self.assertEqual(samples[-1].tolist(), self.images[-1].tolist())
        with self.assertRaises(IndexError):
            samples[ROWS]
        sample = self.both.torch()[5]
        self.assertEqual((sample["image"].tolist(), sample["label"].item()),
                         (self.images[5].tolist(), 5))
        self.assertIsInstance(samples, torch.utils.data.Dataset)

    def test_rows_are_one_batch_until_a_sample_is_changed(self):
        collate = multibuffer.torch.collate
        for dataset in (self.dataset, self.both):
            rows = dataset.torch().__getitems__([3, 1, 3])
            whole, stacked = collate(rows), default_collate(rows)
            for ours, theirs in ((whole, stacked),) if dataset is self.dataset else \
                    zip(whole.values(), stacked.values()):
                self.assertTrue(torch.equal(ours, theirs))
        self.assertEqual(whole["image"].data_ptr(), rows[0]["image"].data_ptr())
        rows[1]["label"] = torch.tensor(7)
        self.assertEqual(collate(rows)["label"].tolist(), [3, 7, 3])
        rows[2]["more"] = 1
        rows[0]["more"] = rows[1]["more"] = 2
        self.assertEqual(collate(rows)["more"].tolist(), [2, 2, 1])

    def test_any_start_of_workers(self):
        for workers, collate in ((1, multibuffer.torch.collate), (3, multibuffer.torch.collate),
                                 (2, None)):
            loader = DataLoader(self.both.torch(), 10, num_workers=workers, shuffle=True,
                                collate_fn=collate, multiprocessing_context="fork")
            for _ in range(2):
                self.assertEqual(sorted(self.rows_of(loader)), list(range(ROWS)))
        program = """
import sys
import multibuffer, multibuffer.torch
from torch.utils.data import DataLoader

both = multibuffer.open({"image": sys.argv[1], "label": sys.argv[2]})
loader = DataLoader(both.torch(), 10, num_workers=2, collate_fn=multibuffer.torch.collate,
                    multiprocessing_context=sys.argv[3])
print(sum((batch["label"].tolist() for batch in loader), []))
"""
        # In a process of its own, since these start by importing the program's main module.
        for method in ("spawn", "forkserver"):
            done = subprocess.run(
                [sys.executable, "-c", program, self.image_file, self.label_file, method],
                capture_output=True, text=True, timeout=200)
            self.assertEqual(done.stdout, f"{list(range(ROWS))}\n", done.stderr)

    def test_forked_beside_threads_that_gather(self):
        loader = DataLoader(self.both.torch(), 10, num_workers=2, multiprocessing_context="fork",
                            collate_fn=multibuffer.torch.collate)
        for _ in self.both.batches(1, prefetch=4):
            self.assertEqual(self.rows_of(loader), list(range(ROWS)))
            if _["label"].item() == 4:
                break

    def test_a_killed_worker_is_the_loaders_own_error(self):
        program = """
import os, signal, sys
import multibuffer, multibuffer.torch
from torch.utils.data import DataLoader

class Killed(multibuffer.torch.Samples):
    def __getitems__(self, indices):
        if 5 in indices:  # in its first batch: those that a worker gave must not be on their way
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitems__(indices)
    def __getitem__(self, index):
        return self.__getitems__([index])[0]

if __name__ == "__main__":
    loader = DataLoader(Killed(multibuffer.open(sys.argv[1])), 10, num_workers=2,
                        collate_fn=multibuffer.torch.collate, multiprocessing_context="fork")
    try:
        for _ in loader:
            pass
    except RuntimeError as error:
        assert "DataLoader worker" in str(error), error
        print("DataLoader's own")
"""
        # A process of its own: the loader leaves a handler of SIGCHLD.
        done = subprocess.run([sys.executable, "-c", program, self.image_file], timeout=120,
                              capture_output=True, text=True)
        self.assertEqual(done.stdout, "DataLoader's own\n", done.stderr)

    def test_the_memory_of_workers_is_flat(self):
        images = numpy.zeros((4000, 3, 32, 32), "u1")
        numpy.save(self.image_file, images)
        dataset = multibuffer.open(self.image_file)
        loader = DataLoader(dataset.torch(), 64, num_workers=4, persistent_workers=True,
                            collate_fn=multibuffer.torch.collate, multiprocessing_context="fork")
        used = []
        for _ in range(10 if AT_LEAST else 4):
            for _ in loader:
                pass
            processes = [worker.pid for worker in loader._iterator._workers] + [os.getpid()]
            used.append(sum(map(private_bytes, processes)))
        del loader
        print([f"{each / 2**20:.1f} MiB" for each in used])
        self.assertLess(max(used[1:]) - used[0], 8 << 20)


@needs(numpy, "NumPy")
class Shared(Files):
    def test_threads_share_an_epoch(self):
        for prefetch in (0, 3):
            epoch = iter(self.dataset.batches(4, prefetch=prefetch, framework="numpy"))
            rows = []

            def read():
                for batch in epoch:
                    rows.extend(int(first) // 12 for first in batch[:, 0, 0])

            readers = [threading.Thread(target=read) for _ in range(4)]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
            self.assertEqual(sorted(rows), list(range(ROWS)))

    def test_a_state_of_another_length_is_refused(self):
        loader = self.dataset.batches(4, framework="numpy")
        with self.assertRaisesRegex(ValueError, "batch 1000"):
            loader.load_state_dict({**loader.state_dict(), "batch": 1000})


@needs(numpy, "NumPy")
class Scaled(Files):
    def test_each_channel_has_a_factor_and_a_term(self):
        scale, bias = numpy.float32([0.5, 2, 0.1]), [1, -0.25, 0]
        expected = (self.images * scale[:, None]
                    + numpy.float32(bias)[:, None]).astype("f4")  # exact but for a rounding
        for prefetch in (0, 2):
            loader = self.dataset.batches(10, dtype="float32", scale=scale, bias=bias,
                                          channel_axis=1, prefetch=prefetch, framework="numpy")
            found = numpy.concatenate(list(loader))
            numpy.testing.assert_allclose(found, expected, rtol=3e-7)
            exact = self.dataset.copy(dtype="float32", scale=scale, bias=bias, channel_axis=1)
            self.assertTrue(multibuffer.verify(found, exact))
            again = pickle.loads(pickle.dumps(loader))
            self.assertTrue((numpy.concatenate(list(again)) == found).all())

    def test_one_of_several_datasets(self):
        loader = self.both.batches(50, dtype={"image": "float32"}, scale={"image": 0.5},
                                   framework="numpy")
        batch = next(iter(loader))
        self.assertTrue((batch["image"] == self.images[:50] * 0.5).all())
        self.assertTrue((batch["label"] == self.labels[:50]).all())
        with self.assertRaisesRegex(ValueError, "scale names 'other'"):
            self.both.batches(2, scale={"other": 1}, framework="numpy")
        with self.assertRaisesRegex(ValueError, "3"):
            self.dataset.batches(2, dtype="float32", scale=[1, 2], channel_axis=1,
                                 framework="numpy")


@needs(numpy, "NumPy")
@needs(torch, "torch")
class Training(unittest.TestCase):
    def test_a_model_learns_from_a_picture(self):
        import example_train

        here = os.path.dirname(os.path.abspath(__file__))
        losses, accuracy = example_train.main(os.path.join(here, os.pardir, "data", "shards"))
        self.assertLess(sum(losses[-12:]), 0.8 * sum(losses[:12]))
        self.assertGreater(accuracy, 0.75)


def private_bytes(process):
    """What the process has in memory by itself; the files' pages, and torch's shared memory, are
    the kernel's to keep."""
    with open(f"/proc/{process}/status") as file:
        return sum(int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon:"))


if __name__ == "__main__":
    unittest.main()
