"""multibuffer.open() of safetensors files, which are written here and, where it is, by the package
`safetensors`."""

import json
import os
import pickle
import random
import struct
import tempfile
import unittest

import multibuffer
from packages import numpy
from support import needs, optional_import, sampled

FORMATS = dict(multibuffer.file_formats())
safetensors_numpy = optional_import("safetensors.numpy")


def setUpModule():
    if FORMATS["safetensors"]:
        raise unittest.SkipTest(f"this build lacks {FORMATS['safetensors']}")


def save(path, tensors, metadata=None):
    """Writes {name: (dtype, shape, bytes)}."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    words = json.dumps(header).encode()
    words += b" " * (-len(words) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(words)) + words + data)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "model.safetensors")


class Written(Case):
    def test_tensors_by_name(self):
        save(self.path, {"a.weight": ("I32", [2, 2], struct.pack("<4i", 1, 2, 3, 4)),
                         "ünï \"x\"\n": ("F64", [], struct.pack("<d", 0.5))},
             {"format": "pt", "note": "{\"a\": [1]}"})
        dataset = multibuffer.open(self.path + "::a.weight")
        self.assertEqual(dataset[[1, 0]].tolist(), [[3, 4], [1, 2]])
        self.assertEqual(multibuffer.open(self.path + "::ünï \"x\"\n").copy().tolist(), 0.5)
        with self.assertRaisesRegex(OSError, "no tensor b; there are a.weight, "):
            multibuffer.open(self.path + "::b")
        with self.assertRaisesRegex(ValueError, "2 arrays; name one"):
            multibuffer.open(self.path)

    def test_numbers_that_numpy_has_not(self):
        save(self.path, {"b": ("BF16", [2], b"\x80\x3f\x00\xc0"), "e": ("F8_E4M3", [2], b"\x38\xc0"),
                         "f": ("F8_E5M2", [2], b"\x3c\xc0"), "g": ("F8_E8M0", [2], b"\x7f\x80"),
                         "h": ("F4", [4], b"\0\0"), "i": ("F6_E2M3", [4], b"\0\0\0")})
        for name, dtype, values in (("b", "bfloat16", [1, -2]), ("e", "float8_e4m3fn", [1, -2]),
                                    ("f", "float8_e5m2", [1, -2]),
                                    ("g", "float8_e8m0fnu", [1, 2])):
            dataset = multibuffer.open(f"{self.path}::{name}")
            self.assertEqual(str(dataset.dtype), dtype)
            self.assertEqual(multibuffer.upload(dataset.copy(), device="host").astype("f4")
                             .tolist(), values)
        for name in "hi":
            with self.assertRaisesRegex(OSError, f"::{name}: .* smaller than a byte"):
                multibuffer.open(f"{self.path}::{name}")

    def test_windows_and_pickles(self):
        values = list(range(1000))
        save(self.path, {"pad": ("U8", [3], b"abc"),
                         "x": ("I16", [100, 10], struct.pack("<1000h", *values))})
        for window in 0, 1, 100, "1 MiB":
            dataset = multibuffer.open(self.path + "::x", window=window)
            for again in dataset, pickle.loads(pickle.dumps(dataset)):
                self.assertEqual(again[[99, 0, 7], 3].tolist(), [993, 3, 73])
                self.assertEqual(again[::-1, ::3].copy().tolist(),
                                 [values[10 * i:10 * i + 10:3] for i in reversed(range(100))])

    def test_a_file_that_is_written_again_is_stale(self):
        save(self.path, {"x": ("U8", [3], b"abc")})
        dataset = multibuffer.open(self.path)
        save(self.path, {"x": ("U8", [4], b"abcd")})
        with self.assertRaises(multibuffer.StaleError):
            dataset.copy()

    def test_a_cut_download(self):
        save(self.path, {"x": ("U8", [300], bytes(300)), "y": ("U8", [300], bytes(300))})
        os.truncate(self.path, os.path.getsize(self.path) - 1)
        with self.assertRaisesRegex(OSError, "is cut: the tensor y ends at byte 600"):
            multibuffer.open(self.path + "::x")


class Experts(Case):
    """A model of several files, as mixtures of experts are stored."""

    def setUp(self):
        super().setUp()
        self.choice = random.Random(5)
        self.files = 3
        self.layers, self.experts = 3, 11
        self.values = {}
        shards = [{} for _ in range(self.files)]
        for layer in range(self.layers):
            for expert in range(self.experts):
                for weight in "w1", "w2":
                    content = [self.choice.randrange(-99, 99) for _ in range(6)]
                    self.values[layer, expert, weight] = content
                    name = f"model.layers.{layer}.experts.{expert}.{weight}"
                    shards[self.choice.randrange(self.files)][name] = (
                        "I8", [2, 3], struct.pack("6b", *content))
            shards[0][f"model.layers.{layer}.norm"] = ("I8", [1], b"\0")
        self.shards = shards
        self.write()
        self.pattern = os.path.join(self.folder,
                                    "model-*.safetensors::model.layers.*.experts.*.w1")

    def write(self):
        for i, shard in enumerate(self.shards):
            items = list(shard.items())
            self.choice.shuffle(items)
            save(os.path.join(self.folder,
                              f"model-{i + 1:05}-of-{self.files:05}.safetensors"), dict(items))

    def test_they_are_one_array(self):
        for window in 0, 16:
            dataset = multibuffer.open(self.pattern, window=window)
            self.assertEqual(dataset.shape, (self.layers, self.experts, 2, 3))
            self.assertEqual(len(dataset.files), self.files)
            flat = [value for layer in range(self.layers) for expert in range(self.experts)
                    for value in self.values[layer, expert, "w1"]]
            self.assertEqual(bytes(dataset.copy()), struct.pack(f"{len(flat)}b", *flat))
            for _ in range(300):
                count = self.choice.randrange(1, 9)
                layers = [self.choice.randrange(self.layers) for _ in range(count)]
                experts = [self.choice.randrange(self.experts) for _ in range(count)]
                expected = [value for layer, expert in zip(layers, experts)
                            for value in self.values[layer, expert, "w1"]]
                self.assertEqual(bytes(dataset[layers, experts]),
                                 struct.pack(f"{len(expected)}b", *expected))
            again = pickle.loads(pickle.dumps(dataset[1, ::-1]))
            self.assertEqual(again[[0]].tolist(),
                             [[self.values[1, self.experts - 1, "w1"][:3],
                               self.values[1, self.experts - 1, "w1"][3:]]])

    def test_one_that_is_missing_is_named(self):
        for shard in self.shards:
            shard.pop("model.layers.1.experts.10.w1", None)
        self.write()
        with self.assertRaisesRegex(ValueError, r"no model\.layers\.1\.experts\.10\.w1, of the 33"):
            multibuffer.open(self.pattern)

    def test_one_of_another_shape_is_named(self):
        for shard in self.shards:
            if "model.layers.1.experts.4.w1" in shard:
                shard["model.layers.1.experts.4.w1"] = ("I8", [2, 4], bytes(8))
        self.write()
        with self.assertRaisesRegex(ValueError, r"model\.layers\.1\.experts\.4\.w1"):
            multibuffer.open(self.pattern)


@needs(numpy, "numpy")
@needs(safetensors_numpy, "safetensors")
class Package(Case):
    def test_random_tensors(self):
        for seed in sampled(40):
            choice = numpy.random.default_rng(seed)
            tensors = {}
            for i in range(int(choice.integers(1, 6))):
                dtype = numpy.dtype(str(choice.choice(
                    ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?"])))
                shape = tuple(int(n) for n in choice.integers(1, 9, choice.integers(1, 4)))
                values = choice.integers(0, 2, (*shape, dtype.itemsize), "u1").view(dtype)
                tensors[f"layer.{i}.ä"] = values.reshape(shape)
            safetensors_numpy.save_file(tensors, self.path,
                                        {"format": "np"} if choice.integers(2) else None)
            expected = safetensors_numpy.load_file(self.path)
            for name, values in expected.items():
                for window in 0, 64:
                    dataset = multibuffer.open(f"{self.path}::{name}", window=window)
                    self.assertEqual((dataset.shape, numpy.dtype(str(dataset.dtype))),
                                     (values.shape, values.dtype))
                    self.assertEqual(bytes(dataset.copy()), values.tobytes())
                    for _ in range(15):
                        at = choice.integers(0, len(values), choice.integers(1, 20))
                        self.assertEqual(bytes(dataset[at]), values[at].tobytes())
                again = pickle.loads(pickle.dumps(dataset[::-1]))
                self.assertEqual(bytes(again.copy()), values[::-1].tobytes())

    def test_bytes_that_change(self):
        """What the reference implementation reads is read alike; else there is an error."""
        save(self.path, {"a": ("I16", [2, 2], b"abcdefgh"), "b": ("U8", [3], b"ijk")})
        with open(self.path, "rb") as file:
            whole = file.read()
        choice = random.Random(3)
        read_by_both = 0
        for _ in range(1000):
            content = bytearray(whole)
            for _ in range(choice.randrange(1, 3)):
                content[choice.randrange(len(content))] = choice.choice(
                    [choice.randrange(256), *b"0123456789{}[],:\" "])
            with open(self.path, "wb") as file:
                file.write(content)
            try:
                expected = safetensors_numpy.load_file(self.path)
            except Exception:  # of many kinds
                expected = None
            for name in (expected or {"a": None, "b": None}):
                try:
                    found = bytes(multibuffer.open(f"{self.path}::{name}").copy())
                except (OSError, ValueError, TypeError):
                    self.assertIsNone(expected, content)
                    continue
                if expected is not None:
                    read_by_both += 1
                    self.assertEqual(found, expected[name].tobytes())
        self.assertGreater(read_by_both, 20)


if __name__ == "__main__":
    unittest.main()
