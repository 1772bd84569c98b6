"""Dataset.batches() and multibuffer.torch.collate() beside torch's DataLoader and default_collate.

usage: PYTHONPATH=build/release/host/python python3 bench/peers/loop.py [seconds a figure]

An epoch of rows out of a .npy, shuffled, in batches of 256, where the DataLoader has a map-style
dataset of the items of a numpy.memmap, default_collate and no workers; and one batch made of a list
of samples, NumPy arrays and tensors. Each figure is the best of several runs that take turns, and
results are compared by their bits first.
"""

import os
import sys
import tempfile
import time

import numpy
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

import multibuffer
import multibuffer.torch

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0


def best(functions):
    """The shortest time of each, in seconds. They take turns, so that all see the same machine."""
    times = [[] for _ in functions]
    for function in functions:
        function()
    end = time.perf_counter() + SECONDS * len(functions)
    while time.perf_counter() < end or len(times[0]) < 3:
        for function, own in zip(functions, times):
            start = time.perf_counter()
            function()
            own.append(time.perf_counter() - start)
    return [min(own) for own in times]


class Items(Dataset):
    def __init__(self, name):
        self.array = numpy.load(name, mmap_mode="r")

    def __len__(self):
        return len(self.array)

    def __getitem__(self, index):
        return numpy.array(self.array[index])


def consume(loader):
    for batch in loader:
        batch[-1]


def epoch(name, batches):
    dataset = multibuffer.open(name)
    plain = list(DataLoader(Items(name), 256))
    assert all(torch.equal(a, b) for a, b in zip(dataset.batches(256), plain, strict=True))
    del plain
    loader = DataLoader(Items(name), 256, shuffle=True)
    own = [dataset.batches(256, shuffle=True, prefetch=ahead) for ahead in (0, 2)]
    theirs, none, ahead = best([lambda: consume(loader), lambda: consume(own[0]),
                                lambda: consume(own[1])])
    print(f"| {batches} x 256 x {dataset.shape[1:]} {dataset.dtype} | {theirs * 1e3:.1f} ms | "
          f"{none * 1e3:.2f} ms | {ahead * 1e3:.2f} ms | {theirs / ahead:.1f} x |", flush=True)


def batch(count, shape, dtype):
    generator = numpy.random.default_rng(0)
    arrays = [generator.integers(0, 200, shape).astype(dtype) for _ in range(count)]
    tensors = [torch.from_numpy(array) for array in arrays]
    ours, theirs = multibuffer.torch.collate(arrays), default_collate(arrays)
    assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)
    collate = multibuffer.torch.collate
    own, default, stack, own_t, default_t = best([
        lambda: collate(arrays), lambda: default_collate(arrays), lambda: torch.stack(tensors),
        lambda: collate(tensors), lambda: default_collate(tensors)])
    print(f"| {count} x {shape} {dtype} | {own * 1e6:.1f} us | {default * 1e6:.1f} us | "
          f"{stack * 1e6:.1f} us | {own / default:.2f} | {own / stack:.2f} | "
          f"{own_t / default_t:.2f} |", flush=True)


def main():
    print(f"torch {torch.__version__}, NumPy {numpy.__version__}, {os.cpu_count()} cores\n")
    print("| an epoch | DataLoader | batches, prefetch 0 | prefetch 2 | times faster |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "rows.npy")
        for batches, shape, dtype in ((100, (), "i8"), (100, (64,), "u1"), (100, (64,), "f4"),
                                      (100, (1024,), "u1"), (100, (3, 32, 32), "u1"),
                                      (10, (3, 224, 224), "u1")):
            numpy.save(name, numpy.random.default_rng(0).integers(
                0, 200, (batches * 256, *shape)).astype(dtype))
            epoch(name, batches)
    print("\n| a batch | collate | default_collate | torch.stack of tensors | to default_collate "
          "| to torch.stack | of tensors, to default_collate |")
    print("|---|---|---|---|---|---|---|")
    for count, shape, dtype in ((2, (4,), "f4"), (8, (64,), "f4"), (16, (64,), "f4"),
                                (64, (64,), "f4"), (256, (64,), "f4"), (1024, (64,), "f4"),
                                (4096, (64,), "f4"), (256, (3, 32, 32), "u1"),
                                (1024, (3, 32, 32), "u1"), (2, (3, 224, 224), "u1"),
                                (8, (3, 224, 224), "u1"), (32, (3, 224, 224), "u1"),
                                (256, (3, 224, 224), "u1"), (64, (3, 224, 224), "f4")):
        batch(count, shape, dtype)


if __name__ == "__main__":
    main()
