"""multibuffer.torch.collate beside torch's default_collate: equal, and clearer where it fails."""

import collections
import os
import random
import tempfile
import unittest
import warnings

from packages import numpy, torch
from support import needs

if torch and numpy:
    from torch.utils.data import DataLoader, default_collate

    import multibuffer.torch
    collate = multibuffer.torch.collate

Point = collections.namedtuple("Point", ["x", "y"])
ROUNDS = int(os.environ.get("MULTIBUFFER_TEST_ROUNDS", 3000))
TYPES = ("?", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16")


def same(test, ours, theirs):
    """Asserts equal types, shapes and bits, at any depth."""
    test.assertIs(type(ours), type(theirs))
    if isinstance(ours, torch.Tensor):
        test.assertEqual((ours.dtype, ours.shape, ours.stride(), ours.device, ours.requires_grad),
                         (theirs.dtype, theirs.shape, theirs.stride(), theirs.device,
                          theirs.requires_grad))
        test.assertEqual(ours.numpy().tobytes(), theirs.numpy().tobytes())
    elif isinstance(ours, dict):
        test.assertEqual(list(ours), list(theirs))
        for key in ours:
            same(test, ours[key], theirs[key])
    elif isinstance(ours, (list, tuple)):
        test.assertEqual(len(ours), len(theirs))
        for a, b in zip(ours, theirs):
            same(test, a, b)
    else:
        test.assertEqual(ours, theirs)


def maker(generator, depth=0):
    """A function that makes one sample of a kind chosen at random."""
    kind = generator.choice(["array"] * 4 + ["strided", "tensor", "number", "scalar", "text"] +
                            ["dict", "tuple", "point", "list"] * (depth < 3))
    if kind in ("array", "strided", "tensor", "scalar"):
        bits = numpy.random.default_rng(generator.randrange(1 << 30))
        shape = tuple(generator.choice([0, 1, 2, 3, 7]) if generator.random() < 0.1 else
                      generator.choice([1, 2, 3, 7]) for _ in range(generator.randrange(4)))
        dtype = generator.choice(TYPES)

        def array():
            return numpy.asarray(bits.integers(0, 2 if dtype == "?" else 100, shape)).astype(dtype)
        if kind == "strided":
            return lambda: array() if not shape else numpy.asfortranarray(array()) \
                if bits.random() < 0.5 else numpy.repeat(array(), 2, axis=0)[::2]
        if kind == "tensor":
            return lambda: torch.from_numpy(array())
        return (lambda: numpy.dtype(dtype).type(1)) if kind == "scalar" else array
    if kind == "number":
        value = generator.choice([True, 3, 2.5])
        return lambda: type(value)(generator.randrange(5))
    if kind == "text":
        value = generator.choice(["ab", b"ab"])
        return lambda: value
    parts = [maker(generator, depth + 1) for _ in range(generator.randrange(1, 4))]
    if kind == "dict":
        return lambda: {f"key {i}": part() for i, part in enumerate(parts)}
    if kind == "point":
        return lambda: Point(parts[0](), parts[-1]())
    return lambda: (tuple if kind == "tuple" else list)(part() for part in parts)


class InMemory:
    """A map-style dataset of samples."""

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


@needs(torch, "torch")
@needs(numpy, "NumPy")
class Collate(unittest.TestCase):
    def test_random_nested_samples(self):
        generator = random.Random(20)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, of lists of scalars
            for _ in range(ROUNDS):
                make = maker(generator)
                samples = [make() for _ in range(generator.choice([1, 2, 7, 8, 9, 40]))]
                same(self, collate(samples), default_collate(samples))

    def test_the_batch_is_memory_of_its_own(self):
        for count in (2, 30):
            samples = [numpy.zeros(4, "f4") for _ in range(count)]
            batch = collate(samples)
            batch += 1
            self.assertEqual(samples[0].sum(), 0)
            del samples
            self.assertEqual(batch.sum().item(), 4 * count)

    def test_files_and_read_only_arrays(self):
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "rows.npy")
            numpy.save(name, numpy.arange(300, dtype="f4").reshape(30, 10))
            mapped = numpy.load(name, mmap_mode="r")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = default_collate(list(mapped))
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                same(self, collate(list(mapped)), expected)

    def test_mirrored_images(self):
        for count in (2, 30):
            images = [numpy.arange(12).reshape(3, 4)[:, ::-1]] * count
            self.assertEqual(collate(images).tolist(), numpy.stack(images).tolist())

    def test_mixed_types_are_promoted_as_by_torch(self):
        samples = [numpy.zeros(3, "i4")] * 20 + [numpy.ones(3, "f4")]
        same(self, collate(samples), default_collate(samples))
        samples = [numpy.zeros(3, "f4")] * 20 + [torch.ones(3)]
        same(self, collate(samples), default_collate(samples))

    def test_what_is_registered_with_torch_counts(self):
        functions = torch.utils.data._utils.collate.default_collate_fn_map
        functions[numpy.datetime64] = lambda batch, *, collate_fn_map=None: numpy.array(batch)
        try:
            samples = [{"when": numpy.datetime64("2026-01-01"), "x": numpy.zeros(3)}] * 9
            self.assertEqual(collate(samples)["when"].shape, (9,))
        finally:
            del functions[numpy.datetime64]

    def test_errors_name_the_sample(self):
        good = numpy.zeros((3, 32, 32), "u1")
        for count in (4, 20):
            arrays = [good] * (count - 1) + [numpy.zeros((3, 31, 32), "u1")]
            text = (rf"sample {count - 1} is \(3, 31, 32\) uint8, "
                    r"sample 0 \(3, 32, 32\) uint8")
            with self.assertRaisesRegex(RuntimeError, text):
                collate(arrays)
            with self.assertRaisesRegex(RuntimeError, text):
                collate([torch.from_numpy(array) for array in arrays])
            with self.assertRaisesRegex(
                    RuntimeError, rf"sample {count - 1}\['image'\]\[0\] is \(3, 31, 32\) uint8"):
                collate([{"image": (array, 1)} for array in arrays])
        with self.assertRaisesRegex(RuntimeError, "sample 1 has 1 elements, sample 0 2"):
            collate([(1, 2), (1,)])
        with self.assertRaisesRegex(KeyError, "sample 2 has no 'b'"):
            collate([{"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1}])
        with self.assertRaisesRegex((TypeError, RuntimeError), "sample 1 is a str, sample 0 a int"):
            collate([1, "x"])

    def test_unknown_types_are_torchs_business(self):
        for sample in (None, object(), numpy.array(["a", "b"]), numpy.array([None]),
                       numpy.zeros(3, "M8[s]"), numpy.zeros(3, ">f4")):
            for count in (2, 20):
                with self.assertRaises((TypeError, ValueError)) as theirs:
                    default_collate([sample] * count)
                with self.assertRaises(type(theirs.exception)) as ours:
                    collate([sample] * count)
                self.assertEqual(str(ours.exception), str(theirs.exception))

    def test_workers_put_it_in_shared_memory(self):
        samples = [{"image": numpy.full((3, 5), i, "f4"), "flag": numpy.array([i % 2 == 0])}
                   for i in range(64)]
        expected = list(DataLoader(InMemory(samples), 16))
        loader = DataLoader(InMemory(samples), 16, num_workers=2, collate_fn=collate,
                            multiprocessing_context="fork")
        for batch, other in zip(loader, expected):
            same(self, batch, other)
            self.assertTrue(batch["image"].is_shared() and batch["flag"].is_shared())

    def test_a_workers_error_names_the_sample(self):
        samples = [numpy.zeros(3)] * 19 + [numpy.zeros(4)]
        loader = DataLoader(InMemory(samples), 20, num_workers=1, collate_fn=collate,
                            multiprocessing_context="fork")
        with self.assertRaisesRegex(RuntimeError, r"sample 19 is \(4,\) float64"):
            list(loader)


if __name__ == "__main__":
    unittest.main()
