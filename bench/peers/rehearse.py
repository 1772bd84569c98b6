"""The device's cases on the host, all small: a test that each runs and that its sides make the same bits.

torch works on the processor here, multibuffer on its host backend, and NumPy stands in for CuPy and
JAX. What this cannot show is whether their own calls are spelt right; what it times means nothing.

usage: rehearse.py as run.py, without --device; 77 if torch is not there.
"""

import ctypes
import sys
import types

import numpy

import gpu as gpus
import run
from harness import Clock, Missing


class Ready(numpy.ndarray):
    """A result of JAX: one can wait for it."""

    def block_until_ready(self):
        return self


def compiled(function):
    return lambda *arrays: numpy.ascontiguousarray(function(*arrays)).view(Ready)


def from_tensor(tensor):
    return tensor.numpy()


CUPY = types.SimpleNamespace(from_dlpack=from_tensor, take=numpy.take, copyto=numpy.copyto,
                             stack=numpy.stack, asarray=numpy.asarray)
JAX = types.SimpleNamespace(
    jit=compiled,
    numpy=types.SimpleNamespace(from_dlpack=from_tensor, take=numpy.take, transpose=numpy.transpose,
                                asarray=lambda array: array.view(Ready)))


class CUDA:
    """cuda_peers.CudaPeers, by the processor."""

    @staticmethod
    def gather(indices, source, out):
        def work():
            out[...] = source[indices.long()]

        return work

    @staticmethod
    def copy_rows(addresses, out, as_batch=False):
        row_bytes = out[0].numel() * out.element_size()

        def work():
            for i, address in enumerate(addresses.tolist()):
                ctypes.memmove(out.data_ptr() + i * row_bytes, address, row_bytes)

        return work

    @staticmethod
    def batched(torch, addresses, out):
        return CUDA.copy_rows(addresses, out)


def rehearsal():
    torch = gpus.load("torch")

    def once(name):
        """A clock that is content with anything."""
        wall = gpus.wall_clock(lambda: None)
        return Clock(name, wall.time, least_seconds=0, most_calls=1)

    return gpus.Gpu("host", "cpu", torch, None, {"cupy": CUPY, "jax": JAX, "cuda": CUDA}.__getitem__,
                    once("event"), once("wall"), once("wall"), "rehearsal", shrink=256)


def main():
    options = run.arguments()
    options.device = "cuda"
    options.groups = options.groups or list(run.groups_of(options))
    try:
        gpu = rehearsal()
    except Missing as missing:
        print(f"SKIPPED {missing}")
        return 77
    return run.finish(run.measured_on(gpu, options), options)


sys.exit(main())
